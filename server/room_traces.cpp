#include "room_traces.hpp"

#include <algorithm>
#include <vector>

#include "json_views.hpp"
#include "voicechan/call_diagnosis.hpp"

namespace voicechan::server {
namespace {

bool is_in(const Presence& presence, UserId user, const RoomName& room) {
  const auto peers = presence.roster(room).peers;
  return std::any_of(peers.begin(), peers.end(),
                     [&](const auto& peer) { return peer->user.id == user; });
}

std::string compose(const RoomName& room, const std::vector<FlightEvent>& events, WallTime now) {
  return to_json(room, events, diagnose(events, now));
}

}  // namespace

std::string RoomTraces::show(const RoomName& room) const {
  return compose(room, recorder_->events(room), recorder_->now());
}

std::optional<std::string> RoomTraces::show_to(UserId user, const RoomName& room) const {
  const auto events = recorder_->events(room);
  const bool is_recorded = std::any_of(
      events.begin(), events.end(), [&](const FlightEvent& event) { return event.user == user; });
  if (!is_recorded && !is_in(*presence_, user, room)) return std::nullopt;
  return compose(room, events, recorder_->now());
}

}  // namespace voicechan::server
