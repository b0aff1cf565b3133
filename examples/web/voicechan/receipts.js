// The messages whose fate is not known yet.

import { isNatural } from "./check.js";
import { Expired, PeerBusy, PeerGone, RateLimited, Refused, Unconfirmed, VoicechanError } from "./errors.js";

const kFailures = {
  gone: (to) => new PeerGone("gone", "the peer left before the message was delivered", to),
  unknown: (to) => new PeerGone("unknown_peer", "no such peer is connected", to),
  expired: (to) => new Expired("expired", "the message waited for the peer in vain, or a newer offer came", to),
  busy: (to) => new PeerBusy("peer_busy", "the peer does not read, or too much waits for it", to),
};

export class Receipts {
  #receiptMs;
  #last = 0;
  #pending = new Map(); // by msg_id, in the order of sending

  constructor(receiptMs) {
    this.#receiptMs = receiptMs;
  }

  /** `write(msg_id)` puts it on the line and says whether it could: now or, if `isHeld`, at `release`. */
  add(to, write, { isHeld, onQueued }) {
    const id = ++this.#last;
    return new Promise((resolve, reject) => {
      const message = { to, write: () => write(id), isHeld, onQueued, resolve, reject, timer: null };
      this.#pending.set(id, message);
      if (!isHeld) this.#write(id, message);
    });
  }

  release() {
    for (const [id, message] of this.#pending) if (message.isHeld) this.#write(id, message);
  }

  get held() {
    let count = 0;
    for (const message of this.#pending.values()) if (message.isHeld) ++count;
    return count;
  }

  settle({ msg_id: id, status, code, detail, expires_in: expiresIn }) {
    const message = this.#pending.get(id);
    if (message === undefined) return;
    if (status === "queued") {
      const seconds = isNatural(expiresIn) ? expiresIn : 0;
      this.#watch(id, message, seconds * 1000 + this.#receiptMs);
      message.onQueued?.(seconds);
      return;
    }
    this.#take(id);
    if (status === "delivered") return message.resolve({ status, to: message.to });
    message.reject(kFailures[status]?.(message.to) ?? toRefusal({ code, detail: detail ?? status }));
  }

  /** An error that names no message: it can only be told whose it is if just one is under way. */
  fail(error) {
    if (this.#pending.size !== 1) return false;
    const [id, message] = this.#pending.entries().next().value;
    if (message.isHeld) return false;
    this.#take(id);
    message.reject(error);
    return true;
  }

  /** The session is over; `makeError` is for those that were not sent. */
  lose(makeError) {
    for (const [id, message] of this.#pending) {
      this.#take(id);
      message.reject(message.isHeld ? makeError() : unconfirmed(message.to));
    }
  }

  #write(id, message) {
    message.isHeld = !message.write(); // the line may have broken just now
    if (!message.isHeld) this.#watch(id, message, this.#receiptMs);
  }

  #watch(id, message, ms) {
    clearTimeout(message.timer);
    message.timer = setTimeout(() => {
      this.#take(id);
      message.reject(unconfirmed(message.to));
    }, ms);
  }

  #take(id) {
    clearTimeout(this.#pending.get(id).timer);
    this.#pending.delete(id);
  }
}

function unconfirmed(to) {
  return new Unconfirmed("unconfirmed", "nobody knows whether the message came", to);
}

/** What an `error` of the server, or the receipt `refused`, stands for. */
export function toRefusal({ code, detail }) {
  const text = typeof detail === "string" ? detail : "the server refused it";
  if (code === "rate_limited") return new RateLimited(text);
  return typeof code === "string" ? new Refused(code, text) : new VoicechanError("refused", text);
}
