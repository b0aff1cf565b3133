#!/usr/bin/python3
"""Two servers whose store and bus are behind TLS and passwords, with users of just those rights that the
README gives them: all works, and what is wrong is said in words an operator can use."""

import os
import re
import subprocess
import tempfile
import time
import unittest

from harness import (HERE, NOTIFICATIONS, SCALE, eventually, lines, run_cli, voice, within)
from redis_process import free_port
from test_redis_bus import BUS, V1, BusCase

PASSWORD, WRONG = "s3sam:e/o@pen", "wr0ng"
IN_URL = "s3sam%3Ae%2Fo%40pen"


def acl_of_readme(user):
    """The rules that the README gives this user, as one writes them into redis.conf."""
    with open(os.path.join(HERE, "..", "..", "README.md"), encoding="utf-8") as readme:
        [rules] = re.findall(rf"^ *user {user} (on >PASSWORD .*)$", readme.read(), re.M)
    return rules.replace("PASSWORD", PASSWORD).split()


class Authority:
    """A CA of the test's own and a certificate of it for 127.0.0.1."""

    def __init__(self, directory, name):
        self.certificate, self._key = (os.path.join(directory, f"{name}.{kind}")
                                       for kind in ("crt", "key"))
        self._directory = directory
        self._openssl("req", "-x509", *self._new_key(self._key), "-out", self.certificate,
                      "-subj", f"/CN={name}", "-days", "2")

    def issue(self, name, address):
        """The files of a certificate and its key."""
        certificate, key, request, names = (os.path.join(self._directory, f"{name}.{kind}")
                                            for kind in ("crt", "key", "csr", "names"))
        with open(names, "w", encoding="ascii") as file:
            file.write(f"subjectAltName=IP:{address}\n")
        self._openssl("req", *self._new_key(key), "-out", request, "-subj", "/CN=redis")
        self._openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self._key,
                      "-CAcreateserial", "-out", certificate, "-days", "2", "-extfile", names)
        return certificate, key

    @staticmethod
    def _new_key(file):
        return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", file)

    @staticmethod
    def _openssl(*arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True)


class TlsCase(BusCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.authority = Authority(self.folder, "authority")
        self.issued = self.authority.issue("redis", "127.0.0.1")
        self.store = self.start_tls_redis("voice")
        self.buses = [self.start_tls_redis("voicechan", *BUS) for _ in range(2)]

    def start_tls_redis(self, user, *options, issued=None):
        certificate, key = issued or self.issued
        port = free_port()
        redis = self.start_redis(
            "--tls-port", str(port), "--tls-cert-file", certificate, "--tls-key-file", key,
            "--tls-ca-cert-file", self.authority.certificate, "--tls-auth-clients", "no",
            "--user", "default", "off", "--user", user, *acl_of_readme(user),
            "--user", "tester", "on", "nopass", "+@all", "~*", "&*", *options)
        redis.address = f"127.0.0.1:{port}"
        redis.url = f"rediss://{user}:{IN_URL}@{redis.address}?ca={self.authority.certificate}"
        return redis

    def serve_two(self):
        self.a, self.b = self.serve_joined(), self.serve_joined()
        self.alice, self.bob = self.a.add_user("alice"), self.a.add_user("bob")

    @staticmethod
    def as_tester(redis, command):
        """What Redis answers to somebody of all rights."""
        result = subprocess.run(["redis-cli", "-p", str(redis.port), "--user", "tester", "--pass",
                                 "any", "--no-auth-warning", *command.split()],
                                capture_output=True, encoding="utf-8", check=True)
        return result.stdout

    async def heard_across(self, speaker, listener, seconds):
        """Until a message comes through; the seconds it took."""
        began = time.monotonic()
        marker = f"marker {began}"

        async def comes():
            await speaker.send(marker)
            try:
                while await self.next(listener, 0.05) != marker:
                    pass
            except Exception:
                return False
            return True
        await eventually(comes, "a message comes across", seconds)
        return time.monotonic() - began


class EverythingTest(TlsCase):
    @within(90)
    async def test_all_goes_through_it_with_the_rights_of_the_readme(self):
        self.serve_two()
        for server in (self.a, self.b):
            for bus in self.buses:
                await eventually(lambda: f"bus rediss://{bus.address}: in use" in server.log(),
                                 "the bus is in use", 5)
        speaker = await self.connect(voice("room"), self.alice, self.a, subprotocols=V1)
        self.assertEqual((await self.next_json(speaker))["type"], "roster")
        await self.until(speaker, "member_joined")
        listener = await self.connect(voice("room"), self.bob, self.b)
        await self.until(speaker, "member_joined")
        for i in range(50):
            await speaker.send(bytes([i]) * 160)
        self.assertEqual([await self.next(listener) for _ in range(50)],
                         [bytes([i]) * 160 for i in range(50)])
        caller = await self.joined(self.alice, "team", self.a)
        callee = await self.joined(self.bob, "team", self.b)
        self.assertEqual([each["id"] for each in callee.joined["peers"]], [caller.joined["id"]])
        await callee.send('{"type":"offer","sdp":"v=0","msg_id":"1","to":"%s"}' % caller.joined["id"])
        self.assertEqual((await self.until(caller, "offer"))["from"], callee.joined["id"])
        self.assertEqual((await self.until(callee, "receipt"))["status"], "delivered")
        device = await self.connect(NOTIFICATIONS, self.bob, self.b)
        channel = await self.create_channel(self.alice, "general", self.a)
        invitation = await self.invite(self.alice, channel, self.bob, self.a)
        self.assertEqual((await self.next_json(device))["id"], invitation["id"])
        self.assertIn("vc:nodes", self.as_tester(self.store, "KEYS *"), "leases are kept")
        removed = run_cli("user", "remove", "bob", "--redis-store", self.store.url)
        self.assertEqual(removed.returncode, 0, removed.stderr)
        for redis in (self.store, *self.buses):
            self.assertEqual(self.as_tester(redis, "ACL LOG").strip(), "", "something was refused")
        for server in (self.a, self.b):
            self.assertNotIn("warning rediss", server.log(), "what it may lose can be seen")
            for secret in (PASSWORD, IN_URL):
                self.assertNotIn(secret, server.log())

    @within(90)
    async def test_a_frozen_bus_is_a_short_pause_with_tls_as_well(self):
        self.serve_two()
        speaker = await self.connect(voice("room"), self.alice, self.a)
        listener = await self.connect(voice("room"), self.bob, self.b)
        await self.heard_across(speaker, listener, 5)
        for bus in self.buses:  # in turn: one of them is the room's
            bus.freeze()
            self.addCleanup(bus.thaw)
            self.assertLess(await self.heard_across(speaker, listener, 5), 0.4 * SCALE)
            bus.thaw()

            async def is_back():
                async with self._http.get(self.a.admin("/health")) as answer:
                    return (await answer.json())["status"] == "ready"
            await self.rest("GET", "/livez", server=self.a)
            await eventually(is_back, "the bus is back", 10)
        for bus in self.buses:
            bus.kill()
        for bus in self.buses:
            bus.start()
        self.assertLess(await self.heard_across(speaker, listener, 5), 1.2 * SCALE)


class RightsTest(TlsCase):
    """The users of the README have what they need, which is above, and no more."""

    def denied(self, redis, user, *commands):
        for command in commands:
            result = subprocess.run(
                ["redis-cli", "-p", str(redis.port), "--user", user, "--no-auth-warning", *command],
                env={"REDISCLI_AUTH": PASSWORD, "PATH": os.environ["PATH"]}, capture_output=True,
                encoding="utf-8", timeout=10)
            self.assertIn("NOPERM", result.stdout, command)

    def test_the_users_of_the_readme_cannot_do_what_they_need_not(self):
        self.denied(self.store, "voice", ("GET", "other"), ("SET", "other", "1"), ("FLUSHALL",),
                    ("FLUSHDB",), ("KEYS", "*"), ("SHUTDOWN",), ("CONFIG", "SET", "dir", "/"),
                    ("ACL", "LIST"), ("SCRIPT", "FLUSH"), ("CLIENT", "LIST"),
                    ("REPLICAOF", "NO", "ONE"), ("PUBLISH", "vc:x", "x"))
        self.denied(self.buses[0], "voicechan", ("PUBLISH", "other", "x"), ("GET", "vc:x"),
                    ("SET", "vc:x", "1"), ("FLUSHALL",), ("CONFIG", "GET", "*"), ("CLIENT", "LIST"),
                    ("PUBSUB", "CHANNELS"), ("PSUBSCRIBE", "*"))

    def test_each_right_of_the_store_s_user_is_needed(self):
        """Somebody asks for it, with a database that is not the first one."""
        url = self.store.url.replace("?", "/1?")
        self.assertEqual(run_cli("user", "add", "alice", "--redis-store", url).returncode, 0)
        rights = [rule for rule in acl_of_readme("voice") if rule.startswith("+")]
        self.assertTrue(rights)
        for right in rights:
            self.as_tester(self.store, f"ACL SETUSER voice -{right[1:]}")
            self.as_tester(self.store, "ACL LOG RESET")
            server = self.start(
                "--redis-bus", self.buses[0].url, wait=False, store=("--redis-store", url))
            deadline = time.monotonic() + 10
            while not self.as_tester(self.store, "ACL LOG").strip():
                self.assertLess(time.monotonic(), deadline, f"nobody misses {right}")
                time.sleep(0.05)
            server.kill()
            self.as_tester(self.store, f"ACL SETUSER voice {right}")


class WrongTest(TlsCase):
    def refused(self, url):
        result = run_cli("serve", "--listen", "127.0.0.1:0", "--redis-store", url)
        self.assertEqual((result.returncode, result.stdout), (1, ""), result)
        [line] = lines(result.stderr)
        self.assertTrue(line.startswith("voicechan-server: cannot open the store: rediss://"), line)
        for secret in (PASSWORD, IN_URL, WRONG):
            self.assertNotIn(secret, line)
        return line

    def test_what_is_wrong_with_the_store_is_said_at_the_start(self):
        other = Authority(self.folder, "other").certificate
        address, right = self.store.address, self.authority.certificate
        self.assertIn("WRONGPASS", self.refused(f"rediss://voice:{WRONG}@{address}?ca={right}"))
        self.assertIn("WRONGPASS", self.refused(f"rediss://nobody:{IN_URL}@{address}?ca={right}"))
        self.assertIn("certificate verify failed",
                      self.refused(f"rediss://voice:{IN_URL}@{address}?ca={other}"))
        self.assertIn("certificate verify failed", self.refused(f"rediss://voice:{IN_URL}@{address}"))
        elsewhere = self.start_tls_redis(
            "voice", issued=self.authority.issue("elsewhere", "127.0.0.9"))
        self.assertIn("certificate verify failed", self.refused(elsewhere.url))
        plain = f"rediss://voice:{IN_URL}@127.0.0.1:{self.store.port}?ca={right}"
        self.assertRegex(self.refused(plain), "no answer within 1000 ms|the connection was closed")
        missing = f"rediss://voice:{IN_URL}@{address}?ca={self.folder}/none.pem"
        self.assertIn("none.pem", self.refused_file(missing))

    def refused_file(self, url):
        result = run_cli("serve", "--listen", "127.0.0.1:0", "--redis-store", url)
        self.assertEqual(result.returncode, 1, result)
        return result.stderr

    async def test_what_is_wrong_with_the_bus_is_in_the_log_once_and_the_other_one_does(self):
        other = Authority(self.folder, "other").certificate
        good = self.buses[1].url
        address = self.buses[0].address
        for url, reason in (
                (f"rediss://voicechan:{WRONG}@{address}?ca={self.authority.certificate}",
                 "it refused us: WRONGPASS"),
                (f"rediss://voicechan:{IN_URL}@{address}?ca={other}",
                 "TLS failed: certificate verify failed")):
            server = self.serve(self.store, "--redis-bus", url, "--redis-bus", good,
                                "--admin-listen", "127.0.0.1:0")
            await eventually(lambda: f"bus rediss://{address}: {reason}" in server.log(), reason, 5)
            await eventually(lambda: f"bus rediss://{self.buses[1].address}: in use" in server.log(),
                             "the other one is in use", 5)
            self.assertEqual(server.log().count(reason), 1)
            for secret in (PASSWORD, IN_URL, WRONG):
                self.assertNotIn(secret, server.log())


if __name__ == "__main__":
    unittest.main()
