#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "voicechan/backplane.hpp"
#include "voicechan/frame.hpp"
#include "voicechan/model.hpp"
#include "voicechan/mutex.hpp"
#include "voicechan/presence.hpp"

namespace voicechan::redis {

/// The hubs' interest in a group, or that of those who prepare it, may have changed.
struct InterestChanged {
  std::string group;
};
struct PeerWantsToEnter {
  std::string room;
  Peer peer;
};
struct PeerUpdated {
  std::string room;
  PeerId peer;
  std::string data;
};
struct PeerLeft {
  std::string room;
  PeerId peer;
};
struct VoiceMemberEntered {
  std::string room;
  std::uint64_t since;
  Identity user;
};
struct VoiceMemberLeft {
  std::string room;
  std::uint64_t since;
};
/// Published by the host, not by a hub.
struct PublishedOutside {
  std::string group;
  Frame frame;
};

using LocalEvent = std::variant<InterestChanged, PeerWantsToEnter, PeerUpdated, PeerLeft,
                                VoiceMemberEntered, VoiceMemberLeft, PublishedOutside>;

/// What happens on the hubs' threads, for the gateway's thread to take: events in their order, and
/// which groups are wanted. Thread-safe. `wake` must not block, nor call this.
class GatewayInbox : public std::enable_shared_from_this<GatewayInbox> {
 public:
  explicit GatewayInbox(std::function<void()> wake) : wake_(std::move(wake)) {}

  void push(LocalEvent event);
  std::vector<LocalEvent> take();

  void set_interest(std::string_view group, bool is_wanted);
  Preparation prepare(std::string_view group, std::function<void()> ready);

  bool is_wanted(const std::string& group);
  /// How many groups it knows of: wanted ones, and others until they are forgotten.
  std::size_t size();
  /// The group is ready, or as ready as it gets in time: tells those who wait. With `is_lasting`
  /// others need not wait any more.
  void set_ready(const std::string& group, bool is_lasting);
  /// False if the group is wanted after all; otherwise it is not ready any more.
  bool forget_unless_wanted(const std::string& group);

  /// No wake any more.
  void close();

 private:
  struct Wanted {
    bool has_interest = false;
    std::size_t holds = 0;
    bool is_ready = false;
    std::map<std::uint64_t, std::function<void()>> waiting;  // by number

    bool is_wanted() const noexcept { return has_interest || holds > 0; }
  };

  void release(const std::string& group, std::uint64_t waiter) noexcept;
  void push_locked(LocalEvent event) VOICECHAN_REQUIRES(mutex_);

  Mutex mutex_;
  std::function<void()> wake_ VOICECHAN_GUARDED_BY(mutex_);
  std::uint64_t last_waiter_ VOICECHAN_GUARDED_BY(mutex_) = 0;
  std::vector<LocalEvent> events_ VOICECHAN_GUARDED_BY(mutex_);
  std::map<std::string, Wanted, std::less<>> wanted_ VOICECHAN_GUARDED_BY(mutex_);
};

}  // namespace voicechan::redis
