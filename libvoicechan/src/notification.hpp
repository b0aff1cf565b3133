#pragma once

#include <string_view>

#include "voicechan/frame.hpp"
#include "voicechan/model.hpp"

// The JSON of the notifications socket.

namespace voicechan {

/// {"type":"invitation", …}: what the addressee's devices get.
Frame make_invitation_notification(const Invitation& invitation, std::string_view channel_name,
                                   std::string_view inviter_username);

}  // namespace voicechan
