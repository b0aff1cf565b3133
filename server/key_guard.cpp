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

void KeyGuard::count(std::error_code error) noexcept {
  if (is_refusal(error)) refusals_[static_cast<std::size_t>(error.value())].add();
  if (error == Errc::rate_limited) refusals_[kRateLimited].add();
}

KeyGuard::Admission KeyGuard::admit(const Guess& guess, MonotonicTime now) {
  const MutexLock lock(mutex_);
  MonotonicTime* const full_at = failures_of(guess).find(guess.network);
  if (full_at == nullptr || rate_.is_half_full(*full_at, now)) return Admission::free;
  if (right_keys_.find(guess.digest) != nullptr) return Admission::free;
  return rate_.take(*full_at, 1, now) ? Admission::deposit : Admission::refused;
}

void KeyGuard::settle(const Guess& guess, Admission admission, std::error_code error,
                      MonotonicTime now) {
  const MutexLock lock(mutex_);
  if (!error) {
    right_keys_.get(guess.digest);
  } else if (is_refusal(error)) {
    right_keys_.erase(guess.digest);
  }
  Failures& failures = failures_of(guess);
  if (is_guess(error)) {
    if (admission == Admission::free) rate_.charge(failures.get(guess.network), now);
  } else if (admission == Admission::deposit) {
    rate_.give_back(failures.get(guess.network));
  }
}

}  // namespace voicechan::server
