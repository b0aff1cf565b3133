// Messages that come up in the corner and go by themselves.

import { byId, create, icon } from "./dom.js";
import { t } from "./strings.js";

const kShownMs = 6000;

/** Shows `text`; with `actions` (an element) it stays until it is closed. Returns a function that closes it. */
export function toast(text, { bad = false, actions = null } = {}) {
  const close = () => box.remove();
  const box = create(
    "div",
    { className: bad ? "toast bad" : "toast", role: bad ? "alert" : "status" },
    create("p", {}, text),
    create("button", { type: "button", className: "icon-button", "aria-label": t("close"), onclick: close }, icon("close")),
    actions,
  );
  byId("toasts").append(box);
  if (actions === null) setTimeout(close, kShownMs);
  return close;
}
