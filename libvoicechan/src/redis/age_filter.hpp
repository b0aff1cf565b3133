#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <unordered_map>

#include "envelope.hpp"
#include "voicechan/clock.hpp"

namespace voicechan::redis {

/// Tells audio that is too late from other audio, without clocks that agree: what came from a node
/// with the least delay lately is the measure for the rest. One thread at a time.
///
/// A node whose clock stood still (a paused virtual machine) is behind for good, and nothing that
/// it says is late by more than the rest. So what is late by the same for a second is the new
/// measure. A backlog looks different while it is worked off, as the delay shrinks; one that
/// neither grows nor shrinks (a link that is slow and full) is heard late rather than never, up to
/// `kMostSteadyMs` in all. A node that stood still for longer has lost its lease and is another
/// origin.
class AgeFilter {
 public:
  static constexpr std::int32_t kMaxLateMs = 200;
  /// So long a least delay counts, once or twice: clocks drift, by less than 1 ms in each second.
  static constexpr std::chrono::seconds kWindow{30};
  static constexpr std::chrono::milliseconds kDrift{1000};

  static constexpr std::chrono::milliseconds kSteadyTime{1000};
  static constexpr std::size_t kSteadyFrames = 10;
  static constexpr std::int32_t kSteadySpreadMs = 100;  // a backlog shrinks or grows by more
  static constexpr std::int32_t kMostSteadyMs = 6500;   // within:
  static constexpr std::chrono::minutes kSteadyWindow{10};
  static constexpr std::chrono::seconds kSurelySteadyTime{60};  // whatever the delay

  static constexpr std::size_t kMaxOrigins = 4096;

  /// The low bits of a monotonic clock, in milliseconds.
  static std::uint32_t stamp(MonotonicTime time) noexcept {
    const auto since =
        std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch());
    return static_cast<std::uint32_t>(since.count());
  }

  /// Whether what the origin stamped so comes too late now.
  bool is_late(std::uint64_t origin, std::uint32_t stamped, MonotonicTime now) {
    if (known_.size() >= kMaxOrigins && known_.count(origin) == 0)
      known_.clear();                         // nobody of ours
    const auto delay = stamp(now) - stamped;  // wraps, as the stamps do
    const auto [place, is_new] = known_.try_emplace(origin, Known{delay, delay, now, {}, 0, now});
    Known& known = place->second;
    if (!is_new && now - known.since >= kWindow) begin_window(known, delay, now);
    if (is_less(delay, known.present)) known.present = delay;
    const auto late = static_cast<std::int32_t>(delay - measure_of(known));
    if (late > kMaxLateMs) return !takes_steady(known, delay, late, now);
    known.run.frames = 0;
    return false;
  }

  void forget_node(std::uint64_t node) {
    for (auto place = known_.begin(); place != known_.end();) {
      place = node_of(place->first) == node ? known_.erase(place) : std::next(place);
    }
  }

 private:
  /// Late ones that follow each other, with delays that differ by little.
  struct Run {
    std::size_t frames = 0;
    std::uint32_t least = 0;
    std::uint32_t most = 0;
    MonotonicTime since{};
  };
  struct Known {
    std::uint32_t before;  // the least delay of the window before
    std::uint32_t present;
    MonotonicTime since;
    Run run;
    std::int32_t taken_ms;  // by how much the measure was raised for steady ones
    MonotonicTime taken_since;
  };

  static bool is_less(std::uint32_t a, std::uint32_t b) noexcept {
    return static_cast<std::int32_t>(a - b) < 0;
  }

  static std::uint32_t measure_of(const Known& known) noexcept {
    return is_less(known.before, known.present) ? known.before : known.present;
  }

  static void begin_window(Known& known, std::uint32_t delay, MonotonicTime now) {
    const auto time = std::chrono::duration_cast<std::chrono::milliseconds>(now - known.since);
    const std::uint32_t most = measure_of(known) + static_cast<std::uint32_t>(time / kDrift);
    known.before = is_less(most, known.present) ? most : known.present;
    known.present = delay;
    known.since = now;
  }

  /// Whether this late one, with those before it, is a new measure.
  static bool takes_steady(Known& known, std::uint32_t delay, std::int32_t late,
                           MonotonicTime now) {
    Run& run = known.run;
    if (run.frames == 0) run = {0, delay, delay, now};
    if (is_less(delay, run.least)) run.least = delay;
    if (is_less(run.most, delay)) run.most = delay;
    if (run.most - run.least > static_cast<std::uint32_t>(kSteadySpreadMs)) {
      run = {0, delay, delay, now};
    }
    ++run.frames;
    if (run.frames < kSteadyFrames || now - run.since < kSteadyTime) return false;
    if (now - known.taken_since >= kSteadyWindow) {
      known.taken_ms = 0;
      known.taken_since = now;
    }
    const bool is_too_much = late > kMostSteadyMs - known.taken_ms;
    if (is_too_much && now - run.since < kSurelySteadyTime) return false;
    known.taken_ms += late;
    known.before = known.present = run.least;
    known.since = now;
    run.frames = 0;
    return true;
  }

  std::unordered_map<std::uint64_t, Known> known_;  // by origin
};

}  // namespace voicechan::redis
