#include <string>
#include <utility>

#include "hub_impl.hpp"
#include "signaling_message.hpp"
#include "voice_groups.hpp"

// Members of voice rooms: their coming and going, and what those ask who are told of the others.

namespace voicechan {
namespace {

constexpr std::string_view kBadMemberMessage =
    "text here is a JSON object of type \"text\" (with \"text\", a string) or \"sync\"";

}  // namespace

Result<Session> Hub::Impl::join_voice(Identity user, const RoomName& room, Transport& transport,
                                      VoiceProtocol protocol) {
  if (protocol == VoiceProtocol::with_members) {
    return join_watching(std::move(user), room, transport);
  }
  auto session = open_in_group(Role::voice, transport, voice_group(room), options_.pacing_window,
                               options_.max_room_members);
  if (session) session->state_->since = voice_presence_->enter(room, std::move(user), false).since;
  return session;
}

Result<Session> Hub::Impl::join_watching(Identity user, const RoomName& room,
                                         Transport& transport) {
  const auto place = find_or_add_group(voice_group(room), options_.pacing_window);
  LocalGroup& group = place->second;
  if (!group.plain.subscription().try_add_member(options_.max_room_members)) {
    dispose_if_empty(place);
    return Errc::room_full;
  }
  if (group.watchers == nullptr) {
    group.watchers = std::make_unique<VoiceWatchers>(port_->subscribe(voice_members_group(room)),
                                                     options_.pacing_window);
  }
  Session session = open(Role::voice, transport);
  State& state = *session.state_;
  state.watch = std::make_unique<VoiceWatchers::Place>(transport, options_.voice_sync_burst);
  auto entry = voice_presence_->enter(room, std::move(user), true);
  state.since = entry.since;
  state.group_place = place;
  state.is_in_group = true;
  group.watchers->add(*state.watch, std::move(entry));
  return session;
}

void Hub::Impl::leave_group(State& session) noexcept {
  const auto place = session.group_place;
  LocalGroup& group = place->second;
  if (session.since != 0) {
    port_->flush();  // what he has said comes before his going
    voice_presence_->leave(*room_of(place->first, kVoiceGroupPrefix), session.since,
                           session.watch != nullptr);
  }
  if (session.watch != nullptr) {
    group.watchers->remove(*session.watch);
    group.plain.subscription().remove_member();
  } else {
    group.plain.remove(session);
  }
  dispose_if_empty(place);
}

void Hub::Impl::take_member_message(State& session, std::string_view text) {
  if (text.size() > options_.max_signaling_bytes) return refuse(session, Errc::too_large);
  const auto message = parse_signaling_message(text, options_.max_json_depth);
  if (message && message->type == "sync") {
    const auto revision = natural_value(find_member(*message, "revision").value_or(""));
    if (!revision) return refuse(session, Errc::bad_message, {}, kBadRevision);
    return sync_members(session, *revision);
  }
  if (message && message->type == "text") {
    auto said = string_value(find_member(*message, "text").value_or(""));
    if (said) return relay(session, FrameKind::text, *std::move(said));
  }
  refuse(session, Errc::bad_message, {}, kBadMemberMessage);
}

void Hub::Impl::sync_members(State& session, std::uint64_t revision) {
  if (!session.watch->syncs.take(options_.voice_syncs_per_second, options_.voice_sync_burst,
                                 now_)) {
    return refuse(session, Errc::rate_limited);
  }
  const auto place = session.group_place;
  auto answer = voice_presence_->changes_since(*room_of(place->first, kVoiceGroupPrefix), revision);
  place->second.watchers->answer(*session.watch, std::move(answer), now_);
  note_paced(place);
  dispose_if_empty(place);
}

void Hub::Impl::on_members_change(std::string_view group, const Frame& frame) {
  const auto room = room_of(group, kVoiceMembersGroupPrefix);
  if (!room) return;
  const auto place = groups_.find(voice_group_of(*room));
  const auto change = VoiceChange::from_frame(frame);
  if (place == groups_.end() || place->second.watchers == nullptr || !change) return;
  place->second.watchers->on_change(*change, now_);
  note_paced(place);
  dispose_if_empty(place);
}

}  // namespace voicechan
