"""Members of very many rooms of one server, one each, in a process of their own: thousands of clients
of the websockets package would take more than the servers that they try.

As a program it takes one command a line: `say ROUND SECONDS` has each member say the number of the
round, spread over so much time; `tell` prints what was heard; `listen` begins to note which rooms
are heard from then on.
"""

import asyncio
import json
import os
import select
import socket
import subprocess
import sys
import time

from harness import in_time

PING, PONG, BINARY = 0x89, 0x8A, 0x82
NO_MASK = bytes(4)
STEP = 100  # rooms


class Members:
    def __init__(self, port, key, rooms):
        self.heard = {}  # by round: members
        self.unheard = set()
        self.repeated = self.out_of_order = 0
        self.sockets, self.by_fd, self.buffers = [], {}, {}
        self.last = [-1] * rooms
        self.poll = select.epoll()
        waiting = []
        for room in range(rooms):
            member = socket.create_connection(("127.0.0.1", port))
            member.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            member.sendall((
                f"GET /ws/voice/crowd{room}/ HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
                "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
                f"Authorization: Token {key}\r\n\r\n").encode())
            self.sockets.append(member)
            waiting.append(member)
            if len(waiting) == 256 or room == rooms - 1:
                for each in waiting:
                    self._await_upgrade(each)
                waiting = []
        for room, member in enumerate(self.sockets):
            member.setblocking(False)
            self.by_fd[member.fileno()] = room
            self.poll.register(member, select.EPOLLIN)

    @staticmethod
    def _await_upgrade(member):
        member.settimeout(60)
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += member.recv(1)  # what follows the head stays where it is
            if not head:
                break
        if not head.startswith(b"HTTP/1.1 101"):
            raise SystemExit(f"refused: {head[:200]!r}")

    def say(self, number, seconds):
        frame = bytes([BINARY, 0x84]) + NO_MASK + number.to_bytes(4, "big")
        began = time.monotonic()
        for first in range(0, len(self.sockets), STEP):
            due = began + seconds * first / len(self.sockets)
            while not self.hear(max(0, due - time.monotonic())) and time.monotonic() < due:
                pass
            for member in self.sockets[first:first + STEP]:
                member.send(frame)

    def hear(self, seconds):
        """Takes what has come; waits so long for something."""
        events = self.poll.poll(seconds, 512)
        for fd, _ in events:
            room = self.by_fd[fd]
            got = self.buffers.pop(room, b"") + self.sockets[room].recv(65536)
            if not got:
                raise SystemExit(f"the server has cut a member of room {room}")
            while len(got) >= 2 and len(got) >= 2 + got[1]:
                self._take(room, got[0], got[2:2 + got[1]])
                got = got[2 + got[1]:]
            if got:
                self.buffers[room] = got
        return bool(events)

    def _take(self, room, kind, payload):
        if kind == PING:
            return self.sockets[room].send(bytes([PONG, 0x80 | len(payload)]) + NO_MASK + payload)
        if kind != BINARY:
            raise SystemExit(f"room {room} got a frame {kind:x}")
        number = int.from_bytes(payload, "big")
        self.repeated += number == self.last[room]
        self.out_of_order += number < self.last[room]
        self.last[room] = number
        self.heard[number] = self.heard.get(number, 0) + 1
        self.unheard.discard(room)

    def run(self):
        control = select.epoll()
        control.register(sys.stdin.fileno(), select.EPOLLIN)
        control.register(self.poll.fileno(), select.EPOLLIN)
        commands = b""
        print("ready", flush=True)
        while True:
            for fd, _ in control.poll():
                if fd == self.poll.fileno():
                    self.hear(0)
                    continue
                got = os.read(fd, 4096)
                if not got:
                    return
                *lines, commands = (commands + got).split(b"\n")
                for line in lines:
                    self._obey(line.split())

    def _obey(self, words):
        if words[0] == b"say":
            self.say(int(words[1]), float(words[2]))
            print("said", flush=True)
        elif words[0] == b"listen":
            self.unheard = set(range(len(self.sockets)))
            print("listening", flush=True)
        else:
            print(json.dumps({
                "heard": self.heard, "unheard": len(self.unheard), "repeated": self.repeated,
                "out_of_order": self.out_of_order}), flush=True)


class Crowd:
    """Such a process, seen from a test."""

    @classmethod
    async def enter(cls, case, server, user, rooms):
        crowd = cls()
        crowd.process = await asyncio.create_subprocess_exec(
            sys.executable, os.path.abspath(__file__), str(server.port), str(rooms),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, limit=1 << 24)
        case.addAsyncCleanup(crowd.leave)
        await crowd._write(user.key)
        crowd.ready = crowd._line()
        return crowd

    async def leave(self):
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()

    async def _write(self, text):
        self.process.stdin.write(text.encode() + b"\n")
        await self.process.stdin.drain()

    async def _line(self):
        line = await in_time(self.process.stdout.readline(), 120, "a crowd's word")
        if not line:
            raise AssertionError("a crowd has ended")
        return line

    async def do(self, command):
        await self._write(command)
        return await self._line()

    async def tell(self):
        told = json.loads(await self.do("tell"))
        told["heard"] = {int(number): count for number, count in told["heard"].items()}
        return told


if __name__ == "__main__":
    Members(int(sys.argv[1]), sys.stdin.buffer.raw.readline().decode().strip(),
            int(sys.argv[2])).run()
