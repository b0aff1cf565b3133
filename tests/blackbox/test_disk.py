#!/usr/bin/python3
"""A disk that is full or cannot be written: writes get 503, everything else goes on, and writes
succeed again without a restart. Needs root, for a small file system and for `chattr`."""

import asyncio
import contextlib
import os
import shutil
import sqlite3
import subprocess
import tempfile
import time
import unittest

from harness import (CHANNELS, INVITE, NOTIFICATIONS, SCALE, Case, Server, eventually,
                     integrity_of, within)
from test_faults import FaultCase


def mount_memory(directory, size):
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "voicechan", directory],
                   check=True, capture_output=True)


def mount_image(directory):
    with tempfile.NamedTemporaryFile(prefix="voicechan-image-") as image:
        image.truncate(32 << 20)
        subprocess.run(["mkfs.ext4", "-q", image.name], check=True, capture_output=True)
        subprocess.run(["mount", "-o", "loop", image.name, directory], check=True,
                       capture_output=True)


def can_mount(kind):
    directory = tempfile.mkdtemp(prefix="voicechan-mount-")
    try:
        mount_image(directory) if kind == "ext4" else mount_memory(directory, "64k")
        subprocess.run(["umount", directory], check=True)
        return True
    except (OSError, subprocess.CalledProcessError):
        return False
    finally:
        os.rmdir(directory)


def can_be_immutable():
    """Whether files of the temporary folder can be made so that not even root can write them,
    through a descriptor that is open already."""
    with tempfile.NamedTemporaryFile(prefix="voicechan-immutable-") as file:
        try:
            if subprocess.run(["chattr", "+i", file.name], capture_output=True).returncode != 0:
                return False
            try:
                os.write(file.fileno(), b"x")
                return False
            except OSError:
                return True
            finally:
                subprocess.run(["chattr", "-i", file.name], check=True)
        except FileNotFoundError:
            return False


class DiskCase(FaultCase):
    """The server's database is in a folder of its own; two members talk all the time."""

    options = ("--workers", "2")

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.mkdtemp(prefix="voicechan-disk-")
        cls.prepare_disk()
        try:
            cls.server = Server(*cls.options, db=os.path.join(cls.directory, "voice.db"))
            cls.alice, cls.bob = cls.server.add_user("alice"), cls.server.add_user("bob")
        except BaseException:
            cls.release_disk()
            raise

    @classmethod
    def tearDownClass(cls):
        try:
            super().tearDownClass()
        finally:
            cls.release_disk()

    @classmethod
    def prepare_disk(cls):
        pass

    @classmethod
    def release_disk(cls):
        shutil.rmtree(cls.directory, ignore_errors=True)

    async def write(self, i):
        """Creates or invites; the status."""
        if i % 2 and self.channels:
            answer = await self.rest("POST", INVITE, self.alice, json={
                "voice_channel": self.channels[0]["id"], "addressee": self.bob.id})
            if answer.status == 201:
                self.invitations.append(answer.json["id"])
        else:
            answer = await self.rest("POST", CHANNELS, self.alice, json={"name": f"{i} " + "n" * 250})
            if answer.status == 201:
                self.channels.append(answer.json)
        if answer.status != 201:
            self.assertEqual(answer.status, 503, answer)
            self.assertIn("store", answer.json["detail"])
            self.assertIn("Retry-After", answer.headers)
        return answer.status

    async def check_everything_acknowledged_is_there(self):
        listed = {channel["id"]: channel for channel in
                  (await self.rest("GET", CHANNELS, self.alice)).json}
        for channel in self.channels:
            self.assertEqual(listed.get(channel["id"]), channel)
        with contextlib.closing(sqlite3.connect(self.server.db, timeout=10)) as connection:
            stored = {row[0] for row in connection.execute("SELECT id FROM invitations")}
        self.assertLessEqual(set(self.invitations), stored)

    async def live_through(self, break_disk, mend_disk):
        self.channels, self.invitations = [], []
        device = await self.connect(NOTIFICATIONS, self.bob)
        for i in range(20):
            self.assertEqual(await self.write(i), 201)
        log = self.server.log()
        break_disk()
        try:
            begin = time.monotonic()
            while await self.write(2 * len(self.channels)) == 201:  # what there was room for
                self.assertLess(time.monotonic() - begin, 30 * SCALE, "the disk takes everything")
            talked = self.exchanges
            statuses = await asyncio.gather(*(self.write(i) for i in range(100)))
            self.assertEqual(statuses.count(503) + statuses.count(201), 100)
            self.assertGreater(statuses.count(503), 90)
            for _ in range(10):
                answer = await self.rest("GET", CHANNELS, self.alice)
                self.assertEqual(answer.status, 200)
                self.assertEqual((await self.rest("GET", "/readyz")).status, 200)
            newcomer, other = await self.members("newcomers", 2, self.bob)
            await newcomer.send("hello")
            self.assertEqual(await self.next(other), "hello")
            await self.check_everything_acknowledged_is_there()
            self.assertGreater(self.exchanges, talked, "the talk goes on")
        finally:
            mend_disk()
        for i in range(20):
            self.assertEqual(await self.write(i), 201, "writes succeed again without a restart")
        await self.check_everything_acknowledged_is_there()
        heard = set()
        while self.invitations[-1] not in heard:
            heard.add((await self.next_json(device))["id"])
        self.assertLessEqual(set(self.invitations), heard, "a notification is missing")
        self.assertEqual(integrity_of(self.server.db), ["ok"])
        new = self.server.log()[len(log):]
        failures = [line for line in new.splitlines() if "answered with 503" in line]
        self.assertLess(len(failures), 8, new)
        self.assertIn("can be written again", new)
        for client in (newcomer, other, device):
            await client.close()


@unittest.skipUnless(can_mount("tmpfs"), "no file system can be mounted here")
class FullDiskTest(DiskCase):
    @classmethod
    def prepare_disk(cls):
        mount_memory(cls.directory, "2m")

    @classmethod
    def release_disk(cls):
        subprocess.run(["umount", "--lazy", cls.directory], check=True)
        super().release_disk()

    def fill(self):
        with open(os.path.join(self.directory, "filler"), "wb", buffering=0) as file:
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"x" * 4096)

    @within(90)
    async def test_a_full_disk_refuses_writes_and_nothing_else(self):
        for _ in range(2):
            await self.live_through(
                self.fill, lambda: os.remove(os.path.join(self.directory, "filler")))

    @within(90)
    async def test_a_log_that_cannot_be_moved_into_the_database_loses_nothing(self):
        # A reader of another process holds an old snapshot, so that the write-ahead log grows until
        # the disk is full; when he goes there is no room for a checkpoint to extend the database.
        self.channels, self.invitations = [], []
        self.assertEqual(await self.write(0), 201)
        with contextlib.closing(sqlite3.connect(self.server.db, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM channels").fetchall()
            begin = time.monotonic()
            while await self.write(0) == 201:
                self.assertLess(time.monotonic() - begin, 60 * SCALE, "the disk does not fill up")
            await self.check_everything_acknowledged_is_there()
        filler = os.path.join(self.directory, "filler")
        self.fill()
        await self.write(0)
        await self.check_everything_acknowledged_is_there()
        os.remove(filler)
        # The log can be moved once there is room for it in the database; then it is used again.
        subprocess.run(["mount", "-o", "remount,size=8m", self.directory], check=True)
        self.assertEqual(await self.write(0), 201)
        await self.check_everything_acknowledged_is_there()
        self.assertEqual(integrity_of(self.server.db), ["ok"])


@unittest.skipUnless(can_be_immutable(), "files cannot be made immutable here")
class ImmutableIndexTest(Case):
    async def test_an_index_that_nobody_may_change_is_an_error_at_the_start(self):
        server = self.start()
        alice = server.add_user("alice")
        await self.create_channel(alice, server=server)
        server.kill()  # leaves the index
        index = server.db + "-shm"
        subprocess.run(["chattr", "+i", index], check=True)
        try:
            refused = self.start(db=server.db, wait=False)
            self.assertEqual(await refused.exit_code(), 1)
            self.assertIn("cannot open database", refused.log())
        finally:
            subprocess.run(["chattr", "-i", index], check=True)
        again = self.start(db=server.db)
        self.assertEqual(len((await self.rest("GET", CHANNELS, alice, server=again)).json), 1)


@unittest.skipUnless(can_be_immutable(), "files cannot be made immutable here")
class ReadOnlyDiskTest(DiskCase):
    """A mount with open files cannot be made read-only and writable again; the files can. (Not the
    shared memory: no disk that fails takes away what is mapped already, see FailedDiskTest.)"""

    def set_immutable(self, sign):
        subprocess.run(["chattr", sign, self.server.db, self.server.db + "-wal"], check=True)

    @classmethod
    def release_disk(cls):
        for name in os.listdir(cls.directory):
            subprocess.run(["chattr", "-i", os.path.join(cls.directory, name)], capture_output=True)
        super().release_disk()

    @within(90)
    async def test_a_read_only_disk_refuses_writes_and_nothing_else(self):
        for _ in range(2):
            await self.live_through(
                lambda: self.set_immutable("+i"), lambda: self.set_immutable("-i"))


@unittest.skipUnless(can_mount("ext4"), "no image of a disk can be mounted here")
class FailedDiskTest(DiskCase):
    """The kernel takes a file system for broken and makes it read-only for good."""

    @classmethod
    def prepare_disk(cls):
        mount_image(cls.directory)

    @classmethod
    def release_disk(cls):
        subprocess.run(["umount", "--lazy", cls.directory], check=True)
        super().release_disk()

    @within(60)
    async def test_a_disk_that_fails_takes_neither_reads_nor_rooms_with_it(self):
        self.channels, self.invitations = [], []
        for i in range(20):
            self.assertEqual(await self.write(i), 201)
        os.sync()  # what the server has mapped is clean then, as after some time
        subprocess.run(["mount", "-o", "remount,abort", self.directory], check=True)
        for i in range(20):
            self.assertEqual(await self.write(i), 503)
            answer = await self.rest("GET", CHANNELS, self.alice)
            self.assertEqual(answer.json, self.channels)
        newcomer, other = await self.members("newcomers", 2, self.bob)
        await newcomer.send("hello")
        self.assertEqual(await self.next(other), "hello")
        before = self.exchanges
        await eventually(lambda: self.exchanges > before, "the talk goes on")


if __name__ == "__main__":
    unittest.main()
