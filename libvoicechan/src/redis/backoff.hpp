#pragma once

#include <algorithm>
#include <chrono>
#include <random>

namespace voicechan::redis {

/// How long to wait before the next try to connect: 5 ms, then 20 to 250 ms, doubling, each by up
/// to half shorter or longer, so that nodes do not come all at once.
class Backoff {
 public:
  explicit Backoff(unsigned seed) : random_(seed) {}

  std::chrono::microseconds next() {
    const auto base = std::exchange(base_, std::clamp(2 * base_, kSecond, kLast));
    std::uniform_int_distribution<long> spread(base.count() / 2, base.count() * 3 / 2);
    return std::chrono::microseconds(spread(random_));
  }

  void reset() noexcept { base_ = kFirst; }

 private:
  static constexpr std::chrono::microseconds kFirst{5'000};
  static constexpr std::chrono::microseconds kSecond{20'000};
  static constexpr std::chrono::microseconds kLast{250'000};

  std::minstd_rand random_;
  std::chrono::microseconds base_ = kFirst;
};

}  // namespace voicechan::redis
