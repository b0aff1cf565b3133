#!/usr/bin/python3
"""Several servers that a bus of real redis-server processes makes one: what clients of one say comes
to those of the others, and what becomes of it when a server or the bus goes."""

import asyncio
import json
import signal
import time
import unittest

from harness import (NOTIFICATIONS, SCALE, SIGNALING, eventually, in_time, run_cli, voice, within)
from redis_process import Redis
from test_redis_store import RedisCase

V1 = ("voicechan.v1",)
BUS = ("--appendonly", "no", "--client-output-buffer-limit", "pubsub 8mb 2mb 2")


class BusCase(RedisCase):
    """Servers `a` and `b`, with alice, who is known to both; two buses."""

    def setUp(self):
        self.store = self.start_redis()
        self.buses = [self.start_redis(*BUS) for _ in range(2)]
        self.a, self.b = self.serve_joined(), self.serve_joined()
        self.alice, self.bob = self.a.add_user("alice"), self.a.add_user("bob")

    def serve_joined(self, *more):
        options = [word for bus in self.buses for word in ("--redis-bus", bus.url)]
        return self.serve(self.store, "--admin-listen", "127.0.0.1:0", *options, *more)

    async def joined(self, user, room, server, **members):
        """A signaling connection in a room; what the server said is in `.joined`."""
        peer = await self.connect(SIGNALING, user, server)
        await peer.send(json.dumps({"type": "join", "room": room, **members}))
        peer.joined = await self.next_json(peer)
        self.assertEqual(peer.joined["type"], "joined", peer.joined)
        return peer

    async def silent(self, client, seconds=0.3):
        with self.assertRaises(asyncio.TimeoutError):
            await asyncio.wait_for(client.recv(), seconds * SCALE)

    async def until(self, client, type_, seconds=10):
        """The next message of this type."""
        deadline = time.monotonic() + seconds * SCALE
        while True:
            message = await self.next_json(client, max(0.1, deadline - time.monotonic()))
            if message["type"] == type_:
                return message


class OneSystemTest(BusCase):
    async def test_what_is_said_in_a_room_comes_to_all_its_members_once(self):
        speaker = await self.connect(voice("room"), self.alice, self.a)
        near = await self.members("room", 2, self.bob, self.a)
        far = await self.members("room", 3, self.bob, self.b)
        elsewhere = await self.connect(voice("other"), self.bob, self.b)
        said = [bytes([i]) * 160 for i in range(100)] + ["text"]
        for message in said:
            await speaker.send(message)
        for member in (*near, *far):
            self.assertEqual([await self.next(member) for _ in said], said)
        await far[0].send("answer")
        for member in (speaker, *near, *far[1:]):
            self.assertEqual(await self.next(member), "answer")
        for member in (speaker, far[0], far[1], elsewhere):
            await self.silent(member, 0.1)

    async def test_nothing_said_right_after_a_join_is_missed(self):
        for i in range(200):
            room = f"room{i}"
            speaker = await self.connect(voice(room), self.alice, self.a)
            listener = await self.connect(voice(room), self.bob, self.b)
            await speaker.send(str(i))
            self.assertEqual(await self.next(listener), str(i))
            await listener.send("back")
            self.assertEqual(await self.next(speaker), "back")
            await asyncio.gather(speaker.close(), listener.close())

    async def test_systems_with_different_stores_do_not_hear_each_other_on_one_bus(self):
        options = [word for bus in self.buses for word in ("--redis-bus", bus.url)]
        other = self.serve(self.start_redis(), *options)
        stranger, namesake = other.add_user("mallory"), other.add_user("bob")
        self.assertEqual(namesake.id, self.bob.id)
        speaker = await self.connect(voice("room"), self.alice, self.a)
        listener = await self.connect(voice("room"), self.bob, self.b)
        outsider = await self.connect(voice("room"), stranger, other)
        inbox = await self.connect(NOTIFICATIONS, self.bob, self.b)
        foreign_inbox = await self.connect(NOTIFICATIONS, namesake, other)
        peer = await self.joined(self.alice, "team", self.a)
        foreign_peer = await self.joined(stranger, "team", other)
        self.assertEqual((peer.joined["peers"], foreign_peer.joined["peers"]), ([], []))
        await speaker.send("secret")
        await self.invite(self.alice, await self.create_channel(self.alice, "x", self.a), self.bob,
                          self.a)
        self.assertEqual(await self.next(listener), "secret")
        await self.next(inbox)
        for client in (outsider, foreign_inbox, foreign_peer):
            await self.silent(client)

    async def entered(self, room, user, server):
        """A member who has been told who is there: `.others` by name, and his own number."""
        member = await self.connect(voice(room), user, server, subprotocols=V1)
        roster = await self.next_json(member)
        self.assertEqual(roster["type"], "roster")
        known = {each["member"]: each["username"] for each in roster["members"]}
        while True:
            came = (await self.until(member, "member_joined"))
            known[came["member"]["member"]] = came["member"]["username"]
            if came.get("you"):
                member.number = came["member"]["member"]
                del known[member.number]
                member.others = known
                return member

    async def test_members_of_other_servers_are_in_the_roster(self):
        one = await self.entered("room", self.alice, self.a)
        self.assertEqual(one.others, {})
        other = await self.entered("room", self.bob, self.b)
        came = await self.until(one, "member_joined")
        self.assertEqual(came["member"]["username"], "bob")
        third = await self.entered("room", self.bob, self.b)
        self.assertEqual(sorted(third.others.values()), ["alice", "bob"])
        await other.send(b"audio")
        self.assertEqual((await self.until(one, "member_joined"))["member"]["username"], "bob")
        heard = await self.next(one)
        self.assertEqual((int.from_bytes(heard[:4], "big"), heard[4:]),
                         (came["member"]["member"], b"audio"))
        await other.close()
        self.assertEqual((await self.until(one, "member_left"))["member"], came["member"]["member"])

    async def test_peers_of_other_servers_can_be_called(self):
        first = await self.joined(self.alice, "team", self.a, data={"name": "A"})
        self.assertEqual(first.joined["peers"], [])
        second = await self.joined(self.bob, "team", self.b, data={"name": "B"})
        [known] = second.joined["peers"]
        self.assertEqual((known["id"], known["username"], known["data"]),
                         (first.joined["id"], "alice", {"name": "A"}))
        came = await self.until(first, "peer_joined")
        self.assertEqual((came["peer"]["id"], came["peer"]["data"]),
                         (second.joined["id"], {"name": "B"}))
        await second.send(json.dumps({"type": "offer", "sdp": "v=0", "to": known["id"], "msg_id": "1"}))
        offer = await self.until(first, "offer")
        self.assertEqual((offer["from"], offer["sdp"]), (second.joined["id"], "v=0"))
        receipt = await self.until(second, "receipt")
        self.assertEqual((receipt["msg_id"], receipt["status"]), ("1", "delivered"))
        await first.send(json.dumps({"type": "answer", "sdp": "v=1", "to": offer["from"]}))
        self.assertEqual((await self.until(second, "answer"))["from"], known["id"])
        await second.close()
        self.assertEqual((await self.until(first, "peer_left"))["id"], second.joined["id"])
        await first.send(json.dumps({"type": "x", "to": second.joined["id"], "msg_id": "2"}))
        refused = await self.next_json(first)
        self.assertEqual((refused["type"], refused.get("status", refused.get("code"))),
                         ("receipt", "unknown"))

    async def test_all_agree_who_came_first(self):
        for i in range(20):
            peers = await asyncio.gather(*(
                self.joined(self.alice, f"room{i}", (self.a, self.b)[n % 2]) for n in range(4)))
            before = {peer.joined["id"]: {each["id"] for each in peer.joined["peers"]}
                      for peer in peers}
            # Of each two exactly one has found the other there.
            for one in before:
                for other in before:
                    if one < other:
                        self.assertNotEqual(other in before[one], one in before[other], before)
            await asyncio.gather(*(peer.close() for peer in peers))

    async def test_an_invitation_is_told_on_every_server(self):
        devices = [await self.connect(NOTIFICATIONS, self.bob, server)
                   for server in (self.a, self.b)]
        channel = await self.create_channel(self.alice, "general", self.a)
        invitation = await self.invite(self.alice, channel, self.bob, self.a)
        for device in devices:
            self.assertEqual((await self.next_json(device))["id"], invitation["id"])
            await self.silent(device, 0.1)

    async def test_a_session_is_resumed_on_another_server(self):
        friend = await self.joined(self.alice, "team", self.a)
        peer = await self.joined(self.bob, "team", self.a, resume=True)
        await self.until(friend, "peer_joined")
        peer.transport.abort()
        await asyncio.sleep(0.2)
        await friend.send(json.dumps({"type": "note", "to": peer.joined["id"], "msg_id": "1"}))
        self.assertEqual((await self.until(friend, "receipt"))["status"], "queued")
        again = await self.connect(SIGNALING, self.bob, self.b)
        await again.send(json.dumps({"type": "resume", "key": peer.joined["resume"]["key"],
                                     "seq": peer.joined["resume"]["seq"]}))
        resumed = await self.next_json(again)
        self.assertEqual((resumed["type"], resumed.get("id")), ("resumed", peer.joined["id"]))
        self.assertEqual((await self.until(again, "note"))["from"], friend.joined["id"])
        self.assertEqual((await self.until(friend, "receipt"))["status"], "delivered")


class OutageTest(BusCase):
    async def test_a_server_that_is_killed_leaves_no_ghost(self):
        one = await self.connect(voice("room"), self.alice, self.a, subprotocols=V1)
        self.assertEqual((await self.next_json(one))["type"], "roster")
        await self.until(one, "member_joined")  # that is himself
        caller = await self.joined(self.alice, "team", self.a)
        other = await self.connect(voice("room"), self.bob, self.b, subprotocols=V1)
        callee = await self.joined(self.bob, "team", self.b)
        await self.until(one, "member_joined")
        await self.until(caller, "peer_joined")
        began = time.monotonic()
        self.b.kill()
        await caller.send(json.dumps({"type": "x", "to": callee.joined["id"], "msg_id": "1"}))
        receipt = await self.until(caller, "receipt")
        self.assertIn(receipt["status"], ("unknown", "gone"))
        self.assertLess(time.monotonic() - began, 0.5 * SCALE)
        await self.until(caller, "peer_left", 9)
        await self.until(one, "member_left", 9)
        self.assertLess(time.monotonic() - began, 9 * SCALE)
        del other

    async def test_a_bus_that_is_killed_is_hardly_heard(self):
        speaker = await self.connect(voice("room"), self.alice, self.a)
        listener = await self.connect(voice("room"), self.bob, self.b)
        await speaker.send("0")
        self.assertEqual(await self.next(listener), "0")

        heard = []

        async def listen():
            while True:
                heard.append((time.monotonic(), int(await listener.recv())))
        listening = asyncio.create_task(listen())
        for i in range(1, 251):
            await speaker.send(str(i))
            await asyncio.sleep(0.01)
            if i == 60:
                self.buses[0].kill()
            if i == 160:
                self.buses[0].start()
        await eventually(lambda: heard and heard[-1][1] == 250, "the last one")
        listening.cancel()
        numbers = [number for _, number in heard]
        self.assertEqual(numbers, sorted(set(numbers)), "in order, each once")
        gap = max(later[0] - earlier[0] for earlier, later in zip(heard, heard[1:]))
        self.assertLess(gap, 0.25 * SCALE)
        self.assertGreater(len(numbers), 225)

    @within(60)
    async def test_a_pause_of_a_server_is_a_pause_of_its_audio_only(self):
        """Shorter than a lease: nobody is given up, and whoever speaks is heard again at once."""
        speaker = await self.connect(voice("room"), self.alice, self.a)
        listener = await self.connect(voice("room"), self.bob, self.b)
        heard, is_over = [], False

        async def listen():
            while True:
                heard.append(float(await listener.recv()))

        async def speak():
            while not is_over:
                await speaker.send(str(time.monotonic()).encode())
                await asyncio.sleep(0.02)
        tasks = [asyncio.create_task(each()) for each in (listen, speak)]
        await eventually(lambda: len(heard) > 20, "they hear each other")
        for server in (self.a, self.b):
            server.signal(signal.SIGSTOP)
            self.addCleanup(server.signal, signal.SIGCONT)
            await asyncio.sleep(3)
            server.signal(signal.SIGCONT)
            goes_on = time.monotonic()
            await eventually(lambda: heard[-1] > goes_on, "what is said now is heard", 2)
            self.assertLess(time.monotonic() - goes_on, 2 * SCALE)
            before = len(heard)
            await asyncio.sleep(1)
            self.assertGreater(len(heard) - before, 20 / SCALE, "as before")
        is_over = True
        tasks[0].cancel()
        await tasks[1]

    @within(90)
    async def test_with_no_bus_each_server_goes_on_and_they_find_together_again(self):
        near = await self.members("room", 2, self.alice, self.a)
        far = await self.connect(voice("room"), self.bob, self.b)
        await near[0].send("1")
        self.assertEqual([await self.next(each) for each in (near[1], far)], ["1", "1"])
        for bus in self.buses:
            bus.kill()
        await near[0].send("2")
        self.assertEqual(await self.next(near[1]), "2")
        late = await self.connect(voice("room"), self.bob, self.a)
        await near[0].send("3")
        self.assertEqual([await self.next(each) for each in (near[1], late)], ["3", "3"])
        peer = await in_time(self.joined(self.alice, "team", self.a), 3, "a join")
        for bus in self.buses:
            bus.start()
        other = await self.joined(self.bob, "team", self.b)
        if not other.joined["peers"]:
            await self.until(other, "peer_joined")

        async def is_heard():
            await near[0].send("4")
            try:
                return await asyncio.wait_for(far.recv(), 0.2) == "4"
            except asyncio.TimeoutError:
                return False
        began = time.monotonic()
        await eventually(is_heard, "both are one again", 5)
        self.assertLess(time.monotonic() - began, 3 * SCALE)
        del peer


class OptionTest(RedisCase):
    def test_a_bus_needs_a_store(self):
        result = run_cli("serve", "--redis-bus", "redis://127.0.0.1:1")
        self.assertEqual(result.returncode, 2)
        self.assertIn("--redis-store", result.stderr)

    async def test_a_bus_that_is_away_at_the_start_is_no_error(self):
        server = self.serve(self.start_redis(), "--redis-bus", "redis://127.0.0.1:1")
        alice = server.add_user("alice")
        one, other = await self.members("room", 2, alice, server)
        await one.send("x")
        self.assertEqual(await self.next(other), "x")


if __name__ == "__main__":
    unittest.main()
