// The options of a Voicechan, checked, and the HTTP requests that all of its parts make.

import { checkBackoffSettings } from "./backoff.js";
import { isObject, toArray, toText } from "./check.js";
import {
  NetworkError,
  NotConnected,
  RateLimited,
  RequestError,
  Unauthorized,
  VoicechanError,
  badArgument,
} from "./errors.js";

const kToken = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/; // what a subprotocol may be made of (RFC 9110, 5.6.2)
const kSilent = { debug() {}, warn() {} };

function checkUrl(url) {
  const text = url ?? globalThis.location?.origin;
  let base;
  try {
    base = new URL(text);
  } catch {
    throw badArgument("url must be the http:// or https:// address of the server");
  }
  if (!["http:", "https:"].includes(base.protocol) || base.username || base.search || base.hash) {
    throw badArgument("url must be the http:// or https:// address of the server, and no more");
  }
  return base.href.replace(/\/+$/, "");
}

function checkMs(options, name, byDefault) {
  const value = options[name] ?? byDefault;
  if (Number.isFinite(value) && value >= 0) return value;
  throw badArgument(`${name} must be a number of milliseconds`);
}

export class Context {
  #key;
  #fetch;
  #requests = new Set();
  #isClosed = false;

  constructor(options) {
    if (!isObject(options)) throw badArgument("options must be an object");
    this.base = checkUrl(options.url);
    if (typeof options.key !== "string" && typeof options.key !== "function") {
      throw badArgument("key must be a string, or a function that gives one");
    }
    if (typeof options.key === "string" && !kToken.test(options.key)) throw badArgument("key is not one");
    this.#key = options.key;
    this.WebSocket = options.WebSocket ?? globalThis.WebSocket;
    if (typeof this.WebSocket !== "function") throw badArgument("WebSocket is needed, e.g. of the package ws");
    this.#fetch = options.fetch ?? globalThis.fetch?.bind(globalThis); // a page's own refuses another `this`
    if (typeof this.#fetch !== "function") throw badArgument("fetch is needed");
    this.backoff = checkBackoffSettings(options.backoff);
    this.logger = options.logger ?? kSilent;
    this.quietMs = checkMs(options, "quietMs", 20000);
    this.answerMs = checkMs(options, "answerMs", 10000);
    this.receiptMs = checkMs(options, "receiptMs", 30000);
  }

  async getKey() {
    if (typeof this.#key === "string") return this.#key;
    let key;
    try {
      key = await this.#key();
    } catch (error) {
      throw new VoicechanError("no_key", `there is no key: ${error?.message ?? error}`);
    }
    if (typeof key !== "string" || !kToken.test(key)) throw new VoicechanError("no_key", "the function gave no key");
    return key;
  }

  socketUrl(path) {
    return this.base.replace(/^http/, "ws") + path;
  }

  checkOpen() {
    if (this.#isClosed) throw new NotConnected("it was closed");
  }

  /** Ends all requests that are under way. */
  close() {
    this.#isClosed = true;
    for (const abort of this.#requests) abort.abort();
  }

  /** The JSON of a 2xx answer. `abort` ends it early. */
  async request(path, { method = "GET", body, abort = new AbortController() } = {}) {
    this.checkOpen();
    this.#requests.add(abort);
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      abort.abort();
    }, this.answerMs);
    try {
      const headers = { Authorization: `Token ${await this.getKey()}` };
      if (body !== undefined) headers["Content-Type"] = "application/json";
      const response = await this.#fetch(this.base + path, {
        method,
        headers,
        body: body === undefined ? undefined : JSON.stringify(body),
        cache: "no-store",
        credentials: "omit",
        signal: abort.signal,
      });
      return checkAnswer(response, await response.text());
    } catch (error) {
      if (error instanceof VoicechanError) throw error;
      if (this.#isClosed || (abort.signal.aborted && !isLate)) throw new NotConnected("it was closed");
      throw new NetworkError("no_answer", isLate ? "the server did not answer in time" : "the server cannot be reached");
    } finally {
      clearTimeout(timer);
      this.#requests.delete(abort);
    }
  }
}

function checkAnswer(response, text) {
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    // an error page of a proxy, say
  }
  if (response.ok) return value;
  const detail = typeof value?.detail === "string" ? value.detail : `the server answered with ${response.status}`;
  if (response.status === 401) throw new Unauthorized(detail);
  const seconds = Number.parseInt(response.headers.get("retry-after") ?? "", 10);
  const retryAfterMs = Number.isFinite(seconds) && seconds >= 0 ? Math.min(seconds, 3600) * 1000 : null;
  if (response.status === 429) throw new RateLimited(detail, retryAfterMs);
  const fields = response.status === 400 ? findFields(value) : null;
  const message = fields
    ? Object.entries(fields).map(([name, reasons]) => `${name}: ${reasons.join(" ")}`).join("; ")
    : detail;
  throw new RequestError(fields ? "bad_fields" : `http_${response.status}`, message, {
    status: response.status,
    fields,
    retryAfterMs,
  });
}

function findFields(value) {
  if (!isObject(value) || value.detail !== undefined) return null;
  try {
    for (const reasons of Object.values(value)) toArray(reasons, "reasons").forEach((each) => toText(each, "reason"));
    return value;
  } catch {
    return null;
  }
}
