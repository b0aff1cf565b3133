"""A front end of the Django application, as it was: one script, that runs against whatever serves
the contract. It notes what it observes, with ids and times of the run replaced by what they stand for."""

import asyncio
import json
import re

import aiohttp
import websockets

CHANNELS = "/api/voice_channels/voice_channels/"
INVITE = "/api/voice_channels/invite/"


class FrontEnd:
    """`base` is "http://host:port"; `users` are (id, name, key)."""

    def __init__(self, base, users):
        self.base, self.users = base, users
        self.peers = {}
        self.notes = []
        self.sockets = []

    async def run(self):
        """What was observed, step by step."""
        async with aiohttp.ClientSession() as self.http:
            try:
                await self.use_channels()
                await self.be_refused()
                await self.invite()
                await self.talk()
                await self.signal()
            finally:
                for socket in self.sockets:
                    await socket.close()
        return self.notes

    def note(self, step, *observed):
        text = json.dumps(observed, ensure_ascii=False, sort_keys=True)
        for value, name in self.peers.items():
            text = text.replace(value, name)
        text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "<time>", text)
        self.notes.append((step, text))

    def with_names(self, fields, **expected):
        """Fields that have the values expected of this run show their names instead."""
        return {name: f"<{name}>" if name in expected and value == expected[name] else value
                for name, value in fields.items()}

    def headers(self, user):
        return {"Authorization": f"Token {user.key}"} if user else {}

    async def ask(self, method, path, user, **arguments):
        url = self.base + path
        async with self.http.request(method, url, headers=self.headers(user),
                                     allow_redirects=False, **arguments) as response:
            is_json = response.content_type == "application/json"
            body = await response.json() if is_json and method != "HEAD" else None
            return response.status, body, response.headers

    async def connect(self, path, user):
        socket = await websockets.connect(
            self.base.replace("http", "ws", 1) + path, extra_headers=self.headers(user))
        self.sockets.append(socket)
        return socket

    async def hear(self, socket):
        return await asyncio.wait_for(socket.recv(), 10)

    async def use_channels(self):
        alice, bob, _ = self.users
        _, before, _ = await self.ask("GET", CHANNELS, alice)
        status, self.channel, headers = await self.ask(
            "POST", CHANNELS, alice, json={"name": "  Загальна кімната ", "creator": bob.id, "x": 1})
        self.note("create", status, self.with_names(self.channel, id=self.channel["id"]), headers["Content-Type"])
        status, after, _ = await self.ask("GET", CHANNELS, bob)
        self.note("list", status, [each for each in after if each not in before] == [self.channel])
        path = f"{CHANNELS}{self.channel['id']}/"
        for method in ("GET", "HEAD"):
            status, body, headers = await self.ask(method, path, bob)
            self.note("read", method, status, body == self.channel, headers["Content-Type"])

    async def be_refused(self):
        alice = self.users[0]
        for method, path, body in (
                ("GET", f"{CHANNELS}987654321/", None),
                ("POST", CHANNELS, {}), ("POST", CHANNELS, {"name": ""}),
                ("POST", CHANNELS, {"name": "a" * 256}), ("POST", CHANNELS, {"name": None}),
                ("POST", INVITE, {}), ("POST", INVITE, {"voice_channel": 987654321}),
                ("POST", INVITE, {"voice_channel": self.channel["id"], "addressee": 987654321}),
                ("DELETE", CHANNELS, None), ("GET", INVITE, None)):
            arguments = {} if body is None else {"json": body}
            status, answer, _ = await self.ask(method, path, alice, **arguments)
            fields = {name: type(reason).__name__ for name, reason in (answer or {}).items()}
            self.note("refused", method, path, list(body or ()), status, fields)
        status, answer, headers = await self.ask("GET", CHANNELS, None)
        self.note("no key", status, list(answer), "WWW-Authenticate" in headers)

    async def invite(self):
        alice, bob, carol = self.users
        devices = [await self.connect("/ws/notifications/", bob) for _ in range(2)]
        other = await self.connect("/ws/notifications/", carol)
        for identifier in (self.channel["id"], str(self.channel["id"])):
            status, invitation, _ = await self.ask(
                "POST", INVITE, alice, json={"voice_channel": identifier, "addressee": bob.id})
            expected = {"id": invitation["id"], "voice_channel": self.channel["id"]}
            self.note("invite", status, self.with_names(invitation, **expected))
            for device in devices:
                told = json.loads(await self.hear(device))
                self.note("notified", self.with_names(told, **expected))
        await self.ask("POST", INVITE, bob,
                       json={"voice_channel": self.channel["id"], "addressee": carol.id})
        self.note("only his own", json.loads(await self.hear(other))["inviter_username"])

    async def talk(self):
        alice, bob, carol = self.users
        speaker, first, second = [await self.connect("/ws/voice/general/", user)
                                  for user in self.users]
        stranger = await self.connect("/ws/voice/other/", bob)
        peer = await self.connect("/ws/voice/other/", carol)
        said = ["Привіт", b"\0\1\2", "{\"type\": \"x\"}", bytes(range(256)) * 4]
        for message in said:
            await speaker.send(message)
        for listener in (first, second):
            heard = [await self.hear(listener) for _ in said]
            self.note("heard", [str(each) for each in heard], heard == said)
        await first.send("answer")
        self.note("no echo", await self.hear(speaker), await self.hear(second))
        await peer.send("ours")
        self.note("own room", await self.hear(stranger))

    async def signal(self):
        ann, bob = [await self.connect("/ws/signaling/", user) for user in self.users[:2]]
        ids = []
        for peer in (ann, bob):
            await peer.send('{"type": "join"}')
            joined = json.loads(await self.hear(peer))
            ids.append(joined["id"])
            self.peers[joined["id"]] = f"<peer {len(ids)}>"
            self.note("joined", joined)
            await peer.send('{"type": "join"}')
            self.note("the same id", json.loads(await self.hear(peer)))
        for message in ({"type": "offer", "sdp": "v=0\r\n"}, {"type": "answer", "from": "forged"},
                        {"type": "candidate", "candidate": {"a": [1, 2.5, None]}, "її": "є"}):
            await ann.send(json.dumps({**message, "to": ids[1]}))
            self.note("forwarded", json.loads(await self.hear(bob)))
        await bob.send(json.dumps({"to": ids[0], "anything": True}))
        self.note("and back", json.loads(await self.hear(ann)))
        await ann.send(json.dumps({"to": ids[0], "type": "self"}))
        self.note("to oneself", json.loads(await self.hear(ann)))
