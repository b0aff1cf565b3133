#include "service_phase.hpp"

#include <gtest/gtest.h>

namespace voicechan::server {
namespace {

using Phase = ServicePhase;

TEST(ServicePhaseTest, StopDrainsAndASecondStopEnds) {
  EXPECT_EQ(after_stop(Phase::serving), Phase::draining);
  EXPECT_EQ(after_stop(Phase::withdrawn), Phase::draining);
  EXPECT_EQ(after_stop(Phase::draining), Phase::ended);
}

TEST(ServicePhaseTest, ToggleTakesOutOfServiceAndBack) {
  EXPECT_EQ(after_toggle(Phase::serving), Phase::withdrawn);
  EXPECT_EQ(after_toggle(Phase::withdrawn), Phase::serving);
}

TEST(ServicePhaseTest, ToggleEndsADrain) {
  EXPECT_EQ(after_toggle(Phase::draining), Phase::serving);
}

TEST(ServicePhaseTest, AStopAfterAResumedDrainIsAFirstOne) {
  EXPECT_EQ(after_stop(after_toggle(after_stop(Phase::serving))), Phase::draining);
}

TEST(ServicePhaseTest, NothingLeadsBackFromTheEnd) {
  EXPECT_EQ(after_stop(Phase::ended), Phase::ended);
  EXPECT_EQ(after_toggle(Phase::ended), Phase::ended);
}

TEST(ServicePhaseTest, OnlyWhoServesIsReady) {
  EXPECT_TRUE(is_ready(Phase::serving));
  EXPECT_FALSE(is_ready(Phase::withdrawn));
  EXPECT_FALSE(is_ready(Phase::draining));
  EXPECT_FALSE(is_ready(Phase::ended));
}

TEST(ServicePhaseTest, ConnectionsAreAdmittedUntilADrain) {
  EXPECT_TRUE(admits_connections(Phase::serving));
  EXPECT_TRUE(admits_connections(Phase::withdrawn));
  EXPECT_FALSE(admits_connections(Phase::draining));
  EXPECT_FALSE(admits_connections(Phase::ended));
}

}  // namespace
}  // namespace voicechan::server
