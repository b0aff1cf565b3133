#include "voicechan/outbox.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ctime>
#include <list>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "allocation_counter.hpp"

namespace voicechan {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;

constexpr std::size_t kOverhead = Outbox::kFrameOverhead;

double thread_cpu_seconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

class OutboxTest : public ::testing::Test {
 protected:
  bool push_control(std::string text) {
    return outbox.push(Frame::control_text(std::move(text)), now);
  }
  void push_media(std::string bytes, std::uint64_t source = 0) {
    EXPECT_TRUE(outbox.push(Frame::media(std::move(bytes), source), now));
  }
  std::vector<std::string> waiting() const {
    std::vector<std::string> result;
    for (std::size_t i = 0; i < outbox.size(); ++i) result.push_back(outbox.frame(i).bytes());
    return result;
  }

  OutboxLimits limits;
  MonotonicTime now{std::chrono::hours(1)};
  Outbox outbox{limits};
};

TEST_F(OutboxTest, NewOneIsEmpty) {
  EXPECT_TRUE(outbox.is_empty());
  EXPECT_FALSE(outbox.is_congested());
  EXPECT_EQ(outbox.size(), 0u);
  EXPECT_EQ(outbox.bytes(), 0u);
}

TEST_F(OutboxTest, ControlAndMediaShareOneOrder) {
  push_media("1");
  ASSERT_TRUE(push_control("2"));
  push_media("3");
  ASSERT_TRUE(push_control("4"));
  EXPECT_THAT(waiting(), ElementsAre("1", "2", "3", "4"));
}

TEST_F(OutboxTest, PopTakesTheFront) {
  push_media("1");
  push_media("2");
  outbox.pop_front();
  EXPECT_THAT(waiting(), ElementsAre("2"));
}

TEST_F(OutboxTest, BytesAreThePayloadsOfBothClasses) {
  push_media("12345");
  ASSERT_TRUE(push_control("123"));
  EXPECT_EQ(outbox.bytes(), 8u);
  outbox.pop_front();
  EXPECT_EQ(outbox.bytes(), 3u);
}

TEST_F(OutboxTest, ControlOverItsBoundIsRefusedAndNotTaken) {
  limits.max_control_bytes = 2 * (10 + kOverhead);
  EXPECT_TRUE(push_control(std::string(10, 'a')));
  EXPECT_TRUE(push_control(std::string(10, 'b')));
  EXPECT_FALSE(push_control(""));
  EXPECT_EQ(outbox.size(), 2u);
  EXPECT_EQ(outbox.bytes(), 20u);
}

TEST_F(OutboxTest, ControlIsTakenAgainWhenThereIsRoom) {
  limits.max_control_bytes = 2 * (10 + kOverhead);
  ASSERT_TRUE(push_control(std::string(10, 'a')));
  ASSERT_TRUE(push_control(std::string(10, 'b')));
  outbox.pop_front();
  EXPECT_TRUE(push_control(std::string(10, 'c')));
}

TEST_F(OutboxTest, OneControlFrameAloneIsAlwaysTaken) {
  limits.max_control_bytes = 1;
  EXPECT_TRUE(push_control(std::string(1000, 'a')));
  EXPECT_FALSE(push_control("b"));
}

// Empty frames counted nothing once, so that any number of them could wait.
TEST_F(OutboxTest, EmptyControlFramesAreBoundedToo) {
  limits.max_control_bytes = 100 * kOverhead;
  int taken = 0;
  while (taken < 1000 && push_control("")) ++taken;
  EXPECT_EQ(taken, 100);
}

TEST_F(OutboxTest, EmptyMediaFramesAreBoundedToo) {
  limits.max_media_bytes = 100 * kOverhead;
  for (int i = 0; i < 1000; ++i) push_media("");
  EXPECT_LE(outbox.size(), 100u);
  EXPECT_EQ(outbox.drops().frames, 1000 - outbox.size());
}

TEST_F(OutboxTest, StaleEmptyMediaIsDropped) {
  push_media("");
  outbox.drop_stale(now + limits.max_media_age + milliseconds(1));
  EXPECT_TRUE(outbox.is_empty());
}

TEST_F(OutboxTest, MediaDoesNotCountAsControl) {
  limits.max_control_bytes = kOverhead + 1;
  push_media(std::string(1000, 'm'));
  EXPECT_TRUE(push_control("a"));
}

TEST_F(OutboxTest, CongestionIsAboutControlOnlyAndEndsWithIt) {
  limits.congested_bytes = 2 * kOverhead + 2;
  push_media(std::string(1000, 'm'));
  ASSERT_TRUE(push_control("a"));
  ASSERT_TRUE(push_control("b"));
  EXPECT_FALSE(outbox.is_congested());
  ASSERT_TRUE(push_control("c"));
  EXPECT_TRUE(outbox.is_congested());
  outbox.pop_front();
  EXPECT_TRUE(outbox.is_congested());
  outbox.pop_front();
  EXPECT_FALSE(outbox.is_congested());
}

TEST_F(OutboxTest, MediaIsStaleAfterItsAgeAndNotBefore) {
  push_media("1");
  outbox.drop_stale(now + limits.max_media_age);
  EXPECT_EQ(outbox.size(), 1u);
  outbox.drop_stale(now + limits.max_media_age + std::chrono::nanoseconds(1));
  EXPECT_TRUE(outbox.is_empty());
}

TEST_F(OutboxTest, StaleMediaGoesAndControlStaysInOrder) {
  push_media("old 1");
  ASSERT_TRUE(push_control("control 1"));
  push_media("old 2");
  ASSERT_TRUE(push_control("control 2"));
  now += limits.max_media_age;
  push_media("new 1");
  ASSERT_TRUE(push_control("control 3"));
  outbox.drop_stale(now + milliseconds(1));
  EXPECT_THAT(waiting(), ElementsAre("control 1", "control 2", "new 1", "control 3"));
}

TEST_F(OutboxTest, EveryDropIsCounted) {
  push_media("12");
  push_media("345");
  outbox.drop_stale(now + limits.max_media_age + milliseconds(1));
  EXPECT_EQ(outbox.drops().frames, 2u);
  EXPECT_EQ(outbox.drops().bytes, 5u);
}

TEST_F(OutboxTest, MediaOverItsBoundCostsTheOldest) {
  limits.max_media_bytes = 8 * (1 + kOverhead);
  for (char c = 'a'; c < 'i'; ++c) push_media(std::string(1, c));
  EXPECT_EQ(outbox.drops().frames, 0u);
  push_media("i");
  EXPECT_THAT(waiting(), ElementsAre("c", "d", "e", "f", "g", "h", "i"));
}

TEST_F(OutboxTest, MediaLargerThanTheBoundTakesThePlaceOfAllOther) {
  limits.max_media_bytes = 1000;
  push_media("1");
  push_media("2");
  push_media(std::string(5000, 'x'));
  EXPECT_THAT(waiting(), ElementsAre(std::string(5000, 'x')));
}

TEST_F(OutboxTest, OverTheBoundTheSpeakerOfWhomMostWaitsLosesHisOldest) {
  limits.max_media_bytes = 8 * (2 + kOverhead);
  push_media("a1", 1);
  for (const char* loud : {"b1", "b2", "b3", "b4", "b5"}) push_media(loud, 2);
  push_media("c1", 3);
  push_media("a2", 1);
  push_media("c2", 3);
  EXPECT_THAT(waiting(), ElementsAre("a1", "b3", "b4", "b5", "c1", "a2", "c2"));
  EXPECT_EQ(outbox.drops().frames, 2u);
}

TEST_F(OutboxTest, ALoudSpeakerDoesNotStarveAQuietOne) {
  limits.max_media_bytes = 40 * (2 + kOverhead);
  for (int i = 0; i < 100; ++i) {
    if (i % 10 == 0) push_media("q" + std::to_string(i / 10), 1);
    for (int loud = 0; loud < 10; ++loud) push_media("ll", 2);
  }
  std::vector<std::string> quiet;
  for (const std::string& each : waiting()) {
    if (each[0] == 'q') quiet.push_back(each);
  }
  EXPECT_THAT(quiet, ElementsAre("q0", "q1", "q2", "q3", "q4", "q5", "q6", "q7", "q8", "q9"));
}

TEST_F(OutboxTest, TextOfALoudSpeakerIsNeverDropped) {
  limits.max_media_bytes = 8 * (2 + kOverhead);
  ASSERT_TRUE(outbox.push(Frame(FrameKind::text, FrameClass::control, "text", 1), now));
  for (int i = 0; i < 100; ++i) push_media("mm", 1);
  EXPECT_EQ(waiting().front(), "text");
}

TEST_F(OutboxTest, EveryDropIsReportedWithItsReason) {
  struct Observer final : OutboxObserver {
    void on_drop(DropReason reason, const Drops& drops) noexcept override {
      Drops& sum = reason == DropReason::too_old ? too_old : no_room;
      sum.frames += drops.frames;
      sum.bytes += drops.bytes;
    }
    Drops too_old, no_room;
  } observer;
  limits.max_media_bytes = 8 * (2 + kOverhead);
  Outbox observed(limits, &observer);
  for (int i = 0; i < 9; ++i) ASSERT_TRUE(observed.push(Frame::media("mm"), now));
  EXPECT_EQ(observer.no_room.frames, 2u);
  EXPECT_EQ(observer.no_room.bytes, 4u);
  EXPECT_EQ(observer.too_old.frames, 0u);
  observed.drop_stale(now + limits.max_media_age + milliseconds(1));
  EXPECT_EQ(observer.too_old.frames, 7u);
  EXPECT_EQ(observer.too_old.bytes, 14u);
  EXPECT_EQ(observed.drops().frames, 9u);
  EXPECT_EQ(observed.drops().bytes, 18u);
}

class OutboxBudgetTest : public OutboxTest {
 protected:
  static constexpr std::size_t kFrameCost = 100;
  static Frame frame(bool is_media = false) {
    std::string bytes(kFrameCost - kOverhead, 'x');
    return is_media ? Frame::media(std::move(bytes)) : Frame::control_text(std::move(bytes));
  }

  void SetUp() override { limits.budget = &budget; }

  MemoryBudget budget{20 * kFrameCost};
};

TEST_F(OutboxBudgetTest, AQueueHoldsNoMoreThanItLeavesFree) {
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(outbox.push(frame(), now)) << i;
  EXPECT_FALSE(outbox.push(frame(), now));
  EXPECT_EQ(budget.free_bytes(), 10 * kFrameCost);
}

TEST_F(OutboxBudgetTest, ManyShareAndLeaveRoomForOneMore) {
  std::list<Outbox> slow;
  for (int i = 0; i < 100; ++i) {
    Outbox& each = slow.emplace_back(limits);
    while (each.push(frame(), now)) continue;
  }
  EXPECT_EQ(budget.free_bytes(), 0u);
  EXPECT_EQ(slow.front().size(), 10u);
  EXPECT_EQ(slow.back().size(), 0u);
  slow.pop_front();
  EXPECT_EQ(budget.free_bytes(), 10 * kFrameCost);
  EXPECT_TRUE(outbox.push(frame(), now));
}

TEST_F(OutboxBudgetTest, MediaGivesWayToNewerMediaOfItsOwnQueue) {
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(outbox.push(frame(true), now));
    EXPECT_LE(outbox.size(), 10u);
    EXPECT_GE(outbox.size(), 1u);
  }
  EXPECT_EQ(outbox.drops().frames + outbox.size(), 100u);
}

TEST_F(OutboxBudgetTest, MediaIsDroppedWhereOthersHoldEverything) {
  budget.take(budget.free_bytes());
  EXPECT_TRUE(outbox.push(frame(true), now));
  EXPECT_TRUE(outbox.is_empty());
  EXPECT_EQ(outbox.drops().frames, 1u);
  EXPECT_FALSE(outbox.push(frame(), now));
}

TEST_F(OutboxBudgetTest, AReceiverIsCongestedEarlierWhereOthersHoldMuch) {
  ASSERT_TRUE(outbox.push(frame(), now));
  EXPECT_FALSE(outbox.is_congested());
  budget.take(budget.free_bytes() - 3 * kFrameCost);
  EXPECT_TRUE(outbox.is_congested());
}

TEST_F(OutboxBudgetTest, WhatIsHeldIsWhatTheBudgetLacks) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const std::size_t all = budget.free_bytes();
  std::vector<std::unique_ptr<Outbox>> outboxes;
  for (int i = 0; i < 5; ++i) outboxes.push_back(std::make_unique<Outbox>(limits));
  for (int i = 0; i < 10'000; ++i) {
    std::unique_ptr<Outbox>& each = outboxes[random() % outboxes.size()];
    now += milliseconds(random() % 20);
    switch (random() % 8) {
      case 0:
        if (!each->is_empty()) each->pop_front(1 + random() % each->size());
        break;
      case 1:
        each->pop_all();
        break;
      case 2:
        each->drop_stale(now);
        break;
      case 3:
        each->discard_unsent();
        break;
      case 4:
        each = std::make_unique<Outbox>(limits);
        break;
      default:
        (void)each->push(frame(random() % 2 == 0), now);
    }
    std::size_t held = 0;
    for (const auto& one : outboxes) held += one->bytes() + one->size() * kOverhead;
    ASSERT_EQ(held + budget.free_bytes(), all);
  }
}

TEST_F(OutboxTest, TheNewestMediaOfAGivenSizeIsKept) {
  push_media("11");
  ASSERT_TRUE(push_control("control"));
  push_media("22");
  push_media("33");
  outbox.keep_newest_media(5);
  EXPECT_THAT(waiting(), ElementsAre("control", "22", "33"));
  outbox.keep_newest_media(3);
  EXPECT_THAT(waiting(), ElementsAre("control", "33"));
  outbox.keep_newest_media(0);
  EXPECT_THAT(waiting(), ElementsAre("control", "33"));
  EXPECT_EQ(outbox.drops().frames, 2u);
}

TEST_F(OutboxTest, KeepingTheNewestDoesNotTouchAPinnedFrontNorControl) {
  push_media("begun");
  outbox.pin_front();
  ASSERT_TRUE(push_control("control"));
  outbox.keep_newest_media(0);
  EXPECT_THAT(waiting(), ElementsAre("begun", "control"));
}

TEST_F(OutboxTest, PopOfAllLeavesNothing) {
  push_media("1");
  ASSERT_TRUE(push_control("2"));
  outbox.pin_front();
  outbox.pop_all();
  EXPECT_TRUE(outbox.is_empty());
  EXPECT_EQ(outbox.bytes(), 0u);
  push_media("3");
  outbox.drop_stale(now + limits.max_media_age * 2);
  EXPECT_TRUE(outbox.is_empty());
}

TEST_F(OutboxTest, PinnedFrontOutlivesItsAge) {
  push_media("begun");
  push_media("waits");
  outbox.pin_front();
  outbox.drop_stale(now + limits.max_media_age * 2);
  EXPECT_THAT(waiting(), ElementsAre("begun"));
  EXPECT_EQ(outbox.bytes(), 5u);
}

TEST_F(OutboxTest, PinnedFrontOutlivesAFullQueue) {
  limits.max_media_bytes = 3 * (1 + kOverhead);
  push_media("1");
  outbox.pin_front();
  for (char c = 'a'; c <= 'z'; ++c) push_media(std::string(1, c));
  EXPECT_EQ(waiting().front(), "1");
  EXPECT_EQ(waiting().back(), "z");
}

TEST_F(OutboxTest, PinEndsWithTheFrameItHeld) {
  push_media("1");
  push_media("2");
  outbox.pin_front();
  outbox.pop_front();
  outbox.drop_stale(now + limits.max_media_age * 2);
  EXPECT_TRUE(outbox.is_empty());
}

TEST_F(OutboxTest, PinnedFrontStaysInFrontWhenWhatIsBehindItGoes) {
  push_media("begun");
  outbox.pin_front();
  for (int i = 0; i < 100; ++i) push_media("old");
  ASSERT_TRUE(push_control("control"));
  now += limits.max_media_age + milliseconds(1);
  push_media("new");
  outbox.drop_stale(now);
  EXPECT_THAT(waiting(), ElementsAre("begun", "control", "new"));
  outbox.pop_front();
  EXPECT_THAT(waiting(), ElementsAre("control", "new"));
}

TEST_F(OutboxTest, DiscardLeavesNothingIfNothingHasBegun) {
  push_media("1");
  ASSERT_TRUE(push_control("2"));
  outbox.discard_unsent();
  EXPECT_TRUE(outbox.is_empty());
  EXPECT_EQ(outbox.bytes(), 0u);
  EXPECT_FALSE(outbox.is_congested());
}

TEST_F(OutboxTest, DiscardLeavesAFrameThatHasBegun) {
  ASSERT_TRUE(push_control("0"));
  ASSERT_TRUE(push_control("1"));
  push_media("2");
  outbox.pop_front();
  outbox.pin_front();
  outbox.discard_unsent();
  EXPECT_THAT(waiting(), ElementsAre("1"));
  EXPECT_EQ(outbox.bytes(), 1u);
}

TEST_F(OutboxTest, DiscardOfAnEmptyOneIsFine) {
  outbox.discard_unsent();
  EXPECT_TRUE(outbox.is_empty());
}

TEST_F(OutboxTest, QueueThatNobodyFlushesKeepsNoOldMedia) {
  ASSERT_TRUE(push_control("stuck"));
  for (int i = 0; i < 100'000; ++i) {
    push_media("m");
    now += milliseconds(1);
  }
  const auto oldest_kept = static_cast<std::size_t>(limits.max_media_age.count()) * 5 / 4;
  EXPECT_LE(outbox.size(), oldest_kept + 2);
  EXPECT_GE(outbox.size(), static_cast<std::size_t>(limits.max_media_age.count()));
}

TEST_F(OutboxTest, FrameIsReleasedWhenItIsSent) {
  const auto before = allocation_count().live_bytes;
  push_media(std::string(1 << 20, 'm'));
  push_media("2");
  outbox.pop_front();
  EXPECT_LT(allocation_count().live_bytes - before, 10'000);
}

TEST_F(OutboxTest, FrameIsReleasedWhenItIsDropped) {
  const auto before = allocation_count().live_bytes;
  for (int i = 0; i < 10; ++i) push_media(std::string(1 << 20, 'm'));
  ASSERT_TRUE(push_control("stays"));
  outbox.drop_stale(now + limits.max_media_age + milliseconds(1));
  EXPECT_LT(allocation_count().live_bytes - before, 10'000);
}

TEST_F(OutboxTest, EmptiedQueueGivesItsMemoryBack) {
  const auto before = allocation_count().live_bytes;
  for (int i = 0; i < 100'000; ++i) ASSERT_TRUE(push_control(""));
  EXPECT_GT(allocation_count().live_bytes - before, 2'000'000);
  while (!outbox.is_empty()) outbox.pop_front();
  EXPECT_LT(allocation_count().live_bytes - before, 2'000);
}

TEST_F(OutboxTest, DiscardedQueueGivesItsMemoryBack) {
  const auto before = allocation_count().live_bytes;
  for (int i = 0; i < 100'000; ++i) push_media("");
  outbox.discard_unsent();
  EXPECT_LT(allocation_count().live_bytes - before, 2'000);
}

TEST_F(OutboxTest, QueueThatNeverRunsEmptyDoesNotGrow) {
  const Frame frame = Frame::media("m");
  const auto before = allocation_count().live_bytes;
  for (int i = 0; i < 100'000; ++i) {
    ASSERT_TRUE(outbox.push(frame, now));
    if (i >= 3) outbox.pop_front();
  }
  EXPECT_EQ(outbox.size(), 3u);
  EXPECT_LT(allocation_count().live_bytes - before, 10'000);
}

// In the next three a cost that grows with the length of the queue would make minutes of it.

TEST_F(OutboxTest, LongQueueCostsNoMoreAFrame) {
  limits.max_media_bytes = std::size_t{1} << 30;
  const Frame frame = Frame::media("m");
  const double start = thread_cpu_seconds();
  for (int i = 0; i < 500'000; ++i) ASSERT_TRUE(outbox.push(frame, now));
  for (int i = 0; i < 500'000; ++i) outbox.pop_front();
  EXPECT_LT(thread_cpu_seconds() - start, 5);
}

// Old control in front made every push walk through the whole queue once.
TEST_F(OutboxTest, OldControlInFrontCostsNoMoreAFrame) {
  limits.max_media_bytes = std::size_t{1} << 30;
  const Frame frame = Frame::media("m");
  ASSERT_TRUE(push_control("stuck"));
  now += limits.max_media_age * 10;
  const double start = thread_cpu_seconds();
  for (int i = 0; i < 500'000; ++i) {
    ASSERT_TRUE(outbox.push(frame, now));
    outbox.drop_stale(now);
  }
  EXPECT_LT(thread_cpu_seconds() - start, 5);
}

TEST_F(OutboxTest, DroppingBehindAPinnedFrontCostsNoMoreAFrame) {
  limits.max_media_bytes = std::size_t{1} << 30;
  limits.max_media_age = milliseconds(2000);
  const Frame frame = Frame::media("m");
  push_media("begun");
  outbox.pin_front();
  for (int i = 0; i < 200'000; ++i) {
    ASSERT_TRUE(outbox.push(frame, now));
    now += std::chrono::microseconds(10);
  }
  ASSERT_EQ(outbox.size(), 200'001u);
  now += limits.max_media_age - milliseconds(2000);
  const double start = thread_cpu_seconds();
  for (int i = 0; i < 200'000; ++i) {
    now += std::chrono::microseconds(10);
    outbox.drop_stale(now);
  }
  EXPECT_LT(thread_cpu_seconds() - start, 5);
  EXPECT_EQ(outbox.size(), 1u);
}

}  // namespace
}  // namespace voicechan
