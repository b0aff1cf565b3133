#!/usr/bin/python3
"""Several servers, and Redis is away: one role, or both. What a bus that is killed does is in
test_redis_bus.py. Environment: see redis_outage.py."""

import asyncio
import json
import time
import unittest

from harness import CHANNELS, COSTS_COUNT, INVITE, SCALE, SIGNALING, eventually, within
from crowd import Crowd
from redis_outage import JUDGED, LEASE, LONG, Outage


class RedisTest(Outage):
    """Redis is away: one role, or both."""

    async def is_refused(self, user, server):
        channel = {"name": "x"}
        invitation = {"voice_channel": self.channel["id"], "addressee": self.bob.id}
        for path, body in ((CHANNELS, channel), (INVITE, invitation)):
            answer = await self.rest("POST", path, user, server=server, json=body)
            if answer.status != 503:
                return False
        return True

    async def check_degraded(self, server, *reasons):
        """Ready, alive, and it says what is wrong."""
        for path in ("/livez", "/readyz"):
            self.assertEqual((await self.rest("GET", path, server=server)).status, 200)

        async def says_so():
            self.status, self.shown = await self.health(server)
            return self.shown["status"] == "degraded" and all(
                any(reason in each for each in self.shown["bus"]["problems"]) for reason in reasons)
        try:
            await eventually(says_so, "degraded", 4)
        except AssertionError:
            self.fail(f"{reasons} are not in {self.shown}")
        self.assertEqual(self.status, 200)

    async def until_well(self, server, seconds):
        async def is_well():
            return (await self.health(server))[1]["status"] == "ready"
        try:
            await eventually(is_well, "it is well", seconds)
        except AssertionError:
            self.fail((await self.health(server))[1])

    def check_announcements(self, outages):
        """After an outage of the store in which leases ran out a server tells all again, but once."""
        for server in (self.a, self.b):
            self.assertLessEqual(server.log().count("taken for dead"), outages)

    def publishes(self, bus):
        """How many messages it has taken; it answers in one piece."""
        told = bus.ask("INFO commandstats").partition(b"cmdstat_publish:calls=")[2]
        return int(told.partition(b",")[0] or 0)

    @within(60)
    async def test_a_frozen_bus_is_a_short_pause_and_brings_nothing_old(self):
        here = await self.member("room", self.alice, self.a)
        there = await self.member("room", self.bob, self.b)
        await eventually(lambda: len(here.present) == len(there.present) == 2, "they meet")
        heard, said = [], 0

        async def speak(seconds):
            nonlocal said
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                await here.socket.send(f"{said} {time.monotonic()}".encode())
                said += 1
                await asyncio.sleep(0.01)
                now = time.monotonic()
                heard.extend((now, *each.split()) for each in there.heard)
                there.heard.clear()
        before = [self.publishes(bus) for bus in self.buses]
        await speak(0.5)
        spoken_on = max(zip(self.buses, before), key=lambda each: self.publishes(each[0]) - each[1])[0]
        spoken_on.freeze()
        self.addCleanup(spoken_on.thaw)
        await speak(10 if LONG else 2)
        spoken_on.thaw()
        await speak(7)  # and it is in use again
        numbers = [int(number) for _, number, _ in heard]
        self.assertEqual(numbers, sorted(set(numbers)), "in order, each once")
        self.assertGreater(len(numbers), said - 25 * SCALE)
        gap = max(later[0] - earlier[0] for earlier, later in zip(heard, heard[1:]))
        self.assertLess(gap, 0.25 * SCALE)
        self.assertLess(max(now - float(then) for now, _, then in heard), 0.25 * SCALE)

    @within(200)
    async def test_without_the_store_only_what_needs_it_is_refused(self):
        self.channel = await self.create_channel(self.alice, "general", self.a)
        here = await self.member("room", self.alice, self.a)
        there = await self.member("room", self.bob, self.b)
        caller = await self.peer("team", self.alice, self.a)
        callee = await self.peer("team", self.bob, self.b)
        await eventually(lambda: len(here.present) == len(callee.present) == 2, "they meet")
        for stop, resume in ((self.store.kill, self.store.start),
                             (self.store.freeze, self.store.thaw)):
            stop()
            began = time.monotonic()
            await self.check_degraded(self.a, self.store.url.removeprefix("redis://"))
            await eventually(lambda: self.is_refused(self.alice, self.a), "refused", 3)
            said, until = 0, began + (60 if LONG else 1.5 * LEASE)
            there.heard.clear()
            while time.monotonic() < until:
                await here.socket.send(str(said).encode())
                said += 1
                await asyncio.sleep(0.02)
            status, _ = await self.send_to(caller, callee.id_, f"{began}")
            self.assertEqual(status, "delivered")
            resume()
            back = time.monotonic()

            async def is_back():
                return await self.status_of_create(self.alice, self.a) == 201
            await eventually(is_back, "creates work", 2)
            self.assertLess(time.monotonic() - back, 1.2 * SCALE)
            await eventually(lambda: len(there.heard) == said, "all was heard", 2)
            self.assertEqual(there.heard, [str(i).encode() for i in range(said)])
            for server in (self.a, self.b):
                await self.until_well(server, 4)
        await asyncio.sleep(JUDGED)  # those who were away longest have been judged by now
        self.check_announcements(2)
        for one in (here, there, caller, callee):
            self.assertEqual((one.went, one.wrong), ({}, []), "somebody who is there was given up")

    @within(200)
    async def test_without_any_redis_each_server_goes_on_and_keeps_nothing(self):
        self.channel = await self.create_channel(self.alice, "general", self.a)
        near = [await self.member("room", user, self.a) for user in (self.alice, self.bob)]
        far = await self.member("room", self.bob, self.b)
        caller = await self.peer("team", self.alice, self.a)
        callee = await self.peer("team", self.bob, self.b)
        beside = await self.peer("team", self.bob, self.a)
        connected = await self.connect(SIGNALING, self.alice, self.a)
        await eventually(lambda: all(len(one.present) == 3 for one in (*near, far, caller, callee)),
                         "they meet")
        await near[0].socket.send(bytes(16384))
        await eventually(lambda: far.heard, "audio comes across")
        for redis in (self.store, *self.buses):
            redis.kill()
        began = time.monotonic()
        for server in (self.a, self.b):
            await self.check_degraded(server, *(
                redis.url.removeprefix("redis://") for redis in (self.store, *self.buses)))
        await eventually(lambda: self.is_refused(self.alice, self.a), "refused", 3)
        # A message to somebody of the other server gets a clear answer, one to a neighbour arrives.
        status, took = await self.send_to(caller, callee.id_, "1")
        self.assertEqual(status, "unknown")
        self.assertLess(took, 2.3 * SCALE)
        self.assertEqual((await self.send_to(caller, beside.id_, "2"))[0], "delivered")
        # Who is connected can join, and who was before can connect.
        await (await self.connect(SIGNALING, self.alice, self.a)).close()
        await connected.send(json.dumps({"type": "join", "room": "team"}))
        reply = await self.next_json(connected, 1.5)
        self.assertIn(beside.id_, [each["id"] for each in reply["peers"]])
        await connected.close()
        late = [await self.peer("team", self.bob, server) for server in (self.a, self.b)]

        size, said = 1000, 0
        near[1].heard.clear()
        before, until = self.a.resident_bytes(), began + (60 if LONG else 6)
        while time.monotonic() < until:
            for _ in range(10):
                await near[0].socket.send(str(said).encode().ljust(size))
                said += 1
            await asyncio.sleep(0.02)
        await eventually(lambda: len(near[1].heard) == said, "neighbours hear all", 2)
        self.assertEqual([int(heard) for heard in near[1].heard], list(range(said)))
        if COSTS_COUNT:
            self.assertLess(self.a.resident_bytes() - before, 10e6)
        for redis in (self.store, *self.buses):
            redis.start()
        back = time.monotonic()
        far.heard.clear()

        async def is_heard():
            await near[0].socket.send(b"again")
            await asyncio.sleep(0.02)
            return b"again" in far.heard
        await eventually(is_heard, "both are one again", 3)
        self.assertLess(time.monotonic() - back, 1.2 * SCALE)
        self.assertFalse([heard for heard in far.heard if heard != b"again"], "old audio")
        for server in (self.a, self.b):
            await self.until_well(server, 8)
        await asyncio.sleep(JUDGED)
        self.check_announcements(1)
        for one in (*near, far):
            self.assertEqual((len(one.present), one.wrong), (3, []))
        peers = (caller, callee, beside, *late)
        ids = {one.id_ for one in peers}
        for one in peers:
            self.assertEqual((len(one.present), ids & one.went.keys(), one.wrong), (5, set(), []),
                             "no call is torn: nobody was given up")
        self.check_parts(*peers)
        self.assertEqual((await self.send_to(caller, callee.id_, "3"))[0], "delivered")


class ManyRoomsTest(Outage):
    """Each room has a member on each of two servers, and no Redis is there for a while."""

    ROOMS, SECONDS = (10_000, 60) if LONG else (500, 1.5 * LEASE)

    def serve_joined(self, *more):
        return super().serve_joined("--connection-rate", "0", *more)

    async def say(self, seconds):
        """All members speak once."""
        self.round += 1
        began = time.monotonic()
        await asyncio.gather(*(crowd.do(f"say {self.round} {seconds}") for crowd in self.crowds))
        await asyncio.sleep(max(0, began + seconds - time.monotonic()))

    @within(300)
    async def test_all_rooms_are_back_within_a_second(self):
        self.crowds = [await Crowd.enter(self, server, user, self.ROOMS)
                       for server, user in ((self.a, self.alice), (self.b, self.bob))]
        for crowd in self.crowds:
            await crowd.ready
        self.round = 0
        near = await self.members("near", 2, self.alice, self.a)

        async def all_hear():
            for crowd in self.crowds:
                await crowd.do("listen")
            await self.say(1)
            return not any([(await crowd.tell())["unheard"] for crowd in self.crowds])
        await eventually(all_hear, "all rooms are heard across", 20)

        for redis in (self.store, *self.buses):
            redis.kill()
        before = [server.resident_bytes() for server in (self.a, self.b)]
        grown, said = 0, 0
        until = time.monotonic() + self.SECONDS
        while time.monotonic() < until:
            await near[0].send(f"{said}")
            said += 1
            await self.say(1)
            grown = max([grown] + [server.resident_bytes() - size for server, size in
                                   zip((self.a, self.b), before)])
        self.assertEqual([await self.next(near[1]) for _ in range(said)],
                         [str(i) for i in range(said)], "neighbours hear all")

        for redis in (self.store, *self.buses):
            redis.start()
        back = time.monotonic()
        creating = asyncio.create_task(eventually(self.creates, "creates work", 5))
        # No faster than this: more would be what keeps servers and bus busy on a small machine.
        await self.say(1 * SCALE)
        await self.say(1 * SCALE)
        await creating
        self.assertLess(self.created - back, 1.2 * SCALE)
        await asyncio.sleep(0.3)
        for crowd in self.crowds:
            told = await crowd.tell()
            first, second = (told["heard"].get(self.round - n, 0) for n in (1, 0))
            if LONG:
                print(f"heard across of what {self.ROOMS} rooms said: {first} in the first second "
                      f"after the return, {second} in the next one; memory grew by "
                      f"{grown / 1e6:.1f} MB in {self.SECONDS:.0f} s")
            self.assertEqual((second, told["repeated"], told["out_of_order"]), (self.ROOMS, 0, 0))
        if COSTS_COUNT:
            self.assertLess(grown, 10e6)

    async def creates(self):
        if await self.status_of_create(self.alice, self.a) != 201:
            return False
        self.created = time.monotonic()
        return True


if __name__ == "__main__":
    unittest.main()
