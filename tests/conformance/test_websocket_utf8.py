#!/usr/bin/python3
"""RFC 6455, section 8.1, and RFC 3629: text is UTF-8, and is refused as soon as it is not."""

import asyncio
import unittest

from conformance import WebSocketConformance, checks
from harness import NOTIFICATIONS, OP_BINARY, OP_TEXT, SIGNALING, frame

GREETING = "κόσμε".encode()

VALID = {
    "empty": b"", "ascii": b"Hello", "greek": GREETING, "cyrillic": "Загальна кімната".encode(),
    "first_1_byte": b"\x00", "last_1_byte": b"\x7f", "first_2_bytes": b"\xc2\x80",
    "last_2_bytes": b"\xdf\xbf", "first_3_bytes": b"\xe0\xa0\x80", "last_3_bytes": b"\xef\xbf\xbf",
    "first_4_bytes": b"\xf0\x90\x80\x80", "last_character": b"\xf4\x8f\xbf\xbf",
    "before_surrogates": b"\xed\x9f\xbf", "after_surrogates": b"\xee\x80\x80",
    "replacement": b"\xef\xbf\xbd", "byte_order_mark": b"\xef\xbb\xbfx", "not_a_character": b"\xef\xbf\xbe",
    "noncharacters": b"\xf0\x9f\xbf\xbe\xf1\x8f\xbf\xbf\xf4\x8f\xbf\xbe", "emoji": "🎙👩‍🚀".encode(),
    "combining": "e\u0301".encode(), "right_to_left": "שלום\u202e".encode(), "controls": b"\x01\x1b\r\n",
}

INVALID = {
    "continuation_alone": b"\x80", "last_continuation": b"\xbf", "continuations": b"\x80\xbf\x80",
    "all_continuations": bytes(range(0x80, 0xc0)), "fe": b"\xfe", "ff": b"\xff", "fe_ff": b"\xfe\xff",
    "overlong_nul": b"\xc0\x80", "overlong_slash_2": b"\xc0\xaf", "overlong_c1": b"\xc1\xbf",
    "overlong_slash_3": b"\xe0\x80\xaf", "overlong_3": b"\xe0\x9f\xbf", "overlong_nul_3": b"\xe0\x80\x80",
    "overlong_slash_4": b"\xf0\x80\x80\xaf", "overlong_4": b"\xf0\x8f\xbf\xbf",
    "overlong_5": b"\xf8\x87\xbf\xbf\xbf", "overlong_6": b"\xfc\x83\xbf\xbf\xbf\xbf",
    "five_bytes": b"\xf8\x88\x80\x80\x80", "six_bytes": b"\xfc\x84\x80\x80\x80\x80",
    "first_surrogate": b"\xed\xa0\x80", "last_high_surrogate": b"\xed\xaf\xbf",
    "first_low_surrogate": b"\xed\xb0\x80", "last_surrogate": b"\xed\xbf\xbf",
    "surrogate_pair": b"\xed\xa0\xbd\xed\xb8\x80", "too_high": b"\xf4\x90\x80\x80",
    "far_too_high": b"\xf7\xbf\xbf\xbf", "f5": b"\xf5\x80\x80\x80", "latin_1": b"caf\xe9 x",
    "lead_before_ascii_2": b"\xd0b", "lead_before_ascii_3": b"\xe2\x82b", "lead_before_ascii_4": b"\xf0\x9f\x98b",
    "lead_before_lead": b"\xd0\xd0\x97", "lead_alone_each": b"\xc2 \xe1 \xf1 ",
}

CUT = {"two": b"\xd0", "three_1": b"\xe2", "three_2": b"\xe2\x82", "four_1": b"\xf0",
       "four_2": b"\xf0\x9f", "four_3": b"\xf0\x9f\x98", "behind_text": GREETING + b"\xce"}


class Utf8Test(WebSocketConformance):
    @checks(**VALID)
    async def test_rfc3629_3_well_formed_text_is_relayed(self, text):
        await self.check_relayed(frame(OP_TEXT, text), text.decode())

    @checks(**VALID)
    async def test_rfc6455_5_6_characters_may_be_cut_by_fragments(self, text):
        pieces = [frame(OP_TEXT, fin=False)]
        pieces += [frame(0, bytes([byte]), fin=False) for byte in text]
        await self.check_relayed(b"".join(pieces) + frame(0), text.decode())

    @checks(**VALID)
    async def test_rfc6455_5_2_characters_may_be_cut_by_segments(self, text):
        raw, witness = await self.talk()
        for byte in frame(OP_TEXT, text):
            await raw.send(bytes([byte]))
            await asyncio.sleep(0)
        self.assertEqual(await self.next(witness), text.decode())

    @checks(**INVALID)
    async def test_rfc6455_8_1_ill_formed_text_is_1007(self, text):
        await self.check_fails(frame(OP_TEXT, text), 1007)
        await self.check_fails(frame(OP_TEXT, GREETING + text + b"edited"), 1007)

    @checks(**INVALID)
    async def test_rfc6455_8_1_ill_formed_fragmented_text_is_1007(self, text):
        for cut in range(1, min(len(text), 6) + 1):
            await self.check_fails(
                frame(OP_TEXT, text[:cut], fin=False) + frame(0, text[cut:] + b"x"), 1007)

    @checks(**CUT)
    async def test_rfc6455_8_1_text_that_ends_within_a_character_is_1007(self, text):
        await self.check_fails(frame(OP_TEXT, text), 1007)

    @checks(**CUT)
    async def test_rfc6455_8_1_fragmented_text_that_ends_within_a_character_is_1007(self, text):
        await self.check_fails(frame(OP_TEXT, text, fin=False) + frame(0), 1007)
        await self.check_fails(
            frame(OP_TEXT, b"ok", fin=False) + frame(0, text, fin=False) + frame(0), 1007)

    @checks(**INVALID)
    async def test_rfc6455_8_1_ill_formed_text_fails_before_its_message_ends(self, text):
        await self.check_fails(frame(OP_TEXT, GREETING + text + b"x", fin=False), 1007)

    @checks(**INVALID)
    async def test_rfc6455_8_1_ill_formed_text_fails_before_its_frame_ends(self, text):
        whole = frame(OP_TEXT, GREETING + text + b"x" * 100)
        await self.check_fails(whole[:-99], 1007)

    @checks(surrogate=b"\xed\xa0", too_high=b"\xf4\x90", overlong_3=b"\xe0\x80", overlong_4=b"\xf0\x80",
            overlong_2=b"\xc0", f5=b"\xf5")
    async def test_rfc6455_8_1_text_fails_at_the_first_byte_that_tells(self, text):
        """Octet by octet: nothing that could follow would make it well-formed."""
        raw = await self.open()
        whole = frame(OP_TEXT, GREETING + text + b"x" * 50)
        for byte in whole[:-50]:
            await raw.send(bytes([byte]))
        self.assertEqual(await self.closing_code(raw), 1007)

    async def test_rfc6455_8_1_next_message_begins_afresh(self):
        await self.check_relayed(frame(OP_BINARY, b"\xd0") + frame(OP_TEXT, b"x"), b"\xd0", "x")

    async def test_rfc6455_8_1_large_text_may_have_characters_anywhere(self):
        for shift in range(4):
            text = b"x" * shift + "😀".encode() * 50_000
            await self.check_relayed(frame(OP_TEXT, text), text.decode())

    async def test_rfc6455_8_1_large_text_with_a_bad_end_is_1007(self):
        await self.check_fails(frame(OP_TEXT, b"x" * 100_000 + b"\xf0\x9f\x98"), 1007)

    @checks(SIGNALING, NOTIFICATIONS)
    async def test_rfc6455_8_1_holds_on_every_url(self, path):
        await self.check_fails(frame(OP_TEXT, b"\xff"), 1007, path=path)

    @checks(**INVALID)
    async def test_rfc6455_5_6_binary_need_not_be_utf8(self, data):
        await self.check_relayed(frame(OP_BINARY, data), data)

    async def test_rfc6455_8_1_ill_formed_text_is_relayed_to_nobody(self):
        witness, fence = await self.members("utf8", 2, self.bob)
        for text in (b"\xff", b"ok\xd0", b"\xed\xa0\x80"):
            await self.check_fails(frame(OP_TEXT, text), 1007, path="/ws/voice/utf8/")
        await fence.send("fence")
        self.assertEqual(await self.next(witness), "fence")


if __name__ == "__main__":
    unittest.main()
