#include "fault_log.hpp"

#include <chrono>

#include "spdlog/spdlog.h"

namespace voicechan::server {
namespace {

constexpr std::chrono::seconds kInterval{10};

}  // namespace

void FaultLog::on_failure(std::error_code error, MonotonicTime now) {
  const MutexLock lock(mutex_);
  is_failing_ = true;
  ++unreported_;
  if (now < next_report_) return;
  spdlog::error("{}: {} requests answered with 503", error.message(), unreported_);
  unreported_ = 0;
  next_report_ = now + kInterval;
}

void FaultLog::report_recovery() noexcept {
  const MutexLock lock(mutex_);
  if (!is_failing_.exchange(false)) return;
  spdlog::info("the store can be written again; {} more requests had been answered with 503",
               unreported_);
  unreported_ = 0;
  next_report_ = {};
}

}  // namespace voicechan::server
