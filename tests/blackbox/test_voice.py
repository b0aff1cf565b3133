#!/usr/bin/python3
"""The relay of a voice room: everything to everybody else, once, in order, unchanged."""

import asyncio
import json
import os
import unittest
import urllib.parse

from harness import (NOTIFICATIONS, OP_BINARY, OP_CLOSE, OP_TEXT, LiveCase, close_payload, eventually,
                     frame, upgrade_request, voice, within)

MIB = 1 << 20
UKRAINIAN = "Загальна кімната"


def quoted(room):
    return voice(urllib.parse.quote(room, safe=""))


class VoiceCase(LiveCase):
    options = ("--workers", "4")

    async def check_relay(self, sender, receivers, message):
        await sender.send(message)
        for receiver in receivers:
            self.assertEqual(await self.next(receiver), message)

    async def check_nothing_came(self, client, from_):
        """A message of another member must be the next one that the client gets."""
        fence = "fence " + os.urandom(4).hex()
        await from_.send(fence)
        self.assertEqual(await self.next(client), fence)


class RelayTest(VoiceCase):
    async def test_text_goes_unchanged_to_all_other_members_as_text(self):
        sender, *others = await self.members("text", 4, self.alice)
        for text in ("hello", "", "Привіт 😀", '{"type":"join"}', '{"to":"x"}', "not json", "\0\n",
                     "\ufeffbom", "\U0010ffff", " padded "):
            await self.check_relay(sender, others, text)

    async def test_binary_goes_unchanged_to_all_other_members_as_binary(self):
        sender, *others = await self.members("binary", 4, self.alice)
        for data in (b"\0", b"", bytes(range(256)), b"text", b"\xff\xfe", os.urandom(160)):
            await self.check_relay(sender, others, data)

    async def test_every_length_around_a_frame_format_boundary_arrives_unchanged(self):
        sender, listener = await self.members("lengths", 2, self.alice)
        for size in (*range(0, 9), *range(120, 132), 4095, 4096, 4097, *range(65530, 65541),
                     131072, 1000000, MIB - 1, MIB):
            for message in (os.urandom(size), "a" * size):
                await self.check_relay(sender, [listener], message)

    async def test_text_and_binary_keep_their_common_order(self):
        sender, listener = await self.members("mixed", 2, self.alice)
        messages = [str(i) if i % 3 else b"%d" % i for i in range(300)]
        for message in messages:
            await sender.send(message)
        self.assertEqual([await self.next(listener) for _ in messages], messages)

    async def test_nobody_gets_his_own_message(self):
        members = await self.members("own", 4, self.alice)
        for sender in members:
            await self.check_relay(sender, [other for other in members if other is not sender], "x")
        for client in members:
            other = members[0] if client is not members[0] else members[1]
            await self.check_nothing_came(client, other)
            for third in members:
                if third not in (client, other):
                    await self.next(third)

    async def test_messages_of_several_senders_each_keep_their_order(self):
        listener, *senders = await self.members("several", 6, self.alice)

        async def speak(number, client):
            for i in range(100):
                await client.send(f"{number} {i}")
        await asyncio.gather(*(speak(*pair) for pair in enumerate(senders)))
        seen = {number: [] for number in range(5)}
        for _ in range(500):
            number, i = map(int, (await self.next(listener)).split())
            seen[number].append(i)
        self.assertEqual(seen, {number: list(range(100)) for number in range(5)})

    async def test_a_client_is_a_member_as_soon_as_its_handshake_is_answered(self):
        speaker = await self.connect(voice("prompt"), self.alice)
        for i in range(150):
            client = await self.connect(voice("prompt"), self.bob)
            await speaker.send(str(i))
            self.assertEqual(await self.next(client), str(i))
            await client.close()

    async def test_a_first_message_sent_with_the_handshake_is_relayed(self):
        listener = await self.connect(voice("eager"), self.alice)
        for i in range(10):
            eager = await self.raw()
            await eager.send(upgrade_request(voice("eager"), self.bob)
                             + frame(OP_TEXT, b"first %d" % i) + frame(OP_TEXT, b"second"))
            self.assertEqual((await eager.response()).status, 101)
            self.assertEqual(await self.next(listener), f"first {i}")
            self.assertEqual(await self.next(listener), "second")

    async def test_a_lonely_member_may_speak(self):
        alone = await self.connect(voice("alone"), self.alice)
        for _ in range(20):
            await alone.send("anybody?")
        other = await self.connect(voice("alone"), self.bob)
        await self.check_nothing_came(alone, other)
        await alone.send("at last")
        while (await self.next(other)) == "anybody?":  # sent before, may have come later
            pass

    async def test_a_message_sent_just_before_leaving_arrives(self):
        listener = await self.connect(voice("goodbye"), self.alice)
        for i in range(30):
            client = await self.raw_websocket(voice("goodbye"), self.bob)
            await client.send(frame(OP_TEXT, b"bye %d" % i) + frame(OP_CLOSE, close_payload(1000)))
            self.assertEqual(await self.next(listener), f"bye {i}")

    async def test_a_user_in_a_room_from_several_connections_is_a_member_with_each(self):
        devices = await self.members("devices", 3, self.alice)
        friend = await self.connect(voice("devices"), self.bob)
        await self.check_relay(friend, devices, "to all devices")
        await self.check_relay(devices[0], [devices[1], devices[2], friend], "to my own others")
        await devices[0].close()
        await self.check_relay(friend, devices[1:], "still there")

    async def test_a_user_may_be_in_several_rooms(self):
        first = await self.connect(voice("first"), self.alice)
        second = await self.connect(voice("second"), self.alice)
        peer = await self.connect(voice("first"), self.bob)
        await self.check_relay(peer, [first], "in first")
        other = await self.connect(voice("second"), self.bob)
        await self.check_nothing_came(second, other)

    async def test_those_who_stay_are_not_touched_by_joins_and_leaves(self):
        speaker, listener = await self.members("steady", 2, self.alice)
        done = asyncio.Event()

        async def come_and_go():
            while not done.is_set():
                guest = await self.connect(voice("steady"), self.bob)
                await guest.close()

        guests = [asyncio.create_task(come_and_go()) for _ in range(3)]
        for i in range(1000):
            await speaker.send(str(i))
            self.assertEqual(await self.next(listener), str(i))
        done.set()
        await asyncio.gather(*guests)

    @within(60)
    async def test_200_text_clients_each_get_exactly_the_995_messages_of_the_others(self):
        await self.check_crowd(lambda sender, i: f"{sender:03} {i}", lambda message: message)

    @within(60)
    async def test_200_binary_clients_each_get_exactly_the_995_messages_of_the_others(self):
        await self.check_crowd(lambda sender, i: b"%03d %d" % (sender, i) + bytes([0, 255]) * 60,
                               lambda message: message[:5].decode())

    async def check_crowd(self, compose, label):
        room = "crowd-of-" + type(compose(0, 0)).__name__
        clients = []
        for _ in range(10):
            clients += await self.members(room, 20, self.alice)

        async def speak(number, client):
            for i in range(5):
                await client.send(compose(number, i))

        async def listen(number, client):
            seen = {sender: [] for sender in range(200) if sender != number}
            for _ in range(995):
                message = await client.recv()
                sender, i = map(int, label(message).split())
                self.assertEqual(message, compose(sender, i))
                seen[sender].append(i)  # a KeyError here: he got his own
            self.assertEqual(set(map(tuple, seen.values())), {(0, 1, 2, 3, 4)})

        await asyncio.gather(*(listen(*pair) for pair in enumerate(clients)),
                             *(speak(*pair) for pair in enumerate(clients)))
        fence = await self.connect(voice(room), self.bob)
        await fence.send("nothing more")
        for client in clients:
            self.assertEqual(await self.next(client), "nothing more")


class RoomTest(VoiceCase):
    async def test_nobody_in_another_room_gets_a_message(self):
        names = ["isolated", "isolated2", "Isolated", "isolated ", " isolated", "isolate", "*", "#",
                 "isolated%", "isolated+", "_isolated", UKRAINIAN, UKRAINIAN.lower(), "e\u0301",
                 "\u00e9"]
        rooms = {name: [await self.connect(quoted(name), user) for user in (self.alice, self.bob)]
                 for name in names}
        for name, (sender, receiver) in rooms.items():
            await self.check_relay(sender, [receiver], f"within {name}")
        for name, (first, second) in rooms.items():
            await self.check_nothing_came(first, second)
            await self.check_nothing_came(second, first)

    async def test_any_utf8_text_is_a_room_name(self):
        for name in ("general", UKRAINIAN, "team.42-a", "a b", "a+b", "%", "100%25", "😀", "?", "#", "&=",
                     "'\"<>", "\\", "~", ":@!$&'()*+,;=", "\u200b", "...", "a" * 200, "ї" * 100,
                     "😀" * 50):
            with self.subTest(name=name[:20]):
                first = await self.connect(quoted(name), self.alice)
                second = await self.connect(quoted(name).rstrip("/"), self.bob)
                await self.check_relay(first, [second], name)
                await first.close()
                await second.close()

    async def test_percent_encoding_is_decoded_once(self):
        for one, other in (("general", "%67eneral"), ("%d0%97", "%D0%97"), ("a+b", "a%2Bb"),
                           ("~", "%7E"), ("a%20b", "%61%20%62")):
            first = await self.connect(voice(one), self.alice)
            second = await self.connect(voice(other), self.bob)
            await self.check_relay(first, [second], "same")
        for one, other in (("%41", "%2541"), ("a+c", "a%20c"), ("%2525", "%25")):
            first, witness = [await self.connect(voice(one), self.alice) for _ in range(2)]
            second, fence = [await self.connect(voice(other), self.bob) for _ in range(2)]
            await self.check_relay(first, [witness], "other room")
            await self.check_nothing_came(second, fence)

    async def test_the_trailing_slash_and_the_query_do_not_make_another_room(self):
        clients = [await self.connect(path, self.alice) for path in (
            "/ws/voice/slash/", "/ws/voice/slash", "/ws/voice/slash/?x=1", "/ws/voice/slash?x=/")]
        await self.check_relay(clients[0], clients[1:], "same")

    async def test_an_ill_formed_room_is_refused_at_the_handshake_with_400_or_404(self):
        for room in ("", "%2F", "a%2Fb", "a%2f", "a/b", "%00", "a%00b", "%0A", "%1F", "a%0d%0a", "%7F",
                     "%C2%80", "%C2%85", "%C2%9F", "%FF", "%C0%80", "%ED%A0%80", "%F4%90%80%80", "%D0",
                     "a%80", "%", "%4", "%zz", "%u0041", "a%2", "a" * 201, "%D1%97" * 101,
                     "%F0%9F%98%80" * 51):
            for path in (voice(room), voice(room).rstrip("/")) if room else ("/ws/voice/", "/ws/voice"):
                with self.subTest(path=path[:60]):
                    connection = await self.raw()
                    answer = await connection.upgrade(path, self.alice)
                    self.assertIn(answer.status, (400, 404), answer)
                    self.check_answer(answer)

    async def test_a_room_is_not_a_channel_and_needs_none(self):
        first, second = await self.members("no-such-channel", 2, self.alice)
        await self.check_relay(first, [second], "x")

    async def test_a_room_cannot_reach_the_groups_of_others(self):
        device = await self.connect(NOTIFICATIONS, self.bob)
        peer = await self.join(self.bob)
        for room in (f"notifications_{self.bob.id}", "signaling", "voice_general"):
            first, second = await self.members(room, 2, self.alice)
            await self.check_relay(first, [second], "psst")
        listener, speaker = await self.members("general", 2, self.alice)
        await self.check_nothing_came(listener, speaker)
        await peer.send(json.dumps({"to": peer.id_, "n": 1}))
        self.assertEqual((await self.next_json(peer))["n"], 1)
        channel = await self.create_channel(self.alice)
        wanted = await self.invite(self.alice, channel, self.bob)
        self.assertEqual((await self.next_json(device))["id"], wanted["id"])


class LimitTest(VoiceCase):
    async def test_a_message_of_1_mib_passes_and_one_byte_more_closes_with_1009(self):
        listener, fence = await self.members("limit", 2, self.alice)
        for opcode in (OP_TEXT, OP_BINARY):
            sender = await self.raw_websocket(voice("limit"), self.bob)
            await sender.send_frame(opcode, b"x" * MIB)
            self.assertEqual(len(await self.next(listener)), MIB)
            self.assertEqual(len(await self.next(fence)), MIB)
            sender.write(frame(opcode, b"x" * (MIB + 1)))
            self.assertEqual(await sender.close_code(), 1009)
        await self.check_nothing_came(listener, fence)

    async def test_a_message_too_large_by_its_fragments_closes_with_1009(self):
        listener, fence = await self.members("fragments", 2, self.alice)
        sender = await self.raw_websocket(voice("fragments"), self.bob)
        sender.write(frame(OP_BINARY, b"x" * (MIB // 2), fin=False)
                     + frame(0, b"x" * (MIB // 2), fin=False) + frame(0, b"x"))
        self.assertEqual(await sender.close_code(), 1009)
        await self.check_nothing_came(listener, fence)

    async def test_1009_comes_before_the_announced_bytes(self):
        for length in (MIB + 1, 1 << 31, 1 << 32, 1 << 62, (1 << 63) - 1):
            sender = await self.raw_websocket(voice("announced"), self.alice)
            await sender.send_frame(OP_BINARY, length=length, form=64)
            self.assertEqual(await sender.close_code(), 1009)

    async def test_the_limit_is_an_option(self):
        server = self.start("--max-message-bytes", "1000")
        user = server.add_user("dora")
        sender, listener = await self.members("small", 2, user, server)
        await self.check_relay(sender, [listener], b"x" * 1000)
        sender = await self.raw_websocket(voice("small"), user, server)
        sender.write(frame(OP_BINARY, b"x" * 1001))
        self.assertEqual(await sender.close_code(), 1009)
        fence = await self.connect(voice("small"), user, server)
        await self.check_nothing_came(listener, fence)


class LeaveTest(VoiceCase):
    async def leave(self, how):
        client = await self.raw_websocket(voice("leaving"), self.bob)
        if how == "close":
            await client.send_frame(OP_CLOSE, close_payload(1000))
            await client.close_code()
        elif how == "half-close":
            client.half_close()
            await client.ended()
        elif how == "reset":
            client.abort()
        elif how == "vanish":
            await client.close()
        elif how == "protocol error":
            await client.send_frame(3, b"x")
            await client.close_code()

    async def test_a_connection_that_ends_in_any_way_leaves_nothing_behind(self):
        speaker, listener = await self.members("leaving", 2, self.alice)
        await self.check_relay(speaker, [listener], "before")
        baseline = self.server.file_descriptors()
        for how in ("close", "half-close", "reset", "vanish", "protocol error"):
            await asyncio.gather(*(self.leave(how) for _ in range(20)))
            await eventually(lambda: self.server.file_descriptors() <= baseline,
                             f"descriptors return after {how}")
            for i in range(10):
                await self.check_relay(speaker, [listener], f"{how} {i}")

    async def test_one_who_comes_back_is_a_member_once(self):
        speaker = await self.connect(voice("back"), self.alice)
        for i in range(20):
            client = await self.raw_websocket(voice("back"), self.bob)
            await speaker.send(f"once {i}")
            self.assertEqual(await self.next(client), f"once {i}")
            await speaker.send(f"and {i}")
            self.assertEqual(await self.next(client), f"and {i}")
            client.abort()


if __name__ == "__main__":
    unittest.main()
