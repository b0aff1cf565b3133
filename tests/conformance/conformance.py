"""What the files of this suite share: one server a file, one named check a rule, raw sockets.

A method with `@checks(...)` is a rule whose rows are checks of their own: each gets a server that
is known to be well, a deadline and a line of the report.
"""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "blackbox"))

from harness import (CHANNELS, OP_CLOSE, OP_PING, OP_PONG, LiveCase, Server,  # noqa: E402
                     frame, voice)


def checks(*values, **rows):
    """Makes one test of each row: `name=arguments` (a tuple, or one argument). Plain values name
    themselves."""
    table = {"".join(c if c.isalnum() else f"x{ord(c):02x}" for c in str(value)): value
             for value in values}
    if len(table) < len(values):
        raise ValueError("two values have one name")
    table.update(rows)

    def mark(method):
        method.rows = table
        return method
    return mark


class Conformance(LiveCase):
    """Checks against one server, which all classes of a file share."""

    options = ("--workers", "1", "--max-body-bytes", "20000")
    user_names = ("alice", "bob")
    _shared = None

    def __init_subclass__(cls, **arguments):
        for name, method in list(vars(cls).items()):
            for row, values in getattr(method, "rows", {}).items():
                async def check(self, method=method, values=values):
                    await method(self, *values if isinstance(values, tuple) else (values,))
                check.__doc__ = method.__doc__
                check.__qualname__ = f"{cls.__qualname__}.{name}__{row}"
                setattr(cls, f"{name}__{row}", check)
            if hasattr(method, "rows"):
                delattr(cls, name)
        super().__init_subclass__(**arguments)

    @classmethod
    def setUpClass(cls):
        if Conformance._shared is None:
            super().setUpClass()
            Conformance._shared = cls.server, cls.alice, cls.bob
            unittest.addModuleCleanup(cls.stop_shared)
        cls.server, cls.alice, cls.bob = Conformance._shared

    @classmethod
    def stop_shared(cls):
        Conformance._shared = None
        cls.server.stop()

    @classmethod
    def tearDownClass(cls):
        pass  # the module's end stops the server


class HttpConformance(Conformance):
    def request(self, method="GET", path=CHANNELS, body=None, version="1.1", **fields):
        """The bytes of a good request, which `fields` change (`_` stands for `-`, None is none)."""
        head = {"Host": "localhost", "Authorization": f"Token {self.alice.key}"}
        if body is not None:
            head["Content-Length"] = str(len(body))
            head["Content-Type"] = "application/json"
        for name, value in fields.items():
            head[name.replace("_", "-")] = value
        text = f"{method} {path} HTTP/{version}\r\n"
        text += "".join(f"{name}: {value}\r\n" for name, value in head.items() if value is not None)
        return text.encode("latin-1") + b"\r\n" + (body or b"")

    def with_line(self, line, method="GET", **arguments):
        """A good request with one more header line, as bytes without an end."""
        return self.request(method, **arguments).replace(b"\r\n\r\n", b"\r\n" + line + b"\r\n\r\n", 1)

    def chunked(self, body, **fields):
        fields.setdefault("Transfer_Encoding", "chunked")
        fields.setdefault("Content_Type", "application/json")
        return self.request("POST", **fields) + body

    async def ask(self, data, method="GET"):
        connection = await self.raw()
        connection.write(data)
        answer = await connection.response(method)
        self.check_answer(answer, method)
        return answer, connection

    async def check_served(self, data, *statuses, method="GET"):
        """Answered with one of `statuses`, and the connection is in step afterwards."""
        answer, connection = await self.ask(data, method)
        self.assertIn(answer.status, statuses or (200,), answer)
        await self.check_in_step(connection)
        return answer

    async def check_in_step(self, connection):
        connection.write(self.request(path="/in-step"))
        self.assertEqual((await connection.response()).status, 404)

    async def check_refused(self, data, *statuses, method="GET"):
        """One error, after which the connection is of no more use and ends."""
        answer, connection = await self.ask(data, method)
        self.assertIn(answer.status, statuses, answer)
        self.assertEqual(answer.headers.get("Connection", "").lower(), "close", answer)
        self.assertEqual(await connection.ended(), b"")
        return answer


class WebSocketConformance(Conformance):
    room = voice("conformance")

    async def open(self, path=None):
        return await self.raw_websocket(path or self.room, self.alice)

    async def talk(self):
        """A raw member of the room and a well-behaved one that hears what he says."""
        raw = await self.open()
        witness = await self.connect(self.room, self.bob)
        return raw, witness

    async def check_relayed(self, data, *messages):
        raw, witness = await self.talk()
        raw.write(data)
        for message in messages:
            self.assertEqual(await self.next(witness), message)
        await self.check_alive(raw)

    async def check_fails(self, data, *codes, path=None):
        """Answered with a close of one of `codes` and with nothing else, and the end."""
        raw = await self.open(path)
        raw.write(data)
        self.assertIn(await self.closing_code(raw), codes)

    async def closing_code(self, raw):
        got = await raw.frame()
        self.assertEqual(got.opcode, OP_CLOSE, got)
        self.assertTrue(got.fin and not got.masked and got.rsv == 0, got)
        self.assertEqual(await raw.ended(), b"")
        return got.close_code

    async def check_alive(self, raw):
        mark = os.urandom(8)
        await raw.send(frame(OP_PING, mark))
        while (got := await raw.frame()).opcode == OP_PING:
            pass
        self.assertEqual((got.opcode, got.payload), (OP_PONG, mark))
