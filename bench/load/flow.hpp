#pragma once

#include <cstdint>

namespace voicechan::load {

/// What the number of a frame says about it.
enum class Arrival { in_order, after_gap, late, duplicate };

/// The numbers that one receiver saw of one sender.
class Flow {
 public:
  /// `next` is the first number to expect.
  explicit Flow(std::uint64_t next = 0) noexcept : next_(next) {}

  Arrival take(std::uint64_t number) noexcept;

  /// One more than the largest seen.
  std::uint64_t next() const noexcept { return next_; }
  /// How many below that did not come.
  std::uint64_t missing() const noexcept { return missing_; }

 private:
  std::uint64_t next_;
  std::uint64_t seen_ = ~std::uint64_t{0};  // bit i: next_ - 1 - i has come, or was not expected
  std::uint64_t missing_ = 0;
};

}  // namespace voicechan::load
