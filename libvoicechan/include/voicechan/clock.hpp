#pragma once

#include <chrono>
#include <string>

#include "voicechan/export.hpp"

namespace voicechan {

/// A point in calendar time, UTC, to the microsecond: what is stored and shown.
using WallTime = std::chrono::time_point<std::chrono::system_clock, std::chrono::microseconds>;

/// A point in monotonic time: what deadlines and rates are counted in.
using MonotonicTime = std::chrono::steady_clock::time_point;

/// Where the library learns the calendar time. Implemented by the host (or by a test).
/// Thread-safe.
class VOICECHAN_API Clock {
 public:
  virtual ~Clock() = default;
  /// May be called on any thread, and at any rate.
  virtual WallTime now() const noexcept = 0;
};

/// The machine's clock. Thread-safe.
VOICECHAN_API const Clock& system_clock() noexcept;

/// RFC 3339 in UTC with six digits of a second: "2026-11-22T10:00:00.000000Z". Years 0 to 9999.
VOICECHAN_API std::string format_rfc3339(WallTime time);

}  // namespace voicechan
