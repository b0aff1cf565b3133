#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include "client_address.hpp"
#include "credential_error.hpp"
#include "jwt_verifier.hpp"
#include "keys.hpp"
#include "recent_map.hpp"
#include "token_rate.hpp"
#include "voicechan/mutex.hpp"
#include "voicechan/result.hpp"
#include "worker_counters.hpp"

namespace voicechan::server {

/// How many wrong keys an address may present.
struct KeyGuardLimits {
  double failures_per_second = 20;  // 0: any number
  double failure_burst = 200;
};

/// Makes guessing keys cost the guesser more than us: an address that has presented too many wrong
/// ones is refused without a look-up, until some time has passed. It does not lock out those who
/// share the address: a key that was right not long ago is always looked up. (That saves the
/// look-up only: whether it is right now, the store says.) JWTs, which are new every few minutes,
/// are counted apart from keys: who guesses the ones does not lock out those who have the others.
/// Memory is bounded whatever comes. Thread-safe.
class KeyGuard {
 public:
  explicit KeyGuard(const KeyGuardLimits& limits) noexcept
      : rate_(limits.failures_per_second, limits.failure_burst) {}

  /// The result of `look_up`, which fails as `Authenticator` does for a wrong key; or
  /// `Errc::rate_limited` without asking it. No key is no guess.
  template <class LookUp>
  auto check(const ClientAddress& address, const std::optional<std::string>& key, LookUp look_up)
      -> decltype(look_up()) {
    auto result = check_guess(address, key, look_up);
    count(result.error());
    return result;
  }

  /// Calls `use(reason, count)` for every reason to refuse, with how often it was one.
  template <class Use>
  void for_each_failure(Use use) const {
    for (std::size_t i = 1; i < kReasons; ++i) {
      const auto reason = static_cast<CredentialErrc>(i);
      if (reason != CredentialErrc::new_subject) use(name_of(reason), refusals_[i].value());
    }
    use(std::string_view("rate_limited"), refusals_[kRateLimited].value());
  }

 private:
  static constexpr std::size_t kReasons = static_cast<std::size_t>(CredentialErrc::revoked) + 1;
  static constexpr std::size_t kRateLimited = 0;  // no CredentialErrc

  template <class LookUp>
  auto check_guess(const ClientAddress& address, const std::optional<std::string>& key,
                   LookUp& look_up) -> decltype(look_up()) {
    if (!key || rate_.is_unlimited()) return look_up();
    const Guess guess{address.network(), digest_key(*key), has_jwt_form(*key)};
    const Admission admission = admit(guess, std::chrono::steady_clock::now());
    if (admission == Admission::refused) return Errc::rate_limited;
    auto result = look_up();
    settle(guess, admission, result.error(), std::chrono::steady_clock::now());
    return result;
  }

  enum class Admission {
    free,     ///< nothing suspicious so far
    deposit,  ///< a token was taken in advance, since many may come at the same time
    refused,
  };

  struct Nothing {};

  /// What may turn out to be one.
  struct Guess {
    ClientAddress network;
    KeyDigest digest;
    bool is_token;
  };
  using Failures = RecentMap<ClientAddress, MonotonicTime, ClientAddress::Hash>;

  void count(std::error_code error) noexcept;
  Admission admit(const Guess& guess, MonotonicTime now);
  void settle(const Guess& guess, Admission admission, std::error_code error, MonotonicTime now);
  Failures& failures_of(const Guess& guess) VOICECHAN_REQUIRES(mutex_) {
    return guess.is_token ? token_failures_ : key_failures_;
  }

  const TokenRate rate_;
  std::array<SharedTally, kReasons> refusals_;
  Mutex mutex_;
  Failures key_failures_ VOICECHAN_GUARDED_BY(mutex_){65'536};
  Failures token_failures_ VOICECHAN_GUARDED_BY(mutex_){65'536};
  RecentMap<KeyDigest, Nothing, DigestHash> right_keys_ VOICECHAN_GUARDED_BY(mutex_){65'536};
};

}  // namespace voicechan::server
