#include "voicechan/outbox.hpp"

#include <algorithm>
#include <limits>
#include <unordered_map>

namespace voicechan {
namespace {

constexpr MonotonicTime kDropped = MonotonicTime::min();

using BytesBySource = std::unordered_map<std::uint64_t, std::size_t>;

/// How much each source may keep so that all keep no more than `room`: those that have less leave
/// their rest to the others.
std::size_t fair_share(const BytesBySource& sources, std::size_t room) {
  std::vector<std::size_t> sizes;
  for (const auto& [source, bytes] : sources) sizes.push_back(bytes);
  std::sort(sizes.begin(), sizes.end());
  std::size_t sharers = sizes.size();
  for (const std::size_t size : sizes) {
    if (size > room / sharers) return room / sharers;
    room -= size;
    --sharers;
  }
  return std::numeric_limits<std::size_t>::max();
}

}  // namespace

Outbox::Admission Outbox::make_room(const Frame& frame, MonotonicTime now) {
  const auto is_in_budget = [&](std::size_t held) {
    return limits_->budget == nullptr || limits_->budget->allows(held, cost(frame));
  };
  if (!is_media(frame)) {
    const bool has_room =
        control_bytes_ == 0 || control_bytes_ + cost(frame) <= limits_->max_control_bytes;
    return has_room && is_in_budget(control_bytes_) ? Admission::queued : Admission::refused;
  }
  // A queue that nobody flushes is cleaned here, with some slack so that it costs O(1) a frame.
  if (oldest_media_ < now - limits_->max_media_age * 5 / 4) drop_stale(now);
  if (media_bytes_ + cost(frame) > limits_->max_media_bytes) {
    drop_for(frame, limits_->max_media_bytes);
  }
  if (!is_in_budget(media_bytes_)) {
    drop_for(frame, limits_->budget->free_bytes() / 2);
    if (!is_in_budget(media_bytes_)) {
      count_drops(DropReason::no_room, {1, frame.size()});
      return Admission::dropped;
    }
  }
  oldest_media_ = std::min(oldest_media_, now);
  return Admission::queued;
}

void Outbox::drop_for(const Frame& newest, std::size_t max_bytes) {
  // Some more than must goes, so that a queue that stays full costs O(1) a frame.
  std::size_t room = max_bytes / 8 * 7;
  if (front_is_pinned_ && is_media(items_[head_].frame)) {
    room -= std::min(room, cost(items_[head_].frame));
  }
  BytesBySource waiting{{newest.source(), cost(newest)}};
  for (std::size_t i = first_droppable(); i < items_.size(); ++i) {
    const Frame& frame = items_[i].frame;
    if (is_media(frame)) waiting[frame.source()] += cost(frame);
  }
  std::size_t share = fair_share(waiting, room);
  if (cost(newest) > share) {
    // It is not dropped, so the others share what it leaves.
    BytesBySource others = waiting;
    others.erase(newest.source());
    share = std::min(share, fair_share(others, room - std::min(room, cost(newest))));
  }
  drop_media(items_.size(), DropReason::no_room, [&](const Frame& frame) {
    std::size_t& bytes = waiting[frame.source()];
    if (bytes <= share) return false;
    bytes -= cost(frame);
    return true;
  });
}

void Outbox::drop_stale(MonotonicTime now) {
  const MonotonicTime oldest_wanted = now - limits_->max_media_age;
  if (oldest_media_ >= oldest_wanted) return;
  const auto first = items_.begin() + static_cast<std::ptrdiff_t>(first_droppable());
  const auto end = std::find_if(first, items_.end(), [&](const Item& item) {
    return is_media(item.frame) && item.queued_at >= oldest_wanted;
  });
  oldest_media_ = end == items_.end() ? MonotonicTime::max() : end->queued_at;
  drop_media(static_cast<std::size_t>(end - items_.begin()), DropReason::too_old,
             [](const Frame&) { return true; });
}

void Outbox::keep_newest_media(std::size_t bytes) {
  std::size_t end = items_.size();
  bool is_newest = true;
  for (std::size_t i = items_.size(); i-- > first_droppable();) {
    const Frame& frame = items_[i].frame;
    if (!is_media(frame)) continue;
    if (frame.size() > bytes && !is_newest) break;
    bytes -= std::min(bytes, frame.size());
    is_newest = false;
    end = i;
  }
  drop_media(end, DropReason::too_old, [](const Frame&) { return true; });
}

template <class Predicate>
void Outbox::drop_media(std::size_t end, DropReason reason, Predicate is_unwanted) {
  Drops dropped;
  const std::size_t first = first_droppable();
  for (std::size_t i = first; i < end; ++i) {
    Item& item = items_[i];
    if (!is_media(item.frame) || !is_unwanted(item.frame)) continue;
    item.queued_at = kDropped;
    count_out(item.frame);
    ++dropped.frames;
    dropped.bytes += item.frame.size();
  }
  if (dropped.frames == 0) return;
  // The few frames that stay move up, not the many behind them.
  std::size_t kept_begin = end;
  for (std::size_t i = end; i-- > head_;) {
    Item item = std::move(items_[i]);
    if (item.queued_at != kDropped) items_[--kept_begin] = std::move(item);
  }
  head_ = kept_begin;
  reclaim_places();
  count_drops(reason, dropped);
}

void Outbox::count_drops(DropReason reason, const Drops& dropped) {
  drops_.frames += dropped.frames;
  drops_.bytes += dropped.bytes;
  if (observer_ != nullptr) observer_->on_drop(reason, dropped);
}

void Outbox::pop_front(std::size_t count) noexcept {
  for (; count > 0; --count) {
    const Frame sent = std::move(items_[head_++].frame);
    count_out(sent);
  }
  front_is_pinned_ = false;
  reclaim_places();
}

void Outbox::discard_unsent() noexcept {
  const std::size_t kept = first_droppable();
  while (items_.size() > kept) {
    count_out(items_.back().frame);
    items_.pop_back();
  }
  reclaim_places();
}

void Outbox::count_out(const Frame& frame) noexcept {
  (is_media(frame) ? media_bytes_ : control_bytes_) -= cost(frame);
  give_back(cost(frame));
}

void Outbox::reclaim_places() noexcept {
  if (is_empty()) {
    pop_all();
  } else if (head_ >= kKeptPlaces && head_ * 2 >= items_.size()) {
    // In halves, so that a queue that never runs empty costs O(1) a frame.
    items_.erase(items_.begin(), items_.begin() + static_cast<std::ptrdiff_t>(head_));
    head_ = 0;
  }
}

void Outbox::shrink_to_fit() noexcept {
  if (is_empty()) std::vector<Item>().swap(items_);
}

}  // namespace voicechan
