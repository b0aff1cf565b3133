import assert from "node:assert/strict";
import test from "node:test";

import { NotConnected, Unauthorized } from "../../examples/web/voicechan.js";
import { Events, Proxy, Server, inTime, until } from "./server.mjs";

const kTypes = ["roster", "memberjoined", "memberleft", "audio", "text", "error", "state"];

async function enter(client, room = "team") {
  const voice = client.voice(room);
  const events = new Events(voice, ...kTypes);
  const roster = await events.until("roster");
  return { voice, events, roster };
}

test("members hear each other and know who speaks", async (t) => {
  const server = await Server.start(t);
  const annClient = await server.client("ann");
  const ann = await enter(annClient, "Загальна кімната");
  assert.deepEqual([ann.roster.members, ann.roster.again, ann.roster.you.username], [[], false, "ann"]);
  const bob = await enter(await server.client("bob"), "Загальна кімната");
  assert.deepEqual(bob.roster.members, [ann.roster.you]);
  assert.deepEqual(await ann.events.expect("memberjoined"), bob.roster.you);

  const bytes = Uint8Array.from({ length: 160 }, (_, index) => index);
  assert.equal(ann.voice.sendAudio(bytes), true);
  const { member, bytes: heard } = await bob.events.expect("audio");
  assert.deepEqual([member, heard], [ann.roster.you, bytes]);
  ann.voice.sendAudio(bytes.buffer);
  assert.equal((await bob.events.expect("audio")).bytes.length, 160);
  bob.voice.sendText("привіт");
  assert.deepEqual(await ann.events.expect("text"), { member: bob.roster.you, text: "привіт" });
  bob.voice.close();
  assert.deepEqual(await ann.events.expect("memberleft"), bob.roster.you);
  assert.equal(ann.voice.members.size, 0);
  assert.throws(() => bob.voice.sendText("anybody?"), NotConnected);
  assert.equal(bob.voice.sendAudio(bytes), false);
  assert.throws(() => ann.voice.sendAudio("hello"), { code: "bad_argument" });
});

test("a broken line comes back and tells who changed", async (t) => {
  const server = await Server.start(t);
  const annClient = await server.client("ann");
  const ann = await enter(annClient);
  const [bob, carol] = [await enter(await server.client("bob")), await enter(await server.client("carol"))];
  await until(() => ann.voice.members.size === 2, "both are there");
  await server.stop();
  carol.voice.close();
  await ann.events.until("state", ({ state }) => state === "connecting");
  const retries = [];
  ann.voice.on("state", ({ retryInMs }) => retries.push(retryInMs));
  await server.run();
  const roster = await ann.events.until("roster");
  await until(() => ann.voice.members.size === 1, "bob is back");
  assert.equal(roster.again, true);
  assert.ok(roster.changes.left.some(({ username }) => username === "carol"));
  assert.equal([...ann.voice.members.values()][0].username, "bob");
  await bob.events.until("roster");
  ann.voice.sendAudio(new Uint8Array(1));
  assert.equal((await bob.events.until("audio")).member.username, "ann");
});

test("a dead line is found out", async (t) => {
  const server = await Server.start(t, "--ping-interval", "1", "--ping-timeout", "1");
  const proxy = await Proxy.start(t, server.port);
  const ann = await enter(await server.client("ann", { port: proxy.port, quietMs: 100, answerMs: 300 }));
  proxy.killThese();
  const { error } = await ann.events.until("state", ({ state }) => state === "connecting");
  assert.equal(error.code, "no_answer");
  assert.equal((await ann.events.until("roster")).again, true);
});

test("each wait is within its bound, and the bound doubles", async (t) => {
  const server = await Server.start(t);
  const client = await server.client("ann", { backoff: { baseMs: 10, capMs: 100, random: () => 1 } });
  const ann = await enter(client);
  await server.stop();
  const waits = [];
  while (waits.length < 6) waits.push((await ann.events.until("state")).retryInMs);
  assert.deepEqual(waits, [10, 20, 40, 80, 100, 100]);
});

test("after a server said that it is too much there is a pause", async (t) => {
  const server = await Server.start(t, "--message-rate", "1", "--message-burst", "5");
  const backoff = { baseMs: 10, pauseMs: 300, random: () => 0 };
  const ann = await enter(await server.client("ann", { backoff }));
  for (let count = 0; count < 100; ++count) ann.voice.sendText("again");
  const { error, retryInMs } = await ann.events.until("state", ({ state }) => state === "connecting");
  assert.deepEqual([error.closeCode, retryInMs], [1008, 300]);
  await ann.events.until("roster");
});

test("a wrong key ends it; without a server it goes on, until it is closed", async (t) => {
  const server = await Server.start(t);
  const stranger = server.clientOf({ token: "0".repeat(64) }).voice("team");
  await assert.rejects(inTime(stranger.opened(), "the refusal"), Unauthorized);
  const client = await server.client("ann");
  await server.stop();
  const voice = client.voice("team");
  const events = new Events(voice, "state");
  for (let count = 0; count < 5; ++count) {
    const { state, error } = await events.expect("state");
    assert.deepEqual([state, error.code], ["connecting", "no_answer"]);
  }
  client.close();
  assert.deepEqual(await events.expect("state"), { state: "closed", previous: "connecting", error: null, retryInMs: null });
  assert.throws(() => client.voice("team"), NotConnected);
  assert.equal(client.sockets.size, 0);
});

test("a key may be fetched anew for each connection", async (t) => {
  const server = await Server.start(t);
  const { user } = await server.client("ann");
  let asked = 0;
  const client = server.clientOf(user, {
    key: async () => {
      if (++asked === 1) throw new Error("the identity provider is down");
      return user.token;
    },
  });
  const events = new Events(client.voice("team"), "state", "roster");
  assert.equal((await events.expect("state")).error.code, "no_key");
  await events.until("roster");
  client.cut();
  await events.until("roster");
  assert.equal(asked, 3);
});
