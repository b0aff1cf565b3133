#!/usr/bin/python3
"""Signaling: ids, forwarding, and an answer to everything."""

import asyncio
import json
import os
import time
import unittest

from harness import (COSTS_COUNT, OP_BINARY, OP_CLOSE, OP_TEXT, SIGNALING, LiveCase, eventually,
                     frame, within)

MIB = 1 << 20


def pairs(text):
    """The members of a JSON object in order, numbers as they are written, doubles included."""
    return json.loads(text, object_pairs_hook=list, parse_int=lambda t: ("number", t),
                      parse_float=lambda t: ("number", t))


class SignalingCase(LiveCase):
    options = ("--workers", "4", "--signaling-rate", "100000", "--signaling-burst", "100000")

    async def check_error(self, peer, code, to=None):
        error = await self.next_json(peer)
        self.assertEqual((error.get("type"), error.get("code")), ("error", code), error)
        self.assertIsInstance(error["detail"], str, error)
        self.assertTrue(error["detail"], error)
        if to is not None:
            self.assertEqual(error["to"], to)
        self.assertNotIn("from", error)
        return error

    async def check_still_works(self, peer):
        """The next thing the peer gets is what it sends to itself now."""
        mark = os.urandom(4).hex()
        await peer.send(json.dumps({"to": peer.id_, "mark": mark}))
        self.assertEqual(await self.next_json(peer),
                         {"to": peer.id_, "mark": mark, "from": peer.id_})

    async def two(self):
        return await self.join(self.alice), await self.join(self.bob)


class JoinTest(SignalingCase):
    async def test_join_is_answered_with_joined_and_an_id(self):
        peer = await self.connect(SIGNALING, self.alice)
        await peer.send('{"type":"join"}')
        reply = await self.next_json(peer)
        self.assertEqual(reply["type"], "joined")
        self.assertIsInstance(reply["id"], str)
        self.assertTrue(reply["id"])

    async def test_join_may_be_written_in_any_json_way_with_other_members(self):
        for text in (' { "type" : "join" } ', '{"room":"x","type":"join"}', '{"typ\\u0065":"\\u006aoin"}',
                     '{"type":"join","id":"mine","from":"x","extra":[1,{"a":null}]}\r\n'):
            peer = await self.connect(SIGNALING, self.alice)
            await peer.send(text)
            reply = await self.next_json(peer)
            self.assertEqual(reply["type"], "joined", reply)
            self.assertNotEqual(reply["id"], "mine")

    async def test_joining_twice_gives_the_same_id(self):
        peer = await self.join(self.alice)
        for _ in range(3):
            self.assertEqual(await self.send_join(peer), peer.id_)
        await self.check_still_works(peer)

    @within(60)
    async def test_1000_joins_get_1000_distinct_ids(self):
        peers = []
        for _ in range(20):
            peers += await asyncio.gather(*(self.join(self.alice) for _ in range(50)))
        self.assertEqual(len({peer.id_ for peer in peers}), 1000)
        for peer, other in zip(peers[::50], peers[1::50]):
            await peer.send(json.dumps({"to": other.id_}))
            self.assertEqual((await self.next_json(other))["from"], peer.id_)

    async def test_an_id_is_never_given_again(self):
        ids = set()
        for _ in range(50):
            peer = await self.join(self.alice)
            ids.add(peer.id_)
            await peer.close()
        self.assertEqual(len(ids), 50)

    async def test_ids_cannot_be_guessed_from_one_another(self):
        peers = await asyncio.gather(*(self.join(self.alice) for _ in range(100)))
        ids = [peer.id_ for peer in peers]
        varying = [column for column in zip(*ids) if len(set(column)) > 8]
        self.assertGreaterEqual(len(varying), 16)

    async def test_a_user_has_an_id_for_each_connection(self):
        first, second = await self.join(self.alice), await self.join(self.alice)
        self.assertNotEqual(first.id_, second.id_)
        await first.send(json.dumps({"to": second.id_, "n": 1}))
        self.assertEqual((await self.next_json(second))["n"], 1)
        await self.check_still_works(first)


class ForwardTest(SignalingCase):
    async def test_a_message_with_to_goes_straight_to_that_connection_with_from(self):
        first, second = await self.two()
        for kind in ("offer", "answer", "candidate", "anything else", "error", "joined", "", 5, None,
                     ["join"]):
            message = {"type": kind, "to": second.id_, "sdp": "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\n"}
            await first.send(json.dumps(message))
            self.assertEqual(await self.next_json(second), {**message, "from": first.id_})
        await self.check_still_works(first)

    async def test_a_message_without_a_type_is_forwarded(self):
        first, second = await self.two()
        await first.send(json.dumps({"to": second.id_}))
        self.assertEqual(await self.next_json(second), {"to": second.id_, "from": first.id_})

    async def test_the_peer_can_answer_to_from(self):
        first, second = await self.two()
        await first.send(json.dumps({"type": "offer", "to": second.id_}))
        sender = (await self.next_json(second))["from"]
        await second.send(json.dumps({"type": "answer", "to": sender}))
        self.assertEqual(await self.next_json(first),
                         {"type": "answer", "to": first.id_, "from": second.id_})

    async def test_nobody_else_gets_the_message(self):
        first, second = await self.two()
        others = [await self.join(user) for user in (self.alice, self.bob, self.carol)]
        await first.send(json.dumps({"to": second.id_, "secret": 1}))
        await self.next_json(second)
        for other in (first, second, *others):
            await self.check_still_works(other)

    async def test_whatever_the_sender_put_into_from_is_replaced(self):
        first, second = await self.two()
        for spoof in (f'"from":"{second.id_}"', '"from":null', '"from":{"a":["from"]}', '"from":1.5',
                      '"fr\\u006fm":"spoof"', '"from":"a","from":"b"', '"from":"a","fr\\u006fm":"b"'):
            for text in ('{%s,"to":"%s","x":{"from":"kept"}}', '{"to":"%s","x":{"from":"kept"},%s}'):
                parts = (spoof, second.id_) if text.startswith("{%s") else (second.id_, spoof)
                await first.send(text % parts)
                members = pairs(await self.next(second))
                self.assertEqual([value for name, value in members if name == "from"], [first.id_])
                self.assertIn(("x", [("from", "kept")]), members)
                self.assertEqual({name for name, _ in members}, {"from", "to", "x"})

    async def test_all_other_members_arrive_untouched(self):
        first, second = await self.two()
        for value in ("1.10", "1.0", "-0", "-0.0", "1E5", "1e+05", "12345678901234567890",
                      "-9223372036854775808", "18446744073709551615", "18446744073709551616",
                      "9007199254740993", "123456789012345678901234567890", "1e400", "1e-400",
                      "0.1000000000000000055511151231257827", "0.30000000000000004", "5e-324", "true",
                      "null", '""', '"\\u0417\\ud83d\\ude00"', '"З😀"', '"\\/\\b\\f\\n\\r\\t\\"\\\\"',
                      '"\\u0000"', '"<&>"', '"\\u2028"', "[]", "{}", "[ 1 , [2.50],{ } ]",
                      '{"b":1,"a":{"to":"x","from":"y","b":[1.10,null]},"b":2}', '"' + "x" * 60000 + '"'):
            with self.subTest(value=value[:60]):
                await first.send('{"type":"offer", "value" :%s ,"to":"%s"}' % (value, second.id_))
                text = await self.next(second)
                self.assertEqual(dict(pairs(text))["value"], pairs(value))
                self.assertIn(value, text)
                self.assertEqual(set(dict(pairs(text))), {"type", "value", "to", "from"})

    async def test_member_names_and_their_order_and_doubles_arrive_untouched(self):
        first, second = await self.two()
        names = ["zeta", "alpha", "", "\\u0417", "Привіт", "a\\\"b", "From", "To", " from", "__proto__",
                 "dup", "dup"]
        members = "".join(f'"{name}":{i},' for i, name in enumerate(names))
        await first.send("{" + members + f'"to":"{second.id_}"}}')
        got = [member for member in pairs(await self.next(second)) if member[0] != "from"]
        self.assertEqual(got, pairs("{" + members + f'"to":"{second.id_}"}}'))

    async def test_a_message_as_deep_as_an_application_nests_is_forwarded(self):
        first, second = await self.two()
        nested = "[" * 20 + "]" * 20
        await first.send(f'{{"n":{nested},"to":"{second.id_}"}}')
        self.assertIn(nested, await self.next(second))

    async def test_a_message_to_oneself_is_delivered(self):
        peer = await self.join(self.alice)
        await peer.send(json.dumps({"type": "echo", "to": peer.id_, "from": "x"}))
        self.assertEqual(await self.next_json(peer),
                         {"type": "echo", "to": peer.id_, "from": peer.id_})

    async def test_messages_from_one_peer_to_another_keep_their_order(self):
        first, second = await self.two()
        for i in range(500):
            await first.send(json.dumps({"to": second.id_, "n": i}))
        self.assertEqual([(await self.next_json(second))["n"] for _ in range(500)],
                         list(range(500)))

    async def test_a_fragmented_message_is_one_message(self):
        peer = await self.raw_websocket(SIGNALING, self.alice)
        await peer.send(frame(OP_TEXT, b'{"ty', fin=False) + frame(0, b'pe":"jo', fin=False)
                        + frame(0, b'in"}'))
        self.assertEqual((await self.next_json(peer))["type"], "joined")

    async def test_to_written_with_an_escape_is_to(self):
        first, second = await self.two()
        await first.send('{"\\u0074o":"%s","n":1}' % second.id_)
        self.assertEqual((await self.next_json(second))["n"], 1)
        await first.send('{"to":"\\u%04x%s","n":2}' % (ord(second.id_[0]), second.id_[1:]))
        self.assertEqual((await self.next_json(second))["n"], 2)


class ErrorTest(SignalingCase):
    not_json = ("", " ", "hello", "{", "}", '{"type":"join"', '{"type":"join"}}', '{"type":"join"}x',
                '{"type":"join",}', "{'type':'join'}", '{type:"join"}', '{"n":01}', '{"n":+1}', '{"n":.5}',
                '{"n":1.}', '{"n":0x1}', '{"n":NaN}', '{"n":Infinity}', '{"n":-}', '{"n":1e}',
                '{"a":"\n"}', '{"a":"\\x"}', '{"a":"\\u12"}', '{"a" "b"}', '{"a":1 "b":2}', "//", "\0",
                '{"n":tru}', '{"type":"join"}\0', "{,}", '{"a"}', "/**/{}")
    no_object = ("[]", '["join"]', '"join"', "1", "true", "null", "-0.5", '[{"type":"join"}]')

    async def test_what_is_no_json_object_is_bad_message(self):
        for joined in (True, False):
            peer = await (self.join(self.alice) if joined else self.connect(SIGNALING, self.alice))
            for text in self.not_json + self.no_object:
                with self.subTest(text=text, joined=joined):
                    await peer.send(text)
                    await self.check_error(peer, "bad_message")
            peer.id_ = await self.send_join(peer)
            await self.check_still_works(peer)

    async def test_a_binary_frame_is_bad_message(self):
        peer = await self.connect(SIGNALING, self.alice)
        for data in (b'{"type":"join"}', b"", b"\0\xff"):
            await peer.send(data)
            await self.check_error(peer, "bad_message")
        peer.id_ = await self.send_join(peer)
        await peer.send(json.dumps({"to": peer.id_}).encode())
        await self.check_error(peer, "bad_message")
        await self.check_still_works(peer)

    async def test_deep_nesting_is_bad_message(self):
        peer = await self.join(self.alice)
        for text in ("[" * 100000, "{" * 100000, '{"a":' * 50000, '{"to":"%s","n":%s%s}' % (
                peer.id_, "[" * 100000, "]" * 100000), '{"type":"join","a":' + '{"a":' * 1000 + "1"
                + "}" * 1001):
            await peer.send(text)
            await self.check_error(peer, "bad_message")
        await self.check_still_works(peer)

    async def test_before_join_every_other_object_is_not_joined(self):
        other = await self.join(self.bob)
        peer = await self.connect(SIGNALING, self.alice)
        for message in ({}, {"to": other.id_}, {"type": "offer", "to": other.id_},
                        {"to": "nobody"}, {"to": 5}, {"type": "joined"}, {"type": "JOIN"},
                        {"type": "join "}, {"type": ["join"]}, {"type": None}, {"join": "type"}):
            with self.subTest(message=message):
                await peer.send(json.dumps(message))
                await self.check_error(peer, "not_joined")
        peer.id_ = await self.send_join(peer)
        await self.check_still_works(peer)
        await self.check_still_works(other)

    async def test_to_missing_or_no_string_is_bad_message(self):
        peer = await self.join(self.alice)
        for message in ({}, {"type": "offer"}, {"to": None}, {"to": 1}, {"to": [peer.id_]},
                        {"to": {"id": peer.id_}}, {"to": True}, {"To": peer.id_}, {"type": None}):
            with self.subTest(message=message):
                await peer.send(json.dumps(message))
                await self.check_error(peer, "bad_message")
        await self.check_still_works(peer)

    async def test_an_unknown_to_is_unknown_peer_and_to_is_echoed(self):
        peer, other = await self.two()
        known = other.id_
        for to in ("", "nobody", known[:-1], known + "x", known + " ", " " + known, known[1:],
                   known.swapcase(), known[:-1] + ("A" if known[-1] != "A" else "B"),
                   ("A" if known[0] != "A" else "B") + known[1:], known + known, "З😀", "a\"b\\\n",
                   "\0", known + "\0", "*", "A" * len(known), "_" * len(known), "x" * 2000):
            with self.subTest(to=to[:60]):
                await peer.send(json.dumps({"type": "offer", "to": to}))
                await self.check_error(peer, "unknown_peer", to)
        await self.check_still_works(peer)
        await self.check_still_works(other)

    async def test_a_peer_that_left_is_unknown(self):
        stays = await self.join(self.alice)
        for how in ("close", "half-close", "reset", "protocol error"):
            for _ in range(5):
                gone = await self.raw_websocket(SIGNALING, self.bob)
                gone.id_ = await self.send_join(gone)
                if how == "close":
                    await gone.send_frame(OP_CLOSE)
                    await gone.close_code()
                elif how == "half-close":
                    gone.half_close()
                    await gone.ended()
                elif how == "protocol error":
                    await gone.send_frame(3, b"x")
                    await gone.close_code()
                else:
                    gone.abort()
                    await self.until_unknown(gone.id_)
                await stays.send(json.dumps({"to": gone.id_, "how": how}))
                await self.check_error(stays, "unknown_peer", gone.id_)
        await self.check_still_works(stays)

    async def until_unknown(self, identifier):
        """Whether the server has seen a reset can be observed by this only."""
        prober = await self.join(self.alice)

        async def is_refused():
            await prober.send(json.dumps({"to": identifier}))
            try:
                reply = json.loads(await self.next(prober, 0.1))
            except asyncio.TimeoutError:
                return False
            self.assertEqual((reply["code"], reply["to"]), ("unknown_peer", identifier))
            return True
        await eventually(is_refused, "a peer whose connection was reset is unknown")
        await prober.close()

    async def test_an_unpaired_surrogate_is_answered_or_forwarded_as_it_is(self):
        peer = await self.join(self.alice)
        await peer.send('{"to":"%s","x":"\\ud800"}' % peer.id_)
        reply = pairs(await self.next(peer))
        self.assertTrue(("code", "bad_message") in reply or ("x", "\ud800") in reply, reply)
        await peer.send('{"to":"\\ud800"}')
        reply = dict(pairs(await self.next(peer)))
        self.assertIn(reply["code"], ("bad_message", "unknown_peer"))
        await self.check_still_works(peer)

    async def test_many_bad_messages_each_get_their_own_answer(self):
        peer = await self.join(self.alice)
        for i in range(200):
            await peer.send(json.dumps({"to": f"nobody {i}"}))
        for i in range(200):
            await self.check_error(peer, "unknown_peer", f"nobody {i}")

    async def test_the_connection_survives_a_peers_broken_transport(self):
        first, second = await self.two()
        raw = await self.raw_websocket(SIGNALING, self.carol)
        identifier = await self.send_join(raw)
        raw.abort()
        for _ in range(50):
            await first.send(json.dumps({"to": identifier}))
            await first.send(json.dumps({"to": second.id_, "n": 1}))
            self.assertEqual((await self.next_json(second))["n"], 1)


class SizeTest(SignalingCase):
    options = SignalingCase.options + ("--max-signaling-bytes", "2000")

    def message(self, peer, size):
        empty = json.dumps({"to": peer.id_, "pad": ""})
        return json.dumps({"to": peer.id_, "pad": "x" * (size - len(empty))})

    async def test_a_message_of_the_limit_passes_and_one_byte_more_is_too_large(self):
        peer = await self.join(self.alice)
        await peer.send(self.message(peer, 2000))
        self.assertEqual((await self.next_json(peer))["from"], peer.id_)
        for size in (2001, 100000, MIB, MIB + 1, 5 * MIB):
            await peer.send(self.message(peer, size))
            await self.check_error(peer, "too_large")
            await self.check_still_works(peer)

    async def test_the_limit_counts_bytes(self):
        peer = await self.join(self.alice)
        await peer.send('{"to":"%s","pad":"%s"}' % (peer.id_, "ї" * 1000))
        await self.check_error(peer, "too_large")
        await self.check_still_works(peer)

    async def test_what_is_too_large_by_its_fragments_is_too_large_once(self):
        peer = await self.raw_websocket(SIGNALING, self.alice)
        peer.id_ = await self.send_join(peer)
        await peer.send(frame(OP_TEXT, b"x" * 1500, fin=False)
                        + b"".join(frame(0, b"x" * 1500, fin=False) for _ in range(20))
                        + frame(0, b"x"))
        await peer.send(frame(OP_BINARY, b"x" * 3000))
        await peer.send(frame(OP_TEXT, json.dumps({"to": peer.id_, "n": 1}).encode()))
        await self.check_error(peer, "too_large")
        error = await self.next_json(peer)
        self.assertIn(error["code"], ("too_large", "bad_message"))
        self.assertEqual((await self.next_json(peer))["n"], 1)

    async def test_too_large_before_join_keeps_the_connection_too(self):
        peer = await self.connect(SIGNALING, self.alice)
        await peer.send("x" * 3000)
        await self.check_error(peer, "too_large")
        await self.send_join(peer)

    async def test_a_skipped_message_is_not_buffered(self):
        peer = await self.join(self.alice)
        before = self.server.resident_bytes()
        chunk = "x" * (1 << 20)

        async def endless():
            for _ in range(64):
                yield chunk
        await peer.send(endless())
        await self.check_error(peer, "too_large", None)
        if COSTS_COUNT:
            self.assertLess(self.server.resident_bytes() - before, 16 << 20)
        await self.check_still_works(peer)


class RateTest(SignalingCase):
    options = ("--workers", "2", "--signaling-rate", "5", "--signaling-burst", "20")

    async def test_above_the_rate_every_message_is_answered_with_rate_limited(self):
        peer, other = await self.two()
        seen, errors = [], []

        async def read(client, into):
            async for message in client:
                into.append(json.loads(message))
        tasks = [asyncio.create_task(read(peer, errors)), asyncio.create_task(read(other, seen))]
        begin = time.monotonic()
        for i in range(100):
            await peer.send(json.dumps({"to": other.id_, "n": i}))
        elapsed = time.monotonic() - begin
        try:
            await eventually(lambda: len(seen) + len(errors) >= 100, "100 outcomes")
        finally:
            for task in tasks:
                task.cancel()
        self.assertEqual(len(seen) + len(errors), 100)
        self.assertEqual({error["code"] for error in errors}, {"rate_limited"})
        self.assertGreaterEqual(len(seen), 15)
        self.assertLessEqual(len(seen), 21 + 5 * (elapsed + 1))
        numbers = [message["n"] for message in seen]
        self.assertEqual(numbers, sorted(set(numbers)))

    async def test_the_connection_stays_open_and_the_rate_comes_back(self):
        peer = await self.join(self.alice)
        for _ in range(60):
            await peer.send(json.dumps({"to": "nobody"}))
        codes = [(await self.next_json(peer))["code"] for _ in range(60)]
        self.assertIn("rate_limited", codes)
        self.assertEqual(codes[0], "unknown_peer")

        async def works():
            await peer.send(json.dumps({"to": peer.id_}))
            return (await self.next_json(peer)).get("from") == peer.id_
        await eventually(works, "the rate comes back")

    async def test_the_rate_is_each_connections_own(self):
        peer, other = await self.two()
        for _ in range(60):
            await peer.send("{}")
        await self.check_still_works(other)


class DefaultLimitTest(LiveCase):
    async def test_an_ordinary_call_is_not_limited(self):
        """An offer of 20 KB, its answer and 100 candidates each way, as fast as they come."""
        first, second = await self.join(self.alice), await self.join(self.bob)
        for sender, receiver in ((first, second), (second, first)):
            await sender.send(json.dumps({"type": "offer", "to": receiver.id_, "sdp": "x" * 20000}))
            for i in range(100):
                await sender.send(json.dumps({"type": "candidate", "to": receiver.id_, "n": i}))
            self.assertEqual((await self.next_json(receiver))["type"], "offer")
            for i in range(100):
                self.assertEqual((await self.next_json(receiver))["n"], i)

    async def test_a_message_of_64_kib_passes_by_default(self):
        peer = await self.join(self.alice)
        await peer.send(json.dumps({"to": peer.id_, "sdp": "x" * 65000}))
        self.assertEqual(len((await self.next_json(peer))["sdp"]), 65000)


class BusyTest(LiveCase):
    options = ("--workers", "2", "--signaling-rate", "100000", "--signaling-burst", "100000",
               "--max-signaling-bytes", "1000000")

    async def test_a_peer_that_does_not_read_is_peer_busy_and_hurts_nobody(self):
        for _ in range(3):  # on the sender's worker and on another
            await self.check_busy_peer()

    async def check_busy_peer(self):
        before = self.server.resident_bytes()
        deaf = await self.raw_websocket(SIGNALING, self.bob, receive_buffer=4096)
        identifier = await self.send_join(deaf)
        deaf.pause()
        sender, other = await self.join(self.alice), await self.join(self.carol)
        sent, errors = 0, []

        async def step(**members):
            """Sends one to the deaf peer and one to itself, and reads up to the latter."""
            nonlocal sent
            await sender.send(json.dumps({"to": identifier, **members}))
            await sender.send(json.dumps({"to": sender.id_}))
            sent += 1
            while "code" in (reply := await self.next_json(sender)):
                errors.append(reply)

        while not errors:
            self.assertLess(sent, 1000, "60 MB went to a peer that does not read")
            await step(pad="x" * 60000)
        error = errors[0]
        self.assertEqual((error["type"], error["code"], error["to"]),
                         ("error", "peer_busy", identifier), error)
        self.assertIsInstance(error["detail"], str)
        if COSTS_COUNT:
            self.assertLess(self.server.resident_bytes() - before, 64 << 20)
        for i in range(20):
            await sender.send(json.dumps({"to": other.id_, "n": i}))
            self.assertEqual((await self.next_json(other))["n"], i)

        deaf.resume()  # what was taken comes, in full; then he is a peer like any other
        received = 0

        async def listen():
            nonlocal received
            while "last" not in (message := await self.next_json(deaf)):
                received += 1
                self.assertEqual((message["from"], len(message["pad"])), (sender.id_, 60000))
        listener = asyncio.create_task(listen())
        lasts = 0
        while not listener.done():
            await step(last=True)
            lasts += 1
            await asyncio.wait([listener], timeout=0.05)
        await listener
        self.assertEqual({error["code"] for error in errors}, {"peer_busy"})
        self.assertLessEqual(sent - lasts - received, len(errors), "a message was lost in silence")


if __name__ == "__main__":
    unittest.main()
