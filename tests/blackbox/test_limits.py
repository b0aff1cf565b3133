#!/usr/bin/python3
"""Every limit, reached on the real binary: the last one allowed works, the first one above it is
refused as the README says, and whoever keeps to it never notices. Deadlines are in test_http,
test_websocket_protocol, test_faults and test_shutdown, audio that waits too long in test_voice."""

import asyncio
import contextlib
import json
import os
import re
import resource
import time
import unittest

from harness import (CHANNELS, HERE, NOTIFICATIONS, OP_BINARY, OP_CLOSE, OP_CONTINUATION, OP_PING,
                     OP_PONG, OP_TEXT, SIGNALING, Case, WriteLock, eventually, frame,
                     in_time, run_cli, voice, within)

OTHER_ADDRESS = "127.0.0.2"


class LimitCase(Case):
    def start_with(self, *options, **arguments):
        """A server with these options and users alice and bob."""
        self.server = self.start("--workers", "4", *options, **arguments)
        self.alice, self.bob = self.server.add_user("alice"), self.server.add_user("bob")
        self.addCleanup(self.server.stop)  # when the clients of the test are gone

    async def status_of(self, request, **arguments):
        """What a request is answered with, over a connection of its own."""
        connection = await self.raw(**arguments)
        await connection.send(request)
        answer = await connection.response()
        self.check_answer(answer)
        await connection.close()
        return answer.status

    async def handshake(self, path, user, **arguments):
        """(response, connection) of an opening handshake."""
        for _ in range(20):
            connection = await self.raw(**arguments)
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                return await connection.upgrade(path, user), connection
            # Who is refused before he has asked may lose the answer: this one does not ask.
            await connection.close()
            connection = await self.raw(**arguments)
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, TimeoutError):
                return await connection.response(seconds=1), connection
            await connection.close()
        self.fail("no answer")

    def check_too_many(self, answer):
        self.assertEqual(answer.status, 429, answer)
        self.assertGreaterEqual(int(answer.headers["Retry-After"]), 1)
        self.check_answer(answer)


class RequestLimitTest(LimitCase):
    async def test_header_fields_together(self):
        self.start_with("--max-header-bytes", "600")
        for size, status in ((600, 200), (601, 431)):
            fields = "Host: x\r\nX: \r\n"
            fields = fields.replace("X: ", "X: " + "a" * (size - len(fields)))
            self.assertEqual(len(fields), size)
            request = f"OPTIONS {CHANNELS} HTTP/1.1\r\n{fields}\r\n".encode()
            self.assertEqual(await self.status_of(request), status)

    async def test_number_of_header_fields(self):
        self.start_with("--max-header-count", "5")
        for more, status in ((4, 200), (5, 431)):
            fields = "Host: x\r\n" + "X: y\r\n" * more
            request = f"OPTIONS {CHANNELS} HTTP/1.1\r\n{fields}\r\n".encode()
            self.assertEqual(await self.status_of(request), status)

    async def test_length_of_the_url(self):
        self.start_with("--max-target-bytes", "100")
        for size, status in ((100, 200), (101, 414)):
            target = (CHANNELS + "?x=").ljust(size, "y")
            request = f"OPTIONS {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
            self.assertEqual(await self.status_of(request), status)

    async def test_size_of_a_body(self):
        self.start_with("--max-body-bytes", "100")
        for size, status in ((100, 201), (101, 413)):
            body = b'{"name":"x"}'.ljust(size)
            answer = await self.rest("POST", CHANNELS, self.alice, data=body,
                                     headers={"Content-Type": "application/json"})
            self.assertEqual(answer.status, status, answer)

    async def test_nesting_of_json_in_bodies_and_signaling(self):
        self.start_with("--max-json-depth", "5")
        peer = await self.join(self.alice)
        for depth, status in ((5, 201), (6, 400)):
            nested = "[" * (depth - 1) + "]" * (depth - 1)
            answer = await self.rest("POST", CHANNELS, self.alice,
                                     data='{"name":"x","more":%s}' % nested)
            self.assertEqual(answer.status, status, answer)
            await peer.send('{"to":"%s","more":%s}' % (peer.id_, nested))
            reply = await self.next_json(peer)
            self.assertEqual(reply.get("code"), None if status == 201 else "bad_message", reply)

    async def test_endless_nesting_harms_nobody(self):
        self.start_with()
        answer = await self.rest("POST", CHANNELS, self.alice, data="[" * 1_000_000)
        self.assertEqual(answer.status, 400, answer)

    async def test_requests_that_wait_for_the_database(self):
        self.start_with("--blocking-threads", "1", "--max-waiting-requests", "3")
        with WriteLock(self.server.db) as lock:
            tasks = [asyncio.create_task(
                self.rest("POST", CHANNELS, self.alice, json={"name": "x"})) for _ in range(20)]
            await eventually(lambda: sum(task.done() for task in tasks) >= 16, "too many wait")
            lock.release()
            answers = await asyncio.gather(*tasks)
        statuses = [answer.status for answer in answers]
        self.assertEqual(set(statuses), {201, 503})
        self.assertGreaterEqual(statuses.count(201), 3)
        for answer in answers:
            if answer.status == 503:
                self.assertIn("Retry-After", answer.headers)

    async def test_requests_of_a_user(self):
        self.start_with("--request-rate", "2", "--request-burst", "10")
        answers = [await self.rest("GET", CHANNELS, self.alice) for _ in range(30)]
        statuses = [answer.status for answer in answers]
        self.assertEqual(statuses[:10], [200] * 10)
        self.assertIn(429, statuses)
        self.check_too_many(answers[statuses.index(429)])
        self.assertEqual((await self.rest("GET", CHANNELS, self.bob)).status, 200)
        await self.connect(voice("room"), self.alice)

        async def served():
            return (await self.rest("GET", CHANNELS, self.alice)).status == 200
        await eventually(served, "who waits is served again")


class MessageLimitTest(LimitCase):
    async def test_size_of_a_message(self):
        self.start_with("--max-message-bytes", "1000")
        listener = await self.connect(voice("room"), self.bob)
        speaker = await self.raw_websocket(voice("room"), self.alice)
        await speaker.send_frame(OP_BINARY, b"x" * 1000)
        self.assertEqual(len(await self.next(listener)), 1000)
        await speaker.send_frame(OP_BINARY, b"x" * 1001)
        self.assertEqual(await speaker.close_code(), 1009)
        peer = await self.join(self.alice)
        for size, code in ((1000, "unknown_peer"), (1001, "too_large")):
            await peer.send('{"to":"x"}'.ljust(size))
            self.assertEqual((await self.next_json(peer))["code"], code)

    async def test_size_of_a_signaling_message(self):
        self.start_with("--max-signaling-bytes", "1000")
        peer = await self.join(self.alice)
        for size, code in ((1000, "unknown_peer"), (1001, "too_large")):
            await peer.send('{"to":"x"}'.ljust(size))
            self.assertEqual((await self.next_json(peer))["code"], code)

    async def test_fragments_of_a_message(self):
        self.start_with("--max-fragments", "4")
        listener = await self.connect(voice("room"), self.bob)
        speaker = await self.raw_websocket(voice("room"), self.alice)

        async def send(fragments):
            await speaker.send_frame(OP_TEXT, b"x", fin=False)
            for i in range(1, fragments):
                await speaker.send_frame(OP_CONTINUATION, b"x", fin=i == fragments - 1)
        await send(4)
        self.assertEqual(await self.next(listener), "xxxx")
        await send(5)
        self.assertEqual(await speaker.close_code(), 1008)

    async def check_rate(self, path, message, allowed, refused_at_most):
        """`allowed` messages are taken, then comes `rate_limited`, and in the end 1008."""
        listener = await self.connect(path, self.bob) if path == voice("room") else None
        sender = await self.raw_websocket(path, self.alice)
        await sender.send(message * allowed)
        if listener:
            for _ in range(allowed):
                await self.next(listener)
        await sender.send_frame(OP_PING, b"fence")
        got = await sender.frame()
        while got.opcode == OP_TEXT:
            self.assertNotIn(b"rate_limited", got.payload)
            got = await sender.frame()
        self.assertEqual(got.opcode, OP_PONG)
        await sender.send(message * (refused_at_most + 100))
        codes = []
        while (got := await sender.frame()).opcode != OP_CLOSE:
            codes.append(json.loads(got.payload)["code"])
        self.assertIn("rate_limited", codes)
        self.assertEqual(got.close_code, 1008)
        await sender.close()
        return codes

    async def test_messages_per_second(self):
        self.start_with("--message-rate", "2", "--message-burst", "20")
        codes = await self.check_rate(voice("room"), frame(OP_BINARY, b"x"), 20, 60)
        self.assertLess(len(codes), 20, "one error tells enough")
        await self.check_rate(NOTIFICATIONS, frame(OP_BINARY, b"x"), 20, 60)

    async def test_bytes_per_second(self):
        self.start_with("--byte-rate", "1000", "--byte-burst", "20000")
        await self.check_rate(voice("room"), frame(OP_BINARY, b"x" * 1000), 20, 35)

    async def test_signaling_messages_per_second(self):
        self.start_with("--signaling-rate", "2", "--signaling-burst", "20")
        codes = await self.check_rate(SIGNALING, frame(OP_TEXT, b"{}"), 20, 60)
        self.assertGreaterEqual(codes.count("rate_limited"), 55, "every message is answered")

    async def test_who_waits_after_rate_limited_is_served_again(self):
        self.start_with("--message-rate", "10", "--message-burst", "20")
        listener = await self.connect(voice("room"), self.bob)
        speaker = await self.connect(voice("room"), self.alice)
        for _ in range(40):
            await speaker.send(b"x")
        self.assertEqual((await self.next_json(speaker))["code"], "rate_limited")

        async def is_heard():
            await speaker.send("y")
            with contextlib.suppress(TimeoutError):
                while await self.next(listener, 0.3) != "y":
                    pass
                return True
        await eventually(is_heard, "the rate comes back")

    async def test_answers_to_the_servers_own_pings_are_no_flood(self):
        self.start_with("--max-control-frames", "1")
        speaker, listener = await self.members("room", 2, self.alice)
        end = time.monotonic() + 5
        heard = 0
        while time.monotonic() < end:  # while audio flows the server pings, at first twice a second
            await speaker.send(b"x" * 160)
            self.assertEqual(await self.next(listener), b"x" * 160)
            heard += 1
            await asyncio.sleep(0.02)
        self.assertGreater(heard, 100)
        self.assertTrue(listener.open)

    async def test_control_frames_per_second(self):
        self.start_with("--max-control-frames", "20")
        for path in (voice("room"), SIGNALING, NOTIFICATIONS):
            client = await self.raw_websocket(path, self.alice)
            await client.send(frame(OP_PING, b"x") * 20)
            for _ in range(20):
                self.assertEqual((await client.frame()).opcode, OP_PONG)
            await client.send(frame(OP_PONG, b"x") * 200)
            self.assertEqual(json.loads((await client.frame()).payload)["code"], "rate_limited")
            self.assertEqual(await client.close_code(), 1008)

    async def test_without_rates_everything_passes(self):
        self.start_with("--message-rate", "0", "--byte-rate", "0", "--max-control-frames", "0",
                        "--message-burst", "1", "--byte-burst", "1")
        client = await self.raw_websocket(voice("room"), self.alice)
        await client.send((frame(OP_BINARY, b"x") + frame(OP_PING)) * 2000)
        for _ in range(2000):
            self.assertEqual((await client.frame()).opcode, OP_PONG)

    async def test_text_that_waits_for_a_slow_client(self):
        self.start_with("--max-queued-control-bytes", "200000", "--write-timeout", "60")
        deaf = await self.raw_websocket(voice("room"), self.bob, receive_buffer=4096, limit=4096)
        deaf.pause()
        speaker, listener = await self.members("room", 2, self.alice)

        async def is_cut():
            for _ in range(20):
                await speaker.send("x" * 60000)
                await self.next(listener)
            return "reads too slowly" in self.server.log()
        await eventually(is_cut, "too much waits", 15)
        deaf.resume()
        self.assertEqual(await deaf.close_code(), 1013)

    async def test_text_that_makes_a_peer_busy(self):
        self.start_with("--busy-queued-bytes", "100000", "--write-timeout", "60")
        deaf = await self.raw_websocket(SIGNALING, self.bob, receive_buffer=4096, limit=4096)
        identifier = await self.send_join(deaf)
        deaf.pause()
        sender = await self.join(self.alice)

        async def is_busy():
            await sender.send(json.dumps({"to": identifier, "sdp": "x" * 60000}))
            await sender.send(json.dumps({"to": sender.id_}))
            reply = await self.next_json(sender)
            return reply.get("code") == "peer_busy"
        await eventually(is_busy, "the peer is busy", 15)

    async def test_audio_that_waits_for_a_slow_client(self):
        self.start_with("--max-queued-media-bytes", "100000", "--max-media-age", "60",
                        "--write-timeout", "60", "--pacing-window", "0")
        deaf = await self.raw_websocket(voice("room"), self.bob, receive_buffer=4096, limit=4096)
        deaf.pause()
        speaker, listener = await self.members("room", 2, self.alice)

        async def is_dropped():
            for _ in range(20):
                await speaker.send(b"x" * 30000)
                await self.next(listener)
            return re.search(r"[1-9]\d* without room", self.server.log())
        await eventually(is_dropped, "the oldest audio is dropped", 15)


class CountLimitTest(LimitCase):
    async def check_full(self, opened, attempt, is_refused):
        """Another one is refused, again and again, until one of `opened` has ended."""
        for _ in range(3):
            is_refused((await attempt())[0])
        await opened[0].close()

        async def taken():
            answer, connection = await attempt()
            if answer.status != 101:
                await connection.close()
            return answer.status == 101
        await eventually(taken, "there is a place again")

    async def test_connections_in_total(self):
        self.start_with("--max-connections", "8")
        opened = [await self.raw_websocket(voice("room"), self.alice) for _ in range(8)]

        def is_refused(answer):
            self.assertEqual(answer.status, 503, answer)
            self.assertIn("Retry-After", answer.headers)
            self.check_answer(answer)
        await self.check_full(opened, lambda: self.handshake(voice("room"), self.bob), is_refused)

    async def test_connections_of_an_address(self):
        self.start_with("--max-connections-per-address", "8")
        opened = [await self.raw_websocket(voice("room"), self.alice) for _ in range(8)]
        other, _ = await self.handshake(voice("room"), self.bob, source=OTHER_ADDRESS)
        self.assertEqual(other.status, 101)
        await self.check_full(opened, lambda: self.handshake(voice("room"), self.bob),
                              self.check_too_many)

    async def test_websockets_of_a_user(self):
        self.start_with("--max-websockets-per-user", "6")
        opened = [await self.raw_websocket(path, self.alice)
                  for path in (voice("room"), SIGNALING, NOTIFICATIONS) * 2]
        await self.raw_websocket(voice("room"), self.bob)
        self.assertEqual((await self.rest("GET", CHANNELS, self.alice)).status, 200)
        await self.check_full(opened, lambda: self.handshake(SIGNALING, self.alice),
                              self.check_too_many)

    async def test_signaling_ids_of_a_user(self):
        self.start_with("--max-signaling-ids-per-user", "4")
        opened = [await self.join(self.alice) for _ in range(4)]
        await self.join(self.bob)
        await self.raw_websocket(voice("room"), self.alice)
        await self.check_full(opened, lambda: self.handshake(SIGNALING, self.alice),
                              self.check_too_many)

    async def test_members_of_a_room(self):
        self.start_with("--max-room-members", "8")
        opened = [await self.raw_websocket(voice("room"), self.alice) for _ in range(8)]
        await self.raw_websocket(voice("other"), self.bob)

        def is_refused(answer):
            self.assertEqual(answer.status, 409, answer)
            self.check_answer(answer)
            self.assertIn("room", answer.json["detail"])
        await self.check_full(opened, lambda: self.handshake(voice("room"), self.bob), is_refused)

    async def test_a_refused_member_can_ask_again_on_his_connection(self):
        self.start_with("--max-room-members", "1")
        member = await self.raw_websocket(voice("room"), self.alice)
        connection = await self.raw()
        self.assertEqual((await connection.upgrade(voice("room"), self.bob)).status, 409)
        await member.close()

        async def taken():
            return (await connection.upgrade(voice("room"), self.bob)).status == 101
        await eventually(taken, "there is a place again")

    async def test_nobody_is_counted_for_ever(self):
        self.start_with("--max-connections-per-address", "10", "--max-websockets-per-user", "4",
                        "--max-signaling-ids-per-user", "4", "--max-room-members", "4")
        for _ in range(20):
            for path in (voice("room"), SIGNALING):
                clients = []
                for _ in range(4):
                    async def opened():
                        answer, connection = await self.handshake(path, self.alice)
                        if answer.status == 101:
                            clients.append(connection)
                        else:
                            await connection.close()
                        return answer.status == 101
                    await eventually(opened, "a place is free")
                for number, client in enumerate(clients):
                    client.abort() if number % 2 else await client.close()


class WrongKeyTest(LimitCase):
    def request(self, key):
        return f"GET {CHANNELS} HTTP/1.1\r\nHost: x\r\nAuthorization: Token {key}\r\n\r\n".encode()

    async def test_an_address_that_guesses_has_to_wait_and_its_neighbours_do_not(self):
        self.start_with("--wrong-key-rate", "2", "--wrong-key-burst", "10")
        for user in (self.alice, self.bob):
            self.assertEqual((await self.rest("GET", CHANNELS, user)).status, 200)
        guesser = await self.raw()
        statuses = []
        for number in range(60):
            await guesser.send(self.request(f"guess{number}"))
            answer = await guesser.response()
            statuses.append(answer.status)
            if answer.status == 429:
                self.check_too_many(answer)
            self.assertEqual((await self.rest("GET", CHANNELS, self.alice)).status, 200)
        self.assertEqual(statuses[:10], [401] * 10)
        self.assertGreater(statuses.count(429), 30)
        for path in (voice("room"), SIGNALING, NOTIFICATIONS):
            await self.connect(path, self.bob)
            answer, _ = await self.handshake(path, self.bob._replace(key="guess"))
            self.assertIn(answer.status, (401, 429))
        self.assertEqual(await self.status_of(self.request("guess"), source=OTHER_ADDRESS), 401)

    async def test_a_key_that_is_new_to_the_server_works_after_the_wait_it_is_told(self):
        self.start_with("--wrong-key-rate", "2", "--wrong-key-burst", "5")
        guesser = await self.raw()
        for number in range(20):
            await guesser.send(self.request(f"guess{number}"))
            await guesser.response()
        newcomer = self.server.add_user("newcomer")

        async def works():
            answer = await self.rest("GET", CHANNELS, newcomer)
            self.assertIn(answer.status, (200, 429))
            return answer.status == 200
        await eventually(works, "the newcomer gets in")

    async def test_requests_without_a_key_are_no_guesses(self):
        self.start_with("--wrong-key-rate", "0.01", "--wrong-key-burst", "2")
        for _ in range(20):
            self.assertEqual((await self.rest("GET", CHANNELS)).status, 401)

    async def test_the_default_lets_a_clumsy_client_be_wrong_50_times(self):
        self.start_with()
        guesser = await self.raw()
        for number in range(50):
            await guesser.send(self.request(f"guess{number}"))
            self.assertEqual((await guesser.response()).status, 401)
        statuses = set()
        for number in range(2000):
            await guesser.send(self.request(f"guess{number}"))
            statuses.add((await guesser.response()).status)
            if 429 in statuses:
                return
        self.fail("2,000 wrong keys and no end")


class DefaultsTest(LimitCase):
    """An office behind one address and a busy integration, with the default limits."""

    def setUp(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))

    async def open(self, count, path_of, user_of):
        connections = []
        for first in range(0, count, 100):
            async def one(number):
                connection = await self.raw()
                answer = await connection.upgrade(path_of(number), user_of(number))
                self.assertEqual(answer.status, 101, (number, answer))
                connections.append(connection)
            await asyncio.gather(*map(one, range(first, min(first + 100, count))))
        return connections

    @within(90)
    async def test_2000_connections_of_one_address_opened_as_fast_as_they_come(self):
        self.start_with()
        begin = time.monotonic()
        connections = await self.open(
            2000, lambda i: voice(f"room{i % 200}"), lambda i: (self.alice, self.bob)[i % 2])
        print(f"{2000 / (time.monotonic() - begin):.0f} connections/s")
        for connection in connections:
            connection.write(frame(OP_PING, b"here"))
        for connection in connections:
            self.assertEqual((await connection.frame()).payload, b"here")

    @within(60)
    async def test_1000_sockets_of_one_user_in_one_room(self):
        self.start_with()
        connections = await self.open(1000, lambda i: voice("room"), lambda i: self.alice)
        await connections[0].send("hello")
        for connection in connections[1:]:
            self.assertEqual((await connection.frame()).payload, b"hello")

    @within(60)
    async def test_1000_signaling_ids_of_one_user(self):
        self.start_with()
        connections = await self.open(1000, lambda i: SIGNALING, lambda i: self.alice)
        for connection in connections:
            await connection.send('{"type":"join"}')
        ids = {json.loads((await connection.frame()).payload)["id"] for connection in connections}
        self.assertEqual(len(ids), 1000)

    @within(60)
    async def test_5000_requests_of_one_user_as_fast_as_they_come(self):
        self.start_with()
        request = (f"GET {CHANNELS} HTTP/1.1\r\nHost: x\r\n"
                   f"Authorization: Token {self.alice.key}\r\n\r\n").encode()

        async def ask():
            connection = await self.raw()
            for _ in range(5):
                await connection.send(request * 20)
                for _ in range(20):
                    self.assertEqual((await connection.response()).status, 200)
        begin = time.monotonic()
        await asyncio.gather(*(ask() for _ in range(50)))
        print(f"{5000 / (time.monotonic() - begin):.0f} requests/s")

    @within(60)
    async def test_500_new_connections_a_second_each_with_a_request(self):
        self.start_with()
        request = (f"GET {CHANNELS} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                   f"Authorization: Token {self.alice.key}\r\n\r\n").encode()

        async def ask():
            connection = await self.raw()
            await connection.send(request)
            self.assertEqual((await connection.response()).status, 200)
            await connection.close()
        begin = time.monotonic()
        for _ in range(20):
            await asyncio.gather(*(ask() for _ in range(50)))
        print(f"{1000 / (time.monotonic() - begin):.0f} connections/s")

    async def test_speech_and_bursts_are_never_refused(self):
        self.start_with("--max-media-age", "60", "--pacing-window", "0")
        speaker = await self.raw_websocket(voice("room"), self.alice)
        await speaker.send(frame(OP_BINARY, b"x" * 160) * 20000)
        for _ in range(64):
            await speaker.send_frame(OP_BINARY, b"x" * (1 << 20))
        await speaker.send_frame(OP_PING, b"fence")
        got = await in_time(speaker.frame(), 15, "the pong, with nothing before it")
        self.assertEqual((got.opcode, got.payload), (OP_PONG, b"fence"))


class DocumentationTest(unittest.TestCase):
    """The README's table of limits and `serve --help` say the same."""

    def options(self):
        found = {}
        group = None
        for line in run_cli("serve", "--help").stdout.splitlines():
            if re.match(r"^\S.*:$", line):
                group = line[:-1]
            match = re.match(r"^  (--[\w-]+) [A-Z].*?=([\d.]+)(\s|$)", line)
            if match and group in ("Limits", "Deadlines"):
                found[match[1]] = match[2]
        self.assertGreater(len(found), 30)
        return found

    def rows(self):
        with open(os.path.join(HERE, "..", "..", "README.md"), encoding="utf-8") as file:
            section = file.read().split("\n## Limits\n")[1].split("\n## ")[0]
        found = {}
        for names, default, above in re.findall(r"^\| (`--.*?) \| (.*?) \| (.*?) \|$", section, re.M):
            self.assertTrue(above)
            names, defaults = re.findall(r"`(--[\w-]+)`", names), default.split(", ")
            self.assertEqual(len(names), len(defaults), (names, default))
            for name, value in zip(names, defaults):
                self.assertNotIn(name, found)
                found[name] = value
        return found

    def number(self, text):
        number, *unit = text.split()
        units = {"": 1, "s": 1, "ms": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
        return float(number.replace(" ", "")) * units["".join(unit)]

    def test_every_limit_is_in_the_readme_with_its_default_and_none_that_does_not_exist(self):
        options, rows = self.options(), self.rows()
        self.assertEqual(set(options), set(rows))
        for name, default in options.items():
            with self.subTest(name):
                self.assertEqual(float(default), self.number(rows[name].replace(",", "")))

    def test_a_dead_peer_is_found_in_45_s(self):
        options = self.options()
        self.assertLessEqual(
            float(options["--ping-interval"]) + float(options["--ping-timeout"]), 45)


if __name__ == "__main__":
    unittest.main()
