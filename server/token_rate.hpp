#pragma once

#include <algorithm>
#include <chrono>

#include "voicechan/clock.hpp"

namespace voicechan::server {

/// So many tokens per second over time, and a burst at once. The state of one bucket is a single
/// time, when it is full again (a new one: `MonotonicTime{}`), so that each connection can have
/// several. Immutable.
class TokenRate {
 public:
  /// A rate of 0 allows everything.
  TokenRate(double per_second, double burst) noexcept
      : per_token_(per_second > 0 ? kSecond / per_second : 0), burst_(duration(burst)) {}

  bool is_unlimited() const noexcept { return per_token_ <= 0; }

  /// Takes `tokens` out of the bucket. False, and nothing is taken, if it has not so many; a full
  /// one gives any number.
  bool take(MonotonicTime& full_at, double tokens, MonotonicTime now) const noexcept {
    if (is_unlimited() || full_at <= now) {
      if (!is_unlimited()) full_at = now + duration(tokens);
      return true;
    }
    const MonotonicTime taken = full_at + duration(tokens);
    if (taken - now > burst_) return false;
    full_at = taken;
    return true;
  }

  /// Takes a token whether there is one or not; never owes more than a second's.
  void charge(MonotonicTime& full_at, MonotonicTime now) const noexcept {
    full_at =
        std::min(std::max(full_at, now) + duration(1), now + burst_ + std::chrono::seconds(1));
  }

  /// Gives back one token that was taken.
  void give_back(MonotonicTime& full_at) const noexcept { full_at -= duration(1); }

  bool is_half_full(MonotonicTime full_at, MonotonicTime now) const noexcept {
    return full_at - now <= burst_ / 2;
  }

 private:
  static constexpr double kSecond = 1e9;  // in nanoseconds
  // Some 30 years, so that no sum overflows.
  static constexpr double kLongest = 1e18;

  std::chrono::nanoseconds duration(double tokens) const noexcept {
    return std::chrono::nanoseconds(
        static_cast<std::chrono::nanoseconds::rep>(std::min(tokens * per_token_, kLongest)));
  }

  double per_token_;  // nanoseconds until one is there again
  std::chrono::nanoseconds burst_;
};

}  // namespace voicechan::server
