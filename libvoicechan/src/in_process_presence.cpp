#include "in_process_presence.hpp"

#include <algorithm>
#include <utility>

#include "room_message.hpp"

namespace voicechan {

Roster InProcessPresence::Room::roster() const {
  Roster roster{revision, {}};
  roster.peers.reserve(peers.size());
  for (const auto& [stay, peer] : peers) roster.peers.push_back(peer);
  return roster;
}

void InProcessPresence::publish(const RoomName& name, Room& room, RosterChange change) {
  backplane_->publish(peer_group(name), change.to_frame());
  room.change_bytes += change.text.size();
  room.changes.push_back(std::move(change));
  while (room.changes.size() > kMaxChanges || room.change_bytes > kMaxChangeBytes) {
    room.change_bytes -= room.changes.front().text.size();
    room.changes.pop_front();
  }
}

EntryAnswer InProcessPresence::enter(const RoomName& name, Peer peer, std::size_t max,
                                     std::uint64_t /*number*/) {
  const MutexLock lock(mutex_);
  return add(name, std::move(peer), max);
}

Result<Roster> InProcessPresence::enter_and_tell(const RoomName& name, Peer peer, std::size_t max,
                                                 const Tell& tell) {
  const MutexLock lock(mutex_);
  auto answer = add(name, std::move(peer), max);
  tell(answer);
  return answer;
}

Result<Roster> InProcessPresence::add(const RoomName& name, Peer peer, std::size_t max) {
  const auto found = rooms_.find(name.str());
  if ((found == rooms_.end() ? 0 : found->second.peers.size()) >= max) return Errc::room_full;
  Room& room = found == rooms_.end() ? rooms_[name.str()] : found->second;
  if (found == rooms_.end()) room.revision = last_ended_;
  peer.since = ++room.revision;
  if (peer.order == 0) peer.order = peer.since;
  publish(name, room,
          {RosterChange::Kind::joined, room.revision, peer.id, peer.since, peer.order,
           compose_peer_joined(name, room.revision, peer)});
  const Stay stay{peer.order, peer.id};
  const auto place = room.peers.emplace(stay, std::make_shared<const Peer>(std::move(peer))).first;
  room.places.emplace(stay.peer, place);
  ++peer_count_;
  return room.roster();
}

void InProcessPresence::update(const RoomName& name, const PeerId& id, std::string data) {
  const MutexLock lock(mutex_);
  Room& room = rooms_.find(name.str())->second;
  std::shared_ptr<const Peer>& place = room.places.at(id)->second;
  Peer peer = *place;
  peer.data = std::move(data);
  ++room.revision;
  publish(name, room,
          {RosterChange::Kind::updated, room.revision, id, peer.since, peer.order,
           compose_peer_updated(name, room.revision, peer)});
  place = std::make_shared<const Peer>(std::move(peer));
}

void InProcessPresence::leave(const RoomName& name, const PeerId& id) noexcept {
  const MutexLock lock(mutex_);
  const auto found = rooms_.find(name.str());
  Room& room = found->second;
  const auto place = room.places.find(id);
  const std::shared_ptr<const Peer> peer = place->second->second;
  room.peers.erase(place->second);
  room.places.erase(place);
  --peer_count_;
  if (room.peers.empty()) {
    last_ended_ = std::max(last_ended_, room.revision);
    rooms_.erase(found);
    return;
  }
  ++room.revision;
  publish(name, room,
          {RosterChange::Kind::left, room.revision, id, peer->since, peer->order,
           compose_peer_left(name, room.revision, id)});
}

std::optional<std::uint64_t> InProcessPresence::find_since(const RoomName& name,
                                                           const PeerId& id) const {
  const MutexLock lock(mutex_);
  const auto found = rooms_.find(name.str());
  if (found == rooms_.end()) return std::nullopt;
  const auto place = found->second.places.find(id);
  if (place == found->second.places.end()) return std::nullopt;
  return place->second->second->since;
}

Roster InProcessPresence::roster(const RoomName& name) const {
  const MutexLock lock(mutex_);
  const auto found = rooms_.find(name.str());
  return found == rooms_.end() ? Roster{} : found->second.roster();
}

std::optional<std::vector<RosterChange>> InProcessPresence::changes_since(
    const RoomName& name, std::uint64_t revision) const {
  using Changes = std::vector<RosterChange>;
  const MutexLock lock(mutex_);
  const auto found = rooms_.find(name.str());
  const std::uint64_t present = found == rooms_.end() ? 0 : found->second.revision;
  if (revision == present) return Changes{};
  if (revision > present) return std::nullopt;
  const auto& known = found->second.changes;
  const std::uint64_t missing = present - revision;
  if (missing > known.size()) return std::nullopt;
  return Changes(known.end() - static_cast<std::ptrdiff_t>(missing), known.end());
}

RoomTotals InProcessPresence::totals() const {
  const MutexLock lock(mutex_);
  return {rooms_.size(), peer_count_};
}

RoomPage InProcessPresence::list_rooms(std::string_view after, std::size_t limit) const {
  const MutexLock lock(mutex_);
  RoomPage page;
  auto place = rooms_.upper_bound(after);
  for (; place != rooms_.end() && page.rooms.size() < limit; ++place) {
    page.rooms.push_back({place->first, place->second.peers.size()});
  }
  page.has_more = place != rooms_.end();
  return page;
}

}  // namespace voicechan
