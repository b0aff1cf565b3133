#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "voicechan/clock.hpp"
#include "voicechan/mutex.hpp"

namespace voicechan::redis {

/// Whom the gateway tells that something may have been missed in a group. Thread-safe.
class GapWatch {
 public:
  /// As `Backplane::watch_gaps`.
  void watch(std::function<void(std::string_view group)> on_gap) VOICECHAN_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    on_gap_ = std::move(on_gap);
  }

  void tell(std::string_view group) VOICECHAN_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    if (on_gap_) on_gap_(group);
  }

 private:
  Mutex mutex_;
  std::function<void(std::string_view)> on_gap_ VOICECHAN_GUARDED_BY(mutex_);
};

/// Groups to which something could not be published: other nodes are to be told that they missed
/// it. One thread at a time.
class UnpublishedGroups {
 public:
  static constexpr std::size_t kMost = 1000;
  static constexpr std::chrono::milliseconds kRetryTime{250};

  /// More than `kMost`: all groups are taken to be among them.
  void add(std::string_view group, MonotonicTime now) {
    if (due_ == MonotonicTime::max()) due_ = now + kRetryTime;
    if (groups_.size() < kMost) {
      groups_.emplace(group);
    } else {
      add_all(now);
    }
  }
  void add_all(MonotonicTime now) {
    if (due_ == MonotonicTime::max()) due_ = now + kRetryTime;
    groups_.clear();
    is_all_ = true;
  }

  /// When others are to be told, or it is to be tried again.
  MonotonicTime due() const noexcept { return due_; }
  void wait_until(MonotonicTime due) noexcept { due_ = due; }

  struct Taken {
    bool is_all = false;
    std::set<std::string> groups;
  };
  Taken take() {
    due_ = MonotonicTime::max();
    Taken taken{std::exchange(is_all_, false), std::exchange(groups_, {})};
    if (taken.is_all) taken.groups.clear();
    return taken;
  }

 private:
  std::set<std::string> groups_;
  bool is_all_ = false;
  MonotonicTime due_ = MonotonicTime::max();
};

}  // namespace voicechan::redis
