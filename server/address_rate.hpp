#pragma once

#include "client_address.hpp"
#include "recent_map.hpp"
#include "token_rate.hpp"
#include "voicechan/mutex.hpp"

namespace voicechan::server {

/// How often an address may do something that costs us more than it, such as a TLS handshake.
/// Memory is bounded whatever comes. Thread-safe.
class AddressRate {
 public:
  /// A rate of 0 allows everything.
  AddressRate(double per_second, double burst) noexcept : rate_(per_second, burst) {}

  /// Counts one more of a network (see `ClientAddress::network`). False if that is too many.
  [[nodiscard]] bool take(const ClientAddress& network, MonotonicTime now) {
    if (rate_.is_unlimited()) return true;
    const MutexLock lock(mutex_);
    return rate_.take(full_at_.get(network), 1, now);
  }

 private:
  const TokenRate rate_;
  Mutex mutex_;
  RecentMap<ClientAddress, MonotonicTime, ClientAddress::Hash> full_at_
      VOICECHAN_GUARDED_BY(mutex_){65'536};
};

}  // namespace voicechan::server
