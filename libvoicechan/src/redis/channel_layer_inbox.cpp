#include "redis/channel_layer_inbox.hpp"

#include <utility>

namespace voicechan::redis {
namespace {

constexpr std::chrono::milliseconds kReadyWithin{1000};
// While the layer's thread does not come to it.
constexpr std::size_t kMaxSaidBytes = std::size_t{8} << 20;

}  // namespace

// `ready` is called within the lock, so that it is not called after it was withdrawn.
void ReadyWait::arrive() {
  const MutexLock lock(mutex_);
  if (--left_ == 0 && ready_) std::exchange(ready_, nullptr)();
}

bool ReadyWait::arrive_quietly() {
  const MutexLock lock(mutex_);
  if (--left_ > 0) return false;
  ready_ = nullptr;
  return true;
}

void ReadyWait::withdraw() {
  const MutexLock lock(mutex_);
  ready_ = nullptr;
}

void ChannelLayerInbox::want(const std::string& group) {
  const MutexLock lock(mutex_);
  if (groups_[group].wanted++ > 0) return;
  changed_.push_back(group);
  wake_locked();
}

void ChannelLayerInbox::release(const std::string& group) noexcept {
  const MutexLock lock(mutex_);
  if (--groups_.find(group)->second.wanted > 0) return;
  changed_.push_back(group);
  wake_locked();
}

bool ChannelLayerInbox::is_ready(const std::string& group, const std::shared_ptr<ReadyWait>& wait) {
  const MutexLock lock(mutex_);
  Group& found = groups_.find(group)->second;
  if (found.is_ready || !can_wait_) return true;
  if (found.waiting.empty()) found.waiting_since = Clock::now();
  found.waiting.push_back(wait);
  return false;
}

void ChannelLayerInbox::say(std::vector<SaidInGroup> said) {
  const MutexLock lock(mutex_);
  for (SaidInGroup& each : said) {
    if (said_bytes_ + each.frame.size() > kMaxSaidBytes) {
      ++dropped_;
      continue;
    }
    said_bytes_ += each.frame.size();
    said_.push_back(std::move(each));
  }
  wake_locked();
}

void ChannelLayerInbox::wake_locked() {
  if (!std::exchange(is_woken_, true)) wake_();
}

ChannelLayerInbox::Taken ChannelLayerInbox::take() {
  const MutexLock lock(mutex_);
  is_woken_ = false;
  Taken taken;
  for (std::string& name : std::exchange(changed_, {})) {
    const auto group = groups_.find(name);
    const bool is_wanted = group != groups_.end() && group->second.wanted > 0;
    if (!is_wanted && group != groups_.end()) groups_.erase(group);
    taken.groups.insert_or_assign(std::move(name), is_wanted);
  }
  taken.said = std::exchange(said_, {});
  said_bytes_ = 0;
  return taken;
}

void ChannelLayerInbox::set_ready(const std::string& group) {
  const MutexLock lock(mutex_);
  can_wait_ = true;
  const auto found = groups_.find(group);
  if (found == groups_.end()) return;
  found->second.is_ready = true;
  for (const auto& wait : std::exchange(found->second.waiting, {})) wait->arrive();
}

void ChannelLayerInbox::set_unready(bool can_wait) {
  const MutexLock lock(mutex_);
  can_wait_ = can_wait;
  for (auto& [name, group] : groups_) {
    group.is_ready = false;
    if (can_wait) continue;
    for (const auto& wait : std::exchange(group.waiting, {})) wait->arrive();
  }
}

void ChannelLayerInbox::end_waits(Clock::time_point now) {
  const MutexLock lock(mutex_);
  for (auto& [name, group] : groups_) {
    if (group.waiting.empty() || now - group.waiting_since < kReadyWithin) continue;
    for (const auto& wait : std::exchange(group.waiting, {})) wait->arrive();
  }
}

void ChannelLayerInbox::close() {
  const MutexLock lock(mutex_);
  is_woken_ = true;  // nobody takes any more
}

std::size_t ChannelLayerInbox::groups() const {
  const MutexLock lock(mutex_);
  return groups_.size();
}

std::uint64_t ChannelLayerInbox::dropped() const {
  const MutexLock lock(mutex_);
  return dropped_;
}

}  // namespace voicechan::redis
