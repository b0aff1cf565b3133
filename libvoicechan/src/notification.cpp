#include "notification.hpp"

#include <boost/json.hpp>

namespace voicechan {
namespace {

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

}  // namespace voicechan
