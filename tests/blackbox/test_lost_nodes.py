#!/usr/bin/python3
"""Of several servers one is paused, cut off, slow or killed. Environment: see redis_outage.py."""

import asyncio
import signal
import time
import unittest

import websockets

from harness import NOTIFICATIONS, SCALE, eventually, in_time, within
from redis_outage import JUDGED, LEASE, LONG, SEEN, Outage
from remote_machine import RemoteMachine
from test_redis_bus import BUS

class NodeTest(Outage):
    """What becomes of the members of a server that is lost for a while."""

    async def people(self):
        """A member and a peer on each server; each knows the other."""
        here, there = await self.member("room", self.alice, self.a), await self.member(
            "room", self.bob, self.b)
        caller = await self.peer("team", self.alice, self.a)
        callee = await self.peer("team", self.bob, self.b)
        everybody = (here, there, caller, callee)
        await eventually(lambda: all(len(one.present) == 2 for one in everybody), "they meet")
        return everybody

    async def check_rosters(self, everybody, rooms=(("room", 2), ("team", 2))):
        """All agree, nobody is there twice and there is no ghost, whomever one asks."""
        await eventually(lambda: all(len(one.present) == 2 for one in everybody), "they meet", 10)
        await asyncio.sleep(2.5)  # two renewals of leases: nothing of it changes any more
        for one in everybody:
            self.assertEqual((len(one.present), one.wrong), (2, []))
        self.check_parts(*everybody[2:])
        for server in (self.a, self.b):
            newcomer = await self.member("room", self.alice, server)
            await eventually(lambda: len(newcomer.present) == 3, "a newcomer sees all", 5)
            await newcomer.socket.close()
            peer = await self.peer("team", self.alice, server)
            self.assertEqual(len(peer.present), 3)
            await peer.socket.close()
        await eventually(lambda: all(len(one.present) == 2 for one in everybody), "they left", 5)

    @within(90)
    async def test_a_server_that_was_paused_comes_back_once(self):
        here, there, caller, callee = await self.people()
        await asyncio.sleep(SEEN)
        self.b.signal(signal.SIGSTOP)
        self.addCleanup(self.b.signal, signal.SIGCONT)
        began = time.monotonic()
        status, took = await self.send_to(caller, callee.id_, "1")
        self.assertEqual(status, "unknown")
        self.assertLess(took, 2.3 * SCALE)
        await eventually(lambda: len(here.present) == len(caller.present) == 1, "they are gone", 10)
        self.assertLess(time.monotonic() - began, 8.3 * SCALE)
        await asyncio.sleep(max(0, began + 10 - time.monotonic()))
        self.b.signal(signal.SIGCONT)
        await self.check_rosters((here, there, caller, callee))
        # By his id he is who he was.
        self.assertEqual((caller.came[callee.id_], caller.went[callee.id_]), (2, 1))
        self.assertEqual((sum(here.came.values()), sum(here.went.values())), (5, 3),
                         "himself, the other twice, and two newcomers")
        status, _ = await self.send_to(caller, callee.id_, "2")
        self.assertEqual(status, "delivered")
        await self.are_one_audio(here, there)
        self.assertEqual(self.b.log().count("announces its members again"), 1)

    async def are_one_audio(self, here, there):
        async def is_heard():
            await here.socket.send(b"audio")
            await asyncio.sleep(0.05)
            return b"audio" in there.heard
        await eventually(is_heard, "audio comes across")

    @within(60)
    async def test_a_server_that_dies_while_the_store_is_away_is_given_up_after_its_return(self):
        here, _, caller, callee = await self.people()
        await asyncio.sleep(SEEN)
        self.store.kill()
        self.b.kill()
        status, took = await self.send_to(caller, callee.id_, "1")
        self.assertEqual(status, "unknown")
        self.assertLess(took, 0.5 * SCALE)
        await asyncio.sleep(LEASE + 2)
        self.store.start()
        await eventually(lambda: len(here.present) == len(caller.present) == 1, "it is given up",
                         JUDGED)
        self.assertEqual((caller.went, sum(here.went.values())), ({callee.id_: 1}, 1))

    @within(90)
    async def test_a_server_without_power_is_gone_within_8_seconds(self):
        machine = RemoteMachine()
        self.addCleanup(machine.close)
        near = ("--bind", "127.0.0.1", machine.address, "--protected-mode", "no")
        self.store = self.start_redis(*near)
        self.buses = [self.start_redis(*BUS, *near) for _ in range(2)]
        for redis in (self.store, *self.buses):
            redis.url = f"redis://{machine.address}:{redis.port}"
        self.a = self.serve_joined()
        self.alice, self.bob = self.a.add_user("alice"), self.a.add_user("bob")
        buses = [word for bus in self.buses for word in ("--redis-bus", bus.url)]
        self.b = self.start("--workers", "2", *buses, store=("--redis-store", self.store.url),
                            listen=f"{machine.far_address}:0",
                            prefix=("ip", "netns", "exec", machine.name))
        here, there, caller, callee = await self.people()
        await asyncio.sleep(SEEN)
        machine.cut()
        began = time.monotonic()
        status, took = await self.send_to(caller, callee.id_, "1")
        self.assertEqual(status, "unknown")
        self.assertLess(took, 2.2 * SCALE)
        await eventually(lambda: len(here.present) == len(caller.present) == 1, "they are gone", 10)
        self.assertLess(time.monotonic() - began, 8.3 * SCALE)
        self.assertEqual((caller.went, sum(here.went.values())), ({callee.id_: 1}, 1))
        # It was the link: its server and its clients are there still, and all meet again.
        machine.mend()
        await eventually(lambda: len(here.present) == len(caller.present) == 2, "they are back", 20)
        await self.check_rosters((here, there, caller, callee))

    @within(90)
    async def test_one_that_does_not_keep_up_holds_nobody_up(self):
        """Its subscription is ended by Redis; the others hear on time."""
        speaker = await self.member("room", self.alice, self.a)
        stuck = await self.member("room", self.bob, self.b)
        c = self.serve_joined()
        listener = await self.member("room", self.bob, c)
        peers = [await self.peer("team", self.alice, server) for server in (self.a, self.b, c)]
        await eventually(lambda: all(len(one.present) == 3 for one in (speaker, stuck, listener)),
                         "they meet")
        ages = []
        size, period = 16384, 0.005

        async def speak(seconds):
            """Frames with the time in them; gives how old each was when it was heard."""
            listener.heard.clear()
            seen = 0
            until = time.monotonic() + seconds
            ages.clear()
            while time.monotonic() < until:
                await speaker.socket.send(
                    str(time.monotonic()).encode().ljust(24) + bytes(size - 24))
                await asyncio.sleep(period)
                for heard in listener.heard[seen:]:
                    ages.append(time.monotonic() - float(heard[:24]))
                seen = len(listener.heard)
            self.assertGreater(len(ages), 20)
            return sorted(ages)[len(ages) * 99 // 100]

        def subscribers():
            return sum(bus.ask("CLIENT LIST TYPE pubsub").count(b"id=") for bus in self.buses)
        before, all_ = await speak(2), subscribers()
        self.b.signal(signal.SIGSTOP)
        self.addCleanup(self.b.signal, signal.SIGCONT)
        during = await speak(12 if LONG else 8)
        self.assertLess(subscribers(), all_, "Redis has closed who does not read")
        self.assertLess(during, max(4 * before, 0.05) * SCALE, "the others' p99")
        stuck.heard.clear()
        goes_on = time.monotonic()
        self.b.signal(signal.SIGCONT)
        await asyncio.sleep(1)
        old = [goes_on - float(heard[:24]) for heard in stuck.heard]
        self.assertLess(max(old, default=0), 0.3 * SCALE, "old audio")

        async def is_well():
            stuck.heard.clear()
            began = time.monotonic()
            await speaker.socket.send(str(began).encode().ljust(24) + b"again")
            await asyncio.sleep(0.2)
            return any(heard[24:] == b"again" for heard in stuck.heard)
        await eventually(is_well, "it hears again", 10)
        await eventually(lambda: subscribers() == all_, "all are subscribed", 5)
        await eventually(lambda: all(len(one.present) == 3 for one in peers), "all meet", 10)
        await asyncio.sleep(2.5)
        for one in (speaker, stuck, listener, *peers):
            self.assertEqual((len(one.present), one.wrong), (3, []))
        self.check_parts(*peers)

    @within(60)
    async def test_an_invitation_while_the_receivers_server_dies_is_kept_and_told_once(self):
        channel = await self.create_channel(self.alice, "general", self.a)
        for _ in range(10 if LONG else 3):
            lost = await self.connect(NOTIFICATIONS, self.bob, self.b)
            other = await self.connect(NOTIFICATIONS, self.bob, self.a)
            invitations = []

            async def invite():
                for _ in range(20):
                    invitations.append(await in_time(
                        self.invite(self.alice, channel, self.bob, self.a), 2, "an answer"))
            inviting = asyncio.create_task(invite())
            await eventually(lambda: len(invitations) > 5, "the first ones")
            self.b.kill()
            await inviting
            told = [(await self.next_json(other))["id"] for _ in invitations]
            self.assertEqual(told, [one["id"] for one in invitations])
            await self.silent(other, 0.1)
            heard_there = []
            try:
                while True:
                    heard_there.append((await self.next_json(lost))["id"])
            except websockets.ConnectionClosed:
                pass
            self.assertEqual(heard_there, told[:len(heard_there)], "in order, each once")
            # His client connects again, to whom there is, and hears what comes from then on.
            again = await self.connect(NOTIFICATIONS, self.bob, self.a)
            last = await self.invite(self.alice, channel, self.bob, self.a)
            for device in (again, other):
                self.assertEqual((await self.next_json(device))["id"], last["id"])
            await other.close()
            await again.close()
            self.b = self.serve_joined()


if __name__ == "__main__":
    unittest.main()
