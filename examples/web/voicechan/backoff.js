import { badArgument } from "./errors.js";

// A connection that lives so long was a good one: the next wait is a short one again. One that the
// server ends right after it began is not, or all would come back at once.
const kStableMs = 5000;

/** How long to wait before the next attempt: a random part of a time that doubles ("full jitter"). */
export class Backoff {
  #settings;
  #attempts = 0;

  constructor(settings) {
    this.#settings = settings;
  }

  onEnd(livedMs) {
    if (livedMs >= kStableMs) this.#attempts = 0;
  }

  /** `leastMs` is waited in any case, `mostMs` is another cap. */
  next({ leastMs = 0, mostMs = Infinity } = {}) {
    const { baseMs, capMs, random } = this.#settings;
    const longest = Math.min(capMs, mostMs, baseMs * 2 ** this.#attempts);
    this.#attempts = Math.min(this.#attempts + 1, 30);
    return leastMs + random() * longest;
  }
}

export function checkBackoffSettings(options = {}) {
  const settings = { baseMs: 500, capMs: 30000, pauseMs: 5000, random: Math.random, ...options };
  for (const name of ["baseMs", "capMs", "pauseMs"]) {
    if (!Number.isFinite(settings[name]) || settings[name] < 0) {
      throw badArgument(`backoff.${name} must be a number of milliseconds`);
    }
  }
  if (typeof settings.random !== "function") throw badArgument("backoff.random must be a function");
  return settings;
}
