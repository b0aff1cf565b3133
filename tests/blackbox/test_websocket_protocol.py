#!/usr/bin/python3
"""RFC 6455, byte by byte: the handshake, frames, fragments, control frames, closing."""

import asyncio
import base64
import os
import re
import unittest

from harness import (NOTIFICATIONS, OP_BINARY, OP_CLOSE, OP_PING, OP_PONG, OP_TEXT, SIGNALING, LiveCase,
                     accept_of, close_payload, eventually, frame, in_time, upgrade_request, voice)

MIB = 1 << 20


class ProtocolCase(LiveCase):
    room = "protocol"

    async def talk(self):
        """A raw member of the room and a well-behaved one."""
        raw = await self.raw_websocket(voice(self.room), self.alice)
        witness = await self.connect(voice(self.room), self.bob)
        return raw, witness

    async def check_fails(self, data, *codes, path=None):
        """What follows the handshake is answered with a close of one of `codes`, and the end."""
        raw = await self.raw_websocket(path or voice("failing"), self.alice)
        raw.write(data)
        self.assertIn(await raw.close_code(), codes)

    async def check_alive(self, raw):
        mark = os.urandom(8)
        await raw.send_frame(OP_PING, mark)
        while (got := await raw.frame()).opcode == OP_PING:
            pass
        self.assertEqual((got.opcode, got.payload), (OP_PONG, mark))


class HandshakeTest(ProtocolCase):
    async def ask(self, data):
        raw = await self.raw()
        await raw.send(data)
        return await raw.response(), raw

    async def test_the_accept_value_is_the_one_of_rfc_6455(self):
        raw = await self.raw()
        answer = await raw.upgrade(SIGNALING, self.alice,
                                   Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ==")
        self.assertEqual(answer.status, 101)
        self.assertEqual(answer.headers["Sec-WebSocket-Accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
        self.assertEqual(answer.headers["Upgrade"].lower(), "websocket")
        self.assertEqual(answer.headers["Connection"].lower(), "upgrade")

    async def test_every_key_gets_its_own_accept_value(self):
        for _ in range(5):
            key = base64.b64encode(os.urandom(16)).decode()
            raw = await self.raw()
            answer = await raw.upgrade(SIGNALING, self.alice, Sec_WebSocket_Key=key)
            self.assertEqual(answer.headers["Sec-WebSocket-Accept"], accept_of(key))

    async def test_extensions_are_declined(self):
        for offer in ("permessage-deflate", "permessage-deflate; client_max_window_bits, x-webkit",
                      "nonsense;;;"):
            raw = await self.raw()
            answer = await raw.upgrade(SIGNALING, self.alice, Sec_WebSocket_Extensions=offer)
            self.assertEqual(answer.status, 101, answer)
            self.assertNotIn("Sec-WebSocket-Extensions", answer.headers)

    async def test_tokens_of_the_handshake_are_taken_in_any_case_and_in_lists(self):
        for changes in ({"Upgrade": "WebSocket"}, {"Upgrade": "WEBSOCKET"}, {"Connection": "upgrade"},
                        {"Connection": "keep-alive, Upgrade"}, {"Connection": "Upgrade,keep-alive"},
                        {"Connection": "foo , UPGRADE ,bar"}, {"Upgrade": "h2c, websocket"},
                        {"Origin": "http://app.example"}, {"Origin": "null"}):
            raw = await self.raw()
            answer = await raw.upgrade(SIGNALING, self.alice, **changes)
            self.assertEqual(answer.status, 101, (changes, answer))

    async def test_another_version_is_426_naming_version_13(self):
        for version in ("8", "12", "14", "0", "13junk", "junk", "13, 8", "-13", "13.0", "1313", ""):
            with self.subTest(version=version):
                raw = await self.raw()
                answer = await raw.upgrade(SIGNALING, self.alice, Sec_WebSocket_Version=version)
                self.assertEqual(answer.status, 426, answer)
                self.assertEqual(answer.headers["Sec-WebSocket-Version"], "13")
                self.check_answer(answer)

    async def check_refused(self, data, *statuses):
        answer, _ = await self.ask(data)
        self.assertIn(answer.status, statuses, answer)
        self.check_answer(answer)

    async def test_a_missing_version_is_refused(self):
        await self.check_refused(
            upgrade_request(SIGNALING, self.alice, Sec_WebSocket_Version=None), 400, 426)

    async def test_a_bad_or_missing_key_is_refused(self):
        good = base64.b64encode(b"0123456789abcdef").decode()
        for key in (None, "", "x", good[:-1], good[:-2], good + "=", good + "AAAA", "!" + good[1:],
                    base64.b64encode(b"0" * 15).decode(), base64.b64encode(b"0" * 17).decode(),
                    base64.b64encode(b"0" * 18).decode(), "=" * 24, "A" * 24, good.replace("=", "A"),
                    good + ", " + good):
            with self.subTest(key=key):
                await self.check_refused(
                    upgrade_request(SIGNALING, self.alice, Sec_WebSocket_Key=key), 400, 426)

    async def test_two_keys_are_refused(self):
        request = upgrade_request(SIGNALING, self.alice)
        line = re.search(rb"Sec-WebSocket-Key: .*\r\n", request)[0]
        await self.check_refused(request.replace(line, line * 2), 400)

    async def test_a_bad_or_missing_connection_or_upgrade_is_refused(self):
        for name in ("Connection", "Upgrade"):
            for value in (None, "", "close", "notupgrade", "websocketx", "xwebsocket", "Upgrade-x",
                          "web socket", "h2c", "keep-alive"):
                with self.subTest(name=name, value=value):
                    await self.check_refused(
                        upgrade_request(SIGNALING, self.alice, **{name: value}), 400, 426)

    async def test_http_1_0_and_other_methods_cannot_upgrade(self):
        good = upgrade_request(SIGNALING, self.alice)
        await self.check_refused(good.replace(b"HTTP/1.1", b"HTTP/1.0"), 400, 426, 505)
        await self.check_refused(good.replace(b"GET", b"POST"), 400, 405, 411, 426)
        await self.check_refused(good.replace(b"GET", b"PUT"), 400, 405, 411, 426)

    async def test_a_refused_handshake_does_not_become_a_websocket(self):
        raw = await self.raw()
        answer = await raw.upgrade(SIGNALING, self.alice, Sec_WebSocket_Version="8")
        self.assertEqual(answer.status, 426)
        raw.write(upgrade_request(SIGNALING, self.alice))
        if answer.headers.get("Connection", "").lower() != "close":
            self.assertEqual((await raw.response()).status, 101)

    async def test_frames_in_the_same_packet_as_the_handshake_are_taken(self):
        raw = await self.raw()
        await raw.send(upgrade_request(SIGNALING, self.alice) + frame(OP_PING, b"early")
                       + frame(OP_TEXT, b'{"type":"join"}'))
        self.assertEqual((await raw.response()).status, 101)
        self.assertEqual((await raw.frame()).payload, b"early")
        self.assertEqual((await self.next_json(raw))["type"], "joined")

    async def test_a_handshake_may_come_byte_by_byte_and_its_frames_too(self):
        raw = await self.raw()
        for byte in upgrade_request(SIGNALING, self.alice) + frame(OP_TEXT, b'{"type":"join"}'):
            await raw.send(bytes([byte]))
        self.assertEqual((await raw.response()).status, 101)
        self.assertEqual((await self.next_json(raw))["type"], "joined")

    async def test_a_handshake_may_follow_other_requests_on_its_connection(self):
        raw = await self.raw()
        await raw.send(b"GET /nothing HTTP/1.1\r\nHost: x\r\nAuthorization: Token "
                       + self.alice.key.encode() + b"\r\n\r\n"
                       + upgrade_request(SIGNALING, self.alice))
        self.assertEqual((await raw.response()).status, 404)
        self.assertEqual((await raw.response()).status, 101)
        await self.check_alive(raw)


class FrameTest(ProtocolCase):
    async def test_the_servers_frames_are_whole_unmasked_and_as_short_as_can_be(self):
        sender = await self.connect(voice("shape"), self.alice)
        raw = await self.raw_websocket(voice("shape"), self.bob)
        for size, head in ((0, b"\x82\x00"), (125, b"\x82\x7d"), (126, b"\x82\x7e\x00\x7e"),
                           (65535, b"\x82\x7e\xff\xff"), (65536, b"\x82\x7f" + b"\0\0\0\0\0\1\0\0")):
            await sender.send(b"x" * size)
            got = await in_time(raw.reader.readexactly(len(head) + size), 10, "a frame")
            self.assertEqual(got[:len(head)], head)
        await sender.send("x")
        self.assertEqual(await raw.reader.readexactly(3), b"\x81\x01x")

    async def test_every_mask_is_undone(self):
        raw, witness = await self.talk()
        data = bytes(range(256)) + b"x"
        for mask in (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x01\x02\x03\x04", os.urandom(4)):
            for size in (0, 1, 2, 3, 4, 5, 7, 8, 9, 257):
                await raw.send(frame(OP_BINARY, data[:size], mask=mask))
                self.assertEqual(await self.next(witness), data[:size])

    async def test_an_unmasked_frame_is_1002(self):
        for opcode in (OP_TEXT, OP_BINARY, OP_PING, OP_CLOSE):
            await self.check_fails(frame(opcode, b"", mask=None), 1002)
            await self.check_fails(frame(opcode, b"\x03\xe8", mask=None), 1002)

    async def test_reserved_bits_are_1002(self):
        for rsv in (1, 2, 4, 7):
            for opcode in (OP_TEXT, OP_BINARY, OP_PING, OP_CLOSE):
                await self.check_fails(frame(opcode, b"", rsv=rsv), 1002)
        await self.check_fails(frame(OP_TEXT, b"a", fin=False) + frame(0, b"b", rsv=4), 1002)

    async def test_reserved_opcodes_are_1002(self):
        for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
            await self.check_fails(frame(opcode, b"x"), 1002)
            await self.check_fails(frame(opcode), 1002)

    async def test_a_length_not_in_its_shortest_form_is_1002(self):
        for size, form in ((0, 16), (125, 16), (0, 64), (125, 64), (126, 64), (65535, 64)):
            await self.check_fails(frame(OP_BINARY, b"x" * size, form=form), 1002)

    async def test_a_length_with_the_top_bit_set_is_1002(self):
        for length in (1 << 63, (1 << 64) - 1, (1 << 64) - 10, (1 << 63) + 5):
            await self.check_fails(frame(OP_BINARY, length=length, form=64), 1002)

    async def test_a_continuation_whose_length_wraps_around_is_refused(self):
        first = frame(OP_BINARY, b"x" * 10, fin=False)
        await self.check_fails(first + frame(0, length=(1 << 64) - 10, form=64), 1002)
        await self.check_fails(first + frame(0, length=(1 << 63) - 10, form=64), 1009)
        await self.check_fails(first + frame(0, length=MIB - 9, form=64), 1009)

    async def test_bad_frames_are_1002_on_every_url(self):
        for path in (voice("any"), SIGNALING, NOTIFICATIONS):
            await self.check_fails(frame(3, b"x"), 1002, path=path)
            await self.check_fails(frame(OP_TEXT, b"x", mask=None), 1002, path=path)

    async def test_frames_may_be_cut_anywhere(self):
        raw, witness = await self.talk()
        data = frame(OP_BINARY, b"x" * 130) + frame(OP_PING, b"p") + frame(OP_TEXT, "ї".encode())
        for cut in range(1, len(data)):
            await raw.send(data[:cut])
            await asyncio.sleep(0)
            await raw.send(data[cut:])
            self.assertEqual(await self.next(witness), b"x" * 130)
            self.assertEqual(await self.next(witness), "ї")
            self.assertEqual((await raw.frame()).payload, b"p")

    async def test_many_frames_in_one_packet_are_all_taken(self):
        raw, witness = await self.talk()
        await raw.send(b"".join(frame(OP_BINARY, b"%d" % i) for i in range(2000)))
        for i in range(2000):
            self.assertEqual(await self.next(witness), b"%d" % i)


class FragmentTest(ProtocolCase):
    async def test_a_fragmented_message_is_relayed_as_one(self):
        raw, witness = await self.talk()
        await raw.send(frame(OP_TEXT, b"one ", fin=False) + frame(0, b"two ", fin=False)
                       + frame(0, b"three"))
        self.assertEqual(await self.next(witness), "one two three")
        await raw.send(frame(OP_BINARY, b"", fin=False) + frame(0, b"", fin=False) + frame(0, b"x"))
        self.assertEqual(await self.next(witness), b"x")
        await raw.send(frame(OP_BINARY, b"x", fin=False) + frame(0, b""))
        self.assertEqual(await self.next(witness), b"x")
        await raw.send(frame(OP_TEXT, b"", fin=False) + frame(0, b""))
        self.assertEqual(await self.next(witness), "")

    async def test_a_message_of_100_fragments_is_relayed_as_one(self):
        raw, witness = await self.talk()
        await raw.send(frame(OP_BINARY, b"0" * 100, fin=False)
                       + b"".join(frame(0, b"%02d" % i * 50, fin=i == 99) for i in range(1, 100)))
        self.assertEqual(await self.next(witness),
                         b"0" * 100 + b"".join(b"%02d" % i * 50 for i in range(1, 100)))

    async def test_control_frames_between_fragments_are_served(self):
        raw, witness = await self.talk()
        await raw.send(frame(OP_TEXT, b"a", fin=False) + frame(OP_PING, b"within")
                       + frame(OP_PONG, b"x") + frame(0, b"b"))
        got = await raw.frame()
        self.assertEqual((got.opcode, got.payload), (OP_PONG, b"within"))
        self.assertEqual(await self.next(witness), "ab")

    async def test_a_continuation_without_a_start_is_1002(self):
        await self.check_fails(frame(0, b"x"), 1002)
        await self.check_fails(frame(0, b"x", fin=False), 1002)
        await self.check_fails(frame(OP_TEXT, b"x") + frame(0, b"x"), 1002)

    async def test_a_new_message_within_a_fragmented_one_is_1002(self):
        for first in (OP_TEXT, OP_BINARY):
            for second in (OP_TEXT, OP_BINARY):
                await self.check_fails(frame(first, b"a", fin=False) + frame(second, b"b"), 1002)
                await self.check_fails(
                    frame(first, b"a", fin=False) + frame(second, b"b", fin=False), 1002)

    async def test_an_unfinished_message_is_not_relayed(self):
        raw, witness = await self.talk()
        await raw.send(frame(OP_TEXT, b"half", fin=False))
        await self.check_alive(raw)
        await raw.close()
        fence = await self.connect(voice(self.room), self.alice)
        await fence.send("fence")
        self.assertEqual(await self.next(witness), "fence")


class Utf8Test(ProtocolCase):
    bad = (b"\x80", b"\xbf", b"\xff", b"\xfe", b"\xc0\x80", b"\xc1\xbf", b"\xe0\x80\x80", b"\xe0\x9f\xbf",
           b"\xf0\x80\x80\x80", b"\xf0\x8f\xbf\xbf", b"\xed\xa0\x80", b"\xed\xbf\xbf",
           b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80", b"\xd0", b"\xe2\x82", b"\xf0\x9f\x98", b"a\xd0b")

    async def test_text_that_is_no_utf8_is_1007(self):
        for text in self.bad:
            with self.subTest(text=text):
                await self.check_fails(frame(OP_TEXT, text), 1007)
                await self.check_fails(frame(OP_TEXT, b"x" * 200 + text), 1007)

    async def test_fragmented_text_that_is_no_utf8_is_1007(self):
        for text in self.bad:
            with self.subTest(text=text):
                for cut in range(len(text) + 1):
                    await self.check_fails(
                        frame(OP_TEXT, text[:cut], fin=False) + frame(0, text[cut:]), 1007)
                await self.check_fails(
                    frame(OP_TEXT, b"a", fin=False) + frame(0, text, fin=False) + frame(0), 1007)

    async def test_text_that_ends_within_a_character_is_1007(self):
        whole = "ї😀".encode()
        for cut in (1, 3, 4, 5):
            await self.check_fails(frame(OP_TEXT, whole[:cut]), 1007)
            await self.check_fails(
                frame(OP_TEXT, whole[:cut], fin=False) + frame(0, b""), 1007)

    async def test_characters_may_be_cut_by_fragments(self):
        raw, witness = await self.talk()
        whole = "aї€😀\U0010ffff".encode()
        await raw.send(frame(OP_TEXT, fin=False)
                       + b"".join(frame(0, bytes([byte]), fin=False) for byte in whole) + frame(0))
        self.assertEqual(await self.next(witness), whole.decode())

    async def test_text_that_is_no_utf8_is_not_relayed(self):
        witness, fence = await self.members("utf8", 2, self.bob)
        for text in self.bad:
            await self.check_fails(frame(OP_TEXT, text), 1007, path=voice("utf8"))
        await fence.send("fence")
        self.assertEqual(await self.next(witness), "fence")

    async def test_binary_data_needs_not_be_utf8(self):
        raw, witness = await self.talk()
        for data in self.bad:
            await raw.send_frame(OP_BINARY, data)
            self.assertEqual(await self.next(witness), data)


class ControlTest(ProtocolCase):
    async def test_a_ping_is_answered_with_its_payload(self):
        raw, _ = await self.talk()
        for payload in (b"", b"x", bytes(range(125)), b"\xff" * 125):
            await raw.send_frame(OP_PING, payload)
            got = await raw.frame()
            self.assertEqual((got.opcode, got.payload, got.fin, got.masked),
                             (OP_PONG, payload, True, False))

    async def test_an_unasked_pong_is_ignored(self):
        raw, witness = await self.talk()
        for payload in (b"", b"unasked", b"x" * 125):
            await raw.send_frame(OP_PONG, payload)
        await raw.send_frame(OP_TEXT, b"still here")
        self.assertEqual(await self.next(witness), "still here")
        await self.check_alive(raw)

    async def test_pings_and_pongs_are_not_relayed(self):
        raw, witness = await self.talk()
        other = await self.raw_websocket(voice(self.room), self.bob)
        await raw.send(frame(OP_PING, b"mine") + frame(OP_PONG, b"mine") + frame(OP_TEXT, b"text"))
        self.assertEqual((await other.frame()).payload, b"text")
        self.assertEqual(await self.next(witness), "text")

    async def test_a_fragmented_control_frame_is_1002(self):
        for opcode in (OP_PING, OP_PONG, OP_CLOSE):
            await self.check_fails(frame(opcode, b"", fin=False), 1002)

    async def test_a_control_frame_above_125_bytes_is_1002(self):
        for opcode in (OP_PING, OP_PONG, OP_CLOSE):
            await self.check_fails(frame(opcode, b"\x03\xe8" + b"x" * 124), 1002)
            await self.check_fails(frame(opcode, length=65536, form=64), 1002)


class CloseTest(ProtocolCase):
    async def check_close(self, payload, *codes):
        for path in (voice("closing"), SIGNALING):
            await self.check_fails(frame(OP_CLOSE, payload), *codes, path=path)

    async def test_a_close_is_answered_with_its_code(self):
        for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999):
            await self.check_close(close_payload(code), code)
            await self.check_close(close_payload(code, "причина".encode()), code)

    async def test_a_close_without_a_code_is_answered(self):
        await self.check_close(b"", 1005, 1000)

    async def test_a_close_with_a_code_nobody_may_send_is_1002(self):
        for code in (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535):
            with self.subTest(code=code):
                await self.check_close(close_payload(code), 1002)

    async def test_a_close_of_one_byte_is_1002(self):
        await self.check_close(b"\x03", 1002)

    async def test_a_close_whose_reason_is_no_utf8_is_1007(self):
        for reason in (b"\xff", b"\xc0\x80", b"abc\xd0", b"\xed\xa0\x80"):
            await self.check_close(close_payload(1000, reason), 1002, 1007)

    async def test_the_longest_reason_is_taken(self):
        await self.check_close(close_payload(1000, b"x" * 123), 1000)

    async def test_the_server_ends_the_connection_after_the_closing_handshake(self):
        raw = await self.raw_websocket(voice("closing"), self.alice)
        await raw.send_frame(OP_CLOSE, close_payload(1000))
        self.assertEqual((await raw.frame()).opcode, OP_CLOSE)
        self.assertEqual(await raw.ended(), b"")

    async def test_what_comes_after_a_close_is_ignored(self):
        raw, witness = await self.talk()
        await raw.send(frame(OP_CLOSE, close_payload(1000)) + frame(OP_TEXT, b"ghost")
                       + frame(OP_PING, b"x"))
        got = await raw.frame()
        self.assertEqual((got.opcode, got.close_code), (OP_CLOSE, 1000))
        self.assertEqual(await raw.ended(), b"")
        fence = await self.connect(voice(self.room), self.alice)
        await fence.send("fence")
        self.assertEqual(await self.next(witness), "fence")

    async def test_what_comes_after_a_violation_is_ignored(self):
        witness, fence = await self.members("violation", 2, self.bob)
        raw = await self.raw_websocket(voice("violation"), self.alice)
        raw.write(frame(3, b"x") + frame(OP_TEXT, b"ghost"))
        self.assertEqual(await raw.close_code(), 1002)
        await fence.send("fence")
        self.assertEqual(await self.next(witness), "fence")

    async def test_what_came_before_a_violation_is_relayed(self):
        witness = await self.connect(voice("before"), self.bob)
        await self.check_fails(frame(OP_TEXT, b"valid") + frame(3, b"x"), 1002, path=voice("before"))
        self.assertEqual(await self.next(witness), "valid")


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
