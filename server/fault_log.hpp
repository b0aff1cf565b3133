#pragma once

#include <atomic>
#include <cstdint>
#include <system_error>

#include "voicechan/clock.hpp"
#include "voicechan/mutex.hpp"

namespace voicechan::server {

/// Logs that the store refuses to serve, once in a while however many requests fail for it, and
/// that it writes again. Thread-safe.
class FaultLog {
 public:
  void on_failure(std::error_code error, MonotonicTime now);
  /// A write has succeeded: a store that cannot write may well be readable.
  void on_write() noexcept {
    if (is_failing_.load(std::memory_order_relaxed)) report_recovery();
  }

 private:
  void report_recovery() noexcept;

  std::atomic<bool> is_failing_{false};
  Mutex mutex_;
  std::uint64_t unreported_ VOICECHAN_GUARDED_BY(mutex_) = 0;
  MonotonicTime next_report_ VOICECHAN_GUARDED_BY(mutex_){};
};

}  // namespace voicechan::server
