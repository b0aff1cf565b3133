// The demo page in a real browser against the real server: people hear each other.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { closeBrowser, kHeardDb, openBrowser, Person, startServer } from "./browser.mjs";

before(openBrowser);
after(closeBrowser);

test("an invitation leads two people into a direct call", async (t) => {
  const server = await startServer(t);
  const alice = await Person.arrive(t, server, "alice", { signIn: false });
  await alice.screenshot("sign-in");
  await alice.signIn();
  await alice.screenshot("lobby-empty");
  const bob = await Person.arrive(t, server, "bob");
  await alice.createChannel("Design review");
  await alice.page.fill("#invitee", String(bob.user.id));
  await alice.page.press("#invitee", "Enter");
  await bob.page.waitForSelector(".toast:has-text('alice invites you')");
  await bob.screenshot("invitation");
  await bob.page.click(".toast .primary");

  await Promise.all([alice.hears(bob, "mesh"), bob.hears(alice, "mesh")]);
  for (const person of [alice, bob]) {
    await person.until("packets of RTP come", ({ call }) => call.people[1].stats.packetsReceived > 50);
  }
  await alice.until("loss and delay are known", ({ call }) => call.people[1].stats.roundTripMs !== null);
  await alice.screenshot("call-direct");
  assert.equal(await bob.page.locator("#invitations li").count(), 0, "an invitation that was taken is gone");
  assert.equal((await alice.stats()).call.state, "open");
});

test("three people hear each other directly, and who leaves is gone", async (t) => {
  const server = await startServer(t);
  const alice = await Person.arrive(t, server, "alice");
  const channel = await alice.createChannel("Three");
  const bob = await Person.arrive(t, server, "bob");
  const carol = await Person.arrive(t, server, "carol");
  await bob.page.reload();
  await bob.enter(channel);
  await carol.page.reload();
  await carol.enter(channel);
  const everybody = [alice, bob, carol];
  await Promise.all(
    everybody.flatMap((one) => everybody.filter((other) => other !== one).map((other) => one.hears(other, "mesh"))),
  );
  await alice.screenshot("call-three");
  await bob.page.click("#leave");
  await alice.until("bob has gone", ({ call }) => call.people.length === 2);
  const before = (await alice.about(carol)).stats.packetsReceived;
  await alice.until("carol goes on", ({ call }) => call.people[1].stats.packetsReceived > before + 50);
});

test("who mutes himself is seen as muted and is silent", async (t) => {
  const server = await startServer(t);
  const alice = await Person.arrive(t, server, "alice");
  const channel = await alice.createChannel("Quiet");
  const bob = await Person.arrive(t, server, "bob");
  await bob.enter(channel);
  await bob.hears(alice, "mesh");
  await alice.page.click("#mute");
  await bob.page.waitForSelector(".person .muted:visible");
  await bob.until("nothing is heard any more", ({ call }) => !call.people[1].stats.speaking);
  for (let i = 0; i < 20; i++) {
    const { stats } = await bob.about(alice);
    assert.ok(stats.db < kHeardDb, `${stats.db} dB of somebody who is muted`);
    await bob.page.waitForTimeout(100);
  }
  await bob.screenshot("call-muted");
  await alice.page.click("#mute");
  await bob.hears(alice, "mesh");
});

test("a reload during a call leads back into it", async (t) => {
  const server = await startServer(t);
  const alice = await Person.arrive(t, server, "alice");
  const channel = await alice.createChannel("Reload");
  const bob = await Person.arrive(t, server, "bob");
  await bob.enter(channel);
  await bob.hears(alice, "mesh");
  await alice.page.reload();
  // Chromium may want a click before a page that was just loaded sounds.
  const { call } = await alice.until("she is back", (now) => now.call?.state === "open");
  if (call.blocked) await alice.page.click(".notice:has-text('silent') button");
  await Promise.all([alice.hears(bob, "mesh"), bob.hears(alice, "mesh")]);
  assert.equal((await bob.stats()).call.people.length, 2, "there is no ghost of the page before");
});

test("who did not ask to be remembered signs in again, and is where he was", async (t) => {
  const server = await startServer(t);
  const alice = await Person.arrive(t, server, "alice", { signIn: false });
  await alice.signIn({ remember: false });
  const channel = await alice.createChannel("Again");
  assert.deepEqual(await alice.page.evaluate(() => Object.values({ ...sessionStorage, ...localStorage })), []);
  await alice.page.reload();
  await alice.page.waitForSelector("#sign-in:visible");
  await alice.signIn({ remember: false });
  await alice.until("the channel is open", ({ call }) => call?.channel === channel && call.state === "open");
});

test("a direct call goes on while the server is killed and comes back", async (t) => {
  const server = await startServer(t);
  const alice = await Person.arrive(t, server, "alice");
  const channel = await alice.createChannel("Restart");
  const bob = await Person.arrive(t, server, "bob");
  await bob.enter(channel);
  const before = await alice.hears(bob, "mesh");
  await server.stop("SIGKILL");
  await alice.until("it is told", ({ call }) => call.state === "reconnecting");
  const cut = (await alice.about(bob)).stats.packetsReceived;
  await alice.until("sound goes on without a server", ({ call }) => call.people[1].stats.packetsReceived > cut + 100);
  await alice.screenshot("call-server-down");
  await server.run();
  for (const person of [alice, bob]) {
    await person.until("both are back", ({ call }) => call.state === "open" && call.people.length === 2, 60);
  }
  const back = await alice.about(bob);
  assert.equal(back.stats.state, "connected");
  assert.ok(back.stats.packetsReceived > before.stats.packetsReceived, "it is the same connection");
  await alice.hears(bob, "mesh");
});

test("by the relay people hear each other, with a delay that is told", async (t) => {
  const server = await startServer(t);
  const alice = await Person.arrive(t, server, "alice");
  const channel = await alice.createChannel("Relay");
  const bob = await Person.arrive(t, server, "bob");
  await bob.enter(channel);
  await alice.hears(bob, "mesh");
  for (const person of [alice, bob]) await person.page.click("label:has(input[value=relay])");
  await Promise.all([alice.hears(bob, "relay"), bob.hears(alice, "relay")]);
  const played = (await alice.about(bob)).stats.played;
  const later = await alice.until("five seconds of it", ({ call }) => call.people[1].stats.played > played + 250, 40);
  const { stats } = later.call.people[1];
  // Both pages have the clock of this machine.
  t.diagnostic(
    `relay: ${Math.round(stats.delayMs)} ms from microphone to loudspeaker, of which the buffer has ${stats.bufferMs}; ` +
      `${stats.received} frames received, ${stats.lost} lost, ${stats.late} late, ${stats.skipped} skipped, ${stats.underruns} underruns`,
  );
  assert.ok(stats.delayMs > 20 && stats.delayMs < 1000, `${stats.delayMs} ms`);
  assert.equal(stats.lost, 0, "TCP loses nothing, and nobody was slow");
  await alice.screenshot("call-relay");

  await server.stop("SIGKILL");
  await alice.until("it is told", ({ call }) => call.state === "reconnecting");
  await server.run();
  await Promise.all([alice.hears(bob, "relay", 60), bob.hears(alice, "relay", 60)]);
});

test("one by the relay and two directly: all hear all, once", async (t) => {
  const server = await startServer(t);
  const alice = await Person.arrive(t, server, "alice");
  const channel = await alice.createChannel("Mixed");
  const bob = await Person.arrive(t, server, "bob");
  const carol = await Person.arrive(t, server, "carol");
  await bob.enter(channel);
  await carol.page.reload();
  await carol.enter(channel);
  await carol.page.click("label:has(input[value=relay])");
  await Promise.all([
    alice.hears(bob, "mesh"),
    bob.hears(alice, "mesh"),
    alice.hears(carol, "relay"),
    bob.hears(carol, "relay"),
    carol.hears(alice, "relay"),
    carol.hears(bob, "relay"),
  ]);
  await alice.screenshot("call-mixed");
  assert.equal((await alice.stats()).call.people.length, 3);
});

test("without WebRTC the relay is taken, and the page says why", async (t) => {
  const server = await startServer(t);
  const alice = await Person.arrive(t, server, "alice");
  const channel = await alice.createChannel("Old browser");
  const bob = await Person.arrive(t, server, "bob", { init: "delete window.RTCPeerConnection" });
  await bob.enter(channel);
  await bob.page.waitForSelector(".notice:has-text('no WebRTC')");
  assert.ok(await bob.page.isDisabled("input[value=mesh]"));
  await Promise.all([alice.hears(bob, "relay"), bob.hears(alice, "relay")]);
  await bob.screenshot("call-no-webrtc");
});

test("without WebCodecs direct calls work, and who relays is told to be unheard", async (t) => {
  const server = await startServer(t);
  const alice = await Person.arrive(t, server, "alice");
  const channel = await alice.createChannel("No codecs");
  const bob = await Person.arrive(t, server, "bob", { init: "delete window.AudioEncoder" });
  await bob.enter(channel);
  await bob.page.waitForSelector(".notice:has-text('no WebCodecs')");
  assert.ok(await bob.page.isDisabled("input[value=relay]"));
  await Promise.all([alice.hears(bob, "mesh"), bob.hears(alice, "mesh")]);
  await alice.page.click("label:has(input[value=relay])");
  await bob.page.waitForSelector(".person:has-text('Cannot be heard in this browser')");
});

test("where no direct connection comes about, the relay is suggested and works", async (t) => {
  const server = await startServer(t);
  const alice = await Person.arrive(t, server, "alice");
  const channel = await alice.createChannel("Firewall");
  // Candidates of TURN servers only, and there are none.
  const init = `window.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(options) { super({ ...options, iceTransportPolicy: "relay" }); }
    setConfiguration(options) { super.setConfiguration({ ...options, iceTransportPolicy: "relay" }); }
  };`;
  const bob = await Person.arrive(t, server, "bob", { init });
  await bob.enter(channel);
  await bob.page.waitForSelector(".notice:has-text('No direct connection to alice')", { timeout: 40_000 });
  await bob.screenshot("call-failed");
  await bob.page.click(".notice button");
  await Promise.all([alice.hears(bob, "relay"), bob.hears(alice, "relay")]);
  assert.equal(await bob.page.locator(".notice").count(), 0);
});

test("who has no microphone is told so, and listens", async (t) => {
  const server = await startServer(t);
  const alice = await Person.arrive(t, server, "alice");
  const channel = await alice.createChannel("Listener");
  const init = `navigator.mediaDevices.getUserMedia = async () => { throw new DOMException("", "NotFoundError"); }`;
  const bob = await Person.arrive(t, server, "bob", { init });
  await bob.enter(channel);
  await bob.page.waitForSelector(".notice:has-text('there is none')");
  assert.ok(await bob.page.isDisabled("#mute"));
  await bob.hears(alice, "mesh");
});

test("without HTTPS one listens, and is told why that is all", async (t) => {
  const server = await startServer(t);
  const alice = await Person.arrive(t, server, "alice");
  const channel = await alice.createChannel("Plain");
  const bob = await Person.arrive(t, server, "bob", { host: "voice.test" });
  assert.equal(await bob.page.evaluate(() => isSecureContext), false);
  await bob.enter(channel);
  await bob.page.waitForSelector(".notice:has-text('over HTTPS only')");
  await bob.hears(alice, "mesh");
  await alice.until("bob is shown as muted", ({ call }) => call.people[1].muted);
});

test("errors are told in words, where they belong", async (t) => {
  const server = await startServer(t);
  const alice = await Person.arrive(t, server, "alice", { signIn: false });
  const refused = async (key, text) => {
    await alice.page.fill("#key", key);
    await alice.page.click("#sign-in-form button");
    await alice.page.waitForSelector(`#sign-in-error:has-text("${text}")`);
  };
  await refused("", "Enter your key");
  await refused("ключ", "no spaces");
  await refused("0".repeat(64), "does not know this key");
  await alice.screenshot("sign-in-error");
  await alice.signIn();
  await alice.page.click("#create-form button");
  await alice.page.waitForSelector("#create-error:has-text('1 to 255')");
  await alice.createChannel("Errors");
  for (const [id, text] of [["bob", "number"], ["99", "no user with the number 99"]]) {
    await alice.page.fill("#invitee", id);
    await alice.page.click("#invite-form button");
    await alice.page.waitForSelector(`#invite-error:has-text("${text}")`);
  }
  await alice.screenshot("invite-error");
  await alice.page.goto(`http://127.0.0.1:${server.port}/#channel-77`);
  await alice.page.waitForSelector(".toast:has-text('no channel number 77')");
  await server.command("user", "token", "alice");
  await alice.page.waitForSelector("#sign-in-error:has-text('no longer valid')");
});

test("every screen fits a phone, light and dark, in both languages", async (t) => {
  const server = await startServer(t);
  const alice = await Person.arrive(t, server, "alice");
  const channel = await alice.createChannel("Кімната з довгою назвою, яку не втиснути в один рядок телефона");
  for (const [name, locale, colorScheme] of [["bob", "en-US", "light"], ["oksana", "uk-UA", "dark"]]) {
    const phone = { viewport: { width: 360, height: 740 }, locale, colorScheme, hasTouch: true, isMobile: true };
    const person = await Person.arrive(t, server, name, { ...phone, signIn: false });
    await person.fits("sign-in");
    await person.screenshot(`phone-${locale}-sign-in`);
    await person.signIn();
    await person.fits("lobby");
    await person.screenshot(`phone-${locale}-lobby`);
    await person.enter(channel);
    await person.hears(alice, "mesh");
    await person.fits("call");
    await person.screenshot(`phone-${locale}-call`);
    assert.equal(await person.page.getAttribute("html", "lang"), locale.slice(0, 2));
    await person.page.selectOption("#language", locale === "uk-UA" ? "en" : "uk");
    await person.fits("the other language");
    await person.page.click("#leave");
  }
});
