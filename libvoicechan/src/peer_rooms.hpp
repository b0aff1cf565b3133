#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "candidate_hold.hpp"
#include "voicechan/backplane.hpp"
#include "voicechan/clock.hpp"
#include "voicechan/flight_recorder.hpp"
#include "voicechan/frame.hpp"
#include "voicechan/presence.hpp"
#include "voicechan/transport.hpp"

namespace voicechan {

/// The signaling rooms that one hub has peers in. Sending to a peer may take any peer out of its
/// room and let others enter. One thread at a time.
class PeerRooms {
  struct Room;
  /// A change as others than the peer itself are told of it.
  struct Told {
    Frame message;
    std::optional<Frame> late;  // for those who came after the peer that joined, once there is one
  };

 public:
  /// One peer's place in a room; its destruction is the leave.
  class Place {
   public:
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    ~Place();

    const RoomName& room() const noexcept;
    const Stay& stay() const noexcept { return stay_; }
    void update(std::string data);
    /// Who is there; of what led there the peer is not told again.
    Roster roster();
    /// As of `Presence`, but nothing from before the peer's own coming: an earlier roster was not
    /// its own. The peer is not told of these again.
    std::optional<std::vector<RosterChange>> changes_since(std::uint64_t revision);
    /// The revision at which a peer came that is in the same room.
    std::optional<std::uint64_t> find_since(const PeerId& peer) const;

    /// Records an event of this peer; its number, or 0 if nothing is recorded.
    std::uint64_t record(FlightEvent event) const;
    void settle(std::uint64_t number, FlightEvent::Outcome outcome) const;

    /// The peer has asked for ICE servers and got credentials valid up to `end`. It may be using
    /// these however often it is told of new ones.
    void start_using_ice(WallTime end) { ice_end_ = end; }
    std::optional<WallTime> ice_end() const noexcept { return ice_end_; }

    void set_transport(Transport& transport) noexcept { transport_ = &transport; }

    CandidateHold& candidates() noexcept { return candidates_; }

   private:
    friend class PeerRooms;
    Place(PeerRooms& rooms, std::shared_ptr<Room> room, const Stay& stay, UserId user,
          Transport& transport, std::uint64_t revision)
        : rooms_(&rooms),
          room_(std::move(room)),
          stay_(stay),
          user_(user),
          transport_(&transport),
          since_(revision),
          seen_(revision) {}

    /// Tells the peer of a change.
    void tell(const RosterChange& change, Told& told);

    PeerRooms* const rooms_;
    const std::shared_ptr<Room> room_;
    const Stay stay_;
    const UserId user_;
    Transport* transport_;
    CandidateHold candidates_;  // of this peer for others
    std::optional<std::multimap<MonotonicTime, Place*>::iterator> refresh_;
    std::optional<WallTime> ice_end_;
    const std::uint64_t since_;  // the revision of its coming
    std::uint64_t seen_;         // the peer knows of all changes up to this revision
  };

  /// All must outlive this. `recorder` may be null.
  PeerRooms(BackplanePort& port, Presence& presence, FlightRecorder* recorder)
      : port_(&port), presence_(&presence), recorder_(recorder) {}

  bool is_recording() const noexcept { return recorder_ != nullptr; }

  struct Entered {
    std::unique_ptr<Place> place;
    Roster roster;
  };

  /// A peer that waits to be let into a room; its destruction is the leave.
  class Entry {
   public:
    Entry(PeerRooms& rooms, std::shared_ptr<Room> room, const Identity& user, const PeerId& id)
        : rooms_(&rooms), room_(std::move(room)), user_(user), id_(id) {
      ++room_->entry_count;
    }
    Entry(const Entry&) = delete;
    Entry& operator=(const Entry&) = delete;
    ~Entry();

    const RoomName& room() const noexcept { return room_->name; }
    /// `answer` is that of the presence. To be called once, by who owns this, and only then.
    Result<Entered> finish(Result<Roster> answer, Transport& transport);

   private:
    PeerRooms* const rooms_;
    std::shared_ptr<Room> room_;  // until it is finished
    const Identity user_;
    const PeerId id_;
  };

  /// Takes a peer into a room; the roster with it. Fails with `Errc::room_full` if there are `max`.
  /// An entry, if the presence answers later, by `number`.
  std::variant<Result<Entered>, std::unique_ptr<Entry>> enter(const RoomName& name, Peer peer,
                                                              Transport& transport, std::size_t max,
                                                              std::uint64_t number);

  /// Sets the time at which a peer is to be told again what does not hold for ever.
  void refresh_at(Place& place, MonotonicTime time);
  /// A peer whose time has come, if there is one: it is not given again.
  std::optional<PeerId> take_due(MonotonicTime now);
  /// When the next one's is; `MonotonicTime::max()`: never.
  MonotonicTime next_due() const noexcept;

  /// Tells the peers of a change that was published to their room's group.
  void on_publish(std::string_view group, const Frame& frame);

 private:
  struct Room {
    RoomName name;
    std::unique_ptr<Subscription> subscription;
    std::unordered_map<PeerId, Place*> places;
    std::size_t entry_count = 0;
  };

  Result<Entered> settle(std::shared_ptr<Room> room, const Identity& user, const PeerId& id,
                         Transport& transport, Result<Roster> answer);
  void drop_if_empty(Room& room) noexcept;

  BackplanePort* const port_;
  Presence* const presence_;
  FlightRecorder* const recorder_;
  std::map<std::string, std::shared_ptr<Room>, std::less<>> rooms_;  // by group
  std::multimap<MonotonicTime, Place*> refreshes_;                   // one of each place at most
};

}  // namespace voicechan
