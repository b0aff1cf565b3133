#include "peer_rooms.hpp"

#include <algorithm>
#include <utility>

#include "room_message.hpp"

namespace voicechan {

PeerRooms::Place::~Place() {
  if (refresh_) rooms_->refreshes_.erase(*refresh_);
  for (const auto& held : candidates_.forget_all()) {
    rooms_->port_->report(held.ticket, Delivery::gone);
  }
  room_->places.erase(stay_.peer);
  rooms_->presence_->leave(room_->name, stay_.peer);
  record({FlightEvent::Kind::left, stay_.peer});
  rooms_->drop_if_empty(*room_);
}

const RoomName& PeerRooms::Place::room() const noexcept { return room_->name; }

void PeerRooms::Place::update(std::string data) {
  rooms_->presence_->update(room_->name, stay_.peer, std::move(data));
}

Roster PeerRooms::Place::roster() {
  Roster roster = rooms_->presence_->roster(room_->name);
  seen_ = roster.revision;
  return roster;
}

std::optional<std::vector<RosterChange>> PeerRooms::Place::changes_since(std::uint64_t revision) {
  if (revision < since_) return std::nullopt;
  auto changes = rooms_->presence_->changes_since(room_->name, revision);
  if (changes) seen_ = changes->empty() ? revision : changes->back().revision;
  return changes;
}

std::optional<std::uint64_t> PeerRooms::Place::find_since(const PeerId& peer) const {
  return rooms_->presence_->find_since(room_->name, peer);
}

std::uint64_t PeerRooms::Place::record(FlightEvent event) const {
  if (rooms_->recorder_ == nullptr) return 0;
  event.user = user_;
  return rooms_->recorder_->record(room_->name, std::move(event));
}

void PeerRooms::Place::settle(std::uint64_t number, FlightEvent::Outcome outcome) const {
  if (rooms_->recorder_ != nullptr) rooms_->recorder_->settle(room_->name, number, outcome);
}

void PeerRooms::Place::tell(const RosterChange& change, Told& told) {
  if (change.kind == RosterChange::Kind::left) {
    for (const auto& held : candidates_.forget(change.since)) {
      rooms_->port_->report(held.ticket, Delivery::gone);
    }
  }
  if (change.revision <= seen_) return;
  seen_ = change.revision;
  // Its own changes are confirmed here, so that it sees them in their order among others'.
  if (change.peer == stay_.peer) {
    return transport_->send(Frame::control_text(compose_updated(room_->name, change.revision)));
  }
  const bool is_late =
      change.kind == RosterChange::Kind::joined && came_after(stay_, {change.order, change.peer});
  if (!is_late) return transport_->send(told.message);
  if (!told.late) told.late = Frame::control_text(compose_late_peer_joined(change.text));
  transport_->send(*told.late);
}

std::variant<Result<PeerRooms::Entered>, std::unique_ptr<PeerRooms::Entry>> PeerRooms::enter(
    const RoomName& name, Peer peer, Transport& transport, std::size_t max, std::uint64_t number) {
  const std::string group = peer_group(name);
  const auto found = rooms_.find(group);
  std::shared_ptr<Room> room =
      found != rooms_.end() ? found->second
                            : std::make_shared<Room>(Room{name, port_->subscribe(group), {}});
  if (found == rooms_.end()) rooms_.emplace(group, room);
  const PeerId id = peer.id;
  const Identity user = peer.user;
  auto answer = presence_->enter(name, std::move(peer), max, number);
  if (!answer) return std::make_unique<Entry>(*this, std::move(room), user, id);
  return settle(std::move(room), user, id, transport, *std::move(answer));
}

Result<PeerRooms::Entered> PeerRooms::settle(std::shared_ptr<Room> room, const Identity& user,
                                             const PeerId& id, Transport& transport,
                                             Result<Roster> answer) {
  if (!answer) {
    drop_if_empty(*room);
    return answer.error();
  }
  const auto own = std::find_if(answer->peers.rbegin(), answer->peers.rend(),
                                [&](const auto& peer) { return peer->id == id; });
  auto place = std::unique_ptr<Place>(
      new Place(*this, std::move(room), {(*own)->order, id}, user.id, transport, answer->revision));
  place->room_->places.emplace(id, place.get());
  FlightEvent event{FlightEvent::Kind::joined, id};
  event.username = user.username;
  place->record(std::move(event));
  return Entered{std::move(place), *std::move(answer)};
}

PeerRooms::Entry::~Entry() {
  if (room_ == nullptr) return;
  --room_->entry_count;
  rooms_->presence_->leave(room_->name, id_);
  rooms_->drop_if_empty(*room_);
}

Result<PeerRooms::Entered> PeerRooms::Entry::finish(Result<Roster> answer, Transport& transport) {
  --room_->entry_count;
  return rooms_->settle(std::move(room_), user_, id_, transport, std::move(answer));
}

void PeerRooms::refresh_at(Place& place, MonotonicTime time) {
  if (place.refresh_) refreshes_.erase(*place.refresh_);
  place.refresh_ = refreshes_.emplace(time, &place);
}

std::optional<PeerId> PeerRooms::take_due(MonotonicTime now) {
  if (refreshes_.empty() || refreshes_.begin()->first > now) return std::nullopt;
  Place& place = *refreshes_.begin()->second;
  refreshes_.erase(refreshes_.begin());
  place.refresh_ = std::nullopt;
  return place.stay_.peer;
}

MonotonicTime PeerRooms::next_due() const noexcept {
  return refreshes_.empty() ? MonotonicTime::max() : refreshes_.begin()->first;
}

void PeerRooms::on_publish(std::string_view group, const Frame& frame) {
  const auto found = rooms_.find(group);
  if (found == rooms_.end()) return;
  const auto change = RosterChange::from_frame(frame);
  if (!change) return;
  const std::shared_ptr<Room> room = found->second;  // it may be left by all meanwhile
  Told told{Frame::control_text(change->text), std::nullopt};
  std::vector<PeerId> ids;
  ids.reserve(room->places.size());
  for (const auto& [id, place] : room->places) ids.push_back(id);
  for (const PeerId& id : ids) {
    const auto place = room->places.find(id);
    if (place != room->places.end()) place->second->tell(*change, told);
  }
}

void PeerRooms::drop_if_empty(Room& room) noexcept {
  if (!room.places.empty() || room.entry_count > 0) return;
  room.subscription = nullptr;  // before another one for the same group
  rooms_.erase(peer_group(room.name));
}

}  // namespace voicechan
