#!/usr/bin/python3
"""Everything at once for a long time: joins, leaves, speech, signaling, invitations and wrong input.
Members that stay must lose nothing, memory and descriptors must not grow.

    python3 tests/blackbox/soak.py --minutes 10 --connections 2000
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import random
import re
import resource
import socket
import statistics
import sys
import time

import aiohttp

from harness import (CHANNELS, COSTS_COUNT, INVITE, NOTIFICATIONS, OP_BINARY, OP_CLOSE, OP_PING,
                     OP_PONG, OP_TEXT, SCALE, SIGNALING, Server, close_payload, eventually, frame,
                     upgrade_request, voice)

ROOM_SIZE = 10
PACE = 0.5  # seconds between two messages of one speaker
MIB = 1 << 20


class Client(asyncio.Protocol):
    """A WebSocket client that costs little: there are thousands of them in one thread."""

    def __init__(self, path, user, on_message=None):
        self._request = upgrade_request(path, user)
        self._on_message = on_message or (lambda opcode, payload: None)
        self._unread = bytearray()
        self._is_open = False
        self.status = None
        self.close_code = None
        loop = asyncio.get_running_loop()
        self.opened, self.ended = loop.create_future(), loop.create_future()

    @classmethod
    async def connect(cls, server, path, user, on_message=None, local=None):
        local_address = (local, 0) if local else None
        _, client = await asyncio.get_running_loop().create_connection(
            lambda: cls(path, user, on_message), server.host, server.port,
            local_addr=local_address)
        async with asyncio.timeout(30 * SCALE):
            await client.opened
        return client

    def connection_made(self, transport):
        self.transport = transport
        transport.write(self._request)

    def data_received(self, data):
        self._unread += data
        if not self._is_open:
            end = self._unread.find(b"\r\n\r\n")
            if end < 0:
                return
            self.status = int(self._unread[9:12])
            del self._unread[:end + 4]
            self._is_open = True
            if not self.opened.done():
                self.opened.set_result(self.status)
        if self.status == 101:
            self._read_frames()

    def _read_frames(self):
        unread, at = self._unread, 0
        while len(unread) - at >= 2:
            size, begin = unread[at + 1] & 0x7f, at + 2
            if size == 126:
                size, begin = int.from_bytes(unread[at + 2:at + 4], "big"), at + 4
            elif size == 127:
                size, begin = int.from_bytes(unread[at + 2:at + 10], "big"), at + 10
            if len(unread) < begin + size:
                break
            opcode, payload = unread[at] & 15, bytes(unread[begin:begin + size])
            at = begin + size
            if opcode == OP_PING:
                self.send(OP_PONG, payload)
            elif opcode == OP_CLOSE:
                self.close_code = int.from_bytes(payload[:2], "big")
            else:
                self._on_message(opcode, payload)
        del unread[:at]

    def connection_lost(self, _):
        if not self.opened.done():
            self.opened.set_exception(ConnectionError("closed during the handshake"))
            self.opened.exception()  # it may be that nobody waits for it
        if not self.ended.done():  # who waits for it may have given up
            self.ended.set_result(self.close_code)

    def send(self, opcode, payload):
        self.transport.write(frame(opcode, payload))

    def leave(self):
        self.send(OP_CLOSE, close_payload(1000))

    def reset(self):
        sock = self.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self.transport.abort()


class Listener:
    """What a member that stays has heard: numbers, one row for each kind of speaker."""

    def __init__(self):
        self.next = {OP_TEXT: 0, OP_BINARY: 0}
        self.missing = 0  # audio, which is dropped for a slow client
        self.wrong = []

    def hear(self, opcode, payload):
        if payload[:1] != b"#":
            return  # of a guest
        number, expected = int(payload[1:9]), self.next[opcode]
        if number < expected or (opcode == OP_TEXT and number != expected):
            self.wrong.append(f"{opcode}: {number} instead of {expected}")
        self.missing += number - expected
        self.next[opcode] = number + 1


class Soak:
    def __init__(self, server, connections, seconds, chance):
        self.server, self.seconds, self.chance = server, seconds, chance
        self.rooms = max(1, connections * 6 // 10 // ROOM_SIZE)
        self.pairs = max(1, connections * 15 // 100 // 2)
        self.devices = max(2, connections * 5 // 100)
        self.guests = max(4, connections - self.rooms * ROOM_SIZE - 2 * self.pairs - self.devices)
        self.users = [server.add_user(f"user{i}") for i in range(8)]
        self.counts = dict.fromkeys(
            ("text sent", "audio sent", "signaling sent", "invitations", "guests"), 0)
        self.failures = []
        self.samples = []
        self.is_over = False
        self.spoken = 0
        self.local = itertools.cycle([f"127.0.0.{i}" for i in range(2, 40)])

    def fail(self, what):
        self.failures.append(what)
        self.is_over = True

    async def run(self):
        self.baseline = self.server.file_descriptors()
        await self.settle()
        tasks = [asyncio.create_task(task) for task in (
            self.speak(), self.signal(), self.invite(), self.measure(),
            *(self.be_guests() for _ in range(self.guests)))]
        end = time.monotonic() + self.seconds
        while time.monotonic() < end and not self.is_over:
            await asyncio.sleep(0.2)
            for task in tasks:
                if task.done() and task.exception():
                    self.fail(f"a client failed: {task.exception()!r}")
        self.is_over = True
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.check_nothing_is_lost()
        await self.check_all_leave()
        self.check_growth()

    # Those who stay.

    async def settle(self):
        self.members, self.listeners = [], []
        for room in range(self.rooms):
            listeners = [Listener() for _ in range(ROOM_SIZE)]
            self.listeners.append(listeners)
            self.members.append(await asyncio.gather(*(
                self.stay(voice(f"room{room}"), i, listener.hear)
                for i, listener in enumerate(listeners))))
        self.ids, self.expected, self.peers = {}, {}, []
        for number in range(2 * self.pairs):
            self.peers.append(await self.stay(
                SIGNALING, number, lambda _, payload, number=number: self.on_signal(number, payload)))
            self.peers[-1].send(OP_TEXT, b'{"type":"join"}')
        await eventually(lambda: len(self.ids) == 2 * self.pairs, "all have joined", 30)
        self.heard = [set() for _ in range(self.devices)]
        self.phones = await asyncio.gather(*(
            self.stay(NOTIFICATIONS, 1, lambda _, payload, heard=heard:
                      heard.add(json.loads(payload)["id"])) for heard in self.heard))

    async def stay(self, path, user, on_message):
        client = await Client.connect(
            self.server, path, self.users[user % len(self.users)], on_message)
        if client.status != 101:
            raise AssertionError(f"{path}: {client.status}")
        return client

    async def speak(self):
        while not self.is_over:
            begin = time.monotonic()
            number = b"#%08d" % self.spoken
            for room in self.members:
                room[0].send(OP_TEXT, number + b"t" * 60)
                room[1].send(OP_BINARY, number + b"a" * 151)
                await asyncio.sleep(PACE / len(self.members) / 2)
            self.spoken += 1
            await asyncio.sleep(max(0, begin + PACE - time.monotonic()))
        self.counts["text sent"] = self.counts["audio sent"] = self.spoken * self.rooms

    def on_signal(self, number, payload):
        message = json.loads(payload)
        if message["type"] == "joined":
            self.ids[number] = message["id"]
            return
        expected = self.expected.get(number, 0)
        if message.get("n") != expected or message.get("from") != self.ids[number ^ 1]:
            self.fail(f"signaling: {message} instead of number {expected}")
        self.expected[number] = expected + 1

    async def signal(self):
        self.signals = 0
        while not self.is_over:
            for number, peer in enumerate(self.peers):
                peer.send(OP_TEXT, json.dumps({
                    "type": "candidate", "to": self.ids[number ^ 1], "n": self.signals,
                    "sdp": "v=0 " * 50}).encode())
                await asyncio.sleep(2 * PACE / len(self.peers))
            self.signals += 1
        self.counts["signaling sent"] = self.signals * len(self.peers)

    async def invite(self):
        self.invitations = set()
        async with aiohttp.ClientSession(headers=self.users[0].headers) as session:
            while not self.is_over:
                async with session.post(self.server.http(CHANNELS), json={"name": "soak"}) as answer:
                    channel = await answer.json()
                    if answer.status != 201:
                        return self.fail(f"create: {answer.status} {channel}")
                fields = {"voice_channel": channel["id"], "addressee": self.users[1].id}
                async with session.post(self.server.http(INVITE), json=fields) as answer:
                    invitation = await answer.json()
                    if answer.status != 201:
                        return self.fail(f"invite: {answer.status} {invitation}")
                self.invitations.add(invitation["id"])
                await asyncio.sleep(0.2)

    # Those who come and go.

    async def be_guests(self):
        while not self.is_over:
            visit = self.chance.choice((
                self.visit_room, self.visit_room, self.visit_room, self.visit_signaling,
                self.visit_api, self.send_wrong_frames, self.send_wrong_http))
            with contextlib.suppress(OSError, TimeoutError):
                await visit(self.chance.choice(self.users), next(self.local))
            self.counts["guests"] += 1

    async def dwell(self, seconds=6.0):
        end = time.monotonic() + self.chance.uniform(0, seconds)
        while time.monotonic() < end and not self.is_over:
            await asyncio.sleep(0.2)

    async def go(self, client):
        way = self.chance.randrange(4)
        if way == 0:
            client.leave()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(10 * SCALE):
                    await client.ended
        elif way == 1:
            client.reset()
        elif way == 2:
            with contextlib.suppress(RuntimeError):
                client.transport.write_eof()
        client.transport.abort()

    async def visit_room(self, user, local):
        room = self.chance.choice((f"room{self.chance.randrange(self.rooms)}",
                                   f"guests{self.chance.randrange(20)}"))
        client = await Client.connect(self.server, voice(room), user, local=local)
        for _ in range(self.chance.randrange(4)):
            client.send(self.chance.choice((OP_TEXT, OP_BINARY)), b"a guest speaks")
            await self.dwell(2.0)
        await self.dwell()
        await self.go(client)

    async def visit_signaling(self, user, local):
        client = await Client.connect(self.server, SIGNALING, user, local=local)
        for text in (b'{"type":"join"}', b'{"to":"nobody"}', b"[1,2", b'{"type":"offer"}'):
            client.send(OP_TEXT, text)
        await self.dwell()
        await self.go(client)

    async def visit_api(self, user, local):
        reader, writer = await self.open(local)
        key = self.chance.choice((user.key, user.key, "wrong"))
        for path in (CHANNELS + "?limit=5", "/nothing", "/readyz"):
            writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Token {key}\r\n\r\n".encode())
            await self.read_some(reader)
        await self.dwell()
        writer.transport.abort()

    async def send_wrong_frames(self, user, local):
        client = await Client.connect(
            self.server, self.chance.choice((voice("wrong"), SIGNALING, NOTIFICATIONS)), user,
            local=local)
        client.transport.write(self.chance.choice((
            frame(OP_TEXT, b"\xff\xfe"), frame(3, b"x"), frame(OP_TEXT, b"x", mask=None),
            frame(OP_BINARY, length=1 << 40, form=64), frame(OP_PING, b"x" * 126, form=16),
            frame(OP_TEXT, b"x", fin=False) * 3, os.urandom(300))))
        await self.dwell(2.0)
        await self.go(client)

    async def send_wrong_http(self, _, local):
        reader, writer = await self.open(local)
        writer.write(self.chance.choice((
            b"GET / HTTP/9.9\r\n\r\n", b"GET /ws/voice/x/ HTTP/1.1\r\nHost:", os.urandom(200),
            b"POST " + CHANNELS.encode() + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{",
            b"GET " + b"/" * 20000 + b" HTTP/1.1\r\n\r\n", b"")))
        await self.dwell(2.0)
        writer.transport.abort()

    async def open(self, local):
        return await asyncio.open_connection(
            self.server.host, self.server.port, local_addr=(local, 0))

    async def read_some(self, reader):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(10 * SCALE):
                await reader.read(4096)

    # What is checked.

    async def measure(self):
        begin = time.monotonic()
        while not self.is_over:
            self.samples.append((time.monotonic() - begin, self.server.resident_bytes(),
                                 self.server.file_descriptors()))
            await asyncio.sleep(max(0.25, self.seconds / 600))

    async def check_nothing_is_lost(self):
        def members():
            for listeners in self.listeners:
                for place, listener in enumerate(listeners):
                    yield place, listener

        def all_heard():  # nobody hears himself: the first speaks text, the second audio
            return all(place == 0 or listener.next[OP_TEXT] == self.spoken
                       for place, listener in members()) and all(
                self.expected.get(number, 0) == self.signals for number in range(len(self.peers)))
        try:
            await eventually(all_heard, "all that was sent has arrived", 30)
            await eventually(lambda: all(heard == self.invitations for heard in self.heard),
                             "every invitation has reached every device", 30)
        except AssertionError as error:
            self.failures.append(str(error))
        missing = 0
        for place, listener in members():
            self.failures += listener.wrong[:1]
            missing += listener.missing + (0 if place == 1 else self.spoken - listener.next[OP_BINARY])
        dropped = sum(int(old) + int(full) for old, full in re.findall(
            r"(\d+) frames too old, (\d+) without room", self.server.log()))
        self.counts["invitations"] = len(self.invitations)
        self.counts["audio missing"], self.counts["audio that the server says it dropped"] = (
            missing, dropped)
        if missing > dropped:
            self.failures.append(f"{missing} audio frames are missing, {dropped} were reported")

    async def check_all_leave(self):
        staying = [*itertools.chain(*self.members), *self.peers, *self.phones]
        closed = [client for client in staying if client.ended.done()]
        if closed:
            self.failures.append(f"{len(closed)} who wanted to stay were closed: "
                                 f"{ {client.close_code for client in closed} }")
        for client in staying:
            client.leave()
        try:
            await eventually(lambda: self.server.file_descriptors() <= self.baseline,
                             "every descriptor is closed after all have left", 30)
        except AssertionError as error:
            self.failures.append(f"{error}: {self.server.file_descriptors()} of {self.baseline}")
        for client in staying:
            client.transport.abort()

    def check_growth(self):
        """Compares the second quarter with the last one: the first is the warm-up."""
        def median(begin, end, column):
            values = [sample[column] for sample in self.samples
                      if begin <= sample[0] / self.seconds < end]
            return statistics.median(values) if values else 0
        self.memory = median(0.25, 0.5, 1), median(0.75, 1.1, 1)
        self.descriptors = median(0.25, 0.5, 2), median(0.75, 1.1, 2)
        if not COSTS_COUNT:
            return
        if self.memory[1] > self.memory[0] * 1.1 + 4 * MIB:
            self.failures.append(f"memory grows: {self.memory}")
        if self.descriptors[1] > self.descriptors[0] * 1.25 + 20:
            self.failures.append(f"descriptors grow: {self.descriptors}")

    def report(self):
        first, last = (value / MIB for value in self.memory)
        yield (f"{self.rooms * ROOM_SIZE} members in {self.rooms} rooms, {2 * self.pairs} peers, "
               f"{self.devices} devices, {self.guests} guests at a time")
        yield ", ".join(f"{name}: {count}" for name, count in self.counts.items())
        yield (f"memory {first:.1f} MiB, at the end {last:.1f} MiB; after all have left "
               f"{self.server.resident_bytes() / MIB:.1f} MiB")
        yield (f"descriptors {self.descriptors[0]:.0f}, at the end {self.descriptors[1]:.0f}; after "
               f"all have left {self.server.file_descriptors()} as before ({self.baseline})")
        yield from (f"FAILED: {failure}" for failure in self.failures)


async def soak(connections, seconds, seed):
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    server = Server("--workers", "2")
    try:
        run = Soak(server, connections, seconds, random.Random(seed))
        await run.run()
        lines = list(run.report())
        if server.is_running():
            await asyncio.to_thread(server.stop)
        return run.failures, lines
    finally:
        server.remove()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--connections", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    failures, lines = asyncio.run(
        soak(options.connections, options.minutes * 60, options.seed))
    print("\n".join(lines))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
