#!/usr/bin/python3
"""What operators see and do on the listener of --admin-listen, by HTTP and by the command line."""

import asyncio
import json
import os
import secrets
import signal
import socket
import tempfile
import threading
import time
import unittest

import websockets

from harness import (NOTIFICATIONS, SCALE, SIGNALING, User, WriteLock, eventually, lines, run_cli,
                     voice)
from test_metrics import MetricsCase


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connection.close()


def answer_once(case, answer):
    """The port of somebody who waits for a request and then does that with the connection."""
    listener = case.enterContext(socket.create_server(("127.0.0.1", 0)))
    listener.settimeout(10 * SCALE)

    def serve():
        connection, _ = listener.accept()
        connection.recv(4096)
        answer(connection)
    thread = threading.Thread(target=serve)
    thread.start()
    case.addCleanup(thread.join)
    return listener.getsockname()[1]


class AdminCase(MetricsCase):
    def serve(self, *options, with_key=True):
        self.key = secrets.token_hex(16)
        self.operator = {"Authorization": f"Bearer {self.key}"}
        if with_key:
            options += ("--operator-key-file", self.key_file())
        self.server = self.start("--workers", "3", "--admin-listen", "127.0.0.1:0", *options)
        self.server.keys.add(self.key)
        self.alice, self.bob = map(self.server.add_user, ("alice", "bob"))

    def key_file(self):
        directory = self.enterContext(tempfile.TemporaryDirectory(prefix="voicechan-admin-"))
        path = os.path.join(directory, "key")
        with open(path, "w", encoding="utf-8") as file:
            file.write(self.key + "\n")
        self.key_path = path
        return path

    async def ask(self, path, method="GET", headers=None):
        response, text = await self.get(path, method, headers=headers or self.operator)
        return response.status, json.loads(text)

    async def listed(self, path, member):
        """All of a listing, by pages of two."""
        found, after = [], ""
        while True:
            sign = "&" if "?" in path else "?"
            status, page = await self.ask(f"{path}{sign}limit=2{after}")
            self.assertEqual(status, 200, page)
            self.assertLessEqual(len(page[member]), 2)
            found += page[member]
            if page["next"] is None:
                return found
            after = f"&after={page['next']}"

    async def sessions(self, query=""):
        return await self.listed(f"/admin/sessions/{query}", "sessions")

    def run_admin(self, *arguments):
        address = f"{self.server.admin_host}:{self.server.admin_port}"
        command, *rest = arguments
        return run_cli(command, "--admin", address, "--operator-key-file", self.key_path, *rest)


class HealthTest(AdminCase):
    async def health(self):
        return await self.ask("/health")

    async def test_it_tells_how_the_server_is(self):
        self.serve()
        await self.members("room", 3, self.alice)
        status, health = await self.health()
        self.assertEqual(status, 200)
        self.assertEqual(health["status"], "ready")
        self.assertRegex(health["version"], r"^\d+\.\d+")
        self.assertEqual(health["connections"]["voice"], 3)
        self.assertGreater(health["uptime_seconds"], 0)
        self.assertLess(health["uptime_seconds"], 60)
        self.assertEqual(len(health["workers"]), 3)
        self.assertTrue(health["database"]["reachable"])
        self.assertGreater(health["database"]["latency_seconds"], 0)
        self.assertEqual(health["database"]["failures"],
                         {"unavailable": 0, "locked": 0, "corrupt": 0})
        self.assertGreater(health["descriptors"]["open"], 10)
        self.assertGreater(health["descriptors"]["free"], 100)

        async def has_ticked():
            workers = (await self.health())[1]["workers"]
            return all(0 < worker["loop_lag_seconds"] < 5 and worker["last_timer_seconds_ago"] < 5
                       for worker in workers)
        await eventually(has_ticked, "the loops of all workers turn")

    async def test_it_says_that_the_server_is_out_of_service(self):
        self.serve()
        self.server.signal(signal.SIGUSR1)

        async def is_out():
            return (await self.health())[0] == 503
        await eventually(is_out, "out of service")
        status, health = await self.health()
        self.assertEqual(health["status"], "out_of_service")
        self.assertEqual((await self.ask("/readyz"))[0], 503)
        self.assertEqual((await self.ask("/livez"))[0], 200)

    async def test_it_is_there_during_a_drain(self):
        self.serve("--drain-spread", "3", "--drain-timeout", "10")
        await self.members("room", 4, self.alice)  # two in one of three workers: one is told later
        self.server.signal(signal.SIGTERM)

        async def is_draining():
            return (await self.health())[1]["status"] == "draining"
        await eventually(is_draining, "a drain")
        await self.scrape()
        self.assertEqual(await self.server.exit_code(15), 0)

    async def test_a_locked_database_is_still_reachable(self):
        self.serve()
        with WriteLock(self.server.db):
            self.assertTrue((await self.health())[1]["database"]["reachable"])


class SessionsTest(AdminCase):
    async def asyncSetUp(self):
        await super().asyncSetUp()
        self.serve()

    async def join_room(self, user, room, **members):
        peer = await self.connect(SIGNALING, user)
        await peer.send(json.dumps({"type": "join", "room": room, **members}))
        peer.joined = await self.next_json(peer)
        return peer

    async def test_rooms_are_listed_with_how_many_are_in_them(self):
        await self.members("zoo", 3, self.alice)
        await self.connect(voice("caf%C3%A9%26%20co"), self.bob)
        await self.members("third", 1, self.bob)
        await self.join_room(self.alice, "team")
        await self.join_room(self.bob, "team")
        await self.join_room(self.bob, "zoo")
        rooms = await self.listed("/admin/rooms/", "rooms")
        self.assertEqual(rooms, [{"kind": "voice", "name": "café& co", "members": 1},
                                 {"kind": "voice", "name": "third", "members": 1},
                                 {"kind": "voice", "name": "zoo", "members": 3},
                                 {"kind": "signaling", "name": "team", "members": 2},
                                 {"kind": "signaling", "name": "zoo", "members": 1}])
        table = self.run_admin("rooms")
        self.assertEqual(table.returncode, 0, table.stderr)
        self.assertEqual(table.stdout,
                         "KIND       MEMBERS  ROOM\n"
                         "voice      1        café& co\n"
                         "voice      1        third\n"
                         "voice      3        zoo\n"
                         "signaling  2        team\n"
                         "signaling  1        zoo\n")
        listed = lines(self.run_admin("rooms", "--json").stdout)
        self.assertEqual([json.loads(line) for line in listed], rooms)

    async def test_sessions_of_all_workers_are_listed(self):
        await self.members("room", 12, self.alice)  # so that each worker has some
        await self.join_room(self.bob, "team")
        await self.connect(SIGNALING, self.bob)
        await self.connect(NOTIFICATIONS, self.bob)
        sessions = await self.sessions()
        self.assertEqual(len(sessions), 15)
        self.assertEqual(len({session["id"] for session in sessions}), 15)
        self.assertGreater(len({session["id"].split("-")[0] for session in sessions}), 1)
        shown = sorted((session["username"], session["kind"], session["room"] or "")
                       for session in sessions)
        self.assertEqual(shown, [("alice", "voice", "room")] * 12 + [
            ("bob", "notifications", ""), ("bob", "signaling", ""), ("bob", "signaling", "team")])
        for session in sessions:
            self.assertEqual(session["address"], "127.0.0.1")
            self.assertGreater(session["age_seconds"], 0)
            self.assertEqual(session["waiting_bytes"], 0)
        self.assertEqual(len(await self.sessions("?room=room")), 12)
        self.assertEqual(len(await self.sessions("?user=bob")), 3)
        self.assertEqual(len(await self.sessions("?user=bob&room=team")), 1)
        table = lines(self.run_admin("sessions", "--user", "bob", "--room", "team").stdout)
        self.assertRegex(table[0], r"^ID +USER +KIND +ADDRESS +AGE +WAITING +ROOM$")
        self.assertRegex(table[1], r"^\d-\d+ +bob +signaling +127\.0\.0\.1 +\d+ s +0 B +team$")
        self.assertEqual(len(table), 2)

    async def overfill_bob(self):
        """His WebSocket, when something waits that he does not read."""
        deaf = await self.raw_websocket(voice("room"), self.bob, receive_buffer=4096, limit=4096)
        deaf.pause()
        speaker = await self.connect(voice("room"), self.alice)

        async def waits():
            for _ in range(20):
                await speaker.send("x" * 30000)
            [session] = await self.sessions("?user=bob")
            return session["waiting_bytes"] > 30000
        await eventually(waits, "something waits")
        return deaf

    async def test_it_shows_what_waits_for_a_slow_client(self):
        await self.overfill_bob()

    async def test_who_is_kicked_is_gone(self):
        stays, goes = await self.connect(voice("room"), self.alice), None
        goes = await self.connect(voice("room"), self.bob)
        [session] = await self.sessions("?user=bob")
        result = self.run_admin("kick", session["id"])
        self.assertEqual((result.returncode, result.stdout),
                         (0, f"closed {session['id']}: voice of bob in room room\n"))
        with self.assertRaises(websockets.ConnectionClosed):
            await self.next(goes)
        self.assertEqual((goes.close_code, goes.close_reason), (4403, "closed by an operator"))
        self.assertEqual(await self.sessions("?user=bob"), [])
        self.assertTrue(stays.open)
        await self.shows('voicechan_websocket_closes_total{code="4403"}', 1)
        status, answer = await self.ask(f"/admin/sessions/{session['id']}/kick", "POST")
        self.assertEqual((status, answer), (404, {"detail": "No session has this id."}))

    async def test_who_is_kicked_cannot_resume(self):
        peer = await self.join_room(self.bob, "team", resume=True)
        [session] = await self.sessions("?user=bob")
        status, kicked = await self.ask(f"/admin/sessions/{session['id']}/kick", "POST")
        self.assertEqual((status, kicked["id"], kicked["room"]), (200, session["id"], "team"))
        await peer.wait_closed()
        again = await self.connect(SIGNALING, self.bob)
        await again.send(json.dumps({"type": "resume", "key": peer.joined["resume"]["key"],
                                     "seq": peer.joined["resume"]["seq"]}))
        self.assertEqual((await self.next_json(again))["type"], "resume_failed")

    async def test_who_does_not_read_can_be_kicked(self):
        deaf = await self.raw_websocket(voice("room"), self.bob)
        [session] = await self.sessions()
        self.assertEqual((await self.ask(f"/admin/sessions/{session['id']}/kick", "POST"))[0], 200)
        self.assertEqual(await deaf.close_code(), 4403)

    async def test_who_has_ended_is_gone_whatever_waits_for_him(self):
        deaf = await self.overfill_bob()
        [session] = await self.sessions("?user=bob")
        deaf.half_close()

        async def is_gone():
            return await self.sessions("?user=bob") == []
        await eventually(is_gone, "he is not listed")
        status, _ = await self.ask(f"/admin/sessions/{session['id']}/kick", "POST")
        self.assertEqual(status, 404)

    async def test_everybody_can_be_kicked_at_once(self):
        members = await self.members("room", 20, self.alice)
        answers = await asyncio.gather(*(
            self.ask(f"/admin/sessions/{session['id']}/kick", "POST")
            for session in await self.sessions()))
        self.assertEqual({status for status, _ in answers}, {200})
        await asyncio.gather(*(member.wait_closed() for member in members))
        self.assertEqual({member.close_code for member in members}, {4403})
        self.assertEqual(await self.listed("/admin/rooms/", "rooms"), [])

    async def test_bad_requests_have_clear_answers(self):
        for path in ("/admin/sessions/?limit=0", "/admin/sessions/?limit=1001",
                     "/admin/rooms/?limit=x", "/admin/rooms/?limit="):
            self.assertEqual(await self.ask(path),
                             (400, {"limit": ["An integer from 1 to 1000 is required."]}), path)
        for path in "/admin/rooms/?after=x", "/admin/sessions/?after=7", "/admin/sessions/?after=-":
            status, answer = await self.ask(path)
            self.assertEqual((status, list(answer)), (400, ["after"]), path)
        self.assertEqual(await self.ask("/admin/sessions/?user=nobody"),
                         (400, {"user": ["No user has this name."]}))
        for id_ in "x", "99-1", "0-0", "0-1-1", "0-18446744073709551616", "-1-1", "%00":
            status, _ = await self.ask(f"/admin/sessions/{id_}/kick", "POST")
            self.assertEqual(status, 404, id_)
        self.assertEqual((await self.ask("/admin/sessions/0-1/kick"))[0], 405)
        self.assertEqual((await self.ask("/admin/"))[0], 404)


class OperatorKeyTest(AdminCase):
    paths = (("GET", "/admin/rooms/"), ("GET", "/admin/sessions/"),
             ("POST", "/admin/sessions/0-1/kick"))

    async def test_without_a_key_file_nobody_may(self):
        self.serve(with_key=False)
        for method, path in self.paths:
            status, answer = await self.ask(path, method)
            self.assertEqual(status, 403)
            self.assertIn("--operator-key-file", answer["detail"])

    async def test_only_operators_may(self):
        self.serve()
        await self.connect(voice("room"), self.bob)
        for headers in {"X": "y"}, {"Authorization": "Bearer wrong"}, self.alice.headers:
            for method, path in self.paths:
                status, _ = await self.ask(path, method, headers)
                self.assertEqual(status, 401, path)
        self.assertEqual(len(await self.sessions()), 1)

    async def test_on_the_port_of_clients_there_is_nothing(self):
        self.serve()
        operator = User(0, "", self.key)
        for method, path in self.paths + (("GET", "/health"), ("GET", "/metrics")):
            answer = await self.rest(method, path, operator, data=b"")
            self.assertEqual(answer.status, 404, path)

    async def test_who_takes_no_connection_does_not_answer_in_time(self):
        self.serve()
        full = self.enterContext(socket.create_server(("127.0.0.1", 0), backlog=0))
        address = f"127.0.0.1:{full.getsockname()[1]}"
        for _ in range(3):  # then nobody is let in any more
            waits = self.enterContext(socket.socket())
            waits.setblocking(False)
            waits.connect_ex(full.getsockname())
        began = time.monotonic()
        result = run_cli("rooms", "--admin", address, "--operator-key-file", self.key_path,
                         timeout=30)
        self.assertEqual((result.returncode, result.stderr),
                         (1, f"voicechan-server: no answer from {address}: "
                             "it does not answer in time\n"))
        self.assertLess(time.monotonic() - began, 20 * SCALE)

    async def test_a_port_that_is_taken_is_the_one_that_is_named(self):
        taken = self.enterContext(socket.create_server(("127.0.0.1", 0)))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        result = run_cli("serve", "--db", ":memory:", "--listen", "127.0.0.1:0", "--admin-listen",
                         address)
        self.assertEqual(result.returncode, 1)
        self.assertIn(f"cannot listen on {address}: Address already in use", result.stderr)

    async def test_the_command_line_says_what_is_wrong(self):
        self.serve()
        result = self.run_admin("kick", "0-99")
        self.assertEqual((result.returncode, result.stderr),
                         (1, "voicechan-server: refused (404): No session has this id.\n"))
        result = self.run_admin("sessions", "--user", "nobody")
        self.assertEqual(result.stderr,
                         'voicechan-server: refused (400): user: No user has this name.\n')
        address = f"{self.server.host}:{self.server.port}"
        result = run_cli("rooms", "--admin", address, "--operator-key-file", self.key_path)
        self.assertEqual((result.returncode, result.stderr),
                         (1, "voicechan-server: refused (404): Not found.\n"))
        self.key_file()
        os.truncate(self.key_path, 5)
        result = self.run_admin("rooms")
        self.assertEqual(result.returncode, 1)
        self.assertIn("it is not one line of 32 to 256 visible ASCII characters", result.stderr)
        path = self.key_path
        self.key = secrets.token_hex(16)
        self.key_file()
        self.assertIn("refused (401): Nobody has this key.", self.run_admin("rooms").stderr)
        self.server.stop()
        result = self.run_admin("rooms")
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stderr, r"no answer from 127\.0\.0\.1:\d+: Connection refused")
        for break_off, reason in ((reset, "Connection reset by peer"),
                                  (socket.socket.close, "it closed the connection")):
            address = f"127.0.0.1:{answer_once(self, break_off)}"
            result = run_cli("rooms", "--admin", address, "--operator-key-file",
                             self.key_path)
            self.assertEqual((result.returncode, result.stderr),
                             (1, f"voicechan-server: no answer from {address}: {reason}\n"))
        self.assertEqual(run_cli("rooms").returncode, 2)
        self.assertEqual(run_cli("kick", "--operator-key-file", path).returncode, 2)
        result = run_cli("rooms", "--admin", "nowhere", "--operator-key-file", path)
        self.assertIn('"nowhere" is not ADDR:PORT', result.stderr)


if __name__ == "__main__":
    unittest.main()
