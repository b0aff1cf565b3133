#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "voicechan/clock.hpp"
#include "voicechan/error.hpp"
#include "voicechan/export.hpp"
#include "voicechan/ids.hpp"
#include "voicechan/model.hpp"
#include "voicechan/mutex.hpp"
#include "voicechan/peer_id.hpp"

namespace voicechan {

/// One thing that happened in a signaling room: who, what, when and what became of it. Nothing that
/// a client wrote is in it but its user's name.
struct FlightEvent {
  enum class Kind : std::uint8_t {
    joined,
    left,
    /// A message to another peer.
    message,
    /// A message of `from` was not processed, for the reason in `code`.
    refused,
    /// `from` was told of ICE servers; their credentials are valid up to `until`.
    ice_servers,
    /// `from` tells that an ICE server refused it with `error_code`. `until` is as long as the
    /// oldest credentials were valid that it may be using.
    ice_error,
  };
  enum class Type : std::uint8_t { offer, answer, candidate, other };
  enum class Outcome : std::uint8_t {
    open,
    /// A candidate that waits for the offer or answer it belongs to.
    held,
    /// Handed to the peer's transport; more is not known without a receipt.
    queued,
    delivered,
    /// The peer has lost its connection and may come back for it.
    waiting,
    gone,
    unknown,
    busy,
  };

  Kind kind;
  PeerId from;
  UserId user{};
  WallTime time{};                  ///< set by the recorder
  std::uint64_t number = 0;         ///< likewise
  std::string username{};           ///< of joined
  std::optional<PeerId> to{};       ///< of message, if that peer is in the room
  Type type = Type::other;          ///< of message
  bool has_candidates = false;      ///< of an offer or answer: there are some in it
  Outcome outcome = Outcome::open;  ///< of message
  Errc code{};                      ///< of refused
  int error_code = 0;               ///< of ice_error
  std::size_t bytes = 0;            ///< of message
  std::optional<WallTime> until{};  ///< of ice_servers and ice_error
};

/// As they are written in JSON: "joined", "offer", "delivered".
///@{
VOICECHAN_API std::string_view to_string(FlightEvent::Kind kind) noexcept;
VOICECHAN_API std::string_view to_string(FlightEvent::Type type) noexcept;
VOICECHAN_API std::string_view to_string(FlightEvent::Outcome outcome) noexcept;
///@}

/// How much is recorded. In each case the oldest goes first.
struct FlightRecorderLimits {
  std::chrono::seconds max_age{600};
  std::size_t events_per_room = 512;
  /// Over all rooms, some 200 bytes each; the rooms in which nothing happened for longest go.
  std::size_t events = 131'072;
};

/// What happened lately in signaling rooms, to find out afterwards why a call failed. Shared by all
/// hubs of a process. It has no thread: what has grown too old is not shown any more, and is freed
/// when something else is recorded or asked for. Thread-safe.
class VOICECHAN_API FlightRecorder {
 public:
  /// `clock` must outlive this.
  explicit FlightRecorder(const Clock& clock, FlightRecorderLimits limits = {}) noexcept
      : clock_(&clock), limits_(limits) {}

  /// Adds an event of now; its number, by which `settle` finds it. Numbers are never given twice.
  std::uint64_t record(const RoomName& room, FlightEvent event) VOICECHAN_EXCLUDES(mutex_);

  /// Sets what became of a message; `queued` only if nothing is known yet. Does nothing if it is
  /// not in the record any more.
  void settle(const RoomName& room, std::uint64_t number, FlightEvent::Outcome outcome)
      VOICECHAN_EXCLUDES(mutex_);

  /// What is known of a room, in order.
  std::vector<FlightEvent> events(const RoomName& room) VOICECHAN_EXCLUDES(mutex_);

  WallTime now() const noexcept { return clock_->now(); }

 private:
  struct Room {
    std::deque<FlightEvent> events;  // never empty
    std::list<std::string>::iterator place;
  };
  using Rooms = std::map<std::string, Room, std::less<>>;

  void forget_old(WallTime now) VOICECHAN_REQUIRES(mutex_);
  void pop_front(Room& room) VOICECHAN_REQUIRES(mutex_);
  void drop(Rooms::iterator room) VOICECHAN_REQUIRES(mutex_);

  const Clock* const clock_;
  const FlightRecorderLimits limits_;
  Mutex mutex_;
  Rooms rooms_ VOICECHAN_GUARDED_BY(mutex_);
  std::list<std::string> by_use_ VOICECHAN_GUARDED_BY(mutex_);  // the one recorded last is last
  std::size_t size_ VOICECHAN_GUARDED_BY(mutex_) = 0;           // events of all rooms
  std::uint64_t last_number_ VOICECHAN_GUARDED_BY(mutex_) = 0;
};

}  // namespace voicechan
