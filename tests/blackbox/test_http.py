#!/usr/bin/python3
"""Deadlines of HTTP; what its RFCs say is in ../conformance."""

import asyncio
import contextlib
import time
import unittest

from harness import CHANNELS, SCALE, LiveCase


class DeadlineTest(LiveCase):
    options = ("--workers", "2", "--handshake-timeout", "0.6", "--body-timeout", "0.6",
               "--idle-timeout", "0.6")

    async def check_cut_off(self, data, statuses):
        """The server ends the connection by itself, soon, with a 408 or with nothing."""
        connection = await self.raw()
        await connection.send(data)
        begin = time.monotonic()
        rest = await connection.ended(seconds=8)
        self.assertLess(time.monotonic() - begin, 5 * SCALE)
        if rest:
            self.assertIn(int(rest.split(b" ", 2)[1]), statuses, rest)

    async def test_a_silent_connection_is_closed(self):
        await self.check_cut_off(b"", (408,))

    async def test_half_a_head_is_closed(self):
        await self.check_cut_off(b"GET / HTTP/1.1\r\nHost: x\r\n", (408,))

    async def test_half_a_body_is_closed(self):
        await self.check_cut_off(
            b"POST " + CHANNELS.encode() + b" HTTP/1.1\r\nHost: x\r\nAuthorization: Token "
            + self.alice.key.encode() + b"\r\nContent-Length: 100\r\n\r\n{", (408,))

    async def test_a_head_that_drips_is_closed(self):
        connection = await self.raw()

        async def drip():
            with contextlib.suppress(ConnectionError):
                await connection.send(b"GET / HTTP/1.1\r\nX: ")
                while not connection.reader.at_eof():
                    await connection.send(b"a")
                    await asyncio.sleep(0.05)  # the pace of the client, not a synchronisation
        task = asyncio.create_task(drip())
        try:
            await connection.ended(seconds=8)
        finally:
            task.cancel()

    async def test_an_idle_connection_is_closed_after_its_last_answer(self):
        connection = await self.raw()
        await connection.send(
            b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Token " + self.alice.key.encode()
            + b"\r\n\r\n")
        self.assertEqual((await connection.response()).status, 404)
        self.assertEqual(await connection.ended(seconds=8), b"")

    async def test_a_websocket_is_not_idle(self):
        sender, listener = await self.members("idle", 2, self.alice)
        silent = await self.raw()
        await silent.ended(seconds=8)  # both deadlines have passed by now
        await sender.send("still here")
        self.assertEqual(await self.next(listener), "still here")


if __name__ == "__main__":
    unittest.main()
