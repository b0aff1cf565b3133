import { badArgument } from "./errors.js";

/** A room name as the server takes it: 1 to 200 bytes of UTF-8 without `/` and control characters. */
export function checkRoomName(room) {
  const isRight =
    typeof room === "string" &&
    room !== "" &&
    !/[/\u0000-\u001f\u007f-\u009f]/.test(room) &&
    !/\p{Surrogate}/u.test(room) && // half of a character
    new TextEncoder().encode(room).length <= 200;
  if (!isRight) throw badArgument("a room name has 1 to 200 bytes, no / and no control characters");
  return room;
}

/** The path of its voice room. */
export function toVoicePath(room) {
  // A URL cannot name these two: they mean the folder itself and the one above, however they are escaped.
  if (room === "." || room === "..") throw badArgument(`a voice room cannot be called ${room}`);
  return `/ws/voice/${encodeURIComponent(room)}/`;
}
