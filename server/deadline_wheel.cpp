#include "deadline_wheel.hpp"

#include <algorithm>

namespace voicechan::server {

DeadlineWheel::Entry::~Entry() { unlink(); }

void DeadlineWheel::Entry::unlink() noexcept {
  if (next_ == nullptr) return;
  next_->previous_ = previous_;
  previous_->next_ = next_;
  next_ = previous_ = nullptr;
}

DeadlineWheel::DeadlineWheel(MonotonicTime now) : tick_(tick_of(now)) {}

DeadlineWheel::~DeadlineWheel() {
  for (Head& slot : slots_) {
    while (!slot.is_empty()) slot.next_->unlink();
  }
}

std::int64_t DeadlineWheel::tick_of(MonotonicTime time) noexcept {
  return time.time_since_epoch() / kGranularity;
}

void DeadlineWheel::insert(Entry& entry) noexcept {
  const auto last = static_cast<std::int64_t>(kSlots) - 1;
  const std::int64_t tick = std::clamp(tick_of(entry.deadline_), tick_, tick_ + last);
  slots_[static_cast<std::uint64_t>(tick) % kSlots].push_back(entry);
}

void DeadlineWheel::set(Entry& entry, MonotonicTime deadline) noexcept {
  const bool stays = entry.next_ != nullptr && deadline >= entry.deadline_;
  entry.deadline_ = deadline;
  if (stays) return;  // its slot comes early enough, `advance` then moves it on
  entry.unlink();
  insert(entry);
}

void DeadlineWheel::cancel(Entry& entry) noexcept { entry.unlink(); }

void DeadlineWheel::advance(MonotonicTime now) {
  const std::int64_t first = tick_;
  tick_ = std::max(tick_, tick_of(now));
  const std::int64_t count = std::min(tick_ - first + 1, static_cast<std::int64_t>(kSlots));

  // All that may be due leaves the slots before anything fires: callbacks set, cancel and destroy
  // entries, and what they set again is not seen before the next call.
  Head due;
  for (std::int64_t tick = first; tick < first + count; ++tick) {
    due.splice(slots_[static_cast<std::uint64_t>(tick) % kSlots]);
  }
  while (!due.is_empty()) {
    Entry& entry = *due.next_;
    entry.unlink();
    if (entry.deadline_ <= now) {
      entry.on_deadline(now);
    } else {
      insert(entry);
    }
  }
}

DeadlineWheel::Head::Head() { next_ = previous_ = this; }

bool DeadlineWheel::Head::is_empty() const noexcept { return next_ == this; }

void DeadlineWheel::Head::push_back(Entry& entry) noexcept {
  entry.previous_ = previous_;
  entry.next_ = this;
  previous_->next_ = &entry;
  previous_ = &entry;
}

void DeadlineWheel::Head::splice(Head& other) noexcept {
  if (other.is_empty()) return;
  other.next_->previous_ = previous_;
  previous_->next_ = other.next_;
  other.previous_->next_ = this;
  previous_ = other.previous_;
  other.next_ = other.previous_ = &other;
}

}  // namespace voicechan::server
