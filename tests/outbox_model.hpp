#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <utility>

#include "voicechan/outbox.hpp"

namespace voicechan {

/// An Outbox beside a naive model of it. What is done with both is drawn from a source of choices:
/// random numbers, or a fuzzer's input.
class OutboxModel {
 public:
  /// `choose(bound)` gives a number below `bound`.
  explicit OutboxModel(std::function<std::size_t(std::size_t)> choose)
      : choose_(std::move(choose)) {
    limits_.max_control_bytes = below(3000);
    limits_.congested_bytes = below(2000);
    limits_.max_media_bytes = below(5000);
    limits_.max_media_age = milliseconds(1 + below(300));
  }

  void run(int steps) {
    for (int i = 0; i < steps && !::testing::Test::HasFailure(); ++i) {
      now_ += milliseconds(below(10) == 0 ? below(400) : below(10));
      step();
      check_same();
    }
  }

 private:
  using milliseconds = std::chrono::milliseconds;

  struct Item {
    std::string bytes;
    FrameClass frame_class;
    std::uint64_t source;
    MonotonicTime queued_at;
  };
  using Items = std::deque<Item>;

  std::size_t below(std::size_t bound) { return choose_(bound); }

  static std::size_t cost(const Item& item) { return item.bytes.size() + Outbox::kFrameOverhead; }

  std::size_t cost_of(FrameClass frame_class) const {
    std::size_t sum = 0;
    for (const Item& item : items_) sum += item.frame_class == frame_class ? cost(item) : 0;
    return sum;
  }

  Items::iterator first_droppable() { return items_.begin() + (is_pinned_ ? 1 : 0); }

  static bool is_media(const Item& item) { return item.frame_class == FrameClass::media; }

  void step() {
    const std::size_t choice = below(100);
    if (choice < 30) {
      push(FrameClass::control);
    } else if (choice < 65) {
      push(FrameClass::media);
    } else if (choice < 90) {
      pop(std::min<std::size_t>(items_.size(), 1 + (below(10) == 0 ? below(40) : 0)));
    } else if (choice < 94) {
      outbox_.drop_stale(now_);
      for (const Item& item : take_dropped()) EXPECT_TRUE(is_older(item, limits_.max_media_age));
      expect_nothing_older(limits_.max_media_age);
    } else if (choice < 98) {
      if (items_.empty()) return;
      outbox_.pin_front();
      is_pinned_ = true;
    } else if (below(2) == 0) {
      outbox_.discard_unsent();
      items_.erase(first_droppable(), items_.end());
    } else {
      keep_newest_media(below(3000));
    }
  }

  void pop(std::size_t count) {
    if (count == 0) return;
    if (count == items_.size()) {
      outbox_.pop_all();
    } else {
      outbox_.pop_front(count);
    }
    items_.erase(items_.begin(), items_.begin() + static_cast<std::ptrdiff_t>(count));
    is_pinned_ = false;
    outbox_.shrink_to_fit();
  }

  void keep_newest_media(std::size_t bytes) {
    outbox_.keep_newest_media(bytes);
    const Items dropped = take_dropped();
    std::size_t kept_frames = 0;
    std::size_t kept_bytes = 0;
    for (auto item = first_droppable(); item != items_.end(); ++item) {
      if (!is_media(*item)) continue;
      ++kept_frames;
      kept_bytes += item->bytes.size();
    }
    EXPECT_TRUE(kept_frames <= 1 || kept_bytes <= bytes);
    if (dropped.empty()) return;
    EXPECT_GE(kept_frames, 1u) << "the newest frame is never dropped";
    EXPECT_GT(kept_bytes + dropped.back().bytes.size(), bytes) << "more was dropped than must be";
  }

  void push(FrameClass frame_class) {
    const Item item{
        std::to_string(++last_number_) + std::string(below(below(20) == 0 ? 2000 : 50), 'x'),
        frame_class, below(4), now_};
    const FrameKind kind = below(2) == 0 ? FrameKind::text : FrameKind::binary;
    const bool is_taken = outbox_.push(Frame(kind, frame_class, item.bytes, item.source), now_);
    if (frame_class == FrameClass::control) {
      const std::size_t waiting = cost_of(FrameClass::control);
      const bool has_room = waiting == 0 || waiting + cost(item) <= limits_.max_control_bytes;
      ASSERT_EQ(is_taken, has_room);
      if (is_taken) items_.push_back(item);
      return;
    }
    ASSERT_TRUE(is_taken);
    const bool was_full = cost_of(FrameClass::media) + cost(item) > limits_.max_media_bytes;
    items_.push_back(item);
    Items dropped = take_dropped();
    const auto is_stale = [&](const Item& each) { return is_older(each, limits_.max_media_age); };
    dropped.erase(std::remove_if(dropped.begin(), dropped.end(), is_stale), dropped.end());
    EXPECT_TRUE(was_full || dropped.empty());
    expect_fair(dropped);
    const bool can_drop = std::any_of(first_droppable(), items_.end() - 1, is_media);
    EXPECT_TRUE(cost_of(FrameClass::media) <= limits_.max_media_bytes || !can_drop);
    expect_nothing_older(limits_.max_media_age * 5 / 4);
  }

  /// Nobody lost a frame while more of somebody else's waited of whom anything could be dropped:
  /// all but the newest frame.
  void expect_fair(const Items& dropped) {
    std::map<std::uint64_t, std::size_t> waiting;
    std::size_t most = 0;
    for (auto item = first_droppable(); item != items_.end(); ++item) {
      if (!is_media(*item)) continue;
      std::size_t& bytes = waiting[item->source];
      bytes += cost(*item);
      if (item + 1 != items_.end() || bytes > cost(*item)) most = std::max(most, bytes);
    }
    std::map<std::uint64_t, std::size_t> last_dropped;
    for (const Item& item : dropped) last_dropped[item.source] = cost(item);
    for (const auto& [source, bytes] : last_dropped) EXPECT_GT(waiting[source] + bytes, most);
  }

  bool is_older(const Item& item, milliseconds age) const { return item.queued_at < now_ - age; }

  void expect_nothing_older(milliseconds age) {
    EXPECT_TRUE(std::none_of(first_droppable(), items_.end(), [&](const Item& item) {
      return is_media(item) && is_older(item, age);
    }));
  }

  /// Takes off the model what the outbox has dropped: of every source the oldest, and media only.
  Items take_dropped() {
    Items dropped;
    Items kept;
    std::map<std::uint64_t, bool> is_kept;
    for (auto item = items_.begin(); item != items_.end(); ++item) {
      const bool stays =
          kept.size() < outbox_.size() && outbox_.frame(kept.size()).bytes() == item->bytes;
      if (!stays) {
        EXPECT_TRUE(is_media(*item) && item >= first_droppable());
        EXPECT_FALSE(is_kept[item->source]) << "an older frame of this source was kept";
        ++drops_.frames;
        drops_.bytes += item->bytes.size();
      } else if (is_media(*item) && item >= first_droppable()) {
        is_kept[item->source] = true;
      }
      (stays ? kept : dropped).push_back(*item);
    }
    items_ = kept;
    EXPECT_EQ(drops_.frames, outbox_.drops().frames);
    EXPECT_EQ(drops_.bytes, outbox_.drops().bytes);
    return dropped;
  }

  void check_same() {
    ASSERT_EQ(outbox_.size(), items_.size());
    ASSERT_EQ(outbox_.is_empty(), items_.empty());
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < items_.size(); ++i) {
      ASSERT_EQ(outbox_.frame(i).bytes(), items_[i].bytes);
      bytes += items_[i].bytes.size();
    }
    ASSERT_EQ(outbox_.bytes(), bytes);
    ASSERT_EQ(outbox_.is_congested(), cost_of(FrameClass::control) > limits_.congested_bytes);
  }

  std::function<std::size_t(std::size_t)> choose_;
  OutboxLimits limits_;
  MonotonicTime now_{std::chrono::hours(1)};
  Outbox outbox_{limits_};
  Items items_;
  Drops drops_;
  bool is_pinned_ = false;
  int last_number_ = 0;
};

}  // namespace voicechan
