#include "notification.hpp"

#include <boost/json.hpp>
#include <charconv>

#include "voicechan/directory.hpp"

namespace voicechan {
namespace {

// How each begins.
constexpr std::string_view kBegin = R"({"type":"invitation","id":)";

boost::json::string_view view(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace

Frame make_invitation_notification(const Invitation& invitation, std::string_view channel_name,
                                   std::string_view inviter_username) {
  const boost::json::object object{
      {"type", "invitation"},
      {"id", invitation.id.value},
      {"voice_channel", invitation.channel.value},
      {"voice_channel_name", view(channel_name)},
      {"addressee", invitation.addressee.value},
      {"inviter", invitation.inviter.value},
      {"inviter_username", view(inviter_username)},
      {"status", view(to_string(invitation.status))},
      {"created_at", format_rfc3339(invitation.created_at)},
  };
  return Frame::control_text(boost::json::serialize(object));
}

std::optional<InvitationId> find_invitation(const Frame& frame) noexcept {
  std::string_view text = frame.bytes();
  if (frame.kind() != FrameKind::text || text.substr(0, kBegin.size()) != kBegin) return {};
  text.remove_prefix(kBegin.size());
  InvitationId id;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id.value);
  const bool is_whole = error == std::errc() && end != text.data() + text.size() && *end == ',';
  if (!is_whole) return std::nullopt;
  return id;
}

}  // namespace voicechan
