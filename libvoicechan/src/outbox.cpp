#include "voicechan/outbox.hpp"

#include <algorithm>

namespace voicechan {
namespace {

// An emptied queue that had to grow beyond this gives its memory back.
constexpr std::size_t kKeptCapacity = 32;

bool is_media(const Frame& frame) noexcept { return frame.frame_class() == FrameClass::media; }

}  // namespace

bool Outbox::push(const Frame& frame, MonotonicTime now) {
  if (is_media(frame)) {
    // A queue that nobody flushes is cleaned here, with some slack so that it costs O(1) a frame.
    if (!is_empty() && items_[head_].queued_at < now - limits_->max_media_age * 5 / 4) {
      drop_stale(now);
    }
    media_bytes_ += frame.size();
    if (media_bytes_ > limits_->max_media_bytes) {
      const std::size_t wanted_bytes = limits_->max_media_bytes / 8 * 7;
      drop_media_while([&](const Item&) { return media_bytes_ > wanted_bytes; });
    }
    items_.push_back({frame, now});
    return true;
  }
  if (control_bytes_ > 0 && control_bytes_ + frame.size() > limits_->max_control_bytes) {
    return false;
  }
  control_bytes_ += frame.size();
  items_.push_back({frame, now});
  return true;
}

void Outbox::drop_stale(MonotonicTime now) {
  if (media_bytes_ == 0) return;
  const MonotonicTime oldest_wanted = now - limits_->max_media_age;
  // Items are in the order of their time, so nothing is stale if the first one is not.
  if (items_[head_].queued_at >= oldest_wanted) return;
  drop_media_while([&](const Item& item) { return item.queued_at < oldest_wanted; });
}

template <class Predicate>
void Outbox::drop_media_while(Predicate is_unwanted) {
  const std::size_t pinned = front_is_pinned_ ? 1 : 0;
  const auto first = items_.begin() + static_cast<std::ptrdiff_t>(head_ + pinned);
  bool is_done = false;
  const auto kept_end = std::remove_if(first, items_.end(), [&](const Item& item) {
    if (is_done || !is_media(item.frame)) return false;
    is_done = !is_unwanted(item);
    if (is_done) return false;
    media_bytes_ -= item.frame.size();
    ++drops_.frames;
    drops_.bytes += item.frame.size();
    return true;
  });
  items_.erase(kept_end, items_.end());
  release_if_empty();
}

void Outbox::pop_front() noexcept {
  const Frame sent = std::move(items_[head_].frame);
  (is_media(sent) ? media_bytes_ : control_bytes_) -= sent.size();
  front_is_pinned_ = false;
  ++head_;
  release_if_empty();
  // Sent places are reclaimed in halves, so that a queue that never runs empty costs O(1) a frame.
  if (head_ >= kKeptCapacity && head_ * 2 >= items_.size()) {
    items_.erase(items_.begin(), items_.begin() + static_cast<std::ptrdiff_t>(head_));
    head_ = 0;
  }
}

void Outbox::discard_unsent() noexcept {
  const std::size_t kept = head_ + (front_is_pinned_ ? 1 : 0);
  while (items_.size() > kept) {
    const Frame& frame = items_.back().frame;
    (is_media(frame) ? media_bytes_ : control_bytes_) -= frame.size();
    items_.pop_back();
  }
  release_if_empty();
}

void Outbox::release_if_empty() noexcept {
  if (!is_empty()) return;
  items_.clear();
  head_ = 0;
  if (items_.capacity() > kKeptCapacity) items_.shrink_to_fit();
}

}  // namespace voicechan
