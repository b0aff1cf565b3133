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
  const std::time_t unix_seconds = std::chrono::system_clock::to_time_t(second);
  std::tm utc{};
  gmtime_r(&unix_seconds, &utc);
  char date[32];
  const std::size_t length = std::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &utc);
  char fraction[16];
  std::snprintf(fraction, sizeof fraction, ".%06uZ", microseconds);
  return std::string(date, length) + fraction;
}

}  // namespace voicechan
