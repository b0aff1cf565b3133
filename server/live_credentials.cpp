#include "live_credentials.hpp"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

namespace voicechan::server {

std::uint64_t LiveCredentials::last_check() const {
  const MutexLock lock(mutex_);
  return last_check_;
}

std::shared_ptr<const LiveCredential> LiveCredentials::enter(const CredentialBasis& basis,
                                                             std::uint64_t check) {
  const MutexLock lock(mutex_);
  if (check != last_check_) return nullptr;
  if (entries_.size() >= sweep_at_) sweep();
  std::weak_ptr<LiveCredential>& entry = entries_[basis];
  auto credential = entry.lock();
  // One that was revoked and is valid again (its entry on the deny-list has ended) begins anew.
  if (credential == nullptr || credential->is_revoked()) {
    credential = std::make_shared<LiveCredential>();
    entry = credential;
  }
  return credential;
}

LiveCredentials::Outcome LiveCredentials::check(
    const std::function<Result<bool>(const CredentialBasis&)>& is_valid) {
  std::vector<std::pair<CredentialBasis, std::shared_ptr<LiveCredential>>> present;
  {
    const MutexLock lock(mutex_);
    ++last_check_;
    for (const auto& [basis, entry] : entries_) {
      auto credential = entry.lock();
      if (credential != nullptr) present.emplace_back(basis, std::move(credential));
    }
  }
  Outcome outcome;
  for (const auto& [basis, credential] : present) {
    if (credential->is_revoked()) continue;
    const auto still_valid = is_valid(basis);
    if (!still_valid) {
      outcome.failure = still_valid.error();
    } else if (!*still_valid) {
      credential->revoke();
      ++outcome.revoked;
    }
  }
  return outcome;
}

std::size_t LiveCredentials::size() const {
  const MutexLock lock(mutex_);
  return entries_.size();
}

void LiveCredentials::sweep() {
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    entry = entry->second.expired() ? entries_.erase(entry) : std::next(entry);
  }
  sweep_at_ = std::max<std::size_t>(64, 2 * entries_.size());
}

}  // namespace voicechan::server
