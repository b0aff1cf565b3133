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
    if (now - last_turn_ > kStall && now >= next_catch_up_) {
      catches_up_until_ = now + kCatchUp;
      next_catch_up_ = now + kCatchUpAgain;
    }
    last_turn_ = now;
    if (!has_more) catches_up_until_ = now;
    return now >= catches_up_until_;
  }

 private:
  static constexpr std::chrono::seconds kStall{1};    // ten times what a turn may last at all
  static constexpr std::chrono::seconds kCatchUp{5};  // enough to read of every connection
  // Clients could hold us up again and again, and no deadline would ever end one of them.
  static constexpr std::chrono::seconds kCatchUpAgain{60};

  MonotonicTime last_turn_ = MonotonicTime::max();
  MonotonicTime catches_up_until_ = MonotonicTime::min();
  MonotonicTime next_catch_up_ = MonotonicTime::min();
};

}  // namespace voicechan::server
