#pragma once

#include <chrono>

#include "voicechan/clock.hpp"

namespace voicechan::server {

/// Keeps a worker that was held up itself (a machine that was suspended, a debugger) from taking
/// its clients for silent: what they sent meanwhile lies unread. One thread at a time.
class StallGuard {
 public:
  /// Whether deadlines may be judged at the end of a turn; `has_more`: not all that was ready has
  /// been handled.
  bool may_judge(MonotonicTime now, bool has_more) noexcept {
    if (now - last_turn_ > kStall) catches_up_until_ = now + kCatchUp;
    last_turn_ = now;
    if (!has_more) catches_up_until_ = now;
    return now >= catches_up_until_;
  }

 private:
  static constexpr std::chrono::seconds kStall{1};    // ten times what a turn may last at all
  static constexpr std::chrono::seconds kCatchUp{5};  // enough to read of every connection

  MonotonicTime last_turn_ = MonotonicTime::max();
  MonotonicTime catches_up_until_ = MonotonicTime::min();
};

}  // namespace voicechan::server
