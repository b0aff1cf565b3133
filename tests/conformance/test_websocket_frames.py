#!/usr/bin/python3
"""RFC 6455, section 5: framing, masking, fragments and control frames."""

import asyncio
import os
import unittest

from conformance import WebSocketConformance, checks
from harness import (NOTIFICATIONS, OP_BINARY, OP_CLOSE, OP_PING, OP_PONG, OP_TEXT, SIGNALING, frame,
                     in_time, voice)

MIB = 1 << 20
OPCODES = {"continuation": 0, "text": OP_TEXT, "binary": OP_BINARY, "close": OP_CLOSE, "ping": OP_PING,
           "pong": OP_PONG}
CONTROL = {"close": OP_CLOSE, "ping": OP_PING, "pong": OP_PONG}
EVERY_URL = {"voice": voice("any"), "signaling": SIGNALING, "notifications": NOTIFICATIONS}


class MaskTest(WebSocketConformance):
    @checks(**OPCODES)
    async def test_rfc6455_5_1_unmasked_frame_is_1002(self, opcode):
        await self.check_fails(frame(opcode, b"", mask=None), 1002)
        await self.check_fails(frame(opcode, b"\x03\xe8", mask=None), 1002)

    @checks(zeros=b"\0\0\0\0", ones=b"\xff\xff\xff\xff", counting=b"\x01\x02\x03\x04",
            random=os.urandom(4))
    async def test_rfc6455_5_3_mask_is_undone(self, mask):
        data = bytes(range(256)) + b"x"
        for size in (0, 1, 2, 3, 4, 5, 7, 8, 9, 257):
            await self.check_relayed(frame(OP_BINARY, data[:size], mask=mask), data[:size])

    async def test_rfc6455_5_1_frames_of_the_server_are_whole_unmasked_and_short(self):
        sender = await self.connect(voice("shape"), self.alice)
        raw = await self.raw_websocket(voice("shape"), self.bob)
        for size, head in ((0, b"\x82\x00"), (125, b"\x82\x7d"), (126, b"\x82\x7e\x00\x7e"),
                           (65535, b"\x82\x7e\xff\xff"), (65536, b"\x82\x7f" + b"\0\0\0\0\0\1\0\0")):
            await sender.send(b"x" * size)
            while True:  # a ping of the server's may come between
                got = await in_time(raw.reader.readexactly(2), 10, "a frame")
                if got[0] != 0x89:
                    break
                await raw.reader.readexactly(got[1])
            got += await in_time(raw.reader.readexactly(len(head) - 2 + size), 10, "its payload")
            self.assertEqual(got[:len(head)], head)


class HeaderTest(WebSocketConformance):
    @checks(**{f"rsv_{rsv}_{name}": (rsv, opcode) for rsv in (1, 2, 4, 7)
               for name, opcode in OPCODES.items()})
    async def test_rfc6455_5_2_reserved_bit_is_1002(self, rsv, opcode):
        start = frame(OP_TEXT, b"a", fin=False) if opcode == 0 else b""
        await self.check_fails(start + frame(opcode, b"", rsv=rsv), 1002)

    @checks(3, 4, 5, 6, 7, 11, 12, 13, 14, 15)
    async def test_rfc6455_5_2_reserved_opcode_is_1002(self, opcode):
        await self.check_fails(frame(opcode), 1002)
        await self.check_fails(frame(opcode, b"x"), 1002)
        await self.check_fails(frame(OP_TEXT, b"a", fin=False) + frame(opcode, b"x"), 1002)

    @checks(*[(0, 16), (1, 16), (125, 16), (0, 64), (125, 64), (126, 64), (65535, 64)])
    async def test_rfc6455_5_2_length_is_in_its_shortest_form(self, size, form):
        await self.check_fails(frame(OP_BINARY, b"x" * size, form=form), 1002)

    @checks(16, 64)
    async def test_rfc6455_5_5_control_frame_with_a_long_form_is_1002(self, form):
        await self.check_fails(frame(OP_PING, b"x" * 5, form=form), 1002)

    @checks(top_bit=1 << 63, ones=(1 << 64) - 1, wraps=(1 << 64) - 10, top_bit_and_more=(1 << 63) + 5)
    async def test_rfc6455_5_2_top_bit_of_a_length_is_1002(self, length):
        await self.check_fails(frame(OP_BINARY, length=length, form=64), 1002)

    @checks(0, 1, 125, 126, 127, 128, 65535, 65536, 65537)
    async def test_rfc6455_5_2_every_form_of_a_length_is_read(self, size):
        await self.check_relayed(frame(OP_BINARY, b"*" * size), b"*" * size)
        await self.check_relayed(frame(OP_TEXT, b"*" * size), "*" * size)

    @checks(**EVERY_URL)
    async def test_rfc6455_5_2_bad_frame_is_1002_on_every_url(self, path):
        await self.check_fails(frame(3, b"x"), 1002, path=path)
        await self.check_fails(frame(OP_TEXT, b"x", mask=None), 1002, path=path)

    async def test_rfc6455_5_2_bad_header_fails_before_its_payload(self):
        await self.check_fails(frame(3, length=1000), 1002)
        await self.check_fails(frame(OP_PING, length=126), 1002)

    async def test_rfc6455_5_2_frames_may_be_cut_anywhere(self):
        raw, witness = await self.talk()
        data = frame(OP_BINARY, b"x" * 130) + frame(OP_PING, b"p") + frame(OP_TEXT, "ї".encode())
        for cut in range(1, len(data)):
            await raw.send(data[:cut])
            await asyncio.sleep(0)
            await raw.send(data[cut:])
            self.assertEqual(await self.next(witness), b"x" * 130)
            self.assertEqual(await self.next(witness), "ї")
            self.assertEqual((await raw.frame()).payload, b"p")

    async def test_rfc6455_5_2_many_frames_in_one_packet_are_all_taken(self):
        await self.check_relayed(b"".join(frame(OP_BINARY, b"%d" % i) for i in range(2000)),
                                 *(b"%d" % i for i in range(2000)))


class LimitTest(WebSocketConformance):
    async def test_rfc6455_10_4_message_of_the_limit_is_taken(self):
        await self.check_relayed(frame(OP_BINARY, b"x" * MIB), b"x" * MIB)

    async def test_rfc6455_7_4_1_larger_message_is_1009_before_its_payload(self):
        await self.check_fails(frame(OP_BINARY, length=MIB + 1), 1009)

    @checks(by_one=(MIB - 9, 16), by_far=((1 << 63) - 10, 64), to_the_end=((1 << 63) - 1, 64))
    async def test_rfc6455_7_4_1_fragments_above_the_limit_are_1009(self, length, _):
        first = frame(OP_BINARY, b"x" * 10, fin=False)
        await self.check_fails(first + frame(0, length=length, form=64), 1009)

    async def test_rfc6455_5_2_continuation_whose_length_wraps_is_1002(self):
        first = frame(OP_BINARY, b"x" * 10, fin=False)
        await self.check_fails(first + frame(0, length=(1 << 64) - 10, form=64), 1002)

    async def test_limit_is_that_of_each_message(self):
        await self.check_relayed(frame(OP_BINARY, b"x" * MIB) + frame(OP_BINARY, b"y" * MIB),
                                 b"x" * MIB, b"y" * MIB)


class FragmentTest(WebSocketConformance):
    @checks(text=(OP_TEXT, str), binary=(OP_BINARY, bytes))
    async def test_rfc6455_5_4_fragments_are_one_message(self, opcode, kind):
        def message(data):
            return data.decode() if kind is str else data
        for parts in ((b"one ", b"two ", b"three"), (b"", b""), (b"x", b""), (b"", b"x"),
                      (b"", b"", b"x", b""), (b"a",) * 100):
            data = frame(opcode, parts[0], fin=False)
            data += b"".join(frame(0, part, fin=False) for part in parts[1:-1])
            await self.check_relayed(data + frame(0, parts[-1]), message(b"".join(parts)))

    async def test_rfc6455_5_4_fragments_may_come_in_packets_of_their_own(self):
        raw, witness = await self.talk()
        await raw.send(frame(OP_TEXT, b"a", fin=False))
        await self.check_alive(raw)
        await raw.send(frame(0, b"b", fin=False))
        await self.check_alive(raw)
        await raw.send(frame(0, b"c"))
        self.assertEqual(await self.next(witness), "abc")

    @checks(**{"ping": OP_PING, "pong": OP_PONG})
    async def test_rfc6455_5_4_control_frames_may_come_between_fragments(self, opcode):
        raw, witness = await self.talk()
        await raw.send(frame(OP_TEXT, b"a", fin=False) + frame(opcode, b"1") + frame(0, b"b", fin=False)
                       + frame(opcode, b"2") + frame(opcode, b"3") + frame(0, b"c"))
        self.assertEqual(await self.next(witness), "abc")
        if opcode == OP_PING:
            for payload in (b"1", b"2", b"3"):
                self.assertEqual((await raw.frame()).payload, payload)
        await self.check_alive(raw)

    async def test_rfc6455_5_4_ping_between_fragments_is_answered_at_once(self):
        raw = await self.open()
        await raw.send(frame(OP_TEXT, b"a", fin=False) + frame(OP_PING, b"within"))
        got = await raw.frame()
        self.assertEqual((got.opcode, got.payload), (OP_PONG, b"within"))

    async def test_rfc6455_5_5_1_close_between_fragments_is_answered(self):
        await self.check_fails(
            frame(OP_TEXT, b"a", fin=False) + frame(OP_CLOSE, b"\x03\xe8"), 1000)

    @checks(final=frame(0, b"x"), not_final=frame(0, b"x", fin=False), empty=frame(0),
            behind_a_message=frame(OP_PING) + frame(0, b"x"))
    async def test_rfc6455_5_4_continuation_of_nothing_is_1002(self, data):
        raw = await self.open()
        raw.write(data)
        got = await raw.frame()
        if got.opcode == OP_PONG:
            got = await raw.frame()
        self.assertEqual(got.close_code, 1002)

    async def test_rfc6455_5_4_continuation_behind_a_whole_message_is_1002(self):
        await self.check_fails(frame(OP_TEXT, b"x") + frame(0, b"x"), 1002)
        await self.check_fails(
            frame(OP_TEXT, b"x", fin=False) + frame(0, b"y") + frame(0, b"z"), 1002)

    @checks(**{f"{a}_{b}_{'last' if fin else 'more'}": (OPCODES[a], OPCODES[b], fin)
               for a in ("text", "binary") for b in ("text", "binary") for fin in (True, False)})
    async def test_rfc6455_5_4_new_message_within_a_fragmented_one_is_1002(self, first, second, fin):
        await self.check_fails(frame(first, b"a", fin=False) + frame(second, b"b", fin=fin), 1002)

    async def test_rfc6455_5_4_unfinished_message_is_relayed_to_nobody(self):
        raw, witness = await self.talk()
        await raw.send(frame(OP_TEXT, b"half", fin=False))
        await self.check_alive(raw)
        await raw.close()
        fence = await self.connect(self.room, self.alice)
        await fence.send("fence")
        self.assertEqual(await self.next(witness), "fence")


class ControlTest(WebSocketConformance):
    @checks(empty=b"", one=b"x", text="ї".encode(), binary=b"\x00\xff\xfe\xfd", longest=b"\xfe" * 125)
    async def test_rfc6455_5_5_3_ping_is_answered_with_its_payload(self, payload):
        raw = await self.open()
        await raw.send(frame(OP_PING, payload))
        got = await raw.frame()
        self.assertEqual(got, (True, 0, OP_PONG, False, payload))

    async def test_rfc6455_5_5_3_ten_pings_are_answered_in_order(self):
        raw = await self.open()
        await raw.send(b"".join(frame(OP_PING, b"%d" % i) for i in range(10)))
        for i in range(10):
            self.assertEqual((await raw.frame()).payload, b"%d" % i)

    async def test_rfc6455_5_5_2_ping_may_come_byte_by_byte(self):
        raw = await self.open()
        for byte in frame(OP_PING, b"\xfe" * 125):
            await raw.send(bytes([byte]))
        self.assertEqual((await raw.frame()).payload, b"\xfe" * 125)

    @checks(empty=b"", some=b"unasked", longest=b"x" * 125)
    async def test_rfc6455_5_5_3_unsolicited_pong_is_ignored(self, payload):
        raw = await self.open()
        await raw.send(frame(OP_PONG, payload))
        await self.check_alive(raw)

    async def test_pings_and_pongs_are_not_relayed(self):
        await self.check_relayed(
            frame(OP_PONG, b"mine") + frame(OP_TEXT, b"text"), "text")

    @checks(**CONTROL)
    async def test_rfc6455_5_5_fragmented_control_frame_is_1002(self, opcode):
        await self.check_fails(frame(opcode, b"", fin=False), 1002)
        await self.check_fails(frame(opcode, b"\x03\xe8", fin=False) + frame(0, b""), 1002)

    @checks(**CONTROL)
    async def test_rfc6455_5_5_control_frame_above_125_bytes_is_1002(self, opcode):
        await self.check_fails(frame(opcode, b"\x03\xe8" + b"x" * 124), 1002)
        await self.check_fails(frame(opcode, length=126), 1002)
        await self.check_fails(frame(opcode, length=65536, form=64), 1002)

    @checks(**EVERY_URL)
    async def test_rfc6455_5_5_2_ping_is_answered_on_every_url(self, path):
        await self.check_alive(await self.open(path))


if __name__ == "__main__":
    unittest.main()
