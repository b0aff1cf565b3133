#!/usr/bin/python3
"""RFC 6455, section 7: the closing handshake and its codes."""

import unittest

from conformance import WebSocketConformance, checks
from harness import (NOTIFICATIONS, OP_CLOSE, OP_PING, OP_TEXT, SIGNALING, close_payload, frame,
                     voice)


class CloseTest(WebSocketConformance):
    @checks(1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3001, 3999,
            4000, 4001, 4500, 4999)
    async def test_rfc6455_7_4_legal_code_is_echoed(self, code):
        await self.check_fails(frame(OP_CLOSE, close_payload(code)), code)
        await self.check_fails(frame(OP_CLOSE, close_payload(code, "причина".encode())), code)

    @checks(0, 1, 2, 500, 998, 999, 1004, 1005, 1006, 1015, 1016, 1017, 1100, 1999, 2000, 2500, 2998,
            2999, 5000, 5001, 9999, 32768, 65535)
    async def test_rfc6455_7_4_illegal_code_is_1002(self, code):
        await self.check_fails(frame(OP_CLOSE, close_payload(code)), 1002)
        await self.check_fails(frame(OP_CLOSE, close_payload(code, b"reason")), 1002)

    async def test_rfc6455_5_5_1_close_without_a_code_is_answered_without_one(self):
        raw = await self.open()
        raw.write(frame(OP_CLOSE))
        self.assertEqual(await raw.frame(), (True, 0, OP_CLOSE, False, b""))
        self.assertEqual(await raw.ended(), b"")

    @checks(b"\x03", b"\x00", b"\xff", b"a")
    async def test_rfc6455_5_5_1_payload_of_one_byte_is_1002(self, payload):
        await self.check_fails(frame(OP_CLOSE, payload), 1002)

    @checks(start=b"\xff", overlong=b"\xc0\x80", cut=b"abc\xd0", surrogate=b"\xed\xa0\x80",
            autobahn=b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80\x65\x64",
            too_high=b"\xf4\x90\x80\x80", continuation=b"\x80", long=b"x" * 122 + b"\xff")
    async def test_rfc6455_5_5_1_reason_that_is_no_utf8_is_1007(self, reason):
        await self.check_fails(frame(OP_CLOSE, close_payload(1000, reason)), 1007)

    @checks(one=b"x", longest=b"x" * 123, unicode="причина 🎙".encode(), nul=b"\0", empty=b"")
    async def test_rfc6455_7_1_6_reason_is_any_utf8_of_123_bytes(self, reason):
        await self.check_fails(frame(OP_CLOSE, close_payload(1000, reason)), 1000)

    async def test_rfc6455_5_5_reason_of_124_bytes_is_1002(self):
        await self.check_fails(frame(OP_CLOSE, close_payload(1000, b"x" * 124)), 1002)

    @checks(voice("closing"), SIGNALING, NOTIFICATIONS)
    async def test_rfc6455_7_1_2_close_is_answered_on_every_url(self, path):
        await self.check_fails(frame(OP_CLOSE, close_payload(1000)), 1000, path=path)

    async def test_rfc6455_7_1_1_server_ends_the_connection_first(self):
        raw = await self.open()
        raw.write(frame(OP_CLOSE, close_payload(1000)))
        self.assertEqual((await raw.frame()).opcode, OP_CLOSE)
        self.assertEqual(await raw.ended(seconds=2), b"")

    async def test_rfc6455_7_1_1_no_reset_destroys_the_servers_close(self):
        """Input behind the close is read, so that the kernel does not answer it with a reset."""
        raw = await self.open()
        raw.write(frame(OP_CLOSE, close_payload(1000)) + frame(OP_TEXT, b"x" * 100_000) * 5)
        self.assertEqual((await raw.frame()).close_code, 1000)

    @checks(text=frame(OP_TEXT, b"ghost"), ping=frame(OP_PING, b"x"), close=frame(OP_CLOSE),
            bad=frame(3, b"x"), unmasked=frame(OP_TEXT, b"x", mask=None), garbage=b"\xff" * 100)
    async def test_rfc6455_5_5_1_data_behind_a_close_is_ignored(self, data):
        witness, fence = await self.members("behind", 2, self.bob)
        raw = await self.raw_websocket(voice("behind"), self.alice)
        raw.write(frame(OP_CLOSE, close_payload(1000)) + data)
        self.assertEqual(await self.closing_code(raw), 1000)
        await fence.send("fence")
        self.assertEqual(await self.next(witness), "fence")

    async def test_rfc6455_7_1_7_data_behind_a_violation_is_ignored(self):
        witness, fence = await self.members("violation", 2, self.bob)
        raw = await self.raw_websocket(voice("violation"), self.alice)
        raw.write(frame(3, b"x") + frame(OP_TEXT, b"ghost") + frame(OP_PING, b"x"))
        self.assertEqual(await self.closing_code(raw), 1002)
        await fence.send("fence")
        self.assertEqual(await self.next(witness), "fence")

    async def test_rfc6455_7_1_7_data_before_a_violation_is_relayed(self):
        witness = await self.connect(voice("before"), self.bob)
        await self.check_fails(frame(OP_TEXT, b"valid") + frame(3, b"x"), 1002, path=voice("before"))
        self.assertEqual(await self.next(witness), "valid")

    async def test_rfc6455_7_1_7_violation_within_a_message_is_closed_too(self):
        await self.check_fails(frame(OP_TEXT, b"half", fin=False) + frame(11, b"x"), 1002)

    async def test_rfc6455_5_5_1_close_may_come_byte_by_byte(self):
        raw = await self.open()
        for byte in frame(OP_CLOSE, close_payload(1000, b"slow")):
            await raw.send(bytes([byte]))
        self.assertEqual(await self.closing_code(raw), 1000)

    async def test_rfc6455_7_1_4_client_that_ends_without_a_close_leaves(self):
        witness = await self.join(self.bob)
        raw = await self.raw_websocket(SIGNALING, self.alice)
        identifier = await self.send_join(raw)
        raw.half_close()
        self.assertEqual(await raw.ended(), b"")
        await witness.send('{"to":"%s"}' % identifier)
        self.assertEqual((await self.next_json(witness))["code"], "unknown_peer")


if __name__ == "__main__":
    unittest.main()
