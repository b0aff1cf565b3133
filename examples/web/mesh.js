// Direct sound: one RTCPeerConnection for each peer of the signaling room.

import { MeshPeer } from "./mesh_peer.js";

export function isMeshSupported() {
  return "RTCPeerConnection" in globalThis;
}

export class Mesh {
  #peers = new Map(); // by signaling id
  #options;

  /**
   * options: {context, send(to, message), iceError(code), changed()}. `changed` is called when the
   * state of a peer has changed.
   */
  constructor(options) {
    this.#options = { ...options, iceServers: [], track: null };
  }

  setIceServers(iceServers) {
    this.#options.iceServers = iceServers;
    for (const peer of this.#peers.values()) peer.setIceServers(iceServers);
  }

  /** The microphone, or null; everybody hears it from now on. */
  setTrack(track) {
    this.#options.track = track;
    for (const peer of this.#peers.values()) peer.setTrack(track);
  }

  /** `peer` is that of the roster: {id, polite}. The polite side calls. */
  add(peer) {
    if (!this.#peers.has(peer.id)) {
      this.#peers.set(peer.id, new MeshPeer(this.#options, peer.id, peer.polite));
    }
  }

  /** The same page has come back under another id: what is heard goes on. False if nothing is. */
  move(oldId, peer) {
    const known = this.#peers.get(oldId);
    if (known === undefined || !known.isConnected()) return false;
    this.#peers.delete(oldId);
    this.remove(peer.id);
    this.#peers.set(peer.id, known);
    known.move(peer.id, peer.polite);
    return true;
  }

  isConnected(id) {
    return this.#peers.get(id)?.isConnected() ?? false;
  }

  remove(id) {
    this.#peers.get(id)?.close();
    this.#peers.delete(id);
  }

  close() {
    for (const id of [...this.#peers.keys()]) this.remove(id);
  }

  receive(message) {
    this.#peers.get(message.from)?.receive(message);
  }

  /** Tells all audio elements to play; browsers allow that after a click. */
  unblock() {
    for (const peer of this.#peers.values()) peer.unblock();
  }

  async measure() {
    await Promise.all([...this.#peers.values()].map((peer) => peer.measure()));
  }

  /** {state, level, …} of a peer, or undefined. */
  stats(id) {
    return this.#peers.get(id)?.stats();
  }
}
