#pragma once

#include <atomic>
#include <chrono>

#include "voicechan/clock.hpp"

namespace voicechan {

/// Stands still until it is moved.
class SettableClock final : public Clock {
 public:
  WallTime now() const noexcept override { return now_.load(); }
  void advance(std::chrono::microseconds time) { now_ = now_.load() + time; }

 private:
  std::atomic<WallTime> now_{WallTime(std::chrono::seconds(1'795'341'600))};  // 2026-11-22T10:00Z
};

}  // namespace voicechan
