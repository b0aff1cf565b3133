#!/usr/bin/python3
"""Behind a real nginx and a real HAProxy, set up as the README says; and forged addresses."""

import asyncio
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import unittest

from harness import CHANNELS, HERE, SCALE, SIGNALING, Case, RawConnection, eventually, voice
from test_tls import make_certificate

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin")
HAPROXY = shutil.which("haproxy", path="/usr/sbin:/usr/bin")
README = os.path.join(HERE, "..", "..", "README.md")


def configuration_of_readme(kind, number=0):
    """The configuration that the README shows in a code block of that kind: the first is for one
    server, the second for several."""
    with open(README, encoding="utf-8") as file:
        return re.findall(rf"```{kind}\n(.*?)```", file.read(), re.DOTALL)[number]


def nginx_frame(proxy, site):
    """All of a configuration of which the README shows what is in the http block."""
    temporary = "".join(f"{name}_temp_path {proxy.directory}/{name};\n"
                        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    return (f"daemon off;\npid {proxy.directory}/pid;\nerror_log stderr;\nuser root;\n"
            "worker_processes 1;\nevents { worker_connections 256; }\n"
            f"http {{\naccess_log off;\n{temporary}{site}}}\n")


def free_port():
    """A port that nothing has now. Another process may take it before its user does; the proxy does
    not start then, and `Proxy` tries again with another."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class Proxy:
    """A proxy process in the foreground, its files in a folder of its own."""

    def __init__(self, case, command, text):
        self.directory = tempfile.mkdtemp(prefix="voicechan-proxy-")
        case.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        certificate, key = make_certificate(self.directory, "fullchain")
        self.certificate = certificate
        with open(os.path.join(self.directory, "both.pem"), "w") as both:
            for part in (certificate, key):
                with open(part) as file:
                    both.write(file.read())
        self.log = os.path.join(self.directory, "log")
        for _ in range(5):
            self.port = free_port()
            configuration = os.path.join(self.directory, "conf")
            with open(configuration, "w") as file:
                file.write(text(self))
            with open(self.log, "wb") as log:
                self.process = subprocess.Popen(
                    [*command, configuration], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
            case.addCleanup(self.end)
            if self.listens():
                return
            self.end()
        with open(self.log) as file:
            raise AssertionError(f"the proxy did not start: {file.read()}")

    def listens(self):
        for _ in range(int(200 * SCALE)):
            if self.process.poll() is not None:
                return False
            with socket.socket() as sock:
                if sock.connect_ex(("127.0.0.1", self.port)) == 0:
                    return True
            try:
                self.process.wait(0.05)
            except subprocess.TimeoutExpired:
                pass
        return False

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    host = "127.0.0.1"

    def http(self, path):
        return f"https://127.0.0.1:{self.port}{path}"

    def ws(self, path, is_tls=True):
        return f"wss://127.0.0.1:{self.port}{path}"


class ProxyCase(Case):
    seconds = 40

    def serve(self, *options):
        self.server = self.start("--workers", "2", "--log-level", "debug", *options)
        self.alice, self.bob = self.server.add_user("alice"), self.server.add_user("bob")
        return self.server

    def nginx(self, change=lambda text: text):
        site = configuration_of_readme("nginx")

        def text(proxy):
            edited = site.replace("listen 443 ssl", f"listen 127.0.0.1:{proxy.port} ssl")
            edited = edited.replace("/etc/ssl/voice/", proxy.directory + "/")
            edited = edited.replace("127.0.0.1:8000", f"127.0.0.1:{self.server.port}")
            self.assertEqual(edited.count(f":{self.server.port}"), 1)
            return nginx_frame(proxy, change(edited))
        return Proxy(self, [NGINX, "-e", "stderr", "-c"], text)

    def haproxy(self, change=lambda text: text):
        def text(proxy):
            edited = configuration_of_readme("haproxy")
            edited = edited.replace(":443", f"127.0.0.1:{proxy.port}")
            edited = edited.replace("/etc/haproxy/voice.pem", proxy.directory + "/both.pem")
            return change(edited.replace("127.0.0.1:8000", f"127.0.0.1:{self.server.port}"))
        return Proxy(self, [HAPROXY, "-db", "-f"], text)

    async def check_contract(self, proxy):
        """REST, a relay of voice, and messages of every size, through the proxy."""
        trust = ssl.create_default_context(cafile=proxy.certificate)
        answer = await self.rest("POST", CHANNELS, self.alice, proxy, json={"name": "far"}, ssl=trust)
        self.assertEqual(answer.status, 201, answer)
        answer = await self.rest("GET", CHANNELS, self.alice, proxy, ssl=trust)
        self.assertEqual(len(answer.json), 1)
        one, two = [await self.connect(voice("far"), user, proxy, ssl=trust)
                    for user in (self.alice, self.bob)]
        for message in ("text", b"\0audio", b"y" * (1 << 20)):
            await one.send(message)
            self.assertEqual(await self.next(two), message)
        peer = await self.connect(SIGNALING, self.bob, proxy, ssl=trust)
        await self.send_join(peer)

    async def check_seen(self, address):
        await eventually(lambda: f" of {address}" in self.server.log(), f"{address} is seen")


@unittest.skipUnless(NGINX, "needs nginx")
class NginxTest(ProxyCase):
    async def test_the_configuration_of_the_readme_serves_the_contract(self):
        self.serve("--trusted-proxy", "127.0.0.1")
        await self.check_contract(self.nginx())

    async def test_the_clients_address_is_seen_and_what_the_client_forges_is_not(self):
        self.serve("--trusted-proxy", "127.0.0.1")
        proxy = self.nginx()
        for forged in ("203.0.113.1", "203.0.113.2, 203.0.113.3"):
            result = await asyncio.to_thread(
                subprocess.run,
                ["curl", "--silent", "--insecure", "--interface", "127.0.0.2", "--header",
                 f"X-Forwarded-For: {forged}", "--header", "Forwarded: for=203.0.113.4",
                 proxy.http(CHANNELS)], capture_output=True, timeout=15 * SCALE)
            self.assertIn(b"detail", result.stdout)
        await self.check_seen("127.0.0.2")
        # nginx itself is told a client's address by what is before it; it passes that on.
        before = self.nginx(lambda text: text.replace(
            "server {", "server { set_real_ip_from 127.0.0.1; real_ip_header X-Test;"))
        trust = ssl.create_default_context(cafile=before.certificate)
        await self.rest("GET", CHANNELS, self.alice, before, ssl=trust, headers={
            "X-Test": "198.51.100.77", "X-Forwarded-For": "203.0.113.5"})
        await self.check_seen("198.51.100.77")
        self.assertNotIn("203.0.113.", self.server.log())

    async def test_limits_count_the_clients_address(self):
        self.serve("--trusted-proxy", "127.0.0.1", "--max-connections-per-address", "3")
        proxy = self.nginx(lambda text: text.replace(
            "server {", "server { set_real_ip_from 127.0.0.1; real_ip_header X-Test;"))
        trust = ssl.create_default_context(cafile=proxy.certificate)
        for address in ("198.51.100.1", "198.51.100.2"):
            for _ in range(3):
                await self.connect(SIGNALING, self.alice, proxy, ssl=trust,
                                   headers={"X-Test": address})
            self.assertEqual(await self.refused(SIGNALING, self.alice, proxy, ssl=trust,
                                                headers={"X-Test": address}), 429)


@unittest.skipUnless(HAPROXY, "needs haproxy")
class HaproxyTest(ProxyCase):
    async def test_the_configuration_of_the_readme_serves_the_contract(self):
        self.serve("--trusted-proxy", "127.0.0.1", "--proxy-protocol")
        await self.check_contract(self.haproxy())

    async def test_the_clients_address_comes_by_the_proxy_protocol(self):
        self.serve("--trusted-proxy", "127.0.0.1/32", "--proxy-protocol")
        # The client's side of this HAProxy takes a PROXY header, too: so we can say who we are.
        proxy = self.haproxy(lambda text: re.sub(r"(bind \S+) ssl.*", r"\1 accept-proxy", text))
        await self.request_by(proxy, b"PROXY TCP4 198.51.100.9 127.0.0.1 4711 443\r\n")
        await self.check_seen("198.51.100.9")
        await self.request_by(proxy, b"PROXY TCP6 2001:db8::9 ::1 4711 443\r\n")
        await self.check_seen("2001:db8::9")

    async def request_by(self, proxy, header):
        client = await RawConnection.open(proxy)
        self.addAsyncCleanup(client.close)
        await client.send(header + (
            f"GET {CHANNELS} HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 203.0.113.1\r\nAuthorization: "
            f"Token {self.alice.key}\r\n\r\n").encode())
        self.assertEqual((await client.response()).status, 200)
        self.assertNotIn("203.0.113.", self.server.log())

    async def test_tls_may_pass_through_to_the_server(self):
        directory = tempfile.mkdtemp(prefix="voicechan-tls-")
        self.addCleanup(shutil.rmtree, directory, ignore_errors=True)
        certificate, key = make_certificate(directory)
        self.serve("--trusted-proxy", "127.0.0.1", "--proxy-protocol", "--tls-cert", certificate,
                   "--tls-key", key)
        proxy = self.haproxy(lambda text: re.sub(r"(bind \S+) ssl.*", r"\1", text).replace(
            "mode http", "mode tcp"))
        proxy.certificate = certificate
        await self.check_contract(proxy)


class ForgedAddressTest(ProxyCase):
    async def test_only_a_trusted_proxy_is_believed(self):
        self.serve("--trusted-proxy", "10.0.0.0/8")
        await self.rest("GET", CHANNELS, self.alice, headers={"X-Forwarded-For": "203.0.113.1"})
        self.assertNotIn("203.0.113.1", self.server.log())

    async def test_each_request_of_a_kept_connection_has_its_own_client(self):
        self.serve("--trusted-proxy", "127.0.0.0/8", "--forwarded-header", "forwarded")
        client = await self.raw()
        for value, seen in (("for=203.0.113.1", "203.0.113.1"), ("for=203.0.113.2", "203.0.113.2"),
                            (None, "127.0.0.1")):
            line = f"Forwarded: {value}\r\n" if value else ""
            await client.send(f"OPTIONS * HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.1\r\n{line}"
                              "\r\n".encode())
            self.assertEqual((await client.response()).status, 200)
            await self.check_seen(seen)
        self.assertNotIn("192.0.2.1", self.server.log())


def v2_header(address="192.0.2.7"):
    return (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c" + socket.inet_aton(address)
            + b"\x7f\0\0\x01\x12\x67\x01\xbb")


class ProxyProtocolTest(ProxyCase):
    async def test_a_header_byte_by_byte_and_a_request_behind_it_are_taken(self):
        self.serve("--trusted-proxy", "127.0.0.1", "--proxy-protocol")
        for begin in (v2_header(), b"PROXY TCP4 192.0.2.8 127.0.0.1 1 2\r\n", b"PROXY UNKNOWN\r\n",
                      b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00"):
            client = await self.raw()
            for byte in begin:
                await client.send(bytes([byte]))
            await client.send(b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertEqual((await client.response()).status, 200)
            at_once = await self.raw()
            await at_once.send(begin + b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertEqual((await at_once.response()).status, 200)
        await self.check_seen("192.0.2.7")
        await self.check_seen("192.0.2.8")

    async def test_what_begins_with_anything_else_is_closed(self):
        self.serve("--trusted-proxy", "127.0.0.1", "--proxy-protocol")
        for begin in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\0", b"PROXY TCP4 x\r\n",
                      v2_header()[:12] + b"\x31\x11\0\x0c", v2_header()[:14] + b"\xff\xff"):
            client = await self.raw()
            await client.send(begin)
            self.assertEqual(await client.ended(5), b"")

    async def test_a_header_that_never_ends_meets_the_deadline(self):
        self.serve("--trusted-proxy", "127.0.0.1", "--proxy-protocol", "--handshake-timeout", "0.5")
        silent, half = await self.raw(), await self.raw()
        await half.send(v2_header()[:20])
        for client in (silent, half):
            self.assertEqual(await client.ended(8), b"")

    async def test_peers_that_are_no_trusted_proxy_are_refused(self):
        self.serve("--trusted-proxy", "192.0.2.0/24", "--proxy-protocol")
        client = await self.raw()
        self.assertEqual(await client.ended(5), b"")
        await eventually(lambda: "127.0.0.1 is no trusted proxy" in self.server.log(), "a log line")

    async def test_limits_count_the_address_in_the_header(self):
        self.serve("--trusted-proxy", "127.0.0.1", "--proxy-protocol",
                   "--max-connections-per-address", "2")
        for address in ("192.0.2.1", "192.0.2.2"):
            held = []
            for _ in range(2):
                client = await self.raw()
                await client.send(v2_header(address) + b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n")
                self.assertEqual((await client.response()).status, 200)
                held.append(client)
            client = await self.raw()
            await client.send(v2_header(address) + b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertNotIn(b"200 OK", await client.ended(5))


if __name__ == "__main__":
    unittest.main()
