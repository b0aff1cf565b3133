// What an error means to the user.

import { NetworkError, RateLimited } from "./voicechan.js";
import { t } from "./strings.js";

export function errorText(error) {
  if (error instanceof NetworkError) return t("errorNetwork");
  if (error instanceof RateLimited) return t("errorRate");
  if (error.code === "room_full" || error.status === 409) return t("errorRoomFull");
  if (error.code === "kicked") return t("errorKicked");
  const reasons = Object.values(error.fields ?? {}).flat();
  const detail = reasons.length > 0 ? reasons.join(" ") : error.message;
  if (error.status === 403) return t("errorForbidden", { detail });
  if (error.status >= 500) return t("errorUnavailable");
  return t("errorOther", { detail });
}
