// The others in a room, by what names them.

/** What has changed from `before` to `after`, both maps; `isSame` and `isEqual` compare two of one name. */
export function compareRosters(before, after, { isSame, isEqual = isSame }) {
  const changes = { joined: [], left: [], updated: [], stayed: [] };
  for (const [name, one] of before) {
    if (!after.has(name) || !isSame(one, after.get(name))) changes.left.push(one);
  }
  for (const [name, one] of after) {
    const old = before.get(name);
    if (old === undefined || !isSame(old, one)) changes.joined.push(one);
    else (isEqual(old, one) ? changes.stayed : changes.updated).push(one);
  }
  return changes;
}

export const samePeers = {
  isSame: (one, other) => one.user_id === other.user_id,
  isEqual: (one, other) => isSameJson(one.data, other.data),
};

// A server that was restarted numbers members from the beginning: the number alone is not enough.
export const sameMembers = { isSame: (one, other) => one.user_id === other.user_id };

function isSameJson(one, other) {
  if (one === other) return true;
  if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) return false;
  const names = Object.keys(one);
  return (
    Array.isArray(one) === Array.isArray(other) &&
    names.length === Object.keys(other).length &&
    names.every((name) => Object.prototype.hasOwnProperty.call(other, name) && isSameJson(one[name], other[name]))
  );
}
