#!/usr/bin/python3
"""The yardstick that the load tool measures against (bench/reference) is a relay that works."""

import asyncio
import os
import re
import signal
import subprocess
import unittest

from harness import (BINARY, OP_BINARY, OP_CLOSE, OP_PING, OP_PONG, OP_TEXT, SCALE, Case,
                     close_payload, eventually, frame, voice)

YARDSTICK = os.path.abspath(
    os.environ.get("VOICECHAN_RELAY_YARDSTICK")
    or os.path.join(os.path.dirname(BINARY), "..", "bench", "relay-yardstick"))


class Yardstick:
    """One run of it; what a Case needs of a server."""

    def __init__(self):
        self.process = subprocess.Popen(
            [YARDSTICK, "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, encoding="utf-8")
        self.host, port = re.fullmatch(
            r"listening on http://(.+):(\d+)\n", self.process.stdout.readline()).groups()
        self.port = int(port)

    def ws(self, path, is_tls=False):
        assert not is_tls
        return f"ws://{self.host}:{self.port}{path}"

    def stop(self):
        """Gives the deliveries and drops that it counted."""
        self.process.send_signal(signal.SIGTERM)
        out, _ = self.process.communicate(timeout=5 * SCALE)
        counts = re.fullmatch(r"deliveries (\d+), dropped (\d+)\n", out)
        return tuple(map(int, counts.groups()))

    def remove(self):
        self.process.kill()
        self.process.communicate()


class YardstickTest(Case):
    async def asyncSetUp(self):
        await super().asyncSetUp()
        self.server = Yardstick()
        self.addCleanup(self.server.remove)

    async def test_a_message_goes_to_all_others_in_the_room_and_to_nobody_else(self):
        speaker, *listeners = await self.members("talk", 4, None)
        [stranger] = await self.members("other", 1, None)
        messages = ["Привіт", "", *(os.urandom(size) for size in (1, 125, 126, 160, 65000))]
        for message in messages:
            await speaker.send(message)
        for listener in listeners:
            self.assertEqual([await self.next(listener) for _ in messages], messages)
        await listeners[0].send("answer")
        self.assertEqual(await self.next(speaker), "answer")
        [neighbour] = await self.members("other", 1, None)
        await neighbour.send("fence")
        self.assertEqual(await self.next(stranger), "fence")
        self.assertEqual(self.server.stop(), (len(listeners) * (len(messages) + 1) + 1, 0))

    async def test_frames_are_found_however_they_are_cut(self):
        [listener] = await self.members("cut", 1, None)
        speaker = await self.raw_websocket(voice("cut"), None)
        messages = [b"%d" % i * i for i in range(200)]
        stream = b"".join(frame(OP_BINARY, message) for message in messages)
        for begin in range(0, len(stream), 997):
            await speaker.send(stream[begin:begin + 997])
        self.assertEqual([await self.next(listener) for _ in messages], messages)

    async def test_pings_are_answered_and_a_close_is_echoed(self):
        client = await self.raw_websocket(voice("control"), None)
        await client.send_frame(OP_PING, b"beat")
        pong = await client.frame()
        self.assertEqual((pong.opcode, pong.payload), (OP_PONG, b"beat"))
        await client.send_frame(OP_CLOSE, close_payload(1000))
        self.assertEqual(await client.close_code(), 1000)

    async def test_who_has_left_gets_nothing_and_is_no_hindrance(self):
        speaker, first, second, last = await self.members("leave", 4, None)
        await first.close()
        second.transport.abort()
        await speaker.send("once")
        self.assertEqual(await self.next(last), "once")

    async def test_what_a_listener_does_not_read_is_dropped_in_whole_frames(self):
        speaker = await self.raw_websocket(voice("slow"), None)
        listener = await self.raw(receive_buffer=4096)
        await listener.upgrade(voice("slow"))
        listener.pause()
        echo = await self.raw_websocket(voice("slow"), None)
        payload = bytes(60000)
        for _ in range(200):
            await speaker.send_frame(OP_BINARY, payload)
            self.assertEqual((await echo.frame()).payload, payload)

        async def read_up_to_fence():
            while (await listener.frame()).payload != b"fence":
                pass

        async def is_done():  # the fence may be dropped, too
            await speaker.send_frame(OP_BINARY, b"fence")
            self.assertEqual((await echo.frame()).payload, b"fence")
            return reader.done()
        listener.resume()
        reader = asyncio.create_task(read_up_to_fence())
        await eventually(is_done, "whole frames up to the fence")
        await reader
        _, drops = self.server.stop()
        self.assertGreater(drops, 0)

    async def test_what_it_does_not_know_ends_the_connection(self):
        for bytes_ in (frame(OP_TEXT, b"bare", mask=None), frame(OP_TEXT, b"part", fin=False),
                       frame(OP_BINARY, b"", length=1 << 20)):
            client = await self.raw_websocket(voice("bad"), None)
            await client.send(bytes_)
            await client.ended()


if __name__ == "__main__":
    unittest.main()
