import { toNatural, toNotice, toObject, toText } from "./check.js";
import { Connection } from "./connection.js";
import { Line, kConnection } from "./line.js";

const kMostSeen = 1000;
const kMarkMs = 2000; // a server of an earlier version says nothing
const kSettledMs = 10000; // what was made at the same time has come by then, in whatever order

/** Which invitations have come, and since which one to ask when the line is back. */
class SeenInvitations {
  #came = new Map(); // the id and when it came; the oldest first
  #mark = null; // all up to this one have come, or came before the page did

  /** False if it has come before. */
  add({ id, status }) {
    const key = `${id} ${status}`;
    if (this.#came.has(key)) return false;
    this.#came.set(key, { id, at: performance.now() });
    if (this.#came.size > kMostSeen) this.#came.delete(this.#came.keys().next().value);
    return true;
  }

  /** The server says so. */
  markUpTo(id) {
    this.#mark = Math.max(this.#mark ?? 0, id);
  }

  get since() {
    let settled = this.#mark ?? -1;
    let open = Infinity;
    for (const { id, at } of this.#came.values()) {
      if (performance.now() - at > kSettledMs) settled = Math.max(settled, id);
      else open = Math.min(open, id);
    }
    if (settled < 0) return open === Infinity ? "now" : open - 1;
    return Math.max(this.#mark ?? 0, Math.min(settled, open - 1));
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
          seen.markUpTo(toNatural(notice.since, "id"));
          clearTimeout(patience);
          return connection.markOpen();
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
