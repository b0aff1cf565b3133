// The jitter buffer of the demo page, without a browser.

import assert from "node:assert/strict";
import { test } from "node:test";

import { JitterBuffer, kFrameMs } from "../../examples/web/jitter_buffer.js";
import { kStrings } from "../../examples/web/strings.js";

const frame = (seq, timestamp = seq * kFrameMs) => ({ seq, timestamp, payload: null });

// Runs a stream: `delays[seq]` is how late a frame comes, null if it never does. What was played is
// returned, one entry for each 20 ms.
function play(buffer, delays, { ticks = delays.length + 40 } = {}) {
  const arrivals = delays
    .map((delay, seq) => ({ seq, at: delay === null ? null : seq * kFrameMs + delay }))
    .filter(({ at }) => at !== null)
    .sort((a, b) => a.at - b.at || a.seq - b.seq);
  const played = [];
  for (let tick = 0; tick < ticks; tick++) {
    const now = tick * kFrameMs;
    while (arrivals.length > 0 && arrivals[0].at <= now) {
      const { seq, at } = arrivals.shift();
      buffer.push(frame(seq), at);
    }
    const result = buffer.pop();
    played.push(result.kind === "frame" ? result.frame.seq : result.kind);
  }
  return played;
}

const frames = (played) => played.filter((entry) => typeof entry === "number");

// Numbers that look random and are the same each time.
function* noise(seed) {
  for (let state = seed; ; ) {
    state = (state * 1103515245 + 12345) % 2147483648;
    yield state / 2147483648;
  }
}

test("a steady stream is played whole, in order and at the smallest depth", () => {
  const buffer = new JitterBuffer();
  const played = play(buffer, Array(500).fill(7));
  assert.deepEqual(frames(played), Array.from({ length: 500 }, (_, seq) => seq));
  assert.equal(played.indexOf(0), 2, "two frames are awaited");
  assert.equal(buffer.stats().lost, 0);
  assert.equal(buffer.stats().targetMs, 40);
});

test("jitter makes it deeper, and then hardly anything is late", () => {
  const random = noise(7);
  const buffer = new JitterBuffer();
  const delays = Array.from({ length: 2000 }, () => random.next().value * 90);
  play(buffer, delays.slice(0, 500), { ticks: 500 });
  const { targetMs } = buffer.stats();
  assert.ok(targetMs >= 90 && targetMs <= 140, `depth for 90 ms of jitter is ${targetMs} ms`);
  const again = new JitterBuffer();
  play(again, delays);
  const { received, late, lost } = again.stats();
  assert.ok((late + lost) / received < 0.05, `${late} late and ${lost} lost of ${received}`);
});

test("it becomes shallow again when the jitter is over", () => {
  const random = noise(3);
  const buffer = new JitterBuffer();
  const delays = Array.from({ length: 3000 }, (_, seq) => (seq < 500 ? random.next().value * 200 : 5));
  play(buffer, delays, { ticks: 2990 });
  assert.equal(buffer.stats().targetMs, 40);
  assert.ok(buffer.stats().depthMs <= 60, `${buffer.stats().depthMs} ms wait`);
  assert.ok(buffer.stats().skipped > 0);
});

test("after a stall it is back at its usual delay within seconds", () => {
  const buffer = new JitterBuffer();
  const delays = Array.from({ length: 900 }, (_, seq) => (seq >= 300 && seq < 320 ? (320 - seq) * kFrameMs : 5));
  play(buffer, delays.slice(0, 340), { ticks: 340 });
  assert.ok(buffer.stats().depthMs > 100, "what came at once waits");
  const again = new JitterBuffer();
  play(again, delays, { ticks: 690 });
  assert.ok(again.stats().depthMs <= 60, `${again.stats().depthMs} ms wait seven seconds later`);
  assert.equal(again.stats().lost, 0);
});

test("a frame that never comes is concealed, once", () => {
  const buffer = new JitterBuffer();
  const delays = Array(100).fill(5);
  delays[40] = delays[70] = null;
  const played = play(buffer, delays);
  assert.equal(played.filter((entry) => entry === "lost").length, 2);
  assert.equal(buffer.stats().lost, 2);
  assert.equal(played[played.indexOf(39) + 1], "lost");
  assert.equal(played[played.indexOf(39) + 2], 41);
});

test("a longer gap is counted as lost, and the depth is there again after it", () => {
  const buffer = new JitterBuffer();
  const delays = Array(100).fill(5).fill(null, 50, 60);
  play(buffer, delays, { ticks: 90 });
  assert.equal(buffer.stats().lost, 10);
  assert.equal(buffer.stats().depthMs, kFrameMs, "one of two, since the other is being played");
});

test("frames that come twice or after their time are not played", () => {
  const buffer = new JitterBuffer();
  for (const seq of [0, 1, 2, 2, 3]) buffer.push(frame(seq), 10);
  for (let i = 0; i < 3; i++) buffer.pop();
  buffer.push(frame(1), 60);
  assert.deepEqual(buffer.pop().frame.seq, 3);
  const { duplicate, late, played } = buffer.stats();
  assert.deepEqual({ duplicate, late, played }, { duplicate: 1, late: 1, played: 4 });
});

test("a sender who was muted has not run dry, one whose line stood still has", () => {
  for (const [pause, underruns] of [[5000, 0], [0, 1]]) {
    const buffer = new JitterBuffer();
    for (let seq = 0; seq < 4; seq++) buffer.push(frame(seq), seq * kFrameMs);
    for (let i = 0; i < 6; i++) buffer.pop();
    for (let seq = 4; seq < 8; seq++) buffer.push(frame(seq, seq * kFrameMs + pause), 5000 + seq * kFrameMs);
    assert.equal(buffer.pop().frame.seq, 4);
    assert.equal(buffer.stats().underruns, underruns);
    assert.equal(buffer.stats().lost, 0);
  }
});

test("half a minute that comes at once does not delay what follows", () => {
  const buffer = new JitterBuffer();
  for (let seq = 0; seq < 1500; seq++) buffer.push(frame(seq), 30_000);
  buffer.pop();
  assert.ok(buffer.stats().depthMs <= 500, `${buffer.stats().depthMs} ms wait`);
  assert.ok(buffer.stats().skipped > 1400);
});

test("a sender that numbers anew is heard", () => {
  const buffer = new JitterBuffer();
  for (let seq = 900_000; seq < 900_010; seq++) buffer.push(frame(seq), seq * kFrameMs);
  for (let i = 0; i < 5; i++) buffer.pop();
  for (let seq = 0; seq < 5; seq++) buffer.push(frame(seq), 30_000_000 + seq * kFrameMs);
  assert.equal(buffer.pop().frame.seq, 0);
});

test("a sender whose clock is fast is followed without a growing delay", () => {
  const buffer = new JitterBuffer();
  let depth = 0;
  let seq = 0;
  for (let tick = 0; tick < 60_000; tick++) {
    while (seq * kFrameMs * 0.999 <= tick * kFrameMs) {
      buffer.push(frame(seq), seq * kFrameMs * 0.999);
      seq++;
    }
    buffer.pop();
    depth = Math.max(depth, buffer.stats().depthMs);
  }
  assert.ok(depth <= 100, `${depth} ms wait after twenty minutes at 0.1 %`);
  assert.equal(buffer.stats().lost, 0);
});

test("both languages say the same things with the same values", () => {
  const shape = (text) => (Array.isArray(text) ? "plural" : [...text.matchAll(/\{\w+\}/g)].map(String).sort());
  const names = Object.keys(kStrings.en);
  assert.deepEqual(Object.keys(kStrings.uk), names);
  for (const name of names) {
    assert.deepEqual(shape(kStrings.uk[name]), shape(kStrings.en[name]), name);
    for (const text of [kStrings.en[name], kStrings.uk[name]].flat()) assert.ok(text.length > 0, name);
  }
  assert.equal(kStrings.en.peopleIn.length, 2);
  assert.equal(kStrings.uk.peopleIn.length, 4);
});
