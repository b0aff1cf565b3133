#!/usr/bin/python3
"""Signaling rooms: who is there, who comes and goes; and what server/MESSAGES.md says of it and of
voice rooms."""

import asyncio
import json
import pathlib
import random
import re
import tempfile
import unittest

from harness import (NOTIFICATIONS, OP_CLOSE, SIGNALING, LiveCase, Server, eventually, voice,
                     within)

REFERENCE = pathlib.Path(__file__).parents[2] / "server" / "MESSAGES.md"


class Account:
    """What a client knows of its room from what it is sent, and from nothing else."""

    def __init__(self, joined):
        self.id = joined["id"]
        self.revision = joined["revision"]
        self.peers = {peer["id"]: peer for peer in joined["peers"]}
        self.left, self.joined = [], []

    def take(self, message):
        if message["type"] not in ("peer_joined", "peer_updated", "peer_left", "updated"):
            return False
        assert message["revision"] == self.revision + 1, (self.revision, message)
        self.revision += 1
        if message["type"] == "peer_joined":
            assert message["peer"]["id"] not in self.peers
            self.peers[message["peer"]["id"]] = message["peer"]
            self.joined.append(message["peer"]["id"])
        elif message["type"] == "peer_updated":
            self.peers[message["id"]]["data"] = message["data"]
        elif message["type"] == "peer_left":
            del self.peers[message["id"]]
            self.left.append(message["id"])
        return True


class RoomCase(LiveCase):
    options = ("--workers", "4", "--ping-interval", "1", "--ping-timeout", "1",
               "--max-room-peers", "40", "--room-change-rate", "0")

    async def enter(self, room, user=None, data=None):
        peer = await self.connect(SIGNALING, user or self.alice)
        await peer.send(json.dumps({"type": "join", "room": room, "data": data}))
        peer.account = Account(await self.next_json(peer))
        return peer

    async def follow(self, peer):
        """Keeps the peer's account until it is cancelled."""
        async for text in peer:
            peer.account.take(json.loads(text))

    def watch(self, peer):
        task = asyncio.create_task(self.follow(peer))
        self.addAsyncCleanup(asyncio.gather, task, return_exceptions=True)
        self.addCleanup(task.cancel)
        return task


class RosterTest(RoomCase):
    @within(60)
    async def test_accounts_of_all_agree_whoever_comes_and_goes(self):
        async def visit(number):
            await asyncio.sleep(random.random())
            peer = await self.enter("busy", (self.alice, self.bob)[number % 2], number)
            self.watch(peer)
            for step in range(random.randrange(3)):
                await peer.send(json.dumps({"type": "update", "data": [number, step]}))
                await asyncio.sleep(random.random() / 4)
            if number % 3 == 0:
                await peer.close()
            elif number % 3 == 1:
                peer.transport.abort()
            return peer
        peers = await asyncio.gather(*map(visit, range(36)))
        stayers = [peer for number, peer in enumerate(peers) if number % 3 == 2]
        ids = {peer.account.id for peer in stayers}

        def agree():
            return all(set(peer.account.peers) == ids - {peer.account.id} for peer in stayers)
        await eventually(agree, "all know who is there")
        await eventually(lambda: len({peer.account.revision for peer in stayers}) == 1,
                         "all are at one revision")
        for reader in stayers:
            for other in stayers:
                if other is reader:
                    continue
                seen = reader.account.peers[other.account.id]
                self.assertNotEqual(seen["polite"],
                                    other.account.peers[reader.account.id]["polite"])
            for gone in reader.account.left:
                self.assertEqual(reader.account.left.count(gone), 1)
        # What one is told who comes now is what the others have collected.
        newcomer = await self.enter("busy", self.carol)
        for peer in stayers:
            expected = {**newcomer.account.peers}
            mine = expected.pop(peer.account.id)
            self.assertEqual({key: value["data"] for key, value in peer.account.peers.items()
                              if key != newcomer.account.id},
                             {key: value["data"] for key, value in expected.items()})
            self.assertIn(mine["username"], ("alice", "bob"))

    async def test_one_who_closes_is_gone_within_a_second(self):
        stays, goes = await self.enter("ghost"), await self.enter("ghost")
        await self.next_json(stays)
        await goes.close()
        self.assertEqual((await self.next_json(stays, 1))["type"], "peer_left")

    async def test_one_who_breaks_off_is_gone_within_a_second(self):
        stays, goes = await self.enter("ghost2"), await self.enter("ghost2")
        await self.next_json(stays)
        goes.transport.abort()
        self.assertEqual((await self.next_json(stays, 1))["type"], "peer_left")

    async def test_one_who_answers_no_ping_is_gone_within_the_bound(self):
        stays = await self.enter("ghost3")
        self.watch(stays)
        silent = await self.raw_websocket(SIGNALING, self.bob)
        await silent.send_frame(1, b'{"type":"join","room":"ghost3"}')
        await eventually(lambda: len(stays.account.peers) == 1, "it has come")
        await eventually(lambda: not stays.account.peers, "it is gone", 3)

    async def test_a_full_room_says_so_and_takes_the_next_one_when_there_is_place(self):
        peers = [await self.enter("full") for _ in range(40)]
        late = await self.connect(SIGNALING, self.bob)
        await late.send('{"type":"join","room":"full"}')
        self.assertEqual((await self.next_json(late))["code"], "room_full")
        await peers[0].close()

        async def enters():
            await late.send('{"type":"join","room":"full"}')
            return (await self.next_json(late))["type"] == "joined"
        await eventually(enters, "there is place")

    async def test_plain_clients_hear_nothing_of_rooms(self):
        plain = await self.join(self.carol)
        peer = await self.enter("team")
        await self.enter("team")
        await peer.send(json.dumps({"type": "update", "data": 1}))
        await peer.send(json.dumps({"to": plain.id_, "n": 1}))
        self.assertEqual(await self.next_json(plain),
                         {"from": peer.account.id, "to": plain.id_, "n": 1})


class ReceiptTest(RoomCase):
    options = RoomCase.options + ("--busy-queued-bytes", "200000", "--write-timeout", "2",
                                  "--signaling-rate", "0")

    async def receipts(self, peer, count):
        return [await self.next_json(peer) for _ in range(count)]

    async def test_a_reading_peer_has_got_all_that_is_delivered(self):
        sender = await self.enter("r1")
        readers = [await self.join(self.bob) for _ in range(4)]
        for number in range(400):
            await sender.send(json.dumps({"to": readers[number % 4].id_, "msg_id": number}))
        receipts = await self.receipts(sender, 400)
        self.assertEqual({receipt["status"] for receipt in receipts}, {"delivered"})
        self.assertEqual(sorted(receipt["msg_id"] for receipt in receipts), list(range(400)))
        for index, reader in enumerate(readers):
            got = [(await self.next_json(reader))["msg_id"] for _ in range(100)]
            self.assertEqual(got, list(range(index, 400, 4)))

    @within(60)
    async def test_a_peer_that_does_not_read_is_busy_and_then_gone(self):
        sender = await self.enter("r2")
        stuck = await self.raw_websocket(SIGNALING, self.bob, receive_buffer=16384, limit=16384)
        await stuck.send_frame(1, b'{"type":"join"}')
        id_ = json.loads((await stuck.frame()).payload)["id"]
        stuck.writer.transport.pause_reading()
        text = "x" * 20_000
        statuses = {}
        for begin in range(0, 10_000, 100):
            # Again and again: what the kernel takes grows for a while.
            for number in range(begin, begin + 100):
                await sender.send(json.dumps({"to": id_, "msg_id": number, "text": text}))
            while not any(number in statuses for number in range(begin, begin + 100)):
                receipt = await self.next_json(sender)
                self.assertNotIn(receipt["msg_id"], statuses, "two receipts")
                statuses[receipt["msg_id"]] = receipt["status"]
            if "unknown" in statuses.values():
                break
            await asyncio.sleep(0.1)
        for receipt in await self.receipts(sender, begin + 100 - len(statuses)):
            self.assertNotIn(receipt["msg_id"], statuses, "two receipts")
            statuses[receipt["msg_id"]] = receipt["status"]
        counts = {status: list(statuses.values()).count(status) for status in statuses.values()}
        self.assertGreater(counts.get("delivered", 0), 5, counts)  # the kernel's buffers
        self.assertGreater(counts.get("busy", 0), 5, counts)
        self.assertGreater(counts.get("gone", 0), 0, counts)

    @within(60)
    async def test_what_is_discarded_for_one_who_is_too_slow_was_not_delivered(self):
        server = Server("--busy-queued-bytes", "1000000", "--max-queued-control-bytes", "400000",
                        "--close-timeout", "20", "--workers", "1")
        self.addCleanup(server.remove)
        ann = server.add_user("ann")
        sender = await self.connect(SIGNALING, ann, server)
        await sender.send('{"type":"join","receipts":true}')
        await self.next_json(sender)
        slow = await self.raw_websocket(SIGNALING, ann, server, receive_buffer=16384, limit=16384)
        await slow.send_frame(1, b'{"type":"join"}')
        id_ = json.loads((await slow.frame()).payload)["id"]
        text = "x" * 20_000
        count = 400
        for number in range(count):
            await sender.send(json.dumps({"to": id_, "msg_id": number, "text": text}))
        got = set()
        while (frame := await slow.frame()).opcode != OP_CLOSE:
            got.add(json.loads(frame.payload)["msg_id"])
        self.assertEqual(frame.close_code, 1013)
        await slow.send_frame(OP_CLOSE, frame.payload[:2])
        statuses = {}
        for receipt in await self.receipts(sender, count):
            self.assertNotIn(receipt["msg_id"], statuses, "two receipts")
            statuses[receipt["msg_id"]] = receipt["status"]
        delivered = {number for number, status in statuses.items() if status == "delivered"}
        self.assertLessEqual(delivered, got)
        self.assertLessEqual(set(statuses.values()), {"delivered", "gone", "unknown"})
        self.assertGreater(len([1 for status in statuses.values() if status == "gone"]), 10)
        await sender.close()
        server.stop()

    async def test_a_peer_that_breaks_off_under_load_contradicts_no_receipt(self):
        sender = await self.enter("r3")
        for _ in range(10):
            reader = await self.join(self.bob)
            for number in range(100):
                await sender.send(json.dumps({"to": reader.id_, "msg_id": number}))
                if number == 50:
                    reader.transport.abort()
            receipts = await self.receipts(sender, 100)
            self.assertEqual({receipt["msg_id"] for receipt in receipts}, set(range(100)))
            self.assertLessEqual({receipt["status"] for receipt in receipts},
                                 {"delivered", "gone", "unknown"})

            async def is_unknown():
                await sender.send(json.dumps({"to": reader.id_, "msg_id": "last"}))
                return (await self.next_json(sender))["status"] == "unknown"
            await eventually(is_unknown, "the server knows that it is gone", 1)


class ReferenceTest(RoomCase):
    """Each example of the reference has the shape of what the server really sends or takes."""

    @staticmethod
    def examples():
        return [json.loads(text) for text in
                re.findall(r"```json\n(.*?)```", REFERENCE.read_text(), re.DOTALL)]

    @staticmethod
    def shape(message):
        """Names and kinds of members, and the type; a peer's data may be anything."""
        if isinstance(message, dict):
            return {key: value if key == "type" else
                    "data" if key == "data" else ReferenceTest.shape(value)
                    for key, value in message.items()}
        if isinstance(message, list):
            return [ReferenceTest.shape(message[0])] if message else []
        return type(message).__name__

    @within(60)
    async def test_what_the_server_sends_looks_like_the_examples(self):
        seen = []

        async def collect(peer, count=1):
            for _ in range(count):
                seen.append(await self.next_json(peer))
            return seen[-1]
        plain = await self.connect(SIGNALING, self.alice)
        await plain.send('{"type":"join"}')
        id_ = (await collect(plain))["id"]
        await plain.send(json.dumps({"type": "offer", "to": id_, "sdp": "v=0"}))
        offer = await self.next_json(plain)
        del offer["from"]
        seen.append(offer)
        await plain.send(json.dumps({"to": id_[::-1]}))
        await collect(plain)

        await plain.send('{"type":"join","receipts":true}')
        await collect(plain)
        await plain.send(json.dumps({"type": "offer", "to": id_, "msg_id": 1, "sdp": "v=0"}))
        offer = await self.next_json(plain)
        del offer["from"]
        seen.append(offer)
        await collect(plain)
        await plain.send('{"type":"offer","msg_id":"a"}')
        await collect(plain)

        ann = await self.enter("reference")
        bob = await self.connect(SIGNALING, self.bob)
        await bob.send('{"type":"join","room":"reference","data":{"name":"Bob"}}')
        await collect(bob)
        await collect(ann)
        await ann.send('{"type":"update","data":1}')
        await collect(ann)
        await collect(bob)
        for _ in range(200):
            await ann.send('{"type":"update","data":2}')
            await self.next_json(ann)
            await self.next_json(bob)
        await bob.send('{"type":"sync","revision":2}')
        await collect(bob)
        await bob.send('{"type":"sync","revision":203}')
        await collect(bob)
        third = await self.enter("reference")
        await self.next_json(bob)
        await self.next_json(ann)
        await third.close()
        await self.next_json(ann)
        await collect(bob)
        await bob.send('{"type":"sync","revision":204}')
        await collect(bob)
        await bob.send('{"type":"leave"}')
        await collect(bob)

        awaited = await self.connect(SIGNALING, self.alice)
        await awaited.send('{"type":"join","room":"resume","data":1,"resume":true}')
        joined = await collect(awaited)
        awaited.transport.abort()

        async def is_awaited():
            await plain.send(json.dumps({"type": "offer", "to": joined["id"], "msg_id": 1}))
            receipt = await self.next_json(plain)
            return receipt if receipt["status"] == "queued" else None
        seen.append(await eventually(is_awaited, "the server knows that the line is broken"))
        for key in (joined["resume"]["key"], joined["resume"]["key"][::-1]):
            back = await self.connect(SIGNALING, self.alice)
            await back.send(json.dumps({"type": "resume", "key": key, "seq": 0}))
            await collect(back)

        first = await self.connect(voice("reference"), self.alice)
        watching = await self.connect(voice("reference"), self.bob, subprotocols=["voicechan.v1"])
        base = (await collect(watching))["revision"]
        await collect(watching)  # itself
        second = await self.connect(voice("reference"), self.alice)
        await collect(watching)
        await second.send("hello")
        await collect(watching)
        await second.close()
        await collect(watching)
        for revision in (base + 3, base + 2, 0):
            await watching.send(json.dumps({"type": "sync", "revision": revision}))
            await collect(watching)
        await watching.send("hello")
        await collect(watching)
        await first.close()

        device = await self.connect(f"{NOTIFICATIONS}?since=now", self.bob)
        await collect(device)
        await self.invite(self.alice, await self.create_channel(self.alice), self.bob)
        await collect(device)

        with tempfile.NamedTemporaryFile("w") as config:
            json.dump({"ice_servers": [{"urls": ["turn:a"], "secret": "s"}]}, config)
            config.flush()
            server = Server("--ice-config", config.name)
            self.addCleanup(server.remove)
            peer = await self.connect(SIGNALING, server.add_user("ann"), server)
            await peer.send('{"type":"join","room":"reference"}')
            joined = await collect(peer)
            seen.append({"type": "ice_servers", "ice_ttl": joined["ice_ttl"],
                         "ice_servers": joined["ice_servers"]})
            await peer.close()
            server.stop()

        sent_by_clients = [{"type": "join"}, {"type": "join", "receipts": True},
                           {"type": "join", "room": "str", "data": "data"},
                           {"type": "join", "room": "str", "data": "data", "resume": True},
                           {"type": "resume", "key": "str", "seq": 1},
                           {"type": "update", "data": "data"}, {"type": "sync", "revision": 1},
                           {"type": "leave"}, {"type": "ice_error", "error_code": 1},
                           {"type": "text", "text": "str"}]
        known = [self.shape(message) for message in seen + sent_by_clients]
        examples = [self.shape(message) for message in self.examples()]
        for example in examples:
            self.assertIn(example, known)
        for message in map(self.shape, seen):
            self.assertIn(message, examples)


if __name__ == "__main__":
    unittest.main()
