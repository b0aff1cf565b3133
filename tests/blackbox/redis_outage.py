"""What tests of outages of several servers need: clients that keep account of who is there.

Environment: VOICECHAN_TEST_LONG=1 has each outage last as long as the README promises (minutes in
all) and not as short as shows the same.
"""

import asyncio
import itertools
import json
import os
import time

import aiohttp
import websockets

from harness import eventually, voice
from test_redis_bus import V1, BusCase

LONG = bool(os.environ.get("VOICECHAN_TEST_LONG"))
LEASE = 6  # seconds
# Seconds after which each has seen the other's lease, and after which those are judged who had none
# when the store came back.
SEEN, JUDGED = 4.5, 2 * LEASE + 4.5


class Roster:
    """Who a member of a voice room, or a peer of a signaling room, thinks is there; and how often
    each came and went."""

    def __init__(self, socket, first):
        self.socket = socket
        self.present, self.came, self.went = set(), {}, {}
        self.wrong, self.receipts, self.heard = [], {}, []
        self.polite = {}  # towards which peers, by what was told last
        self._use(first)
        self._reading = asyncio.create_task(self._read())

    async def _read(self):
        try:
            async for message in self.socket:
                if isinstance(message, bytes):
                    self.heard.append(message[4:])
                else:
                    self._use(json.loads(message))
        except websockets.ConnectionClosed:
            pass

    def _enter(self, name):
        if name in self.present:
            self.wrong.append(f"{name} entered twice")
        self.present.add(name)
        self.came[name] = self.came.get(name, 0) + 1

    def _meet(self, peer):
        self._enter(peer["id"])
        self.polite[peer["id"]] = peer["polite"]

    def _use(self, message):
        type_ = message["type"]
        if type_ == "roster":
            for each in message["members"]:
                self._enter(each["member"])
        elif type_ == "joined":
            self.id_ = message["id"]
            self._enter(self.id_)
            for each in message["peers"]:
                self._meet(each)
        elif type_ == "member_joined":
            self._enter(message["member"]["member"])
            if message.get("you"):
                self.number = message["member"]["member"]
        elif type_ == "peer_joined":
            self._meet(message["peer"])
        elif type_ in ("member_left", "peer_left"):
            name = message["member" if type_ == "member_left" else "id"]
            if name not in self.present:
                self.wrong.append(f"{name} left and was not there")
            self.present.discard(name)
            self.went[name] = self.went.get(name, 0) + 1
        elif type_ == "receipt":
            self.receipts[message["msg_id"]] = message["status"]


class Outage(BusCase):
    async def member(self, room, user, server):
        """A member of a voice room with its roster."""
        socket = await self.connect(voice(room), user, server, subprotocols=V1)
        return Roster(socket, await self.next_json(socket))

    async def peer(self, room, user, server):
        socket = await self.joined(user, room, server, data={})
        return Roster(socket, socket.joined)

    async def send_to(self, roster, id_, number):
        """Sends a directed message; gives the receipt's status and the seconds it took."""
        began = time.monotonic()
        await roster.socket.send(json.dumps({"type": "x", "to": id_, "msg_id": number}))
        await eventually(lambda: number in roster.receipts, "a receipt", 10)
        return roster.receipts[number], time.monotonic() - began

    def check_parts(self, *peers):
        """Of each two exactly one is polite, and so calls; both have met equally often."""
        for one, other in itertools.combinations(peers, 2):
            self.assertNotEqual(one.polite[other.id_], other.polite[one.id_])
            self.assertEqual(one.came[other.id_], other.came[one.id_])

    async def health(self, server):
        async with self.client.get(server.admin("/health")) as answer:
            return answer.status, json.loads(await answer.read())

    async def asyncSetUp(self):
        await super().asyncSetUp()
        self.client = aiohttp.ClientSession()
        self.addAsyncCleanup(self.client.close)
