#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <unordered_map>

#include "voicechan/clock.hpp"

namespace voicechan::redis {

/// Tells audio that is too late from other audio, without clocks that agree: what came from a node
/// with the least delay lately is the measure for the rest. One thread at a time.
class AgeFilter {
 public:
  static constexpr std::int32_t kMaxLateMs = 200;
  /// So long a least delay counts, once or twice: clocks drift.
  static constexpr std::chrono::seconds kWindow{30};

  /// The low bits of a monotonic clock, in milliseconds.
  static std::uint32_t stamp(MonotonicTime time) noexcept {
    const auto since =
        std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch());
    return static_cast<std::uint32_t>(since.count());
  }

  /// Whether what the origin stamped so comes too late now.
  bool is_late(std::uint64_t origin, std::uint32_t stamped, MonotonicTime now) {
    const auto delay = stamp(now) - stamped;  // wraps, as the stamps do
    const auto [place, is_new] = least_.try_emplace(origin, Least{delay, delay, now});
    Least& least = place->second;
    if (!is_new && now - least.since >= kWindow) least = {least.present, delay, now};
    if (is_less(delay, least.present)) least.present = delay;
    const std::uint32_t measure =
        is_less(least.before, least.present) ? least.before : least.present;
    return static_cast<std::int32_t>(delay - measure) > kMaxLateMs;
  }

  void forget(std::uint64_t origin) { least_.erase(origin); }

 private:
  struct Least {
    std::uint32_t before;  // of the window before
    std::uint32_t present;
    MonotonicTime since;
  };
  static bool is_less(std::uint32_t a, std::uint32_t b) noexcept {
    return static_cast<std::int32_t>(a - b) < 0;
  }

  std::unordered_map<std::uint64_t, Least> least_;
};

}  // namespace voicechan::redis
