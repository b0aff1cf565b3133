#!/usr/bin/python3
"""ICE servers: what users are told, how the file is checked and read again, and whether a real TURN
server takes the credentials."""

import asyncio
import base64
import datetime
import hmac
import json
import os
import re
import shutil
import tempfile
import time
import unittest

from harness import HERE, ICE_SERVERS, TIMESTAMP, Case, eventually, lines, run_cli
from turn import TURNSERVER, Coturn, allocate

SECRET = "hush-hush"
STUN = {"urls": ["stun:stun.example.org:3478"]}
TURN = {"urls": ["turn:turn.example.org:3478?transport=udp", "turns:turn.example.org"],
        "secret": SECRET}


def sign(username, secret=SECRET):
    return base64.b64encode(hmac.digest(secret.encode(), username.encode(), "sha1")).decode()


class IceCase(Case):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="voicechan-ice-")
        self.addCleanup(shutil.rmtree, self.directory)
        self.path = os.path.join(self.directory, "ice.json")

    def write(self, text):
        with open(self.path + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(self.path + ".new", self.path)

    def write_servers(self, *servers, ttl=600):
        self.write(json.dumps({"ttl": ttl, "ice_servers": servers}))

    def serve(self, *options):
        self.server = self.start("--workers", "2", *options)
        self.server.keys.add(SECRET)  # what no log may hold
        self.alice, self.bob = self.server.add_user("alice"), self.server.add_user("bob")

    def serve_file(self):
        self.serve("--ice-config", self.path, "--log-level", "debug")

    async def ask(self, user=None):
        answer = await self.rest("GET", ICE_SERVERS, user or self.alice)
        self.assertEqual(answer.status, 200, answer)
        self.assertNotIn(SECRET, answer.body.decode())
        return answer.json

    async def urls(self):
        return [server["urls"] for server in (await self.ask())["ice_servers"]]


class AnswerTest(IceCase):
    async def test_each_user_gets_credentials_of_his_own_for_a_while(self):
        self.write_servers(STUN, TURN)
        self.serve_file()
        for user in (self.alice, self.bob):
            before = int(time.time())
            told = await self.ask(user)
            self.assertEqual(list(told), ["ice_servers", "expires_at", "ttl"])
            self.assertEqual(told["ttl"], 600)
            stun, turn = told["ice_servers"]
            self.assertEqual(stun, STUN)
            self.assertEqual(turn.keys(), {"urls", "username", "credential"})
            self.assertEqual(turn["urls"], TURN["urls"])
            end, user_id = turn["username"].split(":")
            self.assertEqual(int(user_id), user.id)
            self.assertIn(int(end), range(before + 600, int(time.time()) + 601))
            self.assertEqual(turn["credential"], sign(turn["username"]))
            self.assertRegex(told["expires_at"], TIMESTAMP)
            moment = datetime.datetime.fromisoformat(told["expires_at"])
            self.assertEqual(moment.timestamp(), int(end))
        await asyncio.to_thread(self.server.stop)  # looks for the secret in the log

    async def test_static_credentials_are_given_as_they_are(self):
        static = {"urls": ["turn:[2001:db8::1]"], "username": "Зал №1", "credential": 'p"w'}
        self.write_servers(static)
        self.serve_file()
        self.assertEqual((await self.ask())["ice_servers"], [static])

    async def test_without_a_file_there_are_none(self):
        self.serve()
        self.assertEqual(await self.ask(), {"ice_servers": []})

    async def test_it_is_a_resource_as_the_others(self):
        self.write_servers(TURN)
        self.serve_file()
        for path in (ICE_SERVERS, ICE_SERVERS.rstrip("/")):
            get = await self.rest("GET", path, self.alice)
            head = await self.rest("HEAD", path, self.alice)
            self.assertEqual((get.status, head.status, head.body), (200, 200, b""))
            self.assertEqual(head.headers["Content-Length"], str(len(get.body)))
            for answer in (get, head):
                self.assertEqual(answer.headers.getall("Cache-Control"), ["no-store"])
            for method in ("GET", "HEAD"):
                answer = await self.rest(method, path)
                self.assertEqual(answer.status, 401)
                self.assertIn("WWW-Authenticate", answer.headers)
            for method, status in (("OPTIONS", 200), ("POST", 405), ("PUT", 405), ("DELETE", 405)):
                answer = await self.rest(method, path, self.alice)
                self.assertEqual((answer.status, answer.headers["Allow"]),
                                 (status, "GET, HEAD, OPTIONS"))
        self.assertEqual((await self.rest("GET", ICE_SERVERS + "1/", self.alice)).status, 404)

    async def test_the_file_of_the_readme_is_taken(self):
        with open(os.path.join(HERE, "..", "..", "README.md"), encoding="utf-8") as file:
            self.write(re.search(r"```json\n(.*?)```", file.read(), re.DOTALL)[1])
        self.serve_file()
        told = await self.ask()
        self.assertEqual(told["ttl"], 3600)
        self.assertEqual(["username" in server for server in told["ice_servers"]],
                         [False, True, True])


class FileTest(IceCase):
    def check_refused(self, reason):
        result = run_cli("serve", "--listen", "127.0.0.1:0", "--db", ":memory:", "--ice-config",
                         self.path)
        self.assertEqual((result.returncode, result.stdout), (1, ""), result)
        self.assertEqual(len(lines(result.stderr)), 1, result.stderr)
        self.assertIn(f"cannot use the ICE servers in {self.path}: ", result.stderr)
        self.assertIn(reason, result.stderr)
        self.assertNotIn(SECRET, result.stderr)

    def test_a_server_with_a_wrong_file_does_not_start_and_says_why(self):
        self.check_refused("No such file")
        for text, reason in (
                ("", "no JSON object"), ("[]", "no JSON object"), ("{}", '"ice_servers"'),
                ('{"ice_servers":[],"ice_servers":[]}', "twice"),
                ('{"ice_servers":[],"x":1}', "other members"),
                ('{"ice_servers":[{"urls":["stun:a"],"x":1}]}', "server 1: it has other members"),
                ('{"ice_servers":[{"urls":"stun:a"}]}', '"urls"'),
                ('{"ice_servers":[{"urls":["stun:a\\n"]}]}', "URL 1"),
                (" " * ((1 << 20) + 1), "1 MiB")):
            with self.subTest(text[:80]):
                self.write(text)
                self.check_refused(reason)
        for ttl in (59, 86401, -1, 3600.5, "3600", None):
            self.write_servers(STUN, ttl=ttl)
            self.check_refused('"ttl" is not an integer from 60 to 86400')
        for urls, reason in (
                (["http://a"], "URL 1: it does not begin"), (["stun:a", "stun:"], "URL 2: its host"),
                (["stun:a:0"], "its port"), (["stun:a:65536"], "its port"),
                (["stun:a?transport=udp"], "STUN URL"), (["turn:a?transport=sctp"], "?transport="),
                (["turn:hush-hush@a"], "its host"), (["stun:a"], "STUN has no secret"),
                (["stun:a", "turn:a"], "two servers")):
            with self.subTest(urls):
                self.write_servers(STUN, {"urls": urls, "secret": SECRET})
                self.check_refused("server 2: ")
                self.check_refused(reason)
        for credentials in ({}, {"username": "u"}, {"secret": ""}, {"secret": SECRET + "\n"},
                            {"secret": SECRET, "username": "u", "credential": "c"}):
            with self.subTest(credentials):
                self.write_servers({"urls": ["turn:a"], **credentials})
                self.check_refused("server 1: ")

    def test_a_missing_or_empty_name_of_the_file_is_a_wrong_argument(self):
        for arguments in (("--ice-config",), ("--ice-config", "")):
            result = run_cli("serve", "--db", ":memory:", *arguments)
            self.assertEqual((result.returncode, len(lines(result.stderr))), (2, 1), result)

    async def test_a_new_file_is_taken_without_a_restart(self):
        self.write_servers(TURN)
        self.serve_file()
        self.assertEqual(await self.urls(), [TURN["urls"]])
        self.write_servers(STUN, ttl=60)
        await eventually(lambda: "read again" in self.server.log(), "the new file is taken")
        told = await self.ask()
        self.assertEqual((told["ice_servers"], told["ttl"]), ([STUN], 60))

    async def test_a_broken_file_changes_nothing_and_is_logged_once(self):
        self.write_servers(TURN)
        self.serve_file()
        self.write_servers(dict(TURN, urls=["turn:a:0"]))
        kept = "ICE servers stay as they were"
        await eventually(lambda: kept in self.server.log(), "it is logged")
        await asyncio.sleep(2.5)  # time for two more looks, were it logged at each
        self.assertEqual(self.server.log().count(kept), 1)
        self.assertEqual(await self.urls(), [TURN["urls"]])
        os.remove(self.path)
        await eventually(lambda: self.server.log().count(kept) == 2, "logged again")
        self.assertEqual(await self.urls(), [TURN["urls"]])
        self.write_servers(STUN)
        await eventually(lambda: "read again" in self.server.log(), "the next file is taken")
        self.assertEqual(await self.urls(), [STUN["urls"]])
        await asyncio.to_thread(self.server.stop)  # looks for the secret in the log


@unittest.skipUnless(TURNSERVER, "needs coturn")
class CoturnTest(IceCase):
    seconds = 40

    async def asyncSetUp(self):
        await super().asyncSetUp()
        self.turn = await asyncio.to_thread(Coturn, self, SECRET)
        self.urls_of_turn = [f"turn:127.0.0.1:{self.turn.port}?transport=udp"]

    async def told(self, secret=SECRET):
        """What alice is told of the TURN server."""
        self.write_servers({"urls": self.urls_of_turn, "secret": secret})
        self.serve_file()
        server, = (await self.ask())["ice_servers"]
        self.assertEqual(server["urls"], self.urls_of_turn)
        return server["username"], server["credential"]

    async def allocate(self, username, credential):
        return await asyncio.to_thread(allocate, self.turn.port, username, credential)

    async def test_it_gives_an_allocation_for_what_is_served(self):
        self.assertGreater(await self.allocate(*await self.told()), 1023)

    async def test_it_refuses_credentials_that_have_expired(self):
        username, credential = await self.told()
        self.assertEqual(sign(username), credential)  # so what follows is one of ours, grown old
        for age in (5, 3600):
            old = f"{int(time.time()) - age}:{self.alice.id}"
            self.assertEqual(await self.allocate(old, sign(old)), 401)

    async def test_it_refuses_credentials_with_another_end_or_user(self):
        username, credential = await self.told()
        end, user_id = username.split(":")
        for changed in (f"{int(end) + 3600}:{user_id}", f"{end}:{self.bob.id}"):
            self.assertEqual(await self.allocate(changed, credential), 401)

    async def test_it_refuses_credentials_by_another_secret(self):
        self.assertEqual(await self.allocate(*await self.told("another")), 401)


if __name__ == "__main__":
    unittest.main()
