import assert from "node:assert/strict";
import test from "node:test";

import { Events, Server, until } from "./server.mjs";

// Away for a while, and for the same while each time.
const kAway = { backoff: { baseMs: 400, capMs: 400, random: () => 1 } };

async function start(t, options) {
  const server = await Server.start(t);
  const [ann, bob] = [await server.client("ann"), await server.client("bob", options)];
  const channel = await ann.createChannel("general");
  const invite = async (count) => {
    const ids = [];
    for (let i = 0; i < count; i++) ids.push((await ann.invite(channel.id, bob.user.id)).id);
    return ids;
  };
  return { server, ann, bob, invite };
}

/** The line, and the ids of the invitations that it told of. */
async function listen(bob) {
  const line = bob.notifications();
  const told = [];
  const types = new Set();
  line.on("invitation", ({ id }) => told.push(id));
  line.on("notification", ({ type }) => types.add(type));
  const events = new Events(line, "state");
  await line.opened();
  return { line, told, types, events };
}

async function away(bob, events, action) {
  bob.cut();
  await events.until("state", ({ state }) => state === "connecting");
  const result = await action();
  await events.until("state", ({ state }) => state === "open");
  return result;
}

test("who is away is told of what came meanwhile, even if nothing came before", async (t) => {
  const { bob, invite } = await start(t, kAway);
  await invite(3); // before he comes
  const { told, types, events } = await listen(bob);
  const missed = await away(bob, events, () => invite(3));
  const [fence] = await invite(1);
  await until(() => told.includes(fence), "the last one");
  assert.deepEqual(told, [...missed, fence]);
  assert.deepEqual([...types], ["invitation"]);
});

test("each invitation is told once, however often the line breaks", async (t) => {
  const { bob, invite } = await start(t, kAway);
  const { told, events } = await listen(bob);
  const sent = await invite(2);
  await until(() => told.length === 2, "what came while it was open");
  for (let i = 0; i < 4; i++) {
    sent.push(...(await away(bob, events, () => invite(2))));
    sent.push(...(await invite(1)));
    await until(() => told.length === sent.length, "all that came");
  }
  assert.deepEqual(told, sent);
});

test("what a server stored before it crashed is told when it is back", async (t) => {
  const { server, bob, invite } = await start(t, kAway);
  const { told, events } = await listen(bob);
  const [first] = await invite(1);
  await until(() => told.length === 1, "the first");
  await server.stop();
  await events.until("state", ({ state }) => state === "connecting");
  await server.run();
  const missed = await invite(2);
  await events.until("state", ({ state }) => state === "open");
  await until(() => told.length === 3, "all");
  assert.deepEqual(told, [first, ...missed]);
});
