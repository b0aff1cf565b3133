#pragma once

#include <optional>
#include <string>
#include <string_view>

// The names of the groups of a voice room, and how those of notifications begin. Rooms are named by
// text that has been checked.

namespace voicechan {

inline constexpr std::string_view kVoiceGroupPrefix = "voice_";
inline constexpr std::string_view kVoiceMembersGroupPrefix = "members_";
inline constexpr std::string_view kNotificationGroupPrefix = "notifications_";

inline std::string voice_group_of(std::string_view room) {
  return std::string(kVoiceGroupPrefix).append(room);
}
inline std::string voice_members_group_of(std::string_view room) {
  return std::string(kVoiceMembersGroupPrefix).append(room);
}

/// The room whose group this is, if it begins with `prefix`.
inline std::optional<std::string_view> room_of(std::string_view group, std::string_view prefix) {
  if (group.substr(0, prefix.size()) != prefix) return std::nullopt;
  return group.substr(prefix.size());
}

}  // namespace voicechan
