#!/usr/bin/python3
"""Two servers on a bus behind a real nginx and a real HAProxy, set up as the README says: a room
stays on one server, and works where it does not."""

import asyncio
import json
import ssl
import unittest

from harness import CHANNELS, SIGNALING, eventually, voice, within
from test_proxy import HAPROXY, NGINX, Proxy, configuration_of_readme, nginx_frame
from test_redis_bus import BusCase

ROOMS, MEMBERS = 16, 3


class PlacedCase(BusCase):
    seconds = 60
    server_options = ("--trusted-proxy", "127.0.0.1")

    def serve_joined(self, *options):
        return super().serve_joined(*self.server_options, *options)

    def with_our_addresses(self, text):
        for number, server in enumerate((self.a, self.b), 1):
            self.assertEqual(text.count(f"10.0.0.{number}:8000"), 1)
            text = text.replace(f"10.0.0.{number}:8000", f"127.0.0.1:{server.port}")
        return text

    async def counts(self, kind):
        """How many connections of that kind each server has."""
        found = []
        for server in (self.a, self.b):
            async with self._http.get(server.admin("/health")) as answer:
                found.append(json.loads(await answer.read())["connections"][kind])
        return found

    async def placed(self, kind, connect):
        """Opens members of several rooms; on which server those of each are."""
        places = []
        before = await self.counts(kind)
        for room in range(ROOMS):
            members = [await connect(f"room{room}") for _ in range(MEMBERS)]
            now = await self.counts(kind)
            places.append(tuple(after - each for after, each in zip(now, before)))
            before = now
            del members
        self.assertEqual(set(places), {(MEMBERS, 0), (0, MEMBERS)},
                         f"all of a room are on one server, and not all rooms on one: {places}")
        return places

    async def check(self, proxy):
        trust = ssl.create_default_context(cafile=proxy.certificate)
        answer = await self.rest("POST", CHANNELS, self.alice, proxy, json={"name": "x"}, ssl=trust)
        self.assertEqual(answer.status, 201, answer)

        async def enter_voice(room):
            return await self.connect(voice(room), self.alice, proxy, ssl=trust)

        async def enter_signaling(room):
            peer = await self.connect(f"{SIGNALING}?room={room}", self.alice, proxy, ssl=trust)
            await peer.send(json.dumps({"type": "join", "room": room}))
            self.assertEqual((await self.next_json(peer))["type"], "joined")
            return peer
        in_voice = await self.placed("voice", enter_voice)
        in_signaling = await self.placed("signaling", enter_signaling)
        self.assertEqual([one[0] > 0 for one in in_voice], [one[0] > 0 for one in in_signaling],
                         "a room's voice and signaling are together")
        # Split by hand: somebody comes to each server by another way.
        behind = await self.connect(voice("split"), self.alice, proxy, ssl=trust)
        direct = [await self.connect_past_the_proxy("split", server) for server in (self.a, self.b)]
        await behind.send("to all")
        for member in direct:
            self.assertEqual(await self.next(member), "to all")
        await direct[0].send("back")
        for member in (behind, direct[1]):
            self.assertEqual(await self.next(member), "back")
        # Without one of them its rooms are on the other.
        self.b.kill()

        async def is_served():
            try:
                members = [await enter_voice(f"room{room}") for room in range(ROOMS)]
            except (OSError, AssertionError, asyncio.TimeoutError):
                return False
            except Exception as error:  # the package has a kind of its own for each refusal
                if type(error).__name__ not in ("InvalidStatusCode", "InvalidMessage"):
                    raise
                return False
            await members[0].close()
            return True
        await eventually(is_served, "all rooms are served by one", 10)

    async def connect_past_the_proxy(self, room, server):
        return await self.connect(voice(room), self.bob, server)


@unittest.skipUnless(NGINX, "needs nginx")
class NginxTest(PlacedCase):
    @within(60)
    async def test_a_room_is_on_one_server_and_works_on_several(self):
        site = self.with_our_addresses(configuration_of_readme("nginx", 1))

        def text(proxy):
            edited = site.replace("listen 443 ssl", f"listen 127.0.0.1:{proxy.port} ssl")
            return nginx_frame(proxy, edited.replace("/etc/ssl/voice/", proxy.directory + "/"))
        await self.check(Proxy(self, [NGINX, "-e", "stderr", "-c"], text))


@unittest.skipUnless(HAPROXY, "needs haproxy")
class HaproxyTest(PlacedCase):
    server_options = ("--trusted-proxy", "127.0.0.1", "--proxy-protocol")

    async def connect_past_the_proxy(self, room, server):
        client = await self.raw(server)
        await client.send(b"PROXY UNKNOWN\r\n")
        response = await client.upgrade(voice(room), self.bob)
        self.assertEqual(response.status, 101)
        return client

    @within(60)
    async def test_a_room_is_on_one_server_and_works_on_several(self):
        site = self.with_our_addresses(configuration_of_readme("haproxy", 1))

        def text(proxy):
            edited = site.replace(":443", f"127.0.0.1:{proxy.port}")
            return edited.replace("/etc/haproxy/voice.pem", proxy.directory + "/both.pem")
        await self.check(Proxy(self, [HAPROXY, "-db", "-f"], text))


if __name__ == "__main__":
    unittest.main()
