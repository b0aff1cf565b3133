#include "voice_watchers.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "big_endian.hpp"
#include "voice_message.hpp"

namespace voicechan {
namespace {

/// A frame as those get it who are to know whose it is.
Frame with_member(const Frame& frame) {
  const std::uint32_t member = voice_member_number(frame.source());
  if (frame.kind() == FrameKind::text) {
    return Frame(FrameKind::text, frame.frame_class(), compose_member_text(member, frame.bytes()),
                 frame.source());
  }
  std::string bytes;
  bytes.reserve(sizeof member + frame.size());
  append_big_endian(bytes, member);
  bytes.append(frame.bytes());
  return Frame(FrameKind::binary, frame.frame_class(), std::move(bytes), frame.source());
}

}  // namespace

void VoiceWatchers::add(Place& place, VoicePresence::Entry entry) {
  if (count_ == 0) told_ = std::max(told_, entry.since - 1);
  ++count_;
  waiting_.emplace(entry.since, Waiting{&place, std::move(entry.messages), std::nullopt});
}

void VoiceWatchers::remove(Place& place) noexcept {
  --count_;
  if (place.is_in_group_) group_.remove(place);
  if (being_sent_to_ == &place) being_sent_to_ = nullptr;
  for (auto next = waiting_.begin(); next != waiting_.end();) {
    if (next->second.place == &place) next->second.place = nullptr;
    const bool is_void = next->second.place == nullptr && !next->second.frame;
    next = is_void ? waiting_.erase(next) : std::next(next);
  }
}

void VoiceWatchers::relay(const Frame& frame, Place* from, bool is_of_this_hub, MonotonicTime now) {
  // What other hubs send comes behind the change that tells of its sender.
  const bool must_wait = is_of_this_hub && frame.source() > told_;
  if (!must_wait && group_.size() == (from == nullptr ? 0u : 1u)) return;
  const Frame numbered = with_member(frame);
  if (must_wait) {
    waiting_.emplace(frame.source(), Waiting{from, {}, numbered});
  } else {
    group_.fan_out(numbered, from, now);
  }
}

void VoiceWatchers::answer(Place& place, VoicePresence::Answer answer, MonotonicTime now) {
  waiting_.emplace(answer.revision, Waiting{&place, {std::move(answer.message)}, std::nullopt});
  if (!is_telling_) send_due(now);
}

void VoiceWatchers::on_change(const VoiceChange& change, MonotonicTime now) {
  if (change.revision <= told_) return;
  told_ = change.revision;
  is_telling_ = true;
  group_.announce(Frame::control_text(change.text));
  send_due(now);
}

void VoiceWatchers::send_due(MonotonicTime now) {
  is_telling_ = true;
  while (!waiting_.empty() && waiting_.begin()->first <= told_) {
    auto due = waiting_.extract(waiting_.begin());
    send(due.mapped(), now);
  }
  is_telling_ = false;
}

void VoiceWatchers::send(Waiting& waiting, MonotonicTime now) {
  if (waiting.frame) return group_.fan_out(*waiting.frame, waiting.place, now);
  Place& place = *waiting.place;
  being_sent_to_ = &place;
  // Changes that he is to see before may be held behind audio.
  if (place.is_in_group_ && group_.is_held()) group_.release(now);
  for (const Frame& message : waiting.messages) {
    if (being_sent_to_ != &place) return;
    place.transport_->send(message);
  }
  if (being_sent_to_ != &place) return;
  being_sent_to_ = nullptr;
  if (!place.is_in_group_) place.is_in_group_ = group_.add(place, *place.transport_);
}

}  // namespace voicechan
