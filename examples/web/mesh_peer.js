// The connection to one peer, by the WebRTC rule of perfect negotiation.

import { LevelMeter } from "./level_meter.js";
import { randomId } from "./random_id.js";

const kGiveUpMs = 12_000; // no connection for so long: the network may not allow one
const kRetryMs = [1000, 2000, 4000, 8000, 15_000];
const kLossWindow = 5; // measurements, one a second
const kUnmeasured = {
  packetsReceived: 0,
  packetsSent: 0,
  lossPercent: null,
  roundTripMs: null,
  bufferMs: null,
  kbps: null,
};

export class MeshPeer {
  #options;
  #id;
  #polite;
  #connection;
  #ownName; // tells this RTCPeerConnection from an earlier one to the same peer
  #remoteName = null;
  #makingOffer = false;
  #ignoringOffer = false;
  #work = Promise.resolve(); // messages are processed one after the other
  #audio = new Audio();
  #meter = null;
  #source = null;
  #waitingSince = performance.now();
  #retries = 0;
  #retryTimer = 0;
  #reports = [];
  #measured = kUnmeasured;
  #closed = false;

  constructor(options, id, polite) {
    this.#options = options;
    this.#id = id;
    this.#polite = polite;
    this.#audio.autoplay = true;
    this.#open(polite);
  }

  setIceServers(iceServers) {
    this.#connection.setConfiguration({ iceServers });
  }

  setTrack(track) {
    for (const transceiver of this.#connection.getTransceivers()) {
      transceiver.sender.replaceTrack(track).catch(() => {});
    }
  }

  isConnected() {
    return this.#connection.connectionState === "connected";
  }

  move(id, polite) {
    this.#id = id;
    this.#polite = polite;
    // An offer that nobody has answered went to the old id.
    if (this.#connection.signalingState !== "stable") this.#open(polite);
    else this.#send({ type: "still_here" });
  }

  unblock() {
    this.#audio.play().catch(() => {});
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#retryTimer);
    this.#connection.close();
    this.#audio.srcObject = null;
    this.#source?.disconnect();
  }

  receive(message) {
    this.#work = this.#work
      .then(() => (this.#closed ? undefined : this.#process(message)))
      .catch((error) => console.warn("voicechan: signaling with a peer", error));
  }

  #open(calls) {
    this.#connection?.close();
    const connection = new RTCPeerConnection({ iceServers: this.#options.iceServers });
    this.#connection = connection;
    this.#ownName = randomId();
    this.#remoteName = null;
    this.#makingOffer = this.#ignoringOffer = false;
    this.#waitingSince = performance.now();
    this.#reports = [];
    this.#measured = kUnmeasured;
    connection.onnegotiationneeded = () => this.#offer(connection);
    connection.onicecandidate = ({ candidate }) => {
      if (candidate !== null) this.#send({ type: "candidate", candidate: candidate.toJSON() });
    };
    connection.onicecandidateerror = ({ errorCode }) => {
      // 701 is the browser's own word for a server that does not answer.
      if (errorCode >= 300 && errorCode < 700) this.#options.iceError(errorCode);
    };
    connection.onconnectionstatechange = () => this.#onState(connection);
    connection.ontrack = ({ track }) => this.#play(track);
    if (calls) {
      const transceiver = connection.addTransceiver("audio", { direction: "sendrecv" });
      transceiver.sender.replaceTrack(this.#options.track).catch(() => {});
    }
  }

  #send(message) {
    this.#options.send(this.#id, { ...message, connection: this.#ownName });
  }

  async #offer(connection) {
    if (connection !== this.#connection) return;
    try {
      this.#makingOffer = true;
      await connection.setLocalDescription();
      this.#sendDescription(connection);
    } catch (error) {
      console.warn("voicechan: no offer", error);
    } finally {
      this.#makingOffer = false;
    }
  }

  #sendDescription(connection) {
    if (connection !== this.#connection || connection.localDescription === null) return;
    const { type, sdp } = connection.localDescription;
    this.#send({ type, sdp, answers: type === "answer" ? this.#remoteName : undefined });
  }

  async #process(message) {
    if (message.type === "offer" || message.type === "answer") return this.#describe(message);
    const isOther = (message.connection ?? null) !== this.#remoteName;
    // He has kept his end over a loss of the session; if ours is another one, he has to call again.
    if (message.type === "still_here" && isOther) this.#send({ type: "call_again" });
    if (message.type === "call_again") this.#open(true);
    if (message.type !== "candidate" || !message.candidate) return undefined;
    if (isOther && this.#remoteName !== null) return undefined;
    try {
      await this.#connection.addIceCandidate(message.candidate);
    } catch (error) {
      if (!this.#ignoringOffer) throw error;
    }
    return undefined;
  }

  async #describe({ type, sdp, connection: name, answers }) {
    if (type === "answer" && answers && answers !== this.#ownName) return;
    if (type === "answer" && this.#remoteName && name && name !== this.#remoteName) {
      this.#open(true);
      return;
    }
    // He has begun anew (a reload, a failure on his side): so do we.
    if (type === "offer" && this.#remoteName && name && name !== this.#remoteName) this.#open(false);
    const connection = this.#connection;
    const collision = type === "offer" && (this.#makingOffer || connection.signalingState !== "stable");
    this.#ignoringOffer = !this.#polite && collision;
    if (this.#ignoringOffer) return;
    this.#remoteName = name ?? null;
    await connection.setRemoteDescription({ type, sdp });
    if (type !== "offer") return;
    for (const transceiver of connection.getTransceivers()) {
      transceiver.direction = "sendrecv";
      await transceiver.sender.replaceTrack(this.#options.track);
    }
    await connection.setLocalDescription();
    this.#sendDescription(connection);
  }

  #onState(connection) {
    if (connection !== this.#connection || this.#closed) return;
    if (connection.connectionState === "connected") {
      this.#waitingSince = null;
      this.#retries = 0;
    } else if (this.#waitingSince === null) {
      this.#waitingSince = performance.now();
    }
    if (connection.connectionState === "failed") {
      const pause = kRetryMs[Math.min(this.#retries++, kRetryMs.length - 1)];
      clearTimeout(this.#retryTimer);
      this.#retryTimer = setTimeout(() => {
        if (connection === this.#connection && !this.#closed) connection.restartIce();
      }, pause);
    }
    this.#options.changed();
  }

  #play(track) {
    const stream = new MediaStream([track]);
    this.#audio.srcObject = stream; // Chromium feeds the source below only if an element plays it
    this.#audio.play().catch(() => {});
    this.#source?.disconnect();
    this.#source = this.#options.context.createMediaStreamSource(stream);
    this.#meter = new LevelMeter(this.#options.context, this.#source);
  }

  #state() {
    const { connectionState } = this.#connection;
    if (connectionState === "connected" || this.#waitingSince === null) return connectionState;
    if (performance.now() - this.#waitingSince > kGiveUpMs) return "failed";
    return connectionState === "failed" ? "disconnected" : connectionState;
  }

  async measure() {
    const reports = await this.#connection.getStats().catch(() => new Map());
    let inbound, outbound, transport;
    reports.forEach((report) => {
      if (report.type === "inbound-rtp" && report.kind === "audio") inbound = report;
      if (report.type === "outbound-rtp" && report.kind === "audio") outbound = report;
      if (report.type === "transport") transport = report;
    });
    const pair = transport && reports.get(transport.selectedCandidatePairId);
    const now = {
      at: performance.now(),
      received: inbound?.packetsReceived ?? 0,
      lost: inbound?.packetsLost ?? 0,
      bytes: inbound?.bytesReceived ?? 0,
      waited: inbound?.jitterBufferDelay ?? 0,
      emitted: inbound?.jitterBufferEmittedCount ?? 0,
    };
    const before = this.#reports[0] ?? now;
    this.#reports.push(now);
    if (this.#reports.length > kLossWindow) this.#reports.shift();
    const lost = Math.max(0, now.lost - before.lost);
    const expected = now.received - before.received + lost;
    const emitted = now.emitted - before.emitted;
    this.#measured = {
      packetsReceived: now.received,
      packetsSent: outbound?.packetsSent ?? 0,
      lossPercent: expected > 0 ? (100 * lost) / expected : 0,
      roundTripMs: pair?.currentRoundTripTime === undefined ? null : pair.currentRoundTripTime * 1000,
      bufferMs: emitted > 0 ? ((now.waited - before.waited) / emitted) * 1000 : null,
      kbps: now.at > before.at ? ((now.bytes - before.bytes) * 8) / (now.at - before.at) : null,
    };
  }

  stats() {
    const sound = this.#meter?.read() ?? { db: -120, level: 0, speaking: false };
    return { state: this.#state(), ...sound, ...this.#measured };
  }
}
