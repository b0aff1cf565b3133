#include "drop_log.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "log_fixture.hpp"

namespace voicechan::server {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

class DropLogTest : public LogFixture {
 protected:
  MonotonicTime now_{std::chrono::hours(1)};
  DropLog log_;
};

TEST_F(DropLogTest, SaysNothingWhileNothingIsDropped) {
  log_.report(now_);
  EXPECT_EQ(logged(), "");
}

TEST_F(DropLogTest, SaysHowManyFramesWereDroppedAndWhy) {
  log_.on_drop(DropReason::too_old, {3, 480});
  log_.on_drop(DropReason::no_room, {2, 320});
  log_.on_drop(DropReason::too_old, {1, 160});
  log_.report(now_);
  EXPECT_THAT(logged(), HasSubstr("4 frames too old, 2 without room"));
}

TEST_F(DropLogTest, SpeaksOnceASecondAndForgetsNothing) {
  int lines = 0;
  std::string last;
  for (int i = 0; i < 300; ++i, now_ += milliseconds(10)) {
    log_.on_drop(DropReason::too_old, {1, 160});
    log_.report(now_);
    const std::string line = logged();
    if (line.empty()) continue;
    ++lines;
    last = line;
  }
  EXPECT_EQ(lines, 3);
  EXPECT_THAT(last, HasSubstr("100 frames too old"));
}

TEST_F(DropLogTest, SpeaksOfTheLastDropsThoughNoMoreCome) {
  log_.on_drop(DropReason::too_old, {1, 160});
  log_.report(now_);
  log_.on_drop(DropReason::too_old, {7, 160});
  log_.report(now_ + milliseconds(999));
  (void)logged();
  log_.report(now_ + milliseconds(1000));
  EXPECT_THAT(logged(), HasSubstr("7 frames too old"));
}

}  // namespace
}  // namespace voicechan::server
