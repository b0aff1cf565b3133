#!/usr/bin/python3
"""RFC 6455, section 4: the opening handshake."""

import base64
import os
import re
import unittest

from conformance import WebSocketConformance, checks
from harness import (CHANNELS, NOTIFICATIONS, OP_PING, OP_TEXT, SIGNALING, accept_of, frame,
                     upgrade_request, voice)

KEY = base64.b64encode(b"0123456789abcdef").decode()


class HandshakeTest(WebSocketConformance):
    async def ask(self, data):
        raw = await self.raw()
        raw.write(data)
        return await raw.response(), raw

    async def check_refused(self, data, *statuses):
        answer, raw = await self.ask(data)
        self.assertIn(answer.status, statuses, answer)
        self.check_answer(answer)
        return answer, raw

    async def check_accepted(self, **changes):
        answer, raw = await self.ask(upgrade_request(SIGNALING, self.alice, **changes))
        self.assertEqual(answer.status, 101, answer)
        return answer, raw

    async def test_rfc6455_1_3_accept_value_of_the_example(self):
        answer, _ = await self.check_accepted(Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ==")
        self.assertEqual(answer.headers["Sec-WebSocket-Accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")

    async def test_rfc6455_4_2_2_accept_value_of_any_key(self):
        for _ in range(5):
            key = base64.b64encode(os.urandom(16)).decode()
            answer, _ = await self.check_accepted(Sec_WebSocket_Key=key)
            self.assertEqual(answer.headers["Sec-WebSocket-Accept"], accept_of(key))

    async def test_rfc6455_4_2_2_response_has_upgrade_and_connection(self):
        answer, _ = await self.check_accepted()
        self.assertEqual(answer.headers["Upgrade"].lower(), "websocket")
        self.assertEqual(answer.headers["Connection"].lower(), "upgrade")
        for name in ("Content-Length", "Transfer-Encoding"):
            self.assertNotIn(name, answer.headers)

    @checks(voice("a"), SIGNALING, NOTIFICATIONS)
    async def test_every_websocket_url_is_taken_with_and_without_slash(self, path):
        for variant in (path, path.rstrip("/")):
            answer, _ = await self.ask(upgrade_request(variant, self.alice))
            self.assertEqual(answer.status, 101)

    @checks("WebSocket", "WEBSOCKET", "webSocket", list="h2c, websocket", list_first="websocket,x",
            tabs="\twebsocket\t", empty_elements=", websocket,")
    async def test_rfc6455_4_2_1_upgrade_is_a_list_in_any_case(self, value):
        await self.check_accepted(Upgrade=value)

    @checks("upgrade", "UPGRADE", last="keep-alive, Upgrade", first="Upgrade,keep-alive",
            spaces="foo , UPGRADE ,bar", empty_elements=", Upgrade,")
    async def test_rfc6455_4_2_1_connection_is_a_list_in_any_case(self, value):
        await self.check_accepted(Connection=value)

    async def test_rfc9110_5_3_lists_may_span_lines(self):
        data = upgrade_request(SIGNALING, self.alice)
        answer, _ = await self.ask(data.replace(
            b"Connection: Upgrade", b"Connection: keep-alive\r\nConnection: Upgrade"))
        self.assertEqual(answer.status, 101)

    @checks("close", "notupgrade", "Upgrade-x", "keep-alive", missing=None, empty="",
            words="Upgrade now", quoted='"Upgrade"')
    async def test_rfc6455_4_2_1_connection_without_upgrade_is_refused(self, value):
        await self.check_refused(
            upgrade_request(SIGNALING, self.alice, Connection=value), 400, 426)

    @checks("websocketx", "xwebsocket", "h2c", missing=None, empty="", words="web socket",
            quoted='"websocket"')
    async def test_rfc6455_4_2_1_upgrade_without_websocket_is_refused(self, value):
        await self.check_refused(upgrade_request(SIGNALING, self.alice, Upgrade=value), 400, 426)

    @checks("0", "7", "8", "12", "14", "255", "13junk", "junk", "-13", "+13", "013", "1313",
            list="13, 8", point="13.0", empty="", hex="0xd", twice="13, 13")
    async def test_rfc6455_4_4_other_version_is_426_naming_13(self, version):
        answer, _ = await self.check_refused(
            upgrade_request(SIGNALING, self.alice, Sec_WebSocket_Version=version), 426)
        self.assertEqual(answer.headers["Sec-WebSocket-Version"], "13")

    async def test_rfc6455_4_2_1_missing_version_is_refused(self):
        await self.check_refused(
            upgrade_request(SIGNALING, self.alice, Sec_WebSocket_Version=None), 400, 426)

    @checks(missing=None, empty="", one_letter="x", no_padding=KEY[:-2], half_padding=KEY[:-1],
            more_padding=KEY + "=", longer=KEY + "AAAA", mark="!" + KEY[1:],
            fifteen=base64.b64encode(b"0" * 15).decode(), seventeen=base64.b64encode(b"0" * 17).decode(),
            eighteen=base64.b64encode(b"0" * 18).decode(), padding_alone="=" * 24, letters="A" * 24,
            no_padding_characters=KEY.replace("=", "A"), two=KEY + ", " + KEY, url_alphabet="-_" + KEY[2:],
            space=KEY[:10] + " " + KEY[11:], sixteen_bytes_bare="0123456789abcdef")
    async def test_rfc6455_4_2_1_key_is_16_bytes_in_base64(self, key):
        await self.check_refused(upgrade_request(SIGNALING, self.alice, Sec_WebSocket_Key=key), 400)

    async def test_rfc6455_11_3_1_second_key_is_refused(self):
        data = upgrade_request(SIGNALING, self.alice)
        line = re.search(rb"Sec-WebSocket-Key: .*\r\n", data)[0]
        await self.check_refused(data.replace(line, line * 2), 400)

    async def test_rfc6455_11_3_5_second_version_is_refused(self):
        data = upgrade_request(SIGNALING, self.alice)
        line = b"Sec-WebSocket-Version: 13\r\n"
        await self.check_refused(data.replace(line, line * 2), 400, 426)

    @checks("POST", "PUT", "HEAD", "OPTIONS", "DELETE", "get")
    async def test_rfc6455_4_1_method_is_get(self, method):
        data = upgrade_request(SIGNALING, self.alice).replace(b"GET", method.encode())
        raw = await self.raw()
        raw.write(data)
        self.assertIn((await raw.response(method)).status,
                      (200,) if method == "OPTIONS" else (405, 411, 426))

    @checks("1.0", "2.0", "0.9")
    async def test_rfc6455_4_1_version_of_http_is_1_1(self, version):
        data = upgrade_request(SIGNALING, self.alice)
        await self.check_refused(
            data.replace(b"HTTP/1.1", f"HTTP/{version}".encode()), 400, 426, 505)

    async def test_rfc6455_4_1_higher_minor_version_is_taken(self):
        data = upgrade_request(SIGNALING, self.alice).replace(b"HTTP/1.1", b"HTTP/1.2")
        self.assertEqual((await self.ask(data))[0].status, 101)

    async def test_rfc6455_4_2_1_missing_host_is_400(self):
        await self.check_refused(upgrade_request(SIGNALING, self.alice, Host=None), 400)

    async def test_rfc6455_4_2_1_second_host_is_400(self):
        data = upgrade_request(SIGNALING, self.alice)
        await self.check_refused(data.replace(b"\r\n\r\n", b"\r\nHost: x\r\n\r\n"), 400)

    @checks("permessage-deflate", parameters="permessage-deflate; client_max_window_bits",
            several="permessage-deflate; server_no_context_takeover, x-webkit-deflate-frame",
            foreign="x-nobody; a=1; b=\"2\"", nonsense="nonsense;;;", empty="",
            bad_bits="permessage-deflate; server_max_window_bits=99")
    async def test_rfc6455_9_1_extensions_are_declined(self, offer):
        """RFC 7692 allows to ignore the offer of permessage-deflate."""
        answer, raw = await self.check_accepted(Sec_WebSocket_Extensions=offer)
        self.assertNotIn("Sec-WebSocket-Extensions", answer.headers)
        await self.check_alive(raw)

    async def test_rfc7692_6_compressed_frame_after_a_declined_offer_is_1002(self):
        _, raw = await self.check_accepted(Sec_WebSocket_Extensions="permessage-deflate")
        raw.write(frame(OP_TEXT, b"\xaa\x02\0", rsv=4))
        self.assertEqual(await self.closing_code(raw), 1002)

    @checks(ours=("voicechan", "voicechan"), list=("a, voicechan, b", "voicechan"),
            tight=("a,voicechan", "voicechan"), foreign=("chat, superchat", None), none=(None, None),
            case=("VoiceChan", None), part=("voicechan2, xvoicechan", None), empty=("", None))
    async def test_rfc6455_4_2_2_subprotocol_is_one_that_was_offered(self, offer, chosen):
        answer, _ = await self.check_accepted(Sec_WebSocket_Protocol=offer)
        self.assertEqual(answer.headers.get("Sec-WebSocket-Protocol"), chosen)

    async def test_rfc6455_11_3_4_subprotocols_may_span_lines(self):
        data = upgrade_request(SIGNALING, self.alice, Sec_WebSocket_Protocol="chat")
        answer, _ = await self.ask(data.replace(
            b"\r\n\r\n", b"\r\nSec-WebSocket-Protocol: voicechan\r\n\r\n"))
        self.assertEqual(answer.headers["Sec-WebSocket-Protocol"], "voicechan")

    @checks(space="a b", slash="a/b", at="a@b", quote='"a"', brackets="{a}", semicolon="a;b",
            high="\xe9")
    async def test_rfc6455_4_1_subprotocol_that_is_no_token_is_400(self, offer):
        await self.check_refused(
            upgrade_request(SIGNALING, self.alice, Sec_WebSocket_Protocol=offer), 400)

    async def test_key_in_a_subprotocol_is_taken_and_not_echoed(self):
        answer, _ = await self.ask(upgrade_request(
            SIGNALING, Sec_WebSocket_Protocol=f"voicechan.auth.{self.alice.key}, voicechan"))
        self.assertEqual((answer.status, answer.headers["Sec-WebSocket-Protocol"]),
                         (101, "voicechan"))

    async def test_rfc6455_4_2_2_no_user_is_401_with_a_challenge(self):
        answer, _ = await self.check_refused(upgrade_request(SIGNALING), 401)
        self.assertIn("WWW-Authenticate", answer.headers)

    @checks("/ws/", "/ws/nothing/", "/ws/voice/", "/ws/voice/a/b/", "/", "/ws/signaling/x",
            slashes="/ws//signaling/", nul="/ws/voice/%00/", utf8="/ws/voice/%ff/")
    async def test_rfc6455_4_2_2_unknown_resource_is_404(self, path):
        await self.check_refused(upgrade_request(path, self.alice), 404)

    async def test_rfc6455_4_1_resource_on_a_rest_url_is_no_websocket(self):
        await self.check_refused(upgrade_request(CHANNELS, self.alice), 200)

    async def test_rfc6455_4_1_absolute_form_is_taken(self):
        answer, _ = await self.ask(upgrade_request("http://localhost" + SIGNALING, self.alice))
        self.assertEqual(answer.status, 101)

    async def test_rfc6455_4_2_2_refused_client_may_try_again(self):
        _, raw = await self.check_refused(
            upgrade_request(SIGNALING, self.alice, Sec_WebSocket_Version="8"), 426)
        raw.write(upgrade_request(SIGNALING, self.alice))
        self.assertEqual((await raw.response()).status, 101)
        await self.check_alive(raw)

    async def test_rfc6455_4_1_frames_in_the_packet_of_the_handshake_are_taken(self):
        answer, raw = await self.ask(upgrade_request(SIGNALING, self.alice) + frame(OP_PING, b"early")
                                     + frame(OP_TEXT, b'{"type":"join"}'))
        self.assertEqual(answer.status, 101)
        self.assertEqual((await raw.frame()).payload, b"early")
        self.assertEqual((await self.next_json(raw))["type"], "joined")

    async def test_handshake_and_frames_may_come_byte_by_byte(self):
        raw = await self.raw()
        for byte in upgrade_request(SIGNALING, self.alice) + frame(OP_TEXT, b'{"type":"join"}'):
            await raw.send(bytes([byte]))
        self.assertEqual((await raw.response()).status, 101)
        self.assertEqual((await self.next_json(raw))["type"], "joined")

    async def test_rfc6455_4_1_body_of_the_handshake_is_not_a_frame(self):
        answer, raw = await self.ask(
            upgrade_request(SIGNALING, self.alice, Content_Length="5") + b"hello")
        self.assertEqual(answer.status, 101)
        await self.check_alive(raw)


if __name__ == "__main__":
    unittest.main()
