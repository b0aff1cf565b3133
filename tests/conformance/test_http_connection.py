#!/usr/bin/python3
"""RFC 9112, section 9: connections and pipelines; RFC 9110: what every response has."""

import asyncio
import datetime
import unittest

from conformance import HttpConformance, checks
from harness import CHANNELS, INVITE, NOTIFICATIONS, SIGNALING, upgrade_request, voice

BODY = b'{"name":"x"}'


class PersistenceTest(HttpConformance):
    async def test_rfc9112_9_3_connection_serves_many_requests(self):
        connection = await self.raw()
        for i in range(50):
            connection.write(self.request("POST", body=b'{"name":"k%d"}' % i))
            answer = await connection.response()
            self.assertEqual((answer.status, answer.json["name"]), (201, f"k{i}"))

    @checks("close", "Close", "CLOSE", list="keep-alive, close", first="close, x", tight="x,close")
    async def test_rfc9112_9_6_close_is_honoured(self, option):
        answer, connection = await self.ask(self.request(Connection=option) + self.request())
        self.assertEqual((answer.status, answer.headers["Connection"].lower()), (200, "close"))
        self.assertEqual(await connection.ended(), b"")

    @checks("keep-alive", "x", "closed", "not-close", empty="")
    async def test_rfc9112_9_3_other_options_keep_it_open(self, option):
        answer = await self.check_served(self.request(Connection=option))
        self.assertNotIn("close", answer.headers.get("Connection", "").lower())

    async def test_rfc9112_9_3_http_1_0_is_closed(self):
        answer, connection = await self.ask(self.request(version="1.0"))
        self.assertEqual((answer.status, answer.headers["Connection"].lower()), (200, "close"))
        self.assertEqual(await connection.ended(), b"")

    async def test_rfc9112_9_3_http_1_0_is_kept_open_on_request(self):
        answer, connection = await self.ask(self.request(version="1.0", Connection="keep-alive"))
        self.assertEqual(answer.headers["Connection"].lower(), "keep-alive")
        await self.check_in_step(connection)

    async def test_rfc9112_9_3_http_1_0_with_both_options_is_closed(self):
        _, connection = await self.ask(self.request(version="1.0", Connection="keep-alive, close"))
        self.assertEqual(await connection.ended(), b"")

    @checks(unauthorized=({"Authorization": None}, 401), nowhere=({"path": "/nothing"}, 404),
            method=({"method": "DELETE"}, 405), no_object=({"method": "POST", "body": b"[]"}, 400),
            no_length=({"method": "POST"}, 411), websocket=({"path": SIGNALING}, 426),
            media_type=({"method": "POST", "body": b"x", "Content_Type": "text/plain"}, 415))
    async def test_rfc9112_9_3_error_of_the_resource_keeps_the_connection(self, arguments, status):
        await self.check_served(self.request(**arguments), status)

    async def test_rfc9112_9_6_client_that_ends_its_side_still_gets_its_answers(self):
        connection = await self.raw()
        await connection.send(self.request("POST", body=b'{"name":"last"}') + self.request())
        connection.half_close()
        self.assertEqual((await connection.response()).status, 201)
        self.assertEqual((await connection.response()).status, 200)
        self.assertEqual(await connection.ended(), b"")

    @checks("head", "fields", "body", "last_byte")
    async def test_rfc9112_8_request_cut_short_creates_nothing(self, place):
        request = self.request("POST", body=b'{"name":"cut short"}')
        cut = {"head": 3, "fields": 60, "body": -10, "last_byte": -1}[place]
        connection = await self.raw()
        await connection.send(request[:cut])
        connection.half_close()
        rest = await connection.ended()
        self.assertTrue(not rest or rest.startswith(b"HTTP/1.1 400 "), rest)
        names = [channel["name"] for channel in (await self.rest("GET", CHANNELS, self.alice)).json]
        self.assertNotIn("cut short", names)

    async def test_request_may_come_byte_by_byte(self):
        connection = await self.raw()
        for byte in self.request("POST", body=b'{"name":"slow"}'):
            await connection.send(bytes([byte]))
        self.assertEqual((await connection.response()).json["name"], "slow")

    async def test_request_may_be_cut_anywhere(self):
        request = self.request("POST", body='{"name":"ї"}'.encode())
        connection = await self.raw()
        for cut in range(1, len(request)):
            await connection.send(request[:cut])
            await asyncio.sleep(0)
            await connection.send(request[cut:])
            answer = await connection.response()
            self.assertEqual((answer.status, answer.json["name"]), (201, "ї"), cut)


class PipelineTest(HttpConformance):
    async def test_rfc9112_9_3_2_answers_come_in_order(self):
        kinds = [("POST", CHANNELS, BODY, 201), ("GET", "/no", None, 404),
                 ("DELETE", CHANNELS, None, 405), ("GET", CHANNELS, None, 200),
                 ("HEAD", CHANNELS, None, 200), ("POST", CHANNELS, b"[]", 400),
                 ("GET", SIGNALING, None, 426), ("POST", INVITE, b"{}", 400),
                 ("OPTIONS", "*", None, 200)] * 5
        connection = await self.raw()
        connection.write(b"".join(self.request(m, p, b) for m, p, b, _ in kinds))
        for method, path, _, status in kinds:
            answer = await connection.response(method)
            self.assertEqual(answer.status, status, (method, path, answer))

    async def test_rfc9112_9_3_2_bodies_of_both_kinds_are_told_apart(self):
        connection = await self.raw()
        for i in range(20):
            body = b'{"name":"p%d"}' % i
            connection.write(self.request("POST", body=body) if i % 2 else
                             self.chunked(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)))
        for i in range(20):
            self.assertEqual((await connection.response()).json["name"], f"p{i}")

    async def test_rfc9110_9_2_2_what_was_created_is_seen_by_what_follows(self):
        connection = await self.raw()
        for _ in range(10):
            connection.write(self.request("POST", body=b'{"name":"seen"}') + self.request())
            created = (await connection.response()).json
            self.assertIn(created, (await connection.response()).json)

    @checks(line=b"nonsense\r\n\r\n", host=b"GET / HTTP/1.1\r\n\r\n",
            length=b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
            version=b"GET / HTTP/3.0\r\nHost: x\r\n\r\n",
            chunk=b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n")
    async def test_rfc9112_9_3_2_malformed_request_ends_the_pipeline_behind_good_answers(self, bad):
        connection = await self.raw()
        connection.write(self.request() + self.request("POST", body=BODY) + bad + self.request())
        self.assertEqual((await connection.response()).status, 200)
        self.assertEqual((await connection.response()).status, 201)
        last = await connection.response()
        self.assertIn(last.status, (400, 505))
        self.assertEqual(last.headers["Connection"].lower(), "close")
        self.assertEqual(await connection.ended(), b"")

    async def test_rfc9112_9_6_requests_behind_close_are_not_processed(self):
        connection = await self.raw()
        connection.write(self.request(Connection="close")
                         + self.request("POST", body=b'{"name":"behind close"}'))
        self.assertEqual((await connection.response()).status, 200)
        self.assertEqual(await connection.ended(), b"")
        names = [channel["name"] for channel in (await self.rest("GET", CHANNELS, self.alice)).json]
        self.assertNotIn("behind close", names)

    async def test_rfc9110_7_8_upgrade_may_follow_other_requests(self):
        connection = await self.raw()
        connection.write(self.request() + upgrade_request(SIGNALING, self.alice))
        self.assertEqual((await connection.response()).status, 200)
        self.assertEqual((await connection.response()).status, 101)

    async def test_many_small_requests_in_one_packet_are_all_answered(self):
        connection = await self.raw()
        connection.write(self.request(path="/nothing") * 500)
        for _ in range(500):
            self.assertEqual((await connection.response()).status, 404)


class ResponseTest(HttpConformance):
    EVERY_KIND = {"ok": ({}, 200), "not_found": ({"path": "/no"}, 404),
                  "method": ({"method": "PUT"}, 405), "upgrade": ({"path": SIGNALING}, 426),
                  "unauthorized": ({"Authorization": None}, 401), "length": ({"method": "POST"}, 411),
                  "created": ({"method": "POST", "body": BODY}, 201),
                  "bad_body": ({"method": "POST", "body": b"x"}, 400),
                  "bad_host": ({"Host": None}, 400), "version": ({"version": "2.0"}, 505),
                  "options": ({"method": "OPTIONS"}, 200), "long": ({"path": "/" + "a" * 99_999}, 414)}

    @checks(**EVERY_KIND)
    async def test_rfc9110_6_6_1_date_is_an_imf_fixdate_of_now(self, arguments, status):
        answer, _ = await self.ask(self.request(**arguments))
        self.assertEqual(answer.status, status)
        date = datetime.datetime.strptime(answer.headers["Date"], "%a, %d %b %Y %H:%M:%S GMT")
        age = datetime.datetime.utcnow() - date
        self.assertLess(abs(age.total_seconds()), 10)

    @checks(**EVERY_KIND)
    async def test_rfc9110_8_every_response_is_json_of_its_length(self, arguments, status):
        answer, _ = await self.ask(self.request(**arguments))
        self.assertEqual(answer.status, status)
        self.assertEqual(answer.headers["Content-Type"], "application/json")
        self.assertEqual(answer.headers["Content-Length"], str(len(answer.body)))
        if status >= 400 and arguments.get("body") is None:
            self.assertIsInstance(answer.json["detail"], str)

    async def test_rfc9110_8_6_content_length_counts_bytes(self):
        answer = await self.check_served(
            self.request("POST", body='{"name":"Загальна"}'.encode()), 201)
        self.assertEqual(answer.json["name"], "Загальна")

    @checks(list=CHANNELS, nothing="/nothing", unauthorized=(CHANNELS, None), socket=SIGNALING,
            invite=INVITE, malformed="/%zz")
    async def test_rfc9110_9_3_2_head_is_get_without_content(self, path, *key):
        fields = {"Authorization": None} if key else {}
        connection = await self.raw()
        connection.write(self.request("HEAD", path, **fields) + self.request("GET", path, **fields))
        head = await connection.response("HEAD")
        get = await connection.response()
        self.assertEqual(head.status, get.status)
        for name in set(head.headers) | set(get.headers) - {"Date"}:
            self.assertEqual(head.headers.get(name), get.headers.get(name), name)
        await self.check_in_step(connection)

    @checks(host=({"Host": None}, 400), long=({"path": "/" + "a" * 99_999}, 414),
            version=({"version": "2.0"}, 505), expect=({"Expect": "x"}, 417),
            large=({"X": "a" * 99_999}, 431), length=({"Content-Length": "x"}, 400),
            body=({"Content-Length": "99999999"}, 413))
    async def test_rfc9110_9_3_2_refused_head_has_no_content_either(self, arguments, status):
        await self.check_refused(self.request("HEAD", **arguments), status, method="HEAD")

    @checks(channels=(CHANNELS, "GET HEAD OPTIONS POST"), channel=(CHANNELS + "1/", "GET HEAD OPTIONS"),
            invite=(INVITE, "OPTIONS POST"), voice=(voice("a"), "GET HEAD OPTIONS"),
            signaling=(SIGNALING, "GET HEAD OPTIONS"), notifications=(NOTIFICATIONS, "GET HEAD OPTIONS"))
    async def test_rfc9110_9_3_7_options_names_the_methods(self, path, methods):
        answer = await self.check_served(self.request("OPTIONS", path), 200, 204)
        self.assertEqual(sorted(answer.headers["Allow"].split(", ")), methods.split())

    async def test_rfc9110_9_3_7_options_needs_no_key_and_may_have_a_body(self):
        await self.check_served(self.request("OPTIONS", Authorization=None), 200, 204)
        await self.check_served(self.request("OPTIONS", body=BODY), 200, 204)

    async def test_rfc9110_9_3_7_options_of_an_unknown_path_is_404(self):
        await self.check_served(self.request("OPTIONS", "/nothing"), 404)

    @checks(missing=None, empty="", scheme="Token", wrong="Token nobody", basic="Basic YTpi",
            no_scheme="nobody", spaces="Token   ", unknown="Digest x")
    async def test_rfc9110_11_6_1_401_has_a_challenge(self, credentials):
        answer = await self.check_served(self.request(Authorization=credentials), 401)
        self.assertRegex(answer.headers["WWW-Authenticate"], r"(?i)\b(bearer|token) realm=")

    @checks("Token", "token", "TOKEN", "Bearer", "bearer", "BEARER")
    async def test_rfc9110_11_1_scheme_is_case_insensitive(self, scheme):
        await self.check_served(self.request(Authorization=f"{scheme} {self.alice.key}"))

    @checks(voice("general"), SIGNALING, NOTIFICATIONS)
    async def test_rfc9110_15_5_22_426_names_the_protocol(self, path):
        for variant in (path, path.rstrip("/")):
            answer = await self.check_served(self.request(path=variant), 426)
            self.assertEqual(answer.headers["Upgrade"].lower(), "websocket")
            self.assertIn("upgrade", answer.headers["Connection"].lower())
            self.assertEqual(answer.headers["Sec-WebSocket-Version"], "13")

    async def test_rfc9110_7_8_upgrade_on_a_rest_url_is_answered_as_a_plain_request(self):
        answer, _ = await self.ask(upgrade_request(CHANNELS, self.alice))
        self.assertEqual(answer.status, 200)


if __name__ == "__main__":
    unittest.main()
