#include "voicechan/clock.hpp"

#include <gtest/gtest.h>

namespace voicechan {
namespace {

using std::chrono::microseconds;
using std::chrono::seconds;

std::string format(seconds since_1970, microseconds fraction = microseconds(0)) {
  return format_rfc3339(WallTime(since_1970 + fraction));
}

TEST(ClockTest, EpochIsFormatted) { EXPECT_EQ(format(seconds(0)), "1970-01-01T00:00:00.000000Z"); }

TEST(ClockTest, TimeOfTheSpecIsFormatted) {
  EXPECT_EQ(format(seconds(1795341600)), "2026-11-22T10:00:00.000000Z");
}

TEST(ClockTest, FractionHasSixDigits) {
  EXPECT_EQ(format(seconds(1), microseconds(7)), "1970-01-01T00:00:01.000007Z");
  EXPECT_EQ(format(seconds(1), microseconds(999999)), "1970-01-01T00:00:01.999999Z");
}

TEST(ClockTest, TimeBefore1970RoundsDownToItsSecond) {
  EXPECT_EQ(format(seconds(0), microseconds(-1)), "1969-12-31T23:59:59.999999Z");
}

TEST(ClockTest, LeapDayIsFormatted) {
  EXPECT_EQ(format(seconds(951782400)), "2000-02-29T00:00:00.000000Z");
}

// Formatting went through nanoseconds once, which end in 2262 and begin in 1677.
TEST(ClockTest, YearsFarFromTodayAreFormatted) {
  EXPECT_EQ(format(seconds(253402300799)), "9999-12-31T23:59:59.000000Z");
  EXPECT_EQ(format(seconds(-11676096000)), "1600-01-01T00:00:00.000000Z");
}

TEST(ClockTest, SmallYearsHaveFourDigits) {
  EXPECT_EQ(format(seconds(-62135596800)), "0001-01-01T00:00:00.000000Z");
  EXPECT_EQ(format(seconds(-62167219200)), "0000-01-01T00:00:00.000000Z");
}

TEST(ClockTest, SystemClockTellsTheMachinesTime) {
  const auto before = std::chrono::system_clock::now();
  const WallTime now = system_clock().now();
  const auto after = std::chrono::system_clock::now();
  EXPECT_GE(now, std::chrono::floor<microseconds>(before));
  EXPECT_LE(now, after);
}

}  // namespace
}  // namespace voicechan
