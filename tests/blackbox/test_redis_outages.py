#!/usr/bin/python3
"""Outages of several servers on real redis-server processes: who is paused, cut off or slow, and
Redis itself away. What a bus that is killed does is in test_redis_bus.py.

Environment: VOICECHAN_TEST_LONG=1 has each outage last as long as the README promises (minutes in
all) and not as short as shows the same.
"""

import asyncio
import json
import os
import signal
import time
import unittest

import aiohttp
import websockets

from harness import (CHANNELS, COSTS_COUNT, INVITE, NOTIFICATIONS, SCALE, SIGNALING, eventually, in_time, voice, within)
from remote_machine import RemoteMachine
from test_redis_bus import BUS, V1, BusCase

LONG = bool(os.environ.get("VOICECHAN_TEST_LONG"))
LEASE = 6  # seconds
# Seconds after which each has seen the other's lease, and after which those are judged who had none
# when the store came back.
SEEN, JUDGED = 4.5, 2 * LEASE + 4.5


class Roster:
    """Who a member of a voice room, or a peer of a signaling room, thinks is there; and how often
    each came and went."""

    def __init__(self, socket, first):
        self.socket = socket
        self.present, self.came, self.went = set(), {}, {}
        self.wrong, self.receipts, self.heard = [], {}, []
        self._use(first)
        self._reading = asyncio.create_task(self._read())

    async def _read(self):
        try:
            async for message in self.socket:
                if isinstance(message, bytes):
                    self.heard.append(message[4:])
                else:
                    self._use(json.loads(message))
        except websockets.ConnectionClosed:
            pass

    def _enter(self, name):
        if name in self.present:
            self.wrong.append(f"{name} entered twice")
        self.present.add(name)
        self.came[name] = self.came.get(name, 0) + 1

    def _use(self, message):
        type_ = message["type"]
        if type_ == "roster":
            for each in message["members"]:
                self._enter(each["member"])
        elif type_ == "joined":
            self.id_ = message["id"]
            self._enter(self.id_)
            for each in message["peers"]:
                self._enter(each["id"])
        elif type_ == "member_joined":
            self._enter(message["member"]["member"])
            if message.get("you"):
                self.number = message["member"]["member"]
        elif type_ == "peer_joined":
            self._enter(message["peer"]["id"])
        elif type_ in ("member_left", "peer_left"):
            name = message["member" if type_ == "member_left" else "id"]
            if name not in self.present:
                self.wrong.append(f"{name} left and was not there")
            self.present.discard(name)
            self.went[name] = self.went.get(name, 0) + 1
        elif type_ == "receipt":
            self.receipts[message["msg_id"]] = message["status"]


class Outage(BusCase):
    async def member(self, room, user, server):
        """A member of a voice room with its roster."""
        socket = await self.connect(voice(room), user, server, subprotocols=V1)
        return Roster(socket, await self.next_json(socket))

    async def peer(self, room, user, server):
        socket = await self.joined(user, room, server, data={})
        return Roster(socket, socket.joined)

    async def send_to(self, roster, id_, number):
        """Sends a directed message; gives the receipt's status and the seconds it took."""
        began = time.monotonic()
        await roster.socket.send(json.dumps({"type": "x", "to": id_, "msg_id": number}))
        await eventually(lambda: number in roster.receipts, "a receipt", 10)
        return roster.receipts[number], time.monotonic() - began

    async def health(self, server):
        async with self.client.get(server.admin("/health")) as answer:
            return answer.status, json.loads(await answer.read())

    async def asyncSetUp(self):
        await super().asyncSetUp()
        self.client = aiohttp.ClientSession()
        self.addAsyncCleanup(self.client.close)


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

    async def are_one_audio(self, here, there):
        async def is_heard():
            await here.socket.send(b"audio")
            await asyncio.sleep(0.05)
            return b"audio" in there.heard
        await eventually(is_heard, "audio comes across")

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
        for one in (speaker, stuck, listener):
            self.assertEqual(one.wrong, [])

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
        # Who is connected can join; who is not has a key that only the store knows.
        self.assertEqual(await self.refused(SIGNALING, self.alice, self.a), 503)
        await connected.send(json.dumps({"type": "join", "room": "team"}))
        reply = await self.next_json(connected, 1.5)
        self.assertIn(beside.id_, [each["id"] for each in reply["peers"]])
        await connected.close()

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
        for one in (*near, far, caller, callee, beside):
            self.assertEqual((len(one.present), one.wrong), (3, []))
        self.assertEqual((await self.send_to(caller, callee.id_, "3"))[0], "delivered")


if __name__ == "__main__":
    unittest.main()
