#!/usr/bin/python3
"""Moving from Django and Channels: a front end observes the same against a real application of
that kind and against the server on its exported data; what differs is here, too, each by name."""

import asyncio
import base64
import collections
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.parse

import aiohttp
import jwt
import websockets

from front_end import CHANNELS, INVITE, FrontEnd
from harness import HERE, SCALE, Case, run_cli

APPLICATION = os.path.join(HERE, "django_app")
EXPORT = os.path.join(HERE, "..", "..", "server", "django", "export_voicechan.py")
MAKE_USERS = """
from django.contrib.auth.models import User
from rest_framework.authtoken.models import Token
for id, name in ((3, "alice"), (7, "bob@example.org"), (20, "карл")):
    print(id, name, Token.objects.create(user=User.objects.create(id=id, username=name)).key)
User.objects.create(id=25, username="gone", is_active=False)
User.objects.create(id=22, username="keyless")
"""
Person = collections.namedtuple("Person", "id name key")


class DjangoApplication:
    """A copy of django_app with a database of its own, served by Daphne; its channel layer may be
    in Redis."""

    def __init__(self, redis_url=None):
        self.directory = tempfile.mkdtemp(prefix="voicechan-django-")
        shutil.copytree(APPLICATION, self.directory, dirs_exist_ok=True,
                        ignore=shutil.ignore_patterns("__pycache__"))
        commands = os.path.join(self.directory, "voice_channels", "management", "commands")
        os.makedirs(commands)
        shutil.copy(EXPORT, commands)
        self.environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "settings",
                            "DJANGO_APP_DATABASE": os.path.join(self.directory, "db.sqlite3"),
                            "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1"}
        if redis_url is not None:
            self.environment["DJANGO_APP_REDIS"] = redis_url
        self.process = None

    def manage(self, *arguments, code=0):
        run = subprocess.run(
            [sys.executable, "manage.py", *arguments], cwd=self.directory, env=self.environment,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", timeout=60 * SCALE)
        if run.returncode != code:
            raise AssertionError(f"{arguments}: {run.returncode} {run.stdout}{run.stderr}")
        return run.stdout if code == 0 else run.stderr

    def serve(self):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "daphne", "--port", "0", "--bind", "127.0.0.1",
             "asgi:application"], cwd=self.directory, env=self.environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            encoding="utf-8")
        for line in self.process.stderr:
            match = re.search(r"Listening on TCP address (.*):(\d+)", line)
            if match:
                self.host, self.port = match[1], int(match[2])
                self.reader = threading.Thread(target=self.process.stderr.read)
                self.reader.start()  # so that no pipe gets full
                return
        raise AssertionError("Daphne did not start")

    def remove(self):
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.reader.join()
            self.process.stderr.close()
        shutil.rmtree(self.directory, ignore_errors=True)


class MoveTest(Case):
    seconds = 120

    async def asyncSetUp(self):
        await super().asyncSetUp()
        self.django = DjangoApplication()
        self.addCleanup(self.django.remove)
        self.django.manage("migrate", "--run-syncdb")
        made = self.django.manage("shell", "--command", MAKE_USERS)
        self.people = [Person(int(id_), name, key)
                       for id_, name, key in map(str.split, made.splitlines())]
        self.django.serve()

    def address(self, server):
        return f"http://{server.host}:{server.port}"

    def make_database(self):
        path = os.path.join(self.django.directory, "voice.db")
        for command in ("add", "remove"):
            self.assertEqual(run_cli("user", command, "nobody", "--db", path).returncode, 0)
        return path

    def move(self):
        """A server with what the application has."""
        path = self.make_database()
        self.moved = self.django.manage("export_voicechan", path)
        return self.start(db=path)

    async def observe(self, server):
        return await FrontEnd(self.address(server), self.people).run()

    async def test_a_front_end_observes_the_same(self):
        before = await self.observe(self.django)
        self.assertGreater(len(before), 30)
        self.assertEqual(before, await self.observe(self.django), "it observes itself")
        self.server = self.move()
        self.assertEqual(await self.observe(self.server), before)
        await asyncio.to_thread(self.server.stop)

    async def test_channels_invitations_users_and_keys_are_moved(self):
        await self.observe(self.django)
        _, there, _ = await self.ask(self.django, "GET", CHANNELS)
        server = self.move()
        self.assertEqual(self.moved, "4 users, 1 channels, 3 invitations\n")
        status, here, _ = await self.ask(server, "GET", CHANNELS)
        self.assertEqual((status, here), (200, there))
        users = [json.loads(line) for line in
                 run_cli("user", "list", "--db", server.db).stdout.splitlines()]
        self.assertEqual([(user["id"], user["username"]) for user in users],
                         [*((each.id, each.name) for each in self.people), (22, "keyless")])
        # New ids go on behind the old ones.
        for path, body in ((CHANNELS, {"name": "new"}),
                           (INVITE, {"voice_channel": 1, "addressee": self.people[1].id})):
            _, made, _ = await self.ask(server, "POST", path, json=body)
            self.assertEqual(made["id"], 2 if path == CHANNELS else 4)
        self.assertEqual(json.loads(run_cli("user", "token", "keyless", "--db", server.db).stdout)
                         ["id"], 22)
        # That of a user who was left out is not given again: something of his may be here.
        self.assertEqual(json.loads(run_cli("user", "add", "new", "--db", server.db).stdout)["id"], 26)

    async def test_a_jwt_names_the_user_by_his_old_id(self):
        keys = os.path.join(self.django.directory, "keys.json")
        secret = os.urandom(32)
        with open(keys, "w", encoding="ascii") as file:
            encoded = base64.urlsafe_b64encode(secret).decode().rstrip("=")
            json.dump({"keys": [{"kty": "oct", "alg": "HS256", "k": encoded}]}, file)
        path = self.make_database()
        self.django.manage("export_voicechan", path)
        server = self.start("--jwt-jwks", keys, "--jwt-subject", "id", db=path)
        for subject, status in (("22", 201), ("25", 401), ("20", 201), ("4", 401)):
            token = jwt.encode({"sub": subject, "exp": int(time.time()) + 60}, secret, "HS256")
            answer = await self.rest("POST", CHANNELS, server=server, json={"name": "x"},
                                     headers={"Authorization": f"Bearer {token}"})
            self.assertEqual(answer.status, status, subject)
            if status == 201:
                self.assertEqual(answer.json["creator"], int(subject))

    async def test_the_export_refuses_what_it_cannot_fill(self):
        path = os.path.join(self.django.directory, "voice.db")
        self.assertIn("unable to open", self.django.manage("export_voicechan", path, code=1))
        other = os.path.join(self.django.directory, "db.sqlite3")
        self.assertIn("no voicechan database",
                      self.django.manage("export_voicechan", other, code=1))
        self.make_database()
        self.assertIn("nothing was moved", self.django.manage(
            "export_voicechan", path, "--channels", "voice_channels.Room", code=1))
        self.django.manage("export_voicechan", path)
        self.assertIn("has users already", self.django.manage("export_voicechan", path, code=1))

    async def ask(self, server, method, path, **arguments):
        front_end = FrontEnd(self.address(server), self.people)
        async with aiohttp.ClientSession() as front_end.http:
            return await front_end.ask(method, path, self.people[0], **arguments)

    async def both(self, *arguments, **named):
        return [await self.ask(server, *arguments, **named)
                for server in (self.django, self.server)]

    async def handshake(self, server, path, user=None):
        try:
            socket = await self.connect(path, server=server,
                                        headers={"Authorization": f"Token {user.key}"} if user
                                        else {})
        except websockets.InvalidStatusCode as error:
            return error.status_code
        await socket.close()
        return 101

    async def test_what_differs(self):
        self.server = self.move()
        self.django.ws = lambda path, is_tls=False: \
            f"ws://{self.django.host}:{self.django.port}{path}"
        alice = self.people[0]
        headers = {"Authorization": f"Token {alice.key}"}

        # Every WebSocket needs a user, and who is none is told so by HTTP.
        for path, there in (("/ws/voice/general/", 101), ("/ws/signaling/", 101),
                            ("/ws/notifications/", 403)):
            found = [await self.handshake(server, path) for server in (self.django, self.server)]
            self.assertEqual(found, [there, 401], path)

        # Without the trailing slash there is no redirect.
        for method, body, status in (("GET", None, 200), ("POST", {"name": "x"}, 201)):
            theirs, ours = await self.both(method, CHANNELS.rstrip("/"), json=body)
            self.assertEqual((theirs[0], ours[0]), (301, status))

        # An unknown path is answered with JSON, too.
        theirs, ours = await self.both("GET", f"{CHANNELS}x/")
        self.assertEqual((theirs[:2], ours[:2]), ((404, None), (404, {"detail": "Not found."})))

        # Bodies that are no JSON objects, and bodies of other types.
        theirs, ours = await self.both("POST", CHANNELS, json=[])
        self.assertEqual((theirs[0], list(theirs[1])), (400, ["non_field_errors"]))
        self.assertEqual((ours[0], list(ours[1])), (400, ["detail"]))
        theirs, ours = await self.both("POST", CHANNELS, data={"name": "a form"})
        self.assertEqual((theirs[0], ours[0]), (201, 415))

        # The invited user's other name.
        theirs, ours = await self.both(
            "POST", INVITE, json={"voice_channel": 1, "recipient": alice.id})
        self.assertEqual((theirs[0], ours[0]), (400, 201))

        # A message to nobody is answered, and what is no JSON does not end the connection.
        for server, answers in ((self.django, False), (self.server, True)):
            peer = await self.connect("/ws/signaling/", server=server, headers=headers)
            await peer.send('{"type":"join"}')
            await self.next_json(peer)
            await peer.send('{"to":"specific.nobody!here","type":"offer"}')
            await peer.send("no JSON")
            if answers:
                codes = [(await self.next_json(peer))["code"] for _ in range(2)]
                self.assertEqual(codes, ["unknown_peer", "bad_message"])
            else:
                with self.assertRaises(websockets.ConnectionClosed):
                    await self.next(peer)

        # A room name may be in any script, and an empty message is one.
        room = "/ws/voice/" + urllib.parse.quote("Кімната") + "/"
        self.assertEqual([await self.handshake(server, room, alice)
                          for server in (self.django, self.server)], [500, 101])
        for server, expected in ((self.django, ["after"]), (self.server, ["", "after"])):
            talker, listener = [await self.connect("/ws/voice/general/", server=server,
                                                   headers=headers) for _ in range(2)]
            for message in ("", "after"):
                await talker.send(message)
            self.assertEqual([await self.next(listener) for _ in expected], expected)



if __name__ == "__main__":
    unittest.main()
