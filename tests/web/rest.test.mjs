import assert from "node:assert/strict";
import test from "node:test";

import { NetworkError, RateLimited, RequestError, Unauthorized, Voicechan } from "../../examples/web/voicechan.js";
import { Events, Server, WebSocket } from "./server.mjs";

test("channels are created, listed in pages and found", async (t) => {
  const server = await Server.start(t);
  const ann = await server.client("ann");
  const created = [];
  for (const name of ["one", "two", "Загальна кімната"]) created.push(await ann.createChannel(name));
  assert.deepEqual(await ann.listChannels(), created);
  assert.deepEqual(await ann.listChannels({ limit: 2 }), created.slice(0, 2));
  assert.deepEqual(await ann.listChannels({ limit: 2, after: created[1].id }), created.slice(2));
  assert.deepEqual(await ann.getChannel(created[2].id), created[2]);
  assert.equal(created[2].name, "Загальна кімната");
  assert.deepEqual((await ann.channelMembers(created[0].id)).members, []);
  assert.deepEqual(await ann.iceServers(), { iceServers: [], ttl: null });
});

test("what the server refuses is an error that says what and why", async (t) => {
  const server = await Server.start(t, "--request-rate", "1", "--request-burst", "4");
  const ann = await server.client("ann");
  await assert.rejects(ann.createChannel(" "), (error) => {
    assert.ok(error instanceof RequestError);
    assert.equal(error.status, 400);
    assert.match(error.fields.name[0], /1 to 255/);
    assert.match(error.message, /^name: /);
    return true;
  });
  await assert.rejects(ann.getChannel(99), { code: "http_404", status: 404 });
  await assert.rejects(ann.invite(1, 99), (error) => Object.keys(error.fields).length === 2);
  await assert.rejects(ann.getChannel("1/../2"), { code: "bad_argument" });
  await ann.listChannels();
  await assert.rejects(
    Promise.all([ann.listChannels(), ann.listChannels(), ann.listChannels()]),
    (error) => error instanceof RateLimited && error.retryAfterMs === 1000,
  );
  const stranger = server.clientOf({ token: "0".repeat(64) });
  await assert.rejects(stranger.listChannels(), Unauthorized);
  await server.stop();
  await assert.rejects(ann.listChannels(), NetworkError);
  ann.close();
  await assert.rejects(ann.listChannels(), { code: "not_connected" });
});

test("options that cannot be used are told", () => {
  const right = { url: "http://127.0.0.1:1", key: "k", WebSocket };
  for (const wrong of [{ url: "ftp://host" }, { url: "nonsense" }, { url: undefined }, { key: 7 }, { key: "a b" },
    { WebSocket: {} }, { backoff: { capMs: -1 } }, { quietMs: "soon" }, { fetch: 1 }]) {
    assert.throws(() => new Voicechan({ ...right, ...wrong }), { code: "bad_argument" }, JSON.stringify(wrong));
  }
  const client = new Voicechan(right);
  for (const room of ["", "a/b", "a\nb", "я".repeat(101), "\ud800", 7]) {
    assert.throws(() => client.voice(room), { code: "bad_argument" });
    assert.throws(() => client.signaling({ room }), { code: "bad_argument" });
  }
  assert.throws(() => client.voice(".."), { code: "bad_argument" });
});

test("an invited user is told, also after the server was restarted", async (t) => {
  const server = await Server.start(t);
  const [ann, bob] = [await server.client("ann"), await server.client("bob")];
  const notifications = bob.notifications();
  const events = new Events(notifications, "invitation", "state");
  await notifications.opened();
  await events.expect("state");
  const channel = await ann.createChannel("general");
  const sent = await ann.invite(channel.id, bob.user.id);
  const told = await events.expect("invitation");
  assert.deepEqual({ ...told, ...sent }, told);
  assert.deepEqual([told.voice_channel_name, told.inviter_username], ["general", "ann"]);

  await server.stop();
  await events.until("state", ({ state }) => state === "connecting");
  await server.run();
  await events.until("state", ({ state }) => state === "open");
  await ann.invite(channel.id, bob.user.id);
  await events.expect("invitation");
});
