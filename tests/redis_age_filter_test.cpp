#include <gtest/gtest.h>

#include <deque>
#include <random>

#include "redis/age_filter.hpp"

// Audio of one node as it comes to another one: 50 frames a second, some milliseconds on the way.

namespace voicechan::redis {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::uint64_t kOrigin = 7;
constexpr milliseconds kFrame{20};

class RedisAgeFilterTest : public ::testing::Test {
 protected:
  /// A frame that was stamped then, by a clock that is behind by `behind`.
  bool is_late(MonotonicTime then) {
    return filter.is_late(kOrigin, AgeFilter::stamp(then - behind), now);
  }
  /// Frames as they are said, each on its way for a moment; how many were late.
  int speak(milliseconds time) {
    int late = 0;
    for (const MonotonicTime end = now + time; now < end; now += kFrame) {
      const milliseconds way(2 + random_() % 20);
      late += is_late(now - way) ? 1 : 0;
    }
    return late;
  }
  /// What was said for `time` comes in one go or slower: so much of it in each second.
  void drain(milliseconds time, double speed, int& heard, milliseconds& oldest) {
    const MonotonicTime begin = now - time;
    const MonotonicTime drained_by = begin + time + milliseconds(60'000);
    for (MonotonicTime then = begin; then < now && now < drained_by; then += kFrame) {
      if (!is_late(then)) {
        ++heard;
        oldest = std::max(oldest, std::chrono::duration_cast<milliseconds>(now - then));
      }
      now += std::chrono::duration_cast<MonotonicTime::duration>(
          std::chrono::duration<double, std::milli>(static_cast<double>(kFrame.count()) / speed));
    }
  }

  AgeFilter filter;
  MonotonicTime now{std::chrono::hours(5)};
  milliseconds behind{0};

 private:
  std::mt19937 random_{1};  // NOLINT(cert-msc32-c,cert-msc51-cpp): the same each time
};

TEST_F(RedisAgeFilterTest, AudioOfAClockThatStoodStillIsHeardAgainAfterASecond) {
  for (const milliseconds pause :
       {milliseconds(300), milliseconds(700), milliseconds(3000), milliseconds(5900)}) {
    filter = {};
    EXPECT_EQ(speak(seconds(40)), 0);
    now += pause;
    behind += pause;
    EXPECT_LE(speak(milliseconds(1500)), 55) << pause.count();
    EXPECT_EQ(speak(seconds(90)), 0) << pause.count();
  }
}

TEST_F(RedisAgeFilterTest, SpeechWithPausesIsHeardAgainToo) {
  EXPECT_EQ(speak(seconds(5)), 0);
  now += seconds(2);
  behind += seconds(2);
  for (int i = 0; i < 4; ++i) {
    speak(milliseconds(400));
    now += milliseconds(600);
  }
  EXPECT_EQ(speak(seconds(1)), 0);
}

TEST_F(RedisAgeFilterTest, NothingOldOfABacklogThatDrainsIsHeard) {
  for (const double speed : {1000.0, 10.0, 2.0, 1.3}) {
    for (const milliseconds backlog :
         {milliseconds(1000), milliseconds(5000), milliseconds(30000)}) {
      filter = {};
      EXPECT_EQ(speak(seconds(5)), 0);
      now += backlog;
      int heard = 0;
      milliseconds oldest{0};
      drain(backlog, speed, heard, oldest);
      EXPECT_LT(oldest, milliseconds(230)) << speed << " " << backlog.count();
      EXPECT_EQ(speak(seconds(5)), 0) << "and it is well again";
    }
  }
}

TEST_F(RedisAgeFilterTest, ABacklogThatStaysIsHeardLateUnlessItIsTooOld) {
  const auto heard_of = [this](milliseconds backlog) {
    filter = {};
    EXPECT_EQ(speak(seconds(5)), 0);
    int heard = 0;
    for (int i = 0; i < 200; ++i, now += kFrame) heard += is_late(now - backlog) ? 0 : 1;
    return heard;
  };
  EXPECT_GT(heard_of(milliseconds(2000)), 140);
  EXPECT_EQ(heard_of(seconds(30)), 0);
}

TEST_F(RedisAgeFilterTest, ClocksMayDrift) {
  EXPECT_EQ(speak(seconds(5)), 0);
  for (int i = 0; i < 600; ++i) {
    now += seconds(i % 100 == 0 ? 60 : 1);  // also while nobody speaks
    behind += milliseconds(i % 100 == 0 ? 30 : 0);
    if (i % 2 == 0) behind += milliseconds(1);
    EXPECT_EQ(speak(milliseconds(200)), 0) << i;
  }
}

/// Or the measure would follow it to any age, step by step.
TEST_F(RedisAgeFilterTest, ABacklogThatGrowsSlowlyIsNotFollowedForLong) {
  EXPECT_EQ(speak(seconds(5)), 0);
  milliseconds oldest{0};
  for (int i = 0; i < 8 * 60 * 50; ++i, now += kFrame) {
    const milliseconds backlog(i * 20 / 20);  // 50 ms more each second: 24 s in the end
    if (!is_late(now - backlog)) oldest = std::max(oldest, backlog);
  }
  EXPECT_LT(oldest, milliseconds(7500));
}

TEST_F(RedisAgeFilterTest, HowManyOriginsThereAreIsBound) {
  const auto see_others = [this](std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) EXPECT_FALSE(filter.is_late(1000 + i, 0, now));
  };
  EXPECT_EQ(speak(seconds(5)), 0);
  see_others(AgeFilter::kMaxOrigins - 1);
  EXPECT_TRUE(is_late(now - seconds(2)));
  see_others(AgeFilter::kMaxOrigins);
  EXPECT_FALSE(is_late(now - seconds(2))) << "its measure is gone";
  EXPECT_EQ(speak(seconds(1)), 0);
}

}  // namespace
}  // namespace voicechan::redis
