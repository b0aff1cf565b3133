#!/usr/bin/python3
"""JWTs, made by PyJWT: which are taken, which are not, and how keys and tokens end."""

import asyncio
import base64
import json
import os
import shutil
import tempfile
import time
import unittest
import uuid

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, HMACAlgorithm, OKPAlgorithm, RSAAlgorithm

from harness import (CHANNELS, NOTIFICATIONS, SIGNALING, Case, WriteLock, eventually, in_time,
                     run_cli, voice)

SOCKETS = (voice("general"), SIGNALING, NOTIFICATIONS)
ISSUER, AUDIENCE = "https://id.example/", "voice"


class Signer:
    """A key of an identity provider, with its JWK."""

    def __init__(self, algorithm, key, jwk, kid):
        self.algorithm, self.key, self.kid = algorithm, key, kid
        self.jwk = dict(jwk, kid=kid)

    def token(self, subject, headers=None, without=(), **claims):
        payload = {"sub": subject, "iss": ISSUER, "aud": AUDIENCE, "exp": int(time.time()) + 300,
                   "jti": str(uuid.uuid4())}
        payload.update(claims)
        for name in without:
            del payload[name]
        return jwt.encode(payload, self.key, self.algorithm,
                          headers=dict({"kid": self.kid}, **(headers or {})))


def rs256(kid="rsa"):
    key = rsa.generate_private_key(65537, 2048)
    return Signer("RS256", key, json.loads(RSAAlgorithm.to_jwk(key.public_key())), kid)


def es256(kid="ec"):
    key = ec.generate_private_key(ec.SECP256R1())
    numbers = key.public_key().public_numbers()
    jwk = {"kty": "EC", "crv": "P-256", "x": b64(numbers.x.to_bytes(32, "big")),
           "y": b64(numbers.y.to_bytes(32, "big"))}
    return Signer("ES256", key, jwk, kid)


def eddsa(kid="ed"):
    key = ed25519.Ed25519PrivateKey.generate()
    return Signer("EdDSA", key, json.loads(OKPAlgorithm.to_jwk(key.public_key())), kid)


def hs256(kid="hs"):
    key = os.urandom(32)
    return Signer("HS256", key, {"kty": "oct", "k": b64(key)}, kid)


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


class JwtCase(Case):
    options = ()

    async def asyncSetUp(self):
        await super().asyncSetUp()
        self.signer = eddsa()
        self.start_with(self.signer, *self.options)

    def start_with(self, signers, *options):
        signers = signers if isinstance(signers, (list, tuple)) else [signers]
        directory = tempfile.mkdtemp(prefix="voicechan-jwks-")
        self.addCleanup(shutil.rmtree, directory)
        self.jwks = os.path.join(directory, "jwks.json")
        self.write_keys(*signers)
        self.server = self.start("--workers", "4", "--jwt-jwks", self.jwks, "--jwt-issuer", ISSUER,
                                 "--jwt-audience", AUDIENCE, "--jwt-leeway", "0",
                                 "--allow-query-token", *options)
        self.alice, self.bob = (self.server.add_user(name) for name in ("alice", "bob"))

    def write_keys(self, *signers):
        self.write_text(json.dumps({"keys": [signer.jwk for signer in signers]}))

    def write_text(self, text):
        with open(self.jwks + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(self.jwks + ".new", self.jwks)

    async def status_of(self, token):
        return (await self.rest("GET", CHANNELS, headers=bearer(token))).status

    async def check_refused(self, token, description=None):
        """REST and handshakes refuse it as RFC 6750 says, and show nothing of it."""
        answer = await self.rest("GET", CHANNELS, headers=bearer(token))
        self.assertEqual(answer.status, 401, (token, answer))
        challenge = answer.headers["WWW-Authenticate"]
        self.assertIn('error="invalid_token"', challenge)
        self.assertIn("error_description=", challenge)
        if description:
            self.assertIn(description, challenge)
        for part in str(token).split("."):
            if len(part) > 4:
                self.assertNotIn(part, challenge + answer.body.decode())
        self.assertEqual(await self.refused(SIGNALING, headers=bearer(token)), 401)

    def cli(self, *arguments):
        result = run_cli(*arguments, "--db", self.server.db)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    async def check_revoked(self, sockets):
        """All are closed with 4401 within a second of the command's end; on a machine that is too
        busy for that to tell anything, within five."""
        async def ended(socket_):
            await socket_.wait_closed()
            return socket_.close_code, socket_.close_reason
        is_busy = os.getloadavg()[0] > 2 * os.cpu_count()
        ends = await in_time(asyncio.gather(*map(ended, sockets)), 5 if is_busy else 1, "the closes")
        self.assertEqual(set(ends), {(4401, "credential revoked")})


class TakenTest(JwtCase):
    async def test_a_token_of_each_algorithm_is_its_subject(self):
        signers = [rs256(), es256(), eddsa(), hs256()]
        self.start_with(signers)
        for signer in signers:
            for user in (self.alice, self.bob):
                answer = await self.rest("POST", CHANNELS, headers=bearer(signer.token(user.name)),
                                         json={"name": "x"})
                self.assertEqual((answer.status, answer.json.get("creator")), (201, user.id),
                                 (signer.algorithm, answer))

    async def test_a_token_is_taken_wherever_a_key_is(self):
        token = self.signer.token("alice")
        for path in SOCKETS:
            for scheme in ("Bearer", "Token"):
                await self.connect(path, headers={"Authorization": f"{scheme} {token}"})
            socket_ = await self.connect(
                path, subprotocols=["voicechan", f"voicechan.auth.{token}"])
            self.assertEqual(socket_.subprotocol, "voicechan")
            await self.connect(f"{path}?token={token}")

    async def test_keys_work_beside_tokens(self):
        self.assertEqual((await self.rest("GET", CHANNELS, self.alice)).status, 200)
        await self.connect(SIGNALING, self.bob)
        self.assertEqual(await self.status_of(self.signer.token("bob")), 200)

    async def test_an_audience_may_be_one_of_several(self):
        self.assertEqual(await self.status_of(self.signer.token("bob", aud=["x", AUDIENCE])), 200)

    async def test_the_subject_may_be_the_id(self):
        self.start_with(self.signer, "--jwt-subject", "id")
        self.assertEqual(await self.status_of(self.signer.token(str(self.alice.id))), 200)
        await self.check_refused(self.signer.token("alice"), "not a user")

    async def test_users_are_created_where_that_is_wanted(self):
        self.start_with(self.signer, "--jwt-create-users")
        answers = await asyncio.gather(*(
            self.rest("POST", CHANNELS, headers=bearer(self.signer.token("auth0|4711")),
                      json={"name": "x"}) for _ in range(20)))
        self.assertEqual({answer.status for answer in answers}, {201})
        self.assertEqual(len({answer.json["creator"] for answer in answers}), 1)
        self.assertEqual(self.cli("user", "list").count("auth0|4711"), 1)


    async def test_users_who_are_there_do_not_wait_where_others_are_created(self):
        self.start_with(self.signer, "--jwt-create-users")
        newcomer = bearer(self.signer.token("newcomer"))
        with WriteLock(self.server.db) as lock:
            waiting = asyncio.create_task(self.rest("GET", CHANNELS, headers=newcomer))
            await asyncio.sleep(0.2)  # for it to wait, if it does
            for _ in range(3):
                self.assertEqual(await self.status_of(self.signer.token("alice")), 200)
                await self.connect(SIGNALING, headers=bearer(self.signer.token("alice")))
            self.assertFalse(waiting.done())
            lock.release()
            self.assertEqual((await waiting).status, 200)
        await self.connect(SIGNALING, headers=bearer(self.signer.token("newcomer2")))


class RefusedTest(JwtCase):
    async def test_times_issuer_and_audience_are_checked(self):
        token, now = self.signer.token, int(time.time())
        for refused, description in (
                (token("alice", exp=now - 1), "expired"),
                (token("alice", nbf=now + 60), "not valid yet"),
                (token("alice", without=["exp"]), "lacks a claim"),
                (token("alice", without=["sub"]), "lacks a claim"),
                (token("alice", iss="https://other.example/"), "issuer"),
                (token("alice", without=["iss"]), "issuer"),
                (token("alice", aud="video"), "audience"),
                (token("alice", without=["aud"]), "audience"),
                (token("mallory"), "not a user")):
            await self.check_refused(refused, description)

    async def test_a_token_ends_when_it_expires_and_its_socket_stays(self):
        token = self.signer.token("alice", exp=time.time() + 1.5)
        first, second = [await self.connect(voice("stays"), headers=bearer(token)) for _ in "12"]

        async def has_expired():
            return await self.status_of(token) == 401
        await eventually(has_expired, "the token expires")
        await first.send("still here")
        self.assertEqual(await self.next(second), "still here")

    async def test_other_signers_are_refused(self):
        for signer in (rs256("ed"), es256("ed"), eddsa("ed"), hs256("ed")):
            await self.check_refused(signer.token("alice"), "not signed by a key")
        await self.check_refused(self.signer.token("alice", headers={"kid": "other"}))

    async def test_algorithms_are_not_confused(self):
        signers = [rs256(), es256(), eddsa()]
        self.start_with(signers)
        claims = {"sub": "alice", "iss": ISSUER, "aud": AUDIENCE, "exp": int(time.time()) + 300}
        payload = b64(json.dumps(claims).encode())
        for signer in signers:
            pem = signer.key.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
            for secret in (pem, pem.strip(), json.dumps(signer.jwk).encode(), b""):
                for algorithm in ("HS256", "HS384", "HS512"):
                    header = b64(json.dumps({"alg": algorithm, "kid": signer.kid}).encode())
                    text = f"{header}.{payload}"
                    hmac = HMACAlgorithm(getattr(HMACAlgorithm, "SHA" + algorithm[2:]))
                    signature = b64(hmac.sign(text.encode(), secret))
                    await self.check_refused(f"{text}.{signature}")
            for algorithm in ("none", "None", "NONE", "nOnE", ""):
                header = b64(json.dumps({"alg": algorithm, "kid": signer.kid}).encode())
                for signature in ("", "AAAA"):
                    await self.check_refused(f"{header}.{payload}.{signature}")

    async def test_a_key_in_the_header_is_not_trusted(self):
        attacker = eddsa()
        for header in ({"jwk": attacker.jwk}, {"jku": "https://attacker.example/"},
                       {"x5u": "https://attacker.example/"}, {"x5c": ["MIIB"]}):
            await self.check_refused(attacker.token("alice", headers=header))

    async def test_critical_extensions_are_refused(self):
        await self.check_refused(self.signer.token("alice", headers={"crit": ["x"], "x": 1}))

    async def test_broken_tokens_are_refused(self):
        token = self.signer.token("alice")
        head, payload, signature = token.split(".")
        for broken in ("..", "a.b.c", f"{head}.{payload}.", f"{head}..{signature}",
                       f".{payload}.{signature}", f"{head}.{payload}.{signature}=",
                       f"{head}=.{payload}.{signature}", f"{head}.{payload}.{signature[:-2]}",
                       f"{head}.{payload}.{'A' * 86}", f"{head}.{payload}{'A' * 9000}.{signature}"):
            await self.check_refused(broken)

    async def test_nothing_of_a_token_is_logged(self):
        server = self.start("--jwt-jwks", self.jwks, "--log-level", "debug")
        for token in (self.signer.token("mallory"), eddsa().token("alice")):
            server.keys.update(part for part in token.split("."))
            self.assertEqual(
                (await self.rest("GET", CHANNELS, server=server, headers=bearer(token))).status, 401)
        await asyncio.to_thread(server.stop)  # looks for the keys


class RotationTest(JwtCase):
    async def test_new_keys_are_taken_and_old_ones_end_without_a_restart(self):
        successor = eddsa("next")
        old, new = self.signer.token("alice"), successor.token("alice")
        self.assertEqual([await self.status_of(old), await self.status_of(new)], [200, 401])
        self.write_keys(self.signer, successor)

        async def is_taken():
            return await self.status_of(new) == 200
        await eventually(is_taken, "the new key is taken")
        self.assertEqual(await self.status_of(old), 200)
        self.write_keys(successor)

        async def has_ended():
            return await self.status_of(old) == 401
        await eventually(has_ended, "the old key ends")

    async def test_a_broken_file_keeps_the_keys_and_is_logged_once(self):
        token = self.signer.token("alice")
        self.write_text('{"keys": [')
        await eventually(lambda: "stay as they were" in self.server.log(), "it is logged")
        await asyncio.sleep(2.5)  # time for two more looks, were it logged at each
        self.assertEqual(self.server.log().count("stay as they were"), 1)
        self.assertEqual(await self.status_of(token), 200)
        os.remove(self.jwks)
        await eventually(lambda: self.server.log().count("stay as they were") == 2, "logged again")
        self.assertEqual(await self.status_of(token), 200)

    async def test_a_server_without_usable_keys_does_not_start(self):
        for text in ("", '{"keys":[{"kty":"oct","k":"c2hvcnQ"}]}'):
            self.write_text(text)
            result = run_cli("serve", "--listen", "127.0.0.1:0", "--db", ":memory:",
                             "--jwt-jwks", self.jwks)
            self.assertEqual(result.returncode, 1)
            self.assertIn("cannot use the keys", result.stderr)


class RevocationTest(JwtCase):
    """64 connections over 4 workers: that all fall to one has a chance of 4^-63."""

    async def crowd(self, count=64, **arguments):
        return await asyncio.gather(
            *(self.connect(SOCKETS[i % 3], **arguments) for i in range(count)))

    async def test_a_replaced_key_closes_its_sockets_and_no_others(self):
        by_key = await self.crowd(user=self.alice)
        by_token = await self.crowd(6, headers=bearer(self.signer.token("alice")))
        of_bob = await self.crowd(6, user=self.bob)
        self.cli("user", "token", "alice")
        await self.check_revoked(by_key)
        self.assertEqual((await self.rest("GET", CHANNELS, self.alice)).status, 401)
        for sockets in (by_token, of_bob):
            for socket_ in sockets:
                await self.fence(socket_)

    async def fence(self, socket_):
        await asyncio.wait_for(await socket_.ping(), 5)

    async def test_a_removed_user_loses_all_sockets(self):
        sockets = await self.crowd(user=self.alice)
        sockets += await self.crowd(8, headers=bearer(self.signer.token("alice")))
        sockets += await self.crowd(8, headers=bearer(self.signer.token("alice", without=["jti"])))
        of_bob = await self.connect(SIGNALING, self.bob)
        self.cli("user", "remove", "alice")
        await self.check_revoked(sockets)
        await self.check_refused(self.signer.token("alice"), "not a user")
        await self.fence(of_bob)

    async def test_a_revoked_token_is_refused_and_its_sockets_are_closed(self):
        revoked = self.signer.token("alice", jti="stolen")
        sockets = await self.crowd(headers=bearer(revoked))
        others = await self.crowd(6, headers=bearer(self.signer.token("alice")))
        self.cli("token", "revoke", "stolen")
        await self.check_revoked(sockets)
        await self.check_refused(revoked, "revoked")
        for socket_ in others:
            await self.fence(socket_)

    async def test_who_is_revoked_is_out_of_the_room_at_once(self):
        token = self.signer.token("alice", jti="out")
        speaker = await self.connect(voice("out"), headers=bearer(token))
        first, second = await self.members("out", 2, self.bob)
        self.cli("token", "revoke", "out")
        await self.check_revoked([speaker])
        await first.send("we two")
        self.assertEqual(await self.next(second), "we two")

    async def test_a_keep_alive_connection_gets_401_on_its_next_request(self):
        connection = await self.raw()
        ask = (f"GET {CHANNELS} HTTP/1.1\r\nHost: x\r\nAuthorization: Token {self.alice.key}"
               "\r\n\r\n").encode()
        await connection.send(ask)
        self.assertEqual((await connection.response()).status, 200)
        self.cli("user", "token", "alice")
        await connection.send(ask)
        self.assertEqual((await connection.response()).status, 401)

    async def test_the_deny_list_is_shown_and_takes_nothing_that_has_ended(self):
        until = int(time.time()) + 600
        first = json.loads(self.cli("token", "revoke", "b", "--until", str(until)))
        self.assertEqual(first["jti"], "b")
        self.assertRegex(first["until"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")
        self.cli("token", "revoke", "a")
        listed = [json.loads(line) for line in self.cli("token", "list").splitlines()]
        self.assertEqual([token["jti"] for token in listed], ["a", "b"])
        late = run_cli("token", "revoke", "past", "--until", str(until - 3 * 86400),
                       "--db", self.server.db)
        self.assertEqual(late.returncode, 2)
        self.assertIn("--until is in the past", late.stderr)
        self.cli("token", "revoke", "c")
        listed = [json.loads(line)["jti"] for line in self.cli("token", "list").splitlines()]
        self.assertEqual(listed, ["a", "b", "c"])

    async def test_other_writes_of_the_database_close_nobody(self):
        sockets = await self.crowd(12, user=self.alice)
        self.server.add_user("dora")
        await self.create_channel(self.bob)
        canary = await self.connect(SIGNALING, self.bob)
        self.cli("user", "remove", "bob")
        await self.check_revoked([canary])
        for socket_ in sockets:
            await self.fence(socket_)


if __name__ == "__main__":
    unittest.main()
