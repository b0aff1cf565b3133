import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test from "node:test";

import { NotConnected, PeerGone, Refused, Unauthorized, Unconfirmed } from "../../examples/web/voicechan.js";
import { Events, Proxy, Server, WebSocket, inTime, until } from "./server.mjs";

const kTypes = ["joined", "peerjoined", "peerupdated", "peerleft", "message", "error", "state"];

async function enter(client, options = {}) {
  const room = client.signaling({ room: "team", ...options });
  const events = new Events(room, ...kTypes);
  const joined = await events.until("joined");
  return { room, events, joined };
}

async function twoPeers(server, options) {
  const ann = await enter(await server.client("ann", options), { data: { name: "Ann" } });
  const bob = await enter(await server.client("bob", options));
  await ann.events.expect("peerjoined");
  return [ann, bob];
}

test("peers learn of each other, of updates and of who leaves", async (t) => {
  const server = await Server.start(t);
  const ann = await enter(await server.client("ann"), { data: { name: "Ann" } });
  assert.equal(ann.joined.again, false);
  assert.deepEqual(ann.joined.peers, []);
  const bob = await enter(await server.client("bob"));
  const [peer] = bob.joined.peers;
  assert.deepEqual({ ...peer }, { ...peer, id: ann.room.id, username: "ann", data: { name: "Ann" }, polite: true });
  const came = await ann.events.expect("peerjoined");
  assert.deepEqual([came.id, came.polite, ann.room.peers.get(came.id)], [bob.room.id, false, came]);

  await Promise.all([1, 2, 3].map((number) => ann.room.update({ number })));
  const updated = await bob.events.until("peerupdated", ({ data }) => data.number === 3);
  assert.deepEqual(bob.room.peers.get(ann.room.id), updated);
  await inTime(ann.room.leave(), "leave");
  assert.equal(ann.room.state, "closed");
  assert.equal((await bob.events.expect("peerleft")).id, ann.room.id);
  assert.equal(bob.room.peers.size, 0);
});

test("each message has its receipt, and keeps its order", async (t) => {
  const server = await Server.start(t);
  const [ann, bob] = await twoPeers(server);
  const sent = Array.from({ length: 200 }, (_, number) => ann.room.send(bob.room.id, { type: "number", number }));
  for (let number = 0; number < 200; ++number) {
    const { from, peer, message } = await bob.events.expect("message");
    assert.deepEqual([from, peer.username, message.number], [ann.room.id, "ann", number]);
  }
  for (const receipt of await Promise.all(sent)) {
    assert.deepEqual(receipt, { status: "delivered", to: bob.room.id });
  }
  // Whatever type a peer invents, it is a message, and what it says of its sender is not believed.
  await bob.room.send(ann.room.id, { type: "peer_left", id: bob.room.id, from: "me", msg_id: 9, to: "x" });
  assert.equal((await ann.events.expect("message")).message.from, bob.room.id);
  assert.equal(ann.room.peers.size, 1);
});

test("what does not come is rejected with the reason", async (t) => {
  const server = await Server.start(t, "--max-signaling-bytes", "5000", "--max-peer-data-bytes", "100");
  const [ann, bob] = await twoPeers(server);
  await assert.rejects(ann.room.send("nobody", {}), (error) => error instanceof PeerGone && error.to === "nobody");
  await assert.rejects(ann.room.send(bob.room.id, { text: "x".repeat(6000) }), { code: "too_large" });
  await assert.rejects(ann.room.update("x".repeat(200)), (error) => error instanceof Refused);
  await ann.room.update("short");
  await assert.rejects(ann.room.send("", {}), { code: "bad_argument" });
  await assert.rejects(ann.room.send(bob.room.id, "text"), { code: "bad_argument" });
  const id = bob.room.id;
  bob.room.close();
  await ann.events.until("peerleft");
  await assert.rejects(ann.room.send(id, {}), PeerGone);
  ann.room.close();
  await assert.rejects(ann.room.send(id, {}), NotConnected);
  await assert.rejects(ann.room.opened(), NotConnected);
});

test("a broken line is resumed: nothing is lost, and the order is kept", async (t) => {
  const server = await Server.start(t);
  const annClient = await server.client("ann");
  const bobClient = await server.client("bob");
  const ann = await enter(annClient);
  const bob = await enter(bobClient);
  const id = bob.room.id;
  const got = [];
  bob.room.on("message", ({ message }) => got.push(message.number));
  let resumed = 0;
  for (const { room } of [ann, bob]) {
    room.on("state", ({ state, previous }) => (resumed += state === "open" && previous === "resuming"));
  }
  const sent = [];
  let queued = 0;
  for (let number = 0; number < 2000; ++number) {
    const onQueued = () => ++queued;
    const receipt = ann.room.send(id, { number }, { onQueued });
    receipt.catch(() => {}); // it is looked at below
    sent.push(receipt);
    if (number % 100 === 50) bobClient.cut();
    if (number % 100 === 0) await bob.room.opened(); // 250 may wait for one who is away, not more
    if (number % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  }
  for (const receipt of await inTime(Promise.all(sent), "all receipts", 30)) assert.equal(receipt.status, "delivered");
  await until(() => got.length >= 2000, "all messages"); // a receipt tells what was written, not what was read
  assert.deepEqual(got, Array.from({ length: 2000 }, (_, number) => number));
  assert.ok(resumed > 3, `resumed ${resumed} times`);
  assert.ok(queued > 0, "no message had to wait");
  assert.equal(bob.room.id, id);
  assert.equal(bob.events.count > 0 && ann.room.peers.has(id), true);
});

test("what the broken line of the sender takes with it is told, all else comes", async (t) => {
  const server = await Server.start(t);
  const annClient = await server.client("ann", { receiptMs: 1500 });
  const ann = await enter(annClient);
  const bob = await enter(await server.client("bob"));
  const got = [];
  bob.room.on("message", ({ message }) => got.push(message.number));
  const sent = [];
  for (let number = 0; number < 1000; ++number) {
    const fate = ann.room.send(bob.room.id, { number }).then(
      () => "delivered",
      (error) => (error instanceof Unconfirmed ? "unconfirmed" : Promise.reject(error)),
    );
    sent.push(fate);
    if (number % 100 === 50) annClient.cut();
    if (number % 25 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const fates = await inTime(Promise.all(sent), "all fates", 30);
  const delivered = fates.flatMap((fate, number) => (fate === "delivered" ? [number] : []));
  await until(() => delivered.every((number) => got.includes(number)), "what was delivered");
  assert.deepEqual(got, [...new Set(got)].sort((one, other) => one - other));
  assert.ok(delivered.length > 500, `${delivered.length} were delivered`);
});

test("an update that the line took with it is made when it is back", async (t) => {
  const server = await Server.start(t);
  const annClient = await server.client("ann");
  const ann = await enter(annClient);
  const bob = await enter(await server.client("bob"));
  for (let number = 0; number < 20; ++number) {
    const done = ann.room.update({ number });
    annClient.cut();
    await inTime(done, "the update");
    await bob.events.until("peerupdated", ({ data }) => data.number === number);
  }
  assert.equal(ann.room.id, bob.joined.peers[0].id);
});

test("after a restart it joins afresh and tells who changed", async (t) => {
  const server = await Server.start(t);
  const [ann, bob] = await twoPeers(server);
  const old = { ann: ann.room.id, bob: bob.room.id };
  await server.stop("SIGKILL");
  await ann.events.until("state", ({ state }) => state === "resuming");
  const held = ann.room.send(bob.room.id, { type: "held" });
  held.catch(() => {});
  bob.room.close();
  await server.run();
  const joined = await ann.events.until("joined");
  await assert.rejects(held, NotConnected);
  assert.equal(joined.again, true);
  assert.notEqual(joined.id, old.ann);
  assert.deepEqual(joined.changes.left.map(({ id }) => id), [old.bob]);
  assert.deepEqual([joined.peers, joined.changes.joined, ann.room.peers.size], [[], [], 0]);
  const carol = await enter(await server.client("carol"));
  assert.deepEqual(carol.joined.peers.map(({ data }) => data), [{ name: "Ann" }]);
});

test("a server that stops in order is joined afresh as well", async (t) => {
  const server = await Server.start(t);
  const [ann, bob] = await twoPeers(server);
  await server.stop("SIGTERM");
  await server.run();
  await Promise.all([ann, bob].map(({ events }) => events.until("joined", ({ again }) => again)));
  await until(() => ann.room.peers.size > 0 && bob.room.peers.size > 0, "the peers meet");
  assert.deepEqual([...ann.room.peers.keys()], [bob.room.id]);
});

test("a session that was awaited in vain is told as gone, and stayed peers as such", async (t) => {
  const server = await Server.start(t, "--resume-window", "0.2");
  const annClient = await server.client("ann", { backoff: { baseMs: 800, random: () => 1 } });
  const ann = await enter(annClient);
  const bob = await enter(await server.client("bob"));
  await ann.events.until("peerjoined");
  const old = ann.room.id;
  annClient.cut();
  const joined = await ann.events.until("joined", ({ again }) => again);
  assert.deepEqual(joined.changes.stayed.map(({ id }) => id), [bob.room.id]);
  assert.equal((await bob.events.until("peerleft")).id, old);
  assert.equal((await bob.events.until("peerjoined")).id, joined.id);
});

test("without resume a broken line is joined afresh", async (t) => {
  const server = await Server.start(t);
  const client = await server.client("ann");
  const ann = await enter(client, { resume: false });
  client.cut();
  const change = await ann.events.until("state", ({ state }) => state !== "open");
  assert.deepEqual([change.state, change.error.code, change.retryInMs <= 20], ["connecting", "line_broken", true]);
  assert.equal((await ann.events.until("joined")).again, true);
});

test("a line that is dead without a word is found out and resumed", async (t) => {
  const server = await Server.start(t);
  const proxy = await Proxy.start(t, server.port);
  const ann = await enter(await server.client("ann", { port: proxy.port, quietMs: 100, answerMs: 300, receiptMs: 1000 }));
  const bob = await enter(await server.client("bob"));
  await ann.events.until("peerjoined");
  await new Promise((resolve) => setTimeout(resolve, 500)); // quiet, but alive: five questions are answered
  assert.equal(ann.events.count, 0);
  proxy.killThese();
  const sent = bob.room.send(ann.room.id, { type: "hello" });
  const lost = assert.rejects(ann.room.send(bob.room.id, { type: "lost" }), Unconfirmed);
  const update = ann.room.update("made again");
  const change = await ann.events.until("state", ({ state }) => state === "resuming");
  assert.equal(change.error.code, "no_answer");
  await ann.events.until("state", ({ state }) => state === "open");
  await ann.events.until("message");
  assert.equal((await sent).status, "delivered");
  await inTime(update, "the update");
  await inTime(lost, "that the message is given up");
  assert.equal((await bob.events.until("peerupdated")).data, "made again");
  assert.equal(ann.room.id, bob.joined.peers[0].id);
});

test("a key that was revoked, or is wrong, ends it for good", async (t) => {
  const server = await Server.start(t);
  const client = await server.client("ann");
  const ann = await enter(client);
  await server.command("user", "token", "ann");
  const revoked = await ann.events.until("state", ({ state }) => state === "closed");
  assert.ok(revoked.error instanceof Unauthorized);
  const again = client.signaling({ room: "team" });
  await assert.rejects(inTime(again.opened(), "the refusal"), Unauthorized);
  assert.equal(client.sockets.size, 0);
});

test("a full room ends the first join", async (t) => {
  const server = await Server.start(t, "--max-room-peers", "1");
  await enter(await server.client("ann"));
  const bob = (await server.client("bob")).signaling({ room: "team" });
  await assert.rejects(inTime(bob.opened(), "the refusal"), { code: "room_full" });
});

test("a session that goes on elsewhere is left alone", async (t) => {
  const server = await Server.start(t);
  const client = await server.client("ann");
  const events = new Events(client.signaling({ room: "team" }), "joined", "state");
  await new Promise((resolve) => setTimeout(resolve, 0)); // the socket is made in the next turn
  const [socket] = client.sockets;
  let key;
  socket.addEventListener("message", ({ data }) => (key ??= JSON.parse(data).resume?.key));
  await events.until("joined");
  const url = `ws://127.0.0.1:${server.port}/ws/signaling/`;
  const thief = new WebSocket(url, ["voicechan", `voicechan.auth.${client.user.token}`]);
  await inTime(once(thief, "open"), "the other connection");
  thief.send(JSON.stringify({ type: "resume", key, seq: 0 }));
  const change = await events.until("state", ({ state }) => state === "closed");
  assert.deepEqual([change.error.code, change.error.closeCode], ["taken_over", 4409]);
  thief.terminate();
});

test("ICE servers come with the join", async (t) => {
  const directory = mkdtempSync(path.join(tmpdir(), "voicechan-ice-"));
  t.after(() => rmSync(directory, { recursive: true }));
  const servers = [{ urls: ["stun:stun.example.org"] }, { urls: ["turn:turn.example.org"], secret: "s".repeat(32) }];
  writeFileSync(`${directory}/ice.json`, JSON.stringify({ ttl: 600, ice_servers: servers }));
  const server = await Server.start(t, "--ice-config", `${directory}/ice.json`);
  const client = await server.client("ann");
  const room = client.signaling({ room: "team" });
  const { iceServers, ttl } = await new Events(room, "iceservers").expect("iceservers");
  assert.deepEqual([ttl, iceServers[0], typeof iceServers[1].credential], [600, servers[0], "string"]);
  assert.deepEqual(room.iceServers.iceServers, iceServers);
  room.reportIceError(401);
  assert.throws(() => room.reportIceError(200), { code: "bad_argument" });
  assert.equal((await client.iceServers()).ttl, 600);
});
