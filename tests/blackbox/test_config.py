#!/usr/bin/python3
"""Options from a file and from the environment, check-config, and the log as JSON."""

import asyncio
import datetime
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import tomllib
import unittest
import urllib.parse
from unittest import mock

from harness import BINARY, CHANNELS, HERE, SCALE, Case, eventually, lines, run_cli, voice
from test_tls import make_certificate

SETTING = re.compile(r"^#([a-z-]+ = (.*))$", re.M)
# What check-config shows where there is no default.
PLACEHOLDERS = ('"ADDR:PORT"', '"FILE"', '"TEXT"', '"DIR"', "SECONDS  # ")


class ConfigCase(Case):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="voicechan-test-")
        self.addCleanup(shutil.rmtree, self.directory)
        self.file = self.path("voicechan.toml")

    def path(self, name):
        return os.path.join(self.directory, name)

    def write(self, text, name="voicechan.toml"):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def environment(self, **variables):
        """To be used with `with`: what processes started meanwhile see."""
        return mock.patch.dict(os.environ, variables)

    def check(self, *options):
        """What check-config prints, which must be without a fault."""
        result = run_cli("check-config", *options)
        self.assertEqual((result.returncode, result.stderr), (0, ""), result)
        return result.stdout

    def refusals(self, *arguments, code=2):
        """The lines of a refusal, without the name of the program."""
        result = run_cli(*arguments)
        self.assertEqual((result.returncode, result.stdout), (code, ""), result)
        for line in lines(result.stderr):
            self.assertTrue(line.startswith("voicechan-server: "), result.stderr)
        return [line.split(": ", 1)[1] for line in lines(result.stderr)]


class SourcesTest(ConfigCase):
    async def test_a_server_does_what_its_file_says(self):
        self.write("max-room-members = 1\nmax-body-bytes = 100\nallow-query-token = true\n")
        server = self.start("--config", self.file)
        alice = server.add_user("alice")
        await self.connect(f"{voice('x')}?token={alice.key}", server=server)
        self.assertEqual(await self.refused(voice("x"), alice, server), 409)
        answer = await self.rest("POST", CHANNELS, alice, server=server, json={"name": "x" * 200})
        self.assertEqual(answer.status, 413)
        await asyncio.to_thread(server.stop)

    async def test_a_server_does_what_its_environment_says(self):
        with self.environment(VOICECHAN_MAX_BODY_BYTES="100", VOICECHAN_MAX_TARGET_BYTES="100"):
            server = self.start("--max-target-bytes", "4000")
        alice = server.add_user("alice")
        answer = await self.rest("POST", CHANNELS, alice, server=server, json={"name": "x" * 200})
        self.assertEqual(answer.status, 413)
        answer = await self.rest("GET", "/" + "x" * 200, alice, server=server)
        self.assertEqual(answer.status, 404)
        await asyncio.to_thread(server.stop)

    async def test_hangup_does_not_read_the_file_again(self):
        self.write("max-body-bytes = 100\n")
        server = self.start("--config", self.file)
        alice = server.add_user("alice")
        self.write("max-body-bytes = no number\n")
        server.signal(signal.SIGHUP)
        await eventually(lambda: "options stay as they are" in server.log(), "SIGHUP is heard")
        answer = await self.rest("POST", CHANNELS, alice, server=server, json={"name": "x" * 200})
        self.assertEqual(answer.status, 413)
        await asyncio.to_thread(server.stop)

    def test_the_command_line_goes_before_the_environment_and_that_before_the_file(self):
        self.write("workers = 1\nmax-fragments = 1\nmax-json-depth = 1\n")
        with self.environment(VOICECHAN_MAX_FRAGMENTS="2", VOICECHAN_MAX_JSON_DEPTH="2",
                              VOICECHAN_CONFIG=self.file):
            shown = self.check("--max-json-depth", "3")
        self.assertEqual(tomllib.loads(shown),
                         {"workers": 1, "max-fragments": 2, "max-json-depth": 3})
        self.assertIn(f"\nworkers = 1  # {self.file}:1\n", shown)
        self.assertIn("\nmax-fragments = 2  # VOICECHAN_MAX_FRAGMENTS\n", shown)
        self.assertIn("\nmax-json-depth = 3  # command line\n", shown)

    def test_the_service_does_without_a_file_and_takes_one(self):
        with open(os.path.join(os.path.dirname(BINARY), "voicechan.service"), encoding="utf-8") as unit:
            settings = dict(re.findall(r"^Environment=(\w+)=(.*)$", unit.read(), re.M))
        self.assertEqual(settings["VOICECHAN_CONFIG"], "-/etc/voicechan/voicechan.toml")
        settings["VOICECHAN_CONFIG"] = "-" + self.file
        with self.environment(**settings):
            self.assertEqual(tomllib.loads(self.check()), {})
            self.write("workers = 3\n")
            self.assertEqual(tomllib.loads(self.check()), {"workers": 3})
            self.write("workers = \n")
            self.assertIn(f"{self.file}:1: ", self.refusals("serve")[0])

    def test_the_file_alone_says_where_the_service_keeps_its_users(self):
        with self.environment(VOICECHAN_DEFAULT_DB="/state/voice.db", VOICECHAN_CONFIG=self.file):
            for text, line in (
                    ("", '#db = "/state/voice.db"'),
                    ('db = "other.db"\n', f'db = "other.db"  # {self.file}:1'),
                    ('redis-store = "redis://there"\n',
                     f'redis-store = "redis://there"  # {self.file}:1')):
                self.write(text)
                self.assertIn(line, lines(self.check()))
            self.assertIn("--db", self.refusals("serve", "--db", "x.db")[0])

    def test_users_are_added_where_the_environment_says(self):
        with self.environment(VOICECHAN_DB=self.path("there.db")):
            self.assertEqual(run_cli("user", "add", "dora").returncode, 0)
        self.assertIn("dora", run_cli("user", "list", "--db", self.path("there.db")).stdout)

    def test_a_pipe_or_a_folder_is_no_file(self):
        os.mkfifo(self.file)
        for path in (self.file, self.directory):
            error, = self.refusals("serve", "--config", path)
            self.assertIn(path, error)
            self.assertIn("not a regular file", error)


class RefusalTest(ConfigCase):
    def test_errors_have_line_numbers_and_nothing_is_served(self):
        self.write('# comment\nlisten = "127.0.0.1:0"\nmax-conections = 5\n\nworkers = "two"\n'
                   'ping-interval = 0\nallowed-origin = ["nowhere"]\n')
        for command in ("serve", "check-config"):
            self.assertEqual(self.refusals(command, "--config", self.file), [
                f"{self.file}:3: max-conections: no such option; did you mean max-connections?",
                f"{self.file}:5: workers: must be a number, not a string",
                f'{self.file}:6: ping-interval: "0" is not a number from 0.05 to 86400',
                f'{self.file}:7: allowed-origin: "nowhere" is no origin like https://app.example'])

    def test_what_is_no_toml_has_a_line_number(self):
        for text, line in (("workers = 1\nworkers\n", 2), ("workers = 1\n\nworkers = 2\n", 3),
                           ("a = 'b\n", 1), ("\n\n\x00", 3)):
            self.write(text)
            error, = self.refusals("serve", "--config", self.file)
            self.assertRegex(error, rf"^{re.escape(self.file)}:{line}: \S")

    def test_a_variable_that_is_misspelt_is_refused_and_those_of_others_are_not(self):
        with self.environment(VOICECHAN_MAX_CONECTIONS="1"):
            error, = self.refusals("serve")
            self.assertIn("did you mean VOICECHAN_MAX_CONNECTIONS?", error)
        with self.environment(VOICECHAN_OPTIONS="--x", VOICECHAN_PORT="tcp://10.0.0.1:80",
                              VOICECHAN_TEST_X="1"):
            self.check()

    def test_a_variable_with_a_wrong_value_is_named(self):
        with self.environment(VOICECHAN_WORKERS="65"):
            self.assertEqual(self.refusals("serve"),
                             ["VOICECHAN_WORKERS: Value 65 not in range 0 to 64"])


class CheckConfigTest(ConfigCase):
    def all_settings(self):
        """The whole of what check-config shows, with every default written out."""
        text = SETTING.sub(
            lambda match: match[0] if match[2].startswith(PLACEHOLDERS) else match[1], self.check())
        self.assertGreater(len(tomllib.loads(text)), 60)
        return text

    def test_every_option_of_serve_is_shown(self):
        options = set(re.findall(r"^  (?:-h,)?--([\w-]+)", run_cli("serve", "--help").stdout, re.M))
        self.assertGreater(len(options), 70)
        shown = {match[1].split(" = ")[0] for match in SETTING.finditer(self.check())}
        self.assertEqual(shown, options - {"help", "config"})

    def test_without_anything_all_is_commented_out(self):
        self.assertEqual(tomllib.loads(self.check()), {})

    def test_a_file_with_every_default_changes_nothing(self):
        text = self.all_settings()
        # They need what has no default, or have no placeholder that is a value.
        for name in ("jwt-algorithms", "jwt-leeway", "jwt-subject", "max-jwt-bytes", "admin-listen",
                     "redis-store", "redis-password-file", "redis-bus", "channel-layer"):
            text = re.sub(rf"^{name} = ", f"#{name} = ", text, flags=re.M)
        self.write(text)
        shown = self.check("--config", self.file)
        expected = {key: value for key, value in tomllib.loads(text).items() if value != []}
        self.assertEqual(tomllib.loads(shown), expected)
        self.assertEqual([line.split("  # ")[0].lstrip("#") for line in lines(shown)],
                         [line.split("  # ")[0].lstrip("#") for line in lines(self.check())])

    def test_its_output_gives_the_same_output(self):
        keys = self.write('{"keys": []}', "keys with 'quotes' \"Ключі\".json")
        shown = self.check(
            "--listen", "[::1]:0", "--db", self.path('a "b"\\c'), "--workers", "0x2", "--message-rate",
            "1e3", "--message-burst", "1e12", "--ping-interval", ".25", "--max-media-age", "0.3",
            "--drain-spread", "0", "--allowed-origin", "HTTPS://A.example:443", "--allowed-origin",
            "*", "--trusted-proxy", "10.0.0.0/8", "--trusted-proxy", "::1", "--proxy-protocol",
            "--jwt-jwks", keys, "--jwt-audience", "a,b", "--jwt-algorithms", "ES256,EdDSA",
            "--jwt-subject", "id", "--log-format", "json")
        settings = tomllib.loads(shown)
        self.assertEqual(settings["workers"], 2)
        self.assertEqual(settings["message-rate"], 1000)
        self.assertEqual(settings["ping-interval"], 0.25)
        self.assertEqual(settings["allowed-origin"], ["https://a.example", "*"])
        self.assertEqual(settings["jwt-audience"], ["a,b"])
        self.assertEqual(settings["jwt-algorithms"], ["ES256", "EdDSA"])
        self.assertEqual(settings["proxy-protocol"], True)
        self.assertEqual(settings["jwt-jwks"], keys)
        self.write(shown)
        again = self.check("--config", self.file)
        self.assertEqual(tomllib.loads(again), settings)
        self.assertEqual(again, re.sub(
            r"  # command line$",
            lambda match: f"  # {self.file}:{shown.count(chr(10), 0, match.start()) + 1}",
            shown, flags=re.M))

    def test_the_installed_example_is_what_the_binary_says(self):
        example = os.path.join(os.path.dirname(BINARY), "voicechan.toml")
        with open(example, encoding="utf-8") as file:
            self.assertEqual(file.read(), self.check())

    def test_the_file_in_the_readme_is_right(self):
        with open(os.path.join(HERE, "..", "..", "README.md"), encoding="utf-8") as file:
            text, = re.findall(r"^```toml\n(.*?)^```", file.read(), re.M | re.S)
        certificate, key = make_certificate(self.directory)
        text = text.replace("/etc/voicechan/fullchain.pem", certificate)
        self.write(text.replace("/etc/voicechan/key.pem", key))
        self.assertEqual(len(tomllib.loads(self.check("--config", self.file))), 7)

    def test_it_loads_what_is_named_and_tells_all_that_is_wrong(self):
        certificate, key = make_certificate(self.directory)
        _, other_key = make_certificate(self.directory, "other")
        secret = "0123456789abcdef0123456789abcdef"
        pages = self.path("pages")
        os.mkdir(pages)
        self.write("<!doctype html>", "pages/index.html")
        good = {"www": pages, "tls-cert": certificate, "tls-key": key,
                "jwt-jwks": self.write('{"keys": []}', "keys"),
                "ice-config": self.write('{"ice_servers": [{"urls": ["turn:a.example"], '
                                         f'"secret": "{secret}"}}]}}', "ice"),
                "operator-key-file": self.write(secret, "operator")}
        def arguments(files):
            return [word for name, path in files.items() for word in (f"--{name}", path)]
        shown = self.check(*arguments(good))
        self.assertEqual(tomllib.loads(shown), good)
        self.assertNotIn(secret, shown)
        broken = {**good, "tls-key": other_key, "jwt-jwks": self.write("{", "broken keys"),
                  "ice-config": self.path("none"), "www": self.path("no pages"),
                  "operator-key-file": self.write("short" + secret[:20], "broken operator")}
        errors = self.refusals("check-config", *arguments(broken), code=1)
        self.assertEqual(len(errors), 5, errors)
        names = "tls-key", "jwt-jwks", "ice-config", "operator-key-file", "www"
        for name, error in zip(names, errors):
            self.assertIn(broken[name], error)
            self.assertNotIn(secret[:20], error)

    def test_it_looks_at_the_files_of_every_redis_server(self):
        none = self.path("none")
        self.assertEqual(self.refusals(
            "check-config", "--redis-store", f"rediss://there?ca={none}", "--redis-bus",
            f"redis://a,redis://b?password-file={none}", "--channel-layer",
            f"rediss://c?ca={none}", code=1), [
                "store: cannot take the certificates of authorities for rediss://there:6379 from "
                f"{none}: No such file or directory",
                f"bus: cannot take the password from {none}: No such file or directory",
                "channel layer: cannot take the certificates of authorities for rediss://c:6379 "
                f"from {none}: No such file or directory"])
        password = self.write("s3cret\n", "password")
        shown = self.check("--redis-store", "redis://there", "--redis-password-file", password,
                           "--redis-bus", f"redis://a?password-file={password},redis://b")
        self.assertNotIn("s3cret", shown)
        self.assertEqual(
            self.refusals("check-config", "--redis-store", "redis://there", "--redis-bus",
                          "redis://a,redis://b,redis://a:6379", code=1),
            ["bus: one Redis server is named twice: a:6379"])

    def test_it_makes_no_database_and_does_not_listen(self):
        server = self.start()
        db = self.path("new.db")
        self.check("--db", db, "--listen", f"127.0.0.1:{server.port}")
        self.assertFalse(os.path.exists(db))
        server.stop()

    def test_a_try_shows_what_it_changes(self):
        shown = self.check("--try")
        self.assertEqual(tomllib.loads(shown), {"try": True})
        self.assertIn('\n#db = ":memory:"\n', shown)
        self.assertIn("\n#allow-query-token = true\n", shown)


class JsonLogTest(ConfigCase):
    def events(self, log):
        """All lines of a log, each of which must be one whole event."""
        self.assertTrue(log.endswith("\n"), log)
        self.assertTrue(log.isascii(), log)
        events = [json.loads(line) for line in log.splitlines()]
        for event in events:
            self.assertEqual(set(event), {"time", "level", "message"})
            self.assertRegex(event["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")
            age = datetime.datetime.now(datetime.timezone.utc) - datetime.datetime.fromisoformat(
                event["time"])
            self.assertLess(abs(age.total_seconds()), 60 * SCALE)
            self.assertIn(event["level"], ("debug", "info", "warning", "error", "critical"))
        return events

    async def test_every_line_is_an_object_whatever_people_are_called(self):
        hostile = '"},{"level":"error"} \\n\\ {} %s Олена 😀 \u2028\u202e'
        db = self.path('db "} \n\x1b[2J \\ 😀')
        server = self.start("--log-format", "json", "--log-level", "debug", db=db)
        user = server.add_user("".join(hostile.split()))  # a name has no white space
        await self.create_channel(user, hostile, server=server)
        client = await self.connect(voice(urllib.parse.quote(hostile)), user, server)
        await client.send(hostile)
        await client.close()
        wrong_key = "?token=" + urllib.parse.quote(hostile)
        self.assertEqual(await self.refused(voice("x") + wrong_key, server=server), 401)
        raw = await self.raw(server)
        await raw.send(b'GET /"}\xff\x1b HTTP/1.1\r\n"}\xff: x\r\n\r\n')
        self.assertEqual((await raw.response()).status, 400)
        await asyncio.to_thread(server.process.terminate)
        self.assertEqual(await server.exit_code(), 0)
        events = self.events(server.log())
        self.assertGreater(len(events), 5)
        serving, = [event for event in events if event["message"].startswith("serving on")]
        self.assertTrue(serving["message"].endswith(f"with database {db}"), serving)
        self.assertEqual(events[-1]["message"], "stopped")
        self.assertIn("debug", {event["level"] for event in events})

    def test_bytes_that_are_no_utf8_do_not_break_a_line(self):
        db = os.fsencode(self.directory) + b"/no/\xff\xc3"
        result = subprocess.run(
            [os.fsencode(BINARY), b"serve", b"--log-format", b"json", b"--db", db],
            capture_output=True, timeout=15 * SCALE, encoding="ascii")
        self.assertEqual(result.returncode, 1)
        event, = self.events(result.stderr)
        self.assertEqual(event["level"], "critical")
        self.assertIn("/no/\ufffd\ufffd", event["message"])

    def test_why_a_server_does_not_start_is_an_object_too(self):
        for level in ("info", "off"):
            for options in (("--listen", "192.0.2.1:0"), ("--ice-config", self.path("none"))):
                result = run_cli("serve", "--log-format", "json", "--log-level", level,
                                 "--db", ":memory:", *options)
                self.assertEqual((result.returncode, result.stdout), (1, ""))
                events = self.events(result.stderr)
                self.assertEqual(events[-1]["level"], "critical", events)


if __name__ == "__main__":
    unittest.main()
