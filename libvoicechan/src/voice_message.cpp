#include "voice_message.hpp"

#include <utility>

#include "message_text.hpp"

namespace voicechan {
namespace {

void append_member(std::string& out, const VoiceMember& member) {
  out += R"({"member":)" + std::to_string(voice_member_number(member.since)) + R"(,"user_id":)" +
         std::to_string(member.user.id.value) + R"(,"username":)" + quoted(member.user.username) +
         '}';
}

void append_members(std::string& out, const std::vector<VoiceMember>& members) {
  out += R"(,"members":[)";
  bool is_first = true;
  for (const VoiceMember& member : members) {
    if (!std::exchange(is_first, false)) out += ',';
    append_member(out, member);
  }
  out += ']';
}

}  // namespace

std::string compose_roster(std::string_view room, std::uint64_t revision,
                           const std::vector<VoiceMember>& members) {
  std::string out = open_message("roster", room, revision);
  append_members(out, members);
  return out += '}';
}

std::string compose_member_joined(std::string_view room, const VoiceMember& member,
                                  bool is_reader) {
  std::string out = open_message("member_joined", room, member.since) + R"(,"member":)";
  append_member(out, member);
  return out += is_reader ? R"(,"you":true})" : "}";
}

std::string compose_member_left(std::string_view room, std::uint64_t revision,
                                std::uint64_t since) {
  return open_message("member_left", room, revision) + R"(,"member":)" +
         std::to_string(voice_member_number(since)) + '}';
}

std::string compose_members_same(std::string_view room, std::uint64_t revision) {
  return open_message("synced", room, revision) + R"(,"same":true})";
}

std::string compose_members_changed(std::string_view room, std::uint64_t revision,
                                    const std::vector<std::string_view>& changes) {
  std::string out = open_message("synced", room, revision) + R"(,"same":false,"changes":[)";
  bool is_first = true;
  for (const std::string_view change : changes) {
    if (!std::exchange(is_first, false)) out += ',';
    out += change;
  }
  return out += "]}";
}

std::string compose_members_replaced(std::string_view room, std::uint64_t revision,
                                     const std::vector<VoiceMember>& members) {
  std::string out = open_message("synced", room, revision) + R"(,"same":false)";
  append_members(out, members);
  return out += '}';
}

std::string compose_member_text(std::uint32_t member, std::string_view text) {
  return R"({"type":"text","member":)" + std::to_string(member) + R"(,"text":)" + quoted(text) +
         '}';
}

}  // namespace voicechan
