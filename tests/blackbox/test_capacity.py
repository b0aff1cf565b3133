#!/usr/bin/python3
"""Many connections on one process, and the memory that a burst needed."""

import asyncio
import resource
import unittest

from harness import COSTS_COUNT, Case, eventually, voice, within
from test_load import LoadCase

MIB = 1 << 20
SPARE_DESCRIPTORS = 200


class CapacityTest(LoadCase, Case):
    @within(90)
    async def test_18000_connections_are_held_by_one_process(self):
        connections = 18_000
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        if limit != resource.RLIM_INFINITY and limit < connections + SPARE_DESCRIPTORS:
            self.skipTest(f"the limit of descriptors is {limit}")
        server = self.start("--workers", "1")
        result = await self.load(
            "idle", *self.at(server, server.add_user("dave")), "--connections", connections,
            "--connect-rate", 6000, "--settle", 0, "--duration", 0.5, "--burst", 1, "--burst-bytes",
            100, "--pid", server.pid, seconds=60)
        self.assertEqual(result.status, 0, result)
        self.assertEqual((result.report["closed"], result.report["burst_lost"]), (0, 0))
        if COSTS_COUNT:
            self.assertLess(result.report["rss_kib_connected"] * 1024, 80 * MIB)

    @unittest.skipUnless(COSTS_COUNT, "memory is the build's")
    @within(60)
    async def test_memory_returns_after_a_burst(self):
        server = self.start("--workers", "1", "--write-timeout", "30")
        user = server.add_user("dave")
        speaker, = await self.members("burst", 1, user, server)
        late = [await self.raw_websocket(voice("burst"), user, server, receive_buffer=4096)
                for _ in range(3)]
        for listener in late:
            listener.pause()
        before = server.resident_bytes()
        message = "x" * 280
        for _ in range(40_000):
            await speaker.send(message)
        await eventually(lambda: server.resident_bytes() > before + 10 * MIB, "messages wait")
        # These stay, in memory behind what the burst needed.
        stay = await asyncio.gather(
            *(self.raw_websocket(voice("burst"), user, server) for _ in range(100)))
        await speaker.send("the end")
        for listener in late:
            listener.resume()
        await asyncio.gather(*(self.read_to_the_end(listener) for listener in [*late, *stay]))
        await eventually(lambda: server.resident_bytes() < before + 6 * MIB, "memory returns", 20)

    async def read_to_the_end(self, listener):
        while await listener.recv() != "the end":
            pass


if __name__ == "__main__":
    unittest.main()
