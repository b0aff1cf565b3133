#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <sstream>
#include <string>

#include "spdlog/sinks/ostream_sink.h"
#include "spdlog/spdlog.h"

namespace voicechan::server {

/// A test in which log lines go to where it can read them.
class LogFixture : public ::testing::Test {
 protected:
  LogFixture() {
    const auto sink = std::make_shared<spdlog::sinks::ostream_sink_mt>(text_);
    spdlog::set_default_logger(std::make_shared<spdlog::logger>("test", sink));
  }
  ~LogFixture() override { spdlog::set_default_logger(former_); }

  /// What has been logged since the last call of `logged`.
  std::string unread_log() const { return text_.str(); }
  /// The same; the next call gives what comes after this one.
  std::string logged() {
    std::string text = text_.str();
    text_.str({});
    return text;
  }

 private:
  const std::shared_ptr<spdlog::logger> former_ = spdlog::default_logger();
  std::ostringstream text_;
};

}  // namespace voicechan::server
