#include "envelope.hpp"

#include <array>
#include <utility>

#include "../signaling_message.hpp"
#include "../unicode.hpp"
#include "byte_reader.hpp"

namespace voicechan::redis {
namespace {

constexpr std::uint8_t kMagic = 0xBC;
constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kMaxUsernameBytes = 600;  // 150 characters
constexpr std::size_t kMaxGroupBytes = 4096;
constexpr std::size_t kMaxJsonDepth = 1000;  // as much as a server may be told to take
constexpr std::size_t kVoiceKeyBytes = 8;
constexpr std::string_view kGroupTopicPrefix = "g:";

// Flags of a frame.
constexpr std::uint8_t kBinary = 1;
constexpr std::uint8_t kMedia = 2;
// Flags of a snapshot.
constexpr std::uint8_t kQuestion = 1;
constexpr std::uint8_t kListening = 2;

std::uint8_t flags_of(const Frame& frame) noexcept {
  return static_cast<std::uint8_t>((frame.kind() == FrameKind::binary ? kBinary : 0) |
                                   (frame.frame_class() == FrameClass::media ? kMedia : 0));
}

void put(std::string& out, const MemberRecord& member) {
  put_text<std::uint8_t>(out, member.key);
  put_number(out, member.coming);
  put_number(out, member.position);
  put_number(out, static_cast<std::uint64_t>(member.user.id.value));
  put_text<std::uint16_t>(out, member.user.username);
  put_text<std::uint32_t>(out, member.data);
}

void put(std::string& out, const SendTicket& ticket) {
  out.append(ticket.from.str()).append(ticket.to.str());
  put_number(out, ticket.receipt);
  put_number(out, ticket.flight);
  put_number(out, static_cast<std::uint64_t>(ticket.waits_for.count()));
}

struct Encoder {
  std::string& out;

  std::uint8_t operator()(const FrameMessage& message) {
    out += message.frame.bytes();
    return flags_of(message.frame);
  }
  std::uint8_t operator()(const JoinMessage& message) {
    put(out, message.member);
    return 0;
  }
  std::uint8_t operator()(const UpdateMessage& message) {
    put_text<std::uint8_t>(out, message.key);
    put_text<std::uint32_t>(out, message.data);
    return 0;
  }
  std::uint8_t operator()(const LeaveMessage& message) {
    put_text<std::uint8_t>(out, message.key);
    return 0;
  }
  std::uint8_t operator()(const SnapshotMessage& message) {
    put_number(out, message.as_of);
    put_number(out, message.last_position);
    put_text<std::uint16_t>(out, message.group);
    put_number(out, static_cast<std::uint32_t>(message.members.size()));
    for (const MemberRecord& member : message.members) put(out, member);
    return static_cast<std::uint8_t>((message.is_question ? kQuestion : 0) |
                                     (message.is_listening ? kListening : 0));
  }
  std::uint8_t operator()(const DigestMessage& message) {
    put_number(out, message.as_of);
    put_number(out, message.count);
    put_number(out, message.hash);
    return 0;
  }
  std::uint8_t operator()(const SignalMessage& message) {
    put(out, message.ticket);
    put_number(out, message.frame.source());
    out += message.frame.bytes();
    return flags_of(message.frame);
  }
  std::uint8_t operator()(const DeliveryMessage& message) {
    put(out, message.ticket);
    put_number(out, static_cast<std::uint8_t>(message.delivery));
    return 0;
  }
  std::uint8_t operator()(const ByeMessage&) { return 0; }
  std::uint8_t operator()(const ProbeMessage&) { return 0; }
  std::uint8_t operator()(const ShutdownMessage&) { return 0; }
  std::uint8_t operator()(const MissedMessage&) { return 0; }
  std::uint8_t operator()(const LostReportsMessage&) { return 0; }
};

std::string take_key(ByteReader& in) {
  std::string key(in.take_text<std::uint8_t>(PeerId::kLength));
  if (key.size() == PeerId::kLength ? !PeerId::parse(key) : key.size() != kVoiceKeyBytes) in.fail();
  return key;
}

/// What a peer says of itself becomes a part of messages to clients as it is.
std::string take_data(ByteReader& in) {
  const std::string_view data = in.take_text<std::uint32_t>(kMaxPeerDataBytes);
  if (!unicode::is_utf8(data) || !is_json(data, kMaxJsonDepth)) in.fail();
  return std::string(data);
}

MemberRecord take_member(ByteReader& in) {
  MemberRecord member;
  member.key = take_key(in);
  member.coming = in.take<std::uint32_t>();
  member.position = in.take<std::uint64_t>();
  member.user.id = UserId{static_cast<std::int64_t>(in.take<std::uint64_t>())};
  member.user.username = in.take_text<std::uint16_t>(kMaxUsernameBytes);
  if (!unicode::is_utf8(member.user.username)) in.fail();
  if (member.key.size() == kVoiceKeyBytes) {
    if (in.take<std::uint32_t>() != 0) in.fail();
  } else if (in.is_good()) {
    member.data = take_data(in);
  }
  return member;
}

/// Nothing if an id is not one; the reader has failed then.
std::optional<SendTicket> take_ticket(ByteReader& in) {
  const auto from = PeerId::parse(in.take_bytes(PeerId::kLength));
  const auto to = PeerId::parse(in.take_bytes(PeerId::kLength));
  if (!from || !to) {
    in.fail();
    return std::nullopt;
  }
  SendTicket ticket{*from, *to};
  ticket.receipt = in.take<std::uint64_t>();
  ticket.flight = in.take<std::uint64_t>();
  constexpr std::uint64_t kDay = 86'400'000;
  const auto waits_for = in.take<std::uint64_t>();
  if (waits_for > kDay) in.fail();
  ticket.waits_for = std::chrono::milliseconds(waits_for);
  return ticket;
}

Frame take_frame(ByteReader& in, std::uint8_t flags, std::uint64_t source) {
  std::string bytes(in.take_rest());
  const FrameKind kind = (flags & kBinary) != 0 ? FrameKind::binary : FrameKind::text;
  if (kind == FrameKind::text && !unicode::is_utf8(bytes)) in.fail();
  return Frame(kind, (flags & kMedia) != 0 ? FrameClass::media : FrameClass::control,
               std::move(bytes), source);
}

SnapshotMessage take_snapshot(ByteReader& in, std::uint8_t flags) {
  SnapshotMessage message;
  message.is_question = (flags & kQuestion) != 0;
  message.is_listening = (flags & kListening) != 0;
  message.as_of = in.take<std::uint32_t>();
  message.last_position = in.take<std::uint64_t>();
  message.group = in.take_text<std::uint16_t>(kMaxGroupBytes);
  const auto count = in.take<std::uint32_t>();
  if (count > kMaxSnapshotMembers) in.fail();
  for (std::uint32_t i = 0; i < count && in.is_good(); ++i) {
    message.members.push_back(take_member(in));
  }
  return message;
}

void take_signal(ByteReader& in, std::uint8_t flags, Body& body) {
  const auto ticket = take_ticket(in);
  if (!ticket) return;
  const auto source = in.take<std::uint64_t>();
  body = SignalMessage{*ticket, take_frame(in, flags, source)};
}

void take_delivery(ByteReader& in, Body& body) {
  const auto ticket = take_ticket(in);
  const auto delivery = in.take<std::uint8_t>();
  if (!ticket || delivery > static_cast<std::uint8_t>(Delivery::waiting)) return in.fail();
  body = DeliveryMessage{*ticket, static_cast<Delivery>(delivery)};
}

UpdateMessage take_update(ByteReader& in) {
  std::string key = take_key(in);
  return {std::move(key), take_data(in)};
}

DigestMessage take_digest(ByteReader& in) {
  DigestMessage digest;
  digest.as_of = in.take<std::uint32_t>();
  digest.count = in.take<std::uint32_t>();
  digest.hash = in.take<std::uint64_t>();
  return digest;
}

/// False for a type that is not known.
bool take_body(ByteReader& in, std::uint8_t type, std::uint8_t flags, std::uint64_t number,
               Body& body) {
  switch (type) {
    case 1:
      body = FrameMessage{take_frame(in, flags, number)};
      return true;
    case 2:
      body = JoinMessage{take_member(in)};
      return true;
    case 3:
      body = take_update(in);
      return true;
    case 4:
      body = LeaveMessage{take_key(in)};
      return true;
    case 5:
      body = take_snapshot(in, flags);
      return true;
    case 6:
      body = ByeMessage{};
      return true;
    case 7:
      body = take_digest(in);
      return true;
    case 8:
      take_signal(in, flags, body);
      return true;
    case 9:
      take_delivery(in, body);
      return true;
    case 10:
      body = ProbeMessage{};
      return true;
    case 11:
      body = ShutdownMessage{};
      return true;
    case 12:
      body = MissedMessage{};
      return true;
    case 13:
      body = LostReportsMessage{};
      return true;
    default:
      return false;
  }
}

}  // namespace

std::string encode(const Envelope& envelope, const Body& body) {
  std::string out;
  std::size_t expected = kHeaderBytes;
  if (const auto* frame = std::get_if<FrameMessage>(&body)) expected += frame->frame.size();
  out.reserve(expected);
  put_number(out, kMagic);
  put_number(out, kVersion);
  put_number(out, static_cast<std::uint8_t>(body.index() + 1));
  put_number(out, std::uint8_t{0});
  put_number(out, envelope.origin);
  put_number(out, envelope.sequence);
  put_number(out, envelope.time_ms);
  put_number(out, envelope.number);
  put_number(out, std::uint32_t{0});
  out[3] = static_cast<char>(std::visit(Encoder{out}, body));
  return out;
}

std::variant<Message, DecodeFault> decode(std::string_view bytes) {
  ByteReader in(bytes);
  if (in.take<std::uint8_t>() != kMagic) return DecodeFault::malformed;
  const auto version = in.take<std::uint8_t>();
  if (version != kVersion) return in.is_good() ? DecodeFault::unknown : DecodeFault::malformed;
  const auto type = in.take<std::uint8_t>();
  const auto flags = in.take<std::uint8_t>();
  Envelope envelope;
  envelope.origin = in.take<std::uint64_t>();
  envelope.sequence = in.take<std::uint32_t>();
  envelope.time_ms = in.take<std::uint32_t>();
  envelope.number = in.take<std::uint64_t>();
  in.take<std::uint16_t>();
  in.take_bytes(in.take<std::uint16_t>());
  Message message{envelope, ProbeMessage{}};
  if (!take_body(in, type, flags, envelope.number, message.body)) {
    return in.is_good() ? DecodeFault::unknown : DecodeFault::malformed;
  }
  if (!in.is_good() || !in.take_rest().empty()) return DecodeFault::malformed;
  return message;
}

std::string voice_key(std::uint64_t since) {
  std::string key;
  put_number(key, since);
  return key;
}

std::optional<std::uint64_t> voice_number(std::string_view key) {
  if (key.size() != kVoiceKeyBytes) return std::nullopt;
  return ByteReader(key).take<std::uint64_t>();
}

std::string group_topic(std::string_view group) {
  return std::string(kGroupTopicPrefix).append(group);
}

std::string node_topic(std::uint64_t node) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string topic = "n:";
  for (int shift = 44; shift >= 0; shift -= 4) topic += kDigits[node >> shift & 15];
  return topic;
}

std::optional<std::string_view> group_of_topic(std::string_view topic) {
  if (topic.substr(0, kGroupTopicPrefix.size()) != kGroupTopicPrefix) return std::nullopt;
  return topic.substr(kGroupTopicPrefix.size());
}

}  // namespace voicechan::redis
