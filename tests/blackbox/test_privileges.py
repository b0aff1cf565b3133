#!/usr/bin/python3
"""The server as nobody, without capabilities, with nothing to write to but its database's folder."""

import os
import shutil
import subprocess
import tempfile
import unittest

import aiohttp

from harness import BINARY, CHANNELS, NOTIFICATIONS, Case, voice

# In a mount namespace of its own: all that is mounted becomes read-only, but for the folder $1, and
# /proc shows processes only, as with ProcSubset=pid in our unit.
CONFINE = """
set -eu
folder=$1; shift
mount --bind "$folder" "$folder"
mount -t proc -o subset=pid proc /proc || true  # not in every container
cut -d' ' -f5 /proc/self/mountinfo | while read -r mounted; do
  [ "$mounted" = "$folder" ] || mount -o remount,bind,ro "$mounted" 2>/dev/null || true
done
if touch /tmp/voicechan-is-writable 2>/dev/null; then exit 97; fi
cd "$folder"
exec setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs \
  --bounding-set=-all --inh-caps=-all -- "$@"
"""


def can_confine():
    return os.geteuid() == 0 and all(map(shutil.which, ("unshare", "setpriv"))) and subprocess.run(
        ["unshare", "--mount", "true"], capture_output=True).returncode == 0


@unittest.skipUnless(can_confine(), "needs root, unshare and setpriv")
class PrivilegesTest(Case):
    async def test_nobody_with_one_writable_folder_serves_everything(self):
        folder = tempfile.mkdtemp(prefix="voicechan-confined-")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        shutil.copy(BINARY, os.path.join(folder, "server"))
        data = os.path.join(folder, "data")
        os.mkdir(data)
        os.chmod(folder, 0o755)
        os.chown(data, 65534, 65534)
        server = self.start(
            "--workers", "2", "--admin-listen", "127.0.0.1:0", db=os.path.join(data, "voice.db"),
            prefix=["unshare", "--mount", "--propagation", "private", "sh", "-c", CONFINE, "sh", data],
            binary=os.path.join(folder, "server"))
        with open(f"/proc/{server.pid}/status") as file:
            status = dict(line.split(":\t", 1) for line in file.read().splitlines())
        self.assertEqual(status["Uid"].split(), ["65534"] * 4)
        for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd"):
            self.assertEqual(int(status[kind], 16), 0, kind)

        async with aiohttp.ClientSession() as session:
            async with session.get(server.admin("/health")) as response:
                health = await response.json(content_type=None)
        self.assertTrue(0 < health["uptime_seconds"] < 60, health)

        alice, bob = server.add_user("alice"), server.add_user("bob")
        device = await self.connect(NOTIFICATIONS, bob, server)
        channel = await self.create_channel(alice, "confined", server)
        await self.invite(alice, channel, bob, server)
        self.assertEqual((await self.next_json(device))["voice_channel"], channel["id"])
        one, two = await self.members("confined", 2, alice, server)
        await one.send(b"audio")
        self.assertEqual(await self.next(two), b"audio")
        answer = await self.rest("GET", CHANNELS, bob, server)
        self.assertEqual(answer.json, [channel])
        written = {os.path.relpath(os.path.realpath(f"/proc/{server.pid}/fd/{fd}"), data)
                   for fd in os.listdir(f"/proc/{server.pid}/fd")
                   if self.is_open_for_writing(server.pid, fd)}
        self.assertLessEqual(written, {"voice.db", "voice.db-wal", "voice.db-shm"})
        server.stop()

    def is_open_for_writing(self, pid, fd):
        """Of regular files, but for standard error."""
        if fd == "2" or not os.path.isfile(f"/proc/{pid}/fd/{fd}"):
            return False
        with open(f"/proc/{pid}/fdinfo/{fd}") as file:
            fields = dict(line.split(":\t", 1) for line in file.read().splitlines() if ":\t" in line)
        return int(fields["flags"], 8) & os.O_ACCMODE != os.O_RDONLY


if __name__ == "__main__":
    unittest.main()
