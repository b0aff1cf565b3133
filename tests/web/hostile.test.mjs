// A server that answers what the real one never would: here alone it is not the real one.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createRequire } from "node:module";
import path from "node:path";
import test from "node:test";

import { Voicechan } from "../../examples/web/voicechan.js";
import { Events, WebSocket, inTime } from "./server.mjs";

const { WebSocketServer } = createRequire(path.join(process.env.VOICECHAN_WEB_BUILD, "package.json"))("ws");
const kJoined = { type: "joined", room: "a", revision: 1, id: "me", peers: [], resume: { key: "k", seq: 0, window: 30 } };
const kPeer = { id: "p", user_id: 1, username: "bob", data: null, polite: true };

/** `onSocket(socket, send)` plays the server for each connection. */
async function playServer(t, onSocket, options = {}) {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1", handleProtocols: (offered) => [...offered][0] });
  await once(server, "listening");
  server.on("connection", (socket) => onSocket(socket, (message) => socket.send(JSON.stringify(message))));
  const client = new Voicechan({
    url: `http://127.0.0.1:${server.address().port}`,
    key: "k",
    WebSocket,
    backoff: { baseMs: 5, pauseMs: 50 },
    ...options,
  });
  t.after(() => {
    client.close();
    server.close();
    for (const socket of server.clients) socket.terminate();
  });
  return client;
}

test("messages that cannot be understood are told and harm nothing", async (t) => {
  const bad = ["no JSON", "[]", "null", '{"type":"peer_joined","revision":2,"peer":{"id":7}}',
    '{"type":"peer_left","revision":3,"id":"nobody"}', '{"type":"peer_updated","revision":"4"}', '{"from":7}',
    '{"type":"synced","revision":3,"changes":[null]}', '{"type":"synced","revision":3,"peers":{}}',
    '{"type":"ice_servers","ice_servers":[{"urls":7}]}', '{"type":"resumed","seq":0,"missed":0}'];
  const client = await playServer(t, (socket, send) => {
    send(kJoined);
    for (const text of bad) socket.send(text);
    socket.send(Buffer.from("bytes"));
    send({ type: "of days to come" });
    send({ type: "receipt", msg_id: {}, status: "new" });
    send({ from: "p", type: "hello" });
  });
  const room = client.signaling({ room: "a" });
  const events = new Events(room, "error", "message");
  for (const text of [...bad, "bytes"]) {
    assert.equal((await events.expect("error")).code, "protocol_error", text);
  }
  assert.equal((await events.expect("message")).message.type, "hello");
  assert.deepEqual([room.state, room.peers.size], ["open", 0]);
});

test("a join that is answered with nonsense ends it", async (t) => {
  for (const wrong of [{ peers: [{}] }, { revision: -1 }, { id: 7 }, { resume: {} }, { resume: 1 }]) {
    const client = await playServer(t, (_, send) => send({ ...kJoined, ...wrong }));
    const refusal = inTime(client.signaling({ room: "a" }).opened(), JSON.stringify(wrong));
    await assert.rejects(refusal, { code: "protocol_error" });
  }
});

test("an answer that never comes makes it try again", async (t) => {
  let count = 0;
  const client = await playServer(t, (_, send) => ++count > 1 && send(kJoined), { answerMs: 300 });
  const room = client.signaling({ room: "a" });
  const events = new Events(room, "state");
  assert.equal((await events.expect("state")).error.code, "no_answer");
  assert.equal((await events.expect("state")).state, "open");
});

test("each close code is obeyed", async (t) => {
  const cases = [[1002, "protocol_error"], [1007, "protocol_error"], [4403, "kicked"], [4409, "taken_over"],
    [4401, "unauthorized"]];
  for (const [code, name] of cases) {
    let count = 0;
    const client = await playServer(t, (socket, send) => {
      ++count;
      send(kJoined);
      socket.close(code);
    });
    const events = new Events(client.signaling({ room: "a" }), "state");
    assert.equal((await events.until("state", ({ state }) => state === "closed")).error.code, name);
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.deepEqual([count, events.count], [1, 0], `${code}`);
  }
  for (const [code, least] of [[1000, 0], [1001, 0], [1008, 50], [1009, 0], [1011, 0], [1013, 50]]) {
    const firsts = [];
    const client = await playServer(t, (socket, send) => {
      socket.once("message", (data) => firsts.push(JSON.parse(data).type));
      send(kJoined);
      socket.close(code);
    });
    const events = new Events(client.signaling({ room: "a" }), "state");
    const change = await events.until("state", ({ state }) => state !== "open");
    assert.deepEqual([change.state, change.error.closeCode], ["connecting", code]);
    assert.ok(change.retryInMs >= least && change.retryInMs <= least + 5, `${code}: ${change.retryInMs}`);
    await events.until("state", ({ state }) => state === "open");
    assert.deepEqual([...new Set(firsts)], ["join"], "what was closed with a code is not resumed");
  }
});

test("the count of a resume is that of all messages but two", async (t) => {
  const resumes = [];
  const client = await playServer(t, (socket, send) => {
    socket.on("message", (data) => {
      const message = JSON.parse(data);
      if (message.type === "join") {
        send(kJoined);
        send({ type: "peer_joined", room: "a", revision: 2, peer: kPeer });
        send({ from: "p" });
        socket.send("no JSON");
        return setTimeout(() => socket.terminate(), 20);
      }
      resumes.push(message);
      if (resumes.length === 3) return send({ type: "resume_failed", reason: "unknown" });
      send({ type: "resumed", id: "me", seq: message.seq, missed: 1 });
      send({ from: "p" });
      setTimeout(() => socket.terminate(), 20);
    });
  });
  const events = new Events(client.signaling({ room: "a" }), "joined", "state");
  await events.expect("state");
  await events.expect("joined");
  const joined = await events.until("joined");
  assert.deepEqual(resumes.map(({ seq, key }) => [seq, key]), [[3, "k"], [4, "k"], [5, "k"]]);
  assert.deepEqual([joined.again, joined.changes.left], [true, [kPeer]]);
});

test("a change that is missing is asked for", async (t) => {
  const client = await playServer(t, (socket, send) => {
    socket.on("message", (data) => {
      const { type, revision } = JSON.parse(data);
      if (type === "join") {
        send(kJoined);
        send({ type: "peer_left", room: "a", revision: 3, id: "unheard of" });
      } else if (type === "sync") {
        assert.equal(revision, 1);
        send({ type: "synced", room: "a", revision: 3, same: false, peers: [kPeer] });
        send({ type: "peer_left", room: "a", revision: 4, id: "p" });
      }
    });
  });
  const events = new Events(client.signaling({ room: "a" }), "peerjoined", "peerleft", "error");
  assert.deepEqual(await events.expect("peerjoined"), kPeer);
  assert.deepEqual(await events.expect("peerleft"), kPeer);
});
