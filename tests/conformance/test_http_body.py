#!/usr/bin/python3
"""RFC 9112, sections 6 and 7: the length of a body and the chunked coding; Expect."""

import unittest

from conformance import HttpConformance, checks
from harness import CHANNELS, INVITE

BODY = b'{"name":"x"}'


class ContentLengthTest(HttpConformance):
    @checks(negative="-1", plus="+5", tail="5x", hex="0x5", space="5 5", list="5,6", empty="",
            exponent="1e1", point="1.0", vertical_tab="\x0b5", word="five", minus_zero="-0", quote='"5"',
            underscore="1_0", unicode="\xd9\xa5", semicolon="5;", comma=",5", comma_last="5,")
    async def test_rfc9110_8_6_content_length_is_digits(self, length):
        await self.check_refused(self.request("POST", Content_Length=length) + b"12345", 400)

    @checks("18446744073709551616", "18446744073709551621", "99999999999999999999999999", "9" * 400)
    async def test_rfc9112_6_2_overflowing_length_is_400_or_413(self, length):
        await self.check_refused(self.request("POST", Content_Length=length) + b"12345", 400, 413)

    @checks(other=b"Content-Length: 5", less=b"Content-Length: 0", bad=b"Content-Length: x",
            first=b"content-length: 13")
    async def test_rfc9112_6_3_differing_lengths_are_400(self, line):
        await self.check_refused(self.with_line(line, "POST", body=BODY), 400)

    async def test_rfc9110_8_6_repeated_length_is_taken_as_one_or_400(self):
        """A server may do either; this one refuses."""
        await self.check_refused(
            self.with_line(b"Content-Length: 12", "POST", body=BODY), 400)
        await self.check_refused(
            self.request("POST", body=BODY, Content_Length="12, 12"), 400)

    @checks(length_first=lambda line: (b"Content-Length: 12", line),
            coding_first=lambda line: (line, b"Content-Length: 12"))
    async def test_rfc9112_6_1_length_with_chunked_is_400(self, order):
        """It may be smuggling; a server may refuse it, and this one does."""
        first, second = order(b"Transfer-Encoding: chunked")
        data = self.request("POST")[:-2] + first + b"\r\n" + second + b"\r\n\r\n"
        await self.check_refused(data + b"c\r\n" + BODY + b"\r\n0\r\n\r\n", 400)

    async def test_rfc9110_8_6_leading_zeros_are_digits(self):
        await self.check_served(
            self.request("POST", body=BODY, Content_Length="0012"), 201)

    @checks(CHANNELS, INVITE)
    async def test_rfc9110_15_5_12_post_without_a_length_is_411(self, path):
        await self.check_served(self.request("POST", path), 411)

    async def test_rfc9112_6_3_get_without_a_length_has_no_body(self):
        await self.check_served(self.request())

    async def test_rfc9110_9_3_1_body_of_a_get_is_not_a_request(self):
        await self.check_served(self.request(body=b"GET / HTTP/1.1\r\n\r\n"))

    async def test_rfc9112_6_3_length_zero_is_an_empty_body(self):
        await self.check_served(self.request("POST", body=b""), 400)

    @checks(unauthorized=(CHANNELS, {"Authorization": None}, 401), nowhere=("/no", {}, 404),
            method=(CHANNELS + "1/", {}, 405), websocket=("/ws/signaling/", {}, 405),
            media_type=(CHANNELS, {"Content-Type": "text/plain"}, 415))
    async def test_rfc9112_9_3_body_of_a_refused_request_is_not_a_request(self, path, fields, status):
        hidden = self.request("POST", body=b'{"name":"smuggled"}')
        connection = await self.raw()
        connection.write(self.request("POST", path, hidden, **fields) + self.request(path="/after"))
        answer = await connection.response()
        self.assertEqual(answer.status, status, answer)
        self.assertEqual((await connection.response()).status, 404)
        names = [channel["name"] for channel in (await self.rest("GET", CHANNELS, self.alice)).json]
        self.assertNotIn("smuggled", names)

    @checks("20001", "10000000000", "9223372036854775807")
    async def test_rfc9110_15_5_14_announced_length_above_the_limit_is_413_at_once(self, length):
        await self.check_refused(self.request("POST", Content_Length=length), 413)

    async def test_body_of_the_limit_is_taken(self):
        body = b'{"name":"x","pad":"' + b"y" * (20_000 - 21) + b'"}'
        await self.check_served(self.request("POST", body=body), 201)
        await self.check_refused(self.request("POST", body=body + b" "), 413)


class TransferEncodingTest(HttpConformance):
    END = b"c\r\n" + BODY + b"\r\n0\r\n\r\n"

    @checks("gzip", "identity", "xchunked", "chunkedx", "br", gzip_chunked="gzip, chunked",
            foo_chunked="foo, chunked")
    async def test_rfc9112_6_1_unknown_coding_is_501(self, coding):
        await self.check_refused(self.request("POST", Transfer_Encoding=coding) + self.END, 501)

    @checks(gzip="chunked, gzip", identity="chunked, identity", twice="chunked, chunked",
            three="chunked, gzip, chunked")
    async def test_rfc9112_6_3_chunked_that_is_not_last_or_not_once_is_400(self, coding):
        await self.check_refused(self.request("POST", Transfer_Encoding=coding) + self.END, 400)

    @checks(empty="", quoted='"chunked"', two_words="chunked chunked", semicolon="chunked;",
            parameter="chunked;x=y", vertical_tab="\x0bchunked", nul="chunked\0", form_feed="chunked\x0c",
            comma=",", equals="=chunked", nbsp="\xa0chunked")
    async def test_rfc9112_6_1_malformed_coding_is_400(self, coding):
        await self.check_refused(
            self.request("POST", Transfer_Encoding=coding) + self.END, 400, 501)

    @checks(chunked=b"Transfer-Encoding: chunked", gzip=b"Transfer-Encoding: gzip",
            identity=b"Transfer-Encoding: identity")
    async def test_rfc9112_6_1_two_transfer_encodings_are_refused(self, line):
        await self.check_refused(
            self.with_line(line, "POST", Transfer_Encoding="chunked") + self.END, 400, 501)

    @checks("chunked", "gzip")
    async def test_rfc9112_6_1_transfer_encoding_in_http_1_0_is_400(self, coding):
        await self.check_refused(
            self.request("POST", version="1.0", Transfer_Encoding=coding) + self.END, 400)

    @checks("Chunked", "CHUNKED", "chunKed")
    async def test_rfc9110_10_1_4_coding_names_are_case_insensitive(self, coding):
        await self.check_served(self.chunked(self.END, Transfer_Encoding=coding), 201)

    async def test_rfc9112_6_3_chunked_get_is_read_to_its_end(self):
        await self.check_served(
            self.request(Transfer_Encoding="chunked") + b"5\r\nhello\r\n0\r\n\r\n")

    @checks(space=" chunked", tab="\tchunked", behind="chunked \t")
    async def test_rfc9110_5_6_3_white_space_around_the_coding_does_not_matter(self, coding):
        await self.check_served(self.chunked(self.END, Transfer_Encoding=coding), 201)


class ChunkedTest(HttpConformance):
    @checks(one=b"c\r\n" + BODY + b"\r\n0\r\n\r\n", upper=b"C\r\n" + BODY + b"\r\n0\r\n\r\n",
            bytes_=b"".join(b"1\r\n%c\r\n" % byte for byte in BODY) + b"0\r\n\r\n",
            zeros=b"000c\r\n" + BODY + b"\r\n0\r\n\r\n", last_zeros=b"c\r\n" + BODY + b"\r\n000\r\n\r\n",
            trailer=b"c\r\n" + BODY + b"\r\n0\r\nX-Trailer: 1\r\nOther: 2\r\n\r\n",
            sixteen_digits=b"000000000000000c\r\n" + BODY + b"\r\n0\r\n\r\n")
    async def test_rfc9112_7_1_chunked_body_is_taken(self, body):
        await self.check_served(self.chunked(body), 201)

    @checks(name=b";a", value=b";a=b", quoted=b';a="b c"', several=b";a=b;c;d=\"e;f\"", escaped=b';a="\\""',
            space=b" ; a = b")
    async def test_rfc9112_7_1_1_chunk_extensions_are_ignored(self, extension):
        await self.check_served(
            self.chunked(b"c" + extension + b"\r\n" + BODY + b"\r\n0" + extension + b"\r\n\r\n"), 201)

    @checks(word=b"x\r\n", negative=b"-1\r\nx", plus=b"+1\r\nx\r\n", prefix=b"0x5\r\nabcde\r\n",
            empty=b"\r\nabc\r\n", space_before=b" 5\r\nabcde\r\n", space_behind=b"5 \r\nabcde\r\n",
            tab_behind=b"5\t\r\nabcde\r\n", line_feed=b"5\nabcde\r\n", return_=b"5\rabcde\r\n",
            letter=b"5g\r\nabcde\r\n", underscore=b"1_0\r\n", comma=b"5,\r\nabcde\r\n", nul=b"5\0\r\nabcde\r\n",
            point=b"5.0\r\nabcde\r\n", extension_alone=b";a=b\r\n")
    async def test_rfc9112_7_1_malformed_chunk_size_is_400(self, body):
        await self.check_refused(self.chunked(body), 400)

    @checks(seventeen="1" + "0" * 15 + "c", wraps_64="1" + "0" * 16 + "c", wraps_32="10000000c",
            all_ones="f" * 16, many="f" * 40, top_bit="8" + "0" * 15)
    async def test_rfc9112_7_1_overflowing_chunk_size_is_400_or_413(self, size):
        await self.check_refused(
            self.chunked(size.encode() + b"\r\n" + BODY + b"\r\n0\r\n\r\n"), 400, 413)

    @checks(more=b"5\r\nabcdefgh\r\n", line_feed=b"5\r\nabcde\n0\r\n\r\n", no_end=b"5\r\nabcde0\r\n\r\n",
            return_=b"5\r\nabcde\r0\r\n\r\n", less=b"5\r\nabc\r\n0\r\n\r\n", wrong=b"5\r\nabcdeXX0\r\n\r\n")
    async def test_rfc9112_7_1_chunk_that_does_not_end_where_it_says_is_400(self, body):
        await self.check_refused(self.chunked(body), 400)

    @checks(line_feed=b"5;a\nb\r\nabcde\r\n", return_=b"5;a\rb\r\nabcde\r\n", nul=b"5;\0\r\nabcde\r\n",
            no_name=b"5;\r\nabcde\r\n", no_value=b"5;a=\r\nabcde\r\n", open_quote=b'5;a="\r\nabcde\r\n',
            line_in_quote=b'5;a="\r\nabcde\r\n"\r\n', control_in_quote=b'5;a="\x01"\r\nabcde\r\n', space=b"5 x\r\nabcde\r\n")
    async def test_rfc9112_7_1_1_malformed_extension_is_400(self, body):
        await self.check_refused(self.chunked(body), 400)

    @checks(no_colon=b"bad", space=b"X : a", nul=b"X: \0", line_feed=b"X: a\nY: b", name=b"X(: a",
            length=b"Content-Length: 5", coding=b"Transfer-Encoding: chunked")
    async def test_rfc9112_7_1_2_malformed_or_framing_trailer_is_400(self, line):
        await self.check_refused(self.chunked(b"c\r\n" + BODY + b"\r\n0\r\n" + line + b"\r\n\r\n"), 400)

    @checks(b"Authorization: Token x", b"Host: other", b"Connection: close")
    async def test_rfc9110_6_5_1_trailers_change_nothing(self, line):
        await self.check_served(
            self.chunked(b"c\r\n" + BODY + b"\r\n0\r\n" + line + b"\r\n\r\n"), 201)

    async def test_chunked_body_above_the_limit_is_413(self):
        await self.check_refused(self.chunked((b"fff\r\n" + b"x" * 0xfff + b"\r\n") * 5), 413)
        await self.check_refused(self.chunked(b"7fffffff\r\n"), 413)

    @checks(extension=b"1;" + b"x" * 200_000, quoted=b'1;a="' + b"x" * 200_000,
            digits=b"0" * 200_000, trailers=b"0\r\n" + b"A: b\r\n" * 40_000,
            trailer=b"0\r\nA: " + b"b" * 200_000, extensions=b"1;aaaaaaaaaa\r\nx\r\n" * 20_000)
    async def test_endless_chunk_headers_and_trailers_are_refused(self, flood):
        await self.check_refused(self.chunked(flood), 400, 413, 431)

    async def test_chunked_body_may_come_byte_by_byte(self):
        connection = await self.raw()
        for byte in self.chunked(b'5;y\r\n{"nam\r\n7;x\r\ne":"x"}\r\n0\r\nA: b\r\n\r\n'):
            await connection.send(bytes([byte]))
        self.assertEqual((await connection.response()).status, 201)


class ExpectTest(HttpConformance):
    async def test_rfc9110_10_1_1_continue_comes_before_the_body(self):
        for fields in ({"Content-Length": "12"}, {"Transfer-Encoding": "chunked"}):
            connection = await self.raw()
            connection.write(self.request(
                "POST", Expect="100-continue", Content_Type="application/json", **fields))
            self.assertEqual((await connection.response()).status, 100)
            connection.write(BODY if "Content-Length" in fields
                             else b"c\r\n" + BODY + b"\r\n0\r\n\r\n")
            self.assertEqual((await connection.response()).status, 201)
            await self.check_in_step(connection)

    async def test_rfc9110_10_1_1_expectation_is_case_insensitive(self):
        connection = await self.raw()
        connection.write(self.request("POST", body=BODY, Expect="100-Continue")[:-len(BODY)])
        self.assertEqual((await connection.response()).status, 100)

    async def test_rfc9110_10_1_1_no_continue_without_a_body(self):
        await self.check_served(self.request(Expect="100-continue"))

    async def test_rfc9110_10_1_1_no_continue_to_http_1_0(self):
        connection = await self.raw()
        data = self.request("POST", body=BODY, version="1.0", Expect="100-continue")
        await connection.send(data[:-len(BODY)])
        await connection.send(BODY)
        self.assertEqual((await connection.response()).status, 201)

    @checks(length={"Content-Length": "1000000"}, host={"Content-Length": "5", "Host": None},
            coding={"Transfer-Encoding": "gzip"})
    async def test_rfc9110_10_1_1_refusal_takes_the_place_of_continue(self, fields):
        await self.check_refused(
            self.request("POST", Expect="100-continue", **fields), 413, 400, 501)

    @checks("miracle", "200-ok", list="100-continue, miracle", parameter="100-continue;x=y", empty="")
    async def test_rfc9110_10_1_1_unknown_expectation_is_417(self, expectation):
        await self.check_refused(self.request(Expect=expectation), 417)


class ContentTest(HttpConformance):
    @checks("text/plain", "application/xml", "application/x-www-form-urlencoded",
            charset="application/json; charset=utf-16", multipart="multipart/form-data; boundary=x",
            nonsense="json")
    async def test_rfc9110_15_5_16_other_media_type_is_415(self, media_type):
        await self.check_served(self.request("POST", body=BODY, Content_Type=media_type), 415)

    @checks("application/json", "Application/JSON", charset="application/json; charset=utf-8",
            upper="application/json;charset=UTF-8", other_parameter="application/json; x=y", quoted='application/json; charset="utf-8"')
    async def test_rfc9110_8_3_1_json_in_utf8_is_taken(self, media_type):
        await self.check_served(self.request("POST", body=BODY, Content_Type=media_type), 201)

    @checks("gzip", "br", "deflate")
    async def test_rfc9110_8_4_content_coding_is_415_with_what_is_taken(self, coding):
        answer = await self.check_served(
            self.request("POST", body=BODY, Content_Encoding=coding), 415)
        self.assertIn("Accept-Encoding", answer.headers)

    async def test_rfc9110_8_4_identity_is_no_coding(self):
        await self.check_served(self.request("POST", body=BODY, Content_Encoding="identity"), 201)


if __name__ == "__main__":
    unittest.main()
