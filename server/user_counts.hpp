#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "counts.hpp"
#include "recent_map.hpp"
#include "token_rate.hpp"
#include "voicechan/ids.hpp"

namespace voicechan::server {

/// What one user may have and do, whatever number of clients he uses. High, since a user may be an
/// integration.
struct UserLimits {
  std::size_t max_websockets = 20'000;
  std::size_t max_signaling_ids = 20'000;  // a signaling WebSocket has one
  double requests_per_second = 50'000;     // REST; 0: any number
  double request_burst = 100'000;
};

/// What each user has open and how often he asks, over all threads. Thread-safe.
class UserCounts {
 public:
  explicit UserCounts(const UserLimits& limits) noexcept
      : limits_(limits), request_rate_(limits.requests_per_second, limits.request_burst) {}

  /// One WebSocket that is counted, until it is destroyed. One thread at a time.
  class Place {
   public:
    Place(Place&& other) noexcept
        : counts_(std::exchange(other.counts_, nullptr)),
          user_(other.user_),
          is_signaling_(other.is_signaling_) {}
    Place& operator=(Place&&) = delete;
    ~Place() {
      if (counts_ == nullptr) return;
      counts_->websockets_.remove(user_.value);
      if (is_signaling_) counts_->signaling_ids_.remove(user_.value);
    }

    UserId user() const noexcept { return user_; }

   private:
    friend class UserCounts;
    Place(UserCounts& counts, UserId user, bool is_signaling) noexcept
        : counts_(&counts), user_(user), is_signaling_(is_signaling) {}

    UserCounts* counts_;
    UserId user_;
    bool is_signaling_;
  };

  /// Counts one more WebSocket; nothing if the user has as many as he may have.
  std::optional<Place> try_add(UserId user, bool is_signaling) {
    if (!websockets_.try_add(user.value, limits_.max_websockets)) return std::nullopt;
    if (is_signaling && !signaling_ids_.try_add(user.value, limits_.max_signaling_ids)) {
      websockets_.remove(user.value);
      return std::nullopt;
    }
    return Place(*this, user, is_signaling);
  }

  /// False if the user makes too many REST requests.
  [[nodiscard]] bool take_request(UserId user, MonotonicTime now) {
    if (request_rate_.is_unlimited()) return true;
    const MutexLock lock(mutex_);
    return request_rate_.take(requests_.get(user.value), 1, now);
  }

 private:
  const UserLimits limits_;
  const TokenRate request_rate_;
  Counts<std::int64_t> websockets_;
  Counts<std::int64_t> signaling_ids_;
  Mutex mutex_;
  RecentMap<std::int64_t, MonotonicTime> requests_ VOICECHAN_GUARDED_BY(mutex_){65'536};
};

}  // namespace voicechan::server
