#pragma once

#include <cstdint>
#include <ctime>

namespace voicechan::load {

constexpr std::int64_t kNanosPerSecond = 1'000'000'000;

/// CLOCK_MONOTONIC in nanoseconds: the same for all processes of a machine.
inline std::int64_t monotonic_ns() noexcept {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return std::int64_t{time.tv_sec} * kNanosPerSecond + time.tv_nsec;
}

inline std::int64_t to_ns(double seconds) noexcept {
  return static_cast<std::int64_t>(seconds * static_cast<double>(kNanosPerSecond));
}

inline double to_seconds(std::int64_t ns) noexcept {
  return static_cast<double>(ns) / static_cast<double>(kNanosPerSecond);
}

}  // namespace voicechan::load
