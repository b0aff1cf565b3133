"""Starts the real server and speaks to it over real sockets; shared by every file of this suite.

Environment: VOICECHAN_SERVER is the binary; VOICECHAN_TEST_SCALE multiplies every deadline (for
sanitizer builds) and, above 1, switches off the checks of memory and CPU time.
"""

import asyncio
import atexit
import base64
import collections
import contextlib
import ctypes
import functools
import hashlib
import inspect
import json
import os
import re
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import threading
import time
import unittest

import aiohttp
import websockets
import yarl

HERE = os.path.dirname(os.path.abspath(__file__))
BINARY = os.path.abspath(
    os.environ.get("VOICECHAN_SERVER")
    or os.path.join(HERE, "..", "..", "build", "server", "voicechan-server"))
SCALE = float(os.environ.get("VOICECHAN_TEST_SCALE", "1"))
COSTS_COUNT = SCALE <= 1

CHANNELS = "/api/voice_channels/voice_channels/"
INVITE = "/api/voice_channels/invite/"
ICE_SERVERS = "/api/voice_channels/ice_servers/"
SIGNALING = "/ws/signaling/"
NOTIFICATIONS = "/ws/notifications/"
TIMESTAMP = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")
SANITIZER_REPORT = re.compile(r"Sanitizer|runtime error:|Assertion|terminate called")

_libc = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


def voice(room):
    """The path of a room whose name needs no escaping (or is escaped already)."""
    return f"/ws/voice/{room}/"


class User(collections.namedtuple("User", "id name key")):
    @property
    def headers(self):
        return {"Authorization": f"Token {self.key}"}

    def __repr__(self):  # a failing test must not print keys either
        return f"User({self.id}, {self.name})"


def run_cli(*arguments, timeout=15):
    """Runs the binary to its end. Bytes that are no UTF-8 show up as surrogate escapes."""
    return subprocess.run(
        [BINARY, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, timeout=timeout * SCALE, encoding="utf-8",
        errors="surrogateescape")


def lines(text):
    return [line for line in text.splitlines() if line.strip()]


async def in_time(awaitable, seconds, what):
    """The result of `awaitable`; a TimeoutError that says what did not come. (Python 3.11's
    `wait_for` may swallow the cancellation of its caller.)"""
    try:
        async with asyncio.timeout(seconds * SCALE) as deadline:
            return await awaitable
    except TimeoutError:
        if not deadline.expired():
            raise
        raise TimeoutError(f"not within {seconds} s: {what}") from None


async def eventually(check, message, seconds=5.0):
    """Polls until `check()` (may be async) gives something true; returns that."""
    deadline = time.monotonic() + seconds * SCALE
    while True:
        value = check()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {message}")
        await asyncio.sleep(0.02)


class Server:
    """One run of `voicechan-server serve` on a port of its own. `prefix` is a command that runs it,
    in its own process; `binary` may be a copy; `store` is where users are, if not in a file."""

    def __init__(self, *options, db=None, store=None, nofile=None, listen="127.0.0.1:0", wait=True, prefix=(),
                 binary=BINARY):
        self.directory = tempfile.mkdtemp(prefix="voicechan-test-")
        self.db = db or os.path.join(self.directory, "voicechan.sqlite3")
        self.store = store or ("--db", self.db)
        self.keys = set()
        self.stdout = ""
        self._stderr_path = os.path.join(self.directory, "stderr")
        self._ready = threading.Event()
        self.host = self.port = None
        self.admin_host = self.admin_port = None  # with --admin-listen

        def prepare():
            _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if nofile:
                resource.setrlimit(resource.RLIMIT_NOFILE, (nofile, nofile))

        with open(self._stderr_path, "wb") as stderr:
            self.process = subprocess.Popen(
                [*prefix, binary, "serve", "--listen", listen, *self.store, *options],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr,
                preexec_fn=prepare, encoding="utf-8", errors="surrogateescape")
        atexit.register(self.kill)
        self._reader = threading.Thread(target=self._read_stdout, daemon=True)
        self._reader.start()
        if wait:
            self.wait_until_ready()

    def _read_stdout(self):
        with self.process.stdout as stream:
            for line in stream:
                self.stdout += line
                match = re.match(r"^for operators on http://(.+):(\d+)$", line.rstrip("\n"))
                if match:
                    self.admin_host, self.admin_port = match[1].strip("[]"), int(match[2])
                match = re.match(r"^listening on https?://(.+):(\d+)$", line.rstrip("\n"))
                if match:
                    self.host, self.port = match[1].strip("[]"), int(match[2])
                    self._ready.set()
        self._ready.set()

    def wait_until_ready(self):
        self._ready.wait(15 * SCALE)
        if self.port is None:
            self.kill()
            raise AssertionError(f"the server did not start: {self.stdout!r} {self.log()!r}")

    @property
    def pid(self):
        return self.process.pid

    def log(self):
        with open(self._stderr_path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()

    def is_running(self):
        return self.process.poll() is None

    def add_user(self, name):
        result = run_cli("user", "add", name, *self.store)
        if result.returncode != 0:
            raise AssertionError(f"user add failed: {result.stderr!r}")
        fields = json.loads(result.stdout)
        self.keys.add(fields["token"])
        return User(fields["id"], fields["username"], fields["token"])

    def http(self, path):
        return f"http://{self.host}:{self.port}{path}"

    def admin(self, path):
        return f"http://{self.admin_host}:{self.admin_port}{path}"

    def ws(self, path, is_tls=False):
        return f"{'wss' if is_tls else 'ws'}://{self.host}:{self.port}{path}"

    def file_descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def threads(self):
        return len(os.listdir(f"/proc/{self.pid}/task"))

    def cpu_seconds(self):
        with open(f"/proc/{self.pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_bytes(self):
        with open(f"/proc/{self.pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        """Ends it without notice, as a power cut does. Idempotent."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        atexit.unregister(self.kill)

    async def exit_code(self, seconds=5.0):
        """Waits for the end of a server that was told to stop."""
        await eventually(lambda: not self.is_running(), "the server exits", seconds)
        return self.process.returncode

    def stop(self):
        """Ends it as an operator does and checks that it ends well."""
        try:
            if not self.is_running():
                raise AssertionError(
                    f"the server died: {self.process.returncode}\n{self.log()[-4000:]}")
            self.process.terminate()
            try:
                self.process.wait(5 * SCALE)
            except subprocess.TimeoutExpired:
                raise AssertionError("SIGTERM did not end the server within 5 s") from None
            if self.process.returncode != 0:
                raise AssertionError(
                    f"SIGTERM: exit code {self.process.returncode}\n{self.log()[-4000:]}")
            self.check_log()
        finally:
            self.remove()

    def check_log(self):
        self._reader.join(2)
        log = self.log()
        report = SANITIZER_REPORT.search(log)
        if report:
            raise AssertionError(f"in the log: {log[report.start():report.start() + 4000]}")
        for number, line in enumerate(log.splitlines(), 1):
            if any(key in line for key in self.keys):
                raise AssertionError(f"a key is in line {number} of the log")

    def remove(self):
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)


class Answer:
    """An HTTP response; `json` is its decoded body."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @functools.cached_property
    def json(self):
        return json.loads(self.body.decode("utf-8"))

    def __repr__(self):
        return f"<{self.status} {dict(self.headers)} {self.body[:500]!r}>"


def bounded(method):
    @functools.wraps(method)
    async def run(self):
        seconds = getattr(method, "seconds", self.seconds) * SCALE
        try:
            async with asyncio.timeout(seconds) as deadline:
                await method(self)
        except TimeoutError as error:
            if not deadline.expired():
                raise
            raise AssertionError(f"the test did not end within {seconds} s") from error
    return run


def within(seconds):
    """Gives a test another deadline than its class has."""
    def mark(method):
        method.seconds = seconds
        return method
    return mark


class Case(unittest.IsolatedAsyncioTestCase):
    """Clients for tests; each test has a deadline and starts what it needs by `start`."""

    seconds = 20
    maxDiff = 4000

    def __init_subclass__(cls, **arguments):
        super().__init_subclass__(**arguments)
        for name, method in list(vars(cls).items()):
            if name.startswith("test_") and inspect.iscoroutinefunction(method):
                setattr(cls, name, bounded(method))

    server = None

    async def asyncSetUp(self):
        asyncio.get_running_loop().set_debug(False)  # it would be the bottleneck

    def start(self, *options, **arguments):
        """A server of this test's own; the test's end checks that it is well and stops it."""
        server = Server(*options, **arguments)
        self.addCleanup(server.remove)
        return server

    async def rest(self, method, path, user=None, server=None, **arguments):
        """One request by aiohttp; checks what is true of every response."""
        server = server or self.server
        if not hasattr(self, "_http"):
            self._http = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0), skip_auto_headers=["Content-Type"],
                timeout=aiohttp.ClientTimeout(total=15 * SCALE))
            self.addAsyncCleanup(self._http.close)
        headers = dict(user.headers if user else {})
        headers.update(arguments.pop("headers", {}))
        url = yarl.URL(server.http(path), encoded=True)
        async with self._http.request(method, url, headers=headers, allow_redirects=False,
                                      **arguments) as response:
            answer = Answer(response.status, response.headers, await response.read())
        self.check_answer(answer, method)
        return answer

    def check_answer(self, answer, method="GET"):
        self.assertNotIn(answer.status, range(300, 400), answer)
        if answer.status not in (100, 101, 204):
            content_type = answer.headers.get("Content-Type", "")
            self.assertEqual(content_type.split(";")[0].strip().lower(), "application/json", answer)
        if method != "HEAD" and answer.status not in (101, 204):
            self.assertIsNotNone(answer.json, answer)
            if answer.status >= 400:
                self.assertIsInstance(answer.json, dict, answer)
                self.assertTrue(answer.json, answer)

    async def create_channel(self, user, name="general", server=None):
        answer = await self.rest("POST", CHANNELS, user, server=server, json={"name": name})
        self.assertEqual(answer.status, 201, answer)
        return answer.json

    async def invite(self, user, channel, addressee, server=None):
        answer = await self.rest(
            "POST", INVITE, user, server=server,
            json={"voice_channel": channel["id"], "addressee": addressee.id})
        self.assertEqual(answer.status, 201, answer)
        return answer.json

    async def connect(self, path, user=None, server=None, headers=None, **arguments):
        """A WebSocket by the websockets package. Raises InvalidStatusCode if it is refused."""
        server = server or self.server
        fields = dict(user.headers if user else {})
        fields.update(headers or {})
        arguments.setdefault("max_size", None)
        socket_ = await websockets.connect(
            server.ws(path, "ssl" in arguments), extra_headers=fields, ping_interval=None, max_queue=None,
            open_timeout=15 * SCALE, close_timeout=3, **arguments)
        self.addAsyncCleanup(socket_.close)
        return socket_

    async def members(self, room, count, user, server=None):
        return await asyncio.gather(
            *(self.connect(voice(room), user, server) for _ in range(count)))

    async def refused(self, path, user=None, server=None, **arguments):
        """The status that a handshake is refused with."""
        with self.assertRaises(websockets.InvalidStatusCode) as caught:
            await self.connect(path, user, server, **arguments)
        return caught.exception.status_code

    async def join(self, user, server=None):
        """A joined signaling connection; its id is in `.id_`."""
        peer = await self.connect(SIGNALING, user, server)
        peer.id_ = await self.send_join(peer)
        return peer

    async def send_join(self, peer):
        await peer.send('{"type":"join"}')
        reply = json.loads(await self.next(peer))
        self.assertEqual(reply.get("type"), "joined", reply)
        self.assertIsInstance(reply["id"], str)
        self.assertTrue(reply["id"])
        return reply["id"]

    async def next(self, client, seconds=10):
        """The next message, which must come in time."""
        return await in_time(client.recv(), seconds, "a message")

    async def next_json(self, client, seconds=10):
        message = await self.next(client, seconds)
        self.assertIsInstance(message, str, "JSON comes in text frames")
        return json.loads(message)

    async def raw(self, server=None, **arguments):
        server = server or self.server
        connection = await RawConnection.open(server, **arguments)
        self.addAsyncCleanup(connection.close)
        return connection

    async def raw_websocket(self, path, user, server=None, **arguments):
        connection = await self.raw(server, **arguments)
        response = await connection.upgrade(path, user)
        self.assertEqual(response.status, 101, response)
        return connection


class LiveCase(Case):
    """Tests that share one server, whose end is a test too (see `Server.stop`)."""

    options = ("--workers", "2")
    user_names = ("alice", "bob", "carol")

    @classmethod
    def setUpClass(cls):
        cls.server = Server(*cls.options)
        try:
            for name in cls.user_names:
                setattr(cls, name, cls.server.add_user(name))
        except BaseException:
            cls.server.remove()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def tearDown(self):
        self.assertTrue(self.server.is_running(), f"the server died\n{self.server.log()[-4000:]}")


OP_CONTINUATION, OP_TEXT, OP_BINARY, OP_CLOSE, OP_PING, OP_PONG = 0, 1, 2, 8, 9, 10


def frame(opcode, payload=b"", fin=True, rsv=0, mask=b"\x11\x82\x43\xf4", length=None, form=None):
    """A client's frame. `length` lies about the payload's; `form` is 7, 16 or 64, the bits used for
    it; `mask` None leaves the payload bare."""
    size = len(payload) if length is None else length
    form = form or (7 if size < 126 else 16 if size < 65536 else 64)
    bit = 0x80 if mask else 0
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    if form == 7:
        head += bytes([bit | size])
    elif form == 16:
        head += bytes([bit | 126]) + size.to_bytes(2, "big")
    else:
        head += bytes([bit | 127]) + size.to_bytes(8, "big")
    return head + mask + apply_mask(payload, mask) if mask else head + payload


def apply_mask(payload, mask):
    repeated = (mask * (len(payload) // 4 + 1))[:len(payload)]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")).to_bytes(
        len(payload), "big")


def close_payload(code, reason=b""):
    return code.to_bytes(2, "big") + reason


class Frame(collections.namedtuple("Frame", "fin rsv opcode masked payload")):
    @property
    def close_code(self):
        return int.from_bytes(self.payload[:2], "big") if self.payload else 1005


class RawConnection:
    """A TCP connection that says exactly what a test wants."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, server, receive_buffer=None, limit=1 << 22, source=None):
        sock = socket.socket()
        if source:  # the client's address
            sock.bind((source, 0))
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.setblocking(False)
        try:
            await in_time(
                asyncio.get_running_loop().sock_connect(sock, (server.host, server.port)), 10,
                "a connection")
        except BaseException:
            sock.close()
            raise
        return cls(*await asyncio.open_connection(sock=sock, limit=limit))

    def write(self, data):
        self.writer.write(data)

    async def send(self, data):
        """Sends bytes as they are, a str as a text message."""
        self.write(frame(OP_TEXT, data.encode()) if isinstance(data, str) else data)
        await self.writer.drain()

    async def send_frame(self, *arguments, **named):
        await self.send(frame(*arguments, **named))

    def pause(self):
        """Stops reading, so that the socket fills up."""
        self.writer.transport.pause_reading()

    def resume(self):
        self.writer.transport.resume_reading()

    def half_close(self):
        self.writer.write_eof()

    def abort(self):
        """Ends it by RST."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self.writer.transport.abort()

    async def close(self):
        self.writer.transport.abort()
        with contextlib.suppress(Exception):
            await in_time(self.writer.wait_closed(), 1, "the end of an aborted connection")

    async def response(self, method="GET", seconds=10):
        return await in_time(self._response(method), seconds, "a response")

    async def _response(self, method):
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *rest = head[:-4].split("\r\n")
        match = re.match(r"^HTTP/1\.[01] (\d{3}) ?([^\r\n]*)$", first)
        if not match:
            raise AssertionError(f"no status line: {first!r}")
        headers = Headers()
        for line in rest:
            field = re.match(r"^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*(.*?)[ \t]*$", line)
            if not field or re.search(r"[\x00-\x08\x0a-\x1f\x7f]", field[2]):
                raise AssertionError(f"a bad response field: {line!r}")
            headers.add(field[1], field[2])
        status = int(match[1])
        if status < 200 or status == 204 or method == "HEAD":
            return Answer(status, headers, b"")
        if "Content-Length" not in headers:
            raise AssertionError(f"no Content-Length: {head!r}")
        body = await self.reader.readexactly(int(headers["Content-Length"]))
        return Answer(status, headers, body)

    async def upgrade(self, path, user=None, **fields):
        """The opening handshake. `fields` change it: None leaves one out, `_` stands for `-`."""
        await self.send(upgrade_request(path, user, **fields))
        return await self.response()

    async def frame(self, seconds=10):
        return await in_time(self._frame(), seconds, "a frame")

    async def _frame(self):
        first, second = await self.reader.readexactly(2)
        size = second & 0x7f
        if size == 126:
            size = int.from_bytes(await self.reader.readexactly(2), "big")
        elif size == 127:
            size = int.from_bytes(await self.reader.readexactly(8), "big")
        return Frame(bool(first & 0x80), first >> 4 & 7, first & 15, bool(second & 0x80),
                     await self.reader.readexactly(size))

    async def recv(self):
        """The payload of the next message, as the websockets package gives it; skips pings."""
        while True:
            got = await self._frame()
            if got.opcode == OP_TEXT:
                return got.payload.decode("utf-8")
            if got.opcode == OP_BINARY:
                return got.payload
            if got.opcode == OP_PING:
                await self.send_frame(OP_PONG, got.payload)
            elif got.opcode == OP_CLOSE:
                raise AssertionError(f"closed with {got.close_code} {got.payload[2:]!r}")

    async def close_code(self, seconds=10):
        """Reads up to the server's close frame, answers it and sees the connection end."""
        async def read():
            while True:
                got = await self._frame()
                if got.opcode == OP_CLOSE:
                    return got.close_code
        code = await in_time(read(), seconds, "a close frame")
        with contextlib.suppress(ConnectionError):
            self.write(frame(OP_CLOSE, close_payload(code) if code != 1005 else b""))
        await self.ended(seconds)
        return code

    async def ended(self, seconds=10):
        """Reads until the server ends the connection; gives what came before that."""
        async def read():
            data = b""
            with contextlib.suppress(ConnectionError):
                while chunk := await self.reader.read(65536):
                    data = (data + chunk)[-65536:]
            return data
        return await in_time(read(), seconds, "the end of the connection")


class Headers(dict):
    """Header fields by case-insensitive name; several of one name are joined."""

    def add(self, name, value):
        key = name.title()
        dict.__setitem__(self, key, f"{self[key]}, {value}" if key in self else value)

    def __getitem__(self, name):
        return dict.__getitem__(self, name.title())

    def __contains__(self, name):
        return dict.__contains__(self, name.title())

    def get(self, name, default=None):
        return dict.get(self, name.title(), default)


def upgrade_request(path, user=None, **changes):
    fields = {
        "Host": "localhost", "Upgrade": "websocket", "Connection": "Upgrade",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        "Sec-WebSocket-Version": "13"}
    if user:
        fields["Authorization"] = f"Token {user.key}"
    for name, value in changes.items():
        fields[name.replace("_", "-")] = value
    head = f"GET {path} HTTP/1.1\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value is not None)
    return (head + "\r\n").encode("latin-1")


def accept_of(key):
    digest = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
    return base64.b64encode(digest).decode()


def integrity_of(db):
    with contextlib.closing(sqlite3.connect(db)) as connection:
        return [row[0] for row in connection.execute("PRAGMA integrity_check")]


class WriteLock:
    """Another process' transaction that keeps the database busy while it is held."""

    def __init__(self, db):
        self._connection = sqlite3.connect(db, isolation_level=None, timeout=5)

    def __enter__(self):
        self._connection.execute("BEGIN IMMEDIATE")
        return self

    def release(self):
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def __exit__(self, *_):
        self.release()
        self._connection.close()
