"""A machine of its own for clients: a network namespace behind a link that can be cut."""

import ctypes
import os
import socket
import subprocess
import threading
import unittest

_libc = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000


def _run(*command):
    subprocess.run(command, check=True, capture_output=True)


class RemoteMachine:
    """`cut` has every packet between here and there vanish: no FIN, no RST, no ICMP, and the link
    stays up. To be closed."""

    def __init__(self):
        number = os.getpid()
        self.name = f"voicechan-{number}"
        self.here, self.there = f"vc{number}a", f"vc{number}b"
        net = f"10.231.{number // 64 % 256}.{number % 64 * 4}"
        base, last = net.rsplit(".", 1)
        self.address, self.far_address = f"{base}.{int(last) + 1}", f"{base}.{int(last) + 2}"
        try:
            _run("ip", "netns", "add", self.name)
            _run("ip", "link", "add", self.here, "type", "veth", "peer", "name", self.there,
                 "netns", self.name)
            _run("ip", "addr", "add", f"{self.address}/30", "dev", self.here)
            _run("ip", "-n", self.name, "addr", "add", f"{self.far_address}/30", "dev", self.there)
            _run("ip", "link", "set", self.here, "up")
            _run("ip", "-n", self.name, "link", "set", self.there, "up")
        except (OSError, subprocess.CalledProcessError) as error:
            self.close()
            raise unittest.SkipTest(f"no network namespaces here: {error}") from None

    def socket(self):
        """A new TCP socket of that machine."""
        made = []

        def make():
            with open(f"/run/netns/{self.name}") as namespace:
                if _libc.setns(namespace.fileno(), _CLONE_NEWNET) != 0:
                    return
            made.append(socket.socket())
        thread = threading.Thread(target=make)  # only this thread moves there
        thread.start()
        thread.join()
        if not made:
            raise OSError(ctypes.get_errno(), "setns")
        return made[0]

    def cut(self):
        # A bucket that no packet fits into.
        fence = ("root", "tbf", "rate", "8bit", "burst", "1", "limit", "1")
        _run("tc", "-n", self.name, "qdisc", "add", "dev", self.there, *fence)
        _run("tc", "qdisc", "add", "dev", self.here, *fence)

    def mend(self):
        _run("tc", "-n", self.name, "qdisc", "del", "dev", self.there, "root")
        _run("tc", "qdisc", "del", "dev", self.here, "root")

    def close(self):
        # The link goes with the namespace, but later: `link del` waits.
        for command in (("ip", "link", "del", self.here), ("ip", "netns", "del", self.name)):
            subprocess.run(command, capture_output=True)
