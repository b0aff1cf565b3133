// How loud a sound is, and whether somebody speaks.

const kFloorDb = -60;
const kSpeechDb = -45;
const kHoldMs = 400; // a speaker breathes

export class LevelMeter {
  #analyser;
  #samples;
  #spokeAt = -Infinity;

  /** `node` is an AudioNode; it is only listened to. */
  constructor(context, node) {
    this.#analyser = new AnalyserNode(context, { fftSize: 1024 });
    this.#samples = new Float32Array(this.#analyser.fftSize);
    node.connect(this.#analyser);
  }

  /** {db, level: 0 to 1 for a meter, speaking} of the last 20 ms. */
  read() {
    this.#analyser.getFloatTimeDomainData(this.#samples);
    let sum = 0;
    for (const sample of this.#samples) sum += sample * sample;
    const db = 10 * Math.log10(sum / this.#samples.length + 1e-12);
    const now = performance.now();
    if (db > kSpeechDb) this.#spokeAt = now;
    const level = Math.min(1, Math.max(0, 1 - db / kFloorDb));
    return { db, level, speaking: now - this.#spokeAt < kHoldMs };
  }
}
