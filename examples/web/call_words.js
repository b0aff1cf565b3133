// The state of a call, in words.

import { t } from "./strings.js";

export function callState(call, people) {
  const state = call.state();
  if (state === "open") return { text: t(people > 1 ? "callConnected" : "callAlone"), tone: "good" };
  if (state === "connecting") return { text: t("callConnecting"), tone: "wait" };
  return { text: t(call.mode === "mesh" ? "callReconnecting" : "callReconnectingRelay"), tone: "wait" };
}

const kMeshStates = {
  new: ["peerNew", "wait"],
  connecting: ["peerConnecting", "wait"],
  connected: ["peerConnected", "good"],
  disconnected: ["peerDisconnected", "wait"],
  failed: ["peerFailed", "bad"],
};

export function personStats({ you, way, muted, stats }, call) {
  if (you) return {};
  if (way === "mesh") {
    const [name, tone] = kMeshStates[stats.state] ?? kMeshStates.new;
    const isUp = stats.state === "connected";
    const { lossPercent, roundTripMs, bufferMs, kbps } = isUp ? stats : {};
    return { stateText: t(name), tone, lossPercent, roundTripMs, bufferMs, kbps };
  }
  if (!call.can.relay) return { stateText: t("peerUnheard"), tone: "bad" };
  if (call.state() === "reconnecting") return { stateText: t("peerDisconnected"), tone: "wait" };
  if (!stats.hearing) return { stateText: t(muted ? "peerSilent" : "peerWaiting"), tone: "wait" };
  const { lossPercent, aboutMs, bufferMs, kbps } = stats;
  return { stateText: t("peerRelay"), tone: "good", lossPercent, delayMs: aboutMs, bufferMs, kbps };
}

/** What the user should know or do, for renderNotices. */
export function callNotices(call, people, { chooseMode }) {
  const notices = [];
  const add = (key, text, bad = false, action = null) => notices.push({ key, text, bad, action });
  if (!call.can.mesh && !call.can.relay) add("noSound", t("noSound"), true);
  else if (!call.can.mesh) add("noWebRtc", t("noWebRtc"));
  else if (!call.can.relay) add("noWebCodecs", t("noWebCodecs"));

  const { reason } = call.microphone;
  const again = { text: t("tryAgain"), run: () => call.openMicrophone() };
  if (reason === "insecure") add(reason, t("insecure"), true);
  else if (reason !== null) add(reason, t("noMicrophone", { reason: t(reason) }), true, again);
  if (call.isBlocked()) add("blocked", t("soundBlocked"), false, { text: t("enableSound"), run: () => call.unblock() });

  const failed = people.find(({ way, stats }) => way === "mesh" && stats.state === "failed");
  if (failed !== undefined && call.can.relay) {
    const action = { text: t("useRelay"), run: () => chooseMode("relay") };
    add(`failed ${failed.key}`, t("suggestRelay", { name: failed.name }), true, action);
  }
  return notices;
}
