// One WebSocket after the other, for as long as it is wanted. What is said on it is another's business.

import { Backoff } from "./backoff.js";
import { VoicechanEvent } from "./emitter.js";
import { ConnectionClosed, NetworkError, NotConnected, ProtocolError, Unauthorized, VoicechanError } from "./errors.js";

const kOpen = 1; // WebSocket.OPEN
const kResumeWaitMs = 5000; // a session does not wait for longer than 30 s by default: try often

// Of server/MESSAGES.md, "When the connection ends". All others: try again.
const kFinal = new Map([
  [1002, ["protocol_error", "the server says that the WebSocket protocol was broken here"]],
  [1007, ["protocol_error", "the server says that a text message was not UTF-8"]],
  [4403, ["kicked", "an operator closed the connection"]],
  [4409, ["taken_over", "the session goes on over another connection"]],
]);
const kPause = new Set([1008, 1013]);
const kBroken = new Set([1005, 1006, 1015]);

export class Connection {
  state = "connecting";
  #context;
  #path;
  #subprotocol;
  #target;
  #handlers;
  #backoff;
  #socket = null;
  #abandoned = new Set();
  #openedAt = null;
  #heardAt = 0;
  #timers = { retry: null, answer: null, quiet: null };
  #abort = null;
  #waiters = [];
  #finalError = null;
  #onOnline = () => this.#retryNow();

  /**
   * `path` may be a function, called for each attempt. `target` gets the `state` events. The handlers: `onOpen()`, `onMessage(data)`, `onLost(isBroken)`, which
   * says whether it will resume, `onEnd(error)`, and `ask()`, which asks for any answer, if there is such.
   */
  constructor(context, { path, subprotocol = "voicechan", target, ...handlers }) {
    this.#context = context;
    this.#path = typeof path === "function" ? path : () => path;
    this.#subprotocol = subprotocol;
    this.#target = target;
    this.#handlers = handlers;
    this.#backoff = new Backoff(context.backoff);
    globalThis.addEventListener?.("online", this.#onOnline);
    this.#connect();
  }

  opened() {
    if (this.state === "open") return Promise.resolve();
    if (this.state === "closed") return Promise.reject(this.#closedError());
    return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }));
  }

  get bufferedBytes() {
    return this.#socket?.bufferedAmount ?? 0;
  }

  /** False if there is no open socket. */
  send(data) {
    if (this.#socket?.readyState !== kOpen) return false;
    this.#socket.send(data);
    return true;
  }

  /** The handlers are where they wanted to be. */
  markOpen() {
    if (this.state === "closed") return;
    this.#clear("answer");
    this.#openedAt = performance.now();
    this.#closeAbandoned();
    this.#watch();
    this.#change("open", null, null);
    for (const waiter of this.#waiters.splice(0)) waiter.resolve();
  }

  /** The socket is still there, and what was to be resumed is not. */
  markNew() {
    this.#change("connecting", null, null);
    this.expectAnswer();
  }

  /** Something must come within `answerMs`, or the line is taken for broken. */
  expectAnswer() {
    this.#set("answer", this.#context.answerMs, () => {
      this.drop(new NetworkError("no_answer", "the server did not answer in time"));
    });
  }

  /** Gives this socket up, as if its line had broken. */
  drop(error, options) {
    const socket = this.#socket;
    if (socket === null) return;
    this.#socket = null;
    this.#onLost(true, error, options);
    if (typeof socket.terminate === "function") {
      socket.terminate(); // of the package ws
    } else if (this.state === "resuming" && socket.readyState === kOpen) {
      this.#abandoned.add(socket); // to close it now would tell the server that the session is over
    } else {
      socket.close();
    }
  }

  /** For good. */
  end(error) {
    if (this.state === "closed") return;
    const socket = this.#socket;
    this.#socket = null;
    this.#closeAbandoned();
    this.#abort?.abort();
    for (const name of Object.keys(this.#timers)) this.#clear(name);
    globalThis.removeEventListener?.("online", this.#onOnline);
    this.#finalError = error;
    socket?.close(1000);
    this.#change("closed", error, null);
    this.#handlers.onEnd(error);
    for (const waiter of this.#waiters.splice(0)) waiter.reject(this.#closedError());
  }

  emit(type, detail) {
    if (this.state !== "closed" || type === "state") this.#target.dispatchEvent(new VoicechanEvent(type, detail));
  }

  #closedError() {
    return this.#finalError ?? new NotConnected("it was closed");
  }

  #closeAbandoned() {
    for (const socket of this.#abandoned) socket.close();
    this.#abandoned.clear();
  }

  #change(state, error, retryInMs) {
    const previous = this.state;
    this.state = state;
    this.emit("state", { state, previous, error, retryInMs });
  }

  #set(name, ms, action) {
    this.#clear(name);
    this.#timers[name] = setTimeout(() => {
      this.#timers[name] = null;
      action();
    }, ms);
  }

  #clear(name) {
    clearTimeout(this.#timers[name]);
    this.#timers[name] = null;
  }

  async #connect() {
    let key;
    try {
      key = await this.#context.getKey();
    } catch (error) {
      if (this.state === "closed") return;
      return this.#retry(error);
    }
    if (this.state === "closed") return;
    let socket;
    try {
      const subprotocols = [this.#subprotocol, `voicechan.auth.${key}`];
      socket = new this.#context.WebSocket(this.#context.socketUrl(this.#path()), subprotocols);
    } catch (error) {
      return this.end(new VoicechanError("not_allowed", `no WebSocket may be opened: ${error?.message ?? error}`));
    }
    this.#socket = socket;
    this.#openedAt = null;
    socket.binaryType = "arraybuffer";
    let wasOpen = false;
    const listen = (type, action) =>
      socket.addEventListener(type, (event) => {
        if (socket === this.#socket) action(event);
      });
    listen("open", () => {
      wasOpen = true;
      if (socket.protocol !== this.#subprotocol) {
        return this.end(new ProtocolError(`the server does not speak ${this.#subprotocol}`));
      }
      this.expectAnswer();
      this.#handlers.onOpen();
    });
    listen("message", (event) => this.#onMessage(event.data));
    listen("close", (event) => {
      this.#socket = null;
      if (wasOpen) this.#onClose(event.code);
      else this.#onRefused();
    });
    listen("error", () => {
      if (wasOpen) return; // a close follows
      this.#socket = null; // a close may follow or not: that of Node 20 leaves it at that
      this.#onRefused();
    });
    this.expectAnswer();
  }

  #onMessage(data) {
    this.#heardAt = performance.now();
    if (this.state === "open") this.#clear("answer");
    try {
      this.#handlers.onMessage(data);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#context.logger.warn("voicechan:", error.message);
      this.emit("error", error);
    }
  }

  #onClose(code) {
    this.#context.logger.debug("voicechan: closed", this.#path(), code);
    if (code === 4401) return this.end(new Unauthorized("the key was revoked"));
    const final = kFinal.get(code);
    if (final) return this.end(new ConnectionClosed(...final, code));
    const error = kBroken.has(code)
      ? new NetworkError("line_broken", "the connection broke")
      : new ConnectionClosed("closed_by_server", `the server closed the connection (${code})`, code);
    const leastMs = kPause.has(code) ? this.#context.backoff.pauseMs : 0;
    this.#onLost(kBroken.has(code), error, { leastMs });
  }

  /** A browser does not tell why a handshake failed; an HTTP request does. */
  async #onRefused() {
    this.#clear("answer");
    const abort = (this.#abort = new AbortController());
    let error = new NetworkError("handshake_refused", "the server is there, but does not take the connection");
    try {
      await this.#context.request("/api/voice_channels/ice_servers/", { abort });
    } catch (reason) {
      error = reason;
    }
    if (this.state === "closed" || this.#abort !== abort) return;
    this.#abort = null;
    if (error instanceof Unauthorized) return this.end(error);
    this.#retry(error, { leastMs: error.retryAfterMs ?? 0 });
  }

  #onLost(isBroken, error, options) {
    this.#clear("answer");
    this.#clear("quiet");
    if (this.#openedAt !== null) this.#backoff.onEnd(performance.now() - this.#openedAt);
    this.#openedAt = null;
    const willResume = this.#handlers.onLost(isBroken);
    if (this.state === "closed") return;
    this.#retry(error, options, willResume ? "resuming" : "connecting");
  }

  #retry(error, { leastMs = 0 } = {}, state = this.state) {
    const mostMs = state === "resuming" ? kResumeWaitMs : Infinity;
    const waitMs = this.#backoff.next({ leastMs, mostMs });
    this.#set("retry", waitMs, () => this.#connect());
    this.#change(state, error, waitMs);
  }

  #retryNow() {
    if (this.#timers.retry === null) return;
    this.#clear("retry");
    this.#connect();
  }

  /** Of a line that is dead a client learns nothing unless it asks. */
  #watch() {
    const { quietMs } = this.#context;
    if (!this.#handlers.ask || quietMs === 0) return;
    this.#heardAt = performance.now();
    const look = () => {
      const leftMs = this.#heardAt + quietMs - performance.now();
      if (leftMs <= 0) {
        this.#handlers.ask();
        if (this.#timers.answer === null) this.expectAnswer();
      }
      this.#set("quiet", leftMs > 0 ? leftMs : quietMs, look);
    };
    this.#set("quiet", quietMs, look);
  }
}
