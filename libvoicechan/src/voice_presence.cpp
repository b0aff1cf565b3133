#include "voicechan/voice_presence.hpp"

#include <utility>

namespace voicechan {
namespace {

constexpr std::size_t kRevisionBytes = 8;

}  // namespace

std::string voice_members_group(const RoomName& room) { return "members_" + room.str(); }

Frame VoiceChange::to_frame() const {
  std::string bytes;
  bytes.reserve(kRevisionBytes + text.size());
  for (unsigned shift = 64; shift > 0;) {
    shift -= 8;
    bytes.push_back(static_cast<char>(revision >> shift & 0xFF));
  }
  bytes.append(text);
  return Frame(FrameKind::binary, FrameClass::control, std::move(bytes));
}

std::optional<VoiceChange> VoiceChange::from_frame(const Frame& frame) {
  const std::string_view bytes = frame.bytes();
  if (frame.kind() != FrameKind::binary || bytes.size() < kRevisionBytes) return std::nullopt;
  std::uint64_t revision = 0;
  for (const char byte : bytes.substr(0, kRevisionBytes)) {
    revision = revision << 8 | static_cast<unsigned char>(byte);
  }
  return VoiceChange{revision, std::string(bytes.substr(kRevisionBytes))};
}

}  // namespace voicechan
