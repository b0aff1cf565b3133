#include "voicechan/clock.hpp"

#include <cstdio>
#include <ctime>

namespace voicechan {
namespace {

class SystemClock final : public Clock {
 public:
  WallTime now() const noexcept override {
    return std::chrono::time_point_cast<std::chrono::microseconds>(
        std::chrono::system_clock::now());
  }
};

}  // namespace

const Clock& system_clock() noexcept {
  static const SystemClock clock;
  return clock;
}

std::string format_rfc3339(WallTime time) {
  const auto second = std::chrono::floor<std::chrono::seconds>(time);
  const auto microseconds = static_cast<unsigned>((time - second).count());
  // Not by to_time_t: its argument counts nanoseconds, and those end in the year 2262.
  const std::time_t unix_seconds = second.time_since_epoch().count();
  std::tm utc{};
  gmtime_r(&unix_seconds, &utc);
  char text[96];
  (void)std::snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%06uZ", utc.tm_year + 1900,
                      utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                      microseconds);
  return text;
}

}  // namespace voicechan
