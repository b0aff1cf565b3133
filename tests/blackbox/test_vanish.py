#!/usr/bin/python3
"""Clients that vanish without a FIN: they are gone within the keep-alive bound, and nobody else
notices. Needs root, for a network namespace.

Environment: VOICECHAN_TEST_LONG=1 tries the default deadlines, too (a minute).
"""

import asyncio
import os
import time
import unittest

from harness import (NOTIFICATIONS, OP_PING, OP_PONG, SCALE, SIGNALING, RawConnection, Server,
                     eventually, frame, in_time, voice, within)
from remote_machine import RemoteMachine
from test_faults import FaultCase


class VanishCase(FaultCase):
    """Members on this machine talk all the time; others vanish with theirs."""

    @classmethod
    def setUpClass(cls):
        cls.remote = RemoteMachine()
        cls.addClassCleanup(cls.remote.close)
        cls.server = Server("--workers", "2", "--log-level", "debug", *cls.options,
                            listen="0.0.0.0:0")
        cls.alice, cls.bob = cls.server.add_user("alice"), cls.server.add_user("bob")

    async def remote_websocket(self, path):
        sock = self.remote.socket()
        sock.setblocking(False)
        await in_time(asyncio.get_running_loop().sock_connect(
            sock, (self.remote.address, self.server.port)), 10, "a connection")
        connection = RawConnection(*await asyncio.open_connection(sock=sock))
        self.addAsyncCleanup(connection.close)
        self.assertEqual((await connection.upgrade(path, self.bob)).status, 101)
        return connection

    async def vanish(self):
        self.remote.cut()
        self.addCleanup(self.remote.mend)

    async def gone_after(self, seconds):
        """How long it takes until the server has closed what has vanished."""
        begin = time.monotonic()
        await eventually(lambda: self.server.file_descriptors() <= self.baseline,
                         "who has vanished is gone", seconds)
        return time.monotonic() - begin

    async def answer_pings(self, client):
        while True:
            got = await client._frame()
            if got.opcode == OP_PING:
                await client.send_frame(OP_PONG, got.payload)


class KeepAliveTest(VanishCase):
    options = ("--ping-interval", "1", "--ping-timeout", "1")

    @within(40)
    async def test_who_vanishes_is_gone_within_the_keep_alive_bound(self):
        ghosts = [await self.remote_websocket(path)
                  for path in (voice("calm"), voice("haunted"), SIGNALING, NOTIFICATIONS)]
        id_ = await self.send_join(ghosts[2])
        alive = await asyncio.gather(*(self.connect(voice("haunted"), self.alice) for _ in range(2)))
        caller = await self.join(self.alice)
        self.baseline += 3  # beside the ghosts
        await self.vanish()
        log = len(self.server.log())
        took = await self.gone_after(2 + 3)
        self.assertGreater(took, 0.3)
        self.assertEqual(self.server.log()[log:].count("does not answer pings"), 4)
        await caller.send('{"to":"%s"}' % id_)
        self.assertEqual((await self.next_json(caller))["code"], "unknown_peer")
        await alive[0].send("who is there?")
        self.assertEqual(await self.next(alive[1]), "who is there?")
        await self.check_unharmed()
        for client in (*alive, caller):
            await client.close()

    async def test_who_answers_pings_stays(self):
        client = await self.remote_websocket(voice("calm"))
        task = asyncio.create_task(self.answer_pings(client))
        self.addCleanup(task.cancel)
        await asyncio.sleep(3.5)  # longer than the bound
        self.assertEqual(self.server.file_descriptors(), self.baseline + 1)
        self.assertFalse(task.done())


class WriteDeadlineTest(VanishCase):
    """Pings would be too late to find these."""

    options = ("--write-timeout", "1", "--ping-interval", "300", "--ping-timeout", "300")

    @within(60)
    async def test_a_listener_who_vanishes_while_audio_is_sent_to_him_is_cut_off(self):
        for size, pace in ((160, 0.02), (20000, 0.02)):
            ghost = await self.remote_websocket(voice("stage"))
            reading = asyncio.create_task(self.answer_pings(ghost))
            speaker, listener = await self.members("stage", 2, self.alice)
            self.baseline += 2
            stop = asyncio.Event()

            async def speak():
                longest, number = 0, 0
                while not stop.is_set():
                    message = b"%08d" % number + b"x" * (size - 8)
                    begin = time.monotonic()
                    await speaker.send(message)
                    self.assertEqual(await self.next(listener), message)
                    longest = max(longest, time.monotonic() - begin)
                    number += 1
                    await asyncio.sleep(pace)
                return longest
            task = asyncio.create_task(speak())
            await asyncio.sleep(0.5)  # for the path to be known as a good one
            self.remote.cut()
            try:
                # What the socket takes at first, a second without progress, and the wheel.
                await self.gone_after(10)
            finally:
                self.remote.mend()
            stop.set()
            self.assertLess(await task, self.longest_delay * SCALE, "others noticed it")
            reading.cancel()
            await speaker.close()
            await listener.close()
            self.baseline -= 2
            await self.check_unharmed()


@unittest.skipUnless(os.environ.get("VOICECHAN_TEST_LONG"), "takes a minute: VOICECHAN_TEST_LONG=1")
class DefaultsTest(VanishCase):
    options = ()

    @within(90)
    async def test_who_vanishes_is_gone_within_45_seconds(self):
        ghosts = [await self.remote_websocket(path)
                  for path in (voice("calm"), voice("haunted"), SIGNALING, NOTIFICATIONS)]
        self.assertEqual(len(ghosts), 4)
        await self.vanish()
        took = await self.gone_after(46)
        print(f"gone after {took:.1f} s")
        await self.check_unharmed()


if __name__ == "__main__":
    unittest.main()
