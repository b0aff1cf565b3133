#include "voicechan/presence.hpp"

#include <utility>

#include "big_endian.hpp"

namespace voicechan {
namespace {

// Kind, big-endian revision, `since` and order, id, text.
constexpr std::size_t kRevisionBytes = 8;
constexpr std::size_t kIdAt = 1 + 3 * kRevisionBytes;
constexpr std::size_t kHeadBytes = kIdAt + PeerId::kLength;

}  // namespace

std::string peer_group(const RoomName& room) { return "signaling_" + room.str(); }

Frame RosterChange::to_frame() const {
  std::string bytes;
  bytes.reserve(kHeadBytes + text.size());
  bytes.push_back(static_cast<char>(kind));
  append_big_endian(bytes, revision);
  append_big_endian(bytes, since);
  append_big_endian(bytes, order);
  bytes.append(peer.str()).append(text);
  return Frame(FrameKind::binary, FrameClass::control, std::move(bytes));
}

std::optional<RosterChange> RosterChange::from_frame(const Frame& frame) {
  const std::string_view bytes = frame.bytes();
  if (frame.kind() != FrameKind::binary || bytes.size() < kHeadBytes) return std::nullopt;
  const auto kind = static_cast<unsigned char>(bytes[0]);
  if (kind > static_cast<unsigned char>(Kind::left)) return std::nullopt;
  const auto revision = read_big_endian<std::uint64_t>(bytes.substr(1));
  const auto since = read_big_endian<std::uint64_t>(bytes.substr(1 + kRevisionBytes));
  const auto order = read_big_endian<std::uint64_t>(bytes.substr(1 + 2 * kRevisionBytes));
  const auto peer = PeerId::parse(bytes.substr(kIdAt, PeerId::kLength));
  if (!peer) return std::nullopt;
  return RosterChange{static_cast<Kind>(kind),
                      revision,
                      *peer,
                      since,
                      order,
                      std::string(bytes.substr(kHeadBytes))};
}

}  // namespace voicechan
