#!/usr/bin/python3
"""The Django bus: the real channel layer of channels_redis and a real server on a real redis-server.
VOICECHAN_TEST_LONG=1 sends 100,000 messages each way."""

import asyncio
import logging
import os
import unittest

import aiohttp
import msgpack
import websockets
from channels_redis.pubsub import RedisPubSubChannelLayer

from harness import NOTIFICATIONS, SCALE, Case, eventually, in_time, run_cli, voice, within
from redis_process import Redis
from test_django import DjangoApplication

MESSAGES = 100_000 if os.environ.get("VOICECHAN_TEST_LONG") else 5_000
BUS = ("--appendonly", "no", "--save", "")
# More than Django reads at once may wait for it in Redis.
PATIENT = ("--client-output-buffer-limit", "pubsub 256mb 128mb 60")


class LayerCase(Case):
    layer_options = ""

    async def asyncSetUp(self):
        await super().asyncSetUp()
        self.redis = Redis(*BUS, *PATIENT)
        self.addCleanup(self.redis.remove)
        self.server = self.serve()
        self.alice, self.bob = self.server.add_user("alice"), self.server.add_user("bob")
        self.layer = self.layer_of("asgi")

    def serve(self, *options):
        return self.start("--workers", "2", "--admin-listen", "127.0.0.1:0", "--channel-layer",
                          f"{self.redis.url}/3{self.layer_options}", *options)

    def layer_of(self, prefix):
        layer = RedisPubSubChannelLayer(hosts=[f"{self.redis.url}/3"], prefix=prefix)
        self.addAsyncCleanup(layer.flush)
        return layer

    async def consumer(self, group):
        """A channel of Django's side that is in a group."""
        channel = await self.layer.new_channel()
        await self.layer.group_add(group, channel)
        # The layer does not wait for Redis' acknowledgement.
        await eventually(lambda: self.subscribers(f"asgi__group__{group}") > 0, "it is subscribed")
        return channel

    def subscribers(self, channel):
        answer = self.redis.ask(f"PUBSUB NUMSUB {channel}")
        return int(answer.rsplit(b":", 1)[1])

    async def event(self, channel, seconds=10):
        return await in_time(self.layer.receive(channel), seconds, "an event")

    async def health(self):
        async with aiohttp.ClientSession() as http:
            async with http.get(self.server.admin("/health")) as answer:
                return await answer.json()

    async def counts(self, name, numbers):
        """A counter gets to one of these."""
        async def has_counted():
            return await self.metric(name) in numbers
        await eventually(has_counted, f"{name} is in {numbers}")

    async def metric(self, name):
        async with aiohttp.ClientSession() as http:
            async with http.get(self.server.admin("/metrics")) as answer:
                lines = (await answer.text()).splitlines()
        return next(float(line.rsplit(" ", 1)[1]) for line in lines
                    if line.startswith(f"voicechan_channel_layer_{name} "))

    async def silent(self, client, seconds=0.3):
        with self.assertRaises(asyncio.TimeoutError):
            await asyncio.wait_for(client.recv(), seconds * SCALE)


class FromDjangoTest(LayerCase):
    async def test_a_notification_comes_to_all_devices_of_its_user(self):
        devices = [await self.connect(NOTIFICATIONS, self.alice) for _ in range(3)]
        other = await self.connect(NOTIFICATIONS, self.bob)
        message = {"kind": "reminder", "text_of_it": "завтра о 9", "at": [9, 0.5, None, True]}
        await self.layer.group_send(f"notifications_{self.alice.id}", {"type": "notify", **message})
        for device in devices:
            self.assertEqual(await self.next_json(device), message)
        await self.silent(other)

    async def test_text_and_bytes_are_the_frame(self):
        device = await self.connect(NOTIFICATIONS, self.alice)
        group = f"notifications_{self.alice.id}"
        for event, frame in (({"text": "привіт"}, "привіт"), ({"text_data": ""}, ""),
                             ({"bytes": b"\0\xff"}, b"\0\xff"),
                             ({"text": None, "bytes": b"x"}, b"x"),
                             ({"bytes_data": bytes(range(256)) * 64}, bytes(range(256)) * 64),
                             ({"text": {"no": "string"}}, '{"text":{"no":"string"}}')):
            await self.layer.group_send(group, {"type": "any.name", **event})
            self.assertEqual(await self.next(device), frame)

    async def test_what_is_said_in_django_is_heard_in_the_room(self):
        members = await self.members("room", 3, self.alice)
        elsewhere = await self.connect(voice("other"), self.alice)
        # As the consumer of django_app says it.
        await self.layer.group_send("voice_room", {
            "type": "relay", "sender": "specific.x!y", "text": None, "bytes": b"audio"})
        await self.layer.group_send("voice_room", {
            "type": "relay", "sender": "specific.x!y", "text": "привіт", "bytes": None})
        for member in members:
            self.assertEqual([await self.next(member), await self.next(member)],
                             [b"audio", "привіт"])
        await self.silent(elsewhere)

    async def test_those_who_are_told_of_members_hear_it_from_member_0(self):
        member = await self.connect(voice("room"), self.alice, subprotocols=["voicechan.v1"])
        self.assertEqual((await self.next_json(member))["type"], "roster")
        self.assertEqual((await self.next_json(member))["type"], "member_joined")
        await self.layer.group_send("voice_room", {"type": "relay", "bytes": b"audio"})
        self.assertEqual(await self.next(member), bytes(4) + b"audio")
        await self.layer.group_send("voice_room", {"type": "relay", "text": "привіт"})
        self.assertEqual(await self.next_json(member),
                         {"type": "text", "member": 0, "text": "привіт"})

    async def test_nothing_said_after_a_handshake_is_missed(self):
        for i in range(100 if MESSAGES < 100_000 else 2_000):
            member = await self.connect(voice(f"r{i}"), self.alice)
            await self.layer.group_send(f"voice_r{i}", {"type": "relay", "text": str(i)})
            self.assertEqual(await self.next(member), str(i))
            await member.close()

    async def test_a_channel_is_subscribed_only_while_there_are_members(self):
        self.assertEqual(self.subscribers("asgi__group__voice_room"), 0)
        members = await self.members("room", 2, self.alice)
        self.assertEqual(self.subscribers("asgi__group__voice_room"), 1)
        for member in members:
            await member.close()
        await eventually(lambda: self.subscribers("asgi__group__voice_room") == 0, "it is let go")

    async def test_another_prefix_is_another_system(self):
        device = await self.connect(NOTIFICATIONS, self.alice)
        group = f"notifications_{self.alice.id}"
        await self.layer_of("other").group_send(group, {"type": "notify", "n": 1})
        await self.layer.group_send(group, {"type": "notify", "n": 2})
        self.assertEqual(await self.next_json(device), {"n": 2})


class FromClientsTest(LayerCase):
    async def test_what_clients_say_comes_to_django_once_and_not_back(self):
        consumer = await self.consumer("voice_room")
        speaker, listener = await self.members("room", 2, self.alice)
        for said in (b"audio\0\xff", "привіт", ""):
            await speaker.send(said)
            event = await self.event(consumer)
            self.assertEqual(event.pop("sender").split(".")[0], "voicechan")
            is_text = isinstance(said, str)
            self.assertEqual(event, {"type": "relay", "text": said if is_text else None,
                                     "bytes": None if is_text else said})
            self.assertEqual(await self.next(listener), said)
        await self.silent(speaker)
        await self.silent(listener, 0.05)

    async def test_django_hears_itself_by_redis_alone(self):
        consumer = await self.consumer("voice_room")
        member = await self.connect(voice("room"), self.alice)
        for i in range(10):
            await self.layer.group_send("voice_room", {"type": "relay", "text": str(i)})
            self.assertEqual(await self.next(member), str(i))
        for i in range(10):
            self.assertEqual((await self.event(consumer))["text"], str(i))
        with self.assertRaises(asyncio.TimeoutError):
            await asyncio.wait_for(self.layer.receive(consumer), 0.3 * SCALE)


class ManyMessagesTest(LayerCase):
    seconds = 600

    def content(self, i):
        body = f"{i}:" + "ж" * (i % 40)
        return body if i % 2 else body.encode() + bytes([i % 256]) * (i % 160)

    async def test_none_is_lost_from_django(self):
        members = await self.members("room", 2, self.alice)

        async def hear(member):
            return [await member.recv() for _ in range(MESSAGES)]
        hearing = [asyncio.create_task(hear(member)) for member in members]
        for i in range(MESSAGES):
            content = self.content(i)
            key = "text" if isinstance(content, str) else "bytes"
            await self.layer.group_send("voice_room", {"type": "relay", key: content})
        for heard in await in_time(asyncio.gather(*hearing), 300, "all messages"):
            self.assertEqual(heard, [self.content(i) for i in range(MESSAGES)])

    async def test_none_is_lost_on_the_way_to_django(self):
        consumer = await self.consumer("voice_room")
        speaker = await self.connect(voice("room"), self.alice)

        async def hear():
            return [await self.layer.receive(consumer) for _ in range(MESSAGES)]
        hearing = asyncio.create_task(hear())
        for i in range(MESSAGES):
            await speaker.send(self.content(i))
            if i % 100 == 99:
                await asyncio.sleep(0)
        heard = await in_time(hearing, 300, "all events")
        self.assertEqual([event["text"] if event["bytes"] is None else event["bytes"]
                          for event in heard], [self.content(i) for i in range(MESSAGES)])


class GarbageTest(LayerCase):
    async def publish(self, channel, *payloads):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.redis.port)
        for payload in payloads:
            writer.write(b"*3\r\n$7\r\nPUBLISH\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n" % (
                len(channel), channel.encode(), len(payload), payload))
        await writer.drain()
        for _ in payloads:
            self.assertEqual((await reader.readline())[:1], b":")
        writer.close()

    async def test_what_is_no_event_is_ignored_and_logged(self):
        member = await self.connect(voice("room"), self.alice)
        garbage = [
            b"", b"\xc1", b"no msgpack", b"\x81", os.urandom(1000),
            msgpack.packb([1, 2]), msgpack.packb("text"), msgpack.packb({}),
            msgpack.packb({"type": 1, "text": "x"}), msgpack.packb({1: 2}),
            msgpack.packb({"type": "x"}) + b"more",
            msgpack.packb({"type": "x", "text": None, "bytes": None}),
            msgpack.packb({"type": "x", "deep": {"b": b"bytes"}}),
            b"\x82\xa4type\xa1x\xa4text\xa2\xff\xfe",   # no UTF-8
            b"\x82\xa4type\xa1x\xa1a\xa2\xff\xfe",
            b"\x91" * 500_000,                            # deep
            b"\x82\xa4type\xa1x\xa1a" + b"\x81\xa1a" * 100_000,
            b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff",
            msgpack.packb({"type": "x", "bytes": bytes(3 << 20)}),
            msgpack.packb({"type": "x", **{str(i): i for i in range(100_000)}}),
        ]
        await self.publish("asgi__group__voice_room", *garbage)
        await self.layer.group_send("voice_room", {"type": "relay", "text": "after"})
        self.assertEqual(await self.next(member), "after")
        await eventually(lambda: "events ignored: " in self.server.log(), "it is logged")
        await self.counts('dropped_total{reason="ignored"}', [len(garbage)])
        await self.counts('events_total{direction="in"}', [1])
        self.assertLess(self.server.log().count("events ignored"), 3)
        await asyncio.to_thread(self.server.stop)


class AwayTest(LayerCase):
    def setUp(self):
        logger = logging.getLogger("channels_redis.pubsub")
        logger.disabled = True  # it says what is meant to happen
        self.addCleanup(setattr, logger, "disabled", False)

    @within(60)
    async def test_rooms_go_on_while_redis_is_away_and_django_is_back_with_it(self):
        consumer = await self.consumer("voice_room")
        speaker, listener = await self.members("room", 2, self.alice)
        self.redis.kill()
        await eventually(lambda: "channel layer " in self.server.log(), "it is logged")
        for i in range(100):
            await speaker.send(f"{i}")
            self.assertEqual(await self.next(listener), f"{i}")
        health = await self.health()
        self.assertEqual((health["status"], health["channel_layer"]["reachable"]),
                         ("degraded", False))
        # A few may have gone to a connection that nobody knew to be dead.
        await self.counts('dropped_total{reason="unsent"}', range(90, 101))
        late = await in_time(self.connect(voice("room"), self.bob), 2, "a member without Redis")
        self.redis.start()
        await eventually(lambda: self.subscribers("asgi__group__voice_room") >= 1, "back", 10)
        await eventually(lambda: self.server.log().rstrip().endswith("connected"), "it is logged")
        self.assertEqual((await self.health())["status"], "ready")
        await self.layer.flush()
        consumer = await self.consumer("voice_room")
        await self.layer.group_send("voice_room", {"type": "relay", "text": "again"})
        for member in (speaker, listener, late):
            self.assertEqual(await self.next(member), "again")
        self.assertEqual((await self.event(consumer))["text"], "again")
        await speaker.send("here")
        self.assertEqual((await self.event(consumer))["text"], "here")
        self.assertEqual(await self.next(listener), "here")

    async def test_it_starts_without_redis(self):
        self.redis.kill()
        server = self.serve()
        user = server.add_user("carol")
        one, two = await self.members("room", 2, user, server)
        await one.send("x")
        self.assertEqual(await self.next(two), "x")

    @within(60)
    async def test_a_frozen_redis_holds_nobody_up_and_nothing_old_comes_later(self):
        consumer = await self.consumer("voice_room")
        speaker, listener = await self.members("room", 2, self.alice)
        self.redis.freeze()
        try:
            await speaker.send("first")
            self.assertEqual(await self.next(listener), "first")
            await asyncio.sleep(1.2)
            for i in range(50):
                await speaker.send(bytes([i]))
                self.assertEqual(await self.next(listener), bytes([i]))
            await in_time(self.connect(voice("another"), self.bob), 3, "a member of a new room")
        finally:
            self.redis.thaw()
        self.assertEqual((await self.event(consumer))["text"], "first")

        async def comes_through():
            await speaker.send("after")
            try:
                return await asyncio.wait_for(self.layer.receive(consumer), 0.5 * SCALE)
            except asyncio.TimeoutError:
                return None
        event = await eventually(comes_through, "Django hears again", 20)
        self.assertEqual(event["text"], "after")


class TwoServersTest(LayerCase):
    async def asyncSetUp(self):
        await super().asyncSetUp()
        self.store = Redis("--appendfsync", "always")
        self.addCleanup(self.store.remove)
        self.bus = Redis(*BUS)
        self.addCleanup(self.bus.remove)
        self.nodes = [self.start("--workers", "2", "--redis-bus", self.bus.url, "--channel-layer",
                                 f"{self.redis.url}/3", store=("--redis-store", self.store.url))
                      for _ in range(2)]
        self.alice = self.nodes[0].add_user("alice")

    async def test_each_message_comes_once_to_each(self):
        consumer = await self.consumer("voice_room")
        near, far = [await self.members("room", 2, self.alice, node) for node in self.nodes]
        devices = [await self.connect(NOTIFICATIONS, self.alice, node) for node in self.nodes]
        for i in range(20):
            await self.layer.group_send("voice_room", {"type": "relay", "text": f"django {i}"})
            await near[0].send(f"client {i}")
            await self.layer.group_send(f"notifications_{self.alice.id}", {"type": "n", "n": i})
        for member in (near[1], *far):
            heard = sorted([await self.next(member) for _ in range(40)])
            self.assertEqual(heard, sorted(f"{who} {i}" for who in ("django", "client")
                                           for i in range(20)))
            await self.silent(member)
        self.assertEqual([await self.next(near[0]) for _ in range(20)],
                         [f"django {i}" for i in range(20)])
        for device in devices:
            self.assertEqual([(await self.next_json(device))["n"] for _ in range(20)],
                             list(range(20)))
            await self.silent(device)
        heard = sorted([(await self.event(consumer))["text"] for _ in range(40)])
        self.assertEqual(len(set(heard)), 40)
        with self.assertRaises(asyncio.TimeoutError):
            await asyncio.wait_for(self.layer.receive(consumer), 0.3 * SCALE)


NOTIFY = """
from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
async_to_sync(get_channel_layer().group_send)(
    "notifications_%d", {"type": "notify", "message": {"type": "reminder", "text": "дзвінок"}})
"""


class ApplicationTest(LayerCase):
    """Django and Daphne as they are."""

    seconds = 60
    layer_options = ",field=message"

    async def test_front_ends_of_an_application_and_of_ours_are_in_one_room(self):
        django = DjangoApplication(f"{self.redis.url}/3")
        self.addCleanup(django.remove)
        await asyncio.to_thread(django.manage, "migrate", "--run-syncdb")
        await asyncio.to_thread(django.serve)

        async def theirs():
            socket = await websockets.connect(f"ws://{django.host}:{django.port}{voice('room')}")
            self.addAsyncCleanup(socket.close)
            return socket
        there = [await theirs() for _ in range(2)]
        here = await self.members("room", 2, self.alice)
        await eventually(lambda: self.subscribers("asgi__group__voice_room") == 2, "both listen")
        everybody = [*there, *here]
        for speaker in everybody:
            for said in ("привіт", b"audio\0\xff"):
                await speaker.send(said)
                for listener in everybody:
                    if listener is not speaker:
                        self.assertEqual(await self.next(listener), said)
        for client in everybody:
            await self.silent(client, 0.1)

        device = await self.connect(NOTIFICATIONS, self.alice)
        await asyncio.to_thread(django.manage, "shell", "--command", NOTIFY % self.alice.id)
        self.assertEqual(await self.next_json(device), {"type": "reminder", "text": "дзвінок"})


class RestrictedUserTest(Case):
    async def test_a_user_who_may_only_do_what_is_needed_will_do(self):
        redis = Redis(*BUS)
        self.addCleanup(redis.remove)
        redis.ask("ACL SETUSER voicechan on >a,b resetkeys resetchannels &asgi__group__* -@all "
                  "+publish +subscribe +unsubscribe +ping")
        self.server = self.start(
            "--channel-layer", f"redis://voicechan:a%2Cb@127.0.0.1:{redis.port}")
        layer = RedisPubSubChannelLayer(hosts=[redis.url])
        self.addAsyncCleanup(layer.flush)
        one, two = await self.members("room", 2, self.server.add_user("alice"))
        await layer.group_send("voice_room", {"type": "relay", "text": "hello"})
        self.assertEqual([await self.next(each) for each in (one, two)], ["hello"] * 2)
        await one.send("to all")
        self.assertEqual(await self.next(two), "to all")
        self.assertNotIn("a,b", self.server.log())
        self.assertEqual([line for line in self.server.log().splitlines() if "refused" in line], [])

    async def test_what_it_may_not_do_is_logged(self):
        redis = Redis(*BUS)
        self.addCleanup(redis.remove)
        redis.ask("ACL SETUSER voicechan on >secret resetchannels &other* +@all")
        self.server = self.start(
            "--channel-layer", f"redis://voicechan:secret@127.0.0.1:{redis.port}")
        one, two = await self.members("room", 2, self.server.add_user("alice"))
        await one.send("x")
        self.assertEqual(await self.next(two), "x")
        for command in ("SUBSCRIBE", "PUBLISH"):
            await eventually(lambda: f"it refused {command}" in self.server.log(), command)
        for _ in range(20):
            await one.send("x")
        await asyncio.sleep(1.5 * SCALE)  # it tries again each second
        self.assertLess(self.server.log().count("refused"), 4)


class FormatTest(LayerCase):
    layer_options = ",prefix=asgi,type=voice.said,field=message"

    async def test_the_field_that_is_passed_on_and_the_type_that_is_sent(self):
        consumer = await self.consumer("voice_room")
        device = await self.connect(NOTIFICATIONS, self.alice)
        speaker = await self.connect(voice("room"), self.alice)
        group = f"notifications_{self.alice.id}"
        # As the consumer of django_app sends it.
        await self.layer.group_send(group, {"type": "notify", "message": {"type": "invitation"}})
        self.assertEqual(await self.next_json(device), {"type": "invitation"})
        await self.layer.group_send(group, {"type": "notify", "other": 1})
        self.assertEqual(await self.next_json(device), {"other": 1})
        await speaker.send("x")
        self.assertEqual((await self.event(consumer))["type"], "voice.said")

    def test_what_is_wrong_with_a_location_is_said_without_it(self):
        for location in ("http://x", "redis://:secret@host,type=", "redis://:secret@host,colour=red",
                         "redis://:secret@host,type=a b", "redis://:secret@host:99999"):
            result = run_cli("check-config", "--db", ":memory:", "--channel-layer", location)
            self.assertEqual(result.returncode, 2, location)
            self.assertIn("--channel-layer", result.stderr)
            self.assertNotIn("secret", result.stderr)
        good = run_cli("check-config", "--db", ":memory:", "--channel-layer",
                       "redis://:secret@host/1,prefix=x")
        self.assertEqual(good.returncode, 0, good.stderr)
        self.assertIn("channel-layer", good.stdout)
        self.assertNotIn("secret", good.stdout)


if __name__ == "__main__":
    unittest.main()
