#!/usr/bin/python3
"""What /metrics shows: Prometheus' own tool finds nothing to complain about, and what clients do
moves every number."""

import asyncio
import json
import os
import re
import subprocess
import time
import unittest

import aiohttp

from harness import (CHANNELS, NOTIFICATIONS, SCALE, SIGNALING, Case, User, WriteLock, eventually,
                     voice, within)

DASHBOARD = os.path.join(os.path.dirname(__file__), "../../server/grafana/voicechan.json")
SAMPLE = re.compile(r"^([a-z_]+)(\{.*\})? (\S+)$")
TYPE = re.compile(r"^# TYPE (\S+) (\S+)$")
# These say how the server was made and started.
CONSTANT = {"voicechan_build_info", "voicechan_max_held_bytes", "process_start_time_seconds",
            "process_max_fds"}


def parse(text):
    """Samples by name with labels, as {'x_total{a="b"}': 1.0}; types by name."""
    samples, types = {}, {}
    for line in text.splitlines():
        if match := TYPE.match(line):
            types[match[1]] = match[2]
        elif not line.startswith("#"):
            match = SAMPLE.match(line)
            assert match, line
            samples[match[1] + (match[2] or "")] = float(match[3])
    return samples, types


class MetricsCase(Case):
    async def get(self, path="/metrics", method="GET", **arguments):
        async with aiohttp.ClientSession() as session:
            async with session.request(method, self.server.admin(path), **arguments) as response:
                return response, await response.text()

    async def scrape(self):
        response, text = await self.get()
        self.assertEqual(response.status, 200, text)
        self.assertEqual(response.headers["Content-Type"],
                         "text/plain; version=0.0.4; charset=utf-8")
        self.text = text
        return parse(text)[0]

    async def value(self, sample):
        return (await self.scrape()).get(sample, 0)

    async def shows(self, sample, value):
        async def does():
            return await self.value(sample) == value
        await eventually(does, f"{sample} is {value}")


class MetricsTest(MetricsCase):
    def setUp(self):
        self.server = self.start("--workers", "2", "--admin-listen", "127.0.0.1:0",
                                 "--max-connections-per-address", "20",
                                 "--max-queued-media-bytes", "100000", "--write-timeout", "60",
                                 "--max-media-age", "60", "--pacing-window", "0")
        self.alice, self.bob = map(self.server.add_user, ("alice", "bob"))

    @within(60)
    async def test_clients_move_every_number(self):
        before = await self.scrape()
        # It is alone with the sampler of latencies, which follows one message at a time.
        await self.overfill_a_slow_listener()
        await self.create_channel(self.alice)
        self.assertEqual((await self.rest("GET", CHANNELS, User(0, "", "wrong"))).status, 401)
        await self.resume_a_session()
        leaver = await self.connect(voice("room"), self.bob)
        await leaver.close(1000)
        # One message in 64 is timed, for a listener on the speaker's worker: of three members two are
        # on the same one.
        members = await self.members("room", 3, self.alice)
        for _ in range(70):
            for member in members:
                await member.send(b"audio")
                for other in members:
                    if other is not member:
                        await self.next(other)
        await self.connect(NOTIFICATIONS, self.bob)
        with WriteLock(self.server.db):
            answer = await self.rest("POST", CHANNELS, self.alice, json={"name": "locked"})
            self.assertEqual(answer.status, 503)
        await self.exceed_the_connections()
        # What a worker counts on every delivery's way is to be seen a moment later.
        names = set(parse(self.text)[1]) - CONSTANT

        async def have_moved():
            after = await self.scrape()
            self.still = names - {"voicechan_held_bytes"} - {  # the kernel may have all by now
                name for name in names
                if any(after[key] != before.get(key, 0) for key in after
                       if re.split(r"_(?:bucket|count|sum)\{|\{|$", key)[0] == name)}
            return not self.still
        try:
            await eventually(have_moved, "all have moved")
        except AssertionError:
            self.fail(f"nothing moves {self.still}")
        for name in CONSTANT:
            self.assertRegex(self.text, rf"(?m)^{name}(\{{.*\}})? [1-9]")

    async def overfill_a_slow_listener(self):
        """Moves the number of dropped frames and that of bytes that wait."""
        deaf = await self.raw_websocket(voice("deaf"), self.bob, receive_buffer=4096, limit=4096)
        deaf.pause()
        speaker = await self.connect(voice("deaf"), self.alice)
        dropped = 'voicechan_dropped_frames_total{reason="overflow"}'

        async def speak():
            for _ in range(20):
                await speaker.send(b"x" * 30000)

        while not await self.value(dropped):
            await speak()

        async def is_held():
            await speak()  # the kernel may have taken what waited
            return await self.value("voicechan_held_bytes") > 30000
        await eventually(is_held, "what waits is counted")

    async def resume_a_session(self):
        peer = await self.connect(SIGNALING, self.alice)
        await peer.send(json.dumps({"type": "join", "room": "team", "resume": True}))
        joined = await self.next_json(peer)
        peer.transport.abort()
        again = await self.connect(SIGNALING, self.alice)
        await again.send(json.dumps({"type": "resume", "key": joined["resume"]["key"],
                                     "seq": joined["resume"]["seq"]}))
        self.assertEqual((await self.next_json(again))["type"], "resumed")

    async def exceed_the_connections(self):
        for _ in range(21):
            await self.raw()
        await eventually(lambda: self.value(
            'voicechan_connections_refused_total{reason="address_full"}'), "refusals are counted")

    async def test_numbers_are_those_of_what_happened(self):
        members = await self.members("room", 3, self.alice)
        await self.connect(NOTIFICATIONS, self.bob)
        for _ in range(10):
            await members[0].send(b"12345678")
            await asyncio.gather(self.next(members[1]), self.next(members[2]))
        await self.shows("voicechan_deliveries_total", 20)
        await self.shows('voicechan_messages_received_total{protocol="voice",type="binary"}', 10)
        await self.shows('voicechan_connections{protocol="voice"}', 3)
        await self.shows('voicechan_connections{protocol="notifications"}', 1)
        await self.shows('voicechan_rooms{kind="voice"}', 1)
        await self.shows('voicechan_room_members{kind="voice"}', 3)
        for member, code in zip(members, (1000, 4000, 1001)):
            await member.close(code)
        await self.shows('voicechan_connections{protocol="voice"}', 0)
        await self.shows('voicechan_rooms{kind="voice"}', 0)
        await self.shows('voicechan_room_members{kind="voice"}', 0)
        for code in "1000", "1001", "other":
            await self.shows(f'voicechan_websocket_closes_total{{code="{code}"}}', 1)
        connection = await self.raw_websocket(voice("room"), self.alice)
        connection.abort()
        await self.shows('voicechan_websocket_closes_total{code="1006"}', 1)

    async def test_latency_is_that_of_the_relay(self):
        for protocols in (), ("voicechan.v1",):
            with self.subTest(protocols=protocols):
                name = "voicechan_delivery_latency_seconds"

                async def measured(kind):
                    return sum(value for key, value in (await self.scrape()).items()
                               if key.startswith(f"{name}_{kind}"))
                count, total = await measured("count"), await measured("sum")
                members = [await self.connect(voice("room"), self.alice, subprotocols=protocols)
                           for _ in range(4)]
                for _ in range(100):
                    for member in members:
                        await member.send(b"audio")
                await eventually(lambda: self.has_more(measured, count), "some have been timed")
                more = await measured("count") - count
                self.assertLess((await measured("sum") - total) / more, 0.5 * SCALE)
                for member in members:
                    await member.close()

    async def has_more(self, measured, count):
        return await measured("count") > count

    async def test_promtool_has_nothing_to_say(self):
        await self.connect(voice("room"), self.alice)
        await self.scrape()
        checked = subprocess.run(["promtool", "check", "metrics"], input=self.text, text=True,
                                 capture_output=True)
        self.assertEqual((checked.returncode, checked.stdout + checked.stderr), (0, ""))

    async def test_the_dashboard_asks_for_what_there_is(self):
        with open(DASHBOARD, encoding="utf-8") as file:
            board = json.load(file)
        asked = [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]
        asked += [annotation["expr"] for annotation in board["annotations"]["list"]]
        self.assertGreater(len(asked), 20)
        await self.connect(voice("room"), self.alice)
        await self.scrape()
        self.assertEqual(set(re.findall(r"\b(?:voicechan|process)_\w+", " ".join(asked)))
                         - set(re.findall(r"(?m)^\w+", self.text)), set())
        # promtool knows PromQL, but nothing of Grafana's variables.
        rules = "\n".join(["groups:", "- name: dashboard", "  rules:"] + [
            f"  - record: panel_{i}\n    expr: {json.dumps(query.replace('$__rate_interval', '1m'))}"
            for i, query in enumerate(asked)])
        checked = subprocess.run(["promtool", "check", "rules", "/dev/stdin"], input=rules,
                                 text=True, capture_output=True)
        self.assertEqual((checked.returncode, checked.stderr), (0, ""), checked.stdout)

    async def test_a_scrape_is_quick(self):
        times = []
        for _ in range(20):
            began = time.monotonic()
            await self.get()
            times.append(time.monotonic() - began)
        self.assertLess(min(times), 0.02 * SCALE)

    async def test_clients_do_not_see_it(self):
        self.assertEqual((await self.rest("GET", "/metrics", self.alice)).status, 404)

    async def test_operators_do_not_see_what_is_for_clients(self):
        for path in CHANNELS, SIGNALING, voice("room"), "/":
            response, _ = await self.get(path, headers=self.alice.headers)
            self.assertEqual(response.status, 404, path)

    async def test_it_is_served_when_clients_are_too_many(self):
        for _ in range(25):
            await self.raw()
        await self.scrape()

    async def test_it_can_only_be_read(self):
        response, _ = await self.get(method="POST")
        self.assertEqual((response.status, response.headers["Allow"]), (405, "GET, HEAD, OPTIONS"))
        response, text = await self.get(method="HEAD")
        self.assertEqual((response.status, text), (200, ""))


class NoMoreThanWasTest(MetricsCase):
    def setUp(self):
        self.server = self.start("--workers", "1", "--admin-listen", "127.0.0.1:0")

    async def test_each_descriptor_is_counted_once(self):
        await self.scrape()
        counted = await self.value("process_open_fds")
        # The connection of this scrape is gone by the time we look.
        self.assertLessEqual(counted, len(os.listdir(f"/proc/{self.server.pid}/fd")) + 1)

    async def test_responses_without_news_are_shown(self):
        await self.shows('voicechan_http_responses_total{code="3xx"}', 0)
        self.assertIn('voicechan_http_responses_total{code="3xx"} 0', self.text)


class RefusalsTest(MetricsCase):
    """Whoever is refused for a limit is counted as that, wherever it is found out."""

    def serve(self, *options):
        self.server = self.start("--workers", "1", "--admin-listen", "127.0.0.1:0", *options)
        self.alice = self.server.add_user("alice")

    async def ask(self, path="/readyz", header=b"", fields=""):
        """A connection that has asked for something, and the answer."""
        client = await self.raw()
        await client.send(header + f"GET {path} HTTP/1.1\r\nHost: x\r\n{fields}\r\n".encode())
        return client, await client.response()

    async def refused(self, reason):
        return await self.value(f'voicechan_connections_refused_total{{reason="{reason}"}}')

    async def test_a_full_server_refuses_who_is_no_probe(self):
        self.serve("--max-connections", "2")
        await self.members("room", 2, self.alice)
        for _ in range(5):
            client, answer = await self.ask(CHANNELS)
            self.assertEqual(answer.status, 503)
            await client.close()
        self.assertEqual(await self.refused("full"), 5)
        self.assertEqual((await self.ask())[1].status, 200)
        self.assertEqual(await self.refused("full"), 5)
        self.assertEqual(await self.value("voicechan_connections_accepted_total"), 2)

    async def test_an_address_behind_an_http_proxy(self):
        self.serve("--trusted-proxy", "127.0.0.1", "--max-connections-per-address", "1")
        client = "X-Forwarded-For: 192.0.2.1\r\n"
        self.assertEqual((await self.ask(fields=client))[1].status, 200)
        self.assertEqual((await self.ask(fields=client))[1].status, 429)
        self.assertEqual(await self.refused("address_full"), 1)

    async def test_an_address_behind_a_proxy_of_connections(self):
        self.serve("--trusted-proxy", "127.0.0.1", "--proxy-protocol",
                   "--max-connections-per-address", "1")
        header = b"PROXY TCP4 192.0.2.1 127.0.0.1 1 2\r\n"
        self.assertEqual((await self.ask(header=header))[1].status, 200)
        client = await self.raw()
        await client.send(header)
        self.assertEqual(await client.ended(5), b"")
        self.assertEqual(await self.refused("address_full"), 1)


if __name__ == "__main__":
    unittest.main()
