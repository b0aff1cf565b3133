"""A peer connection that connects to nothing, but is as strict about signaling as a browser's."""

import asyncio
import contextlib
import re


class RtcError(Exception):
    """What a browser rejects a promise with."""


class ClosedError(RtcError):
    """By us, meanwhile; a browser never settles the promise."""


class FakePeerConnection:
    """RTCPeerConnection as far as offers, answers and candidates go (webrtc-pc, 4.4 and 5.6), with
    one track and no ICE restart. Delays are random. A candidate may come before the call of
    `set_local_description` that it is due to has returned, and it is not in the description.

    `spawn` runs a coroutine, `on_change` is called when it may have connected; the owner sets
    `on_negotiation_needed`, a coroutine function, and `on_ice_candidate`.
    """

    def __init__(self, random, spawn, on_change=lambda: None):
        self._random, self._spawn, self._on_change = random, spawn, on_change
        self.on_negotiation_needed = self.on_ice_candidate = None
        self.signaling_state = "stable"
        self.gathered, self.is_gathered = [], False  # of the current local ufrag
        self.added = []  # of the current remote ufrag
        self.rollbacks = 0
        self._current = {"local": None, "remote": None}
        self._pending = {"local": None, "remote": None}
        self._ufrag = self._gathering = None
        self._chain, self._operations = asyncio.Lock(), 0
        self._is_negotiation_wanted = False

    @property
    def local_description(self):
        return self._pending["local"] or self._current["local"]

    @property
    def remote_description(self):
        return self._pending["remote"] or self._current["remote"]

    @property
    def is_connected(self):
        return (self.signaling_state == "stable" and self._current["local"] is not None
                and self._current["remote"] is not None and bool(self.added))

    def is_connected_to(self, other):
        return (self.is_connected and other.is_connected
                and ufrag_of(self.remote_description) == ufrag_of(other.local_description)
                and ufrag_of(other.remote_description) == ufrag_of(self.local_description))

    def add_track(self):
        """When the user has allowed the microphone, an offer is due, if there is no answer yet."""
        async def allow():
            await asyncio.sleep(self._random.uniform(0, 0.8))
            self._is_negotiation_wanted = self._current["local"] is None
            self._update_negotiation_needed()
        self._spawn(allow())

    async def set_local_description(self):
        async with self._operation():
            if self._ufrag is None:
                self._ufrag = f"{self._random.getrandbits(32):08x}"
                self._gathering = self._spawn(self._gather(self._ufrag))
            is_answer = self.signaling_state == "have-remote-offer"
            self._pending["local"] = describe("answer" if is_answer else "offer", self._ufrag)
            if is_answer:
                self._commit()
            else:
                self.signaling_state = "have-local-offer"
            await self._take_time()

    async def set_remote_description(self, description):
        async with self._operation():
            await self._take_time()
            if description["type"] == "answer":
                if self.signaling_state != "have-local-offer":
                    raise RtcError(f"InvalidStateError: an answer in {self.signaling_state}")
            elif self.signaling_state == "have-local-offer":
                self._roll_back()
            if ufrag_of(description) != ufrag_of(self.remote_description):
                self.added = []
            self._pending["remote"] = {"type": description["type"], "sdp": description["sdp"]}
            if description["type"] == "answer":
                self._commit()
            else:
                self.signaling_state = "have-remote-offer"

    async def add_ice_candidate(self, candidate):
        async with self._operation():
            if self.remote_description is None:
                raise RtcError("InvalidStateError: a candidate without a remote description")
            ufrag = candidate["usernameFragment"]
            if ufrag != ufrag_of(self.remote_description):
                raise RtcError(f"OperationError: a candidate of an unknown ufrag {ufrag}")
            await self._take_time()
            self.added.append(candidate)
            self._on_change()

    def close(self):
        self.signaling_state = "closed"
        self._stop_gathering()

    @contextlib.asynccontextmanager
    async def _operation(self):
        """Operations run one after the other, in the order of their calls."""
        self._operations += 1
        try:
            async with self._chain:
                self._check_open()
                yield
        finally:
            self._operations -= 1
        self._update_negotiation_needed()

    async def _take_time(self):
        await asyncio.sleep(self._random.uniform(0, 0.04))
        self._check_open()

    def _check_open(self):
        if self.signaling_state == "closed":
            raise ClosedError()

    def _commit(self):
        self._current, self._pending = self._pending, {"local": None, "remote": None}
        self.signaling_state = "stable"
        self._is_negotiation_wanted = False
        self._on_change()

    def _roll_back(self):
        """Of an offer that was the first one, nothing remains, its ufrag included."""
        self.rollbacks += 1
        self._pending["local"] = None
        self.signaling_state = "stable"
        if self._current["local"] is None:
            self._stop_gathering()
            self._ufrag, self.gathered, self.is_gathered = None, [], False

    def _is_negotiation_due(self):
        return (self._is_negotiation_wanted and self.signaling_state == "stable"
                and self._operations == 0)

    def _update_negotiation_needed(self):
        async def fire():
            if self._is_negotiation_due():
                await self.on_negotiation_needed()
        if self._is_negotiation_due():
            self._spawn(fire())

    def _stop_gathering(self):
        if self._gathering is not None:
            self._gathering.cancel()

    async def _gather(self, ufrag):
        """One candidate soon, some later."""
        delays = [self._random.uniform(0, 0.04)]
        delays += [self._random.uniform(0, 0.2) for _ in range(self._random.randrange(4))]
        for number, delay in enumerate(delays):
            await asyncio.sleep(delay)
            candidate = {
                "candidate": f"candidate:{number} 1 udp {2130706431 - number} 192.0.2.1 "
                             f"{50000 + number} typ host ufrag {ufrag}",
                "sdpMid": "0", "sdpMLineIndex": 0, "usernameFragment": ufrag}
            self.gathered.append(candidate)
            self.on_ice_candidate(candidate)
        self.is_gathered = True
        self._on_change()


def describe(kind, ufrag):
    return {"type": kind, "sdp": "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
            "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\n"
            f"a=ice-ufrag:{ufrag}\r\na=ice-pwd:{ufrag * 3}\r\n"}


def ufrag_of(description):
    return description and re.search(r"^a=ice-ufrag:(\S+)", description["sdp"], re.M)[1]
