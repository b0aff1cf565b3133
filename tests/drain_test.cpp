#include "drain.hpp"

#include <gtest/gtest.h>

namespace voicechan::server {
namespace {

using namespace std::chrono_literals;

constexpr MonotonicTime kBegin{1h};

TEST(DrainTest, TheLastWorkerTellsOnce) {
  int told = 0;
  Drain drain(3, [&] { ++told; });
  drain.on_worker_done();
  drain.on_worker_done();
  EXPECT_EQ(told, 0);
  drain.on_worker_done();
  EXPECT_EQ(told, 1);
}

TEST(CloseScheduleTest, NobodyIsDueBeforeTheBegin) {
  EXPECT_EQ(CloseSchedule(10, kBegin, 1s).due(kBegin - 1ns), 0u);
}

TEST(CloseScheduleTest, TheFirstIsDueAtOnce) {
  EXPECT_EQ(CloseSchedule(10, kBegin, 1s).due(kBegin), 1u);
}

TEST(CloseScheduleTest, ClientsAreSpreadEvenly) {
  const CloseSchedule schedule(10, kBegin, 1s);
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(schedule.due(kBegin + i * 100ms + 50ms), static_cast<std::size_t>(i) + 1);
  }
}

TEST(CloseScheduleTest, AllAreDueBeforeTheEndOfTheSpread) {
  EXPECT_EQ(CloseSchedule(1000, kBegin, 1s).due(kBegin + 999'500us), 1000u);
  EXPECT_EQ(CloseSchedule(1000, kBegin, 1s).due(kBegin + 5s), 1000u);
}

TEST(CloseScheduleTest, WithoutASpreadAllAreDueAtOnce) {
  EXPECT_EQ(CloseSchedule(1000, kBegin, 0s).due(kBegin), 1000u);
}

TEST(CloseScheduleTest, WithoutClientsNobodyIsDue) {
  EXPECT_EQ(CloseSchedule().due(kBegin), 0u);
  EXPECT_EQ(CloseSchedule(0, kBegin, 1s).due(kBegin + 500ms), 0u);
}

}  // namespace
}  // namespace voicechan::server
