"""A real redis-server for tests, on a loopback port, with its data in a folder that goes with it."""

import atexit
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from harness import SCALE

_libc = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


def free_port():
    with socket.socket() as socket_:
        socket_.bind(("127.0.0.1", 0))
        return socket_.getsockname()[1]


class Redis:
    """Unless told otherwise it keeps what it acknowledges (`appendfsync always`)."""

    def __init__(self, *options):
        self.directory = tempfile.mkdtemp(prefix="voicechan-redis-")
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}"
        self._options = options
        self.process = None
        self.start()

    def command(self):
        return ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir",
                self.directory, "--save", "", "--appendonly", "yes", "--appendfsync", "always",
                "--logfile", os.path.join(self.directory, "log"), *self._options]

    def start(self):
        """Returns when it answers."""
        self.process = subprocess.Popen(
            self.command(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=lambda: _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL))
        atexit.register(self.kill)
        deadline = time.monotonic() + 20 * SCALE
        while not self.ask("PING").startswith((b"+PONG", b"-NOAUTH")):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError("redis-server does not answer")
            time.sleep(0.01)

    def ask(self, command):
        """What it says first to an inline command; nothing if it is away."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), 5) as connection:
                connection.sendall(command.encode() + b"\r\n")
                return connection.recv(65536)
        except OSError:
            return b""

    def kill(self):
        """As a crash. Idempotent."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        atexit.unregister(self.kill)

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def remove(self):
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)
