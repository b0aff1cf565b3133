#!/usr/bin/python3
"""Keep-alive and deadlines of WebSockets; what RFC 6455 says is in ../conformance."""

import unittest

from harness import (NOTIFICATIONS, OP_BINARY, OP_CLOSE, OP_PING, OP_PONG, OP_TEXT, SIGNALING,
                     LiveCase, eventually, frame, voice)


class ProtocolCase(LiveCase):
    room = "protocol"

    async def talk(self):
        """A raw member of the room and a well-behaved one."""
        raw = await self.raw_websocket(voice(self.room), self.alice)
        witness = await self.connect(voice(self.room), self.bob)
        return raw, witness


class KeepAliveTest(ProtocolCase):
    options = ("--workers", "2", "--ping-interval", "0.2", "--ping-timeout", "0.6",
               "--close-timeout", "0.5")

    async def test_the_server_pings_and_a_client_that_answers_stays(self):
        raw = await self.raw_websocket(voice("pings"), self.alice)
        for _ in range(5):
            got = await raw.frame()
            self.assertEqual(got.opcode, OP_PING)
            self.assertLessEqual(len(got.payload), 125)
            await raw.send_frame(OP_PONG, got.payload)

    async def test_a_client_that_answers_no_ping_is_cut_off_everywhere(self):
        for path in (voice("silent"), SIGNALING, NOTIFICATIONS):
            raw = await self.raw_websocket(path, self.alice)
            await raw.ended(seconds=8)

    async def test_a_cut_off_client_leaves_no_ghost(self):
        sender = await self.join(self.bob)
        raw = await self.raw_websocket(SIGNALING, self.alice)
        identifier = await self.send_join(raw)
        await raw.ended(seconds=8)
        await sender.send('{"to":"%s"}' % identifier)
        self.assertEqual((await self.next_json(sender))["code"], "unknown_peer")

    async def test_a_client_that_does_not_answer_the_servers_close_is_cut_off(self):
        raw = await self.raw_websocket(voice("stubborn"), self.alice)
        await raw.send_frame(3, b"x")
        baseline = self.server.file_descriptors()
        while (await raw.frame()).opcode != OP_CLOSE:
            pass
        await raw.ended(seconds=8)  # without an answer of ours
        await eventually(lambda: self.server.file_descriptors() <= baseline, "its descriptor goes")


class MessageDeadlineTest(ProtocolCase):
    options = ("--workers", "2", "--message-timeout", "0.6", "--close-timeout", "0.3")

    async def test_a_message_that_is_never_finished_is_cut_off(self):
        raw, witness = await self.talk()
        unfinished = []
        for path in (voice("unfinished"), SIGNALING, NOTIFICATIONS):
            for data in (frame(OP_TEXT, b"begun", fin=False), b"\x82", b"\x82\xfe\x01",
                         frame(OP_BINARY, b"x", length=100)):
                begun = await self.raw_websocket(path, self.alice)
                await begun.send(data)
                unfinished.append(begun)
        for begun in unfinished:
            await begun.ended(seconds=8)
        await raw.send_frame(OP_TEXT, b"those between messages stay")
        self.assertEqual(await self.next(witness), "those between messages stay")


if __name__ == "__main__":
    unittest.main()
