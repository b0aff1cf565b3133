#!/usr/bin/python3
"""Why did this call fail: the record of a signaling room, who may read it, and the faults that are
found in it by their names."""

import asyncio
import json
import os
import secrets
import tempfile
import urllib.parse
import unittest

from harness import (CHANNELS, SIGNALING, TIMESTAMP, Case, User, eventually, lines, run_cli,
                     within)

PATIENCE = 10  # s that a step of a call may take
ADDRESS = "192.0.2.77"
CANDIDATE = f"candidate:1 1 udp 2122260223 {ADDRESS} 50000 typ host"
SDP = f"v=0\r\no=- 4611731400430051336 2 IN IP4 {ADDRESS}\r\ns=-\r\nt=0 0\r\n"


def trace(room):
    return f"/api/voice_channels/signaling/{urllib.parse.quote(room, safe='')}/trace/"


class TraceCase(Case):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="voicechan-trace-")
        self.addCleanup(directory.cleanup)
        self.directory = directory.name
        self.key = secrets.token_hex(16)

    def file(self, name, text):
        path = os.path.join(self.directory, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def serve(self, *options):
        self.server = self.start("--workers", "3", "--operator-key-file",
                                 self.file("key", self.key + "\n"), "--log-level", "debug",
                                 *options)
        self.server.keys.add(self.key)
        self.operator = User(0, "", self.key)
        self.alice, self.bob, self.carol = map(self.server.add_user, ("alice", "bob", "carol"))

    async def enter(self, room, user):
        peer = await self.connect(SIGNALING, user)
        await peer.send(json.dumps({"type": "join", "room": room, "data": "hush"}))
        peer.id_ = (await self.next_json(peer))["id"]
        return peer

    async def pair(self, room):
        """Alice, and bob who has come later."""
        alice, bob = await self.enter(room, self.alice), await self.enter(room, self.bob)
        self.assertEqual((await self.next_json(alice))["type"], "peer_joined")
        return alice, bob

    async def send(self, sender, receiver, type_, **members):
        """Sends, and sees it arrive."""
        await sender.send(json.dumps({"type": type_, "to": receiver.id_, **members}))
        self.assertEqual((await self.next_json(receiver))["type"], type_)

    async def read(self, room, user=None):
        answer = await self.rest("GET", trace(room), user or self.alice)
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(list(answer.json), ["room", "events", "findings"])
        self.assertEqual(answer.json["room"], room)
        for word in ("hush", ADDRESS, "v=0", "candidate:"):
            self.assertNotIn(word, answer.body.decode())
        return answer.json

    async def faults(self, room):
        return [finding["name"] for finding in (await self.read(room))["findings"]]

    async def stop(self):
        await asyncio.to_thread(self.server.stop)  # looks for keys in the log


class FaultTest(TraceCase):
    """Each known fault is brought about, and exactly its name is found."""

    seconds = 60

    async def healthy(self):
        alice, bob = await self.pair("healthy")
        # Both call. Bob is the polite one: he takes his offer back.
        await self.send(alice, bob, "offer", sdp=SDP)
        await self.send(bob, alice, "offer", sdp=SDP)
        await self.send(bob, alice, "answer", sdp=SDP)
        for sender, receiver in ((alice, bob), (bob, alice)):
            await self.send(sender, receiver, "candidate", candidate=CANDIDATE)
        return "healthy", None

    async def candidates_within(self):
        alice, bob = await self.pair("candidates within")
        sdp = SDP + f"a={CANDIDATE}\r\n"
        await self.send(bob, alice, "offer", sdp=sdp)
        await self.send(alice, bob, "answer", sdp=sdp)
        return "candidates within", None

    async def unanswered(self):
        alice, bob = await self.pair("unanswered")
        await self.send(bob, alice, "offer", sdp=SDP)
        return "unanswered", "offer_never_answered"

    async def silent(self):
        alice, bob = await self.pair("silent")
        await self.send(bob, alice, "offer", sdp=SDP)
        await self.send(bob, alice, "candidate", candidate=CANDIDATE)
        await self.send(alice, bob, "answer", sdp=SDP)
        return "silent", "answer_without_candidates"

    async def left(self):
        alice, bob = await self.pair("left")
        await self.send(alice, bob, "offer", sdp=SDP)
        bob.transport.abort()
        self.assertEqual((await self.next_json(alice))["type"], "peer_left")
        return "left", "peer_left_before_answer"

    async def too_large(self, room, size):
        alice, bob = await self.pair(room)
        await bob.send(json.dumps({"type": "offer", "to": alice.id_, "sdp": "x" * size}))
        self.assertEqual((await self.next_json(bob))["code"], "too_large")
        return room, "message_too_large"

    async def turn_refused(self):
        alice, bob = await self.pair("turn")
        await bob.send('{"type":"ice_error","error_code":401}')
        await bob.send('{"type":"sync","revision":2}')
        self.assertEqual((await self.next_json(bob))["type"], "synced")
        return "turn", "turn_credential_refused"

    async def test_each_gets_its_name_and_no_other(self):
        self.serve("--max-signaling-bytes", "20000", "--max-message-bytes", "40000")
        calls = await asyncio.gather(
            self.healthy(), self.candidates_within(), self.unanswered(), self.silent(),
            self.left(), self.too_large("large", 30_000), self.too_large("larger", 50_000),
            self.turn_refused())
        for room, fault in calls:
            if fault in ("offer_never_answered", "answer_without_candidates"):
                self.assertEqual(await self.faults(room), [], "it is too early to tell")
        await asyncio.sleep(PATIENCE + 0.5)
        for room, fault in calls:
            with self.subTest(room):
                self.assertEqual(await self.faults(room), [fault] if fault else [])
        finding, = (await self.read("silent"))["findings"]
        self.assertEqual(finding["detail"], "alice answered the offer of bob, but alice has sent "
                                            "no candidates")
        await self.stop()

    @within(90)
    async def test_credentials_that_have_ended_are_found(self):
        path = self.file("ice", json.dumps(
            {"ttl": 60, "ice_servers": [{"urls": ["turn:a"], "secret": "s"}]}))
        self.serve("--ice-config", path)
        bob = await self.enter("turn", self.bob)
        self.assertEqual((await self.next_json(bob, 50))["type"], "ice_servers")
        # He goes on with the old ones.
        await asyncio.sleep(16)
        await bob.send('{"type":"ice_error","error_code":401}')

        async def found():
            return [finding["name"] for finding in (await self.read("turn", self.bob))["findings"]]
        await eventually(found, "the fault is found")
        self.assertEqual(await found(), ["turn_credential_expired"])
        events = (await self.read("turn", self.bob))["events"]
        self.assertEqual([event["kind"] for event in events],
                         ["joined", "ice_servers", "ice_servers", "ice_error"])
        self.assertEqual(events[3]["until"], events[1]["until"])
        await self.stop()


class RecordTest(TraceCase):
    async def test_it_tells_who_did_what_when_and_what_became_of_it(self):
        self.serve()
        room = "Зал №1 50%"
        alice, bob = await self.pair(room)
        await bob.send(json.dumps({"type": "candidate", "to": alice.id_,
                                   "candidate": CANDIDATE}))
        await bob.send(json.dumps({"type": "offer", "to": alice.id_, "msg_id": 1, "sdp": SDP}))
        self.assertEqual((await self.next_json(bob))["status"], "delivered")
        await self.send(alice, bob, "hush", text="hush")
        await alice.close()
        self.assertEqual([(await self.next_json(bob))["type"]], ["peer_left"])
        events = (await self.read(room, self.bob))["events"]
        for event in events:
            self.assertRegex(event.pop("time"), TIMESTAMP)
            self.assertEqual(event.pop("user_id"),
                             (self.alice if event["from"] == alice.id_ else self.bob).id)
        for event in events[2:5]:
            self.assertGreater(event.pop("bytes"), 40)
        self.assertEqual(events, [
            {"kind": "joined", "from": alice.id_, "username": "alice"},
            {"kind": "joined", "from": bob.id_, "username": "bob"},
            {"kind": "message", "from": bob.id_, "to": alice.id_, "type": "candidate",
             "outcome": "queued"},
            {"kind": "message", "from": bob.id_, "to": alice.id_, "type": "offer",
             "outcome": "delivered"},
            {"kind": "message", "from": alice.id_, "to": bob.id_, "type": "other",
             "outcome": "queued"},
            {"kind": "left", "from": alice.id_}])
        await self.stop()

    async def test_it_is_for_members_past_ones_and_the_operator(self):
        self.serve()
        alice = await self.enter("team", self.alice)
        bob = await self.enter("team", self.bob)
        await bob.close()
        await self.enter("other", self.carol)
        for user, status in ((self.alice, 200), (self.bob, 200), (self.operator, 200),
                             (self.carol, 404), (None, 401), (User(0, "", "wrong"), 401)):
            for path in (trace("team"), trace("team").rstrip("/")):
                answer = await self.rest("GET", path, user)
                self.assertEqual(answer.status, status, answer)
        unknown = await self.rest("GET", trace("nobody"), self.carol)
        hidden = await self.rest("GET", trace("team"), self.carol)
        self.assertEqual((unknown.status, unknown.body), (hidden.status, hidden.body))
        self.assertEqual(await self.read("nobody", self.operator),
                         {"room": "nobody", "events": [], "findings": []})
        self.assertEqual((await self.rest("GET", CHANNELS, self.operator)).status, 401)
        self.assertEqual(await self.refused(SIGNALING, self.operator), 401)
        bearer = await self.rest("GET", trace("team"),
                                 headers={"Authorization": f"Bearer {self.key}"})
        self.assertEqual(bearer.status, 200)
        self.assertEqual(bearer.headers.getall("Cache-Control"), ["no-store"])
        await alice.close()
        await self.stop()

    async def test_a_record_that_is_full_is_answered_at_once(self):
        self.serve()
        alice, bob = await self.pair("full")
        for _ in range(600):
            await bob.send(json.dumps({"type": "note", "to": alice.id_}))
            await self.next_json(alice)
        answers = await asyncio.gather(*(self.read("full") for _ in range(50)))
        for answer in answers:
            self.assertEqual(len(answer["events"]), 512)
            self.assertEqual({event["kind"] for event in answer["events"]}, {"message"})
        await self.stop()


class KeyFileTest(TraceCase):
    def test_a_server_with_a_wrong_file_does_not_start_and_says_why(self):
        form = "it is not one line of 32 to 256 visible ASCII characters"
        for text, reason in (("", form), (self.key[1:], form), (f"{self.key}\n{self.key}", form),
                             (self.key + " x", form), ("x" * 257, form), (None, "No such file")):
            with self.subTest(text):
                path = (self.file("key", text) if text is not None else
                        os.path.join(self.directory, "nothing"))
                result = run_cli("serve", "--listen", "127.0.0.1:0", "--db", ":memory:",
                                 "--operator-key-file", path)
                self.assertEqual((result.returncode, result.stdout), (1, ""), result)
                self.assertEqual(len(lines(result.stderr)), 1, result.stderr)
                self.assertIn(f"cannot use the operator key in {path}: {reason}", result.stderr)
                self.assertNotIn(self.key[1:], result.stderr)

    async def test_without_a_file_there_is_no_operator(self):
        self.server = self.start()
        answer = await self.rest("GET", trace("team"), User(0, "", self.key))
        self.assertEqual(answer.status, 401)


if __name__ == "__main__":
    unittest.main()
