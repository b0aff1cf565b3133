#include <gtest/gtest.h>

#include <deque>
#include <random>
#include <string>

#include "voicechan/outbox.hpp"

// Random operations on an Outbox beside a naive model of it.

namespace voicechan {
namespace {

using std::chrono::milliseconds;

class Model {
 public:
  explicit Model(std::uint64_t seed) : random_(seed) {
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
  struct Item {
    std::string bytes;
    FrameClass frame_class;
    MonotonicTime queued_at;
  };

  std::size_t below(std::size_t bound) { return static_cast<std::size_t>(random_() % bound); }

  static std::size_t cost(const Item& item) { return item.bytes.size() + Outbox::kFrameOverhead; }

  std::size_t cost_of(FrameClass frame_class) const {
    std::size_t sum = 0;
    for (const Item& item : items_) sum += item.frame_class == frame_class ? cost(item) : 0;
    return sum;
  }

  /// The oldest media that can be dropped.
  std::deque<Item>::iterator oldest_media() {
    auto item = items_.begin() + (is_pinned_ ? 1 : 0);
    while (item != items_.end() && item->frame_class != FrameClass::media) ++item;
    return item;
  }

  void step() {
    const std::size_t choice = below(100);
    if (choice < 30) {
      push(FrameClass::control);
    } else if (choice < 65) {
      push(FrameClass::media);
    } else if (choice < 90) {
      if (items_.empty()) return;
      outbox_.pop_front();
      items_.pop_front();
      is_pinned_ = false;
    } else if (choice < 94) {
      outbox_.drop_stale(now_);
      follow_drops([&](const Item& item) { return is_older(item, limits_.max_media_age); });
      expect_nothing_older(limits_.max_media_age);
    } else if (choice < 98) {
      if (items_.empty()) return;
      outbox_.pin_front();
      is_pinned_ = true;
    } else {
      outbox_.discard_unsent();
      items_.erase(items_.begin() + (is_pinned_ ? 1 : 0), items_.end());
    }
  }

  void push(FrameClass frame_class) {
    const Item item{
        std::to_string(++last_number_) + std::string(below(below(20) == 0 ? 2000 : 50), 'x'),
        frame_class, now_};
    const FrameKind kind = below(2) == 0 ? FrameKind::text : FrameKind::binary;
    const bool is_taken = outbox_.push(Frame(kind, frame_class, item.bytes), now_);
    if (frame_class == FrameClass::control) {
      const std::size_t waiting = cost_of(FrameClass::control);
      const bool has_room = waiting == 0 || waiting + cost(item) <= limits_.max_control_bytes;
      ASSERT_EQ(is_taken, has_room);
      if (is_taken) items_.push_back(item);
      return;
    }
    ASSERT_TRUE(is_taken);
    bool is_over = false;
    follow_drops([&](const Item& oldest) {
      const std::size_t media = cost_of(FrameClass::media) + cost(item);
      is_over = is_over || media > limits_.max_media_bytes;
      return is_older(oldest, limits_.max_media_age) ||
             (is_over && media > limits_.max_media_bytes / 8 * 7);
    });
    const bool is_within = cost_of(FrameClass::media) + cost(item) <= limits_.max_media_bytes;
    ASSERT_TRUE(is_within || oldest_media() == items_.end());
    items_.push_back(item);
    expect_nothing_older(limits_.max_media_age * 5 / 4);
  }

  bool is_older(const Item& item, milliseconds age) const { return item.queued_at < now_ - age; }

  void expect_nothing_older(milliseconds age) {
    const auto oldest = oldest_media();
    EXPECT_TRUE(oldest == items_.end() || !is_older(*oldest, age));
  }

  /// Takes off the model what the outbox says it dropped; each must have had a reason.
  template <class Predicate>
  void follow_drops(Predicate has_reason) {
    while (drops_.frames < outbox_.drops().frames) {
      const auto item = oldest_media();
      ASSERT_NE(item, items_.end());
      ASSERT_TRUE(has_reason(*item));
      ++drops_.frames;
      drops_.bytes += item->bytes.size();
      items_.erase(item);
    }
    ASSERT_EQ(drops_.bytes, outbox_.drops().bytes);
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

  std::mt19937_64 random_;
  OutboxLimits limits_;
  MonotonicTime now_{std::chrono::hours(1)};
  Outbox outbox_{limits_};
  std::deque<Item> items_;
  Outbox::Drops drops_;
  bool is_pinned_ = false;
  int last_number_ = 0;
};

TEST(OutboxModelTest, RandomOperationsAgreeWithTheModel) {
  const std::uint64_t first_seed = std::random_device()();
  for (std::uint64_t seed = first_seed; seed < first_seed + 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Model(seed).run(400);
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace voicechan
