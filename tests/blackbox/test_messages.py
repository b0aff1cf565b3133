#!/usr/bin/python3
"""/api/schema/websockets/: the AsyncAPI document follows its rules, has every message that
server/MESSAGES.md shows, and tells what the real server sends."""

import asyncio
import json
import os
import re
import tempfile
import unittest

from harness import HERE, NOTIFICATIONS, SIGNALING, LiveCase, run_cli, voice
from interface_documents import check_references, check_schemas, closed, faults, resolved

SCHEMA = "/api/schema/websockets/"
ICE = {"ttl": 600, "ice_servers": [
    {"urls": ["stun:stun.example.org"]}, {"urls": ["turn:turn.example.org"], "secret": "x" * 20}]}


def shown_messages():
    """(channel, who sends it, message) of each JSON example in MESSAGES.md."""
    with open(os.path.join(HERE, "..", "..", "server", "MESSAGES.md"), encoding="utf-8") as file:
        text = file.read()
    channel, direction = "signaling", None
    for line in re.split(r"(```json\n.*?```|^## [^\n]*$|^[→←])", text,
                         flags=re.DOTALL | re.MULTILINE):
        if line.startswith("## "):
            channel = {"## Voice rooms": "voice", "## Notifications": "notifications"}.get(
                line, "signaling")
        elif line in ("→", "←"):
            direction = {"→": "receive", "←": "send"}[line]
        elif line.startswith("```json"):
            yield channel, direction, json.loads(line[len("```json"):-len("```")])


class MessageCase(LiveCase):
    @classmethod
    def setUpClass(cls):
        file = tempfile.NamedTemporaryFile("w", suffix=".json")
        cls.addClassCleanup(file.close)
        json.dump(ICE, file)
        file.flush()
        cls.options = ("--workers", "2", "--ice-config", file.name)
        super().setUpClass()

    async def asyncSetUp(self):
        await super().asyncSetUp()
        answer = await self.rest("GET", SCHEMA)
        self.assertEqual(answer.status, 200)
        self.open_document, self.document = answer.json, closed(answer.json)

    def messages(self, channel, action):
        """Those that are sent or received there, by name."""
        operation = self.document["operations"][f"{channel}_{action}"]
        self.assertEqual(operation["action"], action)
        self.assertEqual(operation["channel"]["$ref"], f"#/channels/{channel}")
        return {each["$ref"].rsplit("/", 1)[1]: resolved(self.document, each)
                for each in operation["messages"]}

    def name_of(self, channel, action, message):
        """The one message of the document that this is."""
        matching, reasons = [], {}
        for name, candidate in self.messages(channel, action).items():
            if candidate["contentType"] != "application/json":
                continue
            reasons[name] = faults(self.document, candidate["payload"], message)
            if not reasons[name]:
                matching.append(name)
        if len(matching) > 1:  # what is for peers, or from them, may look as anything
            matching = [name for name in matching if name not in ("from_peer", "to_peer")]
        self.assertEqual(len(matching), 1, (matching, message, reasons))
        return matching[0]


class DocumentTest(MessageCase):
    async def test_it_is_of_this_version(self):
        self.assertEqual(self.document["asyncapi"], "3.0.0")
        version = run_cli("--version").stdout.strip()
        self.assertEqual(self.document["info"]["version"], version.split()[-1])

    async def test_references_and_schemas_are_right(self):
        check_references(self, self.open_document)
        check_schemas(self, self.open_document, ("payload",))

    async def test_channels_are_the_websockets_of_the_openapi_document(self):
        paths = (await self.rest("GET", "/api/schema/")).json["paths"]
        self.assertEqual({channel["address"] for channel in self.document["channels"].values()},
                         {path for path in paths if path.startswith("/ws/")})
        for channel in self.document["channels"].values():
            self.assertEqual(set(channel.get("parameters", ())),
                             set(re.findall(r"\{(\w+)\}", channel["address"])))

    async def test_operations_have_all_messages_of_their_channels(self):
        for name, channel in self.document["channels"].items():
            used = set()
            for key, operation in self.document["operations"].items():
                if operation["channel"]["$ref"] == f"#/channels/{name}":
                    used |= set(self.messages(name, key.rsplit("_", 1)[1]))
            self.assertEqual(used, set(channel["messages"]))

    async def test_every_example_is_what_it_is_an_example_of(self):
        for name, message in self.document["components"]["messages"].items():
            if message["contentType"] == "application/json":
                self.assertTrue(message["examples"], name)
            for example in message.get("examples", ()):
                with self.subTest(message=name, example=example["name"]):
                    self.assertEqual(
                        faults(self.document, message["payload"], example["payload"]), [])

    async def test_it_has_every_message_that_the_text_shows(self):
        shown = list(shown_messages())
        self.assertGreater(len(shown), 40)
        names = set()
        for channel, action, message in shown:
            with self.subTest(channel=channel, action=action, message=message):
                names.add((channel, action, self.name_of(channel, action, message)))
        documented = {(channel, action, name) for channel in ("voice", "signaling")
                      for action in ("receive", "send")
                      for name, each in self.messages(channel, action).items()
                      if each["contentType"] == "application/json"}
        # These two are said in words: what a peer gets is what another one sent.
        self.assertEqual(documented - names, {("signaling", "send", "from_peer")})

    async def test_what_is_not_a_message_is_not_taken_for_one(self):
        for message in ({"type": "joined"}, {"type": "joined", "id": "x"}, {},
                        {"type": "joined", "id": "A" * 32, "room": "team"},
                        {"type": "receipt", "msg_id": 1, "status": "refused"},
                        {"type": "synced", "room": "a", "revision": 1, "same": False},
                        {"type": "left", "room": "team", "more": 1}):
            with self.subTest(message=message), self.assertRaises(AssertionError):
                self.name_of("signaling", "send", message)


class LiveTest(MessageCase):
    """Every message that the server sends, from the server."""

    async def asyncSetUp(self):
        await super().asyncSetUp()
        self.seen = set()

    async def take(self, channel, client, expected):
        """The next message, which must be the document's `expected`."""
        message = await self.next_json(client)
        name = self.name_of(channel, "send", message)
        self.assertEqual(name, expected, message)
        self.seen.add((channel, name))
        return message

    async def say(self, channel, client, **message):
        self.name_of(channel, "receive", message)
        await client.send(json.dumps(message))

    async def exchange(self, client, expected, **message):
        await self.say("signaling", client, **message)
        return await self.take("signaling", client, expected)

    async def signal(self):
        ann, bob = [await self.connect(SIGNALING, user) for user in (self.alice, self.bob)]
        await ann.send('{"type":"offer"}')
        await self.take("signaling", ann, "error")
        await self.exchange(ann, "joined", type="join")
        await self.exchange(ann, "joined", type="join", room="team", data={"muted": False})
        joined = await self.exchange(bob, "joined", type="join", room="team", resume=True)
        self.assertEqual(len(joined["peers"]), 1)
        self.assertIn("ice_servers", joined)
        came = await self.take("signaling", ann, "peer_joined")
        await self.exchange(bob, "updated", type="update", data=[1, None])
        await self.take("signaling", ann, "peer_updated")
        revision = (await self.exchange(ann, "synced", type="sync", revision=0))["revision"]
        await self.exchange(ann, "synced", type="sync", revision=revision)
        await self.exchange(ann, "synced", type="sync", revision=revision - 1)
        offer = {"type": "offer", "to": came["peer"]["id"], "msg_id": "ї", "sdp": "v=0"}
        await self.exchange(ann, "receipt", **offer)
        await self.take("signaling", bob, "from_peer")
        await ann.send('{"to":1,"msg_id":2.5}')
        self.assertEqual((await self.take("signaling", ann, "receipt"))["status"], "refused")
        await ann.send(json.dumps({"to": "A" * 32}))
        self.assertIn("to", await self.take("signaling", ann, "error"))
        await ann.send(json.dumps({"to": "A" * 32, "msg_id": 3}))
        self.assertEqual((await self.take("signaling", ann, "receipt"))["status"], "unknown")

        bob.transport.abort()  # his line breaks
        while (await self.exchange(ann, "receipt", **offer))["status"] != "queued":
            await asyncio.sleep(0.02)
        again = await self.connect(SIGNALING, self.bob)
        resumed = await self.exchange(again, "resumed", type="resume", seq=joined["resume"]["seq"],
                                      key=joined["resume"]["key"])
        for _ in range(resumed["missed"]):
            message = await self.next_json(again)
            self.name_of("signaling", "send", message)
        self.assertEqual((await self.take("signaling", ann, "receipt"))["status"], "delivered")
        stranger = await self.connect(SIGNALING, self.carol)
        await self.exchange(stranger, "resume_failed", type="resume", key="A" * 32, seq=0)
        await self.say("signaling", again, type="ice_error", error_code=401)
        await self.exchange(again, "left", type="leave")
        await self.take("signaling", ann, "peer_left")

    async def speak(self):
        protocols = ["voicechan.v1"]
        ann = await self.connect(voice("team"), self.alice, subprotocols=protocols)
        await self.take("voice", ann, "roster")
        own = await self.take("voice", ann, "member_joined")
        self.assertIs(own["you"], True)
        plain = await self.connect(voice("team"), self.bob)
        bob = await self.connect(voice("team"), self.carol, subprotocols=protocols)
        self.assertTrue((await self.take("voice", bob, "roster"))["members"])
        await self.take("voice", bob, "member_joined")
        for _ in range(2):
            await self.take("voice", ann, "member_joined")
        await self.say("voice", bob, type="text", text="hello")
        await self.take("voice", ann, "said")
        self.assertEqual(await self.next(plain), "hello")
        await bob.send(b"audio")
        heard = await self.next(ann)
        self.assertEqual((int.from_bytes(heard[:4], "big"), heard[4:]), (3, b"audio"))
        self.assertEqual(await self.next(plain), b"audio")
        await bob.close()
        left = await self.take("voice", ann, "member_left")
        for revision in (left["revision"], left["revision"] - 1, 10**6):
            await self.say("voice", ann, type="sync", revision=revision)
            await self.take("voice", ann, "voice_synced")
        await ann.send("no JSON")
        await self.take("voice", ann, "error")

    async def notify(self):
        listener = await self.connect(NOTIFICATIONS, self.bob)
        channel = await self.create_channel(self.alice, "Загальна кімната")
        await self.invite(self.alice, channel, self.bob)
        await self.take("notifications", listener, "invitation")
        again = await self.connect(NOTIFICATIONS + "?since=0", self.bob)
        await self.take("notifications", again, "invitation")
        await self.take("notifications", again, "caught_up")

    async def flood(self):
        server = self.start("--message-rate", "0.01", "--message-burst", "1")
        listener = await self.connect(NOTIFICATIONS, server.add_user("alice"), server)
        for _ in range(2):
            await listener.send("hello")
        await self.take("notifications", listener, "error")

    async def test_what_the_server_sends_is_in_the_document(self):
        await self.signal()
        await self.speak()
        await self.notify()
        await self.flood()
        documented = {(channel, name) for channel in self.document["channels"]
                      for name, each in self.messages(channel, "send").items()
                      if each["contentType"] == "application/json"}
        # New ICE servers come after three quarters of their time, 45 s at the least.
        self.assertEqual(documented - self.seen, {("signaling", "ice_servers")})


if __name__ == "__main__":
    unittest.main()
