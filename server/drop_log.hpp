#pragma once

#include <array>

#include "voicechan/clock.hpp"
#include "voicechan/outbox.hpp"
#include "worker_counters.hpp"

namespace voicechan::server {

/// Counts the audio that one worker's outboxes drop and logs it, one line a second at most. One
/// thread at a time.
class DropLog final : public OutboxObserver {
 public:
  using Tallies = std::array<Tally, WorkerCounters::kDropReasons>;

  /// Frames are added to `tallies` too, by reason, if that is given; it must outlive the log.
  explicit DropLog(Tallies* tallies = nullptr) noexcept : tallies_(tallies) {}

  void on_drop(DropReason reason, const Drops& drops) noexcept override;

  /// Logs what has not been logged yet, unless that was done less than a second ago.
  void report(MonotonicTime now);

 private:
  using ByReason = std::array<Drops, 2>;
  static const Drops& at(const ByReason& all, DropReason reason) noexcept {
    return all[static_cast<std::size_t>(reason)];
  }

  Tallies* const tallies_;
  ByReason totals_{};
  ByReason reported_{};
  bool has_news_ = false;
  MonotonicTime next_report_{};
};

}  // namespace voicechan::server
