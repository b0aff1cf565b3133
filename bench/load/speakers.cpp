#include "speakers.hpp"

#include "monotonic.hpp"

namespace voicechan::load {
namespace {

constexpr std::size_t kMaxUnsentBytes = 1 << 20;
constexpr std::int64_t kGiveUpNs = 5 * kNanosPerSecond;

}  // namespace

Speakers::Speakers(const Pace& pace, RelayLedger& ledger, std::deque<Connection>& members)
    : pace_(pace),
      ledger_(ledger),
      members_(members),
      payload_(ledger.shape().frame_bytes, '\0'),
      period_ns_(to_ns(1 / pace.frames_per_second)) {
  const RelayShape& shape = ledger.shape();
  for (std::uint32_t place = 0; place < shape.speakers; ++place) {
    for (std::uint32_t room = 0; room < shape.rooms; ++room) {
      Speaker speaker;
      speaker.member = room * shape.members + place;
      speaker.window.resize(pace.window);
      speakers_.push_back(std::move(speaker));
    }
  }
  ready_.reserve(speakers_.size());
}

void Speakers::start(std::int64_t now) {
  start_ = now;
  next_check_ = now + kNanosPerSecond;
  if (pace_.window == 0) return;
  for (Speaker& speaker : speakers_) mark_ready(speaker);
}

std::int64_t Speakers::time_of(std::uint64_t event) const noexcept {
  const std::uint64_t count = speakers_.size();
  const auto period = static_cast<std::uint64_t>(period_ns_);
  const std::uint64_t phase = pace_.is_in_phase ? 0 : event % count * period / count;
  return start_ + static_cast<std::int64_t>(event / count * period + phase);
}

std::int64_t Speakers::next_due() const noexcept {
  if (pace_.window == 0) return time_of(next_event_);
  return ready_.empty() ? next_check_ : 0;
}

void Speakers::mark_ready(Speaker& speaker) {
  if (speaker.is_ready) return;
  speaker.is_ready = true;
  ready_.push_back(&speaker);
}

void Speakers::collect_due(std::int64_t now) {
  for (std::int64_t due = time_of(next_event_); due <= now; due = time_of(++next_event_)) {
    Speaker& speaker = speakers_[next_event_ % speakers_.size()];
    if (speaker.due++ == 0) speaker.due_since = due;
    mark_ready(speaker);
  }
}

void Speakers::give_up(std::int64_t now) {
  if (now < next_check_) return;
  next_check_ = now + kNanosPerSecond;
  for (Speaker& speaker : speakers_) {
    for (Slot& slot : speaker.window) {
      if (slot.missing == 0 || slot.sent_at + kGiveUpNs > now) continue;
      slot.missing = 0;
      ++given_up_;
      mark_ready(speaker);
    }
  }
}

void Speakers::speak(std::int64_t now) {
  if (pace_.window == 0) {
    collect_due(now);
  } else {
    give_up(now);
  }
  for (Speaker* speaker : ready_) {
    speaker->is_ready = false;
    if (!members_[speaker->member].is_open()) {
      speaker->due = 0;
      continue;
    }
    if (pace_.window == 0) {
      speak_at_rate(*speaker);
    } else {
      fill_window(*speaker);
    }
    members_[speaker->member].flush();
  }
  ready_.clear();
}

void Speakers::speak_at_rate(Speaker& speaker) {
  const std::int64_t now = monotonic_ns();
  for (std::int64_t due = speaker.due_since; speaker.due > 0; --speaker.due, due += period_ns_) {
    lateness_.record(now - due);
    if (members_[speaker.member].unsent_bytes() > kMaxUnsentBytes) {
      ++held_back_;
    } else {
      send(speaker, now);
    }
  }
}

void Speakers::fill_window(Speaker& speaker) {
  const std::int64_t now = monotonic_ns();
  const std::uint32_t receivers =
      ledger_.shape().fast_receivers(ledger_.shape().room_of(speaker.member));
  for (;;) {
    Slot& slot = speaker.window[speaker.next % speaker.window.size()];
    if (slot.missing > 0) return;
    slot = {speaker.next, receivers, now};
    send(speaker, now);
  }
}

void Speakers::send(Speaker& speaker, std::int64_t now) {
  const Stamp stamp = ledger_.issue(speaker.member, now);
  speaker.next = stamp.sequence + 1;
  write_payload(stamp, payload_.data(), payload_.size());
  members_[speaker.member].send(ledger_.shape().kind, payload_);
}

void Speakers::on_delivered(const Stamp& stamp) {
  if (pace_.window == 0) return;
  Speaker& speaker = speakers_[std::size_t{stamp.speaker} * ledger_.shape().rooms + stamp.room];
  Slot& slot = speaker.window[stamp.sequence % speaker.window.size()];
  if (slot.sequence == stamp.sequence && slot.missing > 0 && --slot.missing == 0) {
    mark_ready(speaker);
  }
}

}  // namespace voicechan::load
