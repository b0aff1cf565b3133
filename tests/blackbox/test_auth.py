#!/usr/bin/python3
"""Who am I: every way to present a key, and every way to fail at it."""

import asyncio
import base64
import contextlib
import json
import os
import re
import unittest

from harness import (CHANNELS, INVITE, NOTIFICATIONS, SIGNALING, LiveCase, lines, run_cli, upgrade_request,
                     voice)

SOCKETS = (voice("general"), SIGNALING, NOTIFICATIONS)
NAMES_OF_ENDPOINTS = (("GET", CHANNELS), ("POST", CHANNELS), ("GET", f"{CHANNELS}1/"),
                      ("POST", INVITE))


class CredentialTest(LiveCase):
    def wrong_keys(self):
        key = self.alice.key
        return (key[:-1], key + "x", key[1:], key.swapcase(), "x", "", "0" * len(key),
                key + " " + key, "a" * 4000)

    def check_401(self, answer):
        self.assertEqual(answer.status, 401, answer)
        self.assertTrue(answer.headers.get("WWW-Authenticate"), answer)

    async def test_every_rest_call_without_a_credential_is_401_with_www_authenticate(self):
        for method, path in NAMES_OF_ENDPOINTS:
            for variant in (path, path.rstrip("/")):
                with self.subTest(method=method, path=variant):
                    self.check_401(await self.rest(method, variant, json={"name": "x"}))

    async def test_every_rest_call_with_a_wrong_key_is_401_with_www_authenticate(self):
        for method, path in NAMES_OF_ENDPOINTS:
            for key in self.wrong_keys():
                with self.subTest(method=method, path=path):
                    self.check_401(await self.rest(
                        method, path, headers={"Authorization": f"Token {key}"}))

    async def test_token_and_bearer_are_both_taken_in_any_case(self):
        for scheme in ("Token", "Bearer", "token", "bearer", "TOKEN", "BEARER"):
            for gap in (" ", "  "):
                answer = await self.rest("GET", CHANNELS, headers={
                    "Authorization": f"{scheme}{gap}{self.alice.key}"})
                self.assertEqual(answer.status, 200, (scheme, answer))

    async def test_another_scheme_is_401(self):
        basic = base64.b64encode(f"alice:{self.alice.key}".encode()).decode()
        for value in (f"Basic {basic}", f"Digest {self.alice.key}", self.alice.key,
                      f"Token{self.alice.key}", f"Tokens {self.alice.key}", "Token", "Bearer ", "",
                      f"Token token={self.alice.key}", f'Token "{self.alice.key}"'):
            self.check_401(await self.rest("GET", CHANNELS, headers={"Authorization": value}))

    async def test_a_jwt_that_nobody_signed_is_401(self):
        def part(fields):
            return base64.urlsafe_b64encode(json.dumps(fields).encode()).rstrip(b"=").decode()
        claims = part({"sub": str(self.alice.id), "user_id": self.alice.id, "username": "alice",
                       "exp": 4102444800})
        for head in ({"alg": "none"}, {"alg": "HS256", "typ": "JWT"}, {"alg": "RS256"}):
            for signature in ("", "AAAA", part({})):
                for token in (f"{part(head)}.{claims}.{signature}", f"{part(head)}.{claims}", "..",
                              "a.b.c"):
                    self.check_401(await self.rest("GET", CHANNELS, headers={
                        "Authorization": f"Bearer {token}"}))

    async def test_keys_of_two_users_are_two_users(self):
        for user in (self.alice, self.bob):
            self.assertEqual((await self.create_channel(user))["creator"], user.id)

    async def test_a_websocket_without_a_user_is_refused_with_401_at_the_handshake(self):
        for path in SOCKETS:
            for variant in (path, path.rstrip("/")):
                connection = await self.raw()
                self.check_401(await connection.upgrade(variant))

    async def test_a_websocket_with_a_wrong_key_is_refused_with_401_at_the_handshake(self):
        for path in SOCKETS:
            for key in self.wrong_keys():
                connection = await self.raw()
                answer = await connection.upgrade(path, Authorization=f"Token {key}")
                self.check_401(answer)
                self.check_answer(answer)

    async def test_a_websocket_takes_the_authorization_header(self):
        for path in SOCKETS:
            for scheme in ("Token", "Bearer", "bearer"):
                await self.connect(path, headers={"Authorization": f"{scheme} {self.alice.key}"})

    async def test_a_websocket_takes_the_key_from_the_subprotocol_and_never_echoes_it(self):
        for path in SOCKETS:
            client = await self.connect(path, subprotocols=[f"voicechan.auth.{self.alice.key}"])
            self.assertIsNone(client.subprotocol)
            connection = await self.raw()
            answer = await connection.upgrade(
                path, Sec_WebSocket_Protocol=f"voicechan.auth.{self.alice.key}")
            self.assertEqual(answer.status, 101)
            self.assertNotIn("Sec-WebSocket-Protocol", answer.headers)
            self.assertNotIn(self.alice.key, repr(dict(answer.headers)))

    async def test_the_subprotocol_voicechan_is_chosen_when_offered_beside_the_key(self):
        auth = f"voicechan.auth.{self.alice.key}"
        for offer in (["voicechan", auth], [auth, "voicechan"], ["chat", auth, "voicechan"]):
            client = await self.connect(voice("general"), subprotocols=offer)
            self.assertEqual(client.subprotocol, "voicechan")

    async def test_the_subprotocol_voicechan_is_chosen_with_a_header_too(self):
        client = await self.connect(voice("general"), self.alice, subprotocols=["x", "voicechan"])
        self.assertEqual(client.subprotocol, "voicechan")

    async def test_unknown_subprotocols_are_not_echoed(self):
        client = await self.connect(voice("general"), self.alice, subprotocols=["chat", "soap"])
        self.assertIsNone(client.subprotocol)

    async def test_an_offer_in_several_header_lines_is_one_list(self):
        connection = await self.raw()
        request = upgrade_request(voice("general"), Sec_WebSocket_Protocol="chat").replace(
            b"\r\n\r\n", b"\r\nSec-WebSocket-Protocol: voicechan.auth."
            + self.alice.key.encode() + b" , voicechan\r\n\r\n")
        await connection.send(request)
        answer = await connection.response()
        self.assertEqual(answer.status, 101)
        self.assertEqual(answer.headers["Sec-WebSocket-Protocol"], "voicechan")

    async def test_a_wrong_key_in_the_subprotocol_is_401(self):
        for key in (self.alice.key[:-1], "x", ""):
            connection = await self.raw()
            self.check_401(await connection.upgrade(
                SIGNALING, Sec_WebSocket_Protocol=f"voicechan.auth.{key}"))
        connection = await self.raw()
        self.check_401(await connection.upgrade(SIGNALING, Sec_WebSocket_Protocol="voicechan"))

    async def test_the_query_token_is_refused_by_default(self):
        for path in SOCKETS:
            self.assertEqual(await self.refused(f"{path}?token={self.alice.key}"), 401)
        self.check_401(await self.rest("GET", f"{CHANNELS}?token={self.alice.key}"))

    async def test_the_identity_of_a_websocket_is_the_one_of_its_key(self):
        device = await self.connect(
            NOTIFICATIONS, subprotocols=[f"voicechan.auth.{self.bob.key}"])
        channel = await self.create_channel(self.alice)
        await self.invite(self.alice, channel, self.carol)
        wanted = await self.invite(self.alice, channel, self.bob)
        self.assertEqual((await self.next_json(device))["id"], wanted["id"])

    async def test_a_removed_users_key_ends_at_once(self):
        user = self.server.add_user("leaver")
        self.assertEqual((await self.rest("GET", CHANNELS, user)).status, 200)
        self.assertEqual(run_cli("user", "remove", "leaver", "--db", self.server.db).returncode, 0)
        for _ in range(8):
            self.check_401(await self.rest("GET", CHANNELS, user))
            self.assertEqual(await self.refused(SIGNALING, user), 401)

    async def test_a_new_key_works_at_once_and_the_old_one_ends(self):
        old = self.server.add_user("renewer")
        self.assertEqual((await self.rest("GET", CHANNELS, old)).status, 200)
        result = run_cli("user", "token", "renewer", "--db", self.server.db)
        self.assertEqual(result.returncode, 0, result.stderr)
        fields = json.loads(result.stdout)
        self.server.keys.add(fields["token"])
        new = old._replace(key=fields["token"])
        self.assertEqual((fields["id"], fields["username"]), (old.id, old.name))
        self.assertNotEqual(new.key, old.key)
        for _ in range(8):
            self.check_401(await self.rest("GET", CHANNELS, old))
            self.assertEqual((await self.create_channel(new))["creator"], old.id)

    async def test_a_user_added_while_the_server_runs_is_known_at_once(self):
        for round_ in range(5):
            user = self.server.add_user(f"newcomer{round_}")
            self.assertEqual((await self.create_channel(user))["creator"], user.id)

    async def test_a_channel_of_a_removed_user_can_still_be_read(self):
        user = self.server.add_user("founder")
        channel = await self.create_channel(user, "left behind")
        self.assertEqual(run_cli("user", "remove", "founder", "--db", self.server.db).returncode, 0)
        answer = await self.rest("GET", f"{CHANNELS}{channel['id']}/", self.alice)
        self.assertEqual((answer.status, answer.json), (200, channel))
        self.assertEqual((await self.rest("GET", CHANNELS, self.alice)).json.count(channel), 1)

    async def test_a_removed_user_cannot_be_invited(self):
        user = self.server.add_user("gone")
        channel = await self.create_channel(self.alice)
        self.assertEqual(run_cli("user", "remove", "gone", "--db", self.server.db).returncode, 0)
        answer = await self.rest("POST", INVITE, self.alice, json={
            "voice_channel": channel["id"], "addressee": user.id})
        self.assertEqual((answer.status, list(answer.json)), (400, ["addressee"]), answer)

    async def test_a_users_id_is_never_given_to_another(self):
        user = self.server.add_user("former")
        self.assertEqual(run_cli("user", "remove", "former", "--db", self.server.db).returncode, 0)
        self.assertNotEqual(self.server.add_user("latter").id, user.id)
        self.assertNotEqual(self.server.add_user("former").id, user.id)

    async def test_keys_are_long_distinct_and_fit_into_a_subprotocol(self):
        keys = [self.server.add_user(f"random{i}").key for i in range(10)]
        self.assertEqual(len(set(keys)), 10)
        for key in keys:
            self.assertTrue(re.fullmatch(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{40,}", key))
            self.assertGreater(len(set(key)), 10)

    async def test_the_database_does_not_hold_the_keys(self):
        await self.create_channel(self.alice)
        for name in os.listdir(self.server.directory):
            if name.startswith(os.path.basename(self.server.db)):
                with open(os.path.join(self.server.directory, name), "rb") as file:
                    content = file.read()
                for key in self.server.keys:
                    self.assertFalse(key.encode() in content, f"a key is in {name}")


class QueryTokenTest(LiveCase):
    options = ("--workers", "2", "--allow-query-token")

    async def test_a_websocket_takes_the_key_from_the_query_if_the_option_allows_it(self):
        for path in SOCKETS:
            for variant in (path, path.rstrip("/")):
                await self.connect(f"{variant}?token={self.alice.key}")
                await self.connect(f"{variant}?x=1&token={self.alice.key}&y")

    async def test_a_wrong_key_in_the_query_is_401(self):
        for token in (self.alice.key[:-1], self.alice.key + "x", "", "x"):
            self.assertEqual(await self.refused(f"{SIGNALING}?token={token}"), 401)
        self.assertEqual(await self.refused(f"{SIGNALING}?Token={self.alice.key}"), 401)

    async def test_the_query_token_is_the_users_identity(self):
        device = await self.connect(f"{NOTIFICATIONS}?token={self.bob.key}")
        channel = await self.create_channel(self.alice)
        wanted = await self.invite(self.alice, channel, self.bob)
        self.assertEqual((await self.next_json(device))["id"], wanted["id"])


class NoKeyInLogsTest(LiveCase):
    async def use_every_way(self, server, user):
        key = user.key
        wrong = "wrongkey" + key[::-1]
        server.keys.add(wrong)
        for secret in (key, wrong):
            for scheme in ("Token", "Bearer", "Basic"):
                await self.rest("GET", f"{CHANNELS}?token={secret}", server=server,
                                headers={"Authorization": f"{scheme} {secret}"})
            for path in SOCKETS:
                for ask in (dict(headers={"Authorization": f"Token {secret}"}),
                            dict(subprotocols=[f"voicechan.auth.{secret}"]),
                            dict(subprotocols=[f"voicechan.auth.{secret}", "voicechan"])):
                    with contextlib.suppress(Exception):
                        await (await self.connect(path, server=server, **ask)).close()
                with contextlib.suppress(Exception):
                    await (await self.connect(f"{path}?token={secret}", server=server)).close()
            for request in (f"GET /nothing?token={secret} HTTP/1.1\r\nHost: x\r\n\r\n",
                            f"GET {CHANNELS}?token={secret} HTTP/1.1\r\n\r\n",
                            f"GET {SIGNALING}%zz?token={secret} HTTP/1.1\r\nHost: x\r\n\r\n",
                            f"GET / HTTP/1.1\r\nAuthorization : Token {secret}\r\n\r\n",
                            f"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Token {secret}\0\r\n\r\n",
                            f"Token {secret}\r\n\r\n"):
                connection = await self.raw(server)
                await connection.send(request.encode())
                connection.half_close()
                await connection.ended()

    async def test_no_key_right_or_wrong_is_in_any_log_line(self):
        for option in ((), ("--allow-query-token",)):
            for level in ("debug", "info"):
                server = self.start("--log-level", level, *option)
                await self.use_every_way(server, server.add_user("dora"))
                await asyncio.to_thread(server.stop)  # looks for the keys

    async def test_the_logs_exist(self):
        server = self.start("--log-level", "debug")
        await self.rest("GET", CHANNELS, server.add_user("dora"), server=server)
        server.signal(15)
        self.assertEqual(await server.exit_code(), 0)
        self.assertTrue(lines(server.log()))
        self.assertEqual(len(lines(server.stdout)), 1, "standard output is not the log")


if __name__ == "__main__":
    unittest.main()
