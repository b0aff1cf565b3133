#include "fault_log.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <sstream>
#include <string>

#include "spdlog/sinks/ostream_sink.h"
#include "spdlog/spdlog.h"
#include "voicechan/error.hpp"

namespace voicechan::server {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

class FaultLogTest : public ::testing::Test {
 protected:
  FaultLogTest() {
    const auto sink = std::make_shared<spdlog::sinks::ostream_sink_mt>(text_);
    spdlog::set_default_logger(std::make_shared<spdlog::logger>("test", sink));
  }
  ~FaultLogTest() override { spdlog::set_default_logger(former_); }

  /// What has been logged since the last call.
  std::string logged() {
    std::string text = text_.str();
    text_.str({});
    return text;
  }

  const std::shared_ptr<spdlog::logger> former_ = spdlog::default_logger();
  std::ostringstream text_;
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
