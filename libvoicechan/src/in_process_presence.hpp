#pragma once

#include <deque>
#include <functional>
#include <map>
#include <string>
#include <unordered_map>

#include "voicechan/backplane.hpp"
#include "voicechan/mutex.hpp"
#include "voicechan/presence.hpp"

namespace voicechan {

/// The rosters of one process. One lock for all: it is held to change a roster and to hand the
/// change to the hubs, so that all see one order; nothing is relayed under it.
class InProcessPresence final : public Presence {
 public:
  /// Changes are remembered up to this number and these bytes per room.
  static constexpr std::size_t kMaxChanges = 128;
  static constexpr std::size_t kMaxChangeBytes = 16u << 10;

  explicit InProcessPresence(Backplane& backplane) : backplane_(&backplane) {}

  EntryAnswer enter(const RoomName& room, Peer peer, std::size_t max,
                    std::uint64_t number) override;
  /// The same; `tell` is called with the answer before anything else can change the room. It must
  /// not call the presence.
  using Tell = std::function<void(const Result<Roster>&)>;
  Result<Roster> enter_and_tell(const RoomName& room, Peer peer, std::size_t max, const Tell& tell);
  void update(const RoomName& room, const PeerId& peer, std::string data) override;
  void leave(const RoomName& room, const PeerId& peer) noexcept override;
  std::optional<std::uint64_t> find_since(const RoomName& room, const PeerId& peer) const override;
  Roster roster(const RoomName& room) const override;
  std::optional<std::vector<RosterChange>> changes_since(const RoomName& room,
                                                         std::uint64_t revision) const override;
  RoomTotals totals() const override;
  RoomPage list_rooms(std::string_view after, std::size_t limit) const override;

 private:
  struct CameBefore {
    bool operator()(const Stay& a, const Stay& b) const noexcept { return came_after(b, a); }
  };
  using Peers = std::map<Stay, std::shared_ptr<const Peer>, CameBefore>;
  struct Room {
    std::uint64_t revision = 0;
    Peers peers;
    std::unordered_map<PeerId, Peers::iterator> places;
    std::deque<RosterChange> changes;  // the newest ones, without gap
    std::size_t change_bytes = 0;

    Roster roster() const;
  };

  Result<Roster> add(const RoomName& room, Peer peer, std::size_t max) VOICECHAN_REQUIRES(mutex_);
  void publish(const RoomName& name, Room& room, RosterChange change) VOICECHAN_REQUIRES(mutex_);

  Backplane* const backplane_;
  mutable Mutex mutex_;
  std::size_t peer_count_ VOICECHAN_GUARDED_BY(mutex_) = 0;
  std::map<std::string, Room, std::less<>> rooms_ VOICECHAN_GUARDED_BY(mutex_);
  // The greatest revision of a room that has ended. New ones go on from there: a change of an
  // earlier room of that name may still be on its way to a hub.
  std::uint64_t last_ended_ VOICECHAN_GUARDED_BY(mutex_) = 0;
};

}  // namespace voicechan
