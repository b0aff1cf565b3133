#!/usr/bin/python3
"""What all clients of a server share, disk, memory, threads and descriptors, used up by some: they
are refused, and the others go on."""

import asyncio
import contextlib
import json
import sqlite3
import unittest

from harness import (CHANNELS, INVITE, OP_TEXT, SIGNALING, Case, eventually, frame, voice,
                     within)

MIB = 1 << 20
OTHER_ADDRESS = "127.0.0.2"


class SharedLimitCase(Case):
    seconds = 60

    def start_with(self, *options):
        self.server = self.start(*options)
        self.alice, self.bob = self.server.add_user("alice"), self.server.add_user("bob")
        self.addCleanup(self.server.stop)

    async def status(self, method, path, user=None, **arguments):
        return (await self.rest(method, path, user, **arguments)).status


class DiskTest(SharedLimitCase):
    async def test_channels_of_a_user(self):
        self.start_with("--max-channels-per-user", "3")
        for number in range(3):
            await self.create_channel(self.alice, f"channel {number}")
        answer = await self.rest("POST", CHANNELS, self.alice, json={"name": "one more"})
        self.assertEqual(answer.status, 403, answer)
        self.assertIn("as many as a user may", answer.json["detail"])
        await self.create_channel(self.bob)
        self.assertEqual(len((await self.rest("GET", CHANNELS, self.alice)).json), 4)

    async def test_invitations_of_a_user(self):
        self.start_with("--max-invitations-per-user", "2")
        channel = (await self.create_channel(self.alice))["id"]
        body = {"voice_channel": channel, "addressee": self.bob.id}
        waiting = await self.connect("/ws/notifications/", self.bob)
        for status in (201, 201, 403):
            self.assertEqual(await self.status("POST", INVITE, self.alice, json=body), status)
        self.assertEqual(await self.status("POST", INVITE, self.bob, json=body), 201)
        inviters = [(await self.next_json(waiting))["inviter"] for _ in range(3)]
        self.assertEqual(inviters, [self.alice.id, self.alice.id, self.bob.id])

    async def test_the_database_as_a_whole(self):
        self.start_with("--max-database-bytes", str(MIB))
        speaker, listener = await self.members("room", 2, self.bob)
        statuses = []
        while 503 not in statuses and len(statuses) < 20_000:
            statuses += await asyncio.gather(*(
                self.status("POST", CHANNELS, self.alice, json={"name": "n" * 250})
                for _ in range(200)))
        self.assertEqual(set(statuses), {201, 503})
        for _ in range(100):  # what does not fit with others may fit alone
            answer = await self.rest("POST", CHANNELS, self.alice, json={"name": "n" * 250})
            if answer.status == 503:
                break
        self.assertEqual(answer.status, 503, answer)
        self.assertIn("no space", answer.json["detail"])
        page = await self.rest("GET", CHANNELS + "?limit=1", self.alice)
        self.assertEqual((page.status, len(page.json)), (200, 1))
        await speaker.send("still here")
        self.assertEqual(await self.next(listener), "still here")


class ThreadsTest(SharedLimitCase):
    def fill(self, channels):
        with contextlib.closing(sqlite3.connect(self.server.db, timeout=10)) as db, db:
            db.executemany(
                "INSERT INTO channels (name, creator, created_at) VALUES (?, 1, 0)",
                ((f"channel {number}",) for number in range(channels)))

    async def test_listings_of_everything_hold_up_nobody_else(self):
        self.start_with()
        self.fill(100_000)
        listings = [asyncio.create_task(self.status("GET", CHANNELS, self.alice))
                    for _ in range(40)]
        await asyncio.wait(listings, return_when=asyncio.FIRST_COMPLETED)
        for path in (SIGNALING, voice("room")):
            await self.connect(path, self.bob)
        self.assertEqual(await self.status("GET", CHANNELS + "1/", self.bob), 200)
        self.assertGreater(sum(not listing.done() for listing in listings), 20)
        self.assertEqual(set(await asyncio.gather(*listings)), {200})


class MemoryTest(SharedLimitCase):
    budget = 8 * MIB
    # What the allocator and the buffers of one turn take beyond what is counted.
    slack = 12 * MIB

    def start_bounded(self):
        self.start_with("--workers", "1", "--max-held-bytes", str(self.budget), "--body-timeout",
                        "50", "--message-timeout", "50", "--write-timeout", "50")
        self.before = self.server.resident_bytes()

    def check_memory(self):
        grown = self.server.resident_bytes() - self.before
        self.assertLess(grown, self.budget + self.slack)

    async def check_others(self):
        speaker, listener = await self.members("others", 2, self.bob)
        await speaker.send("hello")
        self.assertEqual(await self.next(listener), "hello")
        await self.create_channel(self.bob)

    async def test_bodies_that_do_not_end(self):
        self.start_bounded()
        head = (f"POST {CHANNELS} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n").encode()
        connections = [await self.raw() for _ in range(60)]
        for connection in connections:
            with contextlib.suppress(ConnectionError):
                await connection.send(head + b" " * 900_000)
        refused = 0
        for connection in connections:
            with contextlib.suppress(TimeoutError, ConnectionError, asyncio.IncompleteReadError):
                answer = await connection.response(seconds=0.1)
                self.assertEqual(answer.status, 503, answer)
                refused += 1
        self.assertGreater(refused, 40)
        self.check_memory()
        await self.check_others()

    async def test_messages_that_do_not_end(self):
        self.start_bounded()
        clients = [await self.raw_websocket(voice("room"), self.alice) for _ in range(60)]
        for client in clients:
            with contextlib.suppress(ConnectionError):
                await client.send(frame(OP_TEXT, b" " * 900_000, fin=False))
        closed = 0
        for client in clients:
            with contextlib.suppress(TimeoutError, ConnectionError, asyncio.IncompleteReadError):
                got = await client.frame(seconds=0.1)
                self.assertEqual((got.opcode, got.payload[:2]), (8, (1013).to_bytes(2, "big")))
                closed += 1
        self.assertGreater(closed, 40)
        self.check_memory()
        await self.check_others()

    async def test_text_for_listeners_who_do_not_read(self):
        self.start_bounded()
        silent = [await self.raw_websocket(voice("room"), self.alice, receive_buffer=4096)
                  for _ in range(40)]
        for each in silent:
            each.pause()
        speaker, listener = await self.members("room", 2, self.bob)
        for number in range(200):
            await speaker.send(f"{number} ".ljust(60_000))
            self.assertEqual(int((await self.next(listener)).split()[0]), number)
        self.check_memory()
        self.assertEqual(self.server.log().count("it reads too slowly"), 40)
        await self.check_others()

    @within(120)
    async def test_messages_to_peers_who_do_not_read(self):
        self.start_bounded()
        peers = []
        for _ in range(20):
            peer = await self.raw_websocket(SIGNALING, self.alice, receive_buffer=4096)
            await peer.send(frame(OP_TEXT, b'{"type":"join"}'))
            peers.append(json.loads(await peer.recv())["id"])
            peer.pause()
        sender, reader = await self.join(self.bob), await self.join(self.bob)
        padding, busy = "x" * 60_000, set()
        for number in range(150):
            for peer in peers:
                await sender.send(json.dumps({"to": peer, "n": number, "x": padding}))
            await sender.send(json.dumps({"to": reader.id_, "n": number}))
            self.assertEqual((await self.next_json(reader))["n"], number)
            with contextlib.suppress(asyncio.TimeoutError):
                while True:
                    error = json.loads(await asyncio.wait_for(sender.recv(), 0.001))
                    self.assertIn(error["code"], ("peer_busy", "unknown_peer"))
                    busy.add(error["to"])
            if len(busy) == len(peers):
                break
        self.assertEqual(busy, set(peers))
        self.check_memory()
        await self.check_others()


class ConnectionsTest(SharedLimitCase):
    async def test_probes_are_answered_where_no_more_connections_are_taken(self):
        self.start_with("--max-connections", "4")
        members = [await self.raw_websocket(voice("room"), self.alice) for _ in range(4)]
        for _ in range(40):  # more than may be under way at once
            for path, status in (("/livez", 200), ("/readyz", 200), (CHANNELS, 503)):
                connection = await self.raw()
                await connection.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                answer = await connection.response()
                self.assertEqual((path, answer.status), (path, status))
                self.assertEqual(answer.headers["Connection"], "close")
                await connection.close()
        await members[0].send(frame(OP_TEXT, b"hello"))
        self.assertEqual(await members[1].recv(), "hello")

    async def test_who_comes_for_no_probe_goes_soon(self):
        self.start_with("--max-connections", "1")
        await self.raw_websocket(voice("room"), self.alice)
        waiting = [await self.raw() for _ in range(20)]

        async def none_is_left():
            return all([connection.reader.at_eof() for connection in waiting])
        for connection in waiting:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await connection.reader.read()
        await eventually(none_is_left, "idle connections are cut", 4)
        self.assertEqual(await self.status("GET", "/livez"), 200)

    async def test_new_connections_of_an_address(self):
        self.start_with("--connection-rate", "2", "--connection-burst", "10")

        async def attempt(**arguments):
            connection = await self.raw(**arguments)
            with contextlib.suppress(ConnectionError):
                await connection.send(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                return (await connection.response()).status
            return 429  # lost, since it was given before the request came
        statuses = [await attempt() for _ in range(30)]
        self.assertEqual(statuses[:10], [200] * 10)
        self.assertGreater(statuses.count(429), 10)
        self.assertEqual(await attempt(source=OTHER_ADDRESS), 200)

        async def works():
            return await attempt() == 200
        await eventually(works, "there is a connection again", 5)


if __name__ == "__main__":
    unittest.main()
