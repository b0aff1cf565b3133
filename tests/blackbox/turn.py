"""A real TURN server (coturn), and as much of a TURN client (RFC 8656) as asks for an allocation."""

import hashlib
import hmac
import os
import shutil
import socket
import struct
import subprocess
import tempfile

from harness import SCALE

TURNSERVER = shutil.which("turnserver", path="/usr/bin:/usr/local/bin")
REALM = "voice.example"

_COOKIE = 0x2112A442
_ALLOCATE, _ALLOCATED, _REFUSED = 0x0003, 0x0103, 0x0113
_USERNAME, _INTEGRITY, _ERROR, _REALM, _NONCE = 0x0006, 0x0008, 0x0009, 0x0014, 0x0015
_RELAYED, _TRANSPORT = 0x0016, 0x0019
_UDP = b"\x11\0\0\0"


class Coturn:
    """`turnserver` with `use-auth-secret` on a free port of the loopback interface, its files in a
    folder of its own. The case's end ends it."""

    def __init__(self, case, secret):
        self.directory = tempfile.mkdtemp(prefix="voicechan-turn-")
        case.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        for _ in range(5):  # another process may take the port before it does
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.bind(("127.0.0.1", 0))
                self.port = sock.getsockname()[1]
            configuration = self._write_configuration(secret)
            with open(self._file("log"), "wb") as log:
                self.process = subprocess.Popen(
                    [TURNSERVER, "-c", configuration], stdin=subprocess.DEVNULL, stdout=log,
                    stderr=log, cwd=self.directory)
            case.addCleanup(self.end)
            if self._answers():
                return
            self.end()
        with open(self._file("log"), encoding="utf-8", errors="replace") as log:
            raise AssertionError(f"coturn did not start: {log.read()}")

    def _file(self, name):
        return os.path.join(self.directory, name)

    def _write_configuration(self, secret):
        with open(self._file("conf"), "w", encoding="utf-8") as file:
            file.write(
                f"listening-ip=127.0.0.1\nrelay-ip=127.0.0.1\nlistening-port={self.port}\n"
                f"use-auth-secret\nstatic-auth-secret={secret}\nrealm={REALM}\n"
                "no-cli\nno-tls\nno-dtls\nno-rfc5780\nlog-file=stdout\n"
                f"userdb={self._file('db')}\npidfile={self._file('pid')}\n")
        return self._file("conf")

    def _answers(self):
        for _ in range(int(100 * SCALE)):
            try:
                # Who has no credential is told so, by coturn and by nobody else.
                return allocate(self.port, None, None) == 401
            except ConnectionRefusedError:
                pass
            except TimeoutError:  # the port is another process'
                return False
            try:
                self.process.wait(0.1)
                return False
            except subprocess.TimeoutExpired:
                pass
        return False

    def end(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5 * SCALE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def allocate(port, username, credential):
    """Asks for an allocation with these long-term credentials. The port on the relay; or the error
    code as a refusal has it, which is less than 1024. Without a username no more than the first
    request is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", port))
        sock.settimeout(0.5)
        kind, attributes, _ = _exchange(sock, [(_TRANSPORT, _UDP)])
        if kind != _REFUSED or username is None:
            return _error_code(attributes)
        realm, nonce = attributes[_REALM], attributes[_NONCE]
        key = hashlib.md5(b":".join((username.encode(), realm, credential.encode()))).digest()
        kind, attributes, signed = _exchange(
            sock, [(_TRANSPORT, _UDP), (_USERNAME, username.encode()), (_REALM, realm),
                   (_NONCE, nonce)], key)
        if kind != _ALLOCATED:
            return _error_code(attributes)
        if attributes[_INTEGRITY] != hmac.digest(key, signed, "sha1"):
            raise AssertionError("the answer is not by who knows the credential")
        return struct.unpack_from("!xxH", attributes[_RELAYED])[0] ^ _COOKIE >> 16


def _exchange(sock, attributes, key=None):
    """Sends one request. Of its answer the type, the attributes by their types, and what the
    integrity is of."""
    transaction = os.urandom(12)
    body = b"".join(map(_attribute, *zip(*attributes)))
    if key:
        signed = _header(_ALLOCATE, len(body) + 24, transaction) + body
        body += _attribute(_INTEGRITY, hmac.digest(key, signed, "sha1"))
    answer = _ask(sock, _header(_ALLOCATE, len(body), transaction) + body, transaction)
    kind = struct.unpack_from("!H", answer)[0]
    found, at, signed = {}, 20, b""
    while at < len(answer):
        name, size = struct.unpack_from("!HH", answer, at)
        if name == _INTEGRITY:
            signed = _header(kind, at + 4, transaction) + answer[20:at]
        found.setdefault(name, answer[at + 4:at + 4 + size])
        at += 4 + size + -size % 4
    return kind, found, signed


def _ask(sock, request, transaction):
    """Repeats the request until it is answered, as one does over UDP: a server that is starting
    loses some."""
    for _ in range(int(20 * SCALE)):
        sock.send(request)
        try:
            while True:
                answer = sock.recv(2048)
                if struct.unpack_from("!I", answer, 4)[0] == _COOKIE and answer[8:20] == transaction:
                    return answer  # and not to an earlier request, repeated
        except TimeoutError:
            continue
    raise TimeoutError("coturn does not answer")


def _header(kind, size, transaction):
    return struct.pack("!HHI", kind, size, _COOKIE) + transaction


def _attribute(name, value):
    return struct.pack("!HH", name, len(value)) + value + bytes(-len(value) % 4)


def _error_code(attributes):
    return attributes[_ERROR][2] * 100 + attributes[_ERROR][3]
