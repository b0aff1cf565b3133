#!/usr/bin/python3
"""Users, channels and invitations in Redis: a real server on a real redis-server."""

import asyncio
import contextlib
import json
import os
import subprocess
import tempfile
import time
import unittest

import aiohttp

from harness import (BINARY, CHANNELS, INVITE, NOTIFICATIONS, SCALE, Case, User, eventually, lines,
                     run_cli, voice, within)
from redis_process import Redis, free_port


class RedisCase(Case):
    def start_redis(self, *options):
        redis = Redis(*options)
        self.addCleanup(redis.remove)
        return redis

    def serve(self, redis, *options):
        return self.start("--workers", "2", *options, store=("--redis-store", redis.url))

    async def status_of_create(self, user, server):
        answer = await self.rest("POST", CHANNELS, user, server=server, json={"name": "x"})
        return answer.status

    def user_add(self, name, *store):
        result = run_cli("user", "add", name, *store)
        self.assertEqual(result.returncode, 0, result.stderr)
        fields = json.loads(result.stdout)
        return User(fields["id"], fields["username"], fields["token"])


class ContractTest(RedisCase):
    async def test_the_contract_holds(self):
        server = self.serve(self.start_redis())
        alice, bob = server.add_user("alice"), server.add_user("боб")
        device = await self.connect(NOTIFICATIONS, bob, server)
        channel = await self.create_channel(alice, "Загальна кімната", server)
        self.assertEqual((channel["id"], channel["creator"]), (1, alice.id))
        invitation = await self.invite(alice, channel, bob, server)
        heard = await self.next_json(device)
        self.assertEqual((heard["id"], heard["voice_channel_name"]),
                         (invitation["id"], "Загальна кімната"))
        listed = await self.rest("GET", CHANNELS, bob, server=server)
        self.assertEqual(listed.json, [channel])
        one = await self.rest("GET", f"{CHANNELS}1/", bob, server=server)
        self.assertEqual(one.json, channel)
        missing = await self.rest("GET", f"{CHANNELS}2/", bob, server=server)
        self.assertEqual(missing.status, 404)
        nobody = await self.rest("POST", INVITE, alice, server=server,
                                 json={"voice_channel": 1, "addressee": 99})
        self.assertEqual(nobody.status, 400)

    async def test_two_servers_are_one_store(self):
        redis = self.start_redis()
        one, other = self.serve(redis), self.serve(redis)
        alice = one.add_user("alice")
        channels = await asyncio.gather(*(
            self.create_channel(alice, str(i), (one, other)[i % 2]) for i in range(40)))
        self.assertEqual(sorted(channel["id"] for channel in channels), list(range(1, 41)))
        for server in (one, other):
            listed = await self.rest("GET", CHANNELS, alice, server=server)
            self.assertEqual(len(listed.json), 40)

    async def test_a_key_that_ends_closes_connections_on_all_servers_within_a_second(self):
        redis = self.start_redis()
        servers = self.serve(redis), self.serve(redis)
        alice = servers[0].add_user("alice")
        members = [await self.connect(voice("x"), alice, server) for server in servers]
        begin = time.monotonic()
        self.assertEqual(run_cli("user", "token", "alice", "--redis-store", redis.url).returncode, 0)
        for member in members:
            await asyncio.wait_for(member.wait_closed(), 5 * SCALE)
        self.assertLess(time.monotonic() - begin, 1.3 * SCALE)
        for server in servers:
            self.assertEqual((await self.rest("GET", CHANNELS, alice, server=server)).status, 401)


class OutageTest(RedisCase):
    async def works_within_a_second(self, user, server):
        begin = time.monotonic()
        while await self.status_of_create(user, server) != 201:
            self.assertLess(time.monotonic() - begin, 1 * SCALE, "it is not back")

    async def create(self, server, user, acknowledged, refused):
        async with aiohttp.ClientSession(headers=user.headers) as session:
            while not self.is_over:
                async with session.post(server.http(CHANNELS), json={"name": "x"}) as answer:
                    body = await answer.read()
                    if answer.status == 201:
                        acknowledged.append(json.loads(body)["id"])
                    else:
                        self.assertEqual(answer.status, 503, body)
                        refused.append(body)
                        await asyncio.sleep(0.01)

    @within(60)
    async def test_all_that_was_acknowledged_is_there_after_a_crash_under_writes(self):
        redis = self.start_redis()
        server = self.serve(redis)
        alice = server.add_user("alice")
        acknowledged, refused = [], []
        self.is_over = False
        writers = [asyncio.create_task(self.create(server, alice, acknowledged, refused))
                   for _ in range(32)]
        for round_ in range(1, 4):
            await eventually(lambda: len(acknowledged) > 500 * round_, "writes", 20)
            redis.kill()
            await asyncio.sleep(0.2)
            redis.start()
        last = len(acknowledged)
        await eventually(lambda: len(acknowledged) > last + 100, "writes go on", 10)
        self.is_over = True
        await asyncio.gather(*writers)
        self.assertTrue(refused)
        listed = await self.rest("GET", CHANNELS, alice, server=server)
        self.assertEqual(len(acknowledged), len(set(acknowledged)), "an id was given twice")
        self.assertEqual(set(acknowledged) - {channel["id"] for channel in listed.json}, set())

    @within(40)
    async def test_while_redis_is_away_creates_get_503_at_once_and_rooms_go_on(self):
        redis = self.start_redis()
        server = self.serve(redis)
        alice = server.add_user("alice")
        first, second = await self.members("x", 2, alice, server)
        redis.kill()
        begin = time.monotonic()
        for _ in range(10):
            self.assertEqual(await self.status_of_create(alice, server), 503)
        self.assertLess(time.monotonic() - begin, 1.5 * SCALE)
        await first.send("still here")
        self.assertEqual(await self.next(second), "still here")
        self.assertEqual((await self.rest("GET", "/livez", server=server)).status, 200)
        redis.start()
        await self.works_within_a_second(alice, server)
        log = server.log()
        self.assertEqual(log.count(f"the store at {redis.url} is away: Connection refused"), 1, log)
        self.assertEqual(log.count(f"the store at {redis.url} is back"), 1, log)

    @within(40)
    async def test_a_frozen_redis_is_away_after_a_second(self):
        redis = self.start_redis()
        server = self.serve(redis)
        alice = server.add_user("alice")
        redis.freeze()
        self.addCleanup(redis.thaw)
        begin = time.monotonic()
        answers = await asyncio.gather(*(self.status_of_create(alice, server) for _ in range(200)))
        self.assertEqual(set(answers), {503})
        self.assertLess(time.monotonic() - begin, 6 * SCALE)
        begin = time.monotonic()
        self.assertEqual(await self.status_of_create(alice, server), 503)
        self.assertLess(time.monotonic() - begin, 0.6 * SCALE)
        redis.thaw()
        await self.works_within_a_second(alice, server)

    @within(40)
    async def test_who_was_let_in_before_is_let_in_while_redis_is_away(self):
        redis = self.start_redis()
        server = self.serve(redis)
        alice, carol = server.add_user("alice"), server.add_user("carol")
        first, = await self.members("x", 1, alice, server)
        redis.kill()
        begin = time.monotonic()
        others = await asyncio.gather(*(self.connect(voice("x"), alice, server) for _ in range(100)))
        self.assertLess(time.monotonic() - begin, 3 * SCALE)
        await others[0].send("again")
        self.assertEqual(await self.next(first), "again")
        self.assertEqual(await self.refused(voice("x"), carol, server), 503)
        self.assertEqual(await self.refused(voice("x"), alice._replace(key="wrong"), server), 503)
        redis.start()
        await self.works_within_a_second(carol, server)
        self.assertEqual(await self.refused(voice("x"), alice._replace(key="wrong"), server), 401)

    @within(40)
    async def test_a_frozen_redis_keeps_nobody_out_who_was_let_in_before(self):
        redis = self.start_redis()
        server = self.serve(redis)
        alice = server.add_user("alice")
        await self.members("x", 1, alice, server)
        redis.freeze()
        self.addCleanup(redis.thaw)
        begin = time.monotonic()
        await asyncio.gather(*(self.connect(voice("x"), alice, server) for _ in range(100)))
        self.assertLess(time.monotonic() - begin, 6 * SCALE)

    @within(40)
    async def test_nobody_is_let_in_when_the_grace_is_over(self):
        redis = self.start_redis()
        server = self.serve(redis, "--store-grace", "1")
        alice = server.add_user("alice")
        await self.members("x", 1, alice, server)
        redis.kill()
        await self.connect(voice("x"), alice, server)
        await asyncio.sleep(1.1)
        self.assertEqual(await self.refused(voice("x"), alice, server), 503)

    @within(40)
    async def test_a_key_that_was_replaced_is_not_good_while_redis_is_away(self):
        redis = self.start_redis()
        server = self.serve(redis)
        alice, bob = server.add_user("alice"), server.add_user("bob")
        one, = await self.members("x", 1, alice, server)
        await self.members("y", 1, bob, server)
        self.assertEqual(run_cli("user", "token", "alice", *server.store).returncode, 0)
        await asyncio.wait_for(one.wait_closed(), 5 * SCALE)
        redis.kill()
        self.assertEqual(await self.refused(voice("x"), alice, server), 503)
        await self.connect(voice("y"), bob, server)  # whose key was looked at again


class StartTest(RedisCase):
    def refused(self, *arguments):
        result = run_cli("serve", "--listen", "127.0.0.1:0", *arguments)
        self.assertNotEqual(result.returncode, 0)
        self.assertEqual(result.stdout, "")
        self.assertEqual(len(lines(result.stderr)), 1, result.stderr)
        self.assertNotIn("sesame", result.stderr)
        return result.stderr

    async def test_what_is_wrong_is_told_in_a_line_without_the_password(self):
        redis = self.start_redis("--requirepass", "right")
        host = f"127.0.0.1:{redis.port}"
        away = free_port()
        self.assertIn("WRONGPASS", self.refused("--redis-store", f"redis://:sesame@{host}"))
        self.assertIn("NOAUTH", self.refused("--redis-store", f"redis://{host}"))
        self.assertIn("Connection refused",
                      self.refused("--redis-store", f"redis://:sesame@127.0.0.1:{away}"))
        self.assertIn("begin with redis://", self.refused("--redis-store", f"http://:sesame@{host}"))
        self.assertIn("the host cannot be found",
                      self.refused("--redis-store", "redis://:sesame@nowhere.invalid"))
        self.assertIn("give one of them",
                      self.refused("--redis-store", f"redis://:sesame@{host}", "--db", "x"))
        self.assertIn("needs --redis-store", self.refused("--redis-password-file", "x"))
        self.assertIn("cannot take the password from",
                      self.refused("--redis-store", f"redis://{host}",
                                   "--redis-password-file", "/nowhere/password"))

    async def test_the_password_may_come_from_a_file_and_never_shows(self):
        redis = self.start_redis("--requirepass", "sesame")
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        password = os.path.join(directory.name, "password")
        with open(password, "w") as file:
            file.write("sesame\n")
        config = os.path.join(directory.name, "voicechan.toml")
        with open(config, "w") as file:
            file.write(f'redis-store = "{redis.url}"\nredis-password-file = "{password}"\n')
        server = self.start(store=("--config", config))
        await eventually(lambda: f"with store {redis.url}" in server.log(), "the store in the log")
        self.assertNotIn("sesame", server.log())
        environment = {"VOICECHAN_REDIS_STORE": f"redis://:sesame@127.0.0.1:{redis.port}"}
        for command in (["check-config"], ["user", "list"]):
            result = subprocess.run([BINARY, *command], env=environment, capture_output=True,
                                    encoding="utf-8", timeout=15 * SCALE)
            self.assertEqual((result.returncode, result.stderr), (0, ""))
            self.assertNotIn("sesame", result.stdout)

    async def test_what_redis_may_lose_is_a_warning(self):
        safe = self.serve(self.start_redis())
        self.assertNotIn("warning", safe.log())
        risky = self.serve(self.start_redis("--appendfsync", "everysec"))
        self.assertIn('warning redis://', risky.log())
        self.assertIn('appendfsync is "everysec": acknowledged writes of the last second', risky.log())

    async def test_tls_and_a_user_of_few_rights_work(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        key, certificate = (os.path.join(directory.name, name) for name in ("key", "certificate"))
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out",
             certificate, "-days", "2", "-subj", "/CN=redis", "-addext",
             "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
        port = free_port()
        self.start_redis(
            "--tls-port", str(port), "--tls-cert-file", certificate, "--tls-key-file", key,
            "--tls-ca-cert-file", certificate, "--tls-auth-clients", "no",
            "--user", "vc", "on", ">sesame", "~vc:store:*", "+@read", "+@write", "+@scripting",
            "+@connection", "+info")
        url = f"rediss://vc:sesame@127.0.0.1:{port}?ca={certificate}"
        server = self.start(store=("--redis-store", url))
        alice = server.add_user("alice")
        self.assertEqual(await self.status_of_create(alice, server), 201)
        self.assertNotIn("sesame", server.log())
        self.assertIn("certificate verify failed",
                      self.refused("--redis-store", f"rediss://vc:sesame@127.0.0.1:{port}"))


class MigrationTest(RedisCase):
    def migrate(self, source, destination):
        return run_cli("migrate", "--from", source, "--to", destination, timeout=30)

    async def test_a_store_moves_to_redis_and_back_and_goes_on(self):
        file_server = self.start()
        alice, bob = file_server.add_user("alice"), file_server.add_user("bob")
        created = [await self.create_channel(alice, f"кімната {i}", file_server) for i in range(9)]
        await self.invite(alice, created[3], bob, file_server)
        file_server.kill()

        redis = self.start_redis()
        moved = self.migrate(f"sqlite:{file_server.db}", redis.url)
        self.assertEqual(moved.returncode, 0, moved.stderr)
        self.assertEqual(json.loads(moved.stdout),
                         {"users": 2, "channels": 9, "invitations": 1, "revoked_tokens": 0})
        self.assertIn("copying channels: 9\n", moved.stderr)
        self.assertIn("verifying channels: 9\n", moved.stderr)
        server = self.serve(redis)
        listed = await self.rest("GET", CHANNELS, bob, server=server)
        self.assertEqual(listed.json, created)
        created.append(await self.create_channel(bob, "next", server))
        self.assertEqual(created[-1]["id"], 10)

        again = self.migrate(f"sqlite:{file_server.db}", redis.url)
        self.assertEqual(again.returncode, 1)
        self.assertIn("the destination is not empty", again.stderr)

        back = os.path.join(file_server.directory, "back.db")
        moved = self.migrate(redis.url, f"sqlite:{back}")
        self.assertEqual(moved.returncode, 0, moved.stderr)
        server = self.start(db=back)
        listed = await self.rest("GET", CHANNELS, alice, server=server)
        self.assertEqual(listed.json, created)

    async def test_one_that_was_killed_cannot_be_served_from_and_can_be_repeated(self):
        server = self.start()
        server.add_user("alice")
        server.kill()
        redis = self.start_redis()
        process = subprocess.Popen(
            [BINARY, "migrate", "--from", f"sqlite:{server.db}", "--to", redis.url],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        with contextlib.closing(process.stderr):
            for line in process.stderr:
                if line.startswith(b"copying users"):
                    redis.freeze()
                    break
            process.kill()
            process.wait()
        redis.thaw()
        if b"import" not in redis.ask("HGETALL vc:store:meta"):
            self.skipTest("it was faster than the kill")
        refused = run_cli("user", "list", "--redis-store", redis.url)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("a migration into it has not come to its end", refused.stderr)
        moved = self.migrate(f"sqlite:{server.db}", redis.url)
        self.assertEqual(moved.returncode, 0, moved.stderr)
        self.assertIn("removing what an unfinished migration has left", moved.stderr)
        self.assertEqual(run_cli("user", "list", "--redis-store", redis.url).returncode, 0)


if __name__ == "__main__":
    unittest.main()
