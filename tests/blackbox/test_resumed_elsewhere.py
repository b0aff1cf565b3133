#!/usr/bin/python3
"""A session of one server whose client has resumed it at another one, and what clients hear when
that server or the bus goes; and receipts that the bus did not pass on."""

import asyncio
import json
import signal
import time
import unittest

import websockets

from harness import OP_TEXT, SCALE, SIGNALING, eventually, in_time, within
from test_redis_bus import BusCase
from test_resume import Peer, reset

# Seconds: the connection's server asks so often whether the session is there, and how long after
# its last answer it gives it up.
PROBE, GIVEN_UP = 5, 13


class ElsewhereCase(BusCase):
    async def peer(self, user, server, **members):
        peer = Peer(user, await self.connect(SIGNALING, user, server))
        await peer.send("join", room="team", **members)
        peer.joined = await peer.next()
        peer.id = peer.joined["id"]
        return peer

    async def until_type(self, peer, type_, seconds=10):
        while True:
            message = await peer.next(seconds)
            if message["type"] == type_:
                return message

    async def resume(self, peer, server):
        peer.connection = await self.connect(SIGNALING, peer.user, server)
        await peer.send("resume", key=peer.key, seq=peer.seq)
        return await peer.next()

    async def moved(self):
        """Bob of server `a`, and ann, whose session is there and who is connected to `b`."""
        bob = await self.peer(self.bob, self.a)
        ann = await self.peer(self.alice, self.a, resume=True)
        ann.on_joined(ann.joined)
        await self.until_type(bob, "peer_joined")
        reset(ann.connection)
        self.assertEqual((await self.resume(ann, self.b))["type"], "resumed")
        await self.say(bob, ann, 0)
        self.assertEqual((await ann.next())["msg_id"], 0)
        self.assertEqual((await self.until_type(bob, "receipt"))["status"], "delivered")
        return ann, bob

    async def say(self, sender, receiver, number, **members):
        await sender.send("note", to=receiver.id, msg_id=number, **members)

    async def until_reached(self, sender, receiver):
        async def is_reached():
            await self.say(sender, receiver, "?")
            return (await self.until_type(sender, "receipt"))["status"] == "delivered"
        await eventually(is_reached, "the servers reach each other")

    async def goes_on(self, ann, bob):
        """What is said either way comes, on the connection that is there."""
        await self.say(bob, ann, 1)
        self.assertEqual((await self.until_type(ann, "note"))["msg_id"], 1)
        await self.say(ann, bob, 2)
        self.assertEqual((await self.until_type(bob, "note"))["msg_id"], 2)

    async def without_bus(self, seconds):
        for bus in self.buses:
            bus.kill()
        await asyncio.sleep(seconds)
        for bus in self.buses:
            bus.start()

    async def joins_anew(self, ann):
        ann.seq = None
        await ann.send("join", room="team", resume=True)
        joined = await self.until_type(ann, "joined")
        self.assertNotEqual(joined["id"], ann.id)
        return joined


class ResumedElsewhereTest(ElsewhereCase):
    @within(60)
    async def test_a_message_that_the_bus_lost_comes_after_all(self):
        ann, bob = await self.moved()
        away = asyncio.create_task(self.without_bus(2))
        await asyncio.sleep(0.5)
        await self.say(bob, ann, 1)
        self.assertEqual((await self.until_type(bob, "receipt"))["status"], "queued")
        await bob.send("update", data=1)
        await away
        back = time.monotonic()
        with self.assertRaises(websockets.ConnectionClosed):  # nothing comes before that
            await ann.next(PROBE + 5)
        self.assertLess(time.monotonic() - back, (PROBE + 2) * SCALE)
        self.assertEqual(ann.connection.close_code, 1006)
        answer = await self.resume(ann, self.b)
        self.assertEqual((answer["type"], answer["missed"]), ("resumed", 2))
        self.assertEqual((await ann.next())["msg_id"], 1)
        self.assertEqual((await ann.next())["type"], "peer_updated")
        self.assertEqual((await self.until_type(bob, "receipt"))["status"], "delivered")

    @within(60)
    async def test_a_silent_client_outlasts_an_outage_of_the_bus(self):
        ann, bob = await self.moved()
        watch = await self.peer(self.bob, self.b)
        await self.without_bus(PROBE + 0.3)  # so that it is asked for in vain
        await self.until_reached(bob, watch)
        await self.goes_on(ann, bob)

    @within(60)
    async def test_a_silent_client_outlasts_a_pause_of_the_sessions_server(self):
        ann, bob = await self.moved()
        await asyncio.sleep(PROBE / 2)
        self.a.signal(signal.SIGSTOP)
        self.addCleanup(self.a.signal, signal.SIGCONT)
        await asyncio.sleep(PROBE)  # half of it after it was asked for: too long for an answer
        self.a.signal(signal.SIGCONT)
        await self.goes_on(ann, bob)

    @within(60)
    async def test_what_the_client_says_while_the_bus_is_away_is_answered(self):
        ann, _ = await self.moved()
        for bus in self.buses:
            bus.kill()
        await ann.send("update", data=1)
        answer = await ann.next(4)
        self.assertEqual(answer, {"type": "resume_failed", "reason": "unknown"})
        await self.joins_anew(ann)
        for bus in self.buses:
            bus.start()

    @within(60)
    async def test_if_the_server_of_the_session_dies_the_client_is_told(self):
        ann, _ = await self.moved()
        self.a.kill()
        answer = await ann.next(GIVEN_UP + 1)
        self.assertEqual(answer, {"type": "resume_failed", "reason": "unknown"})
        await self.joins_anew(ann)
        self.a = self.serve_joined()

    @within(60)
    async def test_if_the_server_of_the_session_stops_the_client_is_told_at_once(self):
        ann, _ = await self.moved()
        watch = await self.peer(self.bob, self.b)
        await self.until_type(ann, "peer_joined")
        began = time.monotonic()
        stopping = asyncio.create_task(asyncio.to_thread(self.a.stop))
        answer = await self.until_type(ann, "resume_failed", 5)
        self.assertEqual(answer["reason"], "unknown")
        self.assertLess(time.monotonic() - began, 2 * SCALE)
        await stopping
        joined = await self.joins_anew(ann)
        came = await self.until_type(watch, "peer_joined")
        self.assertEqual(came["peer"]["id"], joined["id"])

    @within(60)
    async def test_if_the_server_of_the_connection_dies_the_session_goes_on(self):
        ann, bob = await self.moved()
        self.b.kill()
        with self.assertRaises(websockets.ConnectionClosed):
            await ann.next()
        self.assertEqual((await self.resume(ann, self.a))["type"], "resumed")
        await self.say(bob, ann, 1)
        self.assertEqual((await ann.next())["msg_id"], 1)
        self.b = self.serve_joined()


class ReceiptTest(ElsewhereCase):
    COUNT, TEXT = 12, "x" * 330_000

    async def slow(self, text):
        """A connection to `b` that reads when it is told to; it has sent `text`."""
        raw = await self.raw_websocket(SIGNALING, self.bob, self.b, receive_buffer=16384,
                                       limit=16384)
        await raw.send_frame(OP_TEXT, text.encode())
        return raw

    async def read_late(self, sender, to, raw):
        """Twelve messages to who reads them while the bus is away. Gives the receipts."""
        raw.pause()
        for number in range(self.COUNT):
            await self.say(sender, to, number, text=self.TEXT)
        receipts, began = [], time.monotonic()

        async def read():
            while len(receipts) < self.COUNT:
                receipt = await self.until_type(sender, "receipt", 60)
                receipts.append((receipt["msg_id"], receipt["status"]))
        reading = asyncio.create_task(read())
        self.addCleanup(reading.cancel)
        await asyncio.sleep(2.5)  # what was not answered by now is `unknown`
        before = len(receipts)
        self.assertLess(before, self.COUNT - 2, "it did read")
        for bus in self.buses:
            bus.kill()
        raw.resume()
        for number in range(self.COUNT):
            got = json.loads((await raw.frame()).payload)
            self.assertEqual(got["msg_id"], number)
        await asyncio.sleep(0.5)
        self.assertEqual(len(receipts), before, "the bus is away")
        for bus in self.buses:
            bus.start()
        await in_time(reading, 8, f"all receipts: {receipts} after {time.monotonic() - began}")
        return receipts

    @within(60)
    async def test_receipts_that_the_bus_refused_come_when_it_is_back(self):
        alice = await self.peer(self.alice, self.a)
        raw = await self.slow('{"type":"join","room":"team"}')
        bob = Peer(self.bob, None)
        bob.id = json.loads((await raw.frame()).payload)["id"]
        await self.until_type(alice, "peer_joined")
        receipts = await self.read_late(alice, bob, raw)
        self.assertEqual(receipts, [(n, "delivered") for n in range(self.COUNT)])


if __name__ == "__main__":
    unittest.main()
