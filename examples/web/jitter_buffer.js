// Decides when a frame of one speaker is played. Pure logic: the caller brings the time, in
// milliseconds, and asks for a frame each time one has been played.

export const kFrameMs = 20;
const kMinDepth = 2; // frames; below this a frame that is late by nothing but a timer is lost
const kMaxDepth = 25; // half a second: people talk over each other beyond
const kWindow = 250; // arrivals that the depth is derived from: 5 s of speech
const kQuantile = 0.95; // of these so many are to be in time: a single stall of a quarter of a second is not
const kPatience = 50; // for so many frames something has to last before it is believed

export class JitterBuffer {
  #frames = new Map(); // by sequence number
  #next = null; // the sequence number to be played next
  #newest = null; // {seq, timestamp} of the newest frame that came
  #buffering = true;
  #transits = []; // arrival minus timestamp, of the last kWindow frames
  #outliers = 0; // one after the other
  #tooFull = 0;
  #target = kMinDepth;
  #counters = { received: 0, played: 0, lost: 0, late: 0, duplicate: 0, skipped: 0, underruns: 0 };

  /** Takes a frame {seq, timestamp (ms of the sender's clock), payload}. */
  push(frame, now) {
    this.#counters.received++;
    if (this.#newest !== null && Math.abs(frame.seq - this.#newest.seq) > 3000) this.#restart();
    if (this.#next !== null && frame.seq < this.#next) {
      this.#counters.late++;
      return;
    }
    if (this.#frames.has(frame.seq)) {
      this.#counters.duplicate++;
      return;
    }
    this.#measure(frame, now);
    this.#frames.set(frame.seq, frame);
    if (this.#newest === null || frame.seq > this.#newest.seq) {
      this.#newest = { seq: frame.seq, timestamp: frame.timestamp };
    }
    if (this.#next === null) this.#next = frame.seq;
  }

  /**
   * What is to be played in the next 20 ms:
   * {kind: "frame", frame}, {kind: "lost"} (conceal it) or {kind: "wait"} (silence).
   */
  pop() {
    if (this.#frames.size === 0) {
      this.#buffering = true;
      return { kind: "wait" };
    }
    if (this.#buffering) {
      // What is missing before the first frame is not worth waiting for.
      const oldest = Math.min(...this.#frames.keys());
      if (this.#newest.seq - oldest + 1 < this.#target) return { kind: "wait" };
      this.#buffering = false;
      this.#counters.lost += oldest - this.#next;
      this.#next = oldest;
    }
    this.#trim();
    const frame = this.#frames.get(this.#next);
    this.#frames.delete(this.#next);
    this.#next++;
    if (frame === undefined) {
      this.#counters.lost++;
      return { kind: "lost" };
    }
    this.#counters.played++;
    return { kind: "frame", frame };
  }

  /** Depths in ms, and counters since the beginning. */
  stats() {
    return { depthMs: this.#span() * kFrameMs, targetMs: this.#target * kFrameMs, ...this.#counters };
  }

  #restart() {
    this.#frames.clear();
    this.#next = null;
    this.#newest = null;
    this.#buffering = true;
    this.#transits = [];
  }

  // Frames from the one that is played next to the newest, missing ones included.
  #span() {
    return this.#newest === null ? 0 : Math.max(0, this.#newest.seq - this.#next + 1);
  }

  #measure(frame, now) {
    const last = this.#newest;
    if (last !== null && frame.seq === last.seq + 1) {
      // A sender that was muted numbers on, but his clock has gone on as well. Without such a leap
      // the speech went on, and we had nothing to play: the frame should have come sooner.
      const paused = frame.timestamp - last.timestamp > 1.5 * kFrameMs;
      if (!paused && this.#buffering && this.#frames.size === 0) this.#counters.underruns++;
    }
    this.#note(now - frame.timestamp);
    const sorted = Float64Array.from(this.#transits).sort();
    const usual = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * kQuantile))];
    const wanted = Math.ceil((usual - sorted[0]) / kFrameMs) + 1;
    this.#target = Math.min(kMaxDepth, Math.max(kMinDepth, wanted));
  }

  // What came later than any depth would help stood still on its way: that tells nothing about the
  // jitter of what follows, unless all that follows takes so long.
  #note(transit) {
    if (transit - Math.min(...this.#transits) > kMaxDepth * kFrameMs) {
      if (++this.#outliers < kPatience) return;
      this.#transits = [];
    }
    this.#outliers = 0;
    this.#transits.push(transit);
    if (this.#transits.length > kWindow) this.#transits.shift();
  }

  // Too much has come at once, or the sender's clock is faster than ours: gives up a frame now and
  // then, rather than to stay behind for the rest of the call.
  #trim() {
    if (this.#span() > kMaxDepth + 5) {
      while (this.#span() > this.#target) this.#skip();
      this.#tooFull = 0;
      return;
    }
    const excess = this.#span() - this.#target - 1;
    this.#tooFull = excess > 0 ? this.#tooFull + 1 : 0;
    if (excess <= 0 || this.#tooFull < kPatience / Math.min(excess, 5)) return;
    this.#tooFull = 0;
    this.#skip();
  }

  #skip() {
    if (this.#frames.delete(this.#next)) this.#counters.skipped++;
    else this.#counters.lost++;
    this.#next++;
  }
}
