#pragma once

#include <algorithm>
#include <chrono>

#include "voicechan/clock.hpp"

namespace voicechan {

/// Allows `rate` actions per second over time and `burst` at once; a rate of 0 allows everything.
class TokenBucket {
 public:
  explicit TokenBucket(double burst) noexcept : tokens_(burst) {}

  /// Takes one token; false if there is none.
  bool take(double rate, double burst, MonotonicTime now) noexcept {
    if (rate <= 0) return true;
    const std::chrono::duration<double> elapsed = now - filled_at_;
    tokens_ = std::min(burst, tokens_ + rate * std::max(0.0, elapsed.count()));
    filled_at_ = now;
    if (tokens_ < 1) return false;
    tokens_ -= 1;
    return true;
  }

 private:
  double tokens_;
  MonotonicTime filled_at_{};
};

}  // namespace voicechan
