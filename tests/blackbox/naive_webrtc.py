"""Naive WebRTC clients, who call each other by the server over a bad network."""

import asyncio
import json
import time

import websockets

from fake_webrtc import ClosedError, FakePeerConnection, RtcError, ufrag_of
from harness import SCALE, eventually

JITTER = 0.3  # seconds, each way


class NaiveNegotiation:
    """Perfect negotiation with one peer, as it stands in the WebRTC specification (10.7)."""
    making_offer = ignore_offer = is_setting_remote_answer_pending = False

    def __init__(self, pc, polite, send):
        self.pc, self.polite, self.send = pc, polite, send
        pc.on_negotiation_needed = self.on_negotiation_needed
        pc.on_ice_candidate = lambda candidate: send({"type": "candidate", "candidate": candidate})

    async def on_negotiation_needed(self):
        try:
            self.making_offer = True
            await self.pc.set_local_description()
            self.send(self.pc.local_description)
        finally:
            self.making_offer = False

    async def on_description(self, description):
        stable = self.pc.signaling_state == "stable" or self.is_setting_remote_answer_pending
        offer_collision = description["type"] == "offer" and (self.making_offer or not stable)
        self.ignore_offer = not self.polite and offer_collision
        if self.ignore_offer:
            return
        self.is_setting_remote_answer_pending = description["type"] == "answer"
        await self.pc.set_remote_description(description)
        self.is_setting_remote_answer_pending = False
        if description["type"] == "offer":
            await self.pc.set_local_description()
            self.send(self.pc.local_description)

    async def on_candidate(self, candidate):
        try:
            await self.pc.add_ice_candidate(candidate)
        except RtcError:
            if not self.ignore_offer:
                raise


class Line:
    """A WebSocket over a bad network: each way messages are late, but in order."""

    def __init__(self, socket, rng):
        self._socket, self._rng = socket, rng
        self._out, self._in = asyncio.Queue(), asyncio.Queue()

    def send(self, message):
        self._out.put_nowait((self._due(), message))

    def abort(self):
        """What is under way is lost."""
        self._socket.transport.abort()

    async def close(self):
        await self._socket.close()

    async def run(self, on_message, spawn):
        """Returns when the line is closed or broken."""
        carriers = [spawn(self._carry_out()), spawn(self._carry_in(on_message))]
        try:
            async for text in self._socket:
                self._in.put_nowait((self._due(), text))
        except websockets.ConnectionClosed:
            pass
        for carrier in carriers:
            carrier.cancel()

    def _due(self):
        return time.monotonic() + self._rng.uniform(0, JITTER)

    async def _carry_out(self):
        while True:
            due, message = await self._out.get()
            await asyncio.sleep(due - time.monotonic())
            try:
                await self._socket.send(json.dumps(message))
            except websockets.ConnectionClosed:
                return

    async def _carry_in(self, on_message):
        while True:
            due, text = await self._in.get()
            await asyncio.sleep(due - time.monotonic())
            on_message(json.loads(text))


class Client:
    """Negotiates naively with each peer that it is told of. When its line has broken it comes back
    as somebody new."""

    def __init__(self, call, join):
        self._call, self._join = call, join
        self.id, self.negotiations, self.errors, self.resumed = None, {}, [], 0
        self._line, self._is_closed = None, False
        self._heard = set()

    async def run(self):
        while not self._is_closed:
            await asyncio.sleep(self._call.rng.uniform(0, 0.5))
            self._line = line = Line(await self._call.connect(), self._call.rng)
            self._begin()
            await line.run(self._on_message, self._call.spawn)
            assert self._line is None or self._is_closed, "the server closed the connection"

    def abort(self):
        """Breaks the line, if there is one."""
        if self._line is None or self._is_closed:
            return False
        self._call.note(self, "aborts")
        self._line.abort()
        self._line = None
        return True

    async def close(self):
        self._is_closed = True
        self.hang_up()
        if self._line is not None:
            await self._line.close()

    def hang_up(self):
        for negotiation in self.negotiations.values():
            negotiation.pc.close()
        self.negotiations.clear()

    def send(self, message):
        """To a peer. What cannot be sent is lost."""
        self._transmit(message)

    def meet(self, peer):
        pc = self._call.peer_connection()
        self.negotiations[peer["id"]] = NaiveNegotiation(
            pc, peer["polite"], lambda message: self.send({**message, "to": peer["id"]}))
        pc.add_track()

    def _begin(self):
        """The line stands, the first time or again."""
        self.hang_up()
        self._transmit(self._join)

    def _transmit(self, message):
        if self._line is not None:
            self._call.note(self, "→", message)
            self._line.send(message)

    def _on_message(self, message):
        if self._is_closed:
            return
        self._call.note(self, "←", message)
        if not self._is_repeated(message):
            self._take(message)
        self._call.changed.set()

    def _is_repeated(self, message):
        """One that was in doubt may have been sent twice."""
        if "from" not in message or "msg_id" not in message:
            return False
        name = message["from"], message["msg_id"]
        is_repeated = name in self._heard
        self._heard.add(name)
        return is_repeated

    def _take(self, message):
        kind = message["type"]
        if kind == "joined":
            self.id = message["id"]
            for peer in message.get("peers", ()):
                self.meet(peer)
        elif kind == "peer_joined":
            self.meet(message["peer"])
        elif kind == "peer_left":
            self.negotiations.pop(message["id"]).pc.close()
        elif kind == "candidate":
            negotiation = self.negotiations[message["from"]]
            self._call.spawn(negotiation.on_candidate(message["candidate"]))
        elif kind in ("offer", "answer"):
            self._call.spawn(self.negotiations[message["from"]].on_description(message))
        else:
            self.errors.append(message)


class ResumingClient(Client):
    """Goes on where it was when its line has broken, and sends again what may have been lost."""

    def __init__(self, call, join):
        super().__init__(call, {**join, "resume": True})
        self._key = self._seq = None
        self._is_on = False  # joined, or resumed
        self._last_id, self._in_doubt = 0, {}

    def send(self, message):
        self._last_id += 1
        self._in_doubt[self._last_id] = {**message, "msg_id": self._last_id}
        if self._is_on:
            self._transmit(self._in_doubt[self._last_id])

    def _begin(self):
        self._is_on = False
        if self._key is None:
            return self._begin_afresh()
        self._transmit({"type": "resume", "key": self._key, "seq": self._seq})

    def _begin_afresh(self):
        self._in_doubt.clear()
        super()._begin()

    def _on_message(self, message):
        if self._seq is not None and message["type"] not in ("resumed", "resume_failed"):
            self._seq += 1
        super()._on_message(message)

    def _take(self, message):
        kind = message["type"]
        if kind == "joined":
            self._key, self._seq = message["resume"]["key"], message["resume"]["seq"]
            self._is_on = True
        elif kind == "resumed":
            self._is_on = True
            self.resumed += 1
            for in_doubt in self._in_doubt.values():
                self._transmit(in_doubt)
            return
        elif kind == "resume_failed":
            self._key = self._seq = None
            return self._begin_afresh()
        elif kind == "receipt":
            self._in_doubt.pop(message["msg_id"], None)
            if message["status"] in ("busy", "refused"):
                self.errors.append(message)
            return
        super()._take(message)


class Call:
    """Two clients that are to connect, and what became of it. `resumes` is how likely each of them
    is one that resumes."""

    def __init__(self, rng, connect, join, resumes=0, will_abort=False, patience=15):
        self.rng, self.connect = rng, connect
        self.clients = [(ResumingClient if rng.random() < resumes else Client)(self, join)
                        for _ in range(2)]
        self._has_room = "room" in join
        self.failures, self.aborts, self.resumed, self.rollbacks = [], 0, 0, 0
        self.changed = asyncio.Event()
        self._will_abort, self._patience = will_abort, patience
        self._pcs, self._trace, self._tasks = [], [], set()

    async def run(self):
        for client in self.clients:
            self.spawn(client.run())
        if not self._has_room:
            self.spawn(self._introduce())
        if self._will_abort:
            self.spawn(self._abort())
        await self._wait_until(self._is_connected, "connected", self._patience)
        if not self.failures:
            await self._wait_until(self._is_complete, "in use of all candidates", self._patience)
        for client in self.clients:
            self.failures += [str(error) for error in client.errors
                              if error.get("code") != "unknown_peer"
                              or error["to"] in client.negotiations]
        self.resumed = sum(client.resumed for client in self.clients)
        self.rollbacks = sum(pc.rollbacks for pc in self._pcs)
        for client in self.clients:
            await client.close()
        for task in list(self._tasks):
            task.cancel()

    def spawn(self, coroutine):
        def end(task):
            self._tasks.discard(task)
            error = None if task.cancelled() else task.exception()
            if error is not None and not isinstance(error, ClosedError):
                self.failures.append(repr(error))
                self.changed.set()
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(end)
        return task

    def peer_connection(self):
        self._pcs.append(FakePeerConnection(self.rng, self.spawn, self.changed.set))
        return self._pcs[-1]

    def note(self, client, what, message=None):
        name = "AB"[self.clients.index(client)]
        self._trace.append((time.monotonic(), name, what, message or {}))

    def early_candidates(self):
        """How many were sent to who had been sent neither offer nor answer."""
        described, count = set(), 0
        for _, name, what, message in self._trace:
            if what == "→" and message["type"] == "candidate":
                count += (name, message["to"]) not in described
            elif what == "→" and "to" in message:
                described.add((name, message["to"]))
        return count

    def __str__(self):
        lines = [", ".join(self.failures)]
        for when, name, what, message in self._trace:
            when -= self._trace[0][0]
            lines.append(f"{when:7.3f} {name} {what} {summary(message)}")
        return "\n".join(lines)

    def _pair(self):
        """The two peer connections, if each client knows the other one and nobody else."""
        first, second = self.clients
        if list(first.negotiations) != [second.id] or list(second.negotiations) != [first.id]:
            return None
        return first.negotiations[second.id].pc, second.negotiations[first.id].pc

    def _is_connected(self):
        pair = self._pair()
        return pair is not None and pair[0].is_connected_to(pair[1])

    def _is_complete(self):
        """Then nothing is under way any more."""
        if not self._is_connected():
            return False
        first, second = self._pair()
        return (first.is_gathered and second.is_gathered
                and first.added == second.gathered and second.added == first.gathered)

    async def _wait_until(self, check, state, seconds):
        try:
            async with asyncio.timeout(seconds * SCALE):
                while not self.failures and not check():
                    self.changed.clear()
                    await self.changed.wait()
        except TimeoutError:
            self.failures.append(f"not {state} after {seconds} s")

    async def _introduce(self):
        """Tells the clients of each other, if the server does not."""
        first, second = self.clients
        await eventually(lambda: first.id and second.id, "both have joined")
        first.meet({"id": second.id, "polite": True})
        second.meet({"id": first.id, "polite": False})

    async def _abort(self):
        client = self.rng.choice(self.clients)
        await asyncio.sleep(self.rng.uniform(0.2, 2))
        self.aborts += client.abort()


def summary(message):
    """A message in a line; of an id its end."""
    parts = [message.get("type", "")]
    parts += [f"{key} {message[key][-5:]}" for key in ("id", "from", "to") if key in message]
    parts += [f"{key} {message[key]}" for key in
              ("msg_id", "status", "seq", "missed", "reason", "code", "revision")
              if key in message]
    if "sdp" in message:
        parts.append(f"ufrag {ufrag_of(message)}")
    if "candidate" in message:
        parts.append(f"ufrag {message['candidate']['usernameFragment']}")
    for peer in message.get("peers", [message["peer"]] if "peer" in message else []):
        parts.append(f"peer {peer['id'][-5:]}" + (" (be polite)" if peer["polite"] else ""))
    return " ".join(parts)
