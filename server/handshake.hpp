#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "http_codec.hpp"
#include "router.hpp"
#include "voicechan/hub.hpp"

namespace voicechan::server {

/// A WebSocket upgrade request whose head has been checked.
struct Handshake {
  std::string key;  // Sec-WebSocket-Key
  std::vector<std::string>
      subprotocols;  // offered ones, in the client's order, credentials included

  /// "voicechan.v1" is offered for a voice room.
  VoiceProtocol voice_protocol(Endpoint endpoint) const;
  /// The one we speak of those offered: "voicechan.v1" for a voice room, "voicechan", or empty.
  std::string choose_subprotocol(Endpoint endpoint) const;
};

/// Checks what RFC 6455 (section 4.2.1) demands of a GET on a WebSocket URL, or gives the refusal:
/// 426 for a request that is no upgrade or asks for another version, 400 for a malformed one.
std::variant<Handshake, HttpResponse> check_handshake(const HttpRequest& request);

/// Why the query of a WebSocket's URL is not taken: 400; nothing if it is.
std::optional<HttpResponse> refuse_query(const Route& route);

}  // namespace voicechan::server
