#pragma once

#include <cstdint>
#include <vector>

namespace voicechan::load {

/// Counts durations from 1 ns to over 100 s with three significant digits in fixed memory (224
/// KiB): exact below 2,048 ns, then 1,024 buckets for each power of two.
class Histogram {
 public:
  /// What is longer is counted here; `max` stays exact.
  static constexpr std::int64_t kMaxNs = (std::int64_t{1} << 37) - 1;  // 137 s

  Histogram();

  /// Negative durations count as 0.
  void record(std::int64_t ns) noexcept;

  std::uint64_t count() const noexcept { return count_; }
  std::int64_t max() const noexcept { return max_; }

  /// The smallest recorded duration that at least `percent` of all do not exceed, up to 0.1 % too
  /// large; 0 if nothing was recorded.
  std::int64_t percentile(double percent) const noexcept;

 private:
  std::vector<std::uint64_t> buckets_;
  std::uint64_t count_ = 0;
  std::int64_t max_ = 0;
};

}  // namespace voicechan::load
