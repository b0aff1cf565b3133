// The page: signs in, shows channels and invitations, enters a call and leaves it.

import { Unauthorized, Voicechan } from "./voicechan.js";
import { Call, findModes } from "./call.js";
import { renderCall, renderLevels, renderNotices, renderPeople } from "./call_view.js";
import { callNotices, callState, personStats } from "./call_words.js";
import { announce, byId, setText, showFieldError } from "./dom.js";
import { errorText } from "./error_words.js";
import { Lobby } from "./lobby.js";
import { invitationButtons, invitationText, renderInvitations } from "./lobby_view.js";
import { currentLanguage, setLanguage, t } from "./strings.js";
import { toast } from "./toasts.js";

const kKey = "voicechan.key";
const kMode = "voicechan.mode";
const kLanguage = "voicechan.language";
const kLevelsEveryMs = 80;

let client = null;
let lobby = null;
let call = null;
let entering = 0; // grows, so that of two clicks the later one counts
let can = { mesh: true, relay: true };
const invitations = new Map(); // {invitation, close} by id

// --- Signing in and out

async function signIn(key, remember) {
  const button = byId("sign-in-form").querySelector("button");
  button.disabled = true;
  setText(button, t("signingIn"));
  const candidate = new Voicechan({ key });
  try {
    const channels = await candidate.listChannels();
    client = candidate;
    if (remember) sessionStorage.setItem(kKey, key);
    byId("key").value = "";
    showWorkspace(channels);
  } catch (error) {
    candidate.close();
    const text = error instanceof Unauthorized ? t("keyRefused") : errorText(error);
    if (error instanceof Unauthorized) sessionStorage.removeItem(kKey);
    byId("key").value = key;
    byId("remember").checked = remember;
    showSignIn(text);
  } finally {
    button.disabled = false;
    setText(button, t("signIn"));
  }
}

function showSignIn(text = "") {
  byId("workspace").hidden = true;
  byId("sign-out").hidden = byId("line").hidden = true;
  byId("sign-in").hidden = false;
  showFieldError(byId("key"), byId("sign-in-error"), text);
  byId("key").focus();
}

function showWorkspace(channels) {
  byId("sign-in").hidden = true;
  byId("workspace").hidden = false;
  byId("sign-out").hidden = byId("line").hidden = false;
  showFieldError(byId("key"), byId("sign-in-error"), "");
  lobby = new Lobby(client, { enter: goTo, failed: (error) => isSignedOutBy(error) });
  lobby.show(channels);
  const notifications = client.notifications();
  notifications.on("invitation", onInvitation);
  notifications.on("state", ({ state, error }) => {
    if (state === "closed" && error !== null) {
      showLine(false);
      if (!isSignedOutBy(error)) toast(errorText(error), { bad: true });
      return;
    }
    showLine(state === "open");
  });
  showLine(false);
  enterFromAddress();
}

function showLine(isUp) {
  byId("line").dataset.tone = isUp ? "good" : "wait";
  setText(byId("line"), t(isUp ? "lineUp" : "lineDown"));
}

async function signOut(text = "") {
  sessionStorage.removeItem(kKey);
  await leaveCall();
  lobby?.close();
  client?.close();
  client = lobby = null;
  for (const { close } of invitations.values()) close();
  invitations.clear();
  showInvitations();
  showSignIn(text);
}

// True if the error says that the key is worth nothing (any more).
function isSignedOutBy(error) {
  if (!(error instanceof Unauthorized)) return false;
  if (client !== null) signOut(t("keyRevoked"));
  return true;
}

// --- Invitations

function onInvitation(invitation) {
  const actions = { onEnter: acceptInvitation, onDismiss: dismissInvitation };
  const close = toast(invitationText(invitation), { actions: invitationButtons(invitation, actions) });
  invitations.set(invitation.id, { invitation, close });
  showInvitations();
  lobby.refresh();
}

function showInvitations() {
  const list = [...invitations.values()].map(({ invitation }) => invitation);
  renderInvitations(list, { onEnter: acceptInvitation, onDismiss: dismissInvitation });
}

function acceptInvitation(invitation) {
  dismissInvitation(invitation);
  goTo(invitation.voice_channel);
}

function dismissInvitation({ id }) {
  invitations.get(id)?.close();
  invitations.delete(id);
  showInvitations();
}

async function invite(event) {
  event.preventDefault();
  const input = byId("invitee");
  const id = input.value.trim();
  const problem = byId("invite-error");
  if (!/^[1-9]\d{0,15}$/.test(id)) return showFieldError(input, problem, t("inviteBad"));
  try {
    await client.invite(call.channel.id, Number(id));
    showFieldError(input, problem, "");
    input.value = "";
    toast(t("invited", { id }));
  } catch (error) {
    const text = error.fields?.addressee ? t("inviteUnknown", { id }) : errorText(error);
    if (!isSignedOutBy(error)) showFieldError(input, problem, text);
  }
  return undefined;
}

// --- The call. The address names it (#channel-3), so that a reload and a link lead back.

function goTo(id) {
  if (location.hash === `#channel-${id}`) enterFromAddress();
  else location.hash = `channel-${id}`;
}

async function enterFromAddress() {
  const id = Number(/^#channel-(\d+)$/.exec(location.hash)?.[1] ?? 0);
  if (client === null) return;
  if (id === 0) {
    entering++;
    await leaveCall();
    return;
  }
  byId("workspace").dataset.pane = "call";
  if (call?.channel.id === id) return;
  const turn = ++entering;
  await leaveCall();
  byId("workspace").dataset.pane = "call";
  try {
    const channel = lobby.find(id) ?? (await client.getChannel(id));
    const mode = localStorage.getItem(kMode) ?? "mesh";
    const entered = await Call.enter(client, channel, { mode, can, events: callEvents() });
    if (turn !== entering || client === null) {
      await entered.leave();
      return;
    }
    call = entered;
    byId("nothing").hidden = true;
    byId("call").hidden = false;
    lobby.setCurrent(id);
    showCall();
    byId("call-name").focus();
  } catch (error) {
    if (isSignedOutBy(error)) return;
    toast(error.status === 404 ? t("channelMissing", { id }) : errorText(error), { bad: true });
    leaveAddress();
  }
}

function callEvents() {
  return {
    changed: showCall,
    came: (name) => announce(t("joinedNote", { name })),
    left: (name) => announce(t("leftNote", { name })),
    ended: (error) => {
      if (call === null || isSignedOutBy(error)) return;
      toast(errorText(error), { bad: true });
      leaveAddress();
    },
  };
}

function leaveAddress() {
  history.pushState(null, "", location.pathname + location.search);
  enterFromAddress();
}

async function leaveCall() {
  const left = call;
  call = null;
  byId("call").hidden = true;
  byId("nothing").hidden = false;
  byId("workspace").dataset.pane = "lobby";
  document.title = "voicechan";
  lobby?.setCurrent(null);
  if (left === null) return;
  renderPeople([]);
  byId("channels-title").focus();
  await left.leave();
  lobby?.refresh();
}

function showCall() {
  if (call === null) return;
  const people = call.people();
  const state = callState(call, people.length);
  if (byId("call-state").textContent !== state.text && !byId("call").hidden) announce(state.text);
  document.title = `${call.channel.name} · voicechan`;
  renderCall({
    name: call.channel.name,
    stateText: state.text,
    tone: state.tone,
    mode: call.mode,
    can: call.can,
    muted: call.muted,
    hasMicrophone: call.microphone.stream !== null,
  });
  renderNotices(callNotices(call, people, { chooseMode }));
  renderPeople(people.map((person) => ({ ...person, stats: personStats(person, call) })));
}

function showLevels() {
  if (call === null) return;
  const levels = call.people().map(({ key, you, stats }) => ({ key, level: 0, speaking: false, ...stats, ...(you ? call.ownLevel() : {}) }));
  renderLevels(levels);
}

function chooseMode(mode) {
  localStorage.setItem(kMode, mode);
  call?.setMode(mode);
}

// --- Wiring

function say(language) {
  setLanguage(language);
  byId("language").value = currentLanguage();
  showInvitations();
  lobby?.render();
  showLine(byId("line").dataset.tone === "good");
  showCall();
}

function listen() {
  byId("language").addEventListener("change", ({ target }) => {
    localStorage.setItem(kLanguage, target.value);
    say(target.value);
  });
  byId("sign-in-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const key = byId("key").value.trim();
    if (key === "") return showSignIn(t("keyMissing"));
    if (!/^[\x21-\x7e]+$/.test(key)) return showSignIn(t("keyMalformed"));
    return signIn(key, byId("remember").checked);
  });
  byId("create-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    await lobby.create();
  });
  byId("sign-out").addEventListener("click", () => {
    history.replaceState(null, "", location.pathname + location.search);
    signOut();
  });
  byId("invite-form").addEventListener("submit", invite);
  byId("mute").addEventListener("click", () => call?.setMuted(!call.muted));
  byId("leave").addEventListener("click", leaveAddress);
  byId("back").addEventListener("click", () => {
    byId("workspace").dataset.pane = "lobby";
    byId("channels-title").focus();
  });
  for (const input of document.querySelectorAll("input[name=mode]")) {
    input.addEventListener("change", () => chooseMode(input.value));
  }
  // Browsers let a page sound after a click or a key only.
  for (const type of ["pointerdown", "keydown"]) addEventListener(type, () => call?.unblock());
  addEventListener("hashchange", enterFromAddress);
  addEventListener("pagehide", () => call?.leave());
  addEventListener("pageshow", ({ persisted }) => persisted && location.reload()); // the call was left
  setInterval(showLevels, kLevelsEveryMs);
}

async function start() {
  listen();
  say(localStorage.getItem(kLanguage) ?? (navigator.language.startsWith("uk") ? "uk" : "en"));
  can = await findModes();
  const key = sessionStorage.getItem(kKey);
  if (key === null) showSignIn();
  else await signIn(key, true);
}

/** For tests and for the curious; it changes nothing. */
window.voicechanDemo = Object.freeze({
  stats: () => ({
    language: currentLanguage(),
    signedIn: client !== null,
    call: call && {
      channel: call.channel.id,
      state: call.state(),
      mode: call.mode,
      muted: call.muted,
      blocked: call.isBlocked(),
      relaySent: call.relaySent(),
      own: call.ownLevel(),
      people: call.people(),
    },
  }),
});

start();
