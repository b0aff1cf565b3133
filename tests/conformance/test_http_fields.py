#!/usr/bin/python3
"""RFC 9112, section 5, and RFC 9110, sections 5 and 7: header fields and Host."""

import unittest

from conformance import HttpConformance, checks
from harness import CHANNELS


class FieldSyntaxTest(HttpConformance):
    @checks(no_colon=b"no colon", no_name=b": x", space_in_name=b"Na me: x", nul_in_name=b"X\0: a",
            control_in_name=b"X\x01: a", high_byte_in_name=b"X\x80: a", parenthesis=b"X(: y",
            slash=b"X/Y: a", quote=b'"X": a', at=b"X@: a", bracket=b"[X]: a", brace=b"{X}: a",
            return_in_name=b"X\rY: a", name_alone=b"X")
    async def test_rfc9110_5_1_field_name_is_a_token(self, line):
        await self.check_refused(self.with_line(line), 400)

    @checks(space=b"X : a", tab=b"X\t: a", content_length=b"Content-Length : 0",
            transfer_encoding=b"Transfer-Encoding : chunked")
    async def test_rfc9112_5_1_white_space_before_the_colon_is_400(self, line):
        await self.check_refused(self.with_line(line), 400)

    @checks(nul=b"X: a\0b", soh=b"X: a\x01b", backspace=b"X: \x08", vertical_tab=b"X: a\x0bb",
            form_feed=b"X: a\x0c", escape=b"X: \x1b[0m", delete=b"X: a\x7fb", bare_return=b"X: a\rb",
            return_at_the_end=b"X: a\r", return_at_the_start=b"X: \ra", nul_alone=b"X: \0")
    async def test_rfc9110_5_5_control_character_in_a_value_is_400(self, line):
        await self.check_refused(self.with_line(line), 400)

    @checks(space=b"X: a\r\n b", tab=b"X: a\r\n\tb", blank=b"X: a\r\n ", twice=b"X: a\r\n b\r\n c",
            authorization=b"Authorization:\r\n Token x", length=b"Content-Length:\r\n 0")
    async def test_rfc9112_5_2_obsolete_folding_is_400(self, line):
        await self.check_refused(self.with_line(line), 400)

    @checks(space=b" X: a", tab=b"\tX: a", blank=b" ", host=b" Host: other")
    async def test_rfc9112_2_2_white_space_before_the_first_field_is_400(self, line):
        await self.check_refused(
            b"GET / HTTP/1.1\r\n" + line + b"\r\nHost: x\r\n\r\n", 400)

    @checks(every_line=lambda data: data.replace(b"\r\n", b"\n"),
            one_field=lambda data: data.replace(b"\r\nAuth", b"\nAuth"),
            last=lambda data: data.replace(b"\r\n\r\n", b"\n\r\n"),
            blank_line=lambda data: data.replace(b"\r\n\r\n", b"\r\n\n"))
    async def test_rfc9112_2_2_bare_line_feed_is_400(self, change):
        await self.check_refused(change(self.request()), 400)

    @checks(between=lambda data: data.replace(b"\r\nAuth", b"\rAuth"),
            doubled=lambda data: data.replace(b"\r\nAuth", b"\r\r\nAuth"))
    async def test_rfc9112_2_2_bare_return_is_400(self, change):
        await self.check_refused(change(self.request()), 400)

    @checks(no_space=b"X:a", tab=b"X:\ta\t", spaces=b"X:   a   ", empty=b"X:", blank=b"X:   ",
            high_bytes=b"X: \xd0\x97\xff", marks=b"!#$%&'*+-.^_`|~: a", digits=b"1: a",
            tab_within=b"X: a\tb", colons=b"X: a:b:c", quoted=b'X: "a\\"b"', underscore=b"X_Y: a")
    async def test_rfc9110_5_5_well_formed_field_is_taken(self, line):
        await self.check_served(self.with_line(line))

    async def test_rfc9110_5_1_field_names_are_case_insensitive(self):
        await self.check_served(
            b"GET " + CHANNELS.encode() + b" HTTP/1.1\r\nhOST:x\r\nAUTHORIZATION:\t  Token "
            + self.alice.key.encode() + b" \t \r\n\r\n")

    async def test_rfc9110_11_6_2_two_credentials_are_refused(self):
        answer, _ = await self.ask(
            self.with_line(b"Authorization: Token " + self.bob.key.encode()))
        self.assertIn(answer.status, (400, 401))

    async def test_fields_that_browsers_send_are_taken(self):
        await self.check_served(self.request(
            Cookie="session=" + "c" * 3500, User_Agent="Mozilla/5.0 " + "x" * 200,
            Accept="text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", TE="trailers",
            Upgrade_Insecure_Requests="1", Range="bytes=0-9", If_None_Match='"x"',
            **{f"X-Forwarded-{i}": "v" * 50 for i in range(20)}))

    async def test_rfc9110_7_8_upgrade_to_what_is_not_spoken_is_ignored(self):
        await self.check_served(self.request(
            Connection="Upgrade, HTTP2-Settings", Upgrade="h2c", HTTP2_Settings="AAMAAABkAAQAAP__"))


class HostTest(HttpConformance):
    async def test_rfc9112_3_2_missing_host_is_400(self):
        await self.check_refused(self.request(Host=None), 400)

    async def test_rfc9112_3_2_missing_host_with_absolute_form_is_400(self):
        await self.check_refused(self.request(path="http://localhost" + CHANNELS, Host=None), 400)

    async def test_rfc9112_3_2_http_1_0_needs_no_host(self):
        answer, _ = await self.ask(self.request(version="1.0", Host=None))
        self.assertEqual(answer.status, 200)

    @checks(same=b"Host: localhost", other=b"Host: other", empty=b"Host:", case=b"HOST: localhost")
    async def test_rfc9112_3_2_second_host_is_400(self, line):
        await self.check_refused(self.with_line(line), 400)

    @checks(list="a, b", space="a b", slash="a/b", user="u@h", port="h:x", two_ports="h:1:2",
            large_port="h:65536", huge_port="h:99999999999", negative_port="h:-1", open_ipv6="[::1",
            empty_ipv6="[]", tail_ipv6="[::1]x", word_ipv6="[g]", ipv4_in_brackets="[1.2.3.4]",
            bare_ipv6="::1", half_escape="%4", bad_escape="%zz", backslash="a\\b", quote='a"b',
            angle="<h>", query="h?", fragment="h#", raw_utf8="\xd0\x97", url="http://h", pipe="a|b")
    async def test_rfc9112_3_2_invalid_host_is_400(self, host):
        await self.check_refused(self.request(Host=host), 400)

    @checks(name="localhost", port="a.b-c_d:8080", ipv4="127.0.0.1:1", ipv6="[::1]",
            ipv6_port="[fe80::1]:443", mapped="[::ffff:1.2.3.4]", escaped="%D0%97", largest_port="h:65535",
            empty_port="h:", empty="", dot="example.org.", upper="EXAMPLE.org")
    async def test_rfc9110_7_2_well_formed_host_is_taken(self, host):
        await self.check_served(self.request(Host=host))

    async def test_rfc9112_3_2_bad_host_on_http_1_0_is_400(self):
        await self.check_refused(self.request(version="1.0", Host="a b"), 400)


class FieldLimitTest(HttpConformance):
    @checks(value=lambda: b"X: " + b"a" * 100_000, name=lambda: b"X" * 70_000 + b": a",
            number=lambda: b"\r\n".join(b"X-%d: y" % i for i in range(5000)),
            one_name=lambda: b"\r\n".join([b"X: y"] * 200))
    async def test_rfc6585_5_too_large_fields_are_431(self, lines):
        await self.check_refused(self.with_line(lines()), 431)

    @checks(line=lambda: b"X: " + b"a" * 300_000, lines=lambda: b"X: y\r\n" * 60_000)
    async def test_rfc6585_5_endless_fields_are_431_before_they_end(self, flood):
        await self.check_refused(self.request()[:-2] + flood(), 431)

    async def test_rfc9112_5_fields_of_12_000_bytes_are_taken(self):
        await self.check_served(self.request(X="a" * 12_000))

    async def test_rfc9112_5_ninety_fields_are_taken(self):
        await self.check_served(self.with_line(b"\r\n".join(b"X-%d: y" % i for i in range(90))))


if __name__ == "__main__":
    unittest.main()
