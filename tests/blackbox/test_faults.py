#!/usr/bin/python3
"""Bad clients and bad days: the server lives, cuts off who harms, and others notice nothing."""

import asyncio
import base64
import contextlib
import json
import os
import random
import signal
import time
import unittest

from harness import (CHANNELS, COSTS_COUNT, NOTIFICATIONS, OP_BINARY, OP_PING, OP_PONG, OP_TEXT,
                     SCALE, SIGNALING, LiveCase, Server, WriteLock, close_payload, eventually, frame,
                     in_time, upgrade_request, voice, within)

MIB = 1 << 20


class FaultCase(LiveCase):
    """Each test runs beside two members who talk all the time and must not notice it."""

    longest_delay = 2.0

    async def asyncSetUp(self):
        await super().asyncSetUp()
        self.speaker, self.listener = await self.members("calm", 2, self.alice)
        await self.exchange(0)
        self.baseline = self.server.file_descriptors()
        self.memory = self.server.resident_bytes()
        self.exchanges = 0
        self.is_done = False
        self._task = asyncio.create_task(self._talk())
        self.addAsyncCleanup(self._stop_talking)

    async def exchange(self, number):
        message = b"%d" % number
        begin = time.monotonic()
        await self.speaker.send(message)
        self.assertEqual(await self.next(self.listener), message)
        return time.monotonic() - begin

    async def _talk(self):
        while not self.is_done:
            delay = await self.exchange(self.exchanges)
            self.assertLess(delay, self.longest_delay * SCALE, "others noticed it")
            self.exchanges += 1
            await asyncio.sleep(0.02)  # the pace of a speaker

    async def _stop_talking(self):
        self.is_done = True
        await in_time(self._task, 15, "the end of the talk")  # raises what the talk ran into

    async def check_unharmed(self):
        """The talk goes on, and every descriptor of the bad clients is gone."""
        before = self.exchanges
        await eventually(lambda: self.exchanges > before + 3 or self._task.done(), "the talk goes on")
        if self._task.done():
            await self._task
        await eventually(lambda: self.server.file_descriptors() <= self.baseline,
                         "the descriptors of the bad clients are closed", 8)

    def check_memory(self, bound):
        if COSTS_COUNT:
            self.assertLess(self.server.resident_bytes() - self.memory, bound)

    async def pour(self, connection, chunks, seconds=4):
        """Writes until all is written, the server cuts the connection, or the time is over."""
        async def write():
            for chunk in chunks:
                await connection.send(chunk)
        with contextlib.suppress(ConnectionError, TimeoutError):
            await in_time(write(), seconds, "all is written")


class SlowReaderTest(FaultCase):
    options = ("--workers", "2", "--write-timeout", "1")

    @within(40)
    async def test_a_member_who_does_not_read_hurts_nobody_and_is_cut_off(self):
        for make in (lambda i: b"%08d" % i + b"x" * 65536, lambda i: "%08d" % i + "x" * 65536):
            deaf = await self.raw_websocket(voice("slow"), self.bob, receive_buffer=4096)
            deaf.pause()
            speaker, listener = await self.members("slow", 2, self.alice)
            with_deaf = self.server.file_descriptors()
            for i in range(500):
                await speaker.send(make(i))
                self.assertEqual(await self.next(listener), make(i))
            self.check_memory(64 * MIB)
            await eventually(lambda: self.server.file_descriptors() < with_deaf,
                             "who does not read is cut off", 8)
            await speaker.send("fence")
            self.assertEqual(await self.next(listener), "fence")
            await speaker.close()
            await listener.close()
            await self.check_unharmed()

    async def test_a_client_who_does_not_read_his_list_is_cut_off(self):
        for _ in range(4):
            await asyncio.gather(*(self.create_channel(self.alice, "ї" * 255) for _ in range(50)))
        request = (f"GET {CHANNELS} HTTP/1.1\r\nHost: x\r\nAuthorization: Token {self.alice.key}"
                   "\r\n\r\n").encode()
        deaf = await self.raw(receive_buffer=4096)
        deaf.pause()
        await self.pour(deaf, [request * 10] * 40)
        self.check_memory(96 * MIB)
        await eventually(lambda: self.server.file_descriptors() <= self.baseline + 51,
                         "who does not read is cut off", 10)
        await deaf.close()


class SlowButReadingTest(FaultCase):
    async def test_a_member_who_reads_late_gets_things_in_order_and_once(self):
        late = await self.raw_websocket(voice("late"), self.bob, receive_buffer=65536)
        late.pause()
        speaker, listener = await self.members("late", 2, self.alice)
        for i in range(200):
            await speaker.send(b"%08d" % i + b"x" * 32000)
            await self.next(listener)
        late.resume()
        await speaker.send("the end")
        await self.next(listener)
        numbers = []
        while isinstance(message := await self.next(late), bytes):
            self.assertEqual(message[8:], b"x" * 32000)
            numbers.append(int(message[:8]))
        self.assertEqual(message, "the end")
        self.assertEqual(numbers, sorted(set(numbers)))


class FloodTest(FaultCase):
    async def test_a_ping_flood_without_reading_is_bounded(self):
        flood = await self.raw_websocket(voice("flood"), self.bob, receive_buffer=4096)
        flood.pause()
        await self.pour(flood, [frame(OP_PING, b"x" * 125) * 1000] * 400)
        self.check_memory(24 * MIB)
        await flood.close()
        await self.check_unharmed()

    async def test_a_ping_flood_is_cut_off(self):
        flood = await self.raw_websocket(voice("flood"), self.bob)
        reading = asyncio.create_task(flood.ended(seconds=12))
        await self.pour(flood, [frame(OP_PING, b"x" * 125) * 1000] * 200)
        await reading  # the server has ended it
        self.check_memory(24 * MIB)
        await self.check_unharmed()

    async def test_a_flood_of_empty_fragments_is_cut_off(self):
        for path in (voice("flood"), SIGNALING, NOTIFICATIONS):
            flood = await self.raw_websocket(path, self.bob)
            await self.pour(flood, [frame(OP_TEXT, fin=False)] + [frame(0, fin=False) * 1000] * 500)
            await flood.ended()
            await flood.close()
        self.check_memory(24 * MIB)
        await self.check_unharmed()

    async def test_a_flood_of_small_messages_leaves_the_others_alone(self):
        flood = await self.raw_websocket(voice("flood"), self.bob)
        await self.pour(flood, [frame(OP_BINARY, b"x") * 1000] * 300)
        await flood.close()
        await self.check_unharmed()

    async def test_a_flood_of_bad_signaling_without_reading_is_bounded(self):
        flood = await self.raw_websocket(SIGNALING, self.bob, receive_buffer=4096)
        flood.pause()
        await self.pour(flood, [frame(OP_TEXT, b"x") * 1000] * 300)
        self.check_memory(48 * MIB)
        await flood.close()
        await self.check_unharmed()

    async def test_a_flood_of_pipelined_requests_without_reading_is_bounded(self):
        flood = await self.raw(receive_buffer=4096)
        flood.pause()
        await self.pour(flood, [b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n" * 1000] * 100)
        self.check_memory(48 * MIB)
        await flood.close()
        await self.check_unharmed()

    async def test_announced_lengths_cost_no_memory(self):
        liars = [await self.raw_websocket(voice("liars"), self.bob) for _ in range(100)]
        for liar in liars:
            await liar.send(frame(OP_BINARY, b"x", length=MIB, form=64))
        witness, other = await self.members("liars", 2, self.alice)
        await witness.send("fence")
        await self.next(other)
        self.check_memory(24 * MIB)
        for client in (*liars, witness, other):
            await client.close()
        await self.check_unharmed()


class HalfOpenTest(FaultCase):
    options = ("--workers", "2", "--handshake-timeout", "0.8")

    async def test_half_open_handshakes_are_cut_off(self):
        whole = upgrade_request(voice("half"), self.bob)
        half_open = []
        for i in range(200):
            connection = await self.raw()
            await connection.send(whole[:i % (len(whole) - 1)])
            half_open.append(connection)
        for connection in half_open:
            await connection.ended(seconds=8)
        await self.check_unharmed()

    async def test_connections_that_come_and_vanish_leave_nothing(self):
        for _ in range(10):
            connections = await asyncio.gather(*(self.raw() for _ in range(50)))
            for number, connection in enumerate(connections):
                if number % 3 == 0:
                    connection.write(upgrade_request(SIGNALING, self.bob))
                if number % 2:
                    connection.abort()
                else:
                    await connection.close()
        await self.check_unharmed()

    async def test_idle_clients_cost_no_cpu(self):
        idle = [await self.connect(path, self.bob)
                for path in (voice("idle"), SIGNALING, NOTIFICATIONS) for _ in range(30)]
        before, begin = self.server.cpu_seconds(), time.monotonic()
        await asyncio.sleep(1)  # the span of the measurement
        used = (self.server.cpu_seconds() - before) / (time.monotonic() - begin)
        if COSTS_COUNT:
            self.assertLess(used, 0.15, "CPU of an almost idle server")
        for client in idle:
            await client.close()
        await self.check_unharmed()


class GarbageTest(FaultCase):
    rounds = 200

    def garbage(self, chance):
        """(bytes of a connection, whether a handshake goes before) of one bad client."""
        noise = chance.randbytes(chance.choice((1, 10, 100, 1000, 20000)))
        request = bytearray(
            f"POST {CHANNELS} HTTP/1.1\r\nHost: x\r\nAuthorization: Token {self.bob.key}\r\n"
            "Content-Type: application/json\r\nContent-Length: 12\r\n\r\n".encode() + b'{"name":"x"}')
        kind = chance.randrange(7)
        if kind == 0:
            return noise, False
        if kind in (1, 2):
            request = request if kind == 1 else bytearray(upgrade_request(SIGNALING, self.bob))
            for _ in range(chance.randrange(1, 6)):
                where = chance.randrange(len(request))
                change = chance.randrange(3)
                if change == 0:
                    request[where] = chance.randrange(256)
                elif change == 1:
                    del request[where:where + chance.randrange(1, 20)]
                else:
                    request[where:where] = chance.randbytes(chance.randrange(1, 8))
                if not request:
                    break
            return bytes(request) * chance.randrange(1, 3), False
        if kind == 3:
            return noise, True
        if kind == 4:  # frames that are right in form, wrong in everything else
            return b"".join(
                frame(chance.randrange(16), chance.randbytes(chance.randrange(200)),
                      fin=chance.random() < 0.7, rsv=chance.choice((0, 0, 0, 0, 1, 4)),
                      mask=chance.choice((b"abcd", b"abcd", b"abcd", None)))
                for _ in range(chance.randrange(1, 30))), True
        if kind == 5:
            texts = ('{"type":"join"}', '{"to":"x"}', "{", '{"to":', "[[[[", '{"type":"join","from":{}}')
            return b"".join(
                frame(OP_TEXT, bytes(self.mutate(chance, chance.choice(texts).encode())))
                for _ in range(20)), True
        return frame(OP_BINARY, length=chance.getrandbits(64), form=64) + noise, True

    def mutate(self, chance, text):
        text = bytearray(text)
        if chance.random() < 0.5:
            text[chance.randrange(len(text))] = chance.randrange(32, 127)
        return text

    @within(60)
    async def test_garbage_of_200_rounds_harms_nobody(self):
        seed = int(os.environ.get("VOICECHAN_TEST_SEED") or random.randrange(1 << 32))
        print(f"seed {seed}")

        async def bad_client(number):
            chance = random.Random(f"{seed} {number}")
            data, after_handshake = self.garbage(chance)
            path = chance.choice((voice("garbage"), SIGNALING, NOTIFICATIONS))
            connection = await (self.raw_websocket(path, self.bob) if after_handshake else self.raw())
            connection.write(data)
            if chance.random() < 0.2:
                connection.abort()
                return
            with contextlib.suppress(OSError, RuntimeError):
                connection.half_close()
            try:
                await connection.ended()
            except asyncio.TimeoutError:
                self.fail(f"seed {seed}, client {number}: not closed after the client's end")
            await connection.close()

        for first in range(0, self.rounds, 10):
            await asyncio.gather(*map(bad_client, range(first, first + 10)))
            self.assertTrue(self.server.is_running(), f"seed {seed}: died in round {first}")
        await self.check_unharmed()


class DescriptorTest(FaultCase):
    async def test_descriptors_return_to_the_baseline_after_every_kind_of_use(self):
        async def use(number):
            raw = await self.raw()
            await raw.send(b"nonsense\r\n\r\n")
            await raw.ended()
            refused = await self.raw()
            self.assertEqual((await refused.upgrade(SIGNALING)).status, 401)
            await refused.close()
            for path in (voice(f"use{number % 5}"), SIGNALING, NOTIFICATIONS):
                client = await self.raw_websocket(path, self.bob)
                if number % 3 == 0:
                    client.abort()
                elif number % 3 == 1:
                    await client.send_frame(8, close_payload(1000))
                    await client.close_code()
                else:
                    await client.send(b"\0" * 100)
                    await client.ended()
            answer = await self.raw()
            await answer.send(
                f"GET {CHANNELS} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Token "
                f"{self.bob.key}\r\n\r\n".encode())
            self.assertEqual((await answer.response()).status, 200)
            await answer.ended()
        for first in range(0, 60, 20):
            await asyncio.gather(*map(use, range(first, first + 20)))
        await self.check_unharmed()


class ExhaustionTest(FaultCase):
    """The server may open 90 descriptors only."""

    @classmethod
    def setUpClass(cls):
        cls.server = Server("--workers", "2", nofile=90)
        cls.alice, cls.bob = cls.server.add_user("alice"), cls.server.add_user("bob")

    async def is_served(self, connection):
        try:
            answer = await connection.response(seconds=0.7)
        except (asyncio.TimeoutError, asyncio.IncompleteReadError, ConnectionError):
            return False
        return answer.status == 101

    @within(40)
    async def test_without_descriptors_those_connected_are_served_and_later_ones_when_there_are_some(
            self):
        keep_alive = await self.raw()
        request = (f"POST {CHANNELS} HTTP/1.1\r\nHost: x\r\nAuthorization: Token {self.alice.key}\r\n"
                   "Content-Length: 12\r\n\r\n" '{"name":"x"}').encode()
        await keep_alive.send(request)
        self.assertEqual((await keep_alive.response()).status, 201)

        for _ in range(2):
            more = []
            for _ in range(150):
                connection = await self.raw()
                more.append(connection)
                with contextlib.suppress(ConnectionError):
                    await connection.send(upgrade_request(voice("more"), self.bob))
                if not await self.is_served(connection):
                    break
            else:
                self.fail("150 connections with 90 descriptors")
            for _ in range(40):
                more.append(await self.raw())

            before, begin, talked = self.server.cpu_seconds(), time.monotonic(), self.exchanges
            for _ in range(10):
                await keep_alive.send(request)
                self.assertEqual((await keep_alive.response()).status, 201)
                await asyncio.sleep(0.1)  # the span of the measurement
            used = (self.server.cpu_seconds() - before) / (time.monotonic() - begin)
            if COSTS_COUNT:
                self.assertLess(used, 0.4, "the accept loop spins")
            self.assertGreater(self.exchanges, talked, "those connected are served")

            for connection in more:
                await connection.close()

            async def serves_again():
                connection = await self.raw()
                with contextlib.suppress(ConnectionError):
                    await connection.send(upgrade_request(voice("more"), self.bob))
                served = await self.is_served(connection)
                await connection.close()
                return served
            await eventually(serves_again, "new connections are served again", 8)
            await eventually(lambda: self.server.file_descriptors() <= self.baseline + 1,
                             "descriptors return", 8)
        await keep_alive.close()
        await self.check_unharmed()


class StallTest(LiveCase):
    """The machine is suspended for a while, more than once in a minute; the clients are not to
    blame."""

    options = ("--workers", "1", "--ping-interval", "1", "--ping-timeout", "6")

    @contextlib.contextmanager
    def suspended(self):
        self.server.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.server.signal(signal.SIGCONT)

    @within(60)
    async def test_who_answered_in_time_stays(self):
        clients = [await self.raw_websocket(voice("stall"), self.bob) for _ in range(70)]
        pings = await asyncio.gather(*(client.frame() for client in clients))
        self.assertEqual({ping.opcode for ping in pings}, {OP_PING})
        with self.suspended():
            for client, ping in zip(clients, pings):
                await client.send_frame(OP_PONG, ping.payload)
            await asyncio.sleep(7)  # longer than the deadline
        speaker = await self.connect(voice("stall"), self.alice)
        await speaker.send("still there?")

        async def hears(client):
            while (got := await client.frame()).opcode == OP_PING:
                await client.send_frame(OP_PONG, got.payload)
            return got.payload
        heard = await asyncio.gather(*map(hears, clients))
        self.assertEqual(set(heard), {b"still there?"})

    async def test_those_who_connect_meanwhile_are_served(self):
        request = f"GET {CHANNELS} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        with self.suspended():
            waiting = [await self.raw() for _ in range(300)]
            for connection in waiting:
                await connection.send(request)
            await asyncio.sleep(1.5)  # a stall
        answers = await asyncio.gather(*(connection.response() for connection in waiting))
        self.assertEqual({answer.status for answer in answers}, {401})


class DatabaseTest(FaultCase):
    def post(self):
        return asyncio.create_task(
            self.rest("POST", CHANNELS, self.alice, json={"name": "waiting"}))

    async def test_a_short_lock_of_the_database_delays_writes_and_nothing_else(self):
        with WriteLock(self.server.db) as lock:
            tasks = [self.post() for _ in range(80)]  # more than there are threads
            await self.in_time("GET", CHANNELS)  # by now all clients have been set up
            for _ in range(5):
                self.assertLess(await self.in_time("GET", CHANNELS), 1.5 * SCALE)
            newcomer = await in_time(self.connect(voice("newcomer"), self.bob), 2, "a handshake")
            await newcomer.close()
            before = self.exchanges
            await eventually(lambda: self.exchanges > before + 10, "the talk goes on")
            self.assertFalse(any(task.done() for task in tasks))
            lock.release()
            answers = await asyncio.gather(*tasks)
        self.assertEqual({answer.status for answer in answers}, {201})
        ids = {channel["id"] for channel in (await self.rest("GET", CHANNELS, self.alice)).json}
        self.assertLessEqual({answer.json["id"] for answer in answers}, ids)

    async def in_time(self, method, path):
        begin = time.monotonic()
        self.assertEqual((await self.rest(method, path, self.alice)).status, 200)
        return time.monotonic() - begin

    @within(40)
    async def test_a_long_lock_of_the_database_is_a_clear_error_and_passes(self):
        before = (await self.rest("GET", CHANNELS, self.alice)).json
        with WriteLock(self.server.db):
            answer = await in_time(self.post(), 20, "an answer")
            self.assertIn(answer.status, (500, 503), answer)
            self.assertIsInstance(answer.json["detail"], str)
            self.assertEqual((await self.rest("GET", CHANNELS, self.alice)).json, before)
        answer = await self.post()
        self.assertEqual(answer.status, 201, answer)
        self.assertEqual((await self.rest("GET", CHANNELS, self.alice)).json, before + [answer.json])

    async def test_writers_that_vanish_while_they_wait_harm_nobody(self):
        body = b'{"name":"vanished"}'
        request = (f"POST {CHANNELS} HTTP/1.1\r\nHost: x\r\nAuthorization: Token {self.alice.key}\r\n"
                   f"Content-Length: {len(body)}\r\n\r\n").encode() + body
        with WriteLock(self.server.db):
            for i in range(30):
                connection = await self.raw()
                await connection.send(request * 3)
                connection.abort()
        await self.create_channel(self.alice)
        await self._http.close()
        await self.check_unharmed()

    async def test_an_invitation_that_could_not_be_stored_notifies_nobody(self):
        device = await self.connect(NOTIFICATIONS, self.bob)
        channel = await self.create_channel(self.alice)
        with WriteLock(self.server.db):
            refused = await self.rest("POST", "/api/voice_channels/invite/", self.alice, json={
                "voice_channel": channel["id"], "addressee": self.bob.id})
            self.assertGreaterEqual(refused.status, 500)
        invitation = await self.invite(self.alice, channel, self.bob)
        self.assertEqual((await self.next_json(device))["id"], invitation["id"])


class OddClientTest(FaultCase):
    async def test_a_tls_client_on_the_plain_port_gets_an_end(self):
        hello = base64.b64decode(
            "FgMBAHUBAABxAwNVdDH4ZGMxVpKDTpdT8F4u3pTnQXy6Gs0wKkYpVtG0PQAAGsArwC/ALMAwzKnMqMATwBTAnA==")
        connection = await self.raw()
        await connection.send(hello)
        await connection.send(b"\0" * 200)
        await connection.ended()
        await connection.close()
        await self.check_unharmed()

    async def test_a_signaling_message_of_every_kind_from_many_clients_harms_nobody(self):
        clients = [await self.raw_websocket(SIGNALING, self.bob) for _ in range(10)]
        for number, client in enumerate(clients):
            for text in ('{"type":"join"}', '{"to":""}', "{}", "[" * 5000, json.dumps({"to": "x" * 500})):
                await client.send(text)
            for _ in range(5):
                await self.next_json(client)
            if number % 2:
                client.abort()
            else:
                await client.close()
        await self.check_unharmed()


if __name__ == "__main__":
    unittest.main()
