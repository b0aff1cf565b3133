#!/usr/bin/python3
"""The load generator: finds a good relay good, and each fault of a bad one."""

import asyncio
import collections
import contextlib
import json
import os
import signal
import unittest

import websockets

from harness import HERE, SCALE, Case, LiveCase, eventually, in_time, voice

LOAD = os.path.abspath(
    os.environ.get("VOICECHAN_LOAD")
    or os.path.join(HERE, "..", "..", "build", "bench", "load", "voicechan-load"))

Result = collections.namedtuple("Result", "status report error")

NO_FAULTS = {"lost": 0, "duplicated": 0, "reordered": 0, "echoed": 0, "foreign": 0,
             "corrupted": 0, "closed": 0}


class LoadCase:
    async def begin(self, *arguments, prefix=()):
        process = await asyncio.create_subprocess_exec(
            *prefix, LOAD, *map(str, arguments), stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)

        def kill():
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        self.addCleanup(kill)
        return process

    async def end(self, process, seconds=15):
        out, error = await in_time(process.communicate(), seconds, "the load's end")
        text = out.decode()
        report = json.loads(text) if text.startswith("{") else text
        return Result(process.returncode, report, error.decode())

    async def load(self, *arguments, seconds=15):
        return await self.end(await self.begin(*arguments), seconds)

    def at(self, server, user):
        return ("--connect", f"{server.host}:{server.port}", "--key", user.key, "--json")

    def relay(self, *arguments):
        return ("relay", *self.at(self.server, self.alice), "--warmup", 0.1, *arguments)


class GoodRelayTest(LoadCase, LiveCase):
    async def test_all_deliveries_at_a_rate_are_right(self):
        result = await self.load(*self.relay(
            "--rooms", 3, "--members", 5, "--speakers", 2, "--rate", 50, "--duration", 0.6,
            "--pid", self.server.pid))
        self.assertEqual(result.status, 0, result)
        self.assertEqual(result.report["faults"], NO_FAULTS)
        self.assertAlmostEqual(result.report["deliveries"], 3 * 2 * 4 * 30, delta=240)
        latency = result.report["latency_us"]
        self.assertLess(0, latency["p50"])
        self.assertLessEqual(latency["p50"], latency["p99.9"])
        self.assertLessEqual(latency["p99.9"], latency["max"])
        self.assertGreater(result.report["server"]["rss_kib_end"], 1000)
        self.assertIn("sent_late_p99_us", result.report["generator"])

    async def test_all_deliveries_with_a_window_are_right(self):
        result = await self.load(*self.relay(
            "--rooms", 2, "--members", 4, "--speakers", 4, "--window", 8, "--duration", 0.5,
            "--text", "--frame-bytes", 1001))
        self.assertEqual(result.status, 0, result)
        self.assertEqual(result.report["faults"], NO_FAULTS)
        self.assertGreater(result.report["deliveries"], 1000 / SCALE)

    async def test_in_phase_and_spread_send_the_same_number_of_frames(self):
        load = self.relay("--members", 3, "--speakers", 3, "--rate", 20, "--duration", 0.5)
        for result in await asyncio.gather(
                self.load(*load), self.load(*load, "--in-phase", "--room-prefix", "other-")):
            self.assertEqual(result.status, 0, result)
            self.assertAlmostEqual(result.report["deliveries"], 3 * 2 * 10, delta=12)

    async def test_text_report_names_what_was_measured(self):
        result = await self.load(*(a for a in self.relay("--duration", 0.2) if a != "--json"))
        self.assertEqual(result.status, 0, result)
        self.assertRegex(result.report, r"(?m)^deliveries per s +\d")
        self.assertRegex(result.report, r"(?m)^  lost +0$")

    async def test_interrupt_ends_early_with_a_report(self):
        listener = await self.connect(voice("cut-short-0"), self.bob)  # that is no fault either
        process = await self.begin("relay", *self.at(self.server, self.alice), "--room-prefix",
                                   "cut-short-", "--warmup", 0, "--duration", 60)
        for _ in range(10):
            await self.next(listener)
        process.send_signal(signal.SIGINT)
        result = await self.end(process)
        self.assertEqual(result.status, 130, result)
        self.assertGreater(result.report["deliveries"], 0)
        self.assertLess(result.report["seconds"], 30)

    async def test_interrupt_while_connecting_ends_with_130(self):
        before = self.server.file_descriptors()
        process = await self.begin(*self.relay("--members", 1000, "--connect-rate", 10))
        await eventually(lambda: self.server.file_descriptors() > before, "connections")
        process.send_signal(signal.SIGTERM)
        self.assertEqual((await self.end(process)).status, 130)

    async def test_slow_reader_that_is_closed_is_no_fault(self):
        server = self.start("--workers", "1", "--max-queued-control-bytes", "200000")
        user = server.add_user("dave")
        for slow_rate in (0, 20000):
            result = await self.load(
                "relay", *self.at(server, user), "--members", 4, "--window", 8, "--text",
                "--frame-bytes", 4000, "--duration", 0.3, "--warmup", 0, "--slow", 1,
                "--slow-rate", slow_rate, "--slow-rcvbuf", 4096)
            self.assertEqual(result.status, 0, result)
            self.assertEqual(result.report["faults"], NO_FAULTS)
            slow, = result.report["slow_reader"]
            self.assertEqual(slow["member"], 3)
            self.assertEqual(slow["closed"], 1, slow)
            self.assertEqual(slow["reordered"] + slow["duplicated"], 0)
            self.assertGreater(slow["received"], 0)
            self.assertIn("close_code", slow)

    async def test_listener_judges_the_frames_of_another_process(self):
        async def listen(*arguments):
            process = await self.begin(
                "listen", *self.at(self.server, self.bob), "--room", "heard-1", "--duration", 1.2,
                *arguments)
            await in_time(process.stderr.readline(), 10, "a listener")
            return process
        listeners = [await listen("--min-frames", 10), await listen("--max-age", 0.001),
                     await listen("--min-frames", 100000), await listen("--warmup", 3)]
        relay = await self.load(*self.relay(
            "--room-prefix", "heard-", "--rooms", 2, "--speakers", 2, "--duration", 0.5))
        self.assertEqual(relay.status, 0, relay)
        good, too_old, too_few, late = [await self.end(listener) for listener in listeners]
        self.assertEqual(good.status, 0, good)
        self.assertEqual(good.report["faults"], NO_FAULTS)
        self.assertEqual(good.report["speakers"], 2)
        self.assertGreater(good.report["age_us"]["max"], 0)
        self.assertEqual((too_old.status, too_few.status), (1, 1))
        self.assertEqual((late.status, late.report["received"], late.report["speakers"]), (0, 0, 2))

    async def test_idle_connections_have_a_price(self):
        result = await self.load(
            "idle", *self.at(self.server, self.alice), "--connections", 100, "--duration", 0.3,
            "--settle", 0.2, "--burst", 3, "--burst-bytes", 100000, "--pid", self.server.pid)
        self.assertEqual(result.status, 0, result)
        self.assertEqual((result.report["closed"], result.report["burst_lost"]), (0, 0))
        self.assertGreater(result.report["rss_kib_connected"], 1000)
        self.assertIn("rss_bytes_per_connection", result.report)

    async def test_pairs_of_peers_make_round_trips(self):
        result = await self.load(
            "signaling", *self.at(self.server, self.alice), "--pairs", 3, "--window", 2, "--rate",
            100, "--message-bytes", 2000, "--duration", 0.5, "--warmup", 0.1)
        self.assertEqual(result.status, 0, result)
        self.assertEqual(result.report["error_replies"], {})
        self.assertAlmostEqual(result.report["round_trips"], 150, delta=50)

    async def test_error_replies_are_counted_by_code(self):
        server = self.start("--signaling-rate", "10", "--signaling-burst", "10")
        result = await self.load(
            "signaling", *self.at(server, server.add_user("dave")), "--rate", 200, "--duration",
            0.3, "--warmup", 0)
        self.assertEqual(result.status, 1, result)
        self.assertGreater(result.report["error_replies"]["rate_limited"], 0)
        self.assertEqual(result.report["faults"]["lost"],
                         result.report["error_replies"]["rate_limited"])

    async def test_refused_connections_are_named(self):
        result = await self.load("relay", "--connect", f"{self.server.host}:{self.server.port}")
        self.assertEqual(result.status, 3, result)
        self.assertIn("401", result.error)
        result = await self.load("idle", "--connect", "127.0.0.1:1", "--connections", 3)
        self.assertEqual(result.status, 3, result)

    async def test_wrong_usage_is_refused(self):
        for arguments in ([], ["dance"], ["relay"], ["relay", "--connect", "nowhere"],
                          ["--frame-bytes", 31], ["--members", 1], ["--speakers", 3],
                          ["--window", 2, "--rate", 2], ["--rate", "nan"], ["--slow", 2],
                          ["--pid", 1 << 29], ["--source-addresses", "home"], ["--path", "ws"]):
            if arguments and arguments[0].startswith("--"):
                arguments = ["relay", "--connect", "127.0.0.1:1", *arguments]
            result = await self.load(*arguments)
            self.assertEqual(result.status, 2, arguments)
            self.assertIn("--help", result.error)


class BadRelay:
    """A relay of our own that does one thing wrong with the fifth message of each room, or with
    every message, as far as its first other member is concerned."""

    def __init__(self, fault):
        self.fault = fault
        self.rooms = collections.defaultdict(list)
        self.counts = collections.Counter()
        self.held = {}

    async def serve(self, client):
        room = self.rooms[client.path]
        room.append(client)
        try:
            async for message in client:
                self.counts[client.path] += 1
                is_bad = self.counts[client.path] == 5
                victim = next(member for member in room if member is not client)
                for member in room:
                    if member is not client and not (is_bad and member is victim):
                        await member.send(self.cut(message))
                if is_bad:
                    await self.misbehave(client, victim, message)
                elif client.path in self.held:
                    await victim.send(self.held.pop(client.path))
        except websockets.ConnectionClosed:
            pass
        finally:
            room.remove(client)

    def cut(self, message):
        """In fragments, which is no fault."""
        return [message[:7], message[7:100], message[100:]] if self.fault == "cut" else message

    async def misbehave(self, speaker, victim, message):
        if self.fault == "drop":
            return
        if self.fault == "reorder":
            self.held[speaker.path] = message
            return
        if self.fault == "corrupt":
            message = message[:40] + bytes([message[40] ^ 1]) + message[41:]
        elif self.fault == "kind":
            message = message.decode()
        elif self.fault == "close":
            await victim.close(1011, "no more")
            return
        await victim.send(message)
        if self.fault == "duplicate":
            await victim.send(message)
        elif self.fault == "echo":
            await speaker.send(message)
        elif self.fault == "stray":
            for path, room in self.rooms.items():
                if path != speaker.path:
                    await room[0].send(message)


class BadSignaling:
    """A signaling server of our own that does one thing wrong with the fifth message."""

    def __init__(self, fault):
        self.fault = fault
        self.peers = {}
        self.count = 0

    async def serve(self, client):
        name = f"peer {len(self.peers)}"
        self.peers[name] = client
        with contextlib.suppress(websockets.ConnectionClosed):
            async for text in client:
                message = json.loads(text)
                if message["type"] == "join":
                    await client.send(json.dumps({"type": "joined", "id": name}))
                else:
                    await self.forward({**message, "from": name}, self.peers[message["to"]])

    async def forward(self, message, peer):
        self.count += 1
        if self.count == 5:
            if self.fault == "drop":
                return
            if self.fault == "from":
                message["from"] = "somebody"
            elif self.fault == "number":
                message["n"] += 1000
            elif self.fault == "content":
                message["pad"] = message["pad"][1:]
            elif self.fault == "duplicate":
                await peer.send(json.dumps(message))
        await peer.send(json.dumps(message))


class BadRelayTest(LoadCase, Case):
    @contextlib.asynccontextmanager
    async def serving(self, handler):
        async with websockets.serve(handler, "127.0.0.1", 0, compression=None, ping_interval=0.1,
                                    ping_timeout=2 * SCALE) as server:
            yield ("--connect", f"127.0.0.1:{server.sockets[0].getsockname()[1]}", "--json")

    def relay(self, at, *arguments):
        return self.load("relay", *at, "--warmup", 0, "--duration", 0.2, "--drain", 0.3, *arguments)

    async def relay_over(self, fault, *arguments):
        async with self.serving(BadRelay(fault).serve) as at:
            return await self.relay(at, "--rooms", 2, "--members", 3, *arguments)

    async def check_found(self, fault, **faults):
        result = await self.relay_over(fault)
        self.assertEqual(result.status, 1, result)
        self.assertEqual(result.report["faults"], {**NO_FAULTS, **faults})
        return result

    async def test_no_fault_is_found_where_there_is_none(self):
        result = await self.relay_over("none")
        self.assertEqual((result.status, result.report["faults"]), (0, NO_FAULTS))

    async def test_fragmented_messages_are_right(self):
        result = await self.relay_over("cut")
        self.assertEqual((result.status, result.report["faults"]), (0, NO_FAULTS))
        self.assertGreater(result.report["deliveries"], 10)

    async def test_pings_are_answered(self):
        async def serve(client):
            ponged = await client.ping(b"are you there?")
            await in_time(ponged, 5, "a pong")
            answers.append(client.path)
            await client.wait_closed()
        answers = []
        async with self.serving(serve) as at:
            result = await self.load("idle", *at, "--connections", 3, "--path", "/only/{room}",
                                     "--settle", 0, "--duration", 0.3)
        self.assertEqual(result.status, 0, result)
        self.assertEqual(sorted(answers), ["/only/idle-0", "/only/idle-0", "/only/idle-1"])

    async def test_dropped_frame_is_found(self):
        await self.check_found("drop", lost=2)

    async def test_dropped_frame_is_found_with_a_window(self):
        result = await self.relay_over("drop", "--window", 3)
        self.assertEqual(result.status, 1, result)
        self.assertEqual(result.report["faults"]["lost"], 2)

    async def test_doubled_frame_is_found(self):
        await self.check_found("duplicate", duplicated=2)

    async def test_frame_out_of_order_is_found(self):
        await self.check_found("reorder", reordered=2)

    async def test_echo_is_found(self):
        await self.check_found("echo", echoed=2)

    async def test_corrupted_frame_is_found(self):
        await self.check_found("corrupt", corrupted=2, lost=2)

    async def test_changed_kind_of_frame_is_found(self):
        await self.check_found("kind", corrupted=2, lost=2)

    async def test_frame_in_another_room_is_found(self):
        await self.check_found("stray", foreign=2)

    async def test_closed_connection_is_found(self):
        result = await self.check_found("close", closed=2)
        self.assertEqual(result.report["first_close_code"], 1011)
        self.assertEqual(result.report["first_close_reason"], "no more")

    async def test_slow_reader_may_lose_frames_but_not_get_them_out_of_order(self):
        async def check(fault, count, status):
            async with self.serving(BadRelay(fault).serve) as at:
                result = await self.relay(at, "--slow", 1, "--slow-rate", 1000000)
            self.assertEqual(result.status, status, result)
            self.assertEqual(result.report["faults"], NO_FAULTS)
            self.assertEqual(result.report["slow_reader"][0][count], 1)
        await asyncio.gather(check("drop", "lost", 0), check("reorder", "reordered", 1))

    async def test_listener_may_lose_frames_but_not_get_them_out_of_order(self):
        async def check(fault, count, status):
            async with self.serving(BadRelay(fault).serve) as at:
                listener = await self.begin("listen", *at, "--duration", 0.8)
                await in_time(listener.stderr.readline(), 10, "a listener")
                await self.relay(at)
                result = await self.end(listener)
            self.assertEqual(result.status, status, result)
            self.assertEqual(result.report["faults"], {**NO_FAULTS, count: 1})
        await asyncio.gather(check("drop", "lost", 0), check("reorder", "reordered", 1))

    async def test_faults_of_a_signaling_server_are_found(self):
        async def check(fault, **faults):
            async with self.serving(BadSignaling(fault).serve) as at:
                result = await self.load("signaling", *at, "--rate", 50, "--window", 20, "--warmup",
                                         0, "--duration", 0.3)
            self.assertEqual((result.status, result.report["faults"]),
                             (1 if faults else 0, {**NO_FAULTS, **faults}), fault)
        await asyncio.gather(
            check("none"), check("drop", lost=1), check("duplicate", duplicated=1),
            check("from", foreign=1, lost=1), check("number", corrupted=1, lost=1),
            check("content", corrupted=1, lost=1))


if __name__ == "__main__":
    unittest.main()
