#include "in_process_voice_presence.hpp"

#include <algorithm>
#include <utility>

#include "voice_groups.hpp"
#include "voice_message.hpp"

namespace voicechan {
namespace {

bool is_before(const VoiceMember& member, std::uint64_t since) noexcept {
  return member.since < since;
}

}  // namespace

void InProcessVoicePresence::Members::remove(std::uint64_t since) {
  const auto place = std::lower_bound(places_.begin(), places_.end(), since, is_before);
  place->user = {UserId{kGone}, {}};
  ++gone_;
  if (gone_ * std::size_t{2} < places_.size()) return;
  const auto is_gone = [](const VoiceMember& member) { return member.user.id.value == kGone; };
  places_.erase(std::remove_if(places_.begin(), places_.end(), is_gone), places_.end());
  places_.shrink_to_fit();
  gone_ = 0;
}

std::vector<VoiceMember> InProcessVoicePresence::Members::after(std::uint64_t since,
                                                                std::size_t limit) const {
  std::vector<VoiceMember> found;
  found.reserve(std::min(limit, size()));
  auto place = std::lower_bound(places_.begin(), places_.end(), since + 1, is_before);
  for (; place != places_.end() && found.size() < limit; ++place) {
    if (place->user.id.value != kGone) found.push_back(*place);
  }
  return found;
}

void InProcessVoicePresence::publish(const std::string& name, Watched& watched,
                                     VoiceChange change) {
  backplane_->publish(voice_members_group_of(name), change.to_frame());
  watched.changes.push_back({change.revision, Frame::control_text(std::move(change.text))});
  if (watched.changes.size() > kMaxChanges) watched.changes.pop_front();
}

/// What leads a newcomer to the present revision. Many who come at once are shown the same roster,
/// as long as the changes since then are few beside it.
std::vector<Frame> InProcessVoicePresence::show(const std::string& name, Room& room) {
  Watched& watched = *room.watched;
  const std::size_t few = std::min(kMaxChanges, room.members.size() / 4);
  if (!watched.roster || room.revision - watched.roster->revision > few) {
    const auto members = room.members.after(0, kNoLimit);
    watched.roster = {room.revision,
                      Frame::control_text(compose_roster(name, room.revision, members))};
  }
  std::vector<Frame> messages{watched.roster->message};
  const auto missing = static_cast<std::ptrdiff_t>(room.revision - watched.roster->revision);
  for (auto next = watched.changes.end() - missing; next != watched.changes.end(); ++next) {
    messages.push_back(next->message);
  }
  return messages;
}

VoicePresence::Entry InProcessVoicePresence::enter(const RoomName& name, Identity user,
                                                   bool watches) {
  const MutexLock lock(mutex_);
  const auto [place, is_new] = rooms_.try_emplace(name.str());
  Room& room = place->second;
  if (is_new) room.revision = last_revision_;
  Entry entry{};
  if (watches) {
    if (room.watched == nullptr) room.watched = std::make_unique<Watched>();
    ++room.watched->watchers;
    entry.messages = show(name.str(), room);
  }
  VoiceMember member{++room.revision, std::move(user)};
  entry.since = member.since;
  if (watches) {
    entry.messages.push_back(Frame::control_text(compose_member_joined(name.str(), member, true)));
  }
  if (room.watched != nullptr) {
    publish(name.str(), *room.watched,
            {member.since, compose_member_joined(name.str(), member, false)});
  }
  room.members.add(std::move(member));
  ++member_count_;
  return entry;
}

void InProcessVoicePresence::leave(std::string_view name, std::uint64_t since,
                                   bool watches) noexcept {
  const MutexLock lock(mutex_);
  const auto place = rooms_.find(std::string(name));
  Room& room = place->second;
  ++room.revision;
  room.members.remove(since);
  --member_count_;
  if (room.members.size() == 0) {
    last_revision_ = std::max(last_revision_, room.revision);
    rooms_.erase(place);
    return;
  }
  if (watches && --room.watched->watchers == 0) room.watched = nullptr;
  if (room.watched == nullptr) return;
  publish(place->first, *room.watched,
          {room.revision, compose_member_left(name, room.revision, since)});
}

VoicePresence::Answer InProcessVoicePresence::changes_since(std::string_view name,
                                                            std::uint64_t revision) const {
  const MutexLock lock(mutex_);
  const Room& room = rooms_.at(std::string(name));
  const auto answer = [&](std::string text) {
    return Answer{room.revision, Frame::control_text(std::move(text))};
  };
  if (revision == room.revision) return answer(compose_members_same(name, revision));
  const auto& changes = room.watched->changes;
  if (revision > room.revision || room.revision - revision > changes.size()) {
    return answer(compose_members_replaced(name, room.revision, room.members.after(0, kNoLimit)));
  }
  std::vector<std::string_view> texts;
  const auto missing = static_cast<std::ptrdiff_t>(room.revision - revision);
  for (auto next = changes.end() - missing; next != changes.end(); ++next) {
    texts.emplace_back(next->message.bytes());
  }
  return answer(compose_members_changed(name, room.revision, texts));
}

VoiceMemberPage InProcessVoicePresence::list(const RoomName& name, std::uint64_t after,
                                             std::size_t limit) const {
  const MutexLock lock(mutex_);
  const auto place = rooms_.find(name.str());
  if (place == rooms_.end()) return {};
  const std::size_t wanted = limit == kNoLimit ? limit : limit + 1;
  VoiceMemberPage page{place->second.revision, place->second.members.after(after, wanted), false};
  page.has_more = page.members.size() > limit;
  if (page.has_more) page.members.pop_back();
  return page;
}

RoomTotals InProcessVoicePresence::totals() const {
  const MutexLock lock(mutex_);
  return {rooms_.size(), member_count_};
}

/// Rooms are not kept in order, since each join looks one up. Nobody lists them often.
RoomPage InProcessVoicePresence::list_rooms(std::string_view after, std::size_t limit) const {
  using Place = decltype(rooms_)::const_pointer;
  const MutexLock lock(mutex_);
  std::vector<Place> behind;
  for (const auto& place : rooms_) {
    if (place.first > after) behind.push_back(&place);
  }
  const std::size_t count = std::min(limit, behind.size());
  std::partial_sort(behind.begin(), behind.begin() + static_cast<std::ptrdiff_t>(count),
                    behind.end(), [](Place a, Place b) { return a->first < b->first; });
  RoomPage page;
  page.has_more = behind.size() > count;
  behind.resize(count);
  for (const Place place : behind) {
    page.rooms.push_back({place->first, place->second.members.size()});
  }
  return page;
}

}  // namespace voicechan
