#!/usr/bin/python3
"""Clients whose line breaks go on where they were: nothing is missed, nothing comes twice, and
nobody else notices. New connections come to any worker, so each case is tried several times."""

import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import struct
import time
import unittest

import websockets

from harness import (OP_TEXT, SCALE, SIGNALING, Case, LiveCase, eventually, frame, in_time,
                     within)
from test_peer_rooms import Account

ROUNDS = 12  # with four workers, one in thirty has no round at the worker of before


def reset(connection):
    """By RST, as a machine does that was restarted. The server may have been quicker."""
    if connection.transport.is_closing():
        return
    connection.transport.get_extra_info("socket").setsockopt(
        socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.transport.abort()


def cut(connection):
    """By FIN, without a close frame, as a proxy does that stops."""
    connection.transport.close()


BREAKS = (reset, cut)


class Peer:
    """A client that can resume: a connection, and what it keeps beyond that."""

    def __init__(self, user, connection):
        self.user, self.connection = user, connection
        self.id = self.key = self.seq = None

    async def send(self, type_, **members):
        await self.connection.send(json.dumps({"type": type_, **members}))

    async def next(self, seconds=10):
        message = json.loads(await in_time(self.connection.recv(), seconds, "a message"))
        if self.seq is not None and message["type"] not in ("resumed", "resume_failed"):
            self.seq += 1
        return message

    def on_joined(self, joined):
        self.id, self.key, self.seq = joined["id"], joined["resume"]["key"], joined["resume"]["seq"]


class ResumeCase(Case):
    async def enter(self, room=None, user=None, **members):
        """A peer that has joined; `joined` is the answer."""
        user = user or self.alice
        peer = Peer(user, await self.connect(SIGNALING, user))
        where = {"room": room} if room else {}
        await peer.send("join", resume=True, **where, **members)
        peer.joined = await peer.next()
        self.assertEqual(peer.joined["type"], "joined", peer.joined)
        peer.on_joined(peer.joined)
        return peer

    async def pair(self, room):
        """Ann, and bob who has come later and does not resume."""
        ann = await self.enter(room)
        bob = Peer(self.bob, await self.connect(SIGNALING, self.bob))
        await bob.send("join", room=room)
        joined = await bob.next()
        bob.id = joined["id"]
        self.assertNotIn("resume", joined)
        self.assertEqual((await ann.next())["type"], "peer_joined")
        return ann, bob

    async def ask(self, key, seq, user=None):
        """What a new connection is told that wants to resume, and the connection."""
        connection = await self.connect(SIGNALING, user or self.alice)
        await connection.send(json.dumps({"type": "resume", "key": key, "seq": seq}))
        return await self.next_json(connection), connection

    async def resume(self, peer):
        """The peer goes on over a new connection. Gives how many messages it has missed."""
        answer, peer.connection = await self.ask(peer.key, peer.seq, peer.user)
        self.assertEqual(
            answer, {"type": "resumed", "id": peer.id, "seq": peer.seq, "missed": answer["missed"]})
        return answer["missed"]

    async def fails(self, reason, peer, user=None, **changes):
        """A resume that is refused; gives its connection."""
        key, seq = changes.get("key", peer.key), changes.get("seq", peer.seq)
        answer, connection = await self.ask(key, seq, user or peer.user)
        self.assertEqual(answer, {"type": "resume_failed", "reason": reason})
        return connection

    async def say(self, sender, receiver, numbers, type_="note"):
        for number in numbers:
            await sender.send(type_, to=receiver.id, msg_id=number)

    async def hears(self, receiver, numbers):
        self.assertEqual([(await receiver.next())["msg_id"] for _ in numbers], list(numbers))

    async def receipts(self, sender, count):
        """By message: all its statuses, once `count` messages have their last one."""
        found, ended = {}, 0
        while ended < count:
            receipt = await sender.next()
            self.assertEqual(receipt["type"], "receipt", receipt)
            found.setdefault(receipt["msg_id"], []).append(receipt["status"])
            ended += receipt["status"] != "queued"
        return found

    async def is_awaited(self, peer, by):
        """Waits until the server knows that the line is broken. What is sent in order to find out
        has the type "probe"; `by` has read its receipts of all else."""
        while True:
            await self.say(by, peer, ["probe"], "probe")
            receipt = await by.next()
            self.assertEqual(receipt["msg_id"], "probe")
            if receipt["status"] == "queued":
                return receipt
            self.assertEqual(receipt["status"], "delivered")
            await asyncio.sleep(0.005)

    async def rounds(self, run, *choices):
        """At the same time, each with a room of its own."""
        await asyncio.gather(*(run(f"{self.id()} {number}", *choice) for number, choice in enumerate(
            (choice for choice in choices or [()] for _ in range(ROUNDS)))))


class LiveResumeCase(ResumeCase, LiveCase):
    options = ("--workers", "4")


class ResumeTest(LiveResumeCase):
    async def test_who_breaks_off_has_missed_nothing_and_nobody_notices(self):
        async def run(room, break_):
            ann, bob = await self.pair(room)
            revision = ann.joined["revision"] + 1
            await self.say(bob, ann, range(5))
            await self.hears(ann, range(3))
            break_(ann.connection)
            await self.say(bob, ann, range(5, 10))
            missed = await self.resume(ann)
            await self.hears(ann, range(3, 10))
            await self.say(bob, ann, range(10, 15))
            await self.hears(ann, range(10, 15))
            self.assertIn(missed, range(2, 8))  # the others were sent later
            await ann.send("sync", revision=revision)
            self.assertTrue((await ann.next())["same"])
            for number, statuses in (await self.receipts(bob, 15)).items():
                self.assertIn(statuses, (["delivered"], ["queued", "delivered"]), number)
            # And the other way.
            await self.say(ann, bob, range(3))
            await self.hears(bob, range(3))
            self.assertEqual(await self.receipts(ann, 3), {n: ["delivered"] for n in range(3)})
            await ann.send("update", data="new")
            self.assertEqual((await ann.next())["revision"], revision + 1)
            update = await bob.next()
            self.assertEqual((update["type"], update["id"], update["data"]),
                             ("peer_updated", ann.id, "new"))
        await self.rounds(run, *((break_,) for break_ in BREAKS))

    async def test_what_was_missed_is_counted(self):
        async def run(room):
            ann, bob = await self.pair(room)
            await self.say(bob, ann, range(4))
            await self.receipts(bob, 4)
            await self.hears(ann, range(1))
            reset(ann.connection)
            await self.is_awaited(ann, bob)
            await bob.send("update", data=1)
            await self.say(bob, ann, range(4, 6))
            while (await bob.next())["type"] != "updated":
                pass
            for number in (4, 5):
                receipt = await bob.next()
                self.assertEqual((receipt["msg_id"], receipt["status"]), (number, "queued"))
            missed = await self.resume(ann)
            got = [await ann.next() for _ in range(missed)]
            kinds = [message.get("msg_id", message["type"]) for message in got
                     if message["type"] != "probe"]
            kinds.remove("peer_updated")
            self.assertEqual(kinds, [1, 2, 3, 4, 5])
            await self.say(bob, ann, [6])
            await self.hears(ann, [6])
        await self.rounds(run)

    async def test_without_a_room_it_is_the_same(self):
        async def run(_):
            ann, bob = await self.enter(), await self.enter(user=self.bob, receipts=True)
            await self.say(bob, ann, range(2))
            await self.hears(ann, range(1))
            reset(ann.connection)
            await self.say(bob, ann, [2])
            await self.resume(ann)
            await self.hears(ann, [1, 2])
            self.assertEqual(set(await self.receipts(bob, 3)), {0, 1, 2})
            await self.say(ann, bob, ["back"])
            await self.hears(bob, ["back"])
        await self.rounds(run)

    async def test_a_second_join_gives_the_same_key_and_the_present_count(self):
        async def run(room):
            ann, bob = await self.pair(room)
            await self.say(bob, ann, range(3))
            await self.hears(ann, range(3))
            await ann.send("join", resume=True)
            again = await ann.next()
            self.assertEqual(again["id"], ann.id)
            self.assertEqual(again["resume"], {**ann.joined["resume"], "seq": ann.seq})
            reset(ann.connection)
            await self.resume(ann)
            await ann.send("join", resume=True)
            self.assertEqual((await ann.next())["resume"], {**ann.joined["resume"], "seq": ann.seq})
        await self.rounds(run)

    async def test_a_line_that_breaks_again_and_again(self):
        async def run(room):
            ann, bob = await self.pair(room)
            sent = 0
            for number in range(6):
                BREAKS[number % 2](ann.connection)
                await self.say(bob, ann, [sent, sent + 1])
                sent += 2
                if number % 3 == 1:  # before it has read the answer
                    connection = await self.connect(SIGNALING, self.alice)
                    await connection.send(json.dumps(
                        {"type": "resume", "key": ann.key, "seq": ann.seq}))
                    reset(connection)
                await self.resume(ann)
                if number % 3 == 0:  # before it has read what it missed
                    continue
                await self.hears(ann, [sent - 2, sent - 1] if number % 3 == 2 else
                                 range(sent - 4, sent))
            self.assertEqual(set(await self.receipts(bob, sent)), set(range(sent)))
        await self.rounds(run)

    async def test_who_is_connected_may_move_and_the_old_connection_is_closed(self):
        async def run(room):
            ann, bob = await self.pair(room)
            await self.say(bob, ann, range(10))
            self.assertEqual(await self.receipts(bob, 10), {n: ["delivered"] for n in range(10)})
            await self.hears(ann, range(3))
            for _ in range(3):
                old = ann.connection
                self.assertEqual(await self.resume(ann), 7)
                await in_time(old.wait_closed(), 10, "the end of the old connection")
                self.assertEqual((old.close_code, old.close_reason), (4409, "resumed elsewhere"))
            await self.hears(ann, range(3, 10))
            await self.say(ann, bob, ["back"])
            await self.hears(bob, ["back"])
        await self.rounds(run)

    async def test_what_the_old_connection_says_after_that_is_not_heard(self):
        async def run(room):
            ann, bob = await self.pair(room)
            old = ann.connection
            await self.resume(ann)
            with contextlib.suppress(websockets.ConnectionClosed):
                await old.send(json.dumps({"type": "note", "to": bob.id, "msg_id": "ghost"}))
            old.transport.abort()
            await self.say(ann, bob, ["alive"])
            await self.hears(bob, ["alive"])
            await self.say(bob, ann, [1])
            self.assertEqual((await ann.next())["status"], "delivered")
            await self.hears(ann, [1])
        await self.rounds(run)

    async def test_who_closes_has_left_at_once(self):
        async def run(room, break_):
            ann, bob = await self.pair(room)
            await break_(ann.connection)
            left = await bob.next(1)
            self.assertEqual((left["type"], left["id"]), ("peer_left", ann.id))
            await self.fails("unknown", ann)

        async def close(connection):
            await connection.close()

        async def be_closed(connection):
            connection.transport.write(frame(OP_TEXT, b"bare", mask=None))
        await self.rounds(run, (close,), (be_closed,))

    async def test_who_has_moved_to_another_worker_leaves_from_there(self):
        async def run(room):
            ann, bob = await self.pair(room)
            await self.resume(ann)
            await self.resume(ann)
            await ann.connection.close()
            self.assertEqual((await bob.next(1))["type"], "peer_left")
            await self.fails("unknown", ann)
        await self.rounds(run)


class RefusalTest(LiveResumeCase):
    async def test_a_key_that_is_wrong_or_of_another_user_is_unknown(self):
        async def run(room):
            ann, bob = await self.pair(room)
            reset(ann.connection)
            wrong = ann.key[:-1] + ("A" if ann.key[-1] != "A" else "Q")
            for key in (wrong, ann.key[::-1], ann.id, "", "x", "ключ", ann.key + "A"):
                await self.fails("unknown", ann, key=key)
            other = await self.fails("unknown", ann, self.bob)
            # It is as new.
            await other.send('{"type":"join"}')
            self.assertEqual((await self.next_json(other))["type"], "joined")
            await self.say(bob, ann, [1])
            await self.resume(ann)
            await self.hears(ann, [1])
        await self.rounds(run)

    async def test_any_key_of_the_user_will_do(self):
        ann = await self.enter()
        reset(ann.connection)
        connection = await self.connect(
            SIGNALING, headers={"Authorization": f"Bearer {self.alice.key}"})
        await connection.send(json.dumps({"type": "resume", "key": ann.key, "seq": ann.seq}))
        self.assertEqual((await self.next_json(connection))["type"], "resumed")

    async def test_who_has_counted_more_than_there_was_has_left(self):
        async def run(room):
            ann, bob = await self.pair(room)
            reset(ann.connection)
            connection = await self.fails("bad_seq", ann, seq=ann.seq + 1)
            self.assertEqual((await bob.next(5))["type"], "peer_left")
            await self.fails("unknown", ann)
            await connection.send(json.dumps({"type": "join", "room": room}))
            self.assertNotEqual((await self.next_json(connection))["id"], ann.id)
            self.assertEqual((await bob.next())["type"], "peer_joined")
        await self.rounds(run)

    async def test_a_malformed_resume_is_a_bad_message_and_harms_nobody(self):
        ann, bob = await self.pair("malformed")
        reset(ann.connection)
        for members in ({}, {"key": ann.key}, {"seq": 0}, {"key": 1, "seq": 0},
                        {"key": None, "seq": 0}, {"key": [ann.key], "seq": 0},
                        *({"key": ann.key, "seq": seq} for seq in
                          (-1, 0.5, 1e300, "0", None, True, [0], 2 ** 64))):
            with self.subTest(members=members):
                connection = await self.connect(SIGNALING, self.alice)
                await connection.send(json.dumps({"type": "resume", **members}))
                self.assertEqual((await self.next_json(connection))["code"], "bad_message")
        await self.say(bob, ann, [1])
        await self.resume(ann)
        await self.hears(ann, [1])

    async def test_who_has_joined_cannot_resume(self):
        ann, other = await self.enter(), await self.enter()
        reset(ann.connection)
        for _ in range(2):
            await other.send("resume", key=ann.key, seq=ann.seq)
            self.assertEqual((await other.next())["code"], "bad_message")
        await other.send("resume", key=other.key, seq=other.seq)
        self.assertEqual((await other.next())["code"], "bad_message")
        await self.resume(ann)
        for _ in range(2):
            await ann.send("resume", key=ann.key, seq=ann.seq)
            self.assertEqual((await ann.next())["code"], "bad_message")


class WaitingTest(LiveResumeCase):
    async def test_what_waits_is_queued_and_then_delivered(self):
        async def run(room):
            ann, bob = await self.pair(room)
            cut(ann.connection)
            receipt = await self.is_awaited(ann, bob)
            self.assertEqual(receipt, {"type": "receipt", "msg_id": "probe", "status": "queued",
                                       "to": ann.id, "expires_in": receipt["expires_in"]})
            self.assertIn(receipt["expires_in"], range(25, 31))
            await self.resume(ann)
            self.assertEqual(await bob.next(), {"type": "receipt", "msg_id": "probe",
                                                "status": "delivered", "to": ann.id})
            await self.say(bob, ann, ["fence"])
            self.assertEqual((await bob.next())["msg_id"], "fence")
        await self.rounds(run)

    async def awaited_pair(self, room):
        """Bob may call, and has heard of all that he has sent."""
        ann, bob = await self.pair(room)
        cut(ann.connection)
        await self.is_awaited(ann, bob)
        return ann, bob

    @staticmethod
    def offer(ufrag):
        return {"sdp": f"v=0\r\na=ice-ufrag:{ufrag}\r\n"}

    @staticmethod
    def candidate(ufrag):
        return {"candidate": {"candidate": "candidate:1", "usernameFragment": ufrag}}

    async def call(self, room, calls):
        """Bob sends offers and candidates to ann, who is away. Gives the messages that she finds,
        and all receipts of each."""
        ann, bob = await self.awaited_pair(room)
        for number, (type_, content) in enumerate(calls):
            await bob.send(type_, to=ann.id, msg_id=number, **content)
        found = {number: [] for number in range(len(calls))}
        while not all(found.values()):
            receipt = await bob.next()
            found[receipt["msg_id"]].append(receipt["status"])
        missed = await self.resume(ann)
        got = [message["msg_id"] for message in [await ann.next() for _ in range(missed)]
               if message["type"] not in ("probe", "note")]
        await self.say(bob, ann, ["fence"])
        while (receipt := await bob.next())["msg_id"] != "fence":
            if receipt["msg_id"] != "probe":
                found[receipt["msg_id"]].append(receipt["status"])
        return got, found

    async def test_a_newer_offer_takes_the_place_of_one_that_waits(self):
        async def run(room):
            got, receipts = await self.call(room, [
                ("offer", self.offer("aaaa")), ("candidate", self.candidate("aaaa")),
                ("offer", self.offer("bbbb")), ("candidate", self.candidate("bbbb"))])
            self.assertEqual(got, [2, 3])
            self.assertEqual(receipts, {0: ["queued", "expired"], 1: ["queued", "expired"],
                                        2: ["queued", "delivered"], 3: ["queued", "delivered"]})
        await self.rounds(run)

    async def test_candidates_follow_the_newer_offer_if_it_has_their_ufrag(self):
        async def run(room):
            got, receipts = await self.call(room, [
                ("offer", self.offer("aaaa")), ("candidate", self.candidate("aaaa")),
                ("offer", self.offer("aaaa"))])
            self.assertEqual(got, [2, 1])
            self.assertEqual(receipts, {0: ["queued", "expired"], 1: ["queued", "delivered"],
                                        2: ["queued", "delivered"]})
        await self.rounds(run)


class ShortWindowTest(LiveResumeCase):
    options = ("--workers", "4", "--resume-window", "1")

    async def test_who_does_not_come_back_in_time_has_left(self):
        async def run(room, break_):
            ann, bob = await self.pair(room)
            self.assertEqual(ann.joined["resume"]["window"], 1)
            await bob.send("update", data=1)
            await bob.next()
            break_(ann.connection)
            begin = time.monotonic()
            self.assertEqual((await self.is_awaited(ann, bob))["expires_in"], 1)
            ends = [await bob.next(4), await bob.next(4)]
            self.assertGreater(time.monotonic() - begin, 0.9)
            expired, left = sorted(ends, key=lambda message: message["type"] == "peer_left")
            self.assertEqual(expired, {"type": "receipt", "msg_id": "probe", "status": "expired",
                                       "to": ann.id})
            self.assertEqual((left["type"], left["id"]), ("peer_left", ann.id))
            await self.fails("unknown", ann)
            await self.say(bob, ann, [1])
            self.assertEqual((await bob.next())["status"], "unknown")
        await self.rounds(run, *((break_,) for break_ in BREAKS))

    async def test_who_comes_back_has_all_the_time_again(self):
        ann, bob = await self.pair("again")
        for number in range(4):
            reset(ann.connection)
            await asyncio.sleep(0.6 / SCALE)  # twice this is more than the window
            await self.resume(ann)
        await self.say(bob, ann, [1])
        await self.hears(ann, [1])

    async def test_other_clients_are_not_awaited(self):
        ann, bob = await self.pair("others")
        reset(bob.connection)
        self.assertEqual((await ann.next(0.9))["type"], "peer_left")


class OffTest(LiveResumeCase):
    options = ("--workers", "2", "--resume-window", "0")

    async def test_nobody_can_resume(self):
        ann = Peer(self.alice, await self.connect(SIGNALING, self.alice))
        await ann.send("join", room="off", resume=True)
        self.assertNotIn("resume", await ann.next())
        bob = await self.connect(SIGNALING, self.bob)
        await bob.send('{"type":"join","room":"off"}')
        await self.next_json(bob)
        reset(ann.connection)
        self.assertEqual((await self.next_json(bob, 1))["type"], "peer_left")


class TinyTest(LiveResumeCase):
    options = ("--workers", "4", "--max-resume-messages", "10", "--max-resume-bytes", "4000")

    async def test_who_has_missed_more_than_is_kept_has_left(self):
        async def run(room, count, text):
            ann, bob = await self.pair(room)
            for number in range(count):
                await bob.send("note", to=ann.id, msg_id=number, text=text)
            self.assertEqual(await self.receipts(bob, count),
                             {number: ["delivered"] for number in range(count)})
            reset(ann.connection)
            connection = await self.fails("missed_too_much", ann)
            self.assertEqual((await bob.next(5))["type"], "peer_left")
            await self.fails("unknown", ann)
            await connection.send('{"type":"join"}')
            self.assertNotEqual((await self.next_json(connection))["id"], ann.id)
        await self.rounds(run, (11, ""), (3, "x" * 1500))

    async def test_who_has_missed_all_that_is_kept_gets_it(self):
        async def run(room):
            ann, bob = await self.pair(room)
            await self.say(bob, ann, range(10))
            await self.receipts(bob, 10)
            reset(ann.connection)
            self.assertEqual(await self.resume(ann), 10)
            await self.hears(ann, range(10))
        await self.rounds(run)

    async def test_half_of_what_is_kept_may_wait_then_the_peer_is_busy(self):
        async def run(room, text, fit):
            ann, bob = await self.pair(room)
            cut(ann.connection)
            await asyncio.sleep(0.3)
            await self.is_awaited(ann, bob)  # that is one, unless it was sent just before
            statuses = []
            for number in range(8):
                await bob.send("note", to=ann.id, msg_id=number, text=text)
                statuses.append((await bob.next())["status"])
            queued = statuses.count("queued")
            self.assertIn(queued, (fit, fit + 1))
            self.assertEqual(statuses, ["queued"] * queued + ["busy"] * (8 - queued))
            missed = await self.resume(ann)
            got = [message["msg_id"] for message in [await ann.next() for _ in range(missed)]
                   if message["type"] == "note"]
            self.assertEqual(got, list(range(queued)))
        await self.rounds(run, ("", 4), ("x" * 800, 2))

    async def test_changes_of_the_room_may_take_the_other_half(self):
        async def run(room, changes):
            ann, bob = await self.pair(room)
            cut(ann.connection)
            await asyncio.sleep(0.3)  # so that there are few probes
            await self.is_awaited(ann, bob)
            before = ann.seq
            for number in range(changes):
                await bob.send("update", data=number)
                self.assertEqual((await bob.next())["type"], "updated")
            if changes > 9:
                await self.fails("missed_too_much", ann)
                return
            missed = await self.resume(ann)
            got = [await ann.next() for _ in range(missed)]
            self.assertEqual([message["data"] for message in got if "data" in message],
                             list(range(changes)))
            self.assertEqual(ann.seq, before + missed)
        await self.rounds(run, (5,), (12,))


class SilentTest(LiveResumeCase):
    """Lines that are dead, and nobody says so."""

    options = ("--workers", "4", "--ping-interval", "0.5", "--ping-timeout", "0.5",
               "--write-timeout", "1", "--resume-window", "20", "--log-level", "debug",
               "--max-resume-messages", "5000", "--max-resume-bytes", "50000000",
               "--signaling-rate", "0")

    async def dumb(self, room):
        """Ann by a connection that answers nothing, and bob."""
        raw = await self.raw_websocket(SIGNALING, self.alice, receive_buffer=16384, limit=16384)
        await raw.send_frame(OP_TEXT, json.dumps(
            {"type": "join", "room": room, "resume": True}).encode())
        ann = Peer(self.alice, None)
        ann.on_joined(json.loads((await raw.frame()).payload))
        bob = await self.enter(room, self.bob)
        return ann, bob, raw

    async def test_who_answers_no_pings_may_resume(self):
        async def run(room):
            ann, bob, raw = await self.dumb(room)
            await self.is_awaited(ann, bob)
            missed = await self.resume(ann)
            kinds = [(await ann.next())["type"] for _ in range(missed)]
            self.assertEqual(kinds, ["peer_joined"] + ["probe"] * (missed - 1))
            self.assertEqual((await bob.next())["status"], "delivered")
        await self.rounds(run)
        self.assertGreaterEqual(self.server.log().count("does not answer pings"), ROUNDS)

    @within(40)
    async def test_who_takes_nothing_may_resume(self):
        ann, bob, raw = await self.dumb("stuck")
        raw.pause()
        text, count = "x" * 20_000, 200
        for number in range(count):
            await bob.send("note", to=ann.id, msg_id=number, text=text)
        found = {}
        while not any("queued" in statuses for statuses in found.values()):
            receipt = await bob.next()
            found.setdefault(receipt["msg_id"], []).append(receipt["status"])
        await self.resume(ann)
        self.assertEqual((await ann.next())["type"], "peer_joined")
        await self.hears(ann, range(count))
        while not all(found.get(n, [""])[-1] == "delivered" for n in range(count)):
            receipt = await bob.next()
            found.setdefault(receipt["msg_id"], []).append(receipt["status"])


class DrainTest(ResumeCase):
    def begin(self, *options):
        self.server = self.start("--workers", "2", *options)
        self.alice, self.bob = map(self.server.add_user, ("alice", "bob"))

    @within(40)
    async def test_who_was_closed_by_a_drain_has_left(self):
        self.begin("--drain-spread", "2", "--drain-timeout", "20")
        peers = [await self.enter("drain") for _ in range(8)]
        self.server.signal(signal.SIGTERM)
        closed = [asyncio.create_task(peer.connection.wait_closed()) for peer in peers]
        await in_time(asyncio.wait(closed, return_when=asyncio.FIRST_COMPLETED), 10, "a close")
        gone = peers[[task.done() for task in closed].index(True)]
        self.assertEqual(gone.connection.close_code, 1001)
        self.server.signal(signal.SIGUSR1)  # back in service

        async def is_back():
            with contextlib.suppress(websockets.InvalidStatusCode):
                return await self.fails("unknown", gone)
        await eventually(is_back, "the server takes connections")
        stayed = [peer for peer in peers if not peer.connection.closed]
        self.assertGreater(len(stayed), 0)
        for peer in stayed:
            while (message := await peer.next())["type"] != "peer_left" or message["id"] != gone.id:
                pass
            reset(peer.connection)
            await self.resume(peer)
        await asyncio.to_thread(self.server.stop)

    async def test_the_server_does_not_wait_for_who_is_away(self):
        self.begin()
        ann = await self.enter("drain")
        reset(ann.connection)
        await self.is_awaited(ann, await self.enter("drain", self.bob))
        begin = time.monotonic()
        await asyncio.to_thread(self.server.stop)
        self.assertLess(time.monotonic() - begin, 3 * SCALE)


class Chatter:
    """One of two who talk all the time, over lines that break all the time. Keeps its account of the
    room, and of what became of each message."""

    def __init__(self, case, rng, peer):
        self.case, self.rng, self.peer = case, rng, peer
        self.account = Account(peer.joined)
        self.other = None
        self.sent, self.heard, self.receipts, self.resumes = 0, [], {}, 0
        self.is_away = False

    def take(self, message):
        if message["type"] == "note":
            self.heard.append(message["msg_id"])
        elif message["type"] == "receipt":
            self.receipts.setdefault(message["msg_id"], []).append(message["status"])
        else:
            assert self.account.take(message), message

    async def read(self):
        with contextlib.suppress(websockets.ConnectionClosed):
            while True:
                message = json.loads(await self.peer.connection.recv())
                self.peer.seq += 1
                self.take(message)

    async def talk(self):
        while True:
            await asyncio.sleep(self.rng.uniform(0, 0.02))
            if self.is_away:
                continue
            with contextlib.suppress(websockets.ConnectionClosed):
                self.sent += 1
                await self.peer.send("note", to=self.other.peer.id, msg_id=self.sent)
                if self.rng.random() < 0.02:
                    await self.peer.send("update", data=self.sent)

    async def run(self, breaks):
        """Breaks so often; then everything is sent and heard."""
        talking = asyncio.create_task(self.talk())
        reading = asyncio.create_task(self.read())
        try:
            while self.resumes < breaks:
                await asyncio.sleep(self.rng.uniform(0, 0.15))
                self.is_away = True
                old = self.peer.connection
                way = self.rng.choice(("reset", "cut", "move", "hurry"))
                if way != "move":
                    (cut if way == "cut" else reset)(old)
                await asyncio.sleep(self.rng.choice((0, self.rng.uniform(0, 0.05))))
                reading.cancel()
                await asyncio.wait([reading])
                if way == "hurry":
                    await self.hurry()
                await self.case.resume(self.peer)
                self.resumes += 1
                reading = asyncio.create_task(self.read())
                self.is_away = False
        finally:
            talking.cancel()
        return reading

    async def hurry(self):
        """A resume that is over before anything of it was read."""
        connection = await self.case.connect(SIGNALING, self.peer.user)
        await connection.send(json.dumps(
            {"type": "resume", "key": self.peer.key, "seq": self.peer.seq}))
        await asyncio.sleep(self.rng.choice((0, 0.002)))
        reset(connection)

    def fault(self):
        """What is wrong with what the other one has heard of this one, or None."""
        heard = self.other.heard
        if heard != sorted(set(heard)):
            return f"not once and in order: {heard}"
        for number, statuses in self.receipts.items():
            if statuses not in (["delivered"], ["queued", "delivered"]):
                return f"{number} is {statuses}"
        if set(self.receipts) != set(heard):
            return f"heard or delivered: {sorted(set(self.receipts) ^ set(heard))}"
        if self.account.left:
            return "the other one was seen to leave"
        return None


class ChaosTest(LiveResumeCase):
    options = ("--workers", "4", "--max-resume-messages", "5000", "--max-resume-bytes", "5000000",
               "--room-change-rate", "0")

    @within(60)
    async def test_nothing_is_lost_or_comes_twice_whenever_lines_break(self):
        """What was lost on its way to the server has no receipt."""
        seed = int(os.environ.get("VOICECHAN_TEST_SEED") or random.randrange(1 << 32))
        print(f"seed {seed}")
        rng = random.Random(seed)
        breaks = 30

        async def converse(room, seed):
            rng = random.Random(seed)
            first = await self.enter(room)
            second = await self.enter(room, self.bob)
            ann, bob = (Chatter(self, random.Random(rng.random()), peer)
                        for peer in (first, second))
            ann.other, bob.other = bob, ann
            readings = await asyncio.gather(ann.run(breaks), bob.run(breaks))

            def is_over():
                return all(chatter.receipts.get("fence", [""])[-1] == "delivered" and
                           chatter.other.heard[-1:] == ["fence"] for chatter in (ann, bob))
            for chatter in (ann, bob):
                await chatter.peer.send("note", to=chatter.other.peer.id, msg_id="fence")
            await eventually(is_over, "the last ones are heard and confirmed", 10)
            for reading in readings:
                reading.cancel()
            for chatter in (ann, bob):
                del chatter.receipts["fence"]
                chatter.heard.pop()
            return ann, bob
        pairs = await asyncio.gather(
            *(converse(f"chaos {number}", rng.random()) for number in range(6)))
        chatters = [chatter for pair in pairs for chatter in pair]
        print(f"{sum(chatter.resumes for chatter in chatters)} resumes, "
              f"{sum(chatter.sent for chatter in chatters)} messages")
        for chatter in chatters:
            self.assertIsNone(chatter.fault())
        for ann, bob in pairs:
            self.assertGreaterEqual(len(ann.heard), breaks)
            await ann.peer.connection.close()


if __name__ == "__main__":
    unittest.main()
