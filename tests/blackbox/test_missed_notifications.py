#!/usr/bin/python3
"""No invitation is missed: who says since when he was away is told of all that came meanwhile, and
who stays connected while servers or Redis are away is told when they are back. Each once."""

import asyncio
import json
import signal
import unittest

from harness import NOTIFICATIONS, SIGNALING, Case, LiveCase, eventually, in_time, voice, within
from test_redis_bus import BUS, BusCase

MOST = 100
WRONG = 'The id of an invitation is required, or 0, or "now".'


def since(id_):
    return f"{NOTIFICATIONS}?since={id_}"


class Inviting:
    """For cases with alice, who invites, and bob."""

    async def invite_some(self, count, addressee=None, server=None):
        """The ids, in their order."""
        return [(await self.invite(self.alice, self.channel, addressee or self.bob, server))["id"]
                for _ in range(count)]

    async def ids(self, device, count):
        return [(await self.next_json(device))["id"] for _ in range(count)]

    async def caught_up(self, device):
        """What it is to say next time; comes behind what was missed."""
        message = await self.next_json(device)
        self.assertEqual((message["type"], message.keys()), ("caught_up", {"type", "since"}))
        return message["since"]

    async def check_nothing_more(self, device, server=None):
        """The next thing that it gets is an invitation made now."""
        [fence] = await self.invite_some(1, server=server)
        self.assertEqual(await self.ids(device, 1), [fence])


class SinceTest(Inviting, LiveCase):
    options = ("--workers", "4")

    async def asyncSetUp(self):
        await super().asyncSetUp()
        self.channel = await self.create_channel(self.alice)

    async def test_what_came_since_is_told_as_it_was_and_in_its_order(self):
        live = await self.connect(NOTIFICATIONS, self.bob)
        first, *rest = await self.invite_some(4)
        await self.invite_some(2, self.carol)
        as_it_was = [await self.next(live) for _ in range(4)]
        again = await self.connect(since(first), self.bob)
        self.assertEqual([await self.next(again) for _ in rest], as_it_was[1:])
        self.assertEqual(await self.caught_up(again), rest[-1])
        await self.check_nothing_more(again)

    async def test_without_it_nothing_old_is_told(self):
        await self.invite_some(3)
        await self.check_nothing_more(await self.connect(NOTIFICATIONS, self.bob))

    async def test_from_now_on_nothing_old_is_told_but_where_that_is(self):
        device = await self.connect(since("now"), self.carol)
        self.assertEqual(await self.caught_up(device), 0)
        seen, = await self.invite_some(1, self.carol)
        self.assertEqual(await self.ids(device, 1), [seen])
        again = await self.connect(since("now"), self.carol)
        self.assertEqual(await self.caught_up(again), seen)
        missed = await self.invite_some(2, self.carol)
        for one in (device, again):
            self.assertEqual(await self.ids(one, 2), missed)

    async def test_no_more_than_the_newest_hundred_are_told(self):
        ids = await self.invite_some(MOST + 7)
        device = await self.connect(since(0), self.bob)
        self.assertEqual(await self.ids(device, MOST), ids[-MOST:])
        self.assertEqual(await self.caught_up(device), ids[-1])
        await self.check_nothing_more(device)

    async def test_ids_that_nothing_has_yet_are_taken(self):
        for ahead in (0, 1000, 2**63, 2**70):
            last, = await self.invite_some(1)
            device = await self.connect(since(f"0{last + ahead}"), self.bob)
            self.assertEqual(await self.caught_up(device), min(last + ahead, 2**63 - 1))
            await self.check_nothing_more(device)

    async def test_what_is_no_id_is_refused_and_says_so(self):
        for wrong in ("", "-1", "x", "1.5", "%201", "1%00", "0x1", "null"):
            connection = await self.raw()
            answer = await connection.upgrade(since(wrong), self.bob)
            self.assertEqual((answer.status, answer.json),
                             (400, {"since": [WRONG]}))
        for path in (SIGNALING, voice("room")):
            await self.connect(f"{path}?since=x", self.bob)  # it has no meaning there

    @within(60)
    async def test_what_comes_while_it_is_read_is_told_once_and_behind_it(self):
        for _ in range(30):
            [last] = await self.invite_some(1)
            inviting = asyncio.create_task(self.invite_some(12))
            device = await self.connect(since(last - 1), self.bob)
            ids = await inviting
            got = [await self.next_json(device) for _ in range(14)]
            told = [each["type"] for each in got].index("caught_up")
            mark = got.pop(told)["since"]
            self.assertEqual([each["id"] for each in got], [last, *ids])
            self.assertEqual(mark, got[told - 1]["id"])
            await self.check_nothing_more(device)
            await device.close()

    async def test_who_invites_at_the_same_time_is_told_of_completely(self):
        for _ in range(10):
            device = await self.connect(NOTIFICATIONS, self.bob)
            [last] = await self.invite_some(1)
            await self.ids(device, 1)
            made = asyncio.gather(*(self.invite(one, self.channel, self.bob)
                                    for one in (self.alice, self.carol) * 10))
            again = await self.connect(since(last), self.bob)
            ids = sorted(each["id"] for each in await made)
            got = [await self.next_json(again) for _ in range(len(ids) + 1)]
            self.assertEqual(sorted(each["id"] for each in got if "id" in each), ids)
            await self.check_nothing_more(again)
            await asyncio.gather(device.close(), again.close())


class RestartTest(Inviting, Case):
    async def test_what_came_before_a_crash_is_told_after_it(self):
        server = self.server = self.start("--workers", "2")
        self.alice, self.bob = server.add_user("alice"), server.add_user("bob")
        self.channel = await self.create_channel(self.alice)
        device = await self.connect(NOTIFICATIONS, self.bob)
        seen, = await self.invite_some(1)
        await self.ids(device, 1)
        server.signal(signal.SIGSTOP)  # what is stored from here on is not pushed in time
        inviting = [asyncio.create_task(self.invite_some(1)) for _ in range(3)]
        await asyncio.sleep(0.1)
        server.kill()
        await asyncio.gather(*inviting, return_exceptions=True)
        self.server = self.start("--workers", "2", db=server.db)
        missed = await self.invite_some(2)
        again = await self.connect(since(seen), self.bob)
        got = []
        while got[-1:] != missed[-1:]:
            got += await self.ids(again, 1)
        self.assertEqual(await self.caught_up(again), missed[-1])
        self.assertEqual((got[-2:], got), (missed, sorted(set(got))))
        self.assertNotIn(seen, got)
        await self.check_nothing_more(again)


class Cuttable:
    """A TCP proxy before a bus, which cuts one server off."""

    def __init__(self, port):
        self._target, self._writers, self.port, self._listener = port, set(), 0, None

    async def open(self):
        self._listener = await asyncio.start_server(self._pass, "127.0.0.1", self.port)
        self.port = self._listener.sockets[0].getsockname()[1]
        return self

    async def _pass(self, reader, writer):
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        self._writers |= {writer, far_writer}

        async def copy(from_, to):
            while data := await from_.read(65536):
                to.write(data)
            to.close()
        await asyncio.gather(copy(reader, far_writer), copy(far_reader, writer),
                             return_exceptions=True)

    def cut(self):
        self._listener.close()
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()


class OutageTest(Inviting, BusCase):
    async def asyncSetUp(self):
        await super().asyncSetUp()
        self.channel = await self.create_channel(self.alice, server=self.a)

    @within(40)
    async def test_a_server_that_dies_before_it_pushes_loses_nothing(self):
        device = await self.connect(NOTIFICATIONS, self.bob, self.b)
        seen, = await self.invite_some(1, server=self.a)
        self.assertEqual(await self.ids(device, 1), [seen])
        self.b.signal(signal.SIGSTOP)
        missed = await self.invite_some(3, server=self.a)
        self.b.kill()
        again = await self.connect(since(seen), self.bob, self.a)
        self.assertEqual(await self.ids(again, 3), missed)
        self.assertEqual(await self.caught_up(again), missed[-1])
        await self.check_nothing_more(again, self.a)

    @within(60)
    async def test_what_is_missing_before_what_has_come_is_told_to_who_comes_again(self):
        far = await self.connect(since("now"), self.bob, self.b)
        mark = await self.caught_up(far)
        for bus in self.buses:
            bus.kill()
        elsewhere = await self.invite_some(1, server=self.a)
        here = await self.invite_some(1, server=self.b)
        self.assertEqual(await self.ids(far, 1), here)
        await far.close()
        again = await self.connect(since(mark), self.bob, self.b)
        self.assertEqual(await self.ids(again, 2), elsewhere + here)
        self.assertEqual(await self.caught_up(again), here[0])
        for bus in self.buses:
            bus.start()
        await self.silent(again, 2)

    async def heard_across(self, device):
        """What is invited on the other server comes again; gives what came until it did."""
        came = []

        async def is_back():
            ids = await self.invite_some(1, server=self.a)
            with_time = asyncio.get_running_loop().time() + 0.5
            while asyncio.get_running_loop().time() < with_time:
                try:
                    came.append(json.loads(await asyncio.wait_for(device.recv(), 0.3))["id"])
                except asyncio.TimeoutError:
                    break
            return ids[0] in came
        await eventually(is_back, "invitations come across", 10)
        return came

    @within(60)
    async def test_who_stays_connected_while_the_bus_is_away_is_told_when_it_is_back(self):
        near = await self.connect(NOTIFICATIONS, self.bob, self.a)
        far = await self.connect(NOTIFICATIONS, self.bob, self.b)
        before = await self.invite_some(2, server=self.a)
        for device in (near, far):
            self.assertEqual(await self.ids(device, 2), before)
        for bus in self.buses:
            bus.kill()
        missed = await self.invite_some(3, server=self.a)
        self.assertEqual(await self.ids(near, 3), missed)
        late = await self.connect(NOTIFICATIONS, self.bob, self.b)  # nobody is kept waiting for it
        missed += await self.invite_some(2, server=self.a)
        self.assertEqual(await self.ids(near, 2), missed[-2:])
        await self.silent(far)
        for bus in self.buses:
            bus.start()
        self.assertEqual(await in_time(self.ids(far, 5), 10, "what was missed"), missed)
        # The other one may be told of what came shortly before it was there, too.
        told = await self.ids(late, 1)
        while told[-1] != missed[-1]:
            told += await self.ids(late, 1)
        self.assertEqual((told[-2:], told), (missed[-2:], sorted(set(told))))
        await asyncio.sleep(1.5)  # gaps are told more than once
        fence = await self.invite_some(1, server=self.a)
        for device in (near, far, late):
            self.assertEqual(await self.ids(device, 1), fence)

    @within(60)
    async def test_a_bus_that_comes_back_brings_nothing_twice(self):
        far = await self.connect(NOTIFICATIONS, self.bob, self.b)
        told = await self.invite_some(3, server=self.a)
        for bus in self.buses:
            bus.kill()
            told += await self.invite_some(3, server=self.a)
            bus.start()
            await asyncio.sleep(1.5)
            told += await self.invite_some(3, server=self.a)
        self.assertEqual(sorted(await self.ids(far, len(told))), told)
        await self.silent(far, 1.5)

    async def start_cuttable(self):
        """Server `a` is behind a proxy of its own; there is one bus."""
        self.proxy = await Cuttable(self.buses[0].port).open()
        self.addCleanup(self.proxy.cut)
        self.a.stop()
        self.b.stop()
        self.b = self.serve(self.store, "--redis-bus", self.buses[0].url)
        self.a = self.serve(self.store, "--redis-bus", f"redis://127.0.0.1:{self.proxy.port}")

    @within(60)
    async def test_a_server_that_was_cut_off_has_the_others_look_at_what_it_stored(self):
        await self.start_cuttable()
        far = await self.connect(NOTIFICATIONS, self.bob, self.b)
        await self.heard_across(far)
        self.proxy.cut()
        await asyncio.sleep(0.3)
        missed = await self.invite_some(3, server=self.a)
        await self.silent(far, 1)
        await self.proxy.open()
        self.assertEqual(await in_time(self.ids(far, 3), 10, "what was missed"), missed)
        await self.silent(far, 1)

    @within(60)
    async def test_a_server_that_dies_cut_off_leaves_nothing_that_is_not_told(self):
        await self.start_cuttable()
        far = await self.connect(NOTIFICATIONS, self.bob, self.b)
        await self.heard_across(far)
        await asyncio.sleep(4.5)  # each has seen the other's lease
        self.proxy.cut()
        await asyncio.sleep(0.3)
        missed = await self.invite_some(3, server=self.a)
        self.a.kill()
        self.assertEqual(await in_time(self.ids(far, 3), 15, "what was missed"), missed)
        await self.silent(far, 1)

    @within(60)
    async def test_all_who_are_connected_are_told(self):
        users = [self.a.add_user(f"user{i}") for i in range(25)]
        devices = [await self.connect(NOTIFICATIONS, user, self.b) for user in users for _ in "12"]
        for bus in self.buses:
            bus.kill()
        missed = []
        for user in users:
            missed += [await self.invite_some(2, user, self.a)] * 2
        for bus in self.buses:
            bus.start()
        self.assertEqual(await asyncio.gather(*(self.ids(device, 2) for device in devices)), missed)


if __name__ == "__main__":
    unittest.main()
