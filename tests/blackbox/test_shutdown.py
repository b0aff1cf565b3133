#!/usr/bin/python3
"""SIGINT and SIGTERM: nobody new, 1001, finish requests, exit 0 within 5 s."""

import asyncio
import signal
import time
import unittest

from harness import (CHANNELS, NOTIFICATIONS, OP_CLOSE, SCALE, SIGNALING, Case, WriteLock, eventually,
                     in_time, integrity_of, voice)

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class ShutdownTest(Case):
    def begin(self, *options):
        server = self.start("--workers", "2", *options)
        self.user = server.add_user("dora")
        return server

    async def check_ends(self, server, begin):
        self.assertEqual(await server.exit_code(), 0, server.log()[-2000:])
        self.assertLess(time.monotonic() - begin, 5 * SCALE)
        server.check_log()

    async def is_refused(self, server):
        connection = await self.raw(server)
        await connection.send(f"GET {CHANNELS} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        return (await connection.response()).status == 503

    def post(self, body, *fields):
        head = [f"POST {CHANNELS} HTTP/1.1", "Host: x", f"Authorization: Token {self.user.key}",
                "Content-Type: application/json", f"Content-Length: {len(body)}", *fields]
        return "\r\n".join(head).encode() + b"\r\n\r\n"

    async def test_an_idle_server_exits_0(self):
        for number in SIGNALS:
            server = self.begin()
            begin = time.monotonic()
            server.signal(number)
            await self.check_ends(server, begin)

    async def test_every_websocket_is_closed_with_1001(self):
        for number in SIGNALS:
            server = self.begin()
            clients = [await self.connect(path, self.user, server)
                       for path in (voice("general"), SIGNALING, NOTIFICATIONS) for _ in range(30)]
            begin = time.monotonic()
            server.signal(number)
            await in_time(asyncio.gather(*(client.wait_closed() for client in clients)), 5,
                          "the closes")
            self.assertEqual({client.close_code for client in clients}, {1001})
            await self.check_ends(server, begin)

    async def test_a_message_taken_before_the_signal_is_delivered_before_the_close(self):
        server = self.begin()
        sender, listener = await self.members("last", 2, self.user, server)
        echo = await self.join(self.user, server)
        await sender.send("last words")
        await echo.send('{"to":"%s","x":"own words"}' % echo.id_)
        self.assertEqual((await self.next_json(echo))["x"], "own words")
        self.assertEqual(await self.next(listener), "last words")
        server.signal(signal.SIGTERM)
        await in_time(listener.wait_closed(), 5, "the close")
        self.assertEqual(listener.close_code, 1001)
        self.assertEqual(await server.exit_code(), 0)

    async def test_a_request_under_way_is_finished_while_no_new_connection_is_taken(self):
        for number in SIGNALS:
            server = self.begin()
            with WriteLock(server.db) as lock:
                request = await self.raw(server)
                body = b'{"name":"under way"}'
                await request.send(self.post(body, "Expect: 100-continue"))
                self.assertEqual((await request.response()).status, 100)  # so it has been taken
                await request.send(body)
                begin = time.monotonic()
                server.signal(number)
                await eventually(lambda: self.is_refused(server), "new connections are refused", 3)
                self.assertTrue(server.is_running(), "the request was dropped")
                lock.release()
                answer = await request.response()
                self.assertEqual((answer.status, answer.json["name"]), (201, "under way"))
                await request.ended()
            await self.check_ends(server, begin)

    async def test_silent_clients_of_every_kind_do_not_delay_the_end(self):
        server = self.begin()
        idle = await self.raw(server)
        await idle.send(f"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Token {self.user.key}"
                        "\r\n\r\n".encode())
        self.assertEqual((await idle.response()).status, 404)
        half = await self.raw(server)
        await half.send(b"GET / HTTP/1.1\r\nHost:")
        bodyless = await self.raw(server)
        await bodyless.send(self.post(b"x" * 100, "Expect: 100-continue"))
        self.assertEqual((await bodyless.response()).status, 100)
        silent = await self.raw(server)
        mute = await self.raw_websocket(voice("mute"), self.user, server)  # answers no close
        begin = time.monotonic()
        server.signal(signal.SIGTERM)
        got = await mute.frame()
        self.assertEqual((got.opcode, got.close_code), (OP_CLOSE, 1001))
        await self.check_ends(server, begin)
        for client in (idle, half, silent, bodyless, mute):
            await client.ended()

    async def test_a_client_that_does_not_read_does_not_delay_the_end(self):
        server = self.begin()
        deaf = await self.raw_websocket(voice("deaf"), self.user, server, receive_buffer=4096)
        deaf.pause()
        sender, listener = await self.members("deaf", 2, self.user, server)
        for i in range(150):
            await sender.send(bytes([i]) * 65536)
            self.assertEqual((await self.next(listener))[0], i)
        begin = time.monotonic()
        server.signal(signal.SIGTERM)
        await self.check_ends(server, begin)

    async def test_a_busy_server_ends_as_well(self):
        for number in SIGNALS:
            server = self.begin()
            members = await self.members("busy", 12, self.user, server)
            talking = asyncio.Event()

            async def talk(client):
                try:
                    while True:
                        await client.send(b"x" * 160)
                        await client.recv()
                        talking.set()
                except Exception:
                    return client.close_code
            tasks = [asyncio.create_task(talk(client)) for client in members]
            await talking.wait()
            begin = time.monotonic()
            server.signal(number)
            codes = await asyncio.gather(*tasks)
            self.assertEqual(set(codes), {1001})
            await self.check_ends(server, begin)

    async def test_the_database_is_whole_after_a_stop_during_a_burst(self):
        server = self.begin()
        made = []

        async def create(i):
            try:
                answer = await self.rest("POST", CHANNELS, self.user, server=server,
                                         json={"name": f"burst {i}"})
            except Exception:
                return
            if answer.status == 201:
                made.append(answer.json)
                if len(made) == 50:
                    server.signal(signal.SIGTERM)
        for start in range(0, 400, 40):
            await asyncio.gather(*(create(i) for i in range(start, start + 40)))
        self.assertEqual(await server.exit_code(), 0)
        self.assertEqual(integrity_of(server.db), ["ok"])
        again = self.start(db=server.db)
        answer = await self.rest("GET", CHANNELS, self.user, server=again)
        self.assertGreaterEqual(len(made), 50)
        for channel in made:
            self.assertIn(channel, answer.json)
        again.stop()

    async def test_a_signal_right_after_the_start_ends_it_too(self):
        for number in SIGNALS * 3:
            server = self.start("--workers", "4")
            begin = time.monotonic()
            server.signal(number)
            await self.check_ends(server, begin)


if __name__ == "__main__":
    unittest.main()
