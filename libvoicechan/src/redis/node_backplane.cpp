#include "node_backplane.hpp"

#include <string>
#include <utility>

#include "../voice_groups.hpp"

namespace voicechan::redis {

VoicePresence::Entry AnnouncedVoicePresence::enter(const RoomName& room, Identity user,
                                                   bool watches) {
  Entry entry = local_->enter(room, user, watches);
  inbox_->push(VoiceMemberEntered{room.str(), entry.since, std::move(user)});
  return entry;
}

void AnnouncedVoicePresence::leave(std::string_view room, std::uint64_t since,
                                   bool watches) noexcept {
  local_->leave(room, since, watches);
  inbox_->push(VoiceMemberLeft{std::string(room), since});
}

NodeBackplane::NodeBackplane(std::uint64_t node, std::function<MonotonicTime()> clock,
                             std::function<void()> wake)
    : local_(node & kNodeMask),
      gateway_(local_, node, std::move(clock), std::move(wake)),
      voice_presence_(local_.voice_presence(), gateway_.inbox()) {}

Result<std::unique_ptr<BackplanePort>> NodeBackplane::attach(BackplaneReceiver& receiver,
                                                             std::function<void()> wake) {
  return local_.attach(receiver, std::move(wake));
}

void NodeBackplane::publish(std::string_view group, const Frame& frame) {
  publish_here(group, frame);
  gateway_.inbox().push(PublishedOutside{std::string(group), frame});
}

Preparation NodeBackplane::prepare(std::string_view group, std::function<void()> ready) {
  // Who is in a room is told by the room's own group.
  if (room_of(group, kVoiceMembersGroupPrefix)) return {};
  return gateway_.inbox().prepare(group, std::move(ready));
}

bool NodeBackplane::watch_gaps(std::function<void(std::string_view group)> on_gap) {
  gateway_.gaps().watch(std::move(on_gap));
  return true;
}

}  // namespace voicechan::redis
