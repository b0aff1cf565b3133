// With the WebSocket of the WHATWG, as browsers have it and Node of late: it cannot be cut off, does not
// tell why a handshake failed, and closes in its own time.

import assert from "node:assert/strict";
import test from "node:test";

import { Unauthorized } from "../../examples/web/voicechan.js";
import { Events, Proxy, Server, inTime } from "./server.mjs";

const { WebSocket } = globalThis;
const skip = WebSocket === undefined && "this Node has no WebSocket of its own";

test("signaling over a browser's WebSocket resumes a dead line", { skip }, async (t) => {
  const server = await Server.start(t);
  const proxy = await Proxy.start(t, server.port);
  const ann = (await server.client("ann", { WebSocket, port: proxy.port, quietMs: 100, answerMs: 300 })).signaling({ room: "a" });
  const annEvents = new Events(ann, "state", "joined", "message");
  await annEvents.until("joined");
  const bob = (await server.client("bob")).signaling({ room: "a" });
  await bob.opened();
  proxy.killThese();
  const sent = bob.send(ann.id, { text: "hello" });
  await annEvents.until("state", ({ state }) => state === "resuming");
  assert.equal((await annEvents.until("message")).message.text, "hello");
  assert.equal((await inTime(sent, "the receipt")).status, "delivered");
  assert.equal((await inTime(ann.send(bob.id, {}), "the receipt")).status, "delivered");
  await inTime(ann.leave(), "leave");
});

test("voice over a browser's WebSocket", { skip }, async (t) => {
  const server = await Server.start(t);
  const ann = (await server.client("ann", { WebSocket })).voice("a");
  await ann.opened();
  const bob = (await server.client("bob")).voice("a");
  const events = new Events(bob, "audio");
  await bob.opened();
  ann.sendAudio(new Uint8Array([1, 2, 3]).subarray(1));
  assert.deepEqual((await events.expect("audio")).bytes, new Uint8Array([2, 3]));
});

test("a wrong key is told from a server that is not there", { skip }, async (t) => {
  const server = await Server.start(t);
  const client = server.clientOf({ token: "0".repeat(64) }, { WebSocket });
  await assert.rejects(inTime(client.voice("a").opened(), "the refusal"), Unauthorized);
  await server.stop();
  const events = new Events(server.clientOf({ token: "0".repeat(64) }, { WebSocket }).voice("a"), "state");
  assert.equal((await events.expect("state")).error.code, "no_answer");
});
