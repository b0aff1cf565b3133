// The channels and the invitations.

import { byId, create, icon, setText } from "./dom.js";
import { t } from "./strings.js";

/** channels: [{id, name, count}], count may be unknown (null); `current` is the id of the one entered. */
export function renderChannels(channels, current, onEnter) {
  const list = byId("channels");
  const focused = document.activeElement?.dataset?.channel;
  list.replaceChildren(
    ...(channels ?? []).map((channel) => {
      const count = create("span", { className: "count" });
      if (channel.count) {
        count.append(icon("people"), String(channel.count));
        count.append(create("span", { className: "visually-hidden" }, ` ${t("peopleIn", { count: channel.count })}`));
      }
      const button = create(
        "button",
        { type: "button", className: "item", onclick: () => onEnter(channel.id), title: channel.name },
        create("span", { className: "name", dir: "auto" }, channel.name),
        count,
      );
      button.dataset.channel = channel.id;
      if (channel.id === current) button.setAttribute("aria-current", "true");
      return create("li", {}, button);
    }),
  );
  if (focused) list.querySelector(`[data-channel="${focused}"]`)?.focus();
  const empty = byId("channels-empty");
  empty.hidden = channels !== null && channels.length > 0;
  setText(empty, t(channels === null ? "loading" : "channelsEmpty"));
}

export function invitationText(invitation) {
  return t("invitedBy", { inviter: invitation.inviter_username, channel: invitation.voice_channel_name });
}

export function renderInvitations(invitations, { onEnter, onDismiss }) {
  byId("invitations-section").hidden = invitations.length === 0;
  byId("invitations").replaceChildren(
    ...invitations.map((invitation) =>
      create(
        "li",
        { className: "invitation" },
        create("p", {}, invitationText(invitation)),
        invitationButtons(invitation, { onEnter, onDismiss }),
      ),
    ),
  );
}

export function invitationButtons(invitation, { onEnter, onDismiss }) {
  return create(
    "div",
    { className: "row" },
    create("button", { type: "button", className: "primary", onclick: () => onEnter(invitation) }, t("enter")),
    create("button", { type: "button", className: "quiet", onclick: () => onDismiss(invitation) }, t("dismiss")),
  );
}
