#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>

#include "voicechan/model.hpp"
#include "voicechan/mutex.hpp"
#include "voicechan/result.hpp"

namespace voicechan::server {

/// What a credential stands on, so that it can be checked again while it is in use.
struct CredentialBasis {
  UserId user;
  std::optional<KeyDigest> key;  // of an opaque key
  std::string token_id;          // of a JWT; empty if it has none

  friend bool operator<(const CredentialBasis& a, const CredentialBasis& b) noexcept {
    return std::tie(a.user, a.key, a.token_id) < std::tie(b.user, b.key, b.token_id);
  }
};

/// A credential by which connections were let in; they share it. Thread-safe.
class LiveCredential {
 public:
  /// Stays true once it is.
  bool is_revoked() const noexcept { return is_revoked_.load(std::memory_order_acquire); }
  void revoke() noexcept { is_revoked_.store(true, std::memory_order_release); }

 private:
  std::atomic<bool> is_revoked_{false};
};

/// The credentials of all live connections, one for any number of connections that came with the
/// same. Letting one go takes no lock: a worker may do it. Thread-safe.
class LiveCredentials {
 public:
  /// Which check of all credentials is the last one that began.
  std::uint64_t last_check() const VOICECHAN_EXCLUDES(mutex_);

  /// The credential that stands on `basis`, which was found valid after `last_check` had given
  /// `check`. Null if another check has begun since: it may have missed this one, so the basis must
  /// be looked at again.
  std::shared_ptr<const LiveCredential> enter(const CredentialBasis& basis, std::uint64_t check)
      VOICECHAN_EXCLUDES(mutex_);

  /// What came of a check.
  struct Outcome {
    std::size_t revoked = 0;
    std::error_code failure;  // of those that could not be checked; they stay
  };

  /// Revokes those that `is_valid` finds no longer valid. One thread at a time.
  Outcome check(const std::function<Result<bool>(const CredentialBasis&)>& is_valid)
      VOICECHAN_EXCLUDES(mutex_);

  /// Entries, those included that nobody holds any more.
  std::size_t size() const VOICECHAN_EXCLUDES(mutex_);

 private:
  using Entries = std::map<CredentialBasis, std::weak_ptr<LiveCredential>>;

  void sweep() VOICECHAN_REQUIRES(mutex_);

  mutable Mutex mutex_;
  std::uint64_t last_check_ VOICECHAN_GUARDED_BY(mutex_) = 0;
  Entries entries_ VOICECHAN_GUARDED_BY(mutex_);
  std::size_t sweep_at_ VOICECHAN_GUARDED_BY(mutex_) = 64;
};

}  // namespace voicechan::server
