#include "histogram.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace voicechan::load {
namespace {

constexpr int kPrecisionBits = 11;  // of a value that are kept
constexpr std::size_t kHalf = std::size_t{1} << (kPrecisionBits - 1);

int shift_of(std::uint64_t value) noexcept {
  return value < 2 * kHalf ? 0 : 64 - kPrecisionBits - __builtin_clzll(value);
}

std::size_t bucket_of(std::uint64_t value) noexcept {
  const int shift = shift_of(value);
  return static_cast<std::size_t>(shift) * kHalf + static_cast<std::size_t>(value >> shift);
}

std::int64_t highest_of(std::size_t bucket) noexcept {
  if (bucket < 2 * kHalf) return static_cast<std::int64_t>(bucket);
  const std::size_t shift = bucket / kHalf - 1;
  return static_cast<std::int64_t>(((bucket - shift * kHalf + 1) << shift) - 1);
}

}  // namespace

Histogram::Histogram() : buckets_(bucket_of(kMaxNs) + 1) {}

void Histogram::record(std::int64_t ns) noexcept {
  ns = std::max<std::int64_t>(ns, 0);
  max_ = std::max(max_, ns);
  ++count_;
  ++buckets_[bucket_of(static_cast<std::uint64_t>(std::min(ns, kMaxNs)))];
}

std::int64_t Histogram::percentile(double percent) const noexcept {
  if (count_ == 0) return 0;
  constexpr double kRounding = 1e-6;  // 99.9 % of 1,000 are 999
  const double wanted = std::ceil(percent * static_cast<double>(count_) / 100 - kRounding);
  std::uint64_t left = std::clamp<std::uint64_t>(static_cast<std::uint64_t>(wanted), 1, count_);
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    if (buckets_[i] >= left) return std::min(highest_of(i), max_);
    left -= buckets_[i];
  }
  return max_;
}

}  // namespace voicechan::load
