#include "stall_guard.hpp"

#include <gtest/gtest.h>

namespace voicechan::server {
namespace {

using namespace std::chrono_literals;

constexpr MonotonicTime kBegin{1h};

TEST(StallGuardTest, ABusyWorkerJudges) {
  StallGuard guard;
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(guard.may_judge(kBegin + i * 100ms, true));
}

TEST(StallGuardTest, AfterAStallWhatIsReadyIsHandledFirst) {
  StallGuard guard;
  EXPECT_TRUE(guard.may_judge(kBegin, false));
  EXPECT_FALSE(guard.may_judge(kBegin + 30s, true));
  EXPECT_FALSE(guard.may_judge(kBegin + 30s + 1ms, true));
  EXPECT_TRUE(guard.may_judge(kBegin + 30s + 2ms, false));
  EXPECT_TRUE(guard.may_judge(kBegin + 30s + 3ms, true));
}

TEST(StallGuardTest, AStallAfterWhichNothingIsLeftToHandleChangesNothing) {
  StallGuard guard;
  EXPECT_TRUE(guard.may_judge(kBegin, false));
  EXPECT_TRUE(guard.may_judge(kBegin + 30s, false));
}

TEST(StallGuardTest, AWorkerThatNeverCatchesUpJudgesNevertheless) {
  StallGuard guard;
  EXPECT_TRUE(guard.may_judge(kBegin, true));
  MonotonicTime now = kBegin + 30s;
  const MonotonicTime end = now + 5s;
  for (; now < end; now += 100ms) EXPECT_FALSE(guard.may_judge(now, true));
  EXPECT_TRUE(guard.may_judge(now, true));
}

TEST(StallGuardTest, AWorkerThatIsHeldUpAgainAndAgainJudgesNevertheless) {
  StallGuard guard;
  EXPECT_TRUE(guard.may_judge(kBegin, true));
  MonotonicTime now = kBegin;
  int judged = 0;
  for (int i = 0; i < 30; ++i) judged += guard.may_judge(now += 2s, true) ? 1 : 0;
  EXPECT_GE(judged, 25);
}

}  // namespace
}  // namespace voicechan::server
