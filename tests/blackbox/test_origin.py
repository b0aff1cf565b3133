#!/usr/bin/python3
"""Web pages of other sites: who may connect, what the browser is told, and that nothing from the
network gets into a response's head or a log line."""

import re
import unittest

from harness import (CHANNELS, INVITE, NOTIFICATIONS, SIGNALING, Case, LiveCase, upgrade_request,
                     voice)

SOCKETS = (voice("general"), SIGNALING, NOTIFICATIONS)
APP, OTHER_APP, EVIL = "https://app.example", "http://localhost:3000", "https://evil.example"
CORS_FIELDS = ("Access-Control-Allow-Origin", "Access-Control-Allow-Methods",
               "Access-Control-Allow-Headers", "Access-Control-Max-Age",
               "Access-Control-Expose-Headers")


class OriginCase(LiveCase):
    async def handshake(self, path, origin, **fields):
        connection = await self.raw()
        return await connection.upgrade(path, self.alice, Origin=origin, **fields)

    async def preflight(self, path, origin, method="POST", **arguments):
        return await self.rest("OPTIONS", path, headers={
            "Origin": origin, "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": "authorization, content-type"}, **arguments)

    def check_no_cors(self, answer):
        for name in CORS_FIELDS:
            self.assertNotIn(name, answer.headers, answer)


class SameOriginTest(OriginCase):
    async def test_a_client_without_an_origin_is_no_browser_and_connects(self):
        for path in SOCKETS:
            self.assertEqual((await self.handshake(path, None)).status, 101)

    async def test_a_page_of_the_same_host_connects(self):
        own = f"http://{self.server.host}:{self.server.port}"
        for path in SOCKETS:
            await self.connect(path, self.alice, origin=own)
        for origin, host in (("https://voice.example", "voice.example"),
                             ("https://voice.example", "voice.example:443"),
                             ("http://Voice.Example:8000", "voice.example:8000")):
            answer = await self.handshake(SIGNALING, origin, Host=host)
            self.assertEqual(answer.status, 101, (origin, host))

    async def test_a_page_of_another_site_is_refused_with_403(self):
        for path in SOCKETS:
            for origin in (EVIL, "null", "", "localhost", "http://localhost:1", "https://localhost/",
                           "http://localhost.evil.example", "http://evil.example?localhost",
                           "http://localhost, http://localhost"):
                answer = await self.handshake(path, origin)
                self.assertEqual(answer.status, 403, (origin, answer))
                self.check_answer(answer)
                self.check_no_cors(answer)

    async def test_two_origins_are_refused(self):
        connection = await self.raw()
        await connection.send(upgrade_request(SIGNALING, self.alice).replace(
            b"\r\n\r\n", b"\r\nOrigin: http://localhost\r\nOrigin: http://localhost\r\n\r\n"))
        self.assertEqual((await connection.response()).status, 403)

    async def test_the_connection_survives_a_refusal(self):
        connection = await self.raw()
        self.assertEqual((await connection.upgrade(SIGNALING, self.alice, Origin=EVIL)).status, 403)
        self.assertEqual((await connection.upgrade(SIGNALING, self.alice)).status, 101)

    async def test_rest_tells_the_browser_nothing_about_other_sites(self):
        for answer in (await self.rest("GET", CHANNELS, self.alice, headers={"Origin": EVIL}),
                       await self.preflight(CHANNELS, EVIL), await self.preflight(CHANNELS, "null")):
            self.assertEqual(answer.status, 200, answer)
            self.check_no_cors(answer)

    async def test_rest_answers_pages_of_the_same_host(self):
        own = f"http://{self.server.host}:{self.server.port}"
        answer = await self.rest("POST", CHANNELS, self.alice, json={"name": "x"},
                                 headers={"Origin": own})
        self.assertEqual(answer.status, 201, answer)
        self.assertEqual(answer.headers["Access-Control-Allow-Origin"], own)


class AllowedOriginTest(OriginCase):
    options = ("--workers", "2", "--allowed-origin", APP, "--allowed-origin", OTHER_APP)

    async def test_pages_of_listed_sites_connect_and_others_do_not(self):
        for path in SOCKETS:
            for origin in (APP, OTHER_APP, "http://localhost"):
                self.assertEqual((await self.handshake(path, origin)).status, 101, origin)
            for origin in (EVIL, "http://app.example", "https://app.example:8443",
                           "http://localhost:3001", "https://app.example.evil.example"):
                self.assertEqual((await self.handshake(path, origin)).status, 403, origin)

    async def test_a_preflight_is_told_what_the_page_may_send(self):
        for path, methods in ((CHANNELS, {"GET", "HEAD", "POST", "OPTIONS"}),
                              (f"{CHANNELS}1/", {"GET", "HEAD", "OPTIONS"}),
                              (INVITE, {"POST", "OPTIONS"})):
            for origin in (APP, OTHER_APP):
                answer = await self.preflight(path, origin)
                self.assertEqual(answer.status, 200, answer)
                headers = answer.headers
                self.assertEqual(headers["Access-Control-Allow-Origin"], origin)
                self.assertEqual(
                    set(re.split(r",\s*", headers["Access-Control-Allow-Methods"])), methods)
                allowed = headers["Access-Control-Allow-Headers"].lower()
                for name in ("authorization", "content-type"):
                    self.assertIn(name, allowed)
                self.assertGreater(int(headers["Access-Control-Max-Age"]), 0)
                self.assertIn("Origin", headers["Vary"])
                self.assertNotIn("Access-Control-Allow-Credentials", headers)

    async def test_every_answer_can_be_read_by_the_page(self):
        answers = [
            await self.rest("GET", CHANNELS, self.alice, headers={"Origin": APP}),
            await self.rest("POST", CHANNELS, self.alice, json={}, headers={"Origin": APP}),
            await self.rest("GET", CHANNELS, headers={"Origin": APP}),
            await self.rest("GET", "/nothing", headers={"Origin": APP}),
            await self.rest("DELETE", CHANNELS, self.alice, headers={"Origin": APP})]
        self.assertEqual([answer.status for answer in answers], [200, 400, 401, 404, 405])
        for answer in answers:
            self.assertEqual(answer.headers["Access-Control-Allow-Origin"], APP)
            exposed = answer.headers["Access-Control-Expose-Headers"]
            for name in ("Link", "Retry-After"):
                self.assertIn(name, exposed)

    async def test_a_request_without_an_origin_gets_no_cors_fields_but_vary(self):
        answer = await self.rest("GET", CHANNELS, self.alice)
        self.check_no_cors(answer)
        self.assertIn("Origin", answer.headers["Vary"])

    async def test_the_origin_of_one_request_is_not_that_of_the_next(self):
        connection = await self.raw()
        for origin in (APP, None, OTHER_APP, EVIL):
            field = f"Origin: {origin}\r\n" if origin else ""
            await connection.send(f"OPTIONS {CHANNELS} HTTP/1.1\r\nHost: x\r\n{field}\r\n".encode())
            answer = await connection.response()
            self.assertEqual(answer.headers.get("Access-Control-Allow-Origin"),
                             origin if origin in (APP, OTHER_APP) else None)


class AnyOriginTest(OriginCase):
    options = ("--workers", "2", "--allowed-origin", "*")

    async def test_pages_of_any_site_connect(self):
        for origin in (EVIL, APP, "null", "http://localhost:1"):
            self.assertEqual((await self.handshake(SIGNALING, origin)).status, 101, origin)
            answer = await self.preflight(CHANNELS, origin)
            self.assertEqual(answer.headers["Access-Control-Allow-Origin"], origin)

    async def test_what_is_no_origin_is_never_echoed(self):
        for origin in ("x", "https://a b", "https://a/<script>", "https://a, https://b", "*", "",
                       "https://user:password@a", "https://ä.example"):
            connection = await self.raw()
            await connection.send(
                f"OPTIONS {CHANNELS} HTTP/1.1\r\nHost: x\r\nOrigin: {origin}\r\n\r\n".encode())
            self.check_no_cors(await connection.response())
            self.assertEqual((await self.handshake(SIGNALING, origin.encode().decode("latin-1"))).status,
                             403, origin)


class TryModeTest(OriginCase):
    options = ("--workers", "2", "--try")
    user_names = ("dora",)

    @property
    def alice(self):
        return self.dora

    async def test_pages_of_this_machine_connect_whatever_their_port(self):
        for origin in ("http://localhost:3000", "http://127.0.0.1:5173", "http://[::1]:8080"):
            self.assertEqual((await self.handshake(SIGNALING, origin)).status, 101, origin)
            answer = await self.preflight(CHANNELS, origin)
            self.assertEqual(answer.headers["Access-Control-Allow-Origin"], origin)
        self.assertEqual((await self.handshake(SIGNALING, EVIL)).status, 403)



class ResponseHeadTest(OriginCase):
    async def test_every_response_has_the_security_fields(self):
        requests = (
            b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET / HTTP/1.1\r\n\r\n", b"nonsense\r\n\r\n", b"GET / HTTP/3.0\r\nHost: x\r\n\r\n",
            f"GET {CHANNELS} HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
            f"DELETE {CHANNELS} HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
            f"POST {CHANNELS} HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
            f"GET {SIGNALING} HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
            upgrade_request(SIGNALING), upgrade_request(SIGNALING, Origin=EVIL))
        for request in requests:
            connection = await self.raw()
            await connection.send(request)
            answer = await connection.response()
            headers = answer.headers
            self.assertEqual(headers["X-Content-Type-Options"], "nosniff", (request, answer))
            self.assertEqual(headers["Cache-Control"], "no-store")
            self.assertEqual(headers["Referrer-Policy"], "no-referrer")
            self.assertEqual(headers["Content-Security-Policy"],
                             "default-src 'none'; frame-ancestors 'none'")

    async def test_nothing_from_the_network_is_in_a_response_head(self):
        mark = "sm%0d%0auggled"
        for request in (
                f"GET /{mark}?{mark} HTTP/1.1\r\nHost: {mark}\r\n\r\n",
                f"OPTIONS {CHANNELS}?{mark} HTTP/1.1\r\nHost: x\r\nX-Smuggled: y\r\n"
                f"Origin: https://{mark}\r\nAccess-Control-Request-Method: SMUGGLED\r\n"
                f"Access-Control-Request-Headers: smuggled\r\n\r\n",
                f"GET {CHANNELS}?limit=1&after={mark} HTTP/1.1\r\nHost: smuggled\r\n"
                f"Authorization: Token {self.alice.key}\r\n\r\n",
                f"SMUGGLED {CHANNELS} HTTP/1.1\r\nHost: x\r\n\r\n"):
            connection = await self.raw()
            await connection.send(request.encode())
            answer = await connection.response()
            head = "\n".join(f"{name}: {value}" for name, value in answer.headers.items()).lower()
            self.assertNotIn("uggled", head, answer)
        for subprotocol in ("smuggled", "voicechan.smuggled"):
            answer = await self.handshake(SIGNALING, None, Sec_WebSocket_Protocol=subprotocol)
            self.assertEqual(answer.status, 101)
            self.assertNotIn("smuggled", repr(dict(answer.headers)))


class LogTest(Case):
    LINE = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (debug|info|warning|error) [ -~]*$")

    async def test_every_log_line_is_one_printable_line_whatever_strangers_send(self):
        server = self.start("--workers", "2", "--log-level", "debug", "--allow-query-token",
                            "--max-connections-per-address", "30", "--max-control-frames", "5")
        alice = server.add_user("Аліса")
        forged = "\r\n2026-01-01T00:00:00.000Z error forged\r\n\x1b[2J\x07"
        encoded = "".join(f"%{byte:02x}" for byte in forged.encode())
        for data in (forged.encode(), f"GET /{encoded} HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
                     f"GET {SIGNALING}?token={encoded} HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
                     upgrade_request(voice(encoded), alice), upgrade_request(voice("%d0%b0"), alice),
                     upgrade_request(SIGNALING, alice, Origin="https://\x1b[2J"),
                     upgrade_request(SIGNALING, alice) + b"\x8f" + forged.encode() * 20):
            connection = await self.raw(server)
            await connection.send(data)
            connection.half_close()
            await connection.ended()
        for _ in range(40):
            await self.raw(server)
        server.signal(15)
        self.assertEqual(await server.exit_code(), 0)
        lines = server.log().split("\n")[:-1]
        self.assertGreater(len(lines), 5)
        for line in lines:
            self.assertRegex(line, self.LINE)
            self.assertNotIn(" error forged", line[:40])


if __name__ == "__main__":
    unittest.main()
