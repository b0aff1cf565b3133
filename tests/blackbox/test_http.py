#!/usr/bin/python3
"""HTTP/1.1 as RFC 9110 and 9112 say it, byte by byte."""

import asyncio
import contextlib
import re
import time
import unittest

from harness import (CHANNELS, INVITE, NOTIFICATIONS, SCALE, SIGNALING, LiveCase, upgrade_request,
                     voice)


class HttpCase(LiveCase):
    options = ("--workers", "2", "--max-body-bytes", "20000")

    def request(self, method="GET", path=CHANNELS, body=None, user=None, version="1.1", **fields):
        """The bytes of a good request, which `fields` change (`_` stands for `-`, None is none)."""
        head = {"Host": "localhost", "Authorization": f"Token {(user or self.alice).key}"}
        if body is not None:
            head["Content-Length"] = str(len(body))
            head["Content-Type"] = "application/json"
        for name, value in fields.items():
            head[name.replace("_", "-")] = value
        text = f"{method} {path} HTTP/{version}\r\n"
        text += "".join(f"{name}: {value}\r\n" for name, value in head.items() if value is not None)
        return text.encode("latin-1") + b"\r\n" + (body or b"")

    async def ask(self, data, method="GET"):
        connection = await self.raw()
        await connection.send(data)
        answer = await connection.response(method)
        self.check_answer(answer, method)
        return answer, connection

    async def check_still_open(self, connection):
        await connection.send(self.request())
        self.assertEqual((await connection.response()).status, 200)

    async def check_refused(self, data, *statuses):
        """An error, after which the connection is of no more use and is closed."""
        answer, connection = await self.ask(data)
        self.assertIn(answer.status, statuses, answer)
        self.assertEqual(answer.headers.get("Connection", "").lower(), "close", answer)
        self.assertEqual(await connection.ended(), b"")


class ConnectionTest(HttpCase):
    async def test_a_connection_serves_many_requests(self):
        connection = await self.raw()
        for i in range(50):
            await connection.send(self.request("POST", body=b'{"name":"k%d"}' % i))
            answer = await connection.response()
            self.assertEqual((answer.status, answer.json["name"]), (201, f"k{i}"))

    async def test_pipelined_requests_are_answered_in_order(self):
        connection = await self.raw()
        await connection.send(b"".join(
            self.request("POST", body=b'{"name":"p%d"}' % i) if i % 3 else
            self.request(path=f"/nothing/{i}") for i in range(60)))
        for i in range(60):
            answer = await connection.response()
            self.assertEqual(answer.status, 201 if i % 3 else 404, answer)
            if i % 3:
                self.assertEqual(answer.json["name"], f"p{i}")

    async def test_pipelined_slow_and_fast_requests_keep_their_order(self):
        connection = await self.raw()
        kinds = [("POST", CHANNELS, b'{"name":"x"}', 201), ("GET", "/no", None, 404),
                 ("DELETE", CHANNELS, None, 405), ("GET", CHANNELS, None, 200),
                 ("HEAD", CHANNELS, None, 200), ("POST", CHANNELS, b"[]", 400),
                 ("GET", SIGNALING, None, 426), ("POST", INVITE, b"{}", 400)] * 5
        await connection.send(b"".join(self.request(m, p, b) for m, p, b, _ in kinds))
        for method, path, _, status in kinds:
            answer = await connection.response(method)
            self.assertEqual(answer.status, status, (method, path, answer))

    async def test_a_created_channel_is_in_the_list_pipelined_behind_it(self):
        connection = await self.raw()
        for i in range(10):
            await connection.send(
                self.request("POST", body=b'{"name":"pipelined"}') + self.request())
            created = (await connection.response()).json
            self.assertIn(created, (await connection.response()).json)

    async def test_connection_close_is_honoured(self):
        answer, connection = await self.ask(self.request(Connection="close") + self.request())
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.headers["Connection"].lower(), "close")
        self.assertEqual(await connection.ended(), b"")

    async def test_http_1_0_closes_unless_asked_to_keep_alive(self):
        answer, connection = await self.ask(self.request(version="1.0"))
        self.assertEqual(answer.status, 200)
        self.assertEqual(await connection.ended(), b"")
        answer, connection = await self.ask(self.request(version="1.0", Host=None))
        self.assertEqual(answer.status, 200)
        answer, connection = await self.ask(self.request(version="1.0", Connection="keep-alive"))
        if answer.headers.get("Connection", "").lower() == "keep-alive":
            await self.check_still_open(connection)
        else:
            self.assertEqual(await connection.ended(), b"")

    async def test_a_client_that_ends_its_side_still_gets_its_answers(self):
        connection = await self.raw()
        await connection.send(self.request("POST", body=b'{"name":"last"}') + self.request())
        connection.half_close()
        self.assertEqual((await connection.response()).status, 201)
        self.assertEqual((await connection.response()).status, 200)
        self.assertEqual(await connection.ended(), b"")

    async def test_a_request_may_come_byte_by_byte(self):
        connection = await self.raw()
        for byte in self.request("POST", body=b'{"name":"slow"}'):
            await connection.send(bytes([byte]))
        answer = await connection.response()
        self.assertEqual((answer.status, answer.json["name"]), (201, "slow"))

    async def test_a_request_may_be_cut_anywhere(self):
        request = self.request("POST", body='{"name":"ї"}'.encode())
        connection = await self.raw()
        for cut in range(1, len(request)):
            await connection.send(request[:cut])
            await asyncio.sleep(0)
            await connection.send(request[cut:])
            answer = await connection.response()
            self.assertEqual((answer.status, answer.json["name"]), (201, "ї"), cut)

    async def test_empty_lines_before_a_request_are_skipped(self):
        answer, connection = await self.ask(b"\r\n" + self.request())
        self.assertEqual(answer.status, 200)
        await connection.send(b"\r\n" + self.request())
        self.assertEqual((await connection.response()).status, 200)

    async def test_errors_of_the_resource_keep_the_connection(self):
        connection = await self.raw()
        for request, status in (
                (self.request(Authorization=None), 401),
                (self.request("POST", body=b'{"name":"x"}', Authorization=None), 401),
                (self.request(path="/nothing"), 404), (self.request("DELETE"), 405),
                (self.request("POST", body=b"[]"), 400),
                (self.request("POST", body=b"x", Content_Type="text/plain"), 415),
                (self.request(path=NOTIFICATIONS), 426)):
            await connection.send(request)
            answer = await connection.response()
            self.assertEqual(answer.status, status)
            if answer.headers.get("Connection", "").lower() == "close":
                connection = await self.raw()
        await self.check_still_open(connection)

    async def test_the_body_of_a_refused_request_is_not_taken_for_a_request(self):
        hidden = self.request("POST", body=b'{"name":"smuggled"}')
        for path, fields, status in ((CHANNELS, {"Authorization": None}, 401), ("/no", {}, 404),
                                     (f"{CHANNELS}1/", {}, 405), (SIGNALING, {}, 405),
                                     (CHANNELS, {"Content-Type": "text/plain"}, 415)):
            connection = await self.raw()
            request = self.request("POST", path, hidden, **fields)
            await connection.send(request + self.request(path="/after"))
            answer = await connection.response()
            self.assertEqual(answer.status, status, answer)
            if answer.headers.get("Connection", "").lower() == "close":
                self.assertEqual(await connection.ended(), b"")
            else:
                self.assertEqual((await connection.response()).status, 404)
        names = [channel["name"] for channel in (await self.rest("GET", CHANNELS, self.alice)).json]
        self.assertNotIn("smuggled", names)

    async def test_get_with_a_body_is_answered_and_the_body_is_not_a_request(self):
        connection = await self.raw()
        await connection.send(self.request(body=b"GET / HTTP/1.1\r\n\r\n") + self.request())
        for _ in range(2):
            self.assertEqual((await connection.response()).status, 200)

    async def test_a_request_cut_short_is_dropped_and_creates_nothing(self):
        request = self.request("POST", body=b'{"name":"cut short"}')
        for cut in (1, len(request) // 2, len(request) - 1):
            connection = await self.raw()
            await connection.send(request[:cut])
            connection.half_close()
            await connection.ended()
        names = [channel["name"] for channel in (await self.rest("GET", CHANNELS, self.alice)).json]
        self.assertNotIn("cut short", names)


class ResponseTest(HttpCase):
    async def test_content_length_counts_bytes(self):
        answer, connection = await self.ask(
            self.request("POST", body='{"name":"Загальна"}'.encode()))
        self.assertEqual(answer.json["name"], "Загальна")
        await self.check_still_open(connection)

    async def test_every_response_has_a_date(self):
        for path, status in ((CHANNELS, 200), ("/nothing", 404), (SIGNALING, 426)):
            answer, _ = await self.ask(self.request(path=path))
            self.assertEqual(answer.status, status)
            self.assertRegex(answer.headers["Date"],
                             r"^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$")

    async def test_head_sends_no_body_and_keeps_the_connection_in_step(self):
        connection = await self.raw()
        for path in (CHANNELS, "/nothing"):
            await connection.send(self.request("HEAD", path) + self.request("GET", path))
            head = await connection.response("HEAD")
            get = await connection.response()
            self.assertEqual(head.status, get.status)
            self.assertEqual(head.headers["Content-Length"], str(len(get.body)))
            self.assertEqual(head.headers["Content-Type"], get.headers["Content-Type"])

    async def test_options_of_the_server_itself(self):
        answer, connection = await self.ask(self.request("OPTIONS", "*"))
        self.assertIn(answer.status, (200, 204))
        await self.check_still_open(connection)

    async def test_nothing_from_the_request_gets_into_the_response_head(self):
        for path in (f"{CHANNELS}%0d%0aX-Injected:%201/", voice("%0d%0aX-Injected:%201"),
                     f"{CHANNELS}?limit=1&after=0&x=%0d%0aX-Injected:%201"):
            answer, _ = await self.ask(self.request(path=path))
            self.assertNotIn("X-Injected", answer.headers)

    async def test_errors_are_json_with_a_detail(self):
        for data in (b"nonsense\r\n\r\n", self.request(Host=None), self.request(path="/nothing"),
                     self.request("PUT"), self.request(Authorization=None),
                     self.request("POST"), self.request(path="/" + "a" * 100000)):
            answer, _ = await self.ask(data)
            self.assertGreaterEqual(answer.status, 400)
            self.assertIsInstance(answer.json["detail"], str)


class WebSocketUrlTest(HttpCase):
    async def test_a_plain_get_on_a_websocket_url_is_426(self):
        for path in (voice("general"), SIGNALING, NOTIFICATIONS):
            for variant in (path, path.rstrip("/")):
                answer, _ = await self.ask(self.request(path=variant))
                self.assertEqual(answer.status, 426, answer)
                self.assertEqual(answer.headers["Upgrade"].lower(), "websocket")
                self.assertIn("upgrade", answer.headers["Connection"].lower())

    async def test_another_method_on_a_websocket_url_is_405_with_allow(self):
        for path in (voice("general"), SIGNALING, NOTIFICATIONS):
            for method in ("POST", "PUT", "DELETE"):
                answer, _ = await self.ask(self.request(method, path, b"{}"))
                self.assertEqual(answer.status, 405, answer)
                self.assertIn("GET", re.split(r"\s*,\s*", answer.headers["Allow"]))

    async def test_an_upgrade_on_a_rest_url_is_answered_as_a_plain_request(self):
        answer, _ = await self.ask(upgrade_request(CHANNELS, self.alice))
        self.assertEqual(answer.status, 200)


class FramingTest(HttpCase):
    async def test_a_post_without_content_length_and_chunked_is_411(self):
        for path in (CHANNELS, INVITE):
            answer, _ = await self.ask(self.request("POST", path))
            self.assertEqual(answer.status, 411, answer)

    async def test_a_body_of_the_limit_is_taken_and_one_byte_more_is_413(self):
        def body(size):
            return b'{"name":"x","pad":"' + b"y" * (size - 21) + b'"}'
        self.assertEqual(len(body(20000)), 20000)
        answer, _ = await self.ask(self.request("POST", body=body(20000)))
        self.assertEqual(answer.status, 201, answer)
        answer, _ = await self.ask(self.request("POST", body=body(20001)))
        self.assertEqual(answer.status, 413, answer)

    async def test_an_announced_body_above_the_limit_is_413_before_it_comes(self):
        for length in ("20001", "10000000000", "9223372036854775807"):
            await self.check_refused(self.request("POST", Content_Length=length), 413)

    async def test_a_bad_content_length_is_400(self):
        for length in ("-1", "+5", "5x", "0x5", "5 5", "5,6", "", "1e1", "1.0", "\x0b5",
                       "99999999999999999999999999"):
            with self.subTest(length=length):
                data = self.request("POST", Content_Length=length) + b"12345"
                await self.check_refused(data, 400, *((413,) if length[0:1] == "9" else ()))

    async def test_conflicting_lengths_are_400(self):
        body = b'{"name":"x"}'
        good = self.request("POST", body=body)
        await self.check_refused(
            good.replace(b"\r\n\r\n", b"\r\nContent-Length: 5\r\n\r\n", 1), 400)
        await self.check_refused(
            good.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n", 1), 400)

    async def test_a_chunked_body_is_taken(self):
        chunks = b"".join(b"%x\r\n%c\r\n" % (1, byte) for byte in b'{"name":"chunked"}')
        for tail in (b"0\r\n\r\n", b"0\r\nX-Trailer: 1\r\n\r\n", b"000\r\n\r\n", b"0;x=y\r\n\r\n"):
            answer, connection = await self.ask(self.request(
                "POST", Transfer_Encoding="chunked", Content_Type="application/json")
                + chunks + tail)
            self.assertEqual((answer.status, answer.json.get("name")), (201, "chunked"), answer)
            await self.check_still_open(connection)

    async def test_chunk_extensions_and_any_case_are_taken(self):
        answer, connection = await self.ask(self.request(
            "POST", Transfer_Encoding="Chunked", Content_Type="application/json")
            + b'C;a=b;c="d"\r\n{"name":"x"}\r\n0\r\n\r\n')
        self.assertEqual(answer.status, 201, answer)
        await self.check_still_open(connection)

    async def test_a_chunked_body_may_come_byte_by_byte(self):
        connection = await self.raw()
        data = self.request("POST", Transfer_Encoding="chunked") \
            + b'5\r\n{"nam\r\n7;x\r\ne":"x"}\r\n0\r\nA: b\r\n\r\n'
        for byte in data:
            await connection.send(bytes([byte]))
        self.assertEqual((await connection.response()).status, 201)

    async def test_a_bad_chunk_is_400(self):
        for body in (b"x\r\n", b"-1\r\n", b"5\r\nabcdefgh\r\n", b"\r\n", b"0x5\r\nabcde\r\n",
                     b"fffffffffffffffff\r\n", b" 5\r\nabcde\r\n"):
            with self.subTest(body=body):
                await self.check_refused(
                    self.request("POST", Transfer_Encoding="chunked") + body, 400, 413)

    async def test_a_chunked_body_above_the_limit_is_413(self):
        await self.check_refused(
            self.request("POST", Transfer_Encoding="chunked")
            + (b"fff\r\n" + b"x" * 0xfff + b"\r\n") * 5, 413)
        await self.check_refused(
            self.request("POST", Transfer_Encoding="chunked") + b"7fffffff\r\n", 413)

    async def test_endless_chunk_extensions_and_trailers_are_cut_off(self):
        for flood in (b"1;" + b"x" * 200000, b"0\r\n" + b"A: b\r\n" * 40000):
            connection = await self.raw()
            connection.write(self.request("POST", Transfer_Encoding="chunked") + flood)
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                answer = await connection.response()
                self.assertIn(answer.status, (400, 413, 431), answer)
            await connection.ended()

    async def test_an_unknown_transfer_coding_is_refused(self):
        for coding in ("gzip", "gzip, chunked", "identity", "chunked, chunked", "xchunked",
                       "chunked, gzip"):
            with self.subTest(coding=coding):
                await self.check_refused(
                    self.request("POST", Transfer_Encoding=coding)
                    + b'c\r\n{"name":"x"}\r\n0\r\n\r\n', 400, 411, 501)

    async def test_expect_continue_is_answered_before_the_body(self):
        connection = await self.raw()
        body = b'{"name":"expected"}'
        await connection.send(self.request("POST", body=body, Expect="100-continue")[:-len(body)])
        self.assertEqual((await connection.response()).status, 100)
        await connection.send(body)
        answer = await connection.response()
        self.assertEqual((answer.status, answer.json["name"]), (201, "expected"))
        await self.check_still_open(connection)

    async def test_expect_continue_with_too_large_a_body_is_413_at_once(self):
        answer, _ = await self.ask(
            self.request("POST", Expect="100-continue", Content_Length="1000000"))
        self.assertEqual(answer.status, 413)

    async def test_another_expectation_is_417_or_ignored(self):
        answer, _ = await self.ask(self.request(Expect="miracle"))
        self.assertIn(answer.status, (200, 417))


class HeadTest(HttpCase):
    async def test_a_missing_or_double_host_is_400(self):
        await self.check_refused(self.request(Host=None), 400)
        await self.check_refused(
            self.request().replace(b"\r\n\r\n", b"\r\nHost: other\r\n\r\n"), 400)

    async def test_a_bad_request_line_is_400(self):
        for line in (b"GET", b"GET /", b"GET  / HTTP/1.1", b"GET / HTTP/1.1 x", b"GET / http/1.1",
                     b"GET / HTTP/1.1x", b"GET / HTTX/1.1", b"G<T / HTTP/1.1", b" GET / HTTP/1.1",
                     b"GET / HTTP/11", b"GET / HTTP/a.b", b"\x16\x03\x01\x02\x00\x01\x00",
                     b"GET /\x00 HTTP/1.1", b"GET /a b HTTP/1.1", b"GET /\x7f HTTP/1.1"):
            with self.subTest(line=line):
                await self.check_refused(line + b"\r\nHost: x\r\n\r\n", 400, 505)

    async def test_another_version_of_http_is_505_or_400(self):
        for version in ("0.9", "1.2", "2.0", "3.0", "9.9"):
            answer, _ = await self.ask(self.request(version=version))
            self.assertIn(answer.status, (200, 400, 505) if version == "1.2" else (400, 505))
        answer, connection = await self.ask(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        self.assertIn(answer.status, (400, 505))
        await connection.ended()

    async def test_an_unknown_method_is_405_or_501(self):
        for method in ("BREW", "get", "G", "PATCHY", "TRACE", "A" * 30):
            answer, _ = await self.ask(self.request(method))
            self.assertIn(answer.status, (400, 405, 501), (method, answer))
        answer, _ = await self.ask(self.request("CONNECT", "example.org:80"))
        self.assertIn(answer.status, (400, 404, 405, 501))

    async def test_a_bad_header_line_is_400(self):
        for line in (b"no colon", b": no name", b"Name : space", b"Na me: x", b"X: a\0b", b"X: a\x01b",
                     b"X: a\x7fb", b"X\x80: a", b" X: folded first", b"X(: y"):
            with self.subTest(line=line):
                data = b"GET / HTTP/1.1\r\n" + line + b"\r\nHost: x\r\n\r\n"
                await self.check_refused(data, 400)

    async def test_a_bare_line_feed_or_return_is_400(self):
        for data in (self.request().replace(b"\r\n", b"\n"),
                     b"GET / HTTP/1.1\nHost: x\r\n\r\n",
                     b"GET / HTTP/1.1\r\nHost: x\nX: y\r\n\r\n",
                     b"GET / HTTP/1.1\r\nHost: x\rX: y\r\n\r\n",
                     b"GET / HTTP/1.1\r\nX: y\r\r\nHost: x\r\n\r\n"):
            with self.subTest(data=data[:40]):
                await self.check_refused(data, 400)

    async def test_a_folded_header_is_one_value_or_400(self):
        answer, _ = await self.ask(self.request().replace(
            b"Token ", b"Token\r\n "))
        self.assertIn(answer.status, (200, 400))

    async def test_header_names_and_white_space_around_values_do_not_matter(self):
        key = self.alice.key.encode()
        answer, _ = await self.ask(
            b"GET " + CHANNELS.encode() + b" HTTP/1.1\r\nhOST:x\r\nAUTHORIZATION:\t  Token " + key
            + b" \t \r\n\r\n")
        self.assertEqual(answer.status, 200)

    async def test_two_credentials_in_one_request_are_refused(self):
        answer, _ = await self.ask(self.request().replace(
            b"\r\n\r\n", b"\r\nAuthorization: Token " + self.bob.key.encode() + b"\r\n\r\n"))
        self.assertIn(answer.status, (400, 401))

    async def test_the_absolute_form_of_the_target_is_taken(self):
        for host in ("http://localhost", "http://other.example:8000", "HTTP://localhost"):
            answer, _ = await self.ask(self.request(path=host + CHANNELS))
            self.assertEqual(answer.status, 200, answer)

    async def test_a_target_that_is_no_path_is_400_or_404(self):
        for target in ("api", "*", "localhost:80", "http://", "?x", "ftp:///x", "http:///x"):
            answer, _ = await self.ask(self.request(path=target))
            self.assertIn(answer.status, (400, 404), (target, answer))

    async def test_too_long_a_target_is_414(self):
        for path in ("/" + "a" * 100000, f"{CHANNELS}?x=" + "a" * 100000):
            await self.check_refused(self.request(path=path), 414)

    async def test_an_endless_target_is_refused_before_it_ends(self):
        connection = await self.raw()
        connection.write(b"GET /" + b"a" * 300000)
        answer = await connection.response()
        self.assertIn(answer.status, (400, 414))
        await connection.ended()

    async def test_too_large_a_head_is_431(self):
        many = "".join(f"X-{i}: y\r\n" for i in range(5000)).encode()
        for data in (self.request(X="a" * 100000), self.request(**{"X" * 70000: "a"}),
                     self.request().replace(b"\r\n\r\n", b"\r\n" + many + b"\r\n")):
            await self.check_refused(data, 431)

    async def test_an_endless_head_is_refused_before_it_ends(self):
        for flood in (b"X: " + b"a" * 300000, b"X: y\r\n" * 60000):
            connection = await self.raw()
            connection.write(self.request()[:-2] + flood)
            answer = await connection.response()
            self.assertIn(answer.status, (400, 431))
            await connection.ended()

    async def test_a_head_that_browsers_send_is_accepted(self):
        answer, _ = await self.ask(self.request(
            Cookie="session=" + "c" * 3500, User_Agent="Mozilla/5.0 " + "x" * 200,
            **{f"X-Forwarded-{i}": "v" * 50 for i in range(20)}))
        self.assertEqual(answer.status, 200)


class DeadlineTest(LiveCase):
    options = ("--workers", "2", "--handshake-timeout", "0.6", "--body-timeout", "0.6",
               "--idle-timeout", "0.6")

    async def check_cut_off(self, data, statuses):
        """The server ends the connection by itself, soon, with a 408 or with nothing."""
        connection = await self.raw()
        await connection.send(data)
        begin = time.monotonic()
        rest = await connection.ended(seconds=8)
        self.assertLess(time.monotonic() - begin, 5 * SCALE)
        if rest:
            self.assertIn(int(rest.split(b" ", 2)[1]), statuses, rest)

    async def test_a_silent_connection_is_closed(self):
        await self.check_cut_off(b"", (408,))

    async def test_half_a_head_is_closed(self):
        await self.check_cut_off(b"GET / HTTP/1.1\r\nHost: x\r\n", (408,))

    async def test_half_a_body_is_closed(self):
        await self.check_cut_off(
            b"POST " + CHANNELS.encode() + b" HTTP/1.1\r\nHost: x\r\nAuthorization: Token "
            + self.alice.key.encode() + b"\r\nContent-Length: 100\r\n\r\n{", (408,))

    async def test_a_head_that_drips_is_closed(self):
        connection = await self.raw()

        async def drip():
            with contextlib.suppress(ConnectionError):
                await connection.send(b"GET / HTTP/1.1\r\nX: ")
                while not connection.reader.at_eof():
                    await connection.send(b"a")
                    await asyncio.sleep(0.05)  # the pace of the client, not a synchronisation
        task = asyncio.create_task(drip())
        try:
            await connection.ended(seconds=8)
        finally:
            task.cancel()

    async def test_an_idle_connection_is_closed_after_its_last_answer(self):
        connection = await self.raw()
        await connection.send(
            b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Token " + self.alice.key.encode()
            + b"\r\n\r\n")
        self.assertEqual((await connection.response()).status, 404)
        self.assertEqual(await connection.ended(seconds=8), b"")

    async def test_a_websocket_is_not_idle(self):
        sender, listener = await self.members("idle", 2, self.alice)
        silent = await self.raw()
        await silent.ended(seconds=8)  # both deadlines have passed by now
        await sender.send("still here")
        self.assertEqual(await self.next(listener), "still here")


if __name__ == "__main__":
    unittest.main()
