// One call: who is in the channel, by which way each of them is heard, and what is sent to whom.
//
// Everybody is in the signaling room and in the voice room of the channel. In the signaling room he
// says {mode, muted, member, session}: `member` is his number in the voice room, so that others know
// who is the same. Two who both chose "mesh" talk directly; all others hear each other by the relay.

import { LevelMeter } from "./level_meter.js";
import { Mesh, isMeshSupported } from "./mesh.js";
import { openMicrophone, openSound } from "./microphone.js";
import { randomId } from "./random_id.js";
import { RelayReceiver, RelaySender, isRelaySupported, parseFrame } from "./relay.js";

const kOrphanMs = 20_000; // a peer heard directly may have to find its way back to the server
const kRoundTripEveryMs = 5000;

export async function findModes() {
  return { mesh: isMeshSupported(), relay: await isRelaySupported() };
}

export class Call {
  channel;
  can;
  mode;
  muted = false;
  microphone = { stream: null, reason: null };
  #client;
  #events;
  #context;
  #session = randomId();
  #signaling;
  #voice;
  #mesh = null;
  #sender = null;
  #receivers = new Map(); // by member number
  #known = new Set(); // ids of peers that we were told of; the line may know more already
  #orphans = new Map(); // peers that the server lost and that are still heard, by their last id
  #source = null;
  #meter = null;
  #wasOpen = false;
  #roundTripMs = null;
  #timers = [];
  #closed = false;

  /** events: {changed(), ended(error), came(name), left(name)} */
  static async enter(client, channel, { mode, can, events }) {
    const call = new Call();
    call.#client = client;
    call.#events = events;
    call.channel = channel;
    call.can = can;
    call.mode = can[mode] ? mode : can.mesh ? "mesh" : "relay";
    call.#context = await openSound();
    call.#context.onstatechange = () => events.changed();
    await call.openMicrophone();
    call.unblock(); // some browsers let a page sound once it may record
    call.#connect();
    return call;
  }

  async openMicrophone() {
    const { stream = null, reason = null } = await openMicrophone();
    this.microphone = { stream, reason };
    if (stream !== null) {
      this.#source = this.#context.createMediaStreamSource(stream);
      this.#meter = new LevelMeter(this.#context, this.#source);
      stream.getAudioTracks()[0].onended = () => {
        this.microphone = { stream: null, reason: "micBusy" };
        this.#tellData();
        this.#update();
      };
    }
    this.#useMicrophone();
    if (this.#signaling) this.#tellData();
    this.#events.changed();
  }

  /** Nobody can hear you. */
  isSilent() {
    return this.muted || this.microphone.stream === null;
  }

  #useMicrophone() {
    const track = this.microphone.stream?.getAudioTracks()[0] ?? null;
    if (track !== null) track.enabled = !this.muted;
    this.#mesh?.setTrack(track);
    this.#sender?.setSource(this.#source);
  }

  #connect() {
    const signaling = this.#client.signaling({ room: String(this.channel.id), data: this.#ownData() });
    const voice = this.#client.voice(String(this.channel.id));
    this.#signaling = signaling;
    this.#voice = voice;
    if (this.can.mesh) {
      this.#mesh = new Mesh({
        context: this.#context,
        // Whether it comes is seen by the connection: a peer that has gone is told as gone.
        send: (to, message) => signaling.send(to, message).catch(() => {}),
        iceError: (code) => signaling.reportIceError(code),
        changed: () => this.#update(),
      });
    }
    if (this.can.relay) this.#sender = new RelaySender(this.#context, (bytes) => voice.sendAudio(bytes));
    this.#useMicrophone();

    signaling.on("joined", (joined) => this.#onJoined(joined));
    signaling.on("peerjoined", (peer) => this.#onPeerJoined(peer));
    signaling.on("peerupdated", () => this.#update());
    signaling.on("peerleft", (peer) => this.#onPeerLeft(peer));
    signaling.on("iceservers", ({ iceServers }) => this.#mesh?.setIceServers(iceServers));
    signaling.on("message", ({ peer, message }) => this.#onMessage(peer, message));
    voice.on("roster", () => this.#onRoster());
    voice.on("memberjoined", () => this.#update());
    voice.on("memberleft", ({ member }) => this.#forget(member));
    voice.on("audio", ({ member, bytes }) => this.#onAudio(member, bytes));
    for (const line of [signaling, voice]) {
      line.on("state", ({ state, error }) => {
        if (state === "closed" && error !== null) this.#events.ended(error);
        else this.#update();
      });
    }
    this.#timers.push(setInterval(() => this.#measure(), 1000), setInterval(() => this.#ping(), kRoundTripEveryMs));
    this.#ping();
  }

  #ownData() {
    const member = this.#voice?.you?.member ?? null;
    return { mode: this.mode, muted: this.isSilent(), member, session: this.#session };
  }

  // --- The rooms

  #onJoined({ again, peers, changes }) {
    this.#known = new Set(peers.map(({ id }) => id));
    if (again) {
      // The server knows nobody of us any more, but sound that goes directly is still there.
      for (const peer of changes.left) this.#orphan(peer);
      for (const peer of changes.joined) this.#recognise(peer);
    }
    this.#update();
  }

  #onPeerJoined(peer) {
    this.#known.add(peer.id);
    if (!this.#recognise(peer)) this.#events.came(peer.username);
    this.#update();
  }

  #onPeerLeft(peer) {
    this.#known.delete(peer.id);
    this.#mesh?.remove(peer.id);
    this.#events.left(peer.username);
    this.#update();
  }

  #orphan(peer) {
    if (!this.#mesh?.isConnected(peer.id)) {
      this.#mesh?.remove(peer.id);
      return;
    }
    this.#orphans.set(peer.id, peer);
    setTimeout(() => {
      if (!this.#orphans.delete(peer.id)) return;
      this.#mesh.remove(peer.id);
      this.#update();
    }, kOrphanMs);
  }

  // True if that is a page that we have talked with before the server forgot us.
  #recognise(peer) {
    for (const [id, orphan] of this.#orphans) {
      if (orphan.user_id !== peer.user_id || !peer.data?.session || orphan.data?.session !== peer.data.session) continue;
      this.#orphans.delete(id);
      if (!this.#mesh.move(id, peer)) this.#mesh.remove(id);
      return true;
    }
    return false;
  }

  #onMessage(peer, message) {
    if (peer === null || this.#mesh === null) return;
    if (message.type === "offer" && this.mode === "mesh") this.#mesh.add(peer);
    this.#mesh.receive(message);
  }

  #onRoster() {
    for (const number of [...this.#receivers.keys()]) this.#forget(number);
    this.#tellData();
    this.#update();
  }

  #forget(number) {
    this.#receivers.get(number)?.close();
    this.#receivers.delete(number);
    this.#update();
  }

  #onAudio(member, bytes) {
    if (!this.can.relay) return;
    const frame = parseFrame(bytes);
    if (frame === null) return; // another kind of client
    const isNew = !this.#receivers.has(member.member);
    if (isNew) this.#receivers.set(member.member, new RelayReceiver(this.#context));
    this.#receivers.get(member.member).receive(frame);
    if (isNew) this.#update();
  }

  async #tellData() {
    await this.#signaling.update(this.#ownData()).catch(() => {}); // or with the next join
  }

  // --- By which way

  #peerOf(member) {
    for (const peer of [...this.#signaling.peers.values(), ...this.#orphans.values()]) {
      if (peer.data?.member === member.member && peer.user_id === member.user_id) return peer;
    }
    return null;
  }

  #isDirect(peer) {
    return this.mode === "mesh" && this.#mesh !== null && peer?.data?.mode === "mesh";
  }

  #update() {
    if (this.#closed) return;
    for (const peer of this.#signaling.peers.values()) {
      if (!this.#known.has(peer.id)) continue;
      if (this.#isDirect(peer)) this.#mesh.add(peer);
      else this.#mesh?.remove(peer.id);
    }
    let relayed = this.mode === "relay";
    for (const member of this.#voice.members.values()) {
      const peer = this.#peerOf(member);
      if (!this.#isDirect(peer)) relayed = true;
      const receiver = this.#receivers.get(member.member);
      // He may be sending by the relay for the sake of a third one.
      receiver?.setAudible(!(this.#isDirect(peer) && this.#mesh.isConnected(peer.id)));
    }
    if (this.#sender !== null) {
      this.#sender.active = relayed && !this.isSilent() && this.#voice.state === "open";
    }
    if (this.#signaling.state === "open" && this.#voice.state === "open") this.#wasOpen = true;
    this.#events.changed();
  }

  // --- What the user does

  async setMode(mode) {
    if (!this.can[mode] || mode === this.mode) return;
    this.mode = mode;
    this.#events.changed();
    await this.#tellData(); // before our offers: others take none from whom they think to relay
    this.#update();
  }

  setMuted(muted) {
    this.muted = muted;
    this.#useMicrophone();
    this.#tellData();
    this.#update();
  }

  /** After a click of the user. */
  unblock() {
    this.#context.resume().catch(() => {});
    this.#mesh?.unblock();
  }

  async leave() {
    this.#closed = true;
    this.#timers.forEach(clearInterval);
    this.#mesh?.close();
    this.#sender?.close();
    for (const receiver of this.#receivers.values()) receiver.close();
    this.microphone.stream?.getTracks().forEach((track) => track.stop());
    this.#voice.close();
    this.#signaling.leave().catch(() => {});
    await this.#context.close();
  }

  // --- What is shown

  isBlocked() {
    return this.#context.state === "suspended";
  }

  /** "connecting", "open" or "reconnecting" */
  state() {
    if (this.#signaling.state === "open" && this.#voice.state === "open") return "open";
    return this.#wasOpen ? "reconnecting" : "connecting";
  }

  /** [{key, name, userId, you, mode, muted, way, stats}], you first. */
  people() {
    const you = this.#voice.you;
    const own = { key: "you", name: you?.username ?? "…", userId: you?.user_id ?? null, you: true, way: null };
    const list = [{ ...own, mode: this.mode, muted: this.isSilent(), stats: {} }];
    const claimed = new Set();
    for (const peer of [...this.#signaling.peers.values(), ...this.#orphans.values()]) {
      const member = this.#voice.members.get(peer.data?.member);
      const isSame = member !== undefined && member.user_id === peer.user_id;
      if (isSame) claimed.add(member.member);
      list.push(this.#person(peer, isSame ? member : null));
    }
    for (const member of this.#voice.members.values()) {
      if (!claimed.has(member.member)) list.push(this.#person(null, member));
    }
    // A page that came back while the server still waits for its old session is there twice.
    const keys = new Set();
    for (const person of list) {
      while (keys.has(person.key)) person.key += " again";
      keys.add(person.key);
    }
    return list;
  }

  #person(peer, member) {
    const way = this.#isDirect(peer) ? "mesh" : "relay";
    const stats = way === "mesh" ? this.#mesh.stats(peer.id) : this.#relayStats(member);
    const mode = ["mesh", "relay"].includes(peer?.data?.mode) ? peer.data.mode : "unknown";
    return {
      key: peer?.data?.session ?? peer?.id ?? `member ${member.member}`,
      name: (peer ?? member).username,
      userId: (peer ?? member).user_id,
      you: false,
      mode,
      muted: peer?.data?.muted === true,
      way,
      stats: stats ?? {},
    };
  }

  #relayStats(member) {
    const stats = member === null ? undefined : this.#receivers.get(member.member)?.stats();
    if (!stats) return undefined;
    // The clocks of two machines differ: what is known is how long a way to the server and back
    // takes, which stands for his way there and the way from there to us.
    const known = this.#roundTripMs !== null && stats.hearing;
    return { ...stats, aboutMs: known ? this.#roundTripMs + stats.bufferMs + 2 * 20 : null };
  }

  ownLevel() {
    const sound = this.#meter?.read() ?? { level: 0, speaking: false, db: -120 };
    return this.muted ? { ...sound, level: 0, speaking: false } : sound;
  }

  relaySent() {
    return this.#sender?.sent ?? 0;
  }

  async #measure() {
    await this.#mesh?.measure();
    for (const receiver of this.#receivers.values()) receiver.measure();
    if (!this.#closed) this.#update(); // a connection that takes too long changes by time alone
  }

  async #ping() {
    const began = performance.now();
    try {
      await this.#client.channelMembers(this.channel.id, { limit: 1 });
      this.#roundTripMs = performance.now() - began;
    } catch {
      this.#roundTripMs = null;
    }
  }
}
