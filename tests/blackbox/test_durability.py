#!/usr/bin/python3
"""What was acknowledged is there after a kill -9.

Environment: VOICECHAN_TEST_KILLS is how many times the server is killed (20); 200 take some five
minutes.
"""

import asyncio
import contextlib
import json
import os
import random
import shutil
import sqlite3
import tempfile
import threading
import unittest

import aiohttp

from harness import CHANNELS, INVITE, NOTIFICATIONS, Case, in_time, integrity_of, within

ROUNDS = int(os.environ.get("VOICECHAN_TEST_KILLS", "20"))
WRITERS = 8


class DurabilityCase(Case):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="voicechan-test-")
        self.addCleanup(shutil.rmtree, self.directory)
        self.db = os.path.join(self.directory, "voicechan.sqlite3")

    def serve(self, workers=2):
        return self.start("--workers", str(workers), db=self.db)

    def stored_invitations(self):
        """No resource of the contract lists invitations, so the file is asked."""
        with contextlib.closing(sqlite3.connect(self.db, timeout=10)) as connection:
            (table,), = connection.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE '%invit%'")
            return {row[0] for row in connection.execute(f"SELECT id FROM {table}")}


class KillTest(DurabilityCase):
    async def write(self, server, alice, bob, channels, invitations):
        """Creates and invites until the server is gone; records what was acknowledged."""
        async with aiohttp.ClientSession(headers=alice.headers) as session:
            with contextlib.suppress(aiohttp.ClientError, ConnectionError):
                for i in range(100000):
                    name = f"{os.getpid()} {id(session)} {i}"
                    async with session.post(server.http(CHANNELS), json={"name": name}) as answer:
                        body = await answer.read()
                        self.assertEqual(answer.status, 201, body)
                        channel = json.loads(body)
                        self.assertNotIn(channel["id"], channels, "an id was given twice")
                        channels[channel["id"]] = channel
                    fields = {"voice_channel": channel["id"], "addressee": bob.id}
                    async with session.post(server.http(INVITE), json=fields) as answer:
                        body = await answer.read()
                        self.assertEqual(answer.status, 201, body)
                        invitation = json.loads(body)
                        self.assertNotIn(invitation["id"], invitations, "an id was given twice")
                        invitations[invitation["id"]] = invitation

    async def hear(self, device, notified):
        with contextlib.suppress(Exception):
            async for message in device:
                notified.add(json.loads(message)["id"])

    @within(30 + 6 * ROUNDS)
    async def test_everything_acknowledged_is_present_after_each_kill(self):
        seed = int(os.environ.get("VOICECHAN_TEST_SEED") or random.randrange(1 << 32))
        print(f"seed {seed}")
        chance = random.Random(seed)
        channels, invitations, notified = {}, {}, set()
        alice = bob = None
        for round_ in range(ROUNDS + 1):
            server = self.serve()
            alice = alice or server.add_user("alice")
            bob = bob or server.add_user("bob")
            answer = await self.rest("GET", CHANNELS, alice, server=server)
            listed = {channel["id"]: channel for channel in answer.json}
            self.assertEqual(len(listed), len(answer.json))
            for identifier, channel in channels.items():
                self.assertEqual(listed.get(identifier), channel, f"lost in round {round_}")
            if round_ % 2 == 1:
                self.assertEqual(integrity_of(self.db), ["ok"], f"damaged in round {round_}")
            stored = self.stored_invitations()
            self.assertLessEqual(set(invitations), stored, f"lost in round {round_}")
            self.assertLessEqual(notified, stored, "notified of what is not durable")
            if round_ == ROUNDS:
                self.assertGreater(len(channels), ROUNDS)
                server.stop()
                break

            device = await self.connect(NOTIFICATIONS, bob, server)
            hearing = asyncio.create_task(self.hear(device, notified))
            # At a moment that has nothing to do with what the clients or the server do then.
            killer = threading.Timer(chance.uniform(0.0, 0.6), server.process.kill)
            killer.start()
            await in_time(asyncio.gather(
                *(self.write(server, alice, bob, channels, invitations)
                  for _ in range(WRITERS))), 30, "the kill")
            killer.join()
            server.kill()
            await hearing
            if round_ % 2:  # in the other rounds the server itself recovers the log
                self.assertEqual(integrity_of(self.db), ["ok"])
            server.remove()
        self.assertEqual(integrity_of(self.db), ["ok"])
        self.assertTrue(notified)
        print(f"{ROUNDS} kills, {len(channels)} channels, {len(invitations)} invitations, "
              f"{len(notified)} notifications: all there")

    async def test_a_user_who_was_printed_is_present_after_a_kill(self):
        for round_ in range(5):
            server = self.serve()
            user = server.add_user(f"user{round_}")
            server.kill()
            server = self.serve()
            self.assertEqual((await self.create_channel(user, server=server))["creator"], user.id)
            server.kill()


class RestartTest(DurabilityCase):
    async def test_everything_is_the_same_after_a_restart(self):
        server = self.serve()
        alice, bob = server.add_user("alice"), server.add_user("bob")
        channels = [await self.create_channel(alice, name, server) for name in ("one", "Дві", "три 😀")]
        first = await self.invite(alice, channels[0], bob, server)
        server.stop()
        server = self.serve(workers=1)
        answer = await self.rest("GET", CHANNELS, bob, server=server)
        self.assertEqual(answer.json, channels)
        self.assertIn(first["id"], self.stored_invitations())
        device = await self.connect(NOTIFICATIONS, bob, server)
        second = await self.invite(alice, channels[1], bob, server)
        self.assertGreater(second["id"], first["id"])
        while (await self.next_json(device))["id"] != second["id"]:
            pass
        newer = await self.create_channel(alice, "four", server)
        self.assertGreater(newer["id"], channels[-1]["id"])
        await asyncio.to_thread(server.stop)
        self.assertEqual(integrity_of(self.db), ["ok"])

    async def test_a_signaling_id_of_an_earlier_start_is_unknown(self):
        server = self.serve()
        alice = server.add_user("alice")
        old = (await self.join(alice, server)).id_
        await asyncio.to_thread(server.stop)
        server = self.serve()
        peer = await self.join(alice, server)
        self.assertNotEqual(peer.id_, old)
        await peer.send(json.dumps({"to": old}))
        self.assertEqual((await self.next_json(peer))["code"], "unknown_peer")
        await asyncio.to_thread(server.stop)


if __name__ == "__main__":
    unittest.main()
