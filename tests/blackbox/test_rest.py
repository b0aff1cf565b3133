#!/usr/bin/python3
"""The JSON resources: channels and invitations."""

import asyncio
import datetime
import json
import re
import unittest
import urllib.parse

from harness import CHANNELS, ICE_SERVERS, INVITE, TIMESTAMP, LiveCase

UKRAINIAN = "Загальна кімната"
NO_SUCH_ID = 987654321


class RestCase(LiveCase):
    def check_bad_field(self, answer, *fields):
        """400 with {"<field>": ["reason", ...]} for exactly one of `fields`."""
        self.assertEqual(answer.status, 400, answer)
        self.assertEqual(len(answer.json), 1, answer)
        (field, reasons), = answer.json.items()
        self.assertIn(field, fields, answer)
        self.assertIsInstance(reasons, list, answer)
        self.assertTrue(reasons, answer)
        for reason in reasons:
            self.assertIsInstance(reason, str, answer)
            self.assertTrue(reason, answer)

    def check_detail(self, answer, status):
        self.assertEqual(answer.status, status, answer)
        self.assertEqual(list(answer.json), ["detail"], answer)
        self.assertIsInstance(answer.json["detail"], str, answer)
        self.assertTrue(answer.json["detail"], answer)

    def check_fresh_timestamp(self, text):
        self.assertRegex(text, TIMESTAMP)
        moment = datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ")
        age = datetime.datetime.utcnow() - moment
        self.assertLess(abs(age.total_seconds()), 60, text)

    async def post(self, body, user=None, path=CHANNELS, content_type="application/json"):
        headers = {"Content-Type": content_type} if content_type else {}
        return await self.rest("POST", path, user or self.alice, data=body, headers=headers)

    async def create(self, **fields):
        return await self.rest("POST", CHANNELS, self.alice, json=fields)


class ChannelTest(RestCase):
    async def test_creating_a_channel_answers_201_with_the_object(self):
        answer = await self.create(name="general")
        self.assertEqual(answer.status, 201, answer)
        channel = answer.json
        self.assertLessEqual({"id", "name", "creator", "created_at"}, channel.keys())
        self.assertIs(type(channel["id"]), int)
        self.assertEqual(channel["name"], "general")
        self.assertIs(type(channel["creator"]), int)
        self.check_fresh_timestamp(channel["created_at"])

    async def test_a_channel_belongs_to_the_user_who_created_it(self):
        for user in (self.alice, self.bob):
            self.assertEqual((await self.create_channel(user))["creator"], user.id)

    async def test_reading_a_channel_answers_200_with_what_creating_it_answered(self):
        channel = await self.create_channel(self.alice, UKRAINIAN)
        answer = await self.rest("GET", f"{CHANNELS}{channel['id']}/", self.bob)
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.json, channel)

    async def test_the_list_is_an_array_of_all_channels_of_all_users(self):
        made = [await self.create_channel(user, f"list {user.name}")
                for user in (self.alice, self.bob, self.carol)]
        answer = await self.rest("GET", CHANNELS, self.carol)
        self.assertEqual(answer.status, 200)
        self.assertIsInstance(answer.json, list)
        for channel in made:
            self.assertEqual(answer.json.count(channel), 1)
        ids = [channel["id"] for channel in answer.json]
        self.assertEqual(ids, sorted(set(ids)))

    async def test_a_created_channel_is_in_the_next_list_over_any_connection(self):
        for round_ in range(20):
            channel = await self.create_channel(self.alice, f"seen {round_}")
            lists = await asyncio.gather(
                *(self.rest("GET", CHANNELS, self.bob) for _ in range(4)))
            for answer in lists:
                self.assertIn(channel, answer.json)

    async def test_two_channels_may_share_a_name(self):
        first = await self.create_channel(self.alice, "twice")
        second = await self.create_channel(self.alice, "twice")
        self.assertNotEqual(first["id"], second["id"])
        self.assertEqual(first["name"], second["name"])

    async def test_channels_created_at_the_same_time_get_distinct_ids(self):
        made = await asyncio.gather(
            *(self.create_channel(self.alice, f"burst {i}") for i in range(100)))
        self.assertEqual(len({channel["id"] for channel in made}), 100)
        self.assertEqual([channel["name"] for channel in made], [f"burst {i}" for i in range(100)])

    async def test_any_script_is_kept_character_for_character(self):
        for name in (UKRAINIAN, "غرفة", "会議室", "e\u0301", "\u00e9", "👩‍👩‍👧‍👦", "a\u200bb", 'q"\\/<&>', "%41",
                     "\U0010ffff", "\ufeffx"):
            with self.subTest(name=name):
                answer = await self.create(name=name)
                self.assertEqual(answer.status, 201, answer)
                self.assertEqual(answer.json["name"], name)

    async def test_names_given_as_escapes_and_as_utf8_are_the_same(self):
        for body in (b'{"name":"\\u0417\\ud83d\\ude00"}', '{"name":"З😀"}'.encode()):
            answer = await self.post(body)
            self.assertEqual(answer.status, 201, answer)
            self.assertEqual(answer.json["name"], "З😀")

    async def test_white_space_around_a_name_is_trimmed(self):
        for name in ("  general ", "\u00a0general\u3000", "\n\t general \r\n", "general\u2003"):
            with self.subTest(name=name):
                answer = await self.create(name=name)
                self.assertEqual(answer.status, 201, answer)
                self.assertEqual(answer.json["name"], "general")

    async def test_white_space_within_a_name_is_kept(self):
        answer = await self.create(name=" a  b\u00a0c ")
        self.assertEqual(answer.json["name"], "a  b\u00a0c")

    async def test_a_name_of_1_or_255_characters_is_accepted(self):
        for name in ("a", "a" * 255, "ї" * 255, "😀" * 255, " " * 50 + "я" * 255 + " " * 50):
            with self.subTest(name=name[:3], length=len(name)):
                answer = await self.create(name=name)
                self.assertEqual(answer.status, 201, answer)
                self.assertEqual(answer.json["name"], name.strip())

    async def test_a_name_of_0_or_256_characters_is_refused(self):
        for name in ("", " ", "\u3000\u00a0 ", "a" * 256, "ї" * 256, "😀" * 256):
            with self.subTest(name=name[:3], length=len(name)):
                self.check_bad_field(await self.create(name=name), "name")

    async def test_control_characters_in_a_name_are_refused(self):
        for character in ("\0", "\x01", "\n", "\t", "\r", "\x1b", "\x1f", "\x7f", "\x80", "\x85",
                          "\x9f"):
            with self.subTest(character=character):
                self.check_bad_field(await self.create(name=f"a{character}b"), "name")

    async def test_a_missing_name_is_a_required_field(self):
        answer = await self.create(title="x")
        self.check_bad_field(answer, "name")
        self.assertEqual(answer.json, {"name": ["This field is required."]})

    async def test_a_name_that_is_no_string_is_refused(self):
        for name in (1, 1.5, True, False, None, [], ["a"], {}, {"a": 1}):
            with self.subTest(name=name):
                self.check_bad_field(await self.create(name=name), "name")

    async def test_unknown_fields_are_ignored(self):
        answer = await self.create(name="general", topic="x", nested={"a": [1, {}]}, name2=None)
        self.assertEqual(answer.status, 201, answer)
        self.assertNotIn("topic", answer.json)

    async def test_read_only_fields_on_input_are_ignored(self):
        answer = await self.create(name="mine", id=NO_SUCH_ID, creator=self.bob.id,
                                   created_at="2001-01-01T00:00:00.000000Z")
        self.assertEqual(answer.status, 201, answer)
        self.assertNotEqual(answer.json["id"], NO_SUCH_ID)
        self.assertEqual(answer.json["creator"], self.alice.id)
        self.check_fresh_timestamp(answer.json["created_at"])
        answer = await self.create(name="mine", id="x", creator=[], created_at={})
        self.assertEqual(answer.status, 201, answer)

    async def test_a_refused_channel_is_not_created(self):
        before = (await self.rest("GET", CHANNELS, self.alice)).json
        await self.create(name="")
        await self.create(name="a" * 256)
        await self.post(b"[]")
        self.assertEqual((await self.rest("GET", CHANNELS, self.alice)).json, before)

    async def test_an_unknown_id_is_404(self):
        for identifier in ("0", "-1", str(NO_SUCH_ID), "x", "1x", "1.0", "9223372036854775807",
                           "9223372036854775808", "18446744073709551617", "9" * 100, "%00", "+1",
                           "%31%20"):
            for path in (f"{CHANNELS}{identifier}/", f"{CHANNELS}{identifier}"):
                with self.subTest(path=path):
                    answer = await self.rest("GET", path, self.alice)
                    self.check_detail(answer, 404)

    async def test_an_unknown_path_is_404(self):
        for path in ("/", "/api/", "/api/voice_channels/", "/api/voice_channels/nothing/", "/ws/",
                     "/ws/nothing/", "/ws/signaling/x/", "/API/voice_channels/voice_channels/",
                     "//api/voice_channels/voice_channels/", f"{CHANNELS}1/people/",
                     "/api/voice_channels/voice_channels//", "/index.html",
                     "/api/voice_channels%2Fvoice_channels/"):
            for method in ("GET", "POST"):
                with self.subTest(path=path, method=method):
                    answer = await self.rest(method, path, self.alice, json={"name": "x"})
                    self.check_detail(answer, 404)


class BodyTest(RestCase):
    async def test_a_body_that_is_not_a_json_object_is_400_with_a_detail(self):
        for path in (CHANNELS, INVITE):
            for body in (b"", b" ", b"[]", b'["name"]', b'"name"', b"1", b"null", b"true", b"{",
                         b'{"name"', b'{"name":}', b'{"name":"x"', b'{"name":"x"}}', b'{"name":"x"} x',
                         b"{'name':'x'}", b'{"name":"x",}', b"name=x", b'{"name":NaN}',
                         b'{"name":"a\nb"}', b'{"name":"\\x"}', b"\xff\xfe", b'{"name":"x"}\0'):
                with self.subTest(path=path, body=body):
                    self.check_detail(await self.post(body, path=path), 400)

    async def test_text_that_is_no_utf8_is_400(self):
        for text in (b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xd0", b"a\x80"):
            with self.subTest(text=text):
                answer = await self.post(b'{"name":"' + text + b'"}')
                self.assertEqual(answer.status, 400, answer)

    async def test_an_unpaired_surrogate_is_400(self):
        for text in (b"\\ud800", b"\\udc00", b"\\ud800x", b"\\ud800\\u0041", b"\\udc00\\ud800"):
            with self.subTest(text=text):
                answer = await self.post(b'{"name":"' + text + b'"}')
                self.assertEqual(answer.status, 400, answer)

    async def test_deep_nesting_is_400(self):
        for body in (b"[" * 100000, b'{"name":' + b"[" * 100000 + b"]" * 100000 + b"}",
                     b'{"x":' * 100000):
            answer = await self.post(body)
            self.assertEqual(answer.status, 400, answer)

    async def test_another_content_type_is_415(self):
        for kind in ("text/plain", "application/x-www-form-urlencoded", "application/xml",
                     "multipart/form-data; boundary=x", "application/jsonx", "json"):
            for path in (CHANNELS, INVITE):
                with self.subTest(kind=kind, path=path):
                    answer = await self.post(b'{"name":"x"}', path=path, content_type=kind)
                    self.check_detail(answer, 415)

    async def test_json_content_types_and_an_absent_one_are_accepted(self):
        for kind in ("application/json", "application/json; charset=utf-8",
                     "application/json;charset=UTF-8", "Application/JSON", None):
            with self.subTest(kind=kind):
                answer = await self.post(b'{"name":"x"}', content_type=kind)
                self.assertEqual(answer.status, 201, answer)

    async def test_a_body_above_the_limit_is_413(self):
        body = json.dumps({"name": "x", "pad": "y" * (4 << 20)}).encode()
        answer = await self.post(body)
        self.check_detail(answer, 413)

    async def test_json_is_answered_whatever_the_client_says_it_accepts(self):
        for accept in ("text/html", "*/*", "application/json", "text/html,application/xhtml+xml"):
            answer = await self.rest("GET", CHANNELS, self.alice, headers={"Accept": accept})
            self.assertEqual(answer.status, 200, answer)


class PathTest(RestCase):
    async def test_paths_with_and_without_the_trailing_slash_are_the_same(self):
        channel = await self.create_channel(self.alice)
        for path in (CHANNELS, f"{CHANNELS}{channel['id']}/"):
            with self.subTest(path=path):
                first = await self.rest("GET", path, self.alice)
                second = await self.rest("GET", path.rstrip("/"), self.alice)
                self.assertEqual((first.status, second.status), (200, 200))
                self.assertEqual(first.json, second.json)

    async def test_post_without_the_trailing_slash_is_not_redirected(self):
        answer = await self.post(b'{"name":"x"}', path=CHANNELS.rstrip("/"))
        self.assertEqual(answer.status, 201, answer)
        answer = await self.rest("POST", INVITE.rstrip("/"), self.alice,
                                 json={"voice_channel": answer.json["id"], "addressee": self.bob.id})
        self.assertEqual(answer.status, 201, answer)

    async def test_percent_encoding_is_decoded_once(self):
        channel = await self.create_channel(self.alice)
        encoded = "".join(f"%3{digit}" for digit in str(channel["id"]))
        for path in (f"/api/voice%5Fchannels/voice%5fchannels/{encoded}/",
                     f"/%61pi/voice_channels/voice_channels/{channel['id']}"):
            answer = await self.rest("GET", path, self.alice)
            self.assertEqual(answer.status, 200, answer)
            self.assertEqual(answer.json, channel)
        for path in (CHANNELS + encoded.replace("%", "%25"), "/api/voice%255Fchannels/invite/"):
            self.check_detail(await self.rest("GET", path, self.alice), 404)

    async def test_ill_formed_percent_encoding_is_refused(self):
        for path in (f"{CHANNELS}%", f"{CHANNELS}%3", f"{CHANNELS}%zz/", "/%ff/"):
            with self.subTest(path=path):
                self.assertIn((await self.rest("GET", path, self.alice)).status, (400, 404))

    async def test_an_unknown_query_is_ignored(self):
        channel = await self.create_channel(self.alice)
        for query in ("?", "?x", "?x=1&y=%20", "?format=json"):
            with self.subTest(query=query):
                answer = await self.rest("GET", f"{CHANNELS}{channel['id']}/{query}", self.alice)
                self.assertEqual(answer.status, 200, answer)


class MethodTest(RestCase):
    resources = {
        CHANNELS: {"GET", "HEAD", "POST", "OPTIONS"},
        f"{CHANNELS}1/": {"GET", "HEAD", "OPTIONS"},
        INVITE: {"POST", "OPTIONS"},
        ICE_SERVERS: {"GET", "HEAD", "OPTIONS"},
        "/api/voice_channels/signaling/team/trace/": {"GET", "HEAD", "OPTIONS"},
    }

    def allowed(self, answer):
        return {method.strip() for method in answer.headers["Allow"].split(",")}

    async def test_a_wrong_method_is_405_with_allow(self):
        await self.create_channel(self.alice)
        for path, methods in self.resources.items():
            for method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "REPORT"} - methods:
                for variant in (path, path.rstrip("/")):
                    with self.subTest(path=variant, method=method):
                        answer = await self.rest(method, variant, self.alice)
                        self.assertEqual(answer.status, 405, answer)
                        self.assertEqual(self.allowed(answer), methods)

    async def test_options_names_the_methods(self):
        await self.create_channel(self.alice)
        for path, methods in self.resources.items():
            answer = await self.rest("OPTIONS", path, self.alice)
            self.assertIn(answer.status, (200, 204), answer)
            self.assertEqual(self.allowed(answer), methods)

    async def test_options_needs_no_credential_because_a_preflight_has_none(self):
        answer = await self.rest("OPTIONS", CHANNELS, headers={
            "Origin": "http://app.example", "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type"})
        self.assertIn(answer.status, (200, 204), answer)

    async def test_head_is_get_without_the_body(self):
        channel = await self.create_channel(self.alice, UKRAINIAN)
        for path, status in ((CHANNELS, 200), (f"{CHANNELS}{channel['id']}/", 200),
                             (f"{CHANNELS}{NO_SUCH_ID}/", 404)):
            get = await self.rest("GET", path, self.alice)
            head = await self.rest("HEAD", path, self.alice)
            self.assertEqual((get.status, head.status), (status, status))
            self.assertEqual(head.body, b"")
            for name in ("Content-Length", "Content-Type"):
                self.assertEqual(head.headers[name], get.headers[name])

    async def test_head_without_a_credential_is_401(self):
        self.assertEqual((await self.rest("HEAD", CHANNELS)).status, 401)


class PagingTest(RestCase):
    def next_page(self, answer, path):
        link = answer.headers.get("Link")
        if link is None:
            return None
        match = re.fullmatch(r'\s*<([^>]*)>\s*;\s*rel="next"\s*', link)
        self.assertTrue(match, link)
        url = urllib.parse.urlsplit(urllib.parse.urljoin(self.server.http(path), match[1]))
        self.assertEqual((url.hostname, url.port), (self.server.host, self.server.port), link)
        return f"{url.path}?{url.query}"

    async def test_following_next_links_gives_every_channel_once_in_order(self):
        await asyncio.gather(*(self.create_channel(self.alice, f"page {i}") for i in range(25)))
        everything = (await self.rest("GET", CHANNELS, self.alice)).json
        for limit in (1, 7, len(everything) - 1):
            for start in (CHANNELS, CHANNELS.rstrip("/")):
                walked, path = [], f"{start}?limit={limit}"
                while path:
                    answer = await self.rest("GET", path, self.alice)
                    self.assertEqual(answer.status, 200, answer)
                    self.assertLessEqual(len(answer.json), limit)
                    self.assertTrue(answer.json)
                    walked += answer.json
                    path = self.next_page(answer, path)
                self.assertEqual(walked, everything)

    async def test_the_last_page_has_no_next_link(self):
        await asyncio.gather(*(self.create_channel(self.alice, f"last {i}") for i in range(4)))
        ids = [channel["id"] for channel in (await self.rest("GET", CHANNELS, self.alice)).json]
        for query, expected in ((f"limit={len(ids)}", ids), (f"limit={len(ids) + 5}", ids),
                                (f"limit=2&after={ids[-3]}", ids[-2:]),
                                (f"limit=2&after={ids[-1]}", []),
                                (f"limit=2&after={NO_SUCH_ID}", [])):
            with self.subTest(query=query):
                answer = await self.rest("GET", f"{CHANNELS}?{query}", self.alice)
                self.assertEqual([channel["id"] for channel in answer.json], expected)
                self.assertNotIn("Link", answer.headers)

    async def test_after_alone_gives_all_later_ones(self):
        made = [await self.create_channel(self.alice, f"after {i}") for i in range(3)]
        answer = await self.rest("GET", f"{CHANNELS}?after={made[0]['id']}", self.alice)
        self.assertEqual([channel for channel in answer.json if channel in made], made[1:])
        self.assertTrue(all(channel["id"] > made[0]["id"] for channel in answer.json))

    async def test_a_bad_limit_or_after_is_400_naming_it(self):
        for field in ("limit", "after"):
            for value in ("x", "", "-1", "1.5", "1x", "%20", "x%201"):
                with self.subTest(field=field, value=value):
                    answer = await self.rest("GET", f"{CHANNELS}?{field}={value}", self.alice)
                    self.check_bad_field(answer, field)
        self.check_bad_field(await self.rest("GET", f"{CHANNELS}?limit=0", self.alice), "limit")

    async def test_without_parameters_a_thousand_channels_come_at_once(self):
        before = len((await self.rest("GET", CHANNELS, self.alice)).json)
        for _ in range(10):
            await asyncio.gather(*(self.create_channel(self.alice, "ї" * 200) for _ in range(100)))
        answer = await self.rest("GET", CHANNELS, self.alice)
        self.assertEqual(len(answer.json), before + 1000)
        self.assertNotIn("Link", answer.headers)


class InvitationTest(RestCase):
    async def asyncSetUp(self):
        await super().asyncSetUp()
        self.channel = await self.create_channel(self.alice)

    async def send(self, user=None, **fields):
        return await self.rest("POST", INVITE, user or self.alice, json=fields)

    async def test_inviting_answers_201_with_the_object(self):
        answer = await self.send(voice_channel=self.channel["id"], addressee=self.bob.id)
        self.assertEqual(answer.status, 201, answer)
        invitation = answer.json
        self.assertIs(type(invitation["id"]), int)
        self.assertEqual(invitation["voice_channel"], self.channel["id"])
        self.assertIs(type(invitation["voice_channel"]), int)
        self.assertEqual(invitation["addressee"], self.bob.id)
        self.assertIs(type(invitation["addressee"]), int)
        self.assertEqual(invitation["inviter"], self.alice.id)
        self.assertEqual(invitation["status"], "pending")
        self.check_fresh_timestamp(invitation["created_at"])

    async def test_recipient_is_taken_for_addressee_and_addressee_is_returned(self):
        answer = await self.send(voice_channel=self.channel["id"], recipient=self.bob.id)
        self.assertEqual(answer.status, 201, answer)
        self.assertEqual(answer.json["addressee"], self.bob.id)

    async def test_recipient_and_addressee_may_both_come_if_they_agree(self):
        for addressee, recipient in ((self.bob.id, self.bob.id), (self.bob.id, str(self.bob.id)),
                                     (str(self.bob.id), self.bob.id)):
            answer = await self.send(voice_channel=self.channel["id"], addressee=addressee,
                                     recipient=recipient)
            self.assertEqual(answer.status, 201, answer)
            self.assertEqual(answer.json["addressee"], self.bob.id)

    async def test_recipient_and_addressee_that_differ_are_an_error(self):
        for addressee, recipient in ((self.bob.id, self.carol.id), (self.bob.id, NO_SUCH_ID),
                                     (self.bob.id, "x")):
            answer = await self.send(voice_channel=self.channel["id"], addressee=addressee,
                                     recipient=recipient)
            self.check_bad_field(answer, "addressee", "recipient")

    async def test_ids_may_be_strings_of_digits(self):
        answer = await self.send(voice_channel=str(self.channel["id"]), addressee=str(self.bob.id))
        self.assertEqual(answer.status, 201, answer)
        self.assertEqual(answer.json["voice_channel"], self.channel["id"])
        self.assertIs(type(answer.json["voice_channel"]), int)
        self.assertEqual(answer.json["addressee"], self.bob.id)
        self.assertIs(type(answer.json["addressee"]), int)

    bad_ids = (None, True, False, 1.5, [], [1], {}, "", "x", "1x", "0x1", "1.0", "-1", -1, 0, 2**63,
               2**64 + 1, 10**30, "9" * 40, "١")

    async def test_a_bad_or_unknown_voice_channel_is_400_naming_it(self):
        for identifier in self.bad_ids + (NO_SUCH_ID, str(NO_SUCH_ID)):
            with self.subTest(identifier=identifier):
                answer = await self.send(voice_channel=identifier, addressee=self.bob.id)
                self.check_bad_field(answer, "voice_channel")

    async def test_a_bad_or_unknown_addressee_is_400_naming_it(self):
        for identifier in self.bad_ids + (NO_SUCH_ID, str(NO_SUCH_ID)):
            with self.subTest(identifier=identifier):
                answer = await self.send(voice_channel=self.channel["id"], addressee=identifier)
                self.check_bad_field(answer, "addressee")
                answer = await self.send(voice_channel=self.channel["id"], recipient=identifier)
                self.check_bad_field(answer, "addressee", "recipient")

    async def test_missing_fields_are_each_named(self):
        self.check_bad_field(await self.send(addressee=self.bob.id), "voice_channel")
        self.check_bad_field(await self.send(voice_channel=self.channel["id"]), "addressee")
        answer = await self.send()
        self.assertEqual(answer.status, 400)
        self.assertEqual(set(answer.json), {"voice_channel", "addressee"})

    async def test_a_missing_field_and_an_unknown_one_are_both_named(self):
        for fields in ({"voice_channel": NO_SUCH_ID}, {"addressee": NO_SUCH_ID},
                       {"voice_channel": "x", "addressee": NO_SUCH_ID},
                       {"voice_channel": NO_SUCH_ID, "addressee": NO_SUCH_ID}):
            answer = await self.send(**fields)
            self.assertEqual(answer.status, 400, answer)
            self.assertEqual(set(answer.json), {"voice_channel", "addressee"}, fields)

    async def test_read_only_and_unknown_fields_on_input_are_ignored(self):
        answer = await self.send(
            voice_channel=self.channel["id"], addressee=self.bob.id, id=NO_SUCH_ID,
            inviter=self.carol.id, status="accepted", created_at="x", message="hello")
        self.assertEqual(answer.status, 201, answer)
        self.assertNotEqual(answer.json["id"], NO_SUCH_ID)
        self.assertEqual(answer.json["inviter"], self.alice.id)
        self.assertEqual(answer.json["status"], "pending")
        self.check_fresh_timestamp(answer.json["created_at"])

    async def test_invitations_have_distinct_ids(self):
        made = await asyncio.gather(
            *(self.invite(self.alice, self.channel, self.bob) for _ in range(50)))
        self.assertEqual(len({invitation["id"] for invitation in made}), 50)

    async def test_any_user_can_invite_into_any_channel(self):
        answer = await self.send(self.bob, voice_channel=self.channel["id"], addressee=self.carol.id)
        self.assertEqual(answer.status, 201, answer)
        self.assertEqual(answer.json["inviter"], self.bob.id)


if __name__ == "__main__":
    unittest.main()
