#!/usr/bin/python3
"""Naive WebRTC clients on a bad network: the server's rooms let all of them connect."""

import asyncio
import os
import random
import time
import unittest

from fake_webrtc import FakePeerConnection, RtcError, describe
from harness import SIGNALING, Case, LiveCase, eventually, within
from naive_webrtc import Call, NaiveNegotiation

CALLS_AT_ONCE = 200


class NegotiationTest(LiveCase):
    # Whose line breaks before he has the key to his session is awaited in vain.
    options = ("--workers", "4", "--resume-window", "4")

    async def run_calls(self, count, room=None, reconnects=0.0, **arguments):
        """The calls, made. `reconnects` is the share of them in which one side's line breaks."""
        seed = int(os.environ.get("VOICECHAN_TEST_SEED") or random.randrange(1 << 32))
        print(f"seed {seed}")
        rng, places, calls = random.Random(seed), asyncio.Semaphore(CALLS_AT_ONCE), []

        def connect():
            return self.connect(SIGNALING, self.alice)

        async def run(call):
            async with places:
                await call.run()
        for number in range(count):
            join = {"type": "join", **({"room": f"{room} {number}"} if room else {})}
            calls.append(Call(random.Random(rng.random()), connect, join,
                              will_abort=rng.random() < reconnects, **arguments))
        begin = time.monotonic()
        await asyncio.gather(*map(run, calls))
        print(f"{count} calls in {time.monotonic() - begin:.1f} s, "
              f"{sum(call.rollbacks > 0 for call in calls)} glares, "
              f"{sum(call.aborts for call in calls)} reconnects "
              f"({sum(call.resumed for call in calls)} resumed), "
              f"{sum(call.early_candidates() for call in calls)} early candidates, "
              f"{sum(bool(call.failures) for call in calls)} failures")
        return calls

    @within(60)
    async def test_a_thousand_calls_of_naive_clients_connect(self):
        calls = await self.run_calls(1000, room="call", reconnects=0.3, resumes=0.5)
        failed = [f"call {number}: {call}" for number, call in enumerate(calls) if call.failures]
        if failed:
            self.fail(f"{len(failed)} of 1000 failed, such as\n" + "\n".join(failed[:3]))
        self.assertGreater(sum(call.rollbacks > 0 for call in calls), 100)
        self.assertGreater(sum(call.aborts for call in calls), 100)
        self.assertGreater(sum(call.resumed for call in calls), 50)
        self.assertGreater(sum(call.early_candidates() for call in calls), 100)

    async def test_without_a_room_candidates_come_too_early(self):
        """So it is the room that makes the thousand connect."""
        calls = await self.run_calls(100, patience=4)
        early = [call for call in calls if "without a remote description" in str(call.failures)]
        self.assertGreater(len(early), 10)
        for call in early:
            self.assertGreater(call.early_candidates(), 0, call)


class FakePeerConnectionTest(Case):
    """What it refuses; if it did not, the calls would prove nothing."""

    def make(self):
        pc = FakePeerConnection(random.Random(1), asyncio.create_task)
        pc.on_ice_candidate = lambda candidate: None
        return pc

    async def offering(self):
        pc = self.make()
        await pc.set_local_description()
        await eventually(lambda: pc.is_gathered, "there are candidates")
        return pc

    async def glare(self, *polite):
        """The two connections after both sides have offered at once."""
        sides, tasks = [], []

        def spawn(coroutine):
            tasks.append(asyncio.create_task(coroutine))
            return tasks[-1]

        def sender(to):
            return lambda message: "sdp" in message and spawn(sides[to].on_description(message))
        for side in (0, 1):
            pc = FakePeerConnection(random.Random(side), spawn)
            sides.append(NaiveNegotiation(pc, polite[side], sender(1 - side)))
            spawn(sides[side].on_negotiation_needed())
        while running := [task for task in tasks if not task.done()]:
            await asyncio.wait(running)
        for error in [task.exception() for task in tasks if not task.cancelled()]:
            if error is not None:
                raise error
        return [side.pc for side in sides]

    async def test_a_candidate_before_its_offer_is_refused(self):
        offers, answers = await self.offering(), self.make()
        with self.assertRaisesRegex(RtcError, "without a remote description"):
            await answers.add_ice_candidate(offers.gathered[0])

    async def test_a_candidate_of_an_offer_that_was_rolled_back_is_refused(self):
        first, second = await self.offering(), await self.offering()
        stale = first.gathered[0]
        await first.set_remote_description(second.local_description)
        await first.set_local_description()
        await second.set_remote_description(first.local_description)
        with self.assertRaisesRegex(RtcError, "unknown ufrag"):
            await second.add_ice_candidate(stale)
        await eventually(lambda: first.is_gathered, "there are other candidates")
        await second.add_ice_candidate(first.gathered[0])
        self.assertTrue(second.is_connected)

    async def test_an_answer_to_no_offer_is_refused(self):
        with self.assertRaisesRegex(RtcError, "an answer in stable"):
            await self.make().set_remote_description(describe("answer", "abcd"))

    async def test_a_candidate_may_come_before_the_offer_is_known(self):
        count = 0
        for seed in range(20):
            pc = FakePeerConnection(random.Random(seed), asyncio.create_task)
            pc.on_ice_candidate = lambda candidate: None
            await pc.set_local_description()
            count += bool(pc.gathered)
            pc.close()
        self.assertIn(count, range(1, 20))

    async def test_it_connects_when_both_sides_have_a_candidate(self):
        first, second = await self.glare(True, False)
        await first.add_ice_candidate(second.gathered[0])
        self.assertFalse(first.is_connected_to(second))
        await second.add_ice_candidate(first.gathered[0])
        self.assertTrue(first.is_connected_to(second))

    async def test_glare_of_two_polite_ones_fails(self):
        with self.assertRaisesRegex(RtcError, "an answer in stable"):
            await self.glare(True, True)

    async def test_glare_of_two_impolite_ones_is_never_over(self):
        for pc in await self.glare(False, False):
            self.assertEqual(pc.signaling_state, "have-local-offer")


if __name__ == "__main__":
    unittest.main()
