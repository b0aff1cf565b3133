#include "voicechan/voice_presence.hpp"

#include <utility>

#include "big_endian.hpp"
#include "voice_groups.hpp"

namespace voicechan {
namespace {

constexpr std::size_t kRevisionBytes = 8;

}  // namespace

std::string voice_members_group(const RoomName& room) { return voice_members_group_of(room.str()); }

Frame VoiceChange::to_frame() const {
  std::string bytes;
  bytes.reserve(kRevisionBytes + text.size());
  append_big_endian(bytes, revision);
  bytes.append(text);
  return Frame(FrameKind::binary, FrameClass::control, std::move(bytes));
}

std::optional<VoiceChange> VoiceChange::from_frame(const Frame& frame) {
  const std::string_view bytes = frame.bytes();
  if (frame.kind() != FrameKind::binary || bytes.size() < kRevisionBytes) return std::nullopt;
  return VoiceChange{read_big_endian<std::uint64_t>(bytes),
                     std::string(bytes.substr(kRevisionBytes))};
}

}  // namespace voicechan
