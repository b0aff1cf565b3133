#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "voicechan/voice_presence.hpp"

// The JSON that members of voice rooms get who speak voicechan.v1.

namespace voicechan {

/// {"type":"roster","room":…,"revision":…,"members":[{"member":…,"user_id":…,"username":…}]}
std::string compose_roster(std::string_view room, std::uint64_t revision,
                           const std::vector<VoiceMember>& members);
/// {"type":"member_joined","room":…,"revision":…,"member":{…}}, and "you":true to the member itself
std::string compose_member_joined(std::string_view room, const VoiceMember& member, bool is_reader);
/// {"type":"member_left","room":…,"revision":…,"member":…}
std::string compose_member_left(std::string_view room, std::uint64_t revision, std::uint64_t since);

/// The answer to a sync: {"type":"synced","room":…,"revision":…,"same":true}
std::string compose_members_same(std::string_view room, std::uint64_t revision);
/// The same with "same":false and "changes":[…]
std::string compose_members_changed(std::string_view room, std::uint64_t revision,
                                    const std::vector<std::string_view>& changes);
/// The same with "same":false and "members":[…]
std::string compose_members_replaced(std::string_view room, std::uint64_t revision,
                                     const std::vector<VoiceMember>& members);

/// {"type":"text","member":…,"text":…}
std::string compose_member_text(std::uint32_t member, std::string_view text);

}  // namespace voicechan
