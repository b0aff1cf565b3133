#include "handshake.hpp"

#include <algorithm>

#include "header_tokens.hpp"
#include "json_views.hpp"
#include "notification_feed.hpp"
#include "websocket_codec.hpp"

namespace voicechan::server {
namespace {

constexpr const char* kSubprotocol = "voicechan";
constexpr const char* kMembersSubprotocol = "voicechan.v1";

bool offers(const Handshake& handshake, std::string_view subprotocol) {
  const auto& offered = handshake.subprotocols;
  return std::find(offered.begin(), offered.end(), subprotocol) != offered.end();
}

HttpResponse upgrade_required(std::string_view detail) {
  HttpResponse response = make_detail_response(426, detail);
  response.fields = {{"Upgrade", "websocket"}, {"Sec-WebSocket-Version", "13"}};
  return response;
}

}  // namespace

VoiceProtocol Handshake::voice_protocol(Endpoint endpoint) const {
  return endpoint == Endpoint::voice_socket && offers(*this, kMembersSubprotocol)
             ? VoiceProtocol::with_members
             : VoiceProtocol::plain;
}

std::string Handshake::choose_subprotocol(Endpoint endpoint) const {
  if (voice_protocol(endpoint) == VoiceProtocol::with_members) return kMembersSubprotocol;
  return offers(*this, kSubprotocol) ? kSubprotocol : "";
}

std::variant<Handshake, HttpResponse> check_handshake(const HttpRequest& request) {
  if (request.method != "GET" || request.is_http_1_0 ||
      !list_contains(request.field("upgrade"), "websocket") ||
      !list_contains(request.field("connection"), "upgrade")) {
    return upgrade_required("This URL speaks WebSocket; connect with ws:// or wss://.");
  }
  if (request.field("sec-websocket-version") != "13") {
    return upgrade_required("Only version 13 of the WebSocket protocol is spoken here.");
  }
  Handshake handshake;
  handshake.key = request.field("sec-websocket-key");
  if (!is_valid_websocket_key(handshake.key)) {
    return make_detail_response(400, "Sec-WebSocket-Key must be 16 bytes in base64.");
  }
  handshake.subprotocols = split_list(request.field("sec-websocket-protocol"));
  const auto& offered = handshake.subprotocols;
  if (!std::all_of(offered.begin(), offered.end(), is_token)) {
    return make_detail_response(400, "Sec-WebSocket-Protocol must be a list of tokens.");
  }
  return handshake;
}

std::optional<HttpResponse> refuse_query(const Route& route) {
  if (route.endpoint != Endpoint::notifications_socket) return std::nullopt;
  const auto since = route.parameter("since");
  NotificationFeed::Begin ignored;
  if (!since || NotificationFeed::parse_since(*since, ignored)) return std::nullopt;
  return make_field_errors_response(
      {{"since", "The id of an invitation is required, or 0, or \"now\"."}});
}

}  // namespace voicechan::server
