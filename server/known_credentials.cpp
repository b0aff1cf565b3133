#include "known_credentials.hpp"

namespace voicechan::server {

std::uint64_t KnownCredentials::generation() const {
  const MutexLock lock(mutex_);
  return generation_;
}

void KnownCredentials::remember(const KeyDigest& credential, const CredentialEvidence& evidence,
                                std::uint64_t generation) {
  if (grace_ == MonotonicTime::duration::zero()) return;
  const MutexLock lock(mutex_);
  if (generation == generation_) entries_.get(credential) = evidence;
}

std::uint64_t KnownCredentials::forget_all() {
  const MutexLock lock(mutex_);
  entries_ = Entries(kMaxEntries);
  return ++generation_;
}

void KnownCredentials::on_store_answered(MonotonicTime now) {
  const MutexLock lock(mutex_);
  answered_at_ = now;
}

void KnownCredentials::on_store_failed(MonotonicTime now) {
  const MutexLock lock(mutex_);
  failed_at_ = now;
}

std::optional<CredentialEvidence> KnownCredentials::recall(const KeyDigest& credential,
                                                           MonotonicTime now) {
  const MutexLock lock(mutex_);
  if (!failed_at_ || now - *failed_at_ > kPause) return std::nullopt;
  if (!answered_at_ || now - *answered_at_ > grace_) return std::nullopt;
  const CredentialEvidence* const found = entries_.find(credential);
  if (found == nullptr) return std::nullopt;
  return *found;
}

}  // namespace voicechan::server
