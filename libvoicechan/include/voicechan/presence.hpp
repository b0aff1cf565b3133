#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "voicechan/export.hpp"
#include "voicechan/frame.hpp"
#include "voicechan/model.hpp"
#include "voicechan/peer_id.hpp"
#include "voicechan/result.hpp"
#include "voicechan/room_page.hpp"

namespace voicechan {

/// One signaling connection as the others in its room see it.
struct Peer {
  PeerId id;
  Identity user;
  /// What the peer says about itself, as JSON text.
  std::string data;
  /// The room's revision at which it came: who came later has the greater one, and who comes again
  /// another one.
  std::uint64_t since = 0;
  /// Its place in the order of coming that holds wherever the room is seen, and as long as it is in
  /// the room: more than that of each peer of whom it was known then. 0: it is to be `since`.
  std::uint64_t order = 0;
};

/// Somebody's stay in a room.
struct Stay {
  std::uint64_t order;
  PeerId peer;
};

/// Who came later is the polite one of two, and calls. Of those whose order is the same, as they
/// came to servers that did not hear each other, it is one of the two; whoever asks, the same.
inline bool came_after(const Stay& one, const Stay& other) noexcept {
  return one.order != other.order ? one.order > other.order : one.peer.str() > other.peer.str();
}

/// Who is in a room, in the order of coming (`came_after`), and the number of changes that led
/// there.
struct Roster {
  std::uint64_t revision = 0;
  std::vector<std::shared_ptr<const Peer>> peers;
};

/// One change of a roster, by one peer.
struct VOICECHAN_API RosterChange {
  enum class Kind : std::uint8_t { joined, updated, left };

  Kind kind;
  std::uint64_t revision;
  PeerId peer;
  /// The revision at which that peer came.
  std::uint64_t since;
  /// The order of that stay.
  std::uint64_t order;
  /// The message that tells clients of it. Of a peer that joined: those that came before it.
  std::string text;

  /// The form in which it is published to `peer_group`.
  Frame to_frame() const;
  /// Nothing if the frame is of another kind.
  static std::optional<RosterChange> from_frame(const Frame& frame);
};

/// The group that hubs with peers in a signaling room are subscribed to: "signaling_<room>".
VOICECHAN_API std::string peer_group(const RoomName& room);

/// What a peer is told who wants to enter a room: the roster with it, or why it may not. Nothing:
/// the answer comes later.
using EntryAnswer = std::optional<Result<Roster>>;

/// Who is in which signaling room, over all hubs of a backplane. Every change has the room's next
/// revision and is published to `peer_group(room)`, in order: who subscribes first and enters then
/// sees each change after his own roster, and each once. Thread-safe.
class VOICECHAN_API Presence {
 public:
  virtual ~Presence() = default;

  /// Adds a peer (`peer.since` is set here, and `peer.order` if it is 0). Fails with
  /// `Errc::room_full` if there are `max` already. Without an answer the entry is pending: then
  /// exactly one `BackplaneReceiver::on_entered(number, …)` of the hub that `peer.id` names
  /// follows, out of a later poll, ahead of all changes behind the entry; until then others may see
  /// the peer in the room or not.
  virtual EntryAnswer enter(const RoomName& room, Peer peer, std::size_t max,
                            std::uint64_t number) = 0;

  /// Replaces the data of a peer that is in the room.
  virtual void update(const RoomName& room, const PeerId& peer, std::string data) = 0;

  /// Takes a peer out that is in the room, or whose entry is pending: then it will not be in the
  /// room, and `on_entered` follows only if it was under way already. A hub that goes away has its
  /// pending peers leave before.
  virtual void leave(const RoomName& room, const PeerId& peer) noexcept = 0;

  /// The revision at which a peer came that is in the room.
  virtual std::optional<std::uint64_t> find_since(const RoomName& room,
                                                  const PeerId& peer) const = 0;

  /// A room without peers is at revision 0.
  virtual Roster roster(const RoomName& room) const = 0;

  /// All changes that lead from a revision to the present one, which is the last one's, and none if
  /// it is the same. Nothing if they are not known any more, or it has not been yet.
  virtual std::optional<std::vector<RosterChange>> changes_since(const RoomName& room,
                                                                 std::uint64_t revision) const = 0;

  /// How many rooms and how many in them there are.
  virtual RoomTotals totals() const = 0;

  /// Rooms with a name behind `after`, `limit` of them at most.
  virtual RoomPage list_rooms(std::string_view after, std::size_t limit) const = 0;
};

}  // namespace voicechan
