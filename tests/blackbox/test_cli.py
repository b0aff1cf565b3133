#!/usr/bin/python3
"""The command line: users, wrong arguments, bad databases, the try-out mode."""

import asyncio
import contextlib
import json
import os
import re
import shlex
import shutil
import sqlite3
import tempfile
import unittest

import websockets

from harness import (CHANNELS, NOTIFICATIONS, SIGNALING, Case, User, WriteLock, eventually, in_time,
                     integrity_of, lines, run_cli, voice)


class CliCase(Case):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="voicechan-test-")
        self.addCleanup(shutil.rmtree, self.directory)
        self.db = os.path.join(self.directory, "voicechan.sqlite3")

    def user(self, *arguments, db=None):
        return run_cli("user", *arguments, "--db", db or self.db)

    def added(self, name):
        result = self.user("add", name)
        self.assertEqual(result.returncode, 0, result.stderr)
        return json.loads(result.stdout)

    def check_fails(self, result, code=None):
        """It ended by itself, with an error code and one line that says why."""
        self.assertGreater(result.returncode, 0, result)
        if code is not None:
            self.assertEqual(result.returncode, code, result)
        self.assertEqual(result.stdout, "", result)
        self.assertEqual(len(lines(result.stderr)), 1, result.stderr)
        self.assertGreater(len(result.stderr.strip()), 8, result.stderr)
        return result.stderr


class UserTest(CliCase):
    def test_user_add_prints_one_line_of_json(self):
        result = self.user("add", "dora")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertTrue(result.stdout.endswith("\n"))
        self.assertEqual(len(result.stdout.splitlines()), 1)
        fields = json.loads(result.stdout)
        self.assertEqual(set(fields), {"id", "username", "token"})
        self.assertEqual((fields["id"], fields["username"]), (1, "dora"))
        self.assertIsInstance(fields["token"], str)

    def test_a_name_of_any_script_is_kept(self):
        self.assertEqual(self.added("Олена😀")["username"], "Олена😀")
        self.assertIn("Олена😀", self.user("list").stdout)

    def test_a_name_that_is_taken_is_refused(self):
        self.added("dora")
        self.assertIn("dora", self.check_fails(self.user("add", "dora")))

    def test_a_bad_name_is_refused(self):
        for name in ("", "  ", "a\nb", "a\x1bb", "a" * 256, "\udcff", "a\udcc0\udc80"):
            with self.subTest(name=name):
                self.check_fails(self.user("add", name))

    def test_user_list_names_everybody_and_no_key(self):
        keys = [self.added(name)["token"] for name in ("dora", "emil", "Фріда")]
        result = self.user("list")
        self.assertEqual(result.returncode, 0, result.stderr)
        for name in ("dora", "emil", "Фріда"):
            self.assertEqual(result.stdout.count(name), 1, result.stdout)
        self.assertEqual(len(lines(result.stdout)), 3)
        for key in keys:
            self.assertFalse(key in result.stdout + result.stderr)

    def test_user_remove_removes(self):
        self.added("dora")
        self.added("emil")
        self.assertEqual(self.user("remove", "dora").returncode, 0)
        self.assertNotIn("dora", self.user("list").stdout)
        self.assertIn("emil", self.user("list").stdout)
        self.check_fails(self.user("remove", "dora"))

    def test_user_token_prints_a_new_key_of_the_same_user(self):
        old = self.added("dora")
        result = self.user("token", "dora")
        self.assertEqual(result.returncode, 0, result.stderr)
        new = json.loads(result.stdout)
        self.assertEqual((new["id"], new["username"]), (old["id"], old["username"]))
        self.assertNotEqual(new["token"], old["token"])

    def test_an_unknown_user_is_an_error(self):
        self.added("dora")
        for command in ("remove", "token"):
            self.assertIn("nobody", self.check_fails(self.user(command, "nobody")))

    async def test_users_added_at_the_same_time_are_all_added(self):
        results = await asyncio.gather(
            *(asyncio.to_thread(self.user, "add", f"user{i}") for i in range(12)))
        for result in results:
            self.assertEqual(result.returncode, 0, result.stderr)
        added = [json.loads(result.stdout) for result in results]
        self.assertEqual(len({fields["id"] for fields in added}), 12)
        self.assertEqual(len({fields["token"] for fields in added}), 12)
        self.assertEqual(integrity_of(self.db), ["ok"])


class ArgumentTest(CliCase):
    def test_wrong_arguments_exit_with_2_and_one_line(self):
        serve = ("serve", "--db", self.db)
        for arguments in (
                (), ("nonsense",), ("--nonsense",), ("user",), ("user", "nonsense"), ("user", "add"),
                ("user", "remove"), ("user", "token"), ("user", "add", "a", "b"),
                ("user", "add", "a", "--nonsense"), ("user", "list", "x"), (*serve, "x"),
                (*serve, "--nonsense"), (*serve, "--listen"), (*serve, "--listen", "nonsense"),
                (*serve, "--listen", "127.0.0.1"), (*serve, "--listen", "127.0.0.1:"),
                (*serve, "--listen", "127.0.0.1:65536"), (*serve, "--listen", "127.0.0.1:-1"),
                (*serve, "--listen", "127.0.0.1:80x"), (*serve, "--listen", "300.0.0.1:0"),
                (*serve, "--workers", "x"), (*serve, "--workers", "-1"), (*serve, "--workers", "1.5"),
                (*serve, "--workers", "99999999"), (*serve, "--workers"),
                (*serve, "--workers", "18446744073709551617"),
                (*serve, "--max-message-bytes", "x"), (*serve, "--max-message-bytes", "-1"),
                (*serve, "--max-body-bytes", "-1"), (*serve, "--max-signaling-bytes", "1k5"),
                (*serve, "--signaling-rate", "x"), (*serve, "--signaling-rate", "-1"),
                (*serve, "--ping-interval", "x"), (*serve, "--ping-interval", "-1"),
                (*serve, "--ping-interval", "nan"), (*serve, "--idle-timeout", "-0.5"),
                (*serve, "--close-timeout", ""), (*serve, "--log-level", "loud")):
            with self.subTest(arguments=arguments):
                self.check_fails(run_cli(*arguments), 2)

    def test_the_line_names_what_is_wrong(self):
        for arguments, word in ((("serve", "--nonsense"), "nonsense"), (("nonsense",), "nonsense"),
                                (("serve", "--listen", "bad"), "listen"),
                                (("serve", "--workers", "bad"), "workers"),
                                (("serve", "--log-level", "loud"), "loud|log-level")):
            self.assertRegex(self.check_fails(run_cli(*arguments), 2), word)

    def test_help_says_everything(self):
        result = run_cli("--help")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        for word in ("serve", "user"):
            self.assertIn(word, result.stdout)
        result = run_cli("serve", "--help")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        for option in ("listen", "db", "workers", "allow-query-token", "try", "max-message-bytes",
                       "max-signaling-bytes", "signaling-rate", "signaling-burst", "room-change-rate",
                       "room-change-burst", "max-body-bytes",
                       "ping-interval", "ping-timeout", "handshake-timeout", "write-timeout",
                       "message-timeout", "idle-timeout", "close-timeout", "log-level"):
            self.assertIn(f"--{option}", result.stdout)
        result = run_cli("user", "--help")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        for word in ("add", "list", "remove", "token"):
            self.assertIn(word, result.stdout)
            self.assertEqual(run_cli("user", word, "--help").returncode, 0)


class ListenTest(CliCase):
    async def test_port_0_works_and_the_address_is_the_one_line_of_standard_output(self):
        first, second = self.start(), self.start()
        self.assertNotEqual(first.port, second.port)
        for server in (first, second):
            self.assertEqual(server.stdout, f"listening on http://127.0.0.1:{server.port}\n")
            self.assertEqual((await self.rest("GET", CHANNELS, server=server)).status, 401)
            server.stop()

    async def test_it_accepts_connections_when_it_says_so(self):
        for _ in range(5):
            server = self.start("--workers", "4")
            answers = await asyncio.gather(
                *(self.rest("GET", "/", server=server) for _ in range(20)))
            self.assertLessEqual({answer.status for answer in answers}, {401, 404})
            server.stop()

    async def test_a_second_server_on_the_same_port_fails_with_a_clear_line(self):
        first = self.start("--workers", "4")
        user = first.add_user("dora")
        error = self.check_fails(run_cli(
            "serve", "--listen", f"127.0.0.1:{first.port}", "--db", self.db))
        self.assertIn(str(first.port), error)
        for _ in range(20):
            channel = await self.create_channel(user, server=first)
        self.assertEqual(channel["creator"], user.id)
        first.stop()

    async def test_the_port_is_free_again_at_once_after_the_server_ended(self):
        first = self.start()
        user = first.add_user("dora")
        client = await self.connect(voice("x"), user, first)
        await asyncio.to_thread(first.stop)
        await client.wait_closed()
        second = self.start(listen=f"127.0.0.1:{first.port}")
        self.assertEqual(second.port, first.port)
        second.stop()

    def test_an_address_of_another_machine_fails_with_a_clear_line(self):
        error = self.check_fails(run_cli("serve", "--listen", "192.0.2.1:0", "--db", self.db))
        self.assertIn("192.0.2.1", error)


class DatabaseTest(CliCase):
    commands = (("serve", "--listen", "127.0.0.1:0"), ("user", "add", "emil"), ("user", "list"),
                ("user", "token", "dora"), ("user", "remove", "dora"))

    def check_refused(self, path, pattern="."):
        for command in self.commands:
            with self.subTest(command=command):
                error = self.check_fails(run_cli(*command, "--db", path))
                self.assertRegex(error.lower(), pattern)

    def content(self):
        with open(self.db, "rb") as file:
            return file.read()

    def test_a_file_that_is_no_database_is_refused_and_not_touched(self):
        for content in (b"hello, world\n" * 500, os.urandom(8192),
                        b"SQLite format 3\0" + b"\xff" * 5000):
            with open(self.db, "wb") as file:
                file.write(content)
            self.check_refused(self.db)
            self.assertEqual(self.content(), content)

    def test_a_damaged_database_is_refused(self):
        self.added("dora")
        with contextlib.closing(sqlite3.connect(self.db)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        content = self.content()
        self.assertGreater(len(content), 4096)
        for damaged in (content[:100] + b"\xff" * (len(content) - 100), content[:3000]):
            for suffix in ("-wal", "-shm"):
                with contextlib.suppress(FileNotFoundError):
                    os.remove(self.db + suffix)
            with open(self.db, "wb") as file:
                file.write(damaged)
            self.check_refused(self.db)

    def test_an_empty_file_becomes_a_database(self):
        open(self.db, "wb").close()
        self.assertEqual(self.added("dora")["id"], 1)

    def test_a_database_of_a_newer_version_is_refused_and_not_touched(self):
        self.added("dora")
        with contextlib.closing(sqlite3.connect(self.db)) as connection:
            version, = connection.execute("PRAGMA user_version").fetchone()
            self.assertGreater(version, 0)
            connection.execute(f"PRAGMA user_version = {version + 1}")
        self.check_refused(self.db, "newer|version")
        with contextlib.closing(sqlite3.connect(self.db)) as connection:
            self.assertEqual(connection.execute("PRAGMA user_version").fetchone(), (version + 1,))
            connection.execute(f"PRAGMA user_version = {version}")
        self.assertIn("dora", self.user("list").stdout)

    def test_a_path_that_cannot_be_opened_is_refused_and_named(self):
        for path in (self.directory, os.path.join(self.directory, "no", "such", "file"),
                     "/proc/voicechan.sqlite3"):
            for command in self.commands:
                error = self.check_fails(run_cli(*command, "--db", path))
                self.assertIn(path, error)

    def test_a_database_locked_by_another_process_is_a_clear_error(self):
        self.added("dora")
        with contextlib.closing(sqlite3.connect(self.db, isolation_level=None)) as connection:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute("BEGIN EXCLUSIVE")
            connection.execute("CREATE TABLE another_process (x)")
            for command in (self.commands[0], self.commands[1]):
                error = self.check_fails(run_cli(*command, "--db", self.db, timeout=30))
                self.assertRegex(error.lower(), "lock|busy|use")
        self.assertIn("dora", self.user("list").stdout)

    async def test_user_add_waits_for_a_short_lock(self):
        self.added("dora")
        with WriteLock(self.db) as lock:
            task = asyncio.create_task(asyncio.to_thread(self.user, "add", "emil"))
            done, _ = await asyncio.wait([task], timeout=0.5)
            self.assertFalse(done)
            lock.release()
            self.assertEqual((await task).returncode, 0)
        self.assertIn("emil", self.user("list").stdout)


class TryTest(CliCase):
    async def try_out(self, *options, **arguments):
        server = self.start("--try", *options, **arguments)
        await eventually(lambda: "curl" in server.stdout and "wscat" in server.stdout,
                         "the lines to paste")
        return server

    def commands(self, server, program):
        """The printed command lines of a program, as words."""
        found = re.findall(rf"(?:^|[\s$]){program} (.*)$", server.stdout, re.MULTILINE)
        self.assertTrue(found, server.stdout)
        return found

    def printed_keys(self, server):
        keys = {}
        for name in ("alice", "bob", "carol"):
            tokens = [match for line in server.stdout.splitlines() if name in line
                      for match in re.findall(r"[0-9A-Za-z_\-+/=.]{40,}", line)]
            self.assertTrue(tokens, server.stdout)
            keys[name] = tokens[0].split("=")[-1]
        return keys

    async def test_alice_bob_and_carol_exist_and_their_printed_keys_work(self):
        server = await self.try_out()
        listed = run_cli("user", "list", "--db", server.db).stdout
        creators = set()
        for name, key in self.printed_keys(server).items():
            self.assertIn(name, listed)
            user = User(0, name, key)
            creators.add((await self.create_channel(user, server=server))["creator"])
        self.assertEqual(len(creators), 3)
        await asyncio.to_thread(server.stop)

    async def test_a_second_start_prints_keys_that_work_for_the_same_users(self):
        db = os.path.join(self.directory, "try.sqlite3")
        creators = []
        for _ in range(2):
            server = await self.try_out(db=db)
            creators.append([
                (await self.create_channel(User(0, name, key), server=server))["creator"]
                for name, key in sorted(self.printed_keys(server).items())])
            await asyncio.to_thread(server.stop)
        self.assertEqual(creators[0], creators[1])
        self.assertEqual(len(lines(run_cli("user", "list", "--db", db).stdout)), 3)

    async def test_the_query_token_is_allowed(self):
        server = await self.try_out()
        for key in self.printed_keys(server).values():
            await self.connect(f"{SIGNALING}?token={key}", server=server)
        await asyncio.to_thread(server.stop)

    @unittest.skipUnless(shutil.which("curl"), "needs curl")
    async def test_the_curl_lines_work_as_pasted(self):
        server = await self.try_out()
        for line in self.commands(server, "curl"):
            process = await asyncio.create_subprocess_shell(
                "curl --max-time 10 -s -w '\\n%{http_code}' " + line,
                stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE)
            output, _ = await in_time(process.communicate(), 15, line)
            self.assertEqual(process.returncode, 0, line)
            self.assertIn(output.decode().splitlines()[-1], ("200", "201"), (line, output))
        await asyncio.to_thread(server.stop)

    async def test_the_wscat_lines_work_as_pasted(self):
        server = await self.try_out()
        for line in self.commands(server, "wscat"):
            words = shlex.split(line)
            headers, subprotocols, url = {}, [], None
            for i, word in enumerate(words):
                if word in ("-H", "--header"):
                    name, value = words[i + 1].split(":", 1)
                    headers[name] = value.strip()
                elif word in ("-s", "--subprotocol"):
                    subprotocols.append(words[i + 1])
                elif word.startswith("ws://"):
                    url = word
            async with websockets.connect(url, extra_headers=headers,
                                          subprotocols=subprotocols or None) as client:
                self.assertTrue(client.open)
        await asyncio.to_thread(server.stop)

    def test_it_listens_on_loopback_only(self):
        for listen in ("0.0.0.0:0", "[::]:0", "192.0.2.1:0"):
            result = run_cli("serve", "--try", "--listen", listen, "--db", self.db)
            self.check_fails(result, 2)

    async def test_memory_is_a_database_for_trying_out(self):
        server = await self.try_out(db=":memory:")
        key = self.printed_keys(server)["alice"]
        user = User(0, "alice", key)
        channel = await self.create_channel(user, server=server)
        answer = await self.rest("GET", CHANNELS, user, server=server)
        self.assertEqual(answer.json, [channel])
        await self.connect(NOTIFICATIONS, user, server)
        await asyncio.to_thread(server.stop)


if __name__ == "__main__":
    unittest.main()
