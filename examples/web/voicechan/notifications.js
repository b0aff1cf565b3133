import { toNotice, toObject, toText } from "./check.js";
import { Connection } from "./connection.js";
import { Line, kConnection } from "./line.js";

export class Notifications extends Line {
  constructor(context) {
    super();
    const connection = (this[kConnection] = new Connection(context, {
      path: "/ws/notifications/",
      target: this,
      onOpen: () => connection.markOpen(),
      onMessage: (data) => {
        const notice = toObject(data);
        toText(notice.type, "type of a notification");
        if (notice.type === "invitation") connection.emit("invitation", toNotice(notice));
        connection.emit("notification", notice);
      },
      onLost: () => false,
      onEnd: () => {},
    }));
  }
}
