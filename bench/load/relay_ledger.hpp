#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "faults.hpp"
#include "flow.hpp"
#include "payload.hpp"
#include "websocket_frame.hpp"

namespace voicechan::load {

/// The rooms of a relay load. The first members of each room are its speakers; the last members of
/// room 0 are slow readers. Members are numbered through: room * members + place in the room.
struct RelayShape {
  std::uint32_t rooms = 1;
  std::uint32_t members = 2;
  std::uint32_t speakers = 1;
  std::uint32_t slow = 0;
  std::size_t frame_bytes = kStampBytes;
  Opcode kind = Opcode::binary;

  std::uint32_t room_of(std::uint32_t member) const noexcept { return member / members; }
  std::uint32_t place_of(std::uint32_t member) const noexcept { return member % members; }
  std::uint32_t all_members() const noexcept { return rooms * members; }
  bool is_slow(std::uint32_t member) const noexcept {
    return member < members && member >= members - slow;
  }
  /// How many that are not slow must get a frame that is spoken in this room.
  std::uint32_t fast_receivers(std::uint32_t room) const noexcept {
    return members - 1 - (room == 0 ? slow : 0);
  }
};

/// Knows every frame that was sent and checks every frame that comes.
class RelayLedger {
 public:
  RelayLedger(const RelayShape& shape, std::uint32_t run);

  const RelayShape& shape() const noexcept { return shape_; }

  /// The stamp of the next frame of a speaker, which is sent now.
  Stamp issue(std::uint32_t member, std::int64_t now);

  /// Checks a message that a member got. Counts what is wrong with it. Gives its stamp if it is for
  /// this member and came for the first time.
  std::optional<Stamp> take(std::uint32_t member, Opcode kind, std::string_view payload,
                            Faults& faults);

  std::uint64_t sent() const noexcept { return sent_in_all_; }
  /// Deliveries that members who are not slow still wait for.
  std::uint64_t outstanding() const noexcept { return expected_ - arrived_; }

  /// Frames that came neither in order nor late, up to the last that came to this member.
  std::uint64_t gaps(std::uint32_t member) const noexcept;
  /// The same, and what is missing behind that of speakers for whom `is_here` holds.
  template <class IsHere>
  std::uint64_t lost(std::uint32_t member, IsHere is_here) const {
    std::uint64_t lost = gaps(member);
    const std::uint32_t first = member - shape_.place_of(member);
    for (std::uint32_t place = 0; place < shape_.speakers; ++place) {
      const std::uint32_t speaker = first + place;
      if (speaker == member || !is_here(speaker)) continue;
      lost += sent_[speaker_index(speaker)] - flow(member, place).next();
    }
    return lost;
  }

 private:
  std::size_t speaker_index(std::uint32_t member) const noexcept {
    return std::size_t{shape_.room_of(member)} * shape_.speakers + shape_.place_of(member);
  }
  const Flow& flow(std::uint32_t member, std::uint32_t speaker) const noexcept {
    return flows_[std::size_t{member} * shape_.speakers + speaker];
  }

  RelayShape shape_;
  std::uint32_t run_;
  std::vector<std::uint64_t> sent_;  // of each speaker
  std::vector<Flow> flows_;          // of each member and speaker of his room
  std::uint64_t sent_in_all_ = 0;
  std::uint64_t expected_ = 0;
  std::uint64_t arrived_ = 0;
};

}  // namespace voicechan::load
