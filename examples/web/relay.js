// Sound through the server: Opus frames of 20 ms as binary messages of the voice room.
//
// A message is a header and an Opus packet. The header, big-endian: 4 bytes "VCR1", 4 bytes the
// frame's number (one more for each frame that is sent), 8 bytes as a double the time at which its
// first sample was recorded, in milliseconds since 1970 by the sender's clock.

import { JitterBuffer, kFrameMs } from "./jitter_buffer.js";
import { LevelMeter } from "./level_meter.js";

const kMagic = 0x56435231;
const kHeaderBytes = 16;
const kSampleRate = 48_000;
const kClockCreepMs = 0.02; // per frame: the sound card's clock may be slower than the computer's by 0.1 %
const kClockLeapMs = 1000; // it has stood still: the computer slept
const kOpus = { codec: "opus", sampleRate: kSampleRate, numberOfChannels: 1 };
const kEncoder = {
  ...kOpus,
  bitrate: 32_000,
  opus: { frameDuration: kFrameMs * 1000, application: "voip", signal: "voice" },
};

export async function isRelaySupported() {
  if (!("AudioEncoder" in globalThis && "AudioDecoder" in globalThis && "AudioWorkletNode" in globalThis)) return false;
  const answers = await Promise.all([AudioEncoder.isConfigSupported(kEncoder), AudioDecoder.isConfigSupported(kOpus)])
    .catch(() => []);
  return answers.length > 0 && answers.every((answer) => answer.supported);
}

/** {seq, timestamp, payload}, or null if it is not a message of this page (others share the room). */
export function parseFrame(bytes) {
  if (bytes.byteLength <= kHeaderBytes) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0) !== kMagic) return null;
  const timestamp = view.getFloat64(8);
  if (!Number.isFinite(timestamp)) return null;
  return { seq: view.getUint32(4), timestamp, payload: bytes.subarray(kHeaderBytes) };
}

export function formatFrame(seq, timestamp, packet) {
  const bytes = new Uint8Array(kHeaderBytes + packet.byteLength);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, kMagic);
  view.setUint32(4, seq);
  view.setFloat64(8, timestamp);
  packet.copyTo(bytes.subarray(kHeaderBytes));
  return bytes;
}

/** Encodes the microphone while `active`. */
export class RelaySender {
  active = false;
  sent = 0;
  #send;
  #source = null;
  #worklet;
  #silence;
  #encoder = null;
  #seq = 0;
  #clockOffset = Infinity; // from the time of the sound card, in ms, to that since 1970
  #timestamps = []; // of frames in the encoder: its own do not tell that there was a pause

  /** `send(bytes)` is called for each frame. */
  constructor(context, send) {
    this.#send = send;
    this.#worklet = new AudioWorkletNode(context, "voicechan-capture", { channelCount: 1, channelCountMode: "explicit" });
    this.#silence = new GainNode(context, { gain: 0 });
    this.#worklet.connect(this.#silence).connect(context.destination); // so that it runs
    this.#worklet.port.onmessage = ({ data }) => this.#encode(data.samples, data.endsAt * 1000);
  }

  /** An AudioNode that is the microphone, or null. */
  setSource(source) {
    if (this.#source !== null) this.#source.disconnect(this.#worklet);
    this.#source = source;
    source?.connect(this.#worklet);
  }

  close() {
    this.active = false;
    this.setSource(null);
    this.#worklet.port.onmessage = null;
    this.#worklet.disconnect();
    this.#silence.disconnect();
    if (this.#encoder?.state === "configured") this.#encoder.close();
  }

  // Frames come to this thread at once or late, never early: the smallest difference of the clocks
  // is the true one.
  #follow(endsAt) {
    const offset = Date.now() - endsAt;
    if (offset < this.#clockOffset || offset > this.#clockOffset + kClockLeapMs) this.#clockOffset = offset;
    else this.#clockOffset += Math.min(offset - this.#clockOffset, kClockCreepMs);
  }

  #encode(samples, endsAt) {
    this.#follow(endsAt);
    if (!this.active || this.#source === null) {
      if (this.#encoder?.state === "configured") this.#encoder.close();
      this.#encoder = null;
      return;
    }
    if (this.#encoder === null || this.#encoder.state === "closed") this.#openEncoder();
    const sound = new AudioData({
      format: "f32-planar",
      sampleRate: kSampleRate,
      numberOfFrames: samples.length,
      numberOfChannels: 1,
      timestamp: Math.round(endsAt * 1000),
      data: samples,
    });
    this.#timestamps.push(endsAt + this.#clockOffset - kFrameMs);
    this.#encoder.encode(sound);
    sound.close();
  }

  #openEncoder() {
    this.#timestamps = [];
    this.#encoder = new AudioEncoder({
      output: (packet) => {
        const timestamp = this.#timestamps.shift();
        if (!this.active || timestamp === undefined) return;
        this.#send(formatFrame(this.#seq++, timestamp, packet));
        this.sent++;
      },
      error: (error) => console.warn("voicechan: encoder", error),
    });
    this.#encoder.configure(kEncoder);
  }
}

/** Plays one member of the voice room. */
export class RelayReceiver {
  #audible = true;
  #context;
  #buffer = new JitterBuffer();
  #worklet;
  #meter;
  #decoder = null;
  #ahead = 0; // frames that wait in the worklet
  #waiting = new Map(); // timestamps of frames in the decoder, by its own timestamps
  #decoded = 0;
  #bytes = 0;
  #rates = [];
  #delayMs = null;
  #heardAt = -Infinity;

  constructor(context) {
    this.#context = context;
    this.#worklet = new AudioWorkletNode(context, "voicechan-playback", { numberOfInputs: 0, outputChannelCount: [1] });
    this.#worklet.connect(context.destination);
    this.#meter = new LevelMeter(context, this.#worklet);
    this.#worklet.port.onmessage = ({ data }) => this.#next(data);
  }

  close() {
    this.#worklet.port.postMessage(null);
    this.#worklet.port.onmessage = null;
    this.#worklet.disconnect();
    if (this.#decoder?.state === "configured") this.#decoder.close();
  }

  /** Whether frames are played; not if somebody is heard by another way. */
  setAudible(audible) {
    if (audible && !this.#audible) this.#buffer = new JitterBuffer(); // what was left out is not lost
    this.#audible = audible;
  }

  receive(frame) {
    if (!this.#audible) return;
    this.#heardAt = performance.now();
    this.#bytes += frame.payload.byteLength;
    this.#buffer.push(frame, performance.timeOrigin + performance.now());
  }

  // The sound card has begun a frame, and `ahead` are left with it.
  #next(ahead) {
    this.#ahead = ahead;
    for (let free = 2 - ahead; free > 0; free--) {
      const { kind, frame } = this.#buffer.pop();
      if (kind !== "frame") return; // the worklet fades out
      this.#decode(frame);
      this.#ahead++;
    }
  }

  #decode(frame) {
    if (this.#decoder === null || this.#decoder.state === "closed") this.#openDecoder();
    const timestamp = this.#decoded++ * kFrameMs * 1000;
    this.#waiting.set(timestamp, frame.timestamp);
    if (this.#waiting.size > 50) this.#waiting.clear(); // a decoder that gives nothing back
    this.#decoder.decode(new EncodedAudioChunk({ type: "key", timestamp, data: frame.payload }));
  }

  #openDecoder() {
    this.#decoder = new AudioDecoder({
      output: (sound) => this.#play(sound),
      error: (error) => console.warn("voicechan: decoder", error),
    });
    this.#decoder.configure(kOpus);
  }

  #play(sound) {
    const samples = new Float32Array(sound.numberOfFrames);
    sound.copyTo(samples, { planeIndex: 0, format: "f32-planar" });
    const recorded = this.#waiting.get(sound.timestamp);
    this.#waiting.delete(sound.timestamp);
    sound.close();
    this.#worklet.port.postMessage(samples, [samples.buffer]);
    if (recorded === undefined) return;
    const latency = (this.#context.outputLatency || this.#context.baseLatency || 0) * 1000;
    const delay = Date.now() - recorded + (this.#ahead - 1) * kFrameMs + latency;
    this.#delayMs = this.#delayMs === null ? delay : this.#delayMs + (delay - this.#delayMs) / 16;
  }

  /** To be called once a second. */
  measure() {
    const { received, lost } = this.#buffer.stats();
    if (received < (this.#rates.at(-1)?.received ?? 0)) this.#rates = []; // another buffer
    this.#rates.push({ at: performance.now(), bytes: this.#bytes, received, lost });
    if (this.#rates.length > 6) this.#rates.shift();
  }

  stats() {
    const first = this.#rates[0];
    const last = this.#rates.at(-1);
    const lost = last ? last.lost - first.lost : 0;
    const expected = last ? last.received - first.received + lost : 0;
    const buffer = this.#buffer.stats();
    return {
      ...this.#meter.read(),
      ...buffer,
      hearing: performance.now() - this.#heardAt < 1000,
      lossPercent: expected > 0 ? (100 * lost) / expected : 0,
      kbps: last && last.at > first.at ? ((last.bytes - first.bytes) * 8) / (last.at - first.at) : null,
      bufferMs: buffer.depthMs + this.#ahead * kFrameMs,
      // True only if both clocks are: those of two machines seldom are.
      delayMs: this.#delayMs,
    };
  }
}
