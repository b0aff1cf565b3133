#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <utility>

#include "voicechan/clock.hpp"

namespace voicechan::server {

/// One drain of several workers; tells when the last of them has nothing left. Thread-safe.
class Drain {
 public:
  /// `on_end` is called once, by the thread of the worker that is last.
  Drain(std::size_t workers, std::function<void()> on_end)
      : workers_left_(workers), on_end_(std::move(on_end)) {}

  /// To be called once by each worker.
  void on_worker_done() {
    if (workers_left_.fetch_sub(1) == 1) on_end_();
  }

 private:
  std::atomic<std::size_t> workers_left_;
  const std::function<void()> on_end_;
};

/// When each of many clients is to be told to go: evenly spread, since all of them will connect
/// somewhere else in the next moment. Immutable.
class CloseSchedule {
 public:
  CloseSchedule() = default;
  CloseSchedule(std::size_t clients, MonotonicTime begin, MonotonicTime::duration spread)
      : clients_(clients), begin_(begin), spread_(spread) {}

  /// How many have been told by `now`, if all is done on time: at `begin` the first one, all before
  /// the end of the spread.
  std::size_t due(MonotonicTime now) const noexcept {
    if (now < begin_) return 0;
    if (now - begin_ >= spread_) return clients_;
    const double share = std::chrono::duration<double>(now - begin_) / spread_;
    const std::size_t after_first = static_cast<std::size_t>(share * static_cast<double>(clients_));
    return after_first < clients_ ? after_first + 1 : clients_;
  }

 private:
  std::size_t clients_ = 0;
  MonotonicTime begin_{};
  MonotonicTime::duration spread_{};
};

}  // namespace voicechan::server
