#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "voicechan/backplane.hpp"
#include "voicechan/frame.hpp"
#include "voicechan/model.hpp"

// What nodes say to each other over the bus: 32 bytes of header, then what its type calls for. All
// numbers are little-endian. What comes in is checked here and nowhere behind.
//
//   0 u8 magic 0xBC   1 u8 version   2 u8 type   3 u8 flags
//   4 u64 origin: the node (48 bits) and its epoch (16 bits above)
//  12 u32 sequence: counts what the origin says about its members of this group
//  16 u32 milliseconds of the origin's monotonic clock
//  20 u64 number: who speaks (frame), which question this is or answers (snapshot), which message
//         it is (signal)
//  28 u16 zero   30 u16 size of an extension behind the header, which is skipped

namespace voicechan::redis {

constexpr std::size_t kHeaderBytes = 32;
constexpr std::size_t kMaxPeerDataBytes = std::size_t{1} << 30;  // as much as may be allowed
constexpr std::size_t kMaxSnapshotMembers = 1'000'000;

/// A node, and how often it had to take a new lease.
constexpr std::uint64_t kNodeBits = 48;
constexpr std::uint64_t kNodeMask = (std::uint64_t{1} << kNodeBits) - 1;
constexpr std::uint64_t node_of(std::uint64_t origin) noexcept { return origin & kNodeMask; }
constexpr std::uint64_t make_origin(std::uint64_t node, std::uint16_t epoch) noexcept {
  return (node & kNodeMask) | std::uint64_t{epoch} << kNodeBits;
}

/// A member of a room as its own node knows it.
struct MemberRecord {
  /// What the node calls it: a signaling id, or the 8 bytes of a voice member's number.
  std::string key;
  /// Which of its comings this is: another number each time.
  std::uint32_t coming = 0;
  /// Its place in the order of coming, which its own node fixes when it announces it: more than any
  /// that is known there. It is the same everywhere for as long as the member is in the room.
  std::uint64_t position = 0;
  Identity user{UserId{0}, {}};
  /// A peer's data, as JSON text; empty for a voice member.
  std::string data;
};

struct Envelope {
  std::uint64_t origin = 0;
  std::uint32_t sequence = 0;
  std::uint32_t time_ms = 0;
  std::uint64_t number = 0;
};

/// What somebody says in a group. `Envelope::number` is the speaker's number at his node.
struct FrameMessage {
  Frame frame;
};
struct JoinMessage {
  MemberRecord member;
};
struct UpdateMessage {
  std::string key;
  std::string data;
};
struct LeaveMessage {
  std::string key;
};
/// All members that the origin has in the group. On the group's topic it asks every node for the
/// same (`is_question`); the answer goes to the asking node alone.
struct SnapshotMessage {
  bool is_question = false;
  /// The origin wants to hear what is said in the group.
  bool is_listening = false;
  /// The last sequence that this is the outcome of.
  std::uint32_t as_of = 0;
  /// The greatest position that the origin knows of.
  std::uint64_t last_position = 0;
  /// Which group, in an answer; on a group's own topic it is empty.
  std::string group;
  std::vector<MemberRecord> members;
};
/// The origin listens to the group no longer.
struct ByeMessage {};
/// What the origin's members add up to.
struct DigestMessage {
  std::uint32_t as_of = 0;
  std::uint32_t count = 0;
  std::uint64_t hash = 0;
};
/// A message to one peer. `Envelope::number` counts them from one node to another.
struct SignalMessage {
  SendTicket ticket;
  Frame frame;
};
/// What became of it. `Envelope::number` is that of the message.
struct DeliveryMessage {
  SendTicket ticket;
  Delivery delivery;
};
/// Asks for nothing: whether somebody received it is the answer.
struct ProbeMessage {};
/// The origin goes.
struct ShutdownMessage {};
/// The origin could not publish something to the group, or, on the topic of all nodes, to some
/// groups: who has another place to look for it, looks there.
struct MissedMessage {};
/// What became of messages that the receiving node was told are `queued`, it will not hear.
struct LostReportsMessage {};

using Body = std::variant<FrameMessage, JoinMessage, UpdateMessage, LeaveMessage, SnapshotMessage,
                          ByeMessage, DigestMessage, SignalMessage, DeliveryMessage, ProbeMessage,
                          ShutdownMessage, MissedMessage, LostReportsMessage>;

struct Message {
  Envelope envelope;
  Body body;
};

std::string encode(const Envelope& envelope, const Body& body);

enum class DecodeFault : std::uint8_t {
  /// Of a later version, or of a type that this one does not know.
  unknown,
  malformed,
};

/// The message, or what is wrong with it.
std::variant<Message, DecodeFault> decode(std::string_view bytes);

/// What a node calls one of its voice members.
std::string voice_key(std::uint64_t since);
/// Nothing if `key` is a signaling id.
std::optional<std::uint64_t> voice_number(std::string_view key);

/// The topic of a group, of a node, and of all nodes; `PacedBus` puts the system before it.
std::string group_topic(std::string_view group);
std::string node_topic(std::uint64_t node);
constexpr std::string_view kControlTopic = "ctl";
/// The group that a topic belongs to; nothing if it is another one.
std::optional<std::string_view> group_of_topic(std::string_view topic);

}  // namespace voicechan::redis
