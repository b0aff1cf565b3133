#!/usr/bin/python3
"""The short form of soak.py."""

import os
import random
import unittest

from harness import Case, within
from soak import soak


class SoakTest(Case):
    @within(150)
    async def test_members_that_stay_lose_nothing_while_others_come_and_go(self):
        seed = int(os.environ.get("VOICECHAN_TEST_SEED") or random.randrange(1 << 32))
        print(f"seed {seed}")
        failures, lines = await soak(connections=300, seconds=20, seed=seed)
        print("\n".join(lines))
        self.assertEqual(failures, [])


if __name__ == "__main__":
    unittest.main()
