// The real server, and clients of it whose lines can be cut.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";

import { Voicechan } from "../../examples/web/voicechan.js";

export const { WebSocket } = createRequire(path.join(process.env.VOICECHAN_WEB_BUILD, "package.json"))("ws");
const kBinary = process.env.VOICECHAN_SERVER;
export const kScale = Number(process.env.VOICECHAN_TEST_SCALE ?? 1);

export class Server {
  #directory = mkdtempSync(path.join(tmpdir(), "voicechan-web-"));
  #process;
  #options;
  #clients = [];
  port = 0;

  static async start(t, ...options) {
    const server = new Server();
    server.#options = options;
    t.after(() => server.#end());
    await server.run();
    return server;
  }

  /** Starts it, on the same port as before. */
  async run() {
    const listen = ["--listen", `127.0.0.1:${this.port}`, "--db", this.#db];
    this.#process = spawn(kBinary, ["serve", ...listen, ...this.#options], { stdio: ["ignore", "pipe", "ignore"] });
    for await (const line of createInterface({ input: this.#process.stdout })) {
      const match = /^listening on http:\/\/.*:(\d+)$/.exec(line);
      if (match) {
        this.port = Number(match[1]);
        this.#process.stdout.resume();
        return;
      }
    }
    throw new Error("the server did not start");
  }

  async stop(signal = "SIGKILL") {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exit = once(this.#process, "exit");
    this.#process.kill(signal);
    await exit;
  }

  async command(...words) {
    const { stdout } = await promisify(execFile)(kBinary, [...words, "--db", this.#db]);
    return stdout;
  }

  /** A new user and a client of his. `client.cut()` breaks all of its lines, as a network does. */
  async client(name, { port = this.port, ...options } = {}) {
    const user = JSON.parse(await this.command("user", "add", name));
    return this.clientOf(user, { port, ...options });
  }

  clientOf(user, { port = this.port, ...options } = {}) {
    const sockets = new Set();
    class CuttableWebSocket extends WebSocket {
      constructor(...values) {
        super(...values);
        sockets.add(this);
        this.addEventListener("close", () => sockets.delete(this));
      }
    }
    const client = new Voicechan({
      url: `http://127.0.0.1:${port}`,
      key: user.token,
      WebSocket: CuttableWebSocket,
      backoff: { baseMs: 20, capMs: 200, pauseMs: 100 },
      ...options,
    });
    this.#clients.push(client);
    const cut = () => sockets.forEach((socket) => socket.terminate());
    return Object.assign(client, { user, sockets, cut });
  }

  async #end() {
    for (const client of this.#clients) client.close();
    await this.stop();
    rmSync(this.#directory, { recursive: true });
  }

  get #db() {
    return path.join(this.#directory, "voice.db");
  }
}

/** A TCP proxy before a server. While it `isDead`, bytes go nowhere and nobody is told. */
export class Proxy {
  isDead = false;
  #sockets = new Set();
  #listener;

  static async start(t, port) {
    const proxy = new Proxy();
    proxy.#listener = net.createServer((near) => proxy.#pass(near, net.connect(port, "127.0.0.1")));
    proxy.#listener.listen(0, "127.0.0.1");
    await once(proxy.#listener, "listening");
    t.after(() => {
      proxy.#listener.close();
      for (const socket of proxy.#sockets) socket.destroy();
    });
    return proxy;
  }

  get port() {
    return this.#listener.address().port;
  }

  /** What is connected now stays dead; what comes later works. */
  killThese() {
    for (const socket of this.#sockets) socket.isDead = true;
  }

  #pass(near, far) {
    for (const [from, to] of [[near, far], [far, near]]) {
      this.#sockets.add(from);
      from.on("data", (data) => from.isDead || to.write(data));
      from.on("end", () => from.isDead || to.end());
      from.on("error", () => {});
      from.on("close", () => from.isDead || to.destroy());
    }
  }
}

/** The events of an emitter as they come; `next` takes the oldest that has not been taken. */
export class Events {
  #waiting = [];
  #wanted = null;

  constructor(emitter, ...types) {
    for (const type of types) {
      emitter.on(type, (detail) => {
        this.#waiting.push({ type, detail });
        this.#wanted?.();
      });
    }
  }

  async next(seconds = 10) {
    if (this.#waiting.length === 0) {
      await inTime(new Promise((resolve) => (this.#wanted = resolve)), "an event", seconds);
      this.#wanted = null;
    }
    return this.#waiting.shift();
  }

  async expect(type, seconds) {
    const event = await this.next(seconds);
    assert.equal(event.type, type, JSON.stringify(event));
    return event.detail;
  }

  /** Skips what comes before. */
  async until(type, matches = () => true, seconds = 10) {
    for (;;) {
      const event = await this.next(seconds);
      if (event.type === type && matches(event.detail)) return event.detail;
    }
  }

  get count() {
    return this.#waiting.length;
  }
}

export async function inTime(promise, what, seconds = 10) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${seconds} s: ${what}`)), seconds * 1000 * kScale);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

export async function until(isDone, what, seconds = 10) {
  const end = performance.now() + seconds * 1000 * kScale;
  while (!isDone()) {
    assert.ok(performance.now() < end, `not within ${seconds} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
