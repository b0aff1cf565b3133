#!/usr/bin/python3
"""RFC 9112, sections 2 and 3: the request line; RFC 3986: what a target names."""

import unittest

from conformance import HttpConformance, checks
from harness import CHANNELS, INVITE, SIGNALING, voice

ANY_OTHER = b"\r\nHost: x\r\n\r\n"
CHANNEL_PATH = CHANNELS.strip("/")


class RequestLineTest(HttpConformance):
    @checks(
        no_version=b"GET /", method_alone=b"GET", two_spaces=b"GET  / HTTP/1.1",
        two_spaces_before_version=b"GET /  HTTP/1.1", space_at_the_end=b"GET / HTTP/1.1 ",
        space_at_the_start=b" GET / HTTP/1.1", tabs=b"GET\t/\tHTTP/1.1",
        vertical_tab=b"GET\x0b/ HTTP/1.1", one_word_too_many=b"GET / HTTP/1.1 x",
        space_in_target=b"GET /a b HTTP/1.1", bare_return=b"GET /\r HTTP/1.1",
        bare_return_at_the_end=b"GET / HTTP/1.1\r", colon=b"GET: / HTTP/1.1", words=b"hello",
        tls_client_hello=b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", zeros=b"\0\0\0\0")
    async def test_rfc9112_3_malformed_line_is_400(self, line):
        """RFC 9112 3: method SP request-target SP HTTP-version, single spaces, nothing else."""
        await self.check_refused(line + ANY_OTHER, 400)

    @checks(
        lower_case="http/1.1", mixed_case="Http/1.1", no_dot="HTTP/11", no_minor="HTTP/1.",
        major_alone="HTTP/1", no_major="HTTP/.1", letters="HTTP/a.b", two_digits="HTTP/1.10",
        leading_zero="HTTP/01.1", sign="HTTP/+1.1", tail="HTTP/1.1x", other_name="HTTX/1.1",
        space="HTTP /1.1", comma="HTTP/1,1", name_alone="HTTP", more_dots="HTTP/1.1.1")
    async def test_rfc9112_2_3_malformed_version_is_400(self, version):
        """RFC 9112 2.3: "HTTP" "/" DIGIT "." DIGIT, case-sensitive."""
        await self.check_refused(f"GET / {version}".encode() + ANY_OTHER, 400)

    @checks("0.9", "2.0", "3.0", "9.9")
    async def test_rfc9110_15_6_6_other_major_version_is_505(self, version):
        await self.check_refused(self.request(version=version), 505)

    async def test_rfc9113_3_4_preface_of_http_2_is_505(self):
        await self.check_refused(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505)

    @checks("1.2", "1.9")
    async def test_rfc9110_2_5_higher_minor_version_is_read_as_1_1(self, version):
        await self.check_served(self.request(version=version))

    async def test_http09_simple_request_is_400(self):
        await self.check_refused(b"GET /\r\n", 400)

    @checks(one=b"\r\n", two=b"\r\n\r\n")
    async def test_rfc9112_2_2_empty_lines_before_a_request_are_skipped(self, lines):
        await self.check_served(lines + self.request())

    async def test_rfc9112_2_2_empty_line_between_requests_is_skipped(self):
        answer, connection = await self.ask(self.request() + b"\r\n" + self.request())
        self.assertEqual((answer.status, (await connection.response()).status), (200, 200))

    async def test_rfc9112_2_2_endless_empty_lines_are_400(self):
        await self.check_refused(b"\r\n" * 1000, 400)

    @checks(line_feed=b"\n", return_=b"\r", returns=b"\r\r\n")
    async def test_rfc9112_2_2_half_an_empty_line_is_400(self, lines):
        await self.check_refused(lines + self.request(), 400)

    async def test_rfc9112_2_2_line_feed_alone_does_not_end_the_line(self):
        await self.check_refused(self.request().replace(b"\r\n", b"\n", 1), 400)


class MethodTest(HttpConformance):
    @checks(separator=b"G<T", nul=b"G\0T", high_byte=b"G\x80T", parenthesis=b"GE(T", slash=b"GE/T",
            quote=b'"GET"', brace=b"G{ET")
    async def test_rfc9110_9_1_method_is_a_token(self, method):
        await self.check_refused(method + b" / HTTP/1.1" + ANY_OTHER, 400)

    @checks("BREW", "G", "PATCHY", "M-SEARCH", "PROPFIND", "PURGE", every_mark="!#$%&'*+-.^_`|~")
    async def test_rfc9110_15_6_2_unknown_method_is_405_or_501(self, method):
        await self.check_served(self.request(method), 405, 501)

    @checks(lower="get", mixed="Get")
    async def test_rfc9110_9_1_methods_are_case_sensitive(self, method):
        await self.check_served(self.request(method), 405, 501)

    @checks("PUT", "DELETE", "PATCH", "TRACE")
    async def test_rfc9110_15_5_6_method_without_use_here_is_405_with_allow(self, method):
        for path, allowed in ((CHANNELS, {"GET", "HEAD", "OPTIONS", "POST"}),
                              (CHANNELS + "1/", {"GET", "HEAD", "OPTIONS"}),
                              (voice("a"), {"GET", "HEAD", "OPTIONS"}),
                              (SIGNALING, {"GET", "HEAD", "OPTIONS"}),
                              (INVITE, {"OPTIONS", "POST"})):
            answer = await self.check_served(self.request(method, path), 405)
            self.assertEqual(set(answer.headers["Allow"].split(", ")), allowed)

    async def test_rfc9110_9_3_8_trace_does_not_reflect_the_key(self):
        answer = await self.check_served(self.request("TRACE"), 405)
        self.assertNotIn(self.alice.key.encode(), answer.body)

    @checks("example.org:80", "example.org", "/", "*")
    async def test_rfc9110_9_3_6_connect_is_not_implemented(self, target):
        await self.check_refused(self.request("CONNECT", target), 501)

    async def test_rfc9112_3_endless_method_is_501_or_400(self):
        await self.check_refused(b"A" * 100_000, 400, 501)


class TargetTest(HttpConformance):
    @checks(same="http://localhost", other="http://other.example:8000", upper="HTTP://localhost",
            https="https://localhost", ipv6="http://[::1]:80", empty_port="http://localhost:")
    async def test_rfc9112_3_2_2_absolute_form_is_taken(self, prefix):
        await self.check_served(self.request(path=prefix + CHANNELS))

    async def test_rfc9112_3_2_2_absolute_form_without_a_path_is_the_root(self):
        await self.check_served(self.request(path="http://localhost"), 404)
        await self.check_served(self.request(path="http://localhost?x"), 404)

    async def test_rfc9112_3_2_4_options_of_an_authority_is_about_the_server(self):
        answer = await self.check_served(self.request("OPTIONS", "http://localhost"), 200, 204)
        self.assertIn("Allow", answer.headers)

    async def test_rfc9112_3_2_4_asterisk_form_with_options(self):
        answer = await self.check_served(self.request("OPTIONS", "*"), 200, 204)
        self.assertIn("Allow", answer.headers)

    @checks("GET", "HEAD", "POST", "DELETE")
    async def test_rfc9112_3_2_4_asterisk_form_with_another_method_is_400(self, method):
        await self.check_refused(self.request(method, "*"), 400, method=method)

    @checks(no_slash="api", authority="localhost:80", query="?x", no_host="http://",
            empty_host="http:///x", user="http://user@localhost/", password="http://u:p@localhost/",
            ftp="ftp://localhost/", file="file:///etc/passwd", mail="mailto:a@b", ws="ws://localhost/",
            one_slash="http:/localhost/", bad_port="http://localhost:x/", bad_ipv6="http://[::1/",
            port_alone="http://:80/")
    async def test_rfc9112_3_2_target_of_no_form_is_400(self, target):
        await self.check_refused(self.request(path=target), 400)

    @checks(nul=b"/\0", tab=b"/\t", escape=b"/\x1b[0m", delete=b"/\x7f", high_byte=b"/\xff",
            raw_utf8="/ws/voice/ї/".encode(), fragment=CHANNELS.encode() + b"#x")
    async def test_rfc3986_2_bytes_that_no_uri_has_are_400(self, target):
        await self.check_refused(b"GET " + target + b" HTTP/1.1" + ANY_OTHER, 400)

    async def test_rfc9110_15_5_15_too_long_a_target_is_414(self):
        await self.check_refused(self.request(path="/" + "a" * 100_000), 414)
        await self.check_refused(self.request(path=CHANNELS + "?x=" + "a" * 100_000), 414)

    async def test_rfc9110_15_5_15_endless_target_is_414_before_it_ends(self):
        await self.check_refused(b"GET /" + b"a" * 300_000, 414)

    async def test_rfc9112_3_target_of_8000_bytes_is_taken(self):
        await self.check_served(self.request(path=CHANNELS + "?x=" + "a" * 7900))


class PathTest(HttpConformance):
    @checks(percent="%", one_digit="%4", letters="%zz", half="%4g", sign="%-1", twice="%%41",
            space="%+41", unicode="%u0041")
    async def test_rfc3986_2_1_malformed_escape_is_400(self, escape):
        for path in (f"/{escape}", f"{CHANNELS}?x={escape}", f"{CHANNELS}?{escape}=x",
                     voice(escape)):
            answer, _ = await self.ask(self.request(path=path))
            self.assertEqual(answer.status, 400, (path, answer))

    @checks(letter="%61pi/voice_channels/voice_channels/",
            upper_hex="api/voice%5Fchannels/voice_channels/",
            lower_hex="api/voice%5fchannels/voice_channels/")
    async def test_rfc3986_6_2_2_2_escaped_letters_name_the_same(self, path):
        await self.check_served(self.request(path="/" + path))

    @checks(parent="/..", parents="/../../etc/passwd", escaped="/%2e%2e/%2e%2e/etc/passwd",
            half_escaped="/.%2e/etc/passwd", escaped_slash="/..%2f..%2fetc%2fpasswd",
            double="/%252e%252e/%252fetc", backslash="/..\\..\\etc", overlong="/%c0%ae%c0%ae/etc",
            through=f"/x/../{CHANNEL_PATH}/", through_escaped=f"/x/%2e%2e/{CHANNEL_PATH}/",
            dot=f"/./{CHANNEL_PATH}/", up=f"/{CHANNEL_PATH}/1/../", empty_first=f"//{CHANNEL_PATH}/",
            empty_within="/api//voice_channels/voice_channels/", empty_last=f"/{CHANNEL_PATH}//",
            slash_escaped="/api%2Fvoice_channels%2Fvoice_channels/",
            double_encoded="/%2561pi/voice_channels/voice_channels/", parameter="/api;x/voice_channels/",
            upper="/API/VOICE_CHANNELS/VOICE_CHANNELS/", nul=f"/{CHANNEL_PATH}%00/",
            question_escaped=f"/{CHANNEL_PATH}%3Fx/", root="/")
    async def test_rfc3986_3_3_other_spellings_of_a_path_name_nothing(self, path):
        """A path is cut first and decoded once; dot segments and empty ones are never resolved."""
        await self.check_served(self.request(path=path), 400, 404)

    @checks("0", "-1", "+1", "01", "1.0", "1e3", "0x1", "abc", "9223372036854775808", "%20", "1%20",
            "..", "%00", "1%00")
    async def test_channel_id_in_another_form_is_404(self, identifier):
        await self.check_served(self.request(path=CHANNELS + identifier + "/"), 404)

    @checks(nul="%00", slash="a%2Fb", line_feed="a%0Ab", return_="a%0D", escape="%1b", delete="%7F",
            c1="%C2%85", bad_start="%FF", continuation="%80", cut="%D0", overlong="%C0%AE",
            overlong_slash="%C0%AF", surrogate="%ED%A0%80", too_high="%F4%90%80%80",
            too_long="a" * 201, too_long_escaped="%D0%97" * 101, empty="")
    async def test_ill_formed_room_name_is_400_or_404(self, room):
        await self.check_served(self.request(path=voice(room)), 400, 404)

    @checks(word="general", space="a%20b", unicode="%D0%97%D0%B0%D0%B3", dot="team.42-a", plus="a+b",
            longest="a" * 200, escaped_percent="%25", double_encoded_slash="%252F", emoji="%F0%9F%8E%99",
            nbsp="%C2%A0", marks="-._~!$&'()*,;=:@", last_character="%F4%8F%BF%BF")
    async def test_well_formed_room_name_is_a_websocket(self, room):
        """426 tells that the path names a WebSocket."""
        await self.check_served(self.request(path=voice(room)), 426)

    @checks("%0d%0aX-Injected:%201", "%0aX-Injected:%201", "%c4%8d%c4%8aX-Injected:%201")
    async def test_nothing_of_the_target_gets_into_the_head_of_the_response(self, text):
        for path in (CHANNELS + text + "/", voice(text), f"{CHANNELS}?limit=1&after=0&x={text}"):
            answer, _ = await self.ask(self.request(path=path))
            self.assertNotIn("X-Injected", answer.headers)


if __name__ == "__main__":
    unittest.main()
