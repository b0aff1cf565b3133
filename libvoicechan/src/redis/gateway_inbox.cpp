#include "gateway_inbox.hpp"

namespace voicechan::redis {

void GatewayInbox::push(LocalEvent event) {
  const MutexLock lock(mutex_);
  push_locked(std::move(event));
}

void GatewayInbox::push_locked(LocalEvent event) {
  events_.push_back(std::move(event));
  if (events_.size() == 1 && wake_) wake_();
}

std::vector<LocalEvent> GatewayInbox::take() {
  const MutexLock lock(mutex_);
  return std::exchange(events_, {});
}

void GatewayInbox::set_interest(std::string_view group, bool is_wanted) {
  const MutexLock lock(mutex_);
  auto found = wanted_.find(group);
  if (found == wanted_.end()) found = wanted_.emplace(group, Wanted{}).first;
  found->second.has_interest = is_wanted;
  push_locked(InterestChanged{found->first});
}

Preparation GatewayInbox::prepare(std::string_view group, std::function<void()> ready) {
  const MutexLock lock(mutex_);
  auto found = wanted_.find(group);
  if (found == wanted_.end()) found = wanted_.emplace(group, Wanted{}).first;
  Wanted& wanted = found->second;
  ++wanted.holds;
  // It may outlive the backplane.
  const std::uint64_t number = ++last_waiter_;
  auto release = [inbox = weak_from_this(), name = found->first, number](void*) {
    if (const auto alive = inbox.lock()) alive->release(name, number);
  };
  Preparation preparation{std::shared_ptr<void>(this, std::move(release)), wanted.is_ready};
  if (wanted.is_ready) return preparation;
  wanted.waiting.emplace(number, std::move(ready));
  push_locked(InterestChanged{found->first});
  return preparation;
}

void GatewayInbox::release(const std::string& group, std::uint64_t waiter) noexcept {
  const MutexLock lock(mutex_);
  const auto found = wanted_.find(group);
  --found->second.holds;
  found->second.waiting.erase(waiter);
  push_locked(InterestChanged{group});
}

bool GatewayInbox::is_wanted(const std::string& group) {
  const MutexLock lock(mutex_);
  const auto found = wanted_.find(group);
  return found != wanted_.end() && found->second.is_wanted();
}

std::size_t GatewayInbox::size() {
  const MutexLock lock(mutex_);
  return wanted_.size();
}

void GatewayInbox::set_ready(const std::string& group, bool is_lasting) {
  const MutexLock lock(mutex_);
  const auto found = wanted_.find(group);
  if (found == wanted_.end()) return;
  found->second.is_ready = found->second.is_ready || is_lasting;
  // Within the lock: who has released his hold is not told any more.
  for (const auto& each : std::exchange(found->second.waiting, {})) each.second();
}

bool GatewayInbox::forget_unless_wanted(const std::string& group) {
  const MutexLock lock(mutex_);
  const auto found = wanted_.find(group);
  if (found == wanted_.end()) return true;
  if (found->second.is_wanted()) return false;
  wanted_.erase(found);
  return true;
}

void GatewayInbox::close() {
  const MutexLock lock(mutex_);
  wake_ = nullptr;
}

}  // namespace voicechan::redis
