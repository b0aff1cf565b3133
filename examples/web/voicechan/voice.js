import { toArray, toMember, toNatural, toObject, toText } from "./check.js";
import { Connection } from "./connection.js";
import { NotConnected, ProtocolError, badArgument } from "./errors.js";
import { Line, kConnection } from "./line.js";
import { toRefusal } from "./receipts.js";
import { checkRoomName, toVoicePath } from "./room_name.js";
import { compareRosters, sameMembers } from "./roster.js";

const kNumberBytes = 4; // before each payload: who speaks
const kMaxWaitingBytes = 64 * 1024; // of speech some seconds; what waits behind it would come too late

export class Voice extends Line {
  #room;
  #you = null;
  #members = new Map();
  #before = new Map(); // whom we knew when the line was lost
  #again = false;
  #revision = 0;

  constructor(context, room) {
    super();
    this.#room = checkRoomName(room);
    this[kConnection] = new Connection(context, {
      path: toVoicePath(room),
      subprotocol: "voicechan.v1",
      target: this,
      onOpen: () => {},
      onMessage: (data) => (data instanceof ArrayBuffer ? this.#onAudio(data) : this.#onText(data)),
      onLost: () => this.#onLost(),
      onEnd: () => {},
      ask: () => this.#sync(),
    });
  }

  get room() {
    return this.#room;
  }

  get you() {
    return this.#you;
  }

  get members() {
    return this.#members;
  }

  sendAudio(bytes) {
    if (!(bytes instanceof ArrayBuffer) && !ArrayBuffer.isView(bytes)) throw badArgument("audio must be bytes");
    if (this.state !== "open" || this[kConnection].bufferedBytes > kMaxWaitingBytes) return false;
    return this[kConnection].send(bytes);
  }

  sendText(text) {
    if (typeof text !== "string") throw badArgument("text must be a string");
    const isSent = this.state === "open" && this[kConnection].send(JSON.stringify({ type: "text", text }));
    if (!isSent) throw new NotConnected(`it is ${this.state}: nothing was sent`);
  }

  #sync() {
    this[kConnection].send(JSON.stringify({ type: "sync", revision: this.#revision }));
  }

  #onAudio(data) {
    if (data.byteLength < kNumberBytes) throw new ProtocolError("the server sent audio of nobody");
    const number = new DataView(data).getUint32(0); // big-endian
    const member = this.#members.get(number);
    if (member === undefined) throw new ProtocolError("the server sent audio of somebody who is not there");
    this[kConnection].emit("audio", { member, bytes: new Uint8Array(data, kNumberBytes) });
  }

  #onText(data) {
    const message = toObject(toText(data, "text message"));
    switch (message.type) {
      case "roster":
        return this.#onRoster(message);
      case "member_joined":
      case "member_left":
        return this.#onChange(message);
      case "text": {
        const member = this.#members.get(toNatural(message.member, "member"));
        if (member === undefined) throw new ProtocolError("the server sent text of somebody who is not there");
        return this[kConnection].emit("text", { member, text: toText(message.text, "text") });
      }
      case "synced":
        return this.#onSynced(message);
      case "error":
        return this[kConnection].emit("error", toRefusal(message));
    }
  }

  #onRoster(message) {
    try {
      this.#revision = toNatural(message.revision, "revision");
      this.#members = toMembers(message.members);
    } catch (error) {
      this[kConnection].end(error); // there is nothing to go on with
    }
  }

  #onChange(message) {
    const revision = toNatural(message.revision, "revision");
    if (revision <= this.#revision) return;
    if (revision !== this.#revision + 1) return this.#sync(); // the answer has this change, too
    this.#revision = revision;
    this.#apply(message);
  }

  #apply(message) {
    const isOpen = this.state === "open"; // until then `roster` is to tell of all
    if (message.type === "member_left") {
      const member = this.#members.get(message.member);
      if (member === undefined) throw new ProtocolError("the server told of a member that is not there");
      this.#members.delete(member.member);
      if (isOpen) this[kConnection].emit("memberleft", member);
      return;
    }
    const member = toMember(message.member);
    if (message.you === true) return this.#onOwnComing(member);
    this.#members.set(member.member, member);
    if (isOpen) this[kConnection].emit("memberjoined", member);
  }

  #onOwnComing(member) {
    if (this.state === "open") return;
    const { joined, left } = compareRosters(this.#before, this.#members, sameMembers);
    const again = this.#again;
    this.#again = true;
    this.#you = member;
    this[kConnection].markOpen();
    const members = [...this.#members.values()];
    this[kConnection].emit("roster", { room: this.#room, you: member, members, again, changes: { joined, left } });
  }

  #onSynced(message) {
    const revision = toNatural(message.revision, "revision");
    if (message.changes !== undefined) {
      for (const change of toArray(message.changes, "list of changes")) {
        if (toNatural(change?.revision, "revision") > this.#revision) this.#apply(change);
      }
    } else if (message.members !== undefined) {
      this.#replaceMembers(toMembers(message.members));
    }
    this.#revision = Math.max(this.#revision, revision);
  }

  #replaceMembers(members) {
    if (this.#you) members.delete(this.#you.member);
    const { joined, left } = compareRosters(this.#members, members, sameMembers);
    this.#members = members;
    if (this.state !== "open") return;
    for (const member of left) this[kConnection].emit("memberleft", member);
    for (const member of joined) this[kConnection].emit("memberjoined", member);
  }

  #onLost() {
    // One that broke off before it was complete knows less than the one before.
    if (this.state === "open") this.#before = this.#members;
    return false;
  }
}

function toMembers(value) {
  return new Map(toArray(value, "list of members").map((each) => [toMember(each).member, each]));
}
