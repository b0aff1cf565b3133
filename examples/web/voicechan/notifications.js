import { toNatural, toNotice, toObject, toText } from "./check.js";
import { Connection } from "./connection.js";
import { Line, kConnection } from "./line.js";

const kMostSeen = 1000; // a server repeats a hundred at most
const kMarkMs = 2000; // a server of an earlier version says nothing

/** Which invitations have come, and since which one to ask when the line is back. */
class SeenInvitations {
  #keys = new Set(); // the oldest first
  /**
   * What the server said last. Not what came last: while servers do not hear each other, one from another server may
   * be missing before it.
   */
  since = "now";

  /** False if it has come before. */
  add({ id, status }) {
    const key = `${id} ${status}`;
    if (this.#keys.has(key)) return false;
    this.#keys.add(key);
    if (this.#keys.size > kMostSeen) this.#keys.delete(this.#keys.values().next().value);
    return true;
  }
}

export class Notifications extends Line {
  constructor(context) {
    super();
    const seen = new SeenInvitations();
    let patience = null;
    const connection = (this[kConnection] = new Connection(context, {
      path: () => `/ws/notifications/?since=${seen.since}`,
      target: this,
      onOpen: () => {
        patience = setTimeout(() => connection.markOpen(), kMarkMs);
      },
      onMessage: (data) => {
        const notice = toObject(data);
        toText(notice.type, "type of a notification");
        if (notice.type === "caught_up") {
          seen.since = toNatural(notice.since, "id");
          clearTimeout(patience);
          if (connection.state !== "open") connection.markOpen();
          return;
        }
        if (notice.type === "invitation") {
          toNotice(notice);
          if (!seen.add(notice)) return;
          connection.emit("invitation", notice);
        }
        connection.emit("notification", notice);
      },
      onLost: () => {
        clearTimeout(patience);
        return false;
      },
      onEnd: () => clearTimeout(patience),
    }));
  }
}
