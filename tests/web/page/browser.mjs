// Chromium with the demo page of a real server, and what its users do.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { kScale, Server } from "../server.mjs";

const build = process.env.VOICECHAN_WEB_BUILD;
const { chromium } = createRequire(path.join(build, "package.json"))("playwright-core");
const screenshots = process.env.VOICECHAN_SCREENSHOTS ?? path.join(build, "screenshots");
const kPage = fileURLToPath(new URL("../../../examples/web", import.meta.url));
const kPollMs = 100;
export const kHeardDb = -50; // the fake microphone beeps far above, silence is far below

let browser = null;

export async function openBrowser() {
  browser = await chromium.launch({
    executablePath: process.env.VOICECHAN_CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--host-resolver-rules=MAP voice.test 127.0.0.1",
      "--use-fake-ui-for-media-stream",
      "--use-fake-device-for-media-stream",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
  mkdirSync(screenshots, { recursive: true });
}

export const closeBrowser = () => browser?.close();

export const startServer = (t, ...options) => Server.start(t, "--www", kPage, ...options);

/** A browser's page of a user of his own. It fails the test if a script or the CSP complains. */
export class Person {
  page;
  user;
  #problems = [];

  static async arrive(t, server, name, { init = null, signIn = true, host = "127.0.0.1", ...context } = {}) {
    const person = new Person();
    person.user = JSON.parse(await server.command("user", "add", name));
    const profile = await browser.newContext({ locale: "en-US", viewport: { width: 1280, height: 800 }, ...context });
    if (init !== null) await profile.addInitScript(init);
    person.page = await profile.newPage();
    person.page.on("pageerror", (error) => person.#problems.push(error.stack));
    person.page.on("console", (message) => {
      if (/Content Security Policy|voicechan:/.test(message.text())) person.#problems.push(message.text());
    });
    t.after(async () => {
      await profile.close();
      assert.deepEqual(person.#problems, [], `the page of ${name}`);
    });
    await person.page.goto(`http://${host}:${server.port}/`);
    if (signIn) await person.signIn();
    return person;
  }

  async signIn({ remember = true } = {}) {
    await this.page.fill("#key", this.user.token);
    await this.page.setChecked("#remember", remember);
    await this.page.click("#sign-in-form button");
    await this.page.waitForSelector("#line[data-tone=good]");
  }

  async createChannel(name) {
    await this.page.fill("#channel-name", name);
    await this.page.click("#create-form button");
    return (await this.until("the new channel is open", ({ call }) => call?.state === "open")).call.channel;
  }

  async enter(id) {
    await this.page.click(`[data-channel="${id}"]`);
    await this.until("the channel is open", ({ call }) => call?.channel === id && call.state === "open");
  }

  stats() {
    return this.page.evaluate(() => window.voicechanDemo?.stats() ?? { call: null });
  }

  /** Waits for `matches(stats)` and returns these. */
  async until(what, matches, seconds = 20) {
    const end = performance.now() + seconds * 1000 * kScale;
    let stats;
    do {
      stats = await this.stats();
      if (matches(stats)) return stats;
      await new Promise((resolve) => setTimeout(resolve, kPollMs));
    } while (performance.now() < end);
    throw new Error(`not within ${seconds} s for ${this.user.username}: ${what}; it is ${JSON.stringify(stats)}`);
  }

  /** Waits until that one is heard above silence, on the way given: "mesh" or "relay". */
  async hears(other, way, seconds = 20) {
    const name = other.user.username;
    const stats = await this.until(
      `to hear ${name} by ${way}`,
      (now) => this.#find(now, name)?.way === way && this.#find(now, name).stats.db > kHeardDb,
      seconds,
    );
    return this.#find(stats, name);
  }

  async about(other) {
    return this.#find(await this.stats(), other.user.username);
  }

  #find({ call }, name) {
    return call?.people.find((person) => person.name === name);
  }

  /** The whole page, wherever it scrolls. */
  async screenshot(name) {
    await this.page.screenshot({ path: path.join(screenshots, `${name}.png`), animations: "disabled" });
  }

  /** Fails if anything sticks out at the side. */
  async fits(what) {
    const tooWide = await this.page.evaluate(() =>
      [document.documentElement, ...document.querySelectorAll(".lobby, .stage, .call, .person")]
        .filter((element) => element.scrollWidth > element.clientWidth)
        .map((element) => `${element.className} ${element.scrollWidth} > ${element.clientWidth} px`),
    );
    assert.deepEqual(tooWide, [], what);
  }
}
