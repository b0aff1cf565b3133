#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "voicechan/backplane.hpp"
#include "voicechan/frame.hpp"
#include "voicechan/mutex.hpp"

namespace voicechan::redis {

/// Calls `ready` when all that is waited for is there, unless it was withdrawn before. Thread-safe.
class ReadyWait {
 public:
  /// `count` things are waited for.
  ReadyWait(int count, std::function<void()> ready) : left_(count), ready_(std::move(ready)) {}

  void arrive();
  /// The last one, if it is the last: then nothing is called, and true.
  bool arrive_quietly();
  void withdraw();

 private:
  Mutex mutex_;
  int left_ VOICECHAN_GUARDED_BY(mutex_);
  std::function<void()> ready_ VOICECHAN_GUARDED_BY(mutex_);
};

/// What a hub has said in a group.
struct SaidInGroup {
  std::shared_ptr<const std::string> group;
  Frame frame;
};

/// What happens on the hubs' threads, for the layer's thread to take: which groups have members,
/// and what was said. Thread-safe. `wake` must not block, nor call this.
class ChannelLayerInbox : public std::enable_shared_from_this<ChannelLayerInbox> {
 public:
  using Clock = std::chrono::steady_clock;

  explicit ChannelLayerInbox(std::function<void()> wake) : wake_(std::move(wake)) {}

  /// One more who wants the group, or one less.
  void want(const std::string& group);
  void release(const std::string& group) noexcept;

  /// True: what is published to the group comes, or will not come for now. False: `wait` is told
  /// when that is so, or after a second. For a group that is wanted.
  bool is_ready(const std::string& group, const std::shared_ptr<ReadyWait>& wait);

  void say(std::vector<SaidInGroup> said);

  // All that follows is for the layer's thread.
  struct Taken {
    std::map<std::string, bool> groups;  // that have changed, and whether they are wanted
    std::vector<SaidInGroup> said;
  };
  Taken take();
  void set_ready(const std::string& group);
  /// No group is ready; with `can_wait` false none will be for now.
  void set_unready(bool can_wait);
  /// Those who have waited long enough.
  void end_waits(Clock::time_point now);

  /// No wake any more.
  void close();

  std::size_t groups() const;
  std::uint64_t dropped() const;

 private:
  struct Group {
    std::size_t wanted = 0;
    bool is_ready = false;
    std::vector<std::shared_ptr<ReadyWait>> waiting;
    Clock::time_point waiting_since;
  };

  void wake_locked() VOICECHAN_REQUIRES(mutex_);

  mutable Mutex mutex_;
  const std::function<void()> wake_;
  bool is_woken_ VOICECHAN_GUARDED_BY(mutex_) = false;
  bool can_wait_ VOICECHAN_GUARDED_BY(mutex_) = true;
  std::map<std::string, Group> groups_ VOICECHAN_GUARDED_BY(mutex_);
  std::vector<std::string> changed_ VOICECHAN_GUARDED_BY(mutex_);
  std::vector<SaidInGroup> said_ VOICECHAN_GUARDED_BY(mutex_);
  std::size_t said_bytes_ VOICECHAN_GUARDED_BY(mutex_) = 0;
  std::uint64_t dropped_ VOICECHAN_GUARDED_BY(mutex_) = 0;
};

}  // namespace voicechan::redis
