#!/usr/bin/python3
"""How old audio is when it comes, at listeners whose link or whose reading is slow."""

import asyncio
import os
import socket
import sys
import time
import unittest

from harness import (HERE, OP_BINARY, OP_CLOSE, OP_PING, OP_PONG, Case, frame,
                     upgrade_request, voice, within)
from test_load import LoadCase

sys.path.append(os.path.join(HERE, "..", "..", "bench", "reporting"))
from figures import Skipped  # noqa: E402
from network import NEAR, thin_link  # noqa: E402

FRAME_BYTES = 60
FRAMES_PER_SECOND = 50


class ThinLinkTest(LoadCase, Case):
    @within(40)
    async def test_behind_16_kbit_nothing_is_older_than_300_ms(self):
        link = thin_link()
        try:
            near, far = link.__enter__()
        except Skipped as reason:
            self.skipTest(str(reason))
        self.addCleanup(link.__exit__, None, None, None)
        server = self.start("--workers", "1", listen=f"{NEAR}:0", prefix=near)
        at = self.at(server, server.add_user("dave"))
        speaker = await self.begin("relay", *at, "--frame-bytes", FRAME_BYTES, "--rate",
                                   FRAMES_PER_SECOND, "--warmup", 0, "--duration", 9, prefix=near)
        listener = await self.begin("listen", *at, "--warmup", 1, "--duration", 6, "--max-age", 300,
                                    "--min-frames", 60, prefix=far)
        heard = await self.end(listener)
        self.assertEqual(heard.status, 0, heard)
        self.assertLessEqual(heard.report["age_us"]["max"], 300_000)
        self.assertEqual(heard.report["faults"]["reordered"], 0)
        self.assertGreater(heard.report["faults"]["lost"], 0, "the link is not thin")
        spoken = await self.end(speaker)
        self.assertEqual(spoken.status, 0, spoken)  # who is beside him hears everything


class ThrottledReader:
    """Reads from a socket with the kernel's own buffer; notes how old each frame is."""

    def __init__(self, server, user):
        self.socket = socket.create_connection((server.host, server.port), timeout=10)
        self.socket.sendall(upgrade_request(voice("slow"), user))
        self.ages = []  # (when it came, age)
        self.numbers = []
        self.is_closed = False
        self._unparsed = b""
        while not self._unparsed.endswith(b"\r\n\r\n"):
            self._unparsed += self.socket.recv(1)
        assert self._unparsed.startswith(b"HTTP/1.1 101 "), self._unparsed
        self._unparsed = b""
        self.socket.setblocking(False)

    async def read(self, seconds, bytes_per_second):
        """0: reads nothing; None: all that comes."""
        begin, taken = time.monotonic(), 0
        while (passed := time.monotonic() - begin) < seconds:
            await asyncio.sleep(0.01)
            budget = 65536 if bytes_per_second is None else int(passed * bytes_per_second) - taken
            if budget <= 0:
                continue
            try:
                data = self.socket.recv(budget)
            except BlockingIOError:
                if bytes_per_second is not None:
                    taken = int(passed * bytes_per_second)  # what is not used is lost
                continue
            self.is_closed = self.is_closed or not data
            taken += len(data)
            self._take(data)

    def _take(self, data):
        self._unparsed += data
        while len(self._unparsed) >= 2:
            size = self._unparsed[1]
            assert size < 126
            if len(self._unparsed) < 2 + size:
                return
            opcode, payload = self._unparsed[0] & 15, self._unparsed[2:2 + size]
            self._unparsed = self._unparsed[2 + size:]
            if opcode == OP_PING:
                self.socket.send(frame(OP_PONG, payload))
            elif opcode == OP_CLOSE:
                self.is_closed = True
            elif opcode == OP_BINARY:
                number, spoken_at = payload.split()[:2]
                self.numbers.append(int(number))
                self.ages.append((time.monotonic(), time.monotonic() - float(spoken_at)))

    def oldest(self, since):
        return max((age for came_at, age in self.ages if came_at >= since), default=None)


class ThrottledReaderTest(Case):
    async def asyncSetUp(self):
        await super().asyncSetUp()
        self.server = self.start("--workers", "1")
        user = self.server.add_user("dave")
        self.speaker = await self.connect(voice("slow"), user)
        self.listener = ThrottledReader(self.server, user)
        self.addCleanup(self.listener.socket.close)
        talk = asyncio.create_task(self.talk())
        self.addCleanup(talk.cancel)

    async def talk(self):
        begin, number = time.monotonic(), 0
        while True:
            stamp = b"%d %.6f " % (number, time.monotonic())
            await self.speaker.send(stamp + b"x" * (FRAME_BYTES - len(stamp)))
            number += 1
            await asyncio.sleep(begin + number / FRAMES_PER_SECOND - time.monotonic())

    def check_order(self):
        self.assertEqual(self.listener.numbers, sorted(set(self.listener.numbers)))
        self.assertFalse(self.listener.is_closed)

    async def test_a_reader_who_slows_down_is_found_out_within_seconds(self):
        await self.listener.read(2.2, None)
        slowed_at = time.monotonic()
        await self.listener.read(8, 2000)  # of 3,100
        self.check_order()
        # He is asked for an echo 1, 2, 4 and 8 s after the first audio, so within two seconds here,
        # in which he falls behind by 1.1 s.
        self.assertLess(self.listener.oldest(slowed_at), 2)
        self.assertLess(self.listener.oldest(time.monotonic() - 3), 0.5)
        heard = sum(came_at >= slowed_at for came_at, _ in self.listener.ages)
        self.assertGreater(heard, 8 * 15)

    async def test_who_stops_reading_finds_little_old_audio_afterwards(self):
        await self.listener.read(2.2, None)
        await self.listener.read(5, 0)
        resumed_at = time.monotonic()
        await self.listener.read(2, None)
        self.check_order()
        old = sum(age > 0.5 for came_at, age in self.listener.ages if came_at >= resumed_at)
        self.assertLess(old, 2.6 * FRAMES_PER_SECOND)
        self.assertLess(self.listener.oldest(time.monotonic() - 1), 0.5)

    async def test_a_short_pause_costs_nothing(self):
        await self.listener.read(2.2, None)
        await self.listener.read(0.15, 0)
        await self.listener.read(1, None)
        numbers = self.listener.numbers
        self.assertEqual(numbers, list(range(numbers[0], numbers[0] + len(numbers))))


if __name__ == "__main__":
    unittest.main()
