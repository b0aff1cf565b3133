#pragma once

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

#include "group.hpp"
#include "voice_watchers.hpp"

namespace voicechan {

/// All that one hub has of a group: its members, and if it is a voice room, those of them who are
/// told of each other. One thread at a time.
struct LocalGroup {
  LocalGroup(std::unique_ptr<Subscription> subscription, std::chrono::milliseconds window)
      : plain(std::move(subscription), window) {}

  /// `from`, or `watcher` if he is one, is the sender if that is a member of this hub.
  void fan_out(const Frame& frame, const Group::Membership* from, VoiceWatchers::Place* watcher,
               MonotonicTime now) {
    if (watchers == nullptr) return plain.fan_out(frame, from, now);
    ++uses;
    const bool is_of_this_hub = from != nullptr || watcher != nullptr;
    // The sender's own part first: it may be gone when others have been sent to.
    if (from != nullptr) plain.fan_out(frame, from, now);
    watchers->relay(frame, watcher, is_of_this_hub, now);
    if (from == nullptr) plain.fan_out(frame, nullptr, now);
    --uses;
  }

  bool is_held() const noexcept {
    return plain.is_held() || (watchers != nullptr && watchers->is_held());
  }
  MonotonicTime next_release() const noexcept {
    MonotonicTime next = MonotonicTime::max();
    if (plain.is_held()) next = plain.next_release();
    if (watchers != nullptr && watchers->is_held()) {
      next = std::min(next, watchers->next_release());
    }
    return next;
  }
  void release(MonotonicTime now) noexcept {
    ++uses;
    if (plain.is_held() && plain.next_release() <= now) plain.release(now);
    if (watchers != nullptr && watchers->is_held() && watchers->next_release() <= now) {
      watchers->release(now);
    }
    --uses;
  }

  /// True if nobody is left and nothing is being sent: the group can be destroyed.
  bool is_disposable() noexcept {
    if (uses > 0) return false;
    if (watchers != nullptr && watchers->is_disposable()) watchers = nullptr;
    return watchers == nullptr && plain.is_disposable();
  }

  Group plain;
  std::unique_ptr<VoiceWatchers> watchers;  // while there are such
  unsigned uses = 0;                        // calls under way that go on to use this
  bool is_paced = false;                    // is in the hub's list of those that hold frames back
};

}  // namespace voicechan
