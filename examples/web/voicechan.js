// A client of voicechan-server for browsers and Node; see voicechan.d.ts.

import { toArray, toChannel, toIceServers, toInvitation, toMember, toNatural, isNatural } from "./voicechan/check.js";
import { Context } from "./voicechan/context.js";
import { ProtocolError, badArgument } from "./voicechan/errors.js";
import { Notifications } from "./voicechan/notifications.js";
import { Signaling } from "./voicechan/signaling.js";
import { Voice } from "./voicechan/voice.js";

export * from "./voicechan/emitter.js";
export {
  VoicechanError,
  RequestError,
  Unauthorized,
  RateLimited,
  NetworkError,
  ConnectionClosed,
  ProtocolError,
  NotConnected,
  DeliveryError,
  PeerGone,
  PeerBusy,
  Expired,
  Unconfirmed,
  Refused,
} from "./voicechan/errors.js";
export { Line } from "./voicechan/line.js";
export { Notifications, Signaling, Voice };

const kApi = "/api/voice_channels";

export class Voicechan {
  #context;
  #lines = new Set();

  constructor(options) {
    this.#context = new Context(options);
  }

  async listChannels(page) {
    const channels = await this.#context.request(`${kApi}/voice_channels/${toQuery(page)}`);
    return toArray(channels, "list of channels").map(toChannel);
  }

  async createChannel(name) {
    if (typeof name !== "string") throw badArgument("name must be a string");
    const body = { name };
    return toChannel(await this.#context.request(`${kApi}/voice_channels/`, { method: "POST", body }));
  }

  async getChannel(id) {
    return toChannel(await this.#context.request(`${kApi}/voice_channels/${checkId(id)}/`));
  }

  async channelMembers(id, page) {
    const answer = await this.#context.request(`${kApi}/voice_channels/${checkId(id)}/members/${toQuery(page)}`);
    return {
      revision: toNatural(answer?.revision, "revision"),
      members: toArray(answer.members, "list of members").map(toMember),
    };
  }

  async invite(voiceChannel, addressee) {
    const body = { voice_channel: checkId(voiceChannel), addressee: checkId(addressee) };
    return toInvitation(await this.#context.request(`${kApi}/invite/`, { method: "POST", body }));
  }

  async iceServers() {
    const answer = await this.#context.request(`${kApi}/ice_servers/`);
    if (answer === undefined || answer === null) throw new ProtocolError("the server sent no ICE servers");
    return toIceServers({ ice_servers: answer.ice_servers, ice_ttl: answer.ttl });
  }

  notifications() {
    return this.#keep(() => new Notifications(this.#context));
  }

  signaling(options) {
    return this.#keep(() => new Signaling(this.#context, options));
  }

  voice(room) {
    return this.#keep(() => new Voice(this.#context, room));
  }

  close() {
    for (const line of this.#lines) line.close();
    this.#context.close();
  }

  #keep(makeLine) {
    this.#context.checkOpen();
    const line = makeLine();
    this.#lines.add(line);
    line.on("state", ({ state }) => {
      if (state === "closed") this.#lines.delete(line);
    });
    return line;
  }
}

function checkId(id) {
  if (!isNatural(id)) throw badArgument("an id is a whole number");
  return id;
}

function toQuery({ limit, after } = {}) {
  const query = new URLSearchParams();
  if (limit !== undefined) query.set("limit", checkId(limit));
  if (after !== undefined) query.set("after", checkId(after));
  const text = query.toString();
  return text && `?${text}`;
}
