#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "voicechan/export.hpp"
#include "voicechan/frame.hpp"
#include "voicechan/model.hpp"
#include "voicechan/room_page.hpp"

namespace voicechan {

/// One connection in a voice room.
struct VoiceMember {
  /// The room's revision at which it came. No other member of the room has had it.
  std::uint64_t since = 0;
  Identity user;
};

/// The number by which clients know a member: never 0, and another one for each who has been in
/// the room, unless there were four thousand million changes between.
constexpr std::uint32_t voice_member_number(std::uint64_t since) noexcept {
  constexpr std::uint64_t kNumbers = 0xFFFF'FFFF;
  return since == 0 ? 0 : static_cast<std::uint32_t>((since - 1) % kNumbers + 1);
}

/// One change of who is in a voice room.
struct VOICECHAN_API VoiceChange {
  std::uint64_t revision;
  /// The message that tells clients of it.
  std::string text;

  /// The form in which it is published to `voice_members_group`.
  Frame to_frame() const;
  /// Nothing if the frame is of another kind.
  static std::optional<VoiceChange> from_frame(const Frame& frame);
};

/// Some members of a room, in the order of coming.
struct VoiceMemberPage {
  /// The number of changes that led there; 0 for a room without members.
  std::uint64_t revision = 0;
  std::vector<VoiceMember> members;
  /// There are members behind these.
  bool has_more = false;
};

/// The group that hubs with watching members of a voice room are subscribed to: "members_<room>".
VOICECHAN_API std::string voice_members_group(const RoomName& room);

/// Who is in which voice room, over all hubs of a backplane. A member may watch, which is to be
/// told of the others: while somebody in a room does, every change of it has the next revision and
/// is published to `voice_members_group(room)`, in order. Who subscribes first and enters then sees
/// each change behind his own entry, and each once. Revisions of a name never go back, not even
/// when the room has been empty. Thread-safe.
class VOICECHAN_API VoicePresence {
 public:
  /// What a member is given when he enters.
  struct Entry {
    /// The revision of his coming; his number in the room follows from it.
    std::uint64_t since;
    /// To one who watches: what leads to this revision. The roster at an earlier one, the changes
    /// from there on, and his own coming. Frames are shared between those who come at the same
    /// time.
    std::vector<Frame> messages;
  };

  /// The answer to a member who asks what has changed.
  struct Answer {
    /// It is to be sent behind all changes up to this revision.
    std::uint64_t revision;
    Frame message;
  };

  static constexpr std::size_t kNoLimit = static_cast<std::size_t>(-1);

  virtual ~VoicePresence() = default;

  /// Adds a member to a room, which may have been empty.
  virtual Entry enter(const RoomName& room, Identity user, bool watches) = 0;

  /// Takes a member that has entered out of its room.
  virtual void leave(std::string_view room, std::uint64_t since, bool watches) noexcept = 0;

  /// What leads from an older revision to the present one, for one who watches.
  virtual Answer changes_since(std::string_view room, std::uint64_t revision) const = 0;

  /// Those who came after the revision `after`, `limit` of them at most.
  virtual VoiceMemberPage list(const RoomName& room, std::uint64_t after = 0,
                               std::size_t limit = kNoLimit) const = 0;

  /// How many rooms and how many in them there are.
  virtual RoomTotals totals() const = 0;

  /// Rooms with a name behind `after`, `limit` of them at most.
  virtual RoomPage list_rooms(std::string_view after, std::size_t limit) const = 0;
};

}  // namespace voicechan
