#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http_codec.hpp"
#include "voicechan/call_diagnosis.hpp"
#include "voicechan/flight_recorder.hpp"
#include "voicechan/model.hpp"
#include "voicechan/voice_presence.hpp"

// The JSON bodies of the REST API.

namespace voicechan::server {

/// {"id": 1, "name": "…", "creator": 7, "created_at": "…"}
std::string to_json(const Channel& channel);
std::string to_json(const std::vector<Channel>& channels);

/// {"id", "voice_channel", "addressee", "inviter", "status", "created_at"}
std::string to_json(const Invitation& invitation);

/// {"room", "events": [{"time", "kind", "from", "user_id", …}], "findings": [{"name", "time",
/// "peers", "detail"}]}
std::string to_json(const RoomName& room, const std::vector<FlightEvent>& events,
                    const std::vector<Finding>& findings);

/// {"revision": 7, "members": [{"member": 5, "user_id": 3, "username": "bob"}]}
std::string to_json(const VoiceMemberPage& page);

/// One refused field and why.
using FieldError = std::pair<std::string_view, std::string_view>;

/// 400 with {"<field>": ["reason"], …}
HttpResponse make_field_errors_response(const std::vector<FieldError>& errors);

/// `status` with {"detail": "…"}
HttpResponse make_detail_response(unsigned status, std::string_view detail);

}  // namespace voicechan::server
