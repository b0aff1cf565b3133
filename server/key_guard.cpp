#include "key_guard.hpp"

#include "credential_error.hpp"

namespace voicechan::server {
namespace {

/// What a guesser gets to hear; the others are about a token that somebody we trust has signed.
bool is_guess(std::error_code error) noexcept {
  return error == CredentialErrc::unknown_key || error == CredentialErrc::malformed_token ||
         error == CredentialErrc::untrusted_token;
}

}  // namespace

KeyGuard::Admission KeyGuard::admit(const ClientAddress& network, const KeyDigest& digest,
                                    MonotonicTime now) {
  const MutexLock lock(mutex_);
  MonotonicTime* const full_at = failures_.find(network);
  if (full_at == nullptr || rate_.is_half_full(*full_at, now)) return Admission::free;
  if (right_keys_.find(digest) != nullptr) return Admission::free;
  return rate_.take(*full_at, 1, now) ? Admission::deposit : Admission::refused;
}

void KeyGuard::settle(const ClientAddress& network, const KeyDigest& digest, Admission admission,
                      std::error_code error, MonotonicTime now) {
  const MutexLock lock(mutex_);
  if (!error) {
    right_keys_.get(digest);
  } else if (is_refusal(error)) {
    right_keys_.erase(digest);
  }
  if (is_guess(error)) {
    if (admission == Admission::free) rate_.charge(failures_.get(network), now);
  } else if (admission == Admission::deposit) {
    rate_.give_back(failures_.get(network));
  }
}

}  // namespace voicechan::server
