// The call: who is here, how it goes, what to do about it.

import { byId, create, icon, setText } from "./dom.js";
import { formatNumber, t } from "./strings.js";

const people = new Map(); // elements by the key of a person

export function renderCall({ name, stateText, tone, mode, can, muted, hasMicrophone }) {
  setText(byId("call-name"), name);
  setText(byId("call-state"), stateText);
  byId("call-state").dataset.tone = tone;
  for (const input of document.querySelectorAll("input[name=mode]")) {
    input.checked = input.value === mode;
    input.disabled = !can[input.value];
  }
  setText(byId("mode-text"), t(mode === "relay" ? "relayText" : "meshText"));
  const mute = byId("mute");
  mute.setAttribute("aria-pressed", String(muted));
  mute.disabled = !hasMicrophone;
  setText(mute.querySelector("span"), t(muted ? "unmute" : "mute"));
  mute.querySelector("use").setAttribute("href", muted || !hasMicrophone ? "#i-mic-off" : "#i-mic");
  byId("back").setAttribute("aria-label", t("back"));
}

/** notices: [{key, text, bad, action: {text, run} or null}] */
export function renderNotices(notices) {
  const box = byId("notices");
  const wanted = JSON.stringify(notices.map(({ key, text }) => [key, text]));
  if (box.dataset.shown === wanted) return;
  box.dataset.shown = wanted;
  box.replaceChildren(
    ...notices.map(({ text, bad, action }) =>
      create(
        "div",
        { className: bad ? "notice bad" : "notice", role: bad ? "alert" : "status" },
        create("p", {}, text),
        action && create("button", { type: "button", onclick: action.run }, action.text),
      ),
    ),
  );
}

/** persons: [{key, name, userId, you, mode, muted, stats}] */
export function renderPeople(persons) {
  const keys = new Set(persons.map(({ key }) => key));
  for (const [key, parts] of people) {
    if (keys.has(key)) continue;
    parts.card.remove();
    people.delete(key);
  }
  for (const person of persons) {
    if (!people.has(person.key)) {
      people.set(person.key, createCard());
      byId("people").append(people.get(person.key).card);
    }
    updateCard(people.get(person.key), person);
  }
  setText(byId("people-count"), String(persons.length));
}

/** levels: [{key, level, speaking}], some times a second. */
export function renderLevels(levels) {
  for (const { key, level, speaking } of levels) {
    const parts = people.get(key);
    if (parts === undefined) continue;
    parts.bar.style.setProperty("--level", level.toFixed(3));
    parts.level.setAttribute("aria-valuenow", String(Math.round(level * 100)));
    parts.card.dataset.speaking = String(speaking);
  }
}

function createCard() {
  const parts = {
    avatar: create("span", { className: "avatar", "aria-hidden": "true" }),
    name: create("p", { className: "name", dir: "auto" }),
    user: create("p", { className: "hint" }),
    mode: create("span", { className: "badge" }),
    muted: create("span", { className: "muted" }, icon("mic-off"), create("span")),
    bar: create("i"),
    state: create("span", { className: "status" }),
    loss: create("span"),
    time: create("span"),
    buffer: create("span"),
    rate: create("span"),
  };
  parts.level = create(
    "div",
    { className: "level", role: "meter", "aria-valuemin": "0", "aria-valuemax": "100", "aria-valuenow": "0" },
    parts.bar,
  );
  parts.facts = create("p", { className: "facts" }, parts.state, parts.loss, parts.time, parts.buffer, parts.rate);
  parts.card = create(
    "li",
    { className: "person" },
    parts.avatar,
    create("div", { className: "who" }, parts.name, parts.user),
    create("div", { className: "tags" }, parts.mode, parts.muted),
    parts.level,
    parts.facts,
  );
  return parts;
}

function updateCard(parts, { name, userId, you, mode, muted, stats }) {
  setText(parts.avatar, [...name][0] ?? "?");
  parts.avatar.style.setProperty("--hue", String(hue(name)));
  setText(parts.name, you ? `${name} (${t("you")})` : name);
  setText(parts.user, userId === null ? "" : t("userNumber", { id: userId }));
  setText(parts.mode, t(mode === "mesh" ? "modeMesh" : mode === "relay" ? "modeRelay" : "modeUnknown"));
  parts.mode.dataset.mode = mode;
  parts.muted.hidden = !muted;
  setText(parts.muted.lastChild, t("muted"));
  parts.level.setAttribute("aria-label", t("level", { name }));
  setText(parts.state, stats.stateText);
  parts.state.dataset.tone = stats.tone;
  parts.facts.hidden = you;
  showFact(parts.loss, stats.lossPercent, "loss", 1);
  showFact(parts.time, stats.roundTripMs ?? stats.delayMs, stats.roundTripMs == null ? "delay" : "roundTrip");
  showFact(parts.buffer, stats.bufferMs, "buffer");
  showFact(parts.rate, stats.kbps, "rate");
}

function showFact(element, value, name, digits = 0) {
  element.hidden = value === null || value === undefined;
  if (!element.hidden) setText(element, t(name, { value: formatNumber(value, digits) }));
}

function hue(name) {
  let hash = 0;
  for (const character of name) hash = (hash * 31 + character.codePointAt(0)) % 360;
  return hash;
}
