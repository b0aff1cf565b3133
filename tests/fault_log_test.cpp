#include "fault_log.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "log_fixture.hpp"
#include "voicechan/error.hpp"

namespace voicechan::server {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

class FaultLogTest : public LogFixture {
 protected:
  MonotonicTime now_{std::chrono::hours(1)};
  FaultLog log_;
};

TEST_F(FaultLogTest, SaysNothingWhileAllIsWell) {
  log_.on_write();
  EXPECT_EQ(logged(), "");
}

TEST_F(FaultLogTest, TheFirstFailureIsLoggedWithItsReason) {
  log_.on_failure(Errc::store_locked, now_);
  EXPECT_THAT(logged(), HasSubstr("locked by another process: 1 requests"));
}

TEST_F(FaultLogTest, ManyFailuresAreOneLineInTenSeconds) {
  log_.on_failure(Errc::store_unavailable, now_);
  (void)logged();
  for (int i = 0; i < 1000; ++i) log_.on_failure(Errc::store_unavailable, now_ + 9s);
  EXPECT_EQ(logged(), "");
  log_.on_failure(Errc::store_unavailable, now_ + 10s);
  EXPECT_THAT(logged(), HasSubstr("1001 requests"));
}

TEST_F(FaultLogTest, RecoveryIsLoggedOnce) {
  log_.on_failure(Errc::store_unavailable, now_);
  log_.on_failure(Errc::store_unavailable, now_ + 1s);
  (void)logged();
  log_.on_write();
  EXPECT_THAT(logged(), HasSubstr("can be written again; 1 more"));
  log_.on_write();
  EXPECT_EQ(logged(), "");
  log_.on_failure(Errc::store_unavailable, now_ + 2s);
  EXPECT_THAT(logged(), HasSubstr("1 requests"));
}

}  // namespace
}  // namespace voicechan::server
