// How a page uses the client; only its types are checked.

import {
  PeerGone,
  RequestError,
  Unconfirmed,
  Voicechan,
  VoicechanError,
  type Joined,
  type Peer,
} from "../../examples/web/voicechan.js";

const voicechan = new Voicechan({
  url: "https://voice.example",
  key: async () => "abc",
  backoff: { baseMs: 100 },
  logger: console,
});

async function invite(name: string): Promise<number> {
  try {
    const channel = await voicechan.createChannel(name);
    const invitation = await voicechan.invite(channel.id, 2);
    return invitation.voice_channel;
  } catch (error) {
    if (error instanceof RequestError) return error.fields?.["name"]?.length ?? error.status;
    throw error;
  }
}

async function call(peer: Peer): Promise<void> {
  const connection = new RTCPeerConnection(await voicechan.iceServers().then(({ iceServers }) => ({ iceServers })));
  await connection.setLocalDescription();
  if (!connection.localDescription) return;
  try {
    const receipt = await room.send(peer.id, connection.localDescription, { onQueued: (s) => s.toFixed() });
    receipt.status satisfies "delivered";
  } catch (error) {
    if (error instanceof PeerGone || error instanceof Unconfirmed) console.log(error.to);
  }
}

const room = voicechan.signaling({ room: "team", data: { name: "Ann" } });
room.on("joined", ({ peers, changes }: Joined) => [...peers, ...changes.stayed].forEach(call));
room.on("peerjoined", (peer) => peer.username.trim());
room.on("state", ({ state, error }) => console.log(state satisfies string, error?.code));
room.on("iceservers", ({ iceServers }) => new RTCPeerConnection({ iceServers }));
room.once("message", ({ peer, message }) => console.log(peer?.username, message["type"]));
room.addEventListener("error", (event) => event.type);
// @ts-expect-error: there is no such event
room.on("peerjoinde", () => {});

const voice = voicechan.voice("1");
voice.on("audio", ({ member, bytes }) => console.log(member.username, bytes.byteLength));
voice.on("roster", ({ you, members, again }) => console.log(you.member, members.length, again));
voice.sendAudio(new Uint8Array(160)) satisfies boolean;
// @ts-expect-error: audio is bytes
voice.sendAudio("hello");

voicechan.notifications().on("invitation", (notice) => invite(notice.voice_channel_name));
export async function end(): Promise<void> {
  await room.update(null).catch((error: VoicechanError) => error.code);
  await room.leave();
  voicechan.close();
}
