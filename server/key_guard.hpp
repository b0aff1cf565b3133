#pragma once

#include <cstring>
#include <optional>
#include <string>
#include <system_error>

#include "client_address.hpp"
#include "keys.hpp"
#include "recent_map.hpp"
#include "token_rate.hpp"
#include "voicechan/mutex.hpp"
#include "voicechan/result.hpp"

namespace voicechan::server {

/// How many wrong keys an address may present.
struct KeyGuardLimits {
  double failures_per_second = 20;  // 0: any number
  double failure_burst = 200;
};

/// Makes guessing keys cost the guesser more than us: an address that has presented too many wrong
/// ones is refused without a look-up, until some time has passed. It does not lock out those who
/// share the address: a key that was right not long ago is always looked up. (That saves the
/// look-up only: whether it is right now, the store says.) Memory is bounded whatever comes.
/// Thread-safe.
class KeyGuard {
 public:
  explicit KeyGuard(const KeyGuardLimits& limits) noexcept
      : rate_(limits.failures_per_second, limits.failure_burst) {}

  /// The result of `look_up`, which fails as `Authenticator` does for a wrong key; or
  /// `Errc::rate_limited` without asking it. No key is no guess.
  template <class LookUp>
  auto check(const ClientAddress& address, const std::optional<std::string>& key, LookUp look_up)
      -> decltype(look_up()) {
    if (!key || rate_.is_unlimited()) return look_up();
    const KeyDigest digest = digest_key(*key);
    const Admission admission = admit(address.network(), digest, std::chrono::steady_clock::now());
    if (admission == Admission::refused) return Errc::rate_limited;
    auto result = look_up();
    settle(address.network(), digest, admission, result.error(), std::chrono::steady_clock::now());
    return result;
  }

 private:
  enum class Admission {
    free,     ///< nothing suspicious so far
    deposit,  ///< a token was taken in advance, since many may come at the same time
    refused,
  };

  struct DigestHash {
    std::size_t operator()(const KeyDigest& digest) const noexcept {
      std::size_t hash;
      std::memcpy(&hash, digest.data(), sizeof hash);
      return hash;
    }
  };
  struct Nothing {};

  Admission admit(const ClientAddress& network, const KeyDigest& digest, MonotonicTime now);
  void settle(const ClientAddress& network, const KeyDigest& digest, Admission admission,
              std::error_code error, MonotonicTime now);

  const TokenRate rate_;
  Mutex mutex_;
  RecentMap<ClientAddress, MonotonicTime, ClientAddress::Hash> failures_
      VOICECHAN_GUARDED_BY(mutex_){65'536};
  RecentMap<KeyDigest, Nothing, DigestHash> right_keys_ VOICECHAN_GUARDED_BY(mutex_){65'536};
};

}  // namespace voicechan::server
