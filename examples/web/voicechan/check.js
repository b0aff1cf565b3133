// What comes from the server, checked before anything is done with it. Members that are not known stay.

import { ProtocolError } from "./errors.js";

export function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isNatural(value) {
  return Number.isSafeInteger(value) && value >= 0;
}

function need(isRight, what, value) {
  if (isRight) return value;
  throw new ProtocolError(`the server sent what is no ${what}`);
}

function hasTypes(value, types) {
  return (
    isObject(value) &&
    Object.entries(types).every(([name, type]) =>
      type === "natural" ? isNatural(value[name]) : typeof value[name] === type,
    )
  );
}

const channelTypes = { id: "natural", name: "string", creator: "natural", created_at: "string" };
const invitationTypes = {
  id: "natural",
  voice_channel: "natural",
  addressee: "natural",
  inviter: "natural",
  status: "string",
  created_at: "string",
};
const noticeTypes = { ...invitationTypes, voice_channel_name: "string", inviter_username: "string" };
const peerTypes = { id: "string", user_id: "natural", username: "string", polite: "boolean" };
const memberTypes = { member: "natural", user_id: "natural", username: "string" };

export const toChannel = (value) => need(hasTypes(value, channelTypes), "channel", value);
export const toInvitation = (value) => need(hasTypes(value, invitationTypes), "invitation", value);
export const toNotice = (value) => need(hasTypes(value, noticeTypes), "invitation", value);
export const toPeer = (value) => need(hasTypes(value, peerTypes) && "data" in value, "peer", value);
export const toMember = (value) => need(hasTypes(value, memberTypes), "member", value);
export const toNatural = (value, what) => need(isNatural(value), what, value);
export const toText = (value, what) => need(typeof value === "string", what, value);
export const toArray = (value, what) => need(Array.isArray(value), what, value);

export function toObject(text) {
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    // not JSON: as any other that is no object
  }
  return need(isObject(value), "JSON object", value);
}

function isIceServer(value) {
  const isText = (member) => typeof member === "string";
  return (
    isObject(value) &&
    (isText(value.urls) || (Array.isArray(value.urls) && value.urls.every(isText))) &&
    [value.username, value.credential].every((member) => member === undefined || isText(member))
  );
}

export function toIceServers({ ice_servers: servers, ice_ttl: ttl }) {
  need(Array.isArray(servers) && servers.every(isIceServer), "list of ICE servers", servers);
  return { iceServers: servers, ttl: ttl === undefined ? null : toNatural(ttl, "time to live") };
}
