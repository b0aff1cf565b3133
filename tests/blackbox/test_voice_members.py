#!/usr/bin/python3
"""Voice rooms with members who are told who is there and who speaks (subprotocol voicechan.v1)."""

import asyncio
import json
import os
import random
import unittest

from harness import CHANNELS, SIGNALING, LiveCase, eventually, voice, within

PROTOCOL = "voicechan.v1"


class Account:
    """What a client knows of its room from what it is sent, and from nothing else."""

    def __init__(self):
        self.number = self.revision = None
        self.members = {}
        self.joined, self.left, self.heard, self.replies = [], [], [], []

    def take(self, message):
        if isinstance(message, bytes):
            return self.hear(int.from_bytes(message[:4], "big"), message[4:])
        message = json.loads(message)
        if message["type"] == "roster":
            assert self.revision is None, "a second roster"
            self.revision = message["revision"]
            self.members = {member["member"]: member for member in message["members"]}
            assert len(self.members) == len(message["members"])
            return None
        assert self.revision is not None, message
        if message["type"] == "text":
            return self.hear(message["member"], message["text"])
        if message["type"] not in ("member_joined", "member_left"):
            return self.replies.append(message)
        assert message["revision"] == self.revision + 1, (self.revision, message)
        self.revision += 1
        if message["type"] == "member_left":
            del self.members[message["member"]]
            return self.left.append(message["member"])
        member = message["member"]
        assert member["member"] not in self.members
        self.members[member["member"]] = member
        self.joined.append(member["member"])
        if message.get("you"):
            assert self.number is None
            self.number = member["member"]
        return None

    def hear(self, member, what):
        assert member in self.members and member != self.number, (member, self.number)
        self.heard.append((member, what))


class MembersCase(LiveCase):
    options = ("--workers", "4", "--ping-interval", "1", "--ping-timeout", "1")

    async def enter(self, room, user=None, **arguments):
        client = await self.connect(voice(room), user or self.alice, subprotocols=[PROTOCOL],
                                    **arguments)
        self.assertEqual(client.subprotocol, PROTOCOL)
        client.account = Account()

        async def follow():
            async for message in client:
                client.account.take(message)
        client.follower = asyncio.create_task(follow())
        self.addAsyncCleanup(asyncio.gather, client.follower, return_exceptions=True)
        self.addCleanup(client.follower.cancel)
        await eventually(lambda: client.account.number is not None or client.follower.done(),
                         "it knows its number")
        self.check(client)
        return client

    def check(self, client):
        if client.follower.done() and client.follower.exception():
            raise client.follower.exception()


class RosterTest(MembersCase):
    @within(60)
    async def test_accounts_of_all_agree_whoever_comes_and_goes(self):
        async def visit(number):
            await asyncio.sleep(random.random())
            user = (self.alice, self.bob)[number % 2]
            if number % 4 == 3:
                client = await self.connect(voice("busy"), user)
            else:
                client = await self.enter("busy", user)
            for step in range(random.randrange(6)):
                await client.send(b"%d:%d" % (number, step))
                await asyncio.sleep(random.random() / 8)
            if number % 3 == 0:
                await client.close()
            elif number % 3 == 1:
                client.transport.abort()
            return client
        clients = await asyncio.gather(*map(visit, range(48)))
        stayers = [client for number, client in enumerate(clients) if number % 3 == 2]
        told = [client for client in stayers if hasattr(client, "account")]

        def agree():
            for client in told:
                self.check(client)
            return (all(len(client.account.members) == len(stayers) for client in told)
                    and len({client.account.revision for client in told}) == 1)
        await eventually(agree, "all know who is there")
        expected = dict(told[0].account.members)
        self.assertEqual({client.account.number for client in told} - set(expected), set())
        for client in told:
            account = client.account
            self.assertEqual(account.members, expected)
            self.assertEqual(len(account.joined), len(set(account.joined)))
            self.assertEqual(len(account.left), len(set(account.left)))
            speakers = {}
            for member, what in account.heard:
                speaker, step = map(int, what.split(b":"))
                self.assertEqual(speakers.setdefault(member, (speaker, -1))[0], speaker)
                self.assertGreater(step, speakers[member][1])
                speakers[member] = (speaker, step)
        # What one is told who comes now is what the others have collected.
        newcomer = await self.enter("busy", self.carol)
        own = newcomer.account.members.pop(newcomer.account.number)
        self.assertEqual((own["user_id"], own["username"]), (self.carol.id, "carol"))
        self.assertEqual(newcomer.account.members, expected)

    async def test_one_who_closes_is_gone_within_a_second(self):
        stays, goes = await self.enter("ghost"), await self.enter("ghost", self.bob)
        await goes.close()
        await eventually(lambda: stays.account.left == [goes.account.number], "it is gone", 1)

    async def test_one_who_breaks_off_is_gone_within_a_second(self):
        stays, goes = await self.enter("ghost2"), await self.enter("ghost2", self.bob)
        goes.transport.abort()
        await eventually(lambda: stays.account.left == [goes.account.number], "it is gone", 1)

    async def test_one_who_answers_no_ping_is_gone_within_the_bound(self):
        stays = await self.enter("ghost3")
        await self.raw_websocket(voice("ghost3"), self.bob)
        await eventually(lambda: len(stays.account.members) == 2, "it has come")
        await eventually(lambda: len(stays.account.members) == 1, "it is gone", 3)

    async def test_sync_says_same_or_what_changed(self):
        ann = await self.enter("sync")
        revision = ann.account.revision
        await ann.send(json.dumps({"type": "sync", "revision": revision}))
        await eventually(lambda: ann.account.replies, "it is answered")
        self.assertEqual(ann.account.replies, [
            {"type": "synced", "room": "sync", "revision": revision, "same": True}])
        bob = await self.enter("sync", self.bob)
        await bob.close()
        await eventually(lambda: ann.account.left, "it is gone")
        await ann.send(json.dumps({"type": "sync", "revision": revision}))
        await eventually(lambda: len(ann.account.replies) == 2, "it is answered")
        self.assertEqual([change["type"] for change in ann.account.replies[1]["changes"]],
                         ["member_joined", "member_left"])


class RelayTest(MembersCase):
    async def test_all_four_ways_between_both_kinds_on_all_workers(self):
        plain = [await self.connect(voice("mixed"), self.alice) for _ in range(6)]
        told = [await self.enter("mixed", self.bob) for _ in range(6)]
        await eventually(lambda: all(len(each.account.members) == 12 for each in told), "all are in")
        audio, text = os.urandom(160), '{"type":"text","text":"ї"}'
        await plain[0].send(audio)
        await plain[0].send(text)
        for each in plain[1:]:
            self.assertEqual([await self.next(each), await self.next(each)], [audio, text])
        await eventually(lambda: all(len(each.account.heard) == 2 for each in told), "all hear")
        [number] = {member for each in told for member, _ in each.account.heard}
        self.assertEqual(told[0].account.members[number]["username"], "alice")
        for each in told:
            self.assertEqual([what for _, what in each.account.heard], [audio, text])
        await told[0].send(audio)
        await told[0].send(text)
        for each in plain:
            self.assertEqual([await self.next(each), await self.next(each)], [audio, "ї"])
        own = told[0].account.number
        await eventually(lambda: all(len(each.account.heard) == 4 for each in told[1:]), "all hear")
        for each in told[1:]:
            self.assertEqual(each.account.heard[2:], [(own, audio), (own, "ї")])
        self.assertEqual(len(told[0].account.heard), 2)

    async def test_other_text_is_refused_and_reaches_nobody(self):
        plain = await self.connect(voice("refused"), self.alice)
        ann = await self.enter("refused")
        for text in ("hello", "[1]", '{"type":"text","text":1}', '{"type":"sync"}', "{}"):
            await ann.send(text)
        await ann.send("")
        await ann.send(b"fence")
        self.assertEqual(await self.next(plain), b"fence")
        await eventually(lambda: len(ann.account.replies) == 6, "each is answered")
        self.assertEqual({reply["code"] for reply in ann.account.replies}, {"bad_message"})

    async def test_the_key_may_be_offered_beside_it_and_is_not_echoed(self):
        client = await self.connect(
            voice("key"), subprotocols=["voicechan.v1", f"voicechan.auth.{self.alice.key}"])
        self.assertEqual(client.subprotocol, PROTOCOL)
        self.assertEqual((await self.next_json(client))["type"], "roster")

    async def test_it_means_nothing_on_other_sockets(self):
        client = await self.connect(SIGNALING, self.alice, subprotocols=["voicechan.v1", "voicechan"])
        self.assertEqual(client.subprotocol, "voicechan")
        await client.send('{"type":"join"}')
        self.assertEqual((await self.next_json(client))["type"], "joined")


class ListTest(MembersCase):
    async def test_members_of_a_channel_are_those_of_the_room_with_its_id(self):
        channel = await self.create_channel(self.alice)
        path = f"{CHANNELS}{channel['id']}/members/"
        self.assertEqual((await self.rest("GET", path, self.bob)).json,
                         {"revision": 0, "members": []})
        room = str(channel["id"])
        plain = [await self.connect(voice(room), self.bob) for _ in range(4)]
        ann = await self.enter(room)
        listed = (await self.rest("GET", path, self.carol)).json
        self.assertEqual(listed["revision"], ann.account.revision)
        self.assertEqual({member["member"]: member for member in listed["members"]},
                         ann.account.members)
        for each in plain:
            await each.close()
        await eventually(lambda: len(ann.account.members) == 1, "they are gone", 1)
        self.assertEqual((await self.rest("GET", path, self.carol)).json["members"],
                         list(ann.account.members.values()))

    async def test_it_comes_in_pages(self):
        channel = await self.create_channel(self.alice)
        ann = await self.enter(channel["id"])
        for _ in range(4):
            await self.connect(voice(channel["id"]), self.bob)
        await eventually(lambda: len(ann.account.members) == 5, "all are in")
        path, seen = f"{CHANNELS}{channel['id']}/members/?limit=2", []
        while path:
            answer = await self.rest("GET", path, self.alice)
            seen += [member["member"] for member in answer.json["members"]]
            link = answer.headers.get("Link")
            path = link and link[1:link.index(">")]
        self.assertEqual(seen, sorted(ann.account.members))

    async def test_an_unknown_channel_is_404_and_no_key_401(self):
        for path in (f"{CHANNELS}999999/members/", f"{CHANNELS}x/members/"):
            answer = await self.rest("GET", path, self.alice)
            self.assertEqual(answer.status, 404)
            self.check_answer(answer)
        self.assertEqual((await self.rest("GET", f"{CHANNELS}1/members/")).status, 401)


if __name__ == "__main__":
    unittest.main()
