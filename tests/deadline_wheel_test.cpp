#include "deadline_wheel.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace voicechan::server {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

class TestEntry final : public DeadlineWheel::Entry {
 public:
  using Action = std::function<void(MonotonicTime)>;

  explicit TestEntry(Action action = {}) : action_(std::move(action)) {}

  int fired = 0;
  MonotonicTime fired_at{};

 private:
  void on_deadline(MonotonicTime now) noexcept override {
    ++fired;
    fired_at = now;
    if (action_) action_(now);
  }

  Action action_;
};

class DeadlineWheelTest : public ::testing::Test {
 protected:
  static constexpr auto kStep = DeadlineWheel::kGranularity;
  static constexpr auto kHorizon = kStep * DeadlineWheel::kSlots;

  /// Advances by single steps, as a worker's timer does.
  void run_until(MonotonicTime end) {
    while (now + kStep <= end) wheel.advance(now += kStep);
  }

  const MonotonicTime start{hours(5) + milliseconds(37)};
  MonotonicTime now = start;
  DeadlineWheel wheel{start};
};

TEST_F(DeadlineWheelTest, FiresAtTheDeadline) {
  TestEntry entry;
  wheel.set(entry, start + milliseconds(250));
  wheel.advance(start + milliseconds(250));
  EXPECT_EQ(entry.fired, 1);
}

TEST_F(DeadlineWheelTest, NeverFiresEarly) {
  TestEntry entry;
  wheel.set(entry, start + milliseconds(250));
  for (milliseconds passed{0}; passed < milliseconds(250); ++passed) {
    wheel.advance(start + passed);
    ASSERT_EQ(entry.fired, 0) << passed.count();
  }
}

TEST_F(DeadlineWheelTest, FiresOnce) {
  TestEntry entry;
  wheel.set(entry, start + seconds(1));
  run_until(start + 2 * kHorizon);
  EXPECT_EQ(entry.fired, 1);
}

TEST_F(DeadlineWheelTest, PastDeadlineFiresInTheNextAdvance) {
  TestEntry entry;
  wheel.set(entry, start - seconds(10));
  EXPECT_EQ(entry.fired, 0);
  wheel.advance(start);
  EXPECT_EQ(entry.fired, 1);
}

TEST_F(DeadlineWheelTest, FiresAtMostOneStepLateBeyondTheHorizonToo) {
  for (const milliseconds wait : {milliseconds(1), kStep, milliseconds(51'100),
                                  milliseconds(kHorizon), milliseconds(3 * kHorizon) + kStep / 2}) {
    TestEntry entry;
    const MonotonicTime deadline = now + wait;
    wheel.set(entry, deadline);
    run_until(deadline + 2 * kStep);
    EXPECT_EQ(entry.fired, 1);
    EXPECT_GE(entry.fired_at, deadline);
    EXPECT_LE(entry.fired_at, deadline + kStep);
  }
}

TEST_F(DeadlineWheelTest, EndOfTimeNeverComes) {
  TestEntry entry;
  wheel.set(entry, MonotonicTime::max());
  run_until(start + 3 * kHorizon);
  EXPECT_EQ(entry.fired, 0);
}

TEST_F(DeadlineWheelTest, LaterDeadlineReplacesTheEarlierOne) {
  TestEntry entry;
  wheel.set(entry, start + seconds(1));
  wheel.set(entry, start + seconds(100));
  run_until(start + seconds(100) - kStep);
  EXPECT_EQ(entry.fired, 0);
  run_until(start + seconds(101));
  EXPECT_EQ(entry.fired, 1);
}

TEST_F(DeadlineWheelTest, DeadlineMayBePutOffAgainAndAgain) {
  TestEntry entry;
  while (now < start + 2 * kHorizon) {
    wheel.set(entry, now + seconds(30));
    run_until(now + seconds(7));
  }
  EXPECT_EQ(entry.fired, 0);
  run_until(now + seconds(31));
  EXPECT_EQ(entry.fired, 1);
}

TEST_F(DeadlineWheelTest, EarlierDeadlineReplacesTheLaterOne) {
  TestEntry entry;
  wheel.set(entry, start + seconds(100));
  wheel.set(entry, start + seconds(1));
  run_until(start + seconds(1) + kStep);
  EXPECT_EQ(entry.fired, 1);
  run_until(start + seconds(101));
  EXPECT_EQ(entry.fired, 1);
}

TEST_F(DeadlineWheelTest, PutOffDeadlineMayComeNearerAgain) {
  TestEntry entry;
  wheel.set(entry, start + seconds(1));
  wheel.set(entry, start + seconds(100));
  wheel.set(entry, start + seconds(2));
  run_until(start + seconds(2) - kStep);
  EXPECT_EQ(entry.fired, 0);
  run_until(start + seconds(2) + kStep);
  EXPECT_EQ(entry.fired, 1);
}

TEST_F(DeadlineWheelTest, CancelledEntryDoesNotFire) {
  TestEntry entry;
  wheel.set(entry, start + seconds(1));
  wheel.cancel(entry);
  wheel.cancel(entry);
  run_until(start + kHorizon);
  EXPECT_EQ(entry.fired, 0);
}

TEST_F(DeadlineWheelTest, CancelledEntryMayBeSetAgain) {
  TestEntry entry;
  wheel.set(entry, start + seconds(1));
  wheel.cancel(entry);
  wheel.set(entry, start + seconds(2));
  run_until(start + seconds(3));
  EXPECT_EQ(entry.fired, 1);
}

TEST_F(DeadlineWheelTest, DestroyedEntryLeavesTheWheel) {
  TestEntry neighbour;
  wheel.set(neighbour, start + seconds(1));
  auto entry = std::make_unique<TestEntry>([](MonotonicTime) { FAIL(); });
  wheel.set(*entry, start + seconds(1));
  entry.reset();
  run_until(start + seconds(2));
  EXPECT_EQ(neighbour.fired, 1);
}

TEST_F(DeadlineWheelTest, EntryMayOutliveTheWheel) {
  TestEntry entry;
  {
    DeadlineWheel other(start);
    other.set(entry, start + seconds(1));
  }
  wheel.set(entry, start + seconds(1));
  run_until(start + seconds(2));
  EXPECT_EQ(entry.fired, 1);
}

TEST_F(DeadlineWheelTest, EntryMayDestroyItselfAndOthersWhenItFires) {
  std::vector<std::unique_ptr<TestEntry>> entries;
  int fired = 0;
  for (int i = 0; i < 10; ++i) {
    entries.push_back(std::make_unique<TestEntry>([&](MonotonicTime) {
      ++fired;
      std::vector<std::unique_ptr<TestEntry>>().swap(entries);
    }));
    wheel.set(*entries.back(), start + seconds(i % 3));
  }
  wheel.advance(start + seconds(5));
  EXPECT_EQ(fired, 1);
  EXPECT_TRUE(entries.empty());
}

TEST_F(DeadlineWheelTest, EntryMayCancelAndPutOffOthersThatAreDue) {
  TestEntry cancelled;
  TestEntry put_off;
  TestEntry first([&](MonotonicTime at) {
    wheel.cancel(cancelled);
    wheel.set(put_off, at + seconds(5));
  });
  for (TestEntry* entry : {&first, &cancelled, &put_off}) wheel.set(*entry, start + seconds(1));
  run_until(start + seconds(6) - kStep);
  EXPECT_EQ(cancelled.fired, 0);
  EXPECT_EQ(put_off.fired, 0);
  run_until(start + seconds(7));
  EXPECT_EQ(put_off.fired, 1);
}

TEST_F(DeadlineWheelTest, EntryMaySetItselfAgainWhenItFires) {
  TestEntry* self = nullptr;
  TestEntry entry([&](MonotonicTime at) { wheel.set(*self, at + seconds(1)); });
  self = &entry;
  wheel.set(entry, start + seconds(1));
  run_until(start + seconds(10));
  EXPECT_EQ(entry.fired, 10);
}

TEST_F(DeadlineWheelTest, EntrySetAgainToThePastFiresOncePerAdvance) {
  TestEntry* self = nullptr;
  TestEntry entry([&](MonotonicTime) { wheel.set(*self, start); });
  self = &entry;
  wheel.set(entry, start);
  wheel.advance(start + kHorizon);
  EXPECT_EQ(entry.fired, 1);
  wheel.advance(start + kHorizon);
  EXPECT_EQ(entry.fired, 2);
}

TEST_F(DeadlineWheelTest, LongGapFiresEachDueEntryOnce) {
  std::vector<std::unique_ptr<TestEntry>> entries;
  for (int i = 0; i < 300; ++i) {
    entries.push_back(std::make_unique<TestEntry>());
    wheel.set(*entries.back(), start + seconds(i));
  }
  wheel.advance(start + seconds(200));
  for (int i = 0; i < 300; ++i) {
    EXPECT_EQ(entries[static_cast<std::size_t>(i)]->fired, i <= 200 ? 1 : 0) << i;
  }
}

TEST_F(DeadlineWheelTest, ClockThatStandsStillIsNoHarm) {
  TestEntry entry;
  wheel.set(entry, start + seconds(1));
  for (int i = 0; i < 3; ++i) wheel.advance(start);
  EXPECT_EQ(entry.fired, 0);
}

TEST_F(DeadlineWheelTest, RandomChangesFireLikeAPlainList) {
  const auto seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  struct Expected {
    bool is_set = false;
    MonotonicTime deadline{};
    int fired = 0;
  };
  constexpr std::size_t kEntries = 50;
  std::vector<TestEntry> entries(kEntries);
  std::vector<Expected> expected(kEntries);
  for (int round = 0; round < 5000; ++round) {
    const std::size_t i = random() % kEntries;
    if (random() % 5 == 0) {
      wheel.cancel(entries[i]);
      expected[i].is_set = false;
    } else {
      expected[i].is_set = true;
      expected[i].deadline = now + milliseconds(random() % 120'000);
      wheel.set(entries[i], expected[i].deadline);
    }
    now += milliseconds(random() % (random() % 50 == 0 ? 90'000 : 200));
    wheel.advance(now);
    for (std::size_t j = 0; j < kEntries; ++j) {
      if (expected[j].is_set && expected[j].deadline <= now) {
        expected[j].is_set = false;
        ++expected[j].fired;
      }
      ASSERT_EQ(entries[j].fired, expected[j].fired) << "round " << round << " entry " << j;
    }
  }
}

}  // namespace
}  // namespace voicechan::server
