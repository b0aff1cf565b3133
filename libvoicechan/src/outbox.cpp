#include "voicechan/outbox.hpp"

#include <algorithm>

namespace voicechan {
namespace {

// An emptied queue that had to grow beyond this gives its memory back.
constexpr std::size_t kKeptCapacity = 32;

bool is_media(const Frame& frame) noexcept { return frame.frame_class() == FrameClass::media; }

std::size_t cost(const Frame& frame) noexcept { return frame.size() + Outbox::kFrameOverhead; }

}  // namespace

bool Outbox::push(const Frame& frame, MonotonicTime now) {
  if (!is_media(frame)) {
    if (control_bytes_ > 0 && control_bytes_ + cost(frame) > limits_->max_control_bytes) {
      return false;
    }
    items_.push_back({frame, now});
    control_bytes_ += cost(frame);
    return true;
  }
  // A queue that nobody flushes is cleaned here, with some slack so that it costs O(1) a frame.
  if (oldest_media_ < now - limits_->max_media_age * 5 / 4) drop_stale(now);
  if (media_bytes_ + cost(frame) > limits_->max_media_bytes) {
    const std::size_t wanted_bytes = limits_->max_media_bytes / 8 * 7;
    drop_media_while([&](const Item&) { return media_bytes_ + cost(frame) > wanted_bytes; });
  }
  items_.push_back({frame, now});
  media_bytes_ += cost(frame);
  oldest_media_ = std::min(oldest_media_, now);
  return true;
}

void Outbox::drop_stale(MonotonicTime now) {
  const MonotonicTime oldest_wanted = now - limits_->max_media_age;
  if (oldest_media_ >= oldest_wanted) return;
  drop_media_while([&](const Item& item) { return item.queued_at < oldest_wanted; });
}

template <class Predicate>
void Outbox::drop_media_while(Predicate is_unwanted) {
  const std::size_t first = head_ + (front_is_pinned_ ? 1 : 0);
  oldest_media_ = MonotonicTime::max();
  std::size_t end = first;
  for (; end < items_.size(); ++end) {
    const Item& item = items_[end];
    if (!is_media(item.frame)) continue;
    if (!is_unwanted(item)) {
      oldest_media_ = item.queued_at;
      break;
    }
    count_out(item.frame);
    ++drops_.frames;
    drops_.bytes += item.frame.size();
  }
  // All media in [first, end) goes. The few frames that stay move up, not the many behind them.
  std::size_t kept_begin = end;
  for (std::size_t i = end; i-- > head_;) {
    Item item = std::move(items_[i]);
    if (i < first || !is_media(item.frame)) items_[--kept_begin] = std::move(item);
  }
  head_ = kept_begin;
  reclaim_places();
}

void Outbox::pop_front() noexcept {
  const Frame sent = std::move(items_[head_].frame);
  count_out(sent);
  front_is_pinned_ = false;
  ++head_;
  reclaim_places();
}

void Outbox::discard_unsent() noexcept {
  const std::size_t kept = head_ + (front_is_pinned_ ? 1 : 0);
  while (items_.size() > kept) {
    count_out(items_.back().frame);
    items_.pop_back();
  }
  reclaim_places();
}

void Outbox::count_out(const Frame& frame) noexcept {
  (is_media(frame) ? media_bytes_ : control_bytes_) -= cost(frame);
}

void Outbox::reclaim_places() noexcept {
  if (is_empty()) {
    items_.clear();
    head_ = 0;
    if (items_.capacity() > kKeptCapacity) items_.shrink_to_fit();
  } else if (head_ >= kKeptCapacity && head_ * 2 >= items_.size()) {
    // In halves, so that a queue that never runs empty costs O(1) a frame.
    items_.erase(items_.begin(), items_.begin() + static_cast<std::ptrdiff_t>(head_));
    head_ = 0;
  }
}

}  // namespace voicechan
