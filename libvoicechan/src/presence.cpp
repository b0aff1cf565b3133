#include "voicechan/presence.hpp"

#include <utility>

namespace voicechan {
namespace {

// Kind, big-endian revision, id, text.
constexpr std::size_t kRevisionBytes = 8;
constexpr std::size_t kHeadBytes = 1 + kRevisionBytes + PeerId::kLength;

}  // namespace

std::string peer_group(const RoomName& room) { return "signaling_" + room.str(); }

Frame RosterChange::to_frame() const {
  std::string bytes;
  bytes.reserve(kHeadBytes + text.size());
  bytes.push_back(static_cast<char>(kind));
  for (unsigned shift = 64; shift > 0;) {
    shift -= 8;
    bytes.push_back(static_cast<char>(revision >> shift & 0xFF));
  }
  bytes.append(peer.str()).append(text);
  return Frame(FrameKind::binary, FrameClass::control, std::move(bytes));
}

std::optional<RosterChange> RosterChange::from_frame(const Frame& frame) {
  const std::string_view bytes = frame.bytes();
  if (frame.kind() != FrameKind::binary || bytes.size() < kHeadBytes) return std::nullopt;
  const auto kind = static_cast<unsigned char>(bytes[0]);
  if (kind > static_cast<unsigned char>(Kind::left)) return std::nullopt;
  std::uint64_t revision = 0;
  for (const char byte : bytes.substr(1, kRevisionBytes)) {
    revision = revision << 8 | static_cast<unsigned char>(byte);
  }
  const auto peer = PeerId::parse(bytes.substr(1 + kRevisionBytes, PeerId::kLength));
  if (!peer) return std::nullopt;
  return RosterChange{static_cast<Kind>(kind), revision, *peer,
                      std::string(bytes.substr(kHeadBytes))};
}

}  // namespace voicechan
