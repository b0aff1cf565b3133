#!/usr/bin/python3
"""Drain, out of service and back, health: what load balancers and operators see."""

import asyncio
import signal
import sqlite3
import time
import unittest

from harness import (CHANNELS, OP_CLOSE, SCALE, SIGNALING, Case, WriteLock, eventually, frame,
                     in_time, voice, within)

LIVE, READY = "/livez", "/readyz"


class DrainCase(Case):
    def begin(self, *options):
        server = self.start("--workers", "2", *options)
        self.user = server.add_user("dora")
        return server

    async def probe(self, server, path, method="GET"):
        """One probe on a connection of its own, as load balancers do it."""
        connection = await self.raw(server)
        await connection.send(f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        answer = await connection.response(method)
        await connection.close()
        return answer

    async def is_ready(self, server):
        answer = await self.probe(server, READY)
        self.assertEqual((await self.probe(server, LIVE)).status, 200)
        self.assertIn(answer.status, (200, 503), answer)
        return answer.status == 200

    async def mute(self, server, count=1):
        """WebSockets that answer nothing, so that a drain waits for them."""
        return [await self.raw_websocket(voice("mute"), self.user, server) for _ in range(count)]

    async def check_ends(self, server, seconds=5.0):
        self.assertEqual(await server.exit_code(seconds), 0, server.log()[-2000:])
        server.check_log()


class HealthTest(DrainCase):
    async def test_probes_need_no_user_and_tell_in_json(self):
        server = self.begin()
        for path in (LIVE, READY, LIVE + "/", READY + "/"):
            answer = await self.rest("GET", path, server=server)
            self.assertEqual(answer.status, 200, answer)
            self.assertIn("status", answer.json)
            head = await self.rest("HEAD", path, server=server)
            self.assertEqual((head.status, head.body), (200, b""))
            self.assertEqual(head.headers["Content-Length"], answer.headers["Content-Length"])
            for method in ("POST", "PUT", "DELETE"):
                refused = await self.rest(method, path, server=server)
                self.assertEqual(refused.status, 405)
                self.assertIn("GET", refused.headers["Allow"])

    async def test_probes_are_not_logged_and_answered_while_the_database_is_locked(self):
        server = self.begin("--log-level", "debug", "--blocking-threads", "1")
        with WriteLock(server.db) as lock:
            waiting = [asyncio.create_task(self.rest(
                "POST", CHANNELS, self.user, server=server, json={"name": "x"})) for _ in range(5)]
            connection = await self.raw(server)
            await asyncio.sleep(0.2)  # for the pool to be taken; too short a sleep hides a fault only
            before = server.log()
            for path in (LIVE, READY) * 20:
                await connection.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                self.assertEqual((await connection.response(seconds=2)).status, 200)
            self.assertEqual(server.log(), before)
            lock.release()
            await asyncio.gather(*waiting)


class DrainTest(DrainCase):
    async def test_a_draining_server_is_not_ready_and_refuses_everybody_new(self):
        server = self.begin()
        (mute,) = await self.mute(server)
        old = await self.raw(server)
        await old.send(f"GET {READY} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        self.assertEqual((await old.response()).status, 200)
        server.signal(signal.SIGTERM)
        self.assertEqual((await mute.frame()).close_code, 1001)
        answer = await self.probe(server, READY)
        self.assertEqual((answer.status, answer.json["status"]), (503, "draining"), answer)
        self.assertEqual((await self.probe(server, LIVE)).status, 200)
        connection = await self.raw(server)
        await connection.send(
            f"GET {CHANNELS} HTTP/1.1\r\nHost: x\r\nAuthorization: Token {self.user.key}\r\n\r\n".encode())
        answers = [await connection.response()]
        connection = await self.raw(server)
        answers.append(await connection.upgrade(SIGNALING, self.user))
        for answer in answers:
            self.assertEqual(answer.status, 503)
            self.assertIsInstance(answer.json["detail"], str)
            self.assertIn("Retry-After", answer.headers)
            self.assertEqual(answer.headers["Connection"].lower(), "close")
        # A connection that was there before the signal is served to the end.
        await old.send(
            f"GET {CHANNELS} HTTP/1.1\r\nHost: x\r\nAuthorization: Token {self.user.key}\r\n\r\n".encode())
        answer = await old.response()
        self.assertEqual((answer.status, answer.headers["Connection"].lower()), (200, "close"))
        mute.abort()
        await self.check_ends(server)

    @within(40)
    async def test_closes_are_spread_over_the_configured_time(self):
        spread, count = 2.0, 40
        server = self.begin("--drain-spread", str(spread), "--drain-timeout", "30")
        clients = await asyncio.gather(
            *(self.connect(voice(f"room{i % 7}"), self.user, server) for i in range(count)))

        async def closed(client):
            await client.wait_closed()
            self.assertEqual(client.close_code, 1001)
            return time.monotonic() - begin
        begin = time.monotonic()
        server.signal(signal.SIGTERM)
        times = sorted(await in_time(asyncio.gather(*map(closed, clients)), 25, "the closes"))
        for place, at in enumerate(times):
            # Two workers: each has its first one closed at once and its last one before the end.
            self.assertGreater(at, spread * (place / count - 0.2), times)
        self.assertLess(times[0], 1 * SCALE)
        self.assertGreater(times[-1], spread * 0.7)
        self.assertLess(times[-1], spread + 2 * SCALE)
        await self.check_ends(server)

    async def test_a_few_websockets_do_not_delay_the_end(self):
        server = self.begin()
        clients = [await self.connect(voice("few"), self.user, server) for _ in range(5)]
        begin = time.monotonic()
        server.signal(signal.SIGTERM)
        await asyncio.gather(*(client.wait_closed() for client in clients))
        await self.check_ends(server)
        self.assertLess(time.monotonic() - begin, 1.5 * SCALE)

    async def test_the_deadline_cuts_what_is_left(self):
        server = self.begin("--drain-timeout", "1", "--close-timeout", "30")
        clients = await self.mute(server, 3)
        begin = time.monotonic()
        server.signal(signal.SIGTERM)
        for client in clients:
            self.assertEqual((await client.frame()).close_code, 1001)
        await self.check_ends(server)
        self.assertGreater(time.monotonic() - begin, 0.9)
        self.assertIn("what is left is cut", server.log())

    async def test_a_second_signal_ends_at_once(self):
        for first, second in ((signal.SIGTERM, signal.SIGTERM), (signal.SIGINT, signal.SIGTERM)):
            server = self.begin("--drain-timeout", "60", "--close-timeout", "60")
            (mute,) = await self.mute(server)
            server.signal(first)
            self.assertEqual((await mute.frame()).opcode, OP_CLOSE)
            self.assertTrue(server.is_running())
            begin = time.monotonic()
            server.signal(second)
            await self.check_ends(server)
            self.assertLess(time.monotonic() - begin, 2 * SCALE)

    async def test_a_locked_database_does_not_hold_up_the_end(self):
        server = self.begin("--drain-timeout", "1")
        with WriteLock(server.db):
            request = await self.raw(server)
            body = b'{"name":"never written"}'
            await request.send(
                f"POST {CHANNELS} HTTP/1.1\r\nHost: x\r\nAuthorization: Token {self.user.key}\r\n"
                f"Content-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n".encode())
            self.assertEqual((await request.response()).status, 100)
            await request.send(body)
            begin = time.monotonic()
            server.signal(signal.SIGTERM)
            await self.check_ends(server)
            self.assertLess(time.monotonic() - begin, 3.5 * SCALE)

    async def test_who_connects_in_a_loop_never_sees_a_reset_before_the_end(self):
        server = self.begin("--drain-timeout", "1", "--close-timeout", "30")
        await self.mute(server, 2)
        seen = {}

        async def loop(number):
            while True:
                begin = time.monotonic()
                try:
                    reader, writer = await asyncio.open_connection(server.host, server.port)
                except ConnectionRefusedError:
                    return
                except ConnectionError:
                    seen.setdefault("reset", []).append(begin)
                    continue
                try:
                    writer.write(f"GET {CHANNELS} HTTP/1.1\r\nHost: x\r\nAuthorization: Token "
                                 f"{self.user.key}\r\nConnection: close\r\n\r\n".encode())
                    answer = await reader.read()
                    kind = answer[9:12].decode() or "nothing"
                except ConnectionError:
                    kind = "reset"
                writer.close()
                seen.setdefault(kind, []).append(begin)
        tasks = [asyncio.create_task(loop(number)) for number in range(8)]
        await eventually(lambda: len(seen.get("200", ())) > 20, "requests are served")
        server.signal(signal.SIGTERM)
        await self.check_ends(server)
        end = time.monotonic()
        await in_time(asyncio.gather(*tasks), 10, "refused at the end")
        self.assertGreater(len(seen.get("503", ())), 20)
        self.assertLessEqual(set(seen), {"200", "503", "reset", "nothing"}, set(seen))
        # In the very last moment a connection can lie in a queue that closes.
        for kind in ("reset", "nothing"):
            for begin in seen.get(kind, ()):
                self.assertGreater(begin, end - 0.5 * SCALE, f"{kind} in the middle of the drain")


class ToggleTest(DrainCase):
    async def test_sigusr1_takes_out_of_service_and_back(self):
        server = self.begin()
        speaker, listener = await self.members("stays", 2, self.user, server)
        for _ in range(2):
            server.signal(signal.SIGUSR1)

            async def is_out():
                return not await self.is_ready(server)
            await eventually(is_out, "not ready")
            self.assertEqual(await self.refused(voice("stays"), self.user, server), 503)
            await speaker.send("still here")
            self.assertEqual(await self.next(listener), "still here")
            answer = await self.rest("GET", CHANNELS, self.user, server=server)
            self.assertEqual(answer.status, 200)
            server.signal(signal.SIGUSR1)
            await eventually(lambda: self.is_ready(server), "ready again")
            newcomer = await self.connect(voice("stays"), self.user, server)
            await newcomer.send("back")
            self.assertEqual(await self.next(listener), "back")
            self.assertEqual(await self.next(speaker), "back")
            await newcomer.close()
        self.assertEqual(server.log().count("out of service"), 2)
        self.assertEqual(server.log().count("back in service"), 2)
        await asyncio.to_thread(server.stop)

    @within(40)
    async def test_sigusr1_ends_a_drain_and_who_is_left_stays(self):
        server = self.begin("--drain-spread", "300", "--drain-timeout", "600")
        clients = await asyncio.gather(
            *(self.connect(voice("left"), self.user, server) for _ in range(12)))
        server.signal(signal.SIGTERM)
        # Each worker that has some closes its first one at once, the next one after half a minute.
        gone = await eventually(lambda: [client for client in clients if client.closed], "a close")
        self.assertEqual({client.close_code for client in gone}, {1001})
        self.assertFalse(await self.is_ready(server))
        server.signal(signal.SIGUSR1)
        await eventually(lambda: self.is_ready(server), "ready again")
        newcomer = await self.connect(voice("left"), self.user, server)
        await newcomer.send("resumed")
        left = [client for client in clients if not client.closed]
        self.assertGreaterEqual(len(left), 10)
        for client in left:
            self.assertEqual(await self.next(client), "resumed")
        await self.create_channel(self.user, server=server)
        # From here on it is as if nothing had been.
        server.signal(signal.SIGTERM)
        await asyncio.sleep(0)
        await eventually(lambda: server.log().count("draining") == 2, "the second drain")
        server.signal(signal.SIGTERM)
        await self.check_ends(server)

    async def test_a_server_out_of_service_can_be_stopped(self):
        server = self.begin()
        server.signal(signal.SIGUSR1)
        await eventually(lambda: "out of service" in server.log(), "out of service")
        (client,) = [await self.raw(server)]
        server.signal(signal.SIGTERM)
        await self.check_ends(server)
        await client.ended()


class StartTest(DrainCase):
    def catches_signals(self, server):
        with open(f"/proc/{server.pid}/status") as file:
            caught = next(line.split()[1] for line in file if line.startswith("SigCgt:"))
        return int(caught, 16) >> (signal.SIGTERM - 1) & 1

    async def test_a_signal_while_the_start_waits_for_the_database_ends_it(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            server = self.start(wait=False, db=None)
            server.kill()  # only its directory is wanted
            holder = sqlite3.connect(server.db + "2", isolation_level=None)
            holder.execute("BEGIN EXCLUSIVE")
            waiting = self.start(wait=False, db=server.db + "2")
            await eventually(lambda: self.catches_signals(waiting), "signals are caught")
            begin = time.monotonic()
            waiting.signal(number)
            await self.check_ends(waiting)
            self.assertLess(time.monotonic() - begin, 2 * SCALE)
            self.assertNotIn("listening", waiting.stdout)
            holder.close()


if __name__ == "__main__":
    unittest.main()
