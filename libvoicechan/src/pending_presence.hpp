#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "gateway_hooks.hpp"
#include "voicechan/backplane.hpp"
#include "voicechan/mutex.hpp"
#include "voicechan/presence.hpp"

namespace voicechan {

/// What local peers do, for who has to tell other nodes. Called on the hubs' threads, under a lock:
/// it must not block and must not call the presence. What one peer does is told in its order, and
/// there is nothing of it behind `on_left`, until it wants to enter again.
class LocalPeers {
 public:
  /// A peer wants to enter a room; `PendingPresence::admit` or `refuse` is due, unless it leaves
  /// before.
  virtual void on_wants_to_enter(const RoomName& room, const Peer& peer) = 0;
  /// A peer that was admitted has other data now.
  virtual void on_updated(const RoomName& room, const PeerId& peer, std::string_view data) = 0;
  /// A peer has left the room; or if it was not admitted yet, it will not be.
  virtual void on_left(const RoomName& room, const PeerId& peer) noexcept = 0;

 protected:
  ~LocalPeers() = default;
};

/// The rosters of one process among many: a local peer enters when the gateway says so, all else
/// goes to the roster at once. Mirrors of other nodes' peers enter the local presence itself.
/// Thread-safe.
class VOICECHAN_API PendingPresence final : public Presence {
 public:
  /// Both must outlive this.
  PendingPresence(InProcessBackplane& local, LocalPeers& peers)
      : local_(&local.presence()), hooks_(&gateway_hooks(local)), peers_(&peers) {}

  enum class Admission {
    entered,    ///< it is in the room, and has been told
    room_full,  ///< it has been told that it is not; `on_left` is not called
    gone,       ///< it has left before, and `on_left` was called
  };
  /// Lets a pending peer in, with its `Peer::order`. From any thread, as `refuse`.
  Admission admit(const RoomName& room, const PeerId& peer, std::uint64_t order);
  /// Tells a pending peer that it is not in the room; nothing if it has left. `on_left` is not
  /// called.
  void refuse(const RoomName& room, const PeerId& peer, Errc reason);

  EntryAnswer enter(const RoomName& room, Peer peer, std::size_t max,
                    std::uint64_t number) override;
  void update(const RoomName& room, const PeerId& peer, std::string data) override;
  void leave(const RoomName& room, const PeerId& peer) noexcept override;
  std::optional<std::uint64_t> find_since(const RoomName& room, const PeerId& peer) const override {
    return local_->find_since(room, peer);
  }
  Roster roster(const RoomName& room) const override { return local_->roster(room); }
  std::optional<std::vector<RosterChange>> changes_since(const RoomName& room,
                                                         std::uint64_t revision) const override {
    return local_->changes_since(room, revision);
  }
  RoomTotals totals() const override { return local_->totals(); }
  RoomPage list_rooms(std::string_view after, std::size_t limit) const override {
    return local_->list_rooms(after, limit);
  }

 private:
  struct Pending {
    RoomName room;
    Peer peer;
    std::size_t max;
    std::uint64_t number;
  };
  using PendingById = std::unordered_map<PeerId, Pending>;

  PendingById::iterator find(const RoomName& room, const PeerId& peer) VOICECHAN_REQUIRES(mutex_);

  Presence* const local_;
  GatewayHooks* const hooks_;
  LocalPeers* const peers_;
  // Held while a peer enters, so that it has either left before or is in the room.
  Mutex mutex_;
  PendingById pending_ VOICECHAN_GUARDED_BY(mutex_);  // of a peer there is one at most
};

}  // namespace voicechan
