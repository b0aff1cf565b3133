import { isNatural, isObject, toArray, toIceServers, toNatural, toObject, toPeer, toText } from "./check.js";
import { Connection } from "./connection.js";
import { NotConnected, ProtocolError, RateLimited, Refused, badArgument } from "./errors.js";
import { Line, kConnection } from "./line.js";
import { OwnData } from "./own_data.js";
import { Receipts, toRefusal } from "./receipts.js";
import { checkRoomName } from "./room_name.js";
import { compareRosters, samePeers } from "./roster.js";

const kMaxHeld = 1024;

export class Signaling extends Line {
  #room;
  #wantsResume;
  #data;
  #receipts;
  #id = null;
  #peers = new Map();
  #iceServers = null;
  #revision = 0;
  #session = null; // {key, seq}: what there is to resume
  #missed = null; // after `resumed`, how many messages are still to come before anything is sent
  #asked = null; // the one request of ours that awaits an answer: "join", "update" or "sync"
  #needsSync = false;
  #mayAsk = false; // we are in the room, and nothing that was missed is still to come
  #leaving = null;

  constructor(context, options) {
    super();
    if (!isObject(options)) throw badArgument("signaling needs {room}");
    this.#room = checkRoomName(options.room);
    this.#wantsResume = options.resume !== false;
    this.#data = new OwnData(options.data);
    this.#receipts = new Receipts(context.receiptMs);
    this[kConnection] = new Connection(context, {
      path: "/ws/signaling/",
      target: this,
      onOpen: () => this.#onOpen(),
      onMessage: (data) => this.#onMessage(data),
      onLost: (isBroken) => this.#onLost(isBroken),
      onEnd: () => this.#onEnd(),
      ask: () => this.#sync(),
    });
  }

  get room() {
    return this.#room;
  }

  get id() {
    return this.#id;
  }

  get peers() {
    return this.#peers;
  }

  get iceServers() {
    return this.#iceServers;
  }

  async send(to, message, { onQueued } = {}) {
    if (typeof to !== "string" || to === "") throw badArgument("to must be the id of a peer");
    if (onQueued !== undefined && typeof onQueued !== "function") throw badArgument("onQueued must be a function");
    const isHeld = this.state === "resuming" || this.#missed !== null;
    if (!isHeld && this.state !== "open") throw new NotConnected(`it is ${this.state}: nothing was sent`);
    if (isHeld && this.#receipts.held >= kMaxHeld) throw new NotConnected("too much waits for the connection");
    const plain = toPlain(message); // now: what is done with it later changes nothing
    if (!isObject(plain)) throw badArgument("a message must be an object");
    const write = (id) => this.#write({ ...plain, to, msg_id: id });
    return this.#receipts.add(to, write, { isHeld, onQueued });
  }

  async update(data) {
    if (this.state === "closed" || this.#leaving) throw new NotConnected("it is closed");
    const done = this.#data.set(data);
    this.#askNext();
    return done;
  }

  reportIceError(errorCode) {
    if (!Number.isInteger(errorCode) || errorCode < 300 || errorCode > 799) {
      throw badArgument("the errorCode of an icecandidateerror is 300 to 799");
    }
    if (this.#mayAsk) this.#write({ type: "ice_error", error_code: errorCode });
  }

  leave() {
    if (this.state === "closed") return Promise.resolve();
    if (this.#leaving) return this.#leaving.done;
    if (!this.#mayAsk) {
      this.close();
      return Promise.resolve();
    }
    this.#leaving = {};
    this.#leaving.done = new Promise((resolve) => (this.#leaving.resolve = resolve));
    this.#write({ type: "leave" });
    this[kConnection].expectAnswer();
    return this.#leaving.done;
  }

  #write(message) {
    return this[kConnection].send(JSON.stringify(message));
  }

  #onOpen() {
    if (this.#session) this.#write({ type: "resume", key: this.#session.key, seq: this.#session.seq });
    else this.#join();
  }

  #join() {
    this.#asked = "join";
    const data = this.#data.start();
    this.#write({ type: "join", room: this.#room, data, ...(this.#wantsResume && { resume: true }) });
  }

  /** One thing is asked at a time, so that an error that says no more is about that. */
  #askNext() {
    if (!this.#mayAsk || this.#asked || this.#leaving) return;
    if (this.#needsSync) {
      this.#needsSync = false;
      this.#asked = "sync";
      this.#write({ type: "sync", revision: this.#revision });
    } else if (this.#data.isWaiting) {
      this.#asked = "update";
      this.#write({ type: "update", data: this.#data.start() });
    }
  }

  #sync() {
    this.#needsSync = true;
    this.#askNext();
  }

  #onMessage(data) {
    let message = null;
    try {
      message = toObject(toText(data, "text message"));
    } finally {
      this.#onCounted(message);
    }
  }

  /** All messages count but two, even one that cannot be understood. */
  #onCounted(message) {
    // The server sets `from`, and says nothing itself that has it: whatever type a peer invents.
    const isOfPeer = message !== null && "from" in message;
    const answersResume = !isOfPeer && (message?.type === "resumed" || message?.type === "resume_failed");
    const counts = this.#session !== null && !answersResume;
    if (counts) ++this.#session.seq;
    const wasMissed = counts && this.#missed !== null;
    try {
      if (isOfPeer) this.#onPeerMessage(message);
      else if (message !== null) this.#onServerMessage(message);
    } finally {
      if (wasMissed && this.#missed !== null && --this.#missed === 0) this.#onCaughtUp();
    }
  }

  #onPeerMessage(message) {
    const from = toText(message.from, "sender");
    this[kConnection].emit("message", { from, peer: this.#peers.get(from) ?? null, message });
  }

  #onServerMessage(message) {
    switch (message.type) {
      case "receipt":
        return this.#receipts.settle(message);
      case "joined":
        return this.#onJoined(message);
      case "resumed":
        return this.#onResumed(message);
      case "resume_failed":
        return this.#onResumeFailed();
      case "peer_joined":
      case "peer_updated":
      case "peer_left":
      case "updated":
        return this.#onChange(message);
      case "synced":
        return this.#onSynced(message);
      case "ice_servers":
        return this.#onIceServers(message);
      case "left":
        return this.close();
      case "error":
        return this.#onError(toRefusal(message));
    }
  }

  #onJoined(message) {
    let peers;
    let session = null;
    try {
      this.#revision = toNatural(message.revision, "revision");
      peers = new Map(toArray(message.peers, "list of peers").map((peer) => [toPeer(peer).id, peer]));
      toText(message.id, "id");
      if (this.#wantsResume && message.resume !== undefined) {
        const { key, seq } = isObject(message.resume) ? message.resume : {};
        session = { key: toText(key, "key"), seq: toNatural(seq, "count") };
      }
    } catch (error) {
      return this[kConnection].end(error); // there is nothing to go on with
    }
    const again = this.#id !== null;
    const changes = compareRosters(this.#peers, peers, samePeers);
    this.#id = message.id;
    this.#peers = peers;
    this.#session = session;
    this.#asked = null;
    this.#mayAsk = true;
    this.#data.confirm();
    this[kConnection].markOpen();
    this[kConnection].emit("joined", { room: this.#room, id: this.#id, peers: [...peers.values()], again, changes });
    if (message.ice_servers !== undefined) this.#onIceServers(message);
    this.#askNext();
  }

  #onResumed(message) {
    if (this.state !== "resuming") throw new ProtocolError("the server resumed what was not asked");
    const { seq, missed } = message;
    if (!isNatural(missed) || seq !== this.#session.seq) {
      return this[kConnection].end(new ProtocolError("the server resumed what it cannot have sent"));
    }
    this.#missed = missed;
    this[kConnection].markOpen();
    if (missed === 0) this.#onCaughtUp();
  }

  /** All that was owed to us has come; what we said before and is unanswered may have been lost. */
  #onCaughtUp() {
    this.#missed = null;
    this.#mayAsk = true;
    if (this.#asked === "update") this.#data.retry();
    this.#asked = null;
    this.#receipts.release();
    this.#askNext();
  }

  #onResumeFailed() {
    if (this.#session === null) throw new ProtocolError("the server failed to resume what was not asked");
    this.#loseSession();
    this[kConnection].markNew();
    this.#join();
  }

  #onChange(message) {
    if (message.type === "updated") this.#onUpdated();
    const revision = toNatural(message.revision, "revision");
    if (revision <= this.#revision) return;
    if (revision !== this.#revision + 1) return this.#sync(); // the answer has this change, too
    this.#revision = revision;
    if (message.type !== "updated") this.#apply(message);
  }

  #apply(message) {
    if (message.type === "peer_joined") {
      const peer = toPeer(message.peer);
      this.#peers.set(peer.id, peer);
      return this[kConnection].emit("peerjoined", peer);
    }
    const peer = this.#peers.get(message.id);
    if (peer === undefined) throw new ProtocolError("the server told of a peer that is not there");
    if (message.type === "peer_left") {
      this.#peers.delete(peer.id);
      return this[kConnection].emit("peerleft", peer);
    }
    const updated = { ...peer, data: message.data };
    this.#peers.set(peer.id, updated);
    this[kConnection].emit("peerupdated", updated);
  }

  #onUpdated() {
    if (this.#asked !== "update") return;
    this.#asked = null;
    this.#data.confirm();
    this.#askNext();
  }

  #onSynced(message) {
    if (this.#asked === "sync") this.#asked = null;
    const revision = toNatural(message.revision, "revision");
    if (message.changes !== undefined) {
      for (const change of toArray(message.changes, "list of changes")) {
        if (toNatural(change?.revision, "revision") > this.#revision) this.#apply(change);
      }
    } else if (message.peers !== undefined) {
      this.#replacePeers(toArray(message.peers, "list of peers").map(toPeer));
    }
    this.#revision = Math.max(this.#revision, revision);
    this.#askNext();
  }

  #replacePeers(list) {
    const before = this.#peers;
    this.#peers = new Map(list.map((peer) => [peer.id, peer]));
    const { joined, left, updated } = compareRosters(before, this.#peers, samePeers);
    for (const peer of left) this[kConnection].emit("peerleft", peer);
    for (const peer of joined) this[kConnection].emit("peerjoined", peer);
    for (const peer of updated) this[kConnection].emit("peerupdated", peer);
  }

  #onIceServers(message) {
    this.#iceServers = toIceServers(message);
    this[kConnection].emit("iceservers", this.#iceServers);
  }

  #onError(error) {
    const asked = this.#asked;
    if (asked === "join") {
      const mayComeToPass = error instanceof RateLimited || (error.code === "room_full" && this.#id !== null);
      if (mayComeToPass) return this[kConnection].drop(error);
      return this[kConnection].end(error);
    }
    this.#asked = null;
    if (asked === "update") this.#data.refuse(error);
    else if (asked === "sync" || !this.#receipts.fail(error)) this[kConnection].emit("error", error);
    this.#askNext();
  }

  #onLost(isBroken) {
    this.#mayAsk = false;
    this.#missed = null;
    if (this.#leaving) {
      this.close(); // that was what it was to come to
      return false;
    }
    if (isBroken && this.#session !== null) return true;
    this.#loseSession();
    return false;
  }

  #loseSession() {
    this.#session = null;
    this.#missed = null;
    this.#asked = null;
    this.#needsSync = false;
    this.#mayAsk = false;
    this.#receipts.lose(() => new NotConnected("the session was lost before it was sent"));
  }

  #onEnd() {
    this.#loseSession();
    this.#data.start();
    this.#data.refuse(new NotConnected("it was closed"));
    this.#leaving?.resolve();
  }
}

function toPlain(message) {
  const text = JSON.stringify(message); // some of WebRTC's objects have all in their `toJSON`
  return text === undefined ? undefined : JSON.parse(text);
}
