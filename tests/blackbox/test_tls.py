#!/usr/bin/python3
"""TLS on the server's own port, by clients of OpenSSL, Python's ssl, aiohttp and curl."""

import asyncio
import contextlib
import os
import random
import shutil
import signal
import ssl
import subprocess
import tempfile
import unittest

import aiohttp

from harness import (CHANNELS, COSTS_COUNT, SCALE, SIGNALING, Case, RawConnection, eventually,
                     in_time, run_cli, voice)


def make_certificate(directory, name="server", kind="ec"):
    """(certificate, key): files of a self-signed certificate for localhost."""
    certificate = os.path.join(directory, f"{name}.crt")
    key = os.path.join(directory, f"{name}.key")
    new = ["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"] if kind == "ec" else ["rsa:2048"]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", *new, "-nodes", "-keyout", key, "-out", certificate,
         "-days", "3", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, capture_output=True)
    return certificate, key


class TlsCase(Case):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="voicechan-tls-")
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self.certificate, self.key = make_certificate(self.directory)

    def serve(self, *options, **arguments):
        server = self.start("--tls-cert", self.certificate, "--tls-key", self.key, "--workers", "2",
                            *options, **arguments)
        self.alice, self.bob = server.add_user("alice"), server.add_user("bob")
        self.server = server
        return server

    def trust(self, certificate=None, **settings):
        context = ssl.create_default_context(cafile=certificate or self.certificate)
        for name, value in settings.items():
            setattr(context, name, value)
        return context

    async def tls_rest(self, method, path, user=None, context=None, **arguments):
        url = f"https://127.0.0.1:{self.server.port}{path}"
        async with aiohttp.ClientSession() as session:
            async with session.request(method, url, ssl=context or self.trust(),
                                       headers=user.headers if user else {}, **arguments) as answer:
                return answer.status, await answer.json()

    async def tls_connect(self, path, user, **arguments):
        return await self.connect(path, user, ssl=arguments.pop("context", None) or self.trust(),
                                  **arguments)

    async def tls_raw(self, context=None, **arguments):
        """A RawConnection whose bytes go through TLS."""
        plain = await RawConnection.open(self.server, **arguments)
        await in_time(plain.writer.start_tls(context or self.trust(), server_hostname="localhost"),
                      10, "a TLS handshake")
        self.addAsyncCleanup(plain.close)
        return plain

    async def check_serves(self):
        self.assertEqual((await self.tls_rest("GET", CHANNELS, self.alice))[0], 200)

    async def served_certificate(self):
        """The DER of what a new connection is shown."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        _, writer = await asyncio.open_connection("127.0.0.1", self.server.port, ssl=context)
        der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
        return der


def der_of(certificate):
    with open(certificate) as file:
        return ssl.PEM_cert_to_DER_cert(file.read())


class TlsContractTest(TlsCase):
    async def test_a_request_and_the_end_in_one_segment_are_answered(self):
        self.serve()
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = self.trust().wrap_bio(incoming, outgoing, server_hostname="localhost")
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        self.addCleanup(writer.close)
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                writer.write(outgoing.read())
                incoming.write(await in_time(reader.read(65536), 10, "a TLS handshake"))
        tls.write(f"GET {CHANNELS} HTTP/1.1\r\nHost: x\r\nAuthorization: Token "
                  f"{self.alice.key}\r\n\r\n".encode())
        with contextlib.suppress(ssl.SSLWantReadError):
            tls.unwrap()  # close_notify
        writer.write(outgoing.read())
        received = b""
        while not received.startswith(b"HTTP/1.1 200"):
            data = await in_time(reader.read(65536), 10, "the answer")
            self.assertTrue(data, f"only {received!r} came")
            incoming.write(data)
            with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLZeroReturnError):
                received += tls.read(65536)

    async def test_rest_and_websockets_work_as_without_tls(self):
        server = self.serve()
        self.assertIn("listening on https://", server.stdout)
        status, channel = await self.tls_rest("POST", CHANNELS, self.alice, json={"name": "Кімната"})
        self.assertEqual((status, channel["name"]), (201, "Кімната"))
        self.assertEqual((await self.tls_rest("GET", CHANNELS))[0], 401)
        one, two = [await self.tls_connect(voice("r"), user) for user in (self.alice, self.bob)]
        for message in ("text", b"\0audio", "x" * 1_000_000, b"y" * (1 << 20)):
            await one.send(message)
            self.assertEqual(await self.next(two), message)
            await two.send(message)
            self.assertEqual(await self.next(one), message)
        peer = await self.tls_connect(SIGNALING, self.bob)
        peer_id = await self.send_join(peer)
        await peer.send('{"to":"%s","n":1.50}' % peer_id)
        self.assertEqual((await self.next_json(peer))["from"], peer_id)
        await one.close()
        self.assertEqual(one.close_code, 1000)
        server.stop()

    async def test_rsa_certificates_work_too(self):
        self.certificate, self.key = make_certificate(self.directory, "rsa", kind="rsa")
        self.serve()
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = self.trust(maximum_version=version)
            self.assertEqual((await self.tls_rest("GET", CHANNELS, self.alice, context))[0], 200)

    async def test_curl_verifies_the_certificate_and_gets_http_1_1(self):
        self.serve()
        result = await asyncio.to_thread(
            subprocess.run,
            ["curl", "--silent", "--show-error", "--http2", "--cacert", self.certificate, "--header",
             f"Authorization: Token {self.alice.key}", "--write-out", "%{http_code} %{http_version}",
             f"https://localhost:{self.server.port}{CHANNELS}", "--resolve",
             f"localhost:{self.server.port}:127.0.0.1"],
            capture_output=True, encoding="utf-8", timeout=15 * SCALE)
        self.assertEqual(result.stdout, "[]200 1.1", result.stderr)

    async def test_versions_1_2_and_1_3_are_spoken_and_older_ones_refused(self):
        self.serve()

        def version(flag):
            result = subprocess.run(
                ["openssl", "s_client", "-connect", f"127.0.0.1:{self.server.port}", flag, "-cipher",
                 "ALL:@SECLEVEL=0"], input=b"", capture_output=True, timeout=15 * SCALE)
            return result.returncode, (result.stdout + result.stderr).decode("latin-1")
        for flag, name in (("-tls1_2", "New, TLSv1.2"), ("-tls1_3", "New, TLSv1.3")):
            code, text = await asyncio.to_thread(version, flag)
            self.assertEqual(code, 0, text)
            self.assertIn(name, text)
        for flag in ("-tls1", "-tls1_1"):
            code, text = await asyncio.to_thread(version, flag)
            self.assertNotEqual(code, 0)
            self.assertIn("alert protocol version", text)
        await self.check_serves()

    async def test_keep_alive_and_pipelining_work(self):
        self.serve()
        client = await self.tls_raw()
        request = (f"GET {CHANNELS} HTTP/1.1\r\nHost: x\r\nAuthorization: Token {self.alice.key}"
                   "\r\n\r\n").encode()
        await client.send(request * 20)
        for _ in range(20):
            self.assertEqual((await client.response()).status, 200)
        await client.send(request[:-4] + b"\r\nConnection: close\r\n\r\n")
        self.assertEqual((await client.response()).status, 200)
        self.assertEqual(await client.ended(2), b"")  # by close_notify, so without an ssl.SSLError

    async def test_many_speakers_are_heard_by_all_in_order(self):
        self.serve()
        members = [await self.tls_connect(voice("many"), self.alice) for _ in range(12)]
        frames = 40

        async def speak(number, client):
            for i in range(frames):
                await client.send(bytes([number, i]) + b"v" * 158)
                if i % 8 == 7:
                    await asyncio.sleep(0)  # lets the others speak
        await asyncio.gather(*(speak(i, client) for i, client in enumerate(members)))
        for number, client in enumerate(members):
            heard = {}
            for _ in range(frames * (len(members) - 1)):
                message = await self.next(client)
                self.assertEqual(message[1], heard.get(message[0], 0))
                heard[message[0]] = message[1] + 1
            self.assertNotIn(number, heard)


class TlsHostileTest(TlsCase):
    async def test_a_handshake_may_come_byte_by_byte(self):
        self.serve()
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = self.trust().wrap_bio(incoming, outgoing, server_hostname="localhost")
        raw = await self.raw()

        async def step(action):
            while True:
                try:
                    result, wants = action(), False
                except ssl.SSLWantReadError:
                    result, wants = None, True
                for byte in outgoing.read():
                    await raw.send(bytes([byte]))
                if not wants:
                    return result
                incoming.write(await in_time(raw.reader.read(1), 10, "a byte"))
        await step(tls.do_handshake)
        await step(lambda: tls.write(b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"))
        self.assertTrue((await step(lambda: tls.read(100))).startswith(b"HTTP/1.1 200 OK"))

    async def test_plain_http_gets_a_readable_400(self):
        self.serve()
        answer = await self.rest("GET", CHANNELS, self.alice)
        self.assertEqual(answer.status, 400)
        self.assertIn("HTTPS", answer.json["detail"])
        await self.check_serves()

    async def test_garbage_ends_its_own_connection_only(self):
        self.serve("--log-level", "debug")
        one, two = [await self.tls_connect(voice("calm"), self.alice) for _ in range(2)]
        seed = random.randrange(1 << 32)
        print(f"seed {seed}")
        chance = random.Random(seed)
        hello = self.client_hello()
        for number in range(60):
            data = bytearray(hello if number % 2 else chance.randbytes(chance.choice((1, 5, 300, 9000))))
            if number % 2:
                for _ in range(chance.randrange(1, 5)):
                    data[chance.randrange(len(data))] = chance.randrange(256)
            raw = await self.raw()
            await raw.send(bytes(data))
            with contextlib.suppress(OSError):
                raw.half_close()
            await raw.ended()
            await raw.close()
        await one.send("still here")
        self.assertEqual(await self.next(two), "still here")
        await self.check_serves()
        log = self.server.log()
        self.assertIn("ended by TLS", log)
        self.assertTrue(log.isascii())
        self.assertNotIn(" error ", log)
        self.server.stop()

    def client_hello(self):
        outgoing = ssl.MemoryBIO()
        tls = self.trust().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
        with contextlib.suppress(ssl.SSLWantReadError):
            tls.do_handshake()
        return outgoing.read()

    async def test_a_damaged_record_within_a_websocket_makes_its_member_leave(self):
        self.serve()
        peer = await self.tls_connect(SIGNALING, self.alice)
        await self.send_join(peer)
        raw = await self.tls_raw()
        self.assertEqual((await raw.upgrade(SIGNALING, self.bob)).status, 101)
        id_ = await self.send_join(raw)
        sock = raw.writer.get_extra_info("socket")
        os.write(sock.fileno(), b"\x17\x03\x03\x00\x20" + b"d" * 32)  # no key made that
        with contextlib.suppress(ssl.SSLError):
            await raw.ended()

        async def is_gone():
            await peer.send('{"to":"%s"}' % id_)
            return (await self.next_json(peer)).get("code") == "unknown_peer"
        await eventually(is_gone, "the member is gone")

    async def test_a_handshake_that_never_ends_is_cut_by_the_deadline_of_a_requests_head(self):
        self.serve("--handshake-timeout", "0.5")
        silent, half, late = await self.raw(), await self.raw(), await self.raw()
        await half.send(self.client_hello()[:100])
        await late.send(self.client_hello())  # and nothing after the server's answer
        for client in (silent, half, late):
            await client.ended(8)
        established = await self.tls_raw()  # no request follows
        self.assertEqual(await established.ended(8), b"")

    async def test_a_peer_that_never_sends_close_notify_does_not_keep_the_socket(self):
        self.serve()
        baseline = self.server.file_descriptors()
        clients = []
        for _ in range(10):
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            tls = self.trust().wrap_bio(incoming, outgoing, server_hostname="localhost")
            raw = await self.raw()
            while True:
                try:
                    tls.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    await raw.send(outgoing.read())
                    incoming.write(await in_time(raw.reader.read(65536), 10, "an answer"))
            tls.write(b"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            await raw.send(outgoing.read())
            clients.append(raw)  # neither reads nor closes nor says good-bye
        await eventually(lambda: self.server.file_descriptors() <= baseline, "all sockets are closed",
                         10)

    @unittest.skipUnless(COSTS_COUNT, "memory of sanitizer builds says nothing")
    async def test_a_client_that_does_not_read_is_closed_and_costs_bounded_memory(self):
        self.serve("--max-queued-control-bytes", "2000000")
        slow = await self.tls_raw(receive_buffer=4096)
        self.assertEqual((await slow.upgrade(voice("slow"), self.bob)).status, 101)
        slow.pause()
        talker, listener = [await self.tls_connect(voice("slow"), self.alice) for _ in range(2)]
        before = self.server.resident_bytes()
        for i in range(400):
            await talker.send(chr(65 + i % 26) * 65536)
            self.assertEqual(len(await self.next(listener)), 65536)
        await eventually(lambda: "reads too slowly" in self.server.log(), "the slow one is closed")
        self.assertLess(self.server.resident_bytes() - before, 16 << 20)

    async def test_a_slow_reader_gets_text_whole_and_audio_in_order(self):
        self.serve()
        slow = await self.tls_raw(receive_buffer=4096)
        self.assertEqual((await slow.upgrade(voice("slow"), self.bob)).status, 101)
        slow.pause()
        talker, listener = [await self.tls_connect(voice("slow"), self.alice) for _ in range(2)]
        for i in range(150):
            await talker.send(i.to_bytes(2, "big") * 16384)
            await talker.send(f"{i} " + "t" * 10_000)
            for _ in range(2):
                await self.next(listener)
        slow.resume()
        audio, text = -1, 0
        while text < 150:
            message = await self.next(slow)
            if isinstance(message, str):
                self.assertEqual(message, f"{text} " + "t" * 10_000)
                text += 1
            else:
                number = int.from_bytes(message[:2], "big")
                self.assertEqual(message, message[:2] * 16384)
                self.assertGreater(number, audio)
                audio = number


class TlsFilesTest(TlsCase):
    def refused(self, *options):
        result = run_cli("serve", "--listen", "127.0.0.1:0", "--db", ":memory:", *options)
        self.assertNotEqual(result.returncode, 0)
        return result.stderr

    async def test_what_cannot_be_used_is_a_clear_error_at_the_start(self):
        other = make_certificate(self.directory, "other")
        missing = os.path.join(self.directory, "missing")
        for options, text in (
                (("--tls-cert", self.certificate), "--tls-key"),
                (("--tls-key", self.key), "--tls-cert"),
                (("--tls-cert", self.certificate, "--tls-key", other[1]), "not the key of"),
                (("--tls-cert", missing, "--tls-key", self.key), "No such file"),
                (("--tls-cert", self.key, "--tls-key", self.key), "no usable certificate"),
                (("--tls-cert", self.certificate, "--tls-key", self.certificate), "private key")):
            self.assertIn(text, self.refused(*options))

    async def test_an_expired_certificate_is_a_warning(self):
        old = os.path.join(self.directory, "old.crt")
        subprocess.run(
            ["openssl", "x509", "-in", self.certificate, "-signkey", self.key, "-days", "0", "-out",
             old], check=True, capture_output=True)
        self.certificate = old
        self.serve()
        self.assertIn(" warning ", self.server.log())
        self.assertIn("has expired", self.server.log())

    async def test_sighup_changes_the_certificate_and_drops_nobody(self):
        self.serve()
        one, two = [await self.tls_connect(voice("stay"), self.alice) for _ in range(2)]
        stop, exchanged = asyncio.Event(), 0

        async def talk():
            nonlocal exchanged
            while not stop.is_set():
                await one.send(f"{exchanged}")
                self.assertEqual(await self.next(two), f"{exchanged}")
                exchanged += 1
        talking = asyncio.create_task(talk())
        old = der_of(self.certificate)
        self.assertEqual(await self.served_certificate(), old)

        new = make_certificate(self.directory, "new")
        os.replace(new[1], self.key)
        self.server.signal(signal.SIGHUP)  # half of the change: does not match
        await eventually(lambda: "going on as before" in self.server.log(), "the error is logged")
        self.assertIn("not the key of", self.server.log())
        self.assertEqual(await self.served_certificate(), old)

        wanted = der_of(new[0])
        os.replace(new[0], self.certificate)
        self.server.signal(signal.SIGHUP)

        async def is_new():
            return await self.served_certificate() == wanted
        await eventually(is_new, "new connections are shown the new certificate")
        for _ in range(8):  # of every worker
            self.assertEqual(await self.served_certificate(), wanted)
        before = exchanged
        await eventually(lambda: exchanged > before + 10, "the talk goes on")

        with open(self.certificate, "w") as file:
            file.write("-----BEGIN CERTIFICATE-----\nnonsense\n")
        self.server.signal(signal.SIGHUP)
        await eventually(lambda: self.server.log().count("going on as before") == 2, "an error")
        self.assertEqual(await self.served_certificate(), wanted)
        stop.set()
        await talking
        self.server.stop()

    async def test_sighup_without_tls_ends_nothing(self):
        server = self.start()
        user = server.add_user("alice")
        client = await self.connect(SIGNALING, user, server)
        server.signal(signal.SIGHUP)
        await eventually(lambda: "SIGHUP" in server.log(), "it is logged")
        await self.send_join(client)
        server.stop()


if __name__ == "__main__":
    unittest.main()
