#!/usr/bin/python3
"""Clients spread over several workers (by the kernel) see one server.

Environment: VOICECHAN_TEST_CHURN is for how many seconds members come and go (3).
"""

import asyncio
import json
import os
import sys
import time
import unittest

from harness import (INVITE, NOTIFICATIONS, OP_CLOSE, SIGNALING, Case, LiveCase, RawConnection,
                     eventually, voice, within)

CHURN_SECONDS = float(os.environ.get("VOICECHAN_TEST_CHURN", "3"))


class WorkersCase(LiveCase):
    """64 connections over 4 workers: that all fall to one has a chance of 4^-63."""

    options = ("--workers", "4", "--signaling-rate", "100000", "--signaling-burst", "100000")

    async def crowd(self, path, count, user):
        return await asyncio.gather(*(self.connect(path, user) for _ in range(count)))


class SpreadTest(WorkersCase):
    async def test_every_member_hears_every_other_whatever_their_workers(self):
        members = await self.crowd(voice("spread"), 64, self.alice)
        for number, speaker in enumerate(members):
            await speaker.send(str(number))
            for listener in members:
                if listener is not speaker:
                    self.assertEqual(await self.next(listener), str(number))

    async def test_a_burst_of_one_speaker_comes_in_order_everywhere(self):
        speaker, *listeners = await self.crowd(voice("burst"), 25, self.alice)
        messages = [str(i) if i % 2 else b"%d" % i for i in range(1000)]

        async def listen(listener):
            self.assertEqual([await listener.recv() for _ in messages], messages)

        async def speak():
            for message in messages:
                await speaker.send(message)
        await asyncio.gather(speak(), *map(listen, listeners))

    async def test_every_peer_reaches_every_other(self):
        peers = await asyncio.gather(*(self.join(self.alice) for _ in range(24)))
        self.assertEqual(len({peer.id_ for peer in peers}), 24)
        for sender in peers:
            for receiver in peers:
                await sender.send(json.dumps({"to": receiver.id_, "pair": [sender.id_, receiver.id_]}))
        for receiver in peers:
            senders = set()
            for _ in peers:
                message = await self.next_json(receiver)
                self.assertEqual(message["pair"], [message["from"], receiver.id_])
                senders.add(message["from"])
            self.assertEqual(len(senders), 24)

    async def test_messages_between_two_peers_keep_their_order(self):
        peers = await asyncio.gather(*(self.join(self.alice) for _ in range(8)))
        target, *senders = peers

        async def speak(sender):
            for i in range(100):
                await sender.send(json.dumps({"to": target.id_, "n": i}))
        await asyncio.gather(*map(speak, senders))
        seen = {sender.id_: [] for sender in senders}
        for _ in range(700):
            message = await self.next_json(target)
            seen[message["from"]].append(message["n"])
        self.assertEqual(set(map(tuple, seen.values())), {tuple(range(100))})

    async def test_an_unknown_peer_is_answered_on_every_worker(self):
        gone = await self.join(self.bob)
        peers = await asyncio.gather(*(self.join(self.alice) for _ in range(24)))
        await gone.close()
        for peer in peers:
            await peer.send(json.dumps({"to": gone.id_}))
            reply = await self.next_json(peer)
            self.assertEqual((reply["code"], reply["to"]), ("unknown_peer", gone.id_))

    async def test_a_notification_reaches_devices_on_every_worker_from_any_connection(self):
        devices = await self.crowd(NOTIFICATIONS, 24, self.bob)
        channel = await self.create_channel(self.alice)
        body = b'{"voice_channel":%d,"addressee":%d}' % (channel["id"], self.bob.id)
        for _ in range(24):
            connection = await self.raw()
            await connection.send(
                b"POST " + INVITE.encode() + b" HTTP/1.1\r\nHost: x\r\nAuthorization: Token "
                + self.alice.key.encode() + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            answer = await connection.response()
            self.assertEqual(answer.status, 201, answer)
            for device in devices:
                self.assertEqual((await self.next_json(device))["id"], answer.json["id"])

    @within(40)
    async def test_rooms_on_all_workers_at_the_same_time_do_not_mix(self):
        rooms = {f"mixed{i}": await self.crowd(voice(f"mixed{i}"), 16, self.alice)
                 for i in range(8)}

        async def speak(room, number, client):
            for i in range(10):
                await client.send(f"{room} {number} {i}")

        async def listen(room, number, client):
            seen = {sender: [] for sender in range(16) if sender != number}
            for _ in range(150):
                name, sender, i = (await client.recv()).split()
                self.assertEqual(name, room)
                seen[int(sender)].append(int(i))
            self.assertEqual(set(map(tuple, seen.values())), {tuple(range(10))})

        await asyncio.gather(*(act(room, number, client) for room, clients in rooms.items()
                               for number, client in enumerate(clients) for act in (speak, listen)))
        for room, clients in rooms.items():
            fence = await self.connect(voice(room), self.bob)
            await fence.send("fence")
            for client in clients:
                self.assertEqual(await self.next(client), "fence")

    async def test_rooms_that_come_and_go_on_all_workers_stay_right(self):
        async def cycle(number):
            for i in range(6):
                clients = await self.crowd(voice(f"cycle{number}"), 5, self.alice)
                for speaker in clients:
                    mark = f"{number} {i} {id(speaker)}"
                    await speaker.send(mark)
                    for listener in clients:
                        if listener is not speaker:
                            self.assertEqual(await self.next(listener), mark)
                for client in clients:
                    await client.close()
        await asyncio.gather(*map(cycle, range(6)))


class ChurnTest(Case):
    """One room over four workers in which members come and go, as many as the machine can, while
    one of them talks."""

    seconds = CHURN_SECONDS * 3 + 30

    async def test_joins_and_leaves_disturb_nobody_and_leave_nothing_behind(self):
        self.server = server = self.start("--workers", "4", "--log-level", "warn",
                                          "--connection-rate", "0")
        alice, bob = server.add_user("alice"), server.add_user("bob")
        await self.churn(alice, 0.5)  # what the server allocates once
        idle, memory = server.file_descriptors(), server.resident_bytes()

        stays = await self.members("churn", 8, bob)
        speaker = await self.connect(voice("churn"), bob)
        is_over, said = asyncio.Event(), 0

        async def speak():
            nonlocal said
            while not is_over.is_set():
                await speaker.send(f"{said}")
                said += 1
                await asyncio.sleep(0.01)

        async def listen(listener):
            heard = []
            while not heard or heard[-1] != "end":
                heard.append(await self.next(listener, 30))
            return heard[:-1]
        listening = [asyncio.create_task(listen(listener)) for listener in stays]
        speaking = asyncio.create_task(speak())
        joins = await self.churn(alice, CHURN_SECONDS)
        is_over.set()
        await speaking
        await speaker.send("end")
        for heard in await asyncio.gather(*listening):
            self.assertEqual(heard, [str(number) for number in range(said)])
        print(f"{joins / CHURN_SECONDS:.0f} joins and leaves a second", file=sys.stderr)
        self.assertGreater(joins / CHURN_SECONDS, 50)

        # Who is there gets one copy, and nobody else is served.
        newcomers = await self.members("churn", 8, alice)
        await speaker.send("who is there")
        for member in stays + newcomers:
            self.assertEqual(await self.next(member), "who is there")
        for member in stays + newcomers:
            self.assertEqual(len(member.messages), 0)
        for member in stays + newcomers + [speaker]:
            await member.close()
        await eventually(lambda: server.file_descriptors() <= idle, "descriptors return")
        self.assertLess(server.resident_bytes() - memory, 4 << 20)
        await asyncio.to_thread(server.stop)

    async def churn(self, user, seconds):
        """How many joined, and left in one of three ways."""
        end, joins = time.monotonic() + seconds, 0

        async def come_and_go(number):
            nonlocal joins
            while time.monotonic() < end:
                member = await RawConnection.open(self.server)
                answer = await member.upgrade(voice("churn"), user)
                self.assertEqual(answer.status, 101, answer)
                joins += 1
                if joins % 3 == 0:
                    await member.send_frame(OP_CLOSE, (1000).to_bytes(2, "big"))
                elif joins % 3 == 1:
                    member.abort()
                member.writer.close()
        await asyncio.gather(*map(come_and_go, range(16)))
        return joins


class CountTest(Case):
    async def test_the_number_of_workers_is_an_option(self):
        threads = {}
        for workers in (1, 4):
            server = self.start("--workers", str(workers))
            threads[workers] = server.threads()
            server.stop()
        self.assertEqual(threads[4] - threads[1], 3)

    async def test_one_worker_serves_everything(self):
        server = self.start("--workers", "1")
        alice, bob = server.add_user("alice"), server.add_user("bob")
        first, second = await self.members("one", 2, alice, server)
        await first.send("hello")
        self.assertEqual(await self.next(second), "hello")
        device = await self.connect(NOTIFICATIONS, bob, server)
        channel = await self.create_channel(alice, server=server)
        invitation = await self.invite(alice, channel, bob, server)
        self.assertEqual((await self.next_json(device))["id"], invitation["id"])
        caller, callee = await self.join(alice, server), await self.join(bob, server)
        await caller.send(json.dumps({"to": callee.id_}))
        self.assertEqual((await self.next_json(callee))["from"], caller.id_)
        await asyncio.to_thread(server.stop)

    async def test_more_workers_than_connections_do_no_harm(self):
        server = self.start("--workers", "16")
        alice = server.add_user("alice")
        baseline = server.file_descriptors()
        for _ in range(3):
            first, second = await self.members("many", 2, alice, server)
            await first.send("hello")
            self.assertEqual(await self.next(second), "hello")
            peer = await self.connect(SIGNALING, alice, server)
            for client in (first, second, peer):
                await client.close()
        await eventually(lambda: server.file_descriptors() <= baseline, "descriptors return")
        await asyncio.to_thread(server.stop)


if __name__ == "__main__":
    unittest.main()
