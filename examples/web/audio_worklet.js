// Runs on the audio thread: takes microphone samples as frames of 20 ms, and plays frames.

const kFrame = 960; // samples, 20 ms at 48 kHz
const kRamp = 120; // samples over which sound that breaks off fades, so that it does not click

class Capture extends AudioWorkletProcessor {
  #frame = new Float32Array(kFrame);
  #filled = 0;

  process(inputs) {
    const input = inputs[0][0];
    const length = input ? input.length : 128;
    for (let i = 0; i < length; i++) {
      this.#frame[this.#filled++] = input ? input[i] : 0;
      if (this.#filled === kFrame) {
        const endsAt = currentTime + (i + 1) / sampleRate; // s
        this.port.postMessage({ endsAt, samples: this.#frame }, [this.#frame.buffer]);
        this.#frame = new Float32Array(kFrame);
        this.#filled = 0;
      }
    }
    return true;
  }
}

// Asks for the next frame by an empty message each time it begins one, so that playback follows the
// clock of the sound card. One frame is ahead: decoding takes a moment.
class Playback extends AudioWorkletProcessor {
  #queue = [];
  #position = 0;
  #untilAsk = 0;
  #last = 0;
  #gain = 0;
  #closed = false;

  constructor() {
    super();
    this.port.onmessage = ({ data }) => {
      if (data === null) this.#closed = true;
      else this.#queue.push(data);
      if (this.#queue.length > 6) {
        this.#queue.shift();
        this.#position = 0;
      }
    };
  }

  process(inputs, outputs) {
    const output = outputs[0][0];
    for (let i = 0; i < output.length; i++) output[i] = this.#sample();
    this.#untilAsk -= output.length;
    if (this.#untilAsk <= 0) {
      this.#untilAsk += kFrame;
      this.port.postMessage(this.#queue.length);
    }
    return !this.#closed;
  }

  #sample() {
    const frame = this.#queue[0];
    if (frame === undefined) {
      this.#gain = Math.max(0, this.#gain - 1 / kRamp);
      return this.#last * this.#gain;
    }
    this.#gain = Math.min(1, this.#gain + 1 / kRamp);
    this.#last = frame[this.#position++];
    if (this.#position >= frame.length) {
      this.#queue.shift();
      this.#position = 0;
    }
    return this.#last * this.#gain;
  }
}

registerProcessor("voicechan-capture", Capture);
registerProcessor("voicechan-playback", Playback);
