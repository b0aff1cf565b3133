/** A client of voicechan-server for browsers and for Node 18 or later. See server/MESSAGES.md. */

export interface Channel {
  id: number;
  name: string;
  creator: number;
  created_at: string;
}

export interface Invitation {
  id: number;
  voice_channel: number;
  addressee: number;
  inviter: number;
  status: string;
  created_at: string;
}

/** An invitation as its addressee is told of it. */
export interface InvitationNotice extends Invitation {
  type: "invitation";
  voice_channel_name: string;
  inviter_username: string;
}

/** Goes into an `RTCPeerConnection` as it is. */
export interface IceServer {
  urls: string | string[];
  username?: string;
  credential?: string;
}

export interface IceServers {
  iceServers: IceServer[];
  /** For how many seconds the credentials are valid; null if the server knows no ICE servers. */
  ttl: number | null;
}

/** Somebody in a signaling room. */
export interface Peer {
  id: string;
  user_id: number;
  username: string;
  /** Whatever the peer wants the others to know. */
  data: unknown;
  /**
   * Your own part towards this peer in WebRTC's perfect negotiation; his is the other one. The polite
   * side calls: whoever came later, or one of two who came while their servers did not hear each other.
   */
  polite: boolean;
}

/** Somebody in a voice room; one user may be there more than once. */
export interface Member {
  member: number;
  user_id: number;
  username: string;
}

/** Limits of one page of a listing. The next page begins `after` the last id of this one. */
export interface Page {
  limit?: number;
  after?: number;
}

export interface BackoffOptions {
  /** The first wait is at most so long, each further one at most twice the one before. 500. */
  baseMs?: number;
  /** No wait is longer. 30,000. */
  capMs?: number;
  /** At least so long after the server has said that it is too much for it (1008, 1013). 5,000. */
  pauseMs?: number;
  /** From 0 to 1: the part of the longest wait that is waited. `Math.random`. */
  random?: () => number;
}

export interface Logger {
  debug(...values: unknown[]): void;
  warn(...values: unknown[]): void;
}

export interface VoicechanOptions {
  /** `https://host[:port][/path]` of the server; in a page by default where the page is from. */
  url?: string | URL;
  /** The user's key or JWT, or a function that gives one, asked before each connection and request. */
  key: string | (() => string | Promise<string>);
  /** The constructor, e.g. of the package `ws`; by default the global one. */
  WebSocket?: unknown;
  /** By default the global one. */
  fetch?: typeof fetch;
  backoff?: BackoffOptions;
  /** Silent by default. Never sees a key. */
  logger?: Logger;
  /** After so much silence a joined connection is asked whether it lives; 0: never. 20,000. */
  quietMs?: number;
  /** For an answer: to that question, to a join, or to an HTTP request. Then it is broken. 10,000. */
  answerMs?: number;
  /** For the receipt of a message; then its promise is rejected with `Unconfirmed`. 30,000. */
  receiptMs?: number;
}

/** Throws `VoicechanError` if an option cannot be used. */
export class Voicechan {
  constructor(options: VoicechanOptions);

  // Each is rejected with a `RequestError` (`Unauthorized`, `RateLimited`, …) or, without an answer, `NetworkError`.
  listChannels(page?: Page): Promise<Channel[]>;
  createChannel(name: string): Promise<Channel>;
  getChannel(id: number): Promise<Channel>;
  /** Who is in the channel's voice room, which is `voice(String(id))`. */
  channelMembers(id: number, page?: Page): Promise<{ revision: number; members: Member[] }>;
  invite(voiceChannel: number, addressee: number): Promise<Invitation>;
  iceServers(): Promise<IceServers>;

  // Each connects at once and goes on until it is closed. Listen right after the call, before any
  // `await`: nothing is told earlier.
  notifications(): Notifications;
  signaling(options: SignalingOptions): Signaling;
  voice(room: string): Voice;

  /** Closes all that was opened by this object. */
  close(): void;
}

/** `connecting` at first and whenever the session is new, `resuming` while the old one may go on. */
export type State = "connecting" | "open" | "resuming" | "closed";

export interface StateChange {
  state: State;
  previous: State;
  /** Why it is no longer open, or still not, or closed for good; null if you closed it. */
  error: VoicechanError | null;
  /** Until the next attempt, or null. Each attempt that fails is told so, even if the state stays. */
  retryInMs: number | null;
}

/** What an event carries is its `detail`. */
export class VoicechanEvent<Detail> extends Event {
  readonly detail: Detail;
}

/** An `EventTarget`. What a listener throws is reported as an uncaught error and harms nothing else. */
export class Emitter<Events> extends EventTarget {
  /** Calls `listener` with the detail of each such event; returns the function that ends it. */
  on<Type extends keyof Events & string>(type: Type, listener: (detail: Events[Type]) => void): () => void;
  /** The same for one event only. */
  once<Type extends keyof Events & string>(type: Type, listener: (detail: Events[Type]) => void): () => void;
}

/** One thing that stays connected. */
export class Line<Events> extends Emitter<Events> {
  readonly state: State;
  /** Fulfilled when it is open, now or later; rejected when it is closed for good. */
  opened(): Promise<void>;
  /** Ends it and all its timers at once. Others see you leave. */
  close(): void;
}

export interface LineEvents {
  state: StateChange;
  /** What the server refused that belongs to no promise, or said that cannot be understood. */
  error: VoicechanError;
}

// --- Notifications

export interface NotificationEvents extends LineEvents {
  invitation: InvitationNotice;
  /** Every one, those above and those that this file does not know. */
  notification: { type: string; [member: string]: unknown };
}

/**
 * Invitations that come while it is not open are told when it is again: the newest hundred. Each is told once. Those
 * from before the call are not, but for the last two seconds if servers did not hear each other.
 */
export class Notifications extends Line<NotificationEvents> {}

// --- Signaling

export interface SignalingOptions {
  room: string;
  /** Any JSON that the others are to know; null by default. */
  data?: unknown;
  /** Whether a broken line may go on where it was. True by default. */
  resume?: boolean;
}

export interface Joined {
  room: string;
  /** Your own. It is another one each time. */
  id: string;
  /** All others. */
  peers: Peer[];
  /**
   * Whether you were in the room before and the session was lost. To the others you are somebody
   * new, so begin anew with each of `peers`. No other event tells of these changes.
   */
  again: boolean;
  /** Against what you knew before: nobody, if this is the first time. */
  changes: { joined: Peer[]; left: Peer[]; updated: Peer[]; stayed: Peer[] };
}

/** What a peer sends. `type` and all else are the peers' own; `from` is set by the server. */
export interface PeerMessage {
  type?: unknown;
  from: string;
  [member: string]: unknown;
}

export interface SignalingEvents extends LineEvents {
  joined: Joined;
  peerjoined: Peer;
  peerupdated: Peer;
  peerleft: Peer;
  message: { from: string; peer: Peer | null; message: PeerMessage };
  /** When you join and whenever there are new ones: give them to `setConfiguration`. */
  iceservers: IceServers;
}

export interface Receipt {
  status: "delivered";
  to: string;
}

export interface SendOptions {
  /** The peer's line has broken; the message waits for it for so many seconds. */
  onQueued?: (expiresInSeconds: number) => void;
}

export class Signaling extends Line<SignalingEvents> {
  readonly room: string;
  /** Null before the first `joined`. */
  readonly id: string | null;
  /** The others by id, as the events told so far. */
  readonly peers: ReadonlyMap<string, Peer>;
  /** The latest; null until there are some. */
  readonly iceServers: IceServers | null;

  /**
   * Fulfilled when the message has been written to the peer's socket. Rejected with `PeerGone`,
   * `PeerBusy`, `Expired`, `RateLimited`, `Refused`, `NotConnected` (it was not sent), or `Unconfirmed`
   * (it may have been lost with the line). While resuming it waits until that has come to an end.
   * `to` and `msg_id` are set here.
   */
  send(to: string, message: object, options?: SendOptions): Promise<Receipt>;
  /** Replaces your own `data`, also for joins to come; fulfilled when the room has it. */
  update(data: unknown): Promise<void>;
  /** Tells the server that a STUN or TURN server refused you: `errorCode` of `icecandidateerror`. */
  reportIceError(errorCode: number): void;
  /** Leaves the room, then closes. */
  leave(): Promise<void>;
}

// --- Voice

export interface Roster {
  room: string;
  you: Member;
  /** All others. */
  members: Member[];
  /** Whether you were in the room before. No other event tells of these changes. */
  again: boolean;
  /** Against what you knew before: nobody, if this is the first time. */
  changes: { joined: Member[]; left: Member[] };
}

export interface VoiceEvents extends LineEvents {
  roster: Roster;
  memberjoined: Member;
  memberleft: Member;
  audio: { member: Member; bytes: Uint8Array };
  text: { member: Member; text: string };
}

export class Voice extends Line<VoiceEvents> {
  readonly room: string;
  /** Null until the first `roster`. */
  readonly you: Member | null;
  /** The others by number. */
  readonly members: ReadonlyMap<number, Member>;

  /** False if it was dropped: not open, or so much waits already that it would come too late. */
  sendAudio(bytes: ArrayBuffer | ArrayBufferView): boolean;
  /** Throws `NotConnected` if it is not open. */
  sendText(text: string): void;
}

// --- Errors

/** Every error of this file. `code` is the server's, or one of this file's own. */
export class VoicechanError extends Error {
  readonly code: string;
}
/** An HTTP request was answered with an error. */
export class RequestError extends VoicechanError {
  readonly status: number;
  /** What is wrong with which field, e.g. `{name: ["This field is required."]}`. */
  readonly fields: Record<string, string[]> | null;
  /** From `Retry-After`. */
  readonly retryAfterMs: number | null;
}
/** The key is wrong or was revoked (401, 4401). */
export class Unauthorized extends RequestError {}
/** Too many requests (429) or messages. */
export class RateLimited extends RequestError {}
/** No answer: the line broke, there was no network, or it took too long. */
export class NetworkError extends VoicechanError {}
/** The server closed the connection; for good if `code` is protocol_error, kicked or taken_over. */
export class ConnectionClosed extends VoicechanError {
  readonly closeCode: number;
}
/** The server said something that cannot be understood. */
export class ProtocolError extends VoicechanError {}
/** It is not open, so that nothing was sent; or it was closed before. */
export class NotConnected extends VoicechanError {}
/** What became of a message. */
export class DeliveryError extends VoicechanError {
  readonly to: string;
}
/** The peer is not there (any more). */
export class PeerGone extends DeliveryError {}
/** The peer does not read, or too much waits for it already. */
export class PeerBusy extends DeliveryError {}
/** The peer has not come back in time, or a newer offer has taken the message's place. */
export class Expired extends DeliveryError {}
/** It was sent, but nobody knows whether it came. */
export class Unconfirmed extends DeliveryError {}
/** The server refused it; `code` says why. */
export class Refused extends VoicechanError {}
