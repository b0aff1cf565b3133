// Small helpers for the views.

export const byId = (id) => document.getElementById(id);

/** An element with properties and children; strings become text, never markup. */
export function create(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-") || name === "role") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

export function icon(name) {
  const kSvg = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(kSvg, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(kSvg, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

/** Sets text only if it is another one: screen readers read again what is written again. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function showFieldError(input, error, text) {
  setText(error, text);
  input.setAttribute("aria-invalid", String(text !== ""));
  if (text !== "") input.focus();
}

/** Says something to users of screen readers. */
export function announce(text) {
  byId("announcer").textContent = text;
}
