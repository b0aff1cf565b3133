#pragma once

#include <cstdint>
#include <optional>

#include "keys.hpp"
#include "live_credentials.hpp"
#include "recent_map.hpp"
#include "voicechan/clock.hpp"
#include "voicechan/model.hpp"
#include "voicechan/mutex.hpp"

namespace voicechan::server {

/// Whose a valid credential is, and what it stands on.
struct CredentialEvidence {
  Identity user;
  CredentialBasis basis;
};

/// Credentials that the store has confirmed, for the time in which it cannot be asked: who was let
/// in before is let in again. As nothing of them is known to be revoked, that is no more than a
/// connection that stays open may do; and it ends when the store has not been heard of for the
/// grace. Holds the 65,536 that came last. Thread-safe.
class KnownCredentials {
 public:
  /// After a store that did not answer it is not asked for so long about one that is known here:
  /// who waits for it to answer is a thread that others wait for.
  static constexpr std::chrono::seconds kPause{1};

  explicit KnownCredentials(MonotonicTime::duration grace) noexcept : grace_(grace) {}

  /// Which time of forgetting was the last one.
  std::uint64_t generation() const VOICECHAN_EXCLUDES(mutex_);

  /// The store has found it valid after `generation` had given this number; if something was
  /// forgotten since, it may have been revoked, and is not taken.
  void remember(const KeyDigest& credential, const CredentialEvidence& evidence,
                std::uint64_t generation) VOICECHAN_EXCLUDES(mutex_);

  /// Something has been revoked, which may be any. The new generation.
  std::uint64_t forget_all() VOICECHAN_EXCLUDES(mutex_);

  /// The store was asked: nothing has been revoked but what was looked at.
  void on_store_answered(MonotonicTime now) VOICECHAN_EXCLUDES(mutex_);
  void on_store_failed(MonotonicTime now) VOICECHAN_EXCLUDES(mutex_);

  /// Nothing unless the store has failed in the last `kPause`.
  std::optional<CredentialEvidence> recall(const KeyDigest& credential, MonotonicTime now)
      VOICECHAN_EXCLUDES(mutex_);

 private:
  using Entries = RecentMap<KeyDigest, CredentialEvidence, DigestHash>;
  static constexpr std::size_t kMaxEntries = 65'536;

  const MonotonicTime::duration grace_;
  mutable Mutex mutex_;
  std::uint64_t generation_ VOICECHAN_GUARDED_BY(mutex_) = 0;
  std::optional<MonotonicTime> answered_at_ VOICECHAN_GUARDED_BY(mutex_);
  std::optional<MonotonicTime> failed_at_ VOICECHAN_GUARDED_BY(mutex_);
  Entries entries_ VOICECHAN_GUARDED_BY(mutex_){kMaxEntries};
};

}  // namespace voicechan::server
