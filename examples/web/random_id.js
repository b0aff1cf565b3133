// crypto.randomUUID() exists in secure contexts only.

/** 128 random bits as hexadecimal digits. */
export function randomId() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
