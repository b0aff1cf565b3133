#!/usr/bin/python3
"""/api/schema/: the OpenAPI document follows its rules, and tells of every path, method and status
what the real server does: each is made to happen, and whatever is answered must be in it."""

import json
import os
import re
import tempfile
import unittest

from harness import (CHANNELS, HERE, INVITE, NOTIFICATIONS, SIGNALING, Case, LiveCase,
                     RawConnection, User, WriteLock, eventually, run_cli, upgrade_request, voice)
from interface_documents import check_references, check_schemas, closed, faults, parts, resolved

SCHEMA = "/api/schema/"
METHODS = ("get", "head", "options", "post", "put", "patch", "delete", "trace")
NOBODY = User(0, "nobody", "0" * 64)
UNREACHABLE = "500"  # takes a fault of the server's that nobody knows

# The members that OpenAPI 3.1 knows, for the parts in which a slip would go unnoticed.
KNOWN = {
    "path": {"summary", "description", "parameters", "servers", *METHODS},
    "operation": {"tags", "summary", "description", "operationId", "parameters", "requestBody",
                  "responses", "security", "deprecated"},
    "response": {"description", "headers", "content", "links"},
    "parameter": {"name", "in", "description", "required", "schema", "example", "examples"},
    "header": {"description", "required", "schema", "example", "examples"},
    "media": {"schema", "example", "examples", "encoding"},
}


def endpoints_of_the_router():
    """The paths for clients that server/router.hpp names, as OpenAPI writes them."""
    with open(os.path.join(HERE, "..", "..", "server", "router.hpp"), encoding="utf-8") as file:
        text = re.search(r"enum class Endpoint \{(.*?)\};", file.read(), re.DOTALL)[1]
    text, _, for_operators = text.partition("  metrics,")
    assert for_operators, "what is for operators comes last"
    found = re.findall(r"^\s*\w+,\s*// (/[^\s:]*)", text, re.MULTILINE)
    if len(found) != len(re.findall(r"^\s*\w+,", text, re.MULTILINE)):
        raise AssertionError("an endpoint without its path")
    return {path.replace("<ID>", "{id}").replace("<room_name>", "{room_name}") for path in found}


def operations(document):
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield path, method, item[method]


class DocumentTest(LiveCase):
    async def asyncSetUp(self):
        await super().asyncSetUp()
        answer = await self.rest("GET", SCHEMA)
        self.assertEqual(answer.status, 200)
        self.document = answer.json

    def check_known(self, kind, node, where):
        unknown = {key for key in node if not key.startswith("x-")} - KNOWN[kind]
        self.assertFalse(unknown, f"{kind} {where}")

    async def test_it_is_of_this_version_and_can_be_read_without_a_key(self):
        self.assertRegex(self.document["openapi"], r"^3\.1\.\d+$")
        version = run_cli("--version").stdout.strip()
        self.assertEqual(self.document["info"]["version"], version.split()[-1])
        for path in (SCHEMA, "/api/schema/websockets/"):
            get, head = await self.rest("GET", path), await self.rest("HEAD", path.rstrip("/"))
            self.assertEqual(get.headers["Content-Type"], "application/json")
            self.assertEqual((head.status, head.body), (200, b""))
            self.assertEqual(head.headers["Content-Length"], str(len(get.body)))

    async def test_it_has_the_endpoints_of_the_router_and_no_others(self):
        self.assertEqual(set(self.document["paths"]), endpoints_of_the_router())

    async def test_references_and_schemas_are_right(self):
        check_references(self, self.document)
        check_schemas(self, self.document)

    async def test_operations_are_complete(self):
        seen, tags = set(), {tag["name"] for tag in self.document["tags"]}
        schemes = set(self.document["components"]["securitySchemes"])
        for path, item in self.document["paths"].items():
            self.check_known("path", item, path)
        for path, method, operation in operations(self.document):
            with self.subTest(path=path, method=method):
                self.check_known("operation", operation, path)
                self.assertNotIn(operation["operationId"], seen)
                seen.add(operation["operationId"])
                self.assertLessEqual(set(operation["tags"]), tags)
                for need in operation.get("security", self.document["security"]):
                    self.assertLessEqual(set(need), schemes)
                self.assertTrue(operation["summary"])
                listed = [*self.document["paths"][path].get("parameters", ()),
                          *operation.get("parameters", ())]
                known = [resolved(self.document, parameter) for parameter in listed]
                in_path = [each["name"] for each in known if each["in"] == "path"]
                self.assertEqual(sorted(in_path), sorted(re.findall(r"\{(\w+)\}", path)))
                self.assertTrue(all(each["required"] for each in known if each["in"] == "path"))
                self.assertEqual("requestBody" in operation, method == "post")
                for status, response in operation["responses"].items():
                    self.assertRegex(status, r"^([1-5]\d\d|default)$")
                    response = resolved(self.document, response)
                    self.check_known("response", response, (path, status))
                    self.assertTrue(response["description"])
                    has_body = method != "head" and status != "101"
                    self.assertEqual("content" in response, has_body, (path, method, status))

    async def test_every_example_is_what_it_is_an_example_of(self):
        document, count = closed(self.document), 0
        for path, node in parts(document):
            if not {"example", "examples"} & set(node) or "schema" not in node:
                continue
            kind = ("media" if path[-1] == "application/json" else
                    "parameter" if "in" in node else "header")
            self.check_known(kind, node, path)
            values = [each["value"] for each in node.get("examples", {}).values()]
            values += [node["example"]] if "example" in node else []
            for value in values:
                count += 1
                with self.subTest(at=path, value=value):
                    self.assertEqual(faults(document, node["schema"], value), [])
        self.assertGreater(count, 30)


class WalkTest(Case):
    """Makes each documented answer happen. `ask` looks every answer up in the document."""

    seconds = 60

    async def asyncSetUp(self):
        await super().asyncSetUp()
        self.seen = set()
        self.serve("--operator-key-file", self.write_operator_key())
        self.document = closed((await self.rest("GET", SCHEMA)).json)

    def write_operator_key(self):
        self.operator = User(0, "operator", "o" * 40)
        file = tempfile.NamedTemporaryFile("w", encoding="ascii")
        self.addCleanup(file.close)
        file.write(self.operator.key + "\n")
        file.flush()
        return file.name

    def serve(self, *options):
        self.server = self.start("--workers", "2", *options)
        self.alice, self.bob = self.server.add_user("alice"), self.server.add_user("bob")
        return self.server

    # Asking.

    def look_up_response(self, template, method, status):
        item = self.document["paths"][template]
        if method not in item:
            self.assertEqual(status, 405, (template, method))
            self.seen.add((template, method, "405"))
            return resolved(self.document, item["x-other-methods"])
        responses = item[method]["responses"]
        key = str(status) if str(status) in responses else "default"
        if key == "default":
            wire = resolved(self.document, responses[key])["description"]
            get = self.document["paths"][template].get("get") or item["post"]
            told = resolved(self.document, get["responses"]["default"])["description"]
            self.assertIn(str(status), wire + told, f"not in the document: {template} {method}")
        self.seen.add((template, method, key))
        return resolved(self.document, responses[key])

    def check_documented(self, template, method, answer):
        response = self.look_up_response(template, method, answer.status)
        for name, header in response.get("headers", {}).items():
            if name not in answer.headers:
                self.assertFalse(header.get("required"), f"{name} is missing: {answer}")
                continue
            value = answer.headers[name]
            if header["schema"].get("type") == "integer":
                value = int(value)
            self.assertEqual(faults(self.document, header["schema"], value), [], answer)
        if "content" not in response:
            self.assertEqual(answer.body, b"", answer)
            return
        self.assertEqual(answer.headers["Content-Type"], "application/json")
        schema = response["content"]["application/json"]["schema"]
        self.assertEqual(faults(self.document, schema, answer.json), [], (template, method, answer))

    async def ask(self, template, method, user=None, body=None, query="", path=None, socket=False,
                  **fields):
        """One request on a connection of its own. `fields` with `_` for `-`."""
        if path is None:
            path = template.replace("{id}", "1").replace("{room_name}", "team")
        if socket:
            data = upgrade_request(path + query, user, **fields)
        else:
            if user:
                fields.setdefault("Authorization", f"Bearer {user.key}")
            if body is not None:
                fields.setdefault("Content_Type", "application/json")
                fields.setdefault("Content_Length", str(len(body)))
            head = [f"{method.upper()} {path}{query} HTTP/1.1", "Host: localhost"]
            head += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
            data = ("\r\n".join(head) + "\r\n\r\n").encode() + (body or b"")
        connection = await RawConnection.open(self.server)
        self.addAsyncCleanup(connection.close)
        await connection.send(data)
        answer = await connection.response(method.upper())
        if answer.status != 101:
            await connection.close()
        self.check_documented(template, method, answer)
        return answer

    def is_socket(self, template):
        return template.startswith("/ws/")

    def needs_user(self, operation):
        return operation.get("security") != []

    def good_body(self, template):
        bodies = {CHANNELS: {"name": "general"}, INVITE: {"voice_channel": 1, "addressee": 2}}
        return json.dumps(bodies[template]).encode()

    async def expect(self, status, *arguments, **named):
        answer = await self.ask(*arguments, **named)
        self.assertEqual(answer.status, status, (arguments, named.keys(), answer))
        return answer

    # What happens on any server.

    async def succeed(self):
        await self.expect(201, CHANNELS, "post", self.alice, self.good_body(CHANNELS))
        self.addAsyncCleanup((await self.join_room(self.alice, "team")).close)
        self.addAsyncCleanup((await self.connect(voice("1"), self.bob)).close)
        for template, method, operation in operations(self.document):
            with self.subTest(template=template, method=method):
                socket = self.is_socket(template)
                user = self.alice if self.needs_user(operation) else None
                if method == "post":
                    status, more = 201, {"body": self.good_body(template)}
                elif socket and method == "get":
                    status, more = 101, {"socket": True}
                else:
                    status, more = (426 if socket and method == "head" else 200), {}
                await self.expect(status, template, method, user, **more)
                path = template.rstrip("/").replace("{id}", "1").replace("{room_name}", "team")
                await self.expect(status, template, method, user, path=path, **more)
        await self.expect(200, CHANNELS + "{id}/members/", "get", self.alice, query="?limit=1")
        for _ in range(2):
            await self.expect(201, CHANNELS, "post", self.alice, b'{"name":"next"}')
        answer = await self.expect(200, CHANNELS, "get", self.alice, query="?limit=1&after=1")
        self.assertIn("Link", answer.headers)

    async def join_room(self, user, room):
        peer = await self.connect(SIGNALING, user)
        await peer.send(json.dumps({"type": "join", "room": room, "data": {"muted": True}}))
        self.assertEqual((await self.next_json(peer))["type"], "joined")
        return peer

    async def fail_to_be_understood(self):
        for template, method, operation in operations(self.document):
            with self.subTest(template=template, method=method):
                await self.expect(400, template, method, query="?x=%zz", body=b"{}" if
                                  method == "post" else None)
                await self.expect(414, template, method, query="?x=" + "y" * 9000)
                await self.expect(431, template, method, X="y" * 20000)
                await self.expect(417, template, method, Expect="something", Content_Length="2")
                await self.expect(501, template, method, Transfer_Encoding="gzip")
                if self.needs_user(operation) and not (self.is_socket(template) and
                                                       method == "head"):
                    more = {"socket": True} if self.is_socket(template) else {}
                    if method == "post":
                        more["body"] = b"{}"
                    await self.expect(401, template, method, **more)
                    await self.expect(401, template, method, NOBODY, **more)
                if template == NOTIFICATIONS and method == "get":
                    await self.expect(400, template, method, self.alice, query="?since=x",
                                      socket=True)
                if "limit" in {resolved(self.document, parameter).get("name")
                               for parameter in operation.get("parameters", ())}:
                    for query in ("?limit=0", "?limit=x&after=x"):
                        await self.expect(400, template, method, self.alice, query=query)
        for template, item in self.document["paths"].items():
            documented = ", ".join(method.upper() for method in METHODS if method in item)
            for method in ("put", "delete", "patch", "trace", "post", "get"):
                if method in item:
                    continue
                answer = await self.expect(405, template, method, body=b"{}")
                self.assertEqual(answer.headers["Allow"], documented)
            answer = await self.ask(template, "options")
            self.assertEqual(answer.headers["Allow"], documented)
            if "{id}" in template:
                for method in ("get", "head"):
                    path = template.replace("{id}", "987654321")
                    await self.expect(404, template, method, self.alice, path=path)

    async def have_no_such_room(self):
        template = "/api/voice_channels/signaling/{room_name}/trace/"
        for method in ("get", "head"):
            path = template.replace("{room_name}", "nowhere")
            await self.expect(404, template, method, self.bob, path=path)
        await self.expect(200, template, "get", self.operator)

    async def send_bad_bodies(self):
        for template in (CHANNELS, INVITE):
            for body in (b"[]", b"", b"{", b"{}", b'{"name":1,"voice_channel":9,"addressee":null}',
                         b'{"name":"\\n","voice_channel":1,"addressee":9,"recipient":8}'):
                await self.expect(400, template, "post", self.alice, body)
            await self.expect(411, template, "post", self.alice)
            await self.expect(413, template, "post", self.alice, b" " * (2 << 20))
            await self.expect(415, template, "post", self.alice, b"{}", Content_Type="text/plain")

    async def come_from_another_site(self):
        for template in self.document["paths"]:
            if self.is_socket(template):
                await self.expect(403, template, "get", self.alice, socket=True,
                                  Origin="https://evil.example")
                await self.expect(426, template, "get", self.alice)

    # What takes a server of its own.

    async def create_too_many(self):
        self.serve("--max-channels-per-user", "1", "--max-invitations-per-user", "1")
        for template in (CHANNELS, INVITE):
            body = self.good_body(template)
            await self.expect(201, template, "post", self.alice, body)
            await self.expect(403, template, "post", self.alice, body)

    async def fill_a_room(self):
        self.serve("--max-room-members", "1")
        await self.expect(101, "/ws/voice/{room_name}/", "get", self.alice, socket=True)
        await self.expect(409, "/ws/voice/{room_name}/", "get", self.bob, socket=True)

    async def ask_too_often(self):
        self.serve("--wrong-key-rate", "0.01", "--wrong-key-burst", "1")
        await self.expect(401, CHANNELS, "get", NOBODY)
        for template, method, operation in operations(self.document):
            if "429" in operation["responses"]:
                more = {"socket": True} if self.is_socket(template) else {}
                if method == "post":
                    more["body"] = b"{}"
                await self.expect(429, template, method, NOBODY, **more)
        self.serve("--request-rate", "0.01", "--request-burst", "1")
        await self.expect(200, CHANNELS, "get", self.alice)
        await self.expect(429, CHANNELS, "get", self.alice)

    async def ask_one_that_stops(self):
        self.serve("--drain-timeout", "30", "--close-timeout", "30")
        await self.expect(201, CHANNELS, "post", self.alice, self.good_body(CHANNELS))
        with WriteLock(self.server.db):
            await self.expect(503, CHANNELS, "post", self.alice, self.good_body(CHANNELS))
        # One that does not answer the close keeps the server from ending.
        staying = await self.raw_websocket(SIGNALING, self.alice)
        self.server.process.terminate()

        async def is_stopping():
            return (await self.ask("/readyz", "get")).status == 503

        await eventually(is_stopping, "the server stops")
        for template, method, operation in operations(self.document):
            if "503" in operation["responses"]:
                user = self.alice if self.needs_user(operation) else None
                body = self.good_body(template) if method == "post" else None
                await self.expect(503, template, method, user, body)
        self.assertEqual((await self.ask("/livez", "get")).status, 200)
        await staying.close()

    async def test_every_documented_answer_happens_and_no_other(self):
        await self.succeed()
        await self.fail_to_be_understood()
        await self.have_no_such_room()
        await self.send_bad_bodies()
        await self.come_from_another_site()
        await self.create_too_many()
        await self.fill_a_room()
        await self.ask_too_often()
        await self.ask_one_that_stops()
        documented = {(path, method, status) for path, method, operation in
                      operations(self.document) for status in operation["responses"]
                      if status != UNREACHABLE}
        self.assertEqual(documented - self.seen, set(), "documented, but it did not happen")


if __name__ == "__main__":
    unittest.main()
