#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "voicechan/model.hpp"

namespace voicechan::server {

/// What a path names.
enum class Endpoint {
  channels,              // /api/voice_channels/voice_channels/
  channel,               // /api/voice_channels/voice_channels/<ID>/
  channel_members,       // /api/voice_channels/voice_channels/<ID>/members/
  invite,                // /api/voice_channels/invite/
  ice_servers,           // /api/voice_channels/ice_servers/
  trace,                 // /api/voice_channels/signaling/<room_name>/trace/
  voice_socket,          // /ws/voice/<room_name>/
  signaling_socket,      // /ws/signaling/
  notifications_socket,  // /ws/notifications/
  livez,                 // /livez: whether the process works
  readyz,                // /readyz: whether it wants new clients
  schema,                // /api/schema/: the OpenAPI document
  websocket_schema,      // /api/schema/websockets/: the AsyncAPI document
  metrics,               // /metrics; this and what follows are for operators
  health,                // /health
  admin_rooms,           // /admin/rooms/
  admin_sessions,        // /admin/sessions/
  admin_kick,            // /admin/sessions/<id>/kick
};

bool is_websocket(Endpoint endpoint) noexcept;
/// Asked by probes: needs no user.
bool is_health(Endpoint endpoint) noexcept;
/// Of `route_admin` only.
bool is_admin(Endpoint endpoint) noexcept;

/// The methods an endpoint has, as in an `Allow` field: "GET, HEAD, OPTIONS, POST".
std::string_view allowed_methods(Endpoint endpoint) noexcept;
bool is_allowed(Endpoint endpoint, std::string_view method) noexcept;

/// A parsed request target.
struct Route {
  Endpoint endpoint;
  ChannelId channel;             // of Endpoint::channel and channel_members
  std::string session;           // of Endpoint::admin_kick
  std::optional<RoomName> room;  // of Endpoint::voice_socket and Endpoint::trace
  /// Query parameters, percent-decoded (and `+` as a space), in order.
  std::vector<std::pair<std::string, std::string>> query;

  /// The last value of a parameter, nothing if it is not there.
  std::optional<std::string> parameter(std::string_view name) const;
};

enum class RouteError {
  malformed,  ///< 400: bad percent-encoding, or not a path
  not_found,  ///< 404
};

/// Finds what an origin-form target names. The path is cut at each `/` first and its segments are
/// percent-decoded once after that; one trailing slash more or less makes no difference.
std::variant<Route, RouteError> route(std::string_view target);

/// The same on the listener for operators, where other things are: those for operators, and those
/// for probes.
std::variant<Route, RouteError> route_admin(std::string_view target);

/// For a part of a path or a query.
std::string percent_encode(std::string_view text);

/// Percent-decodes once; nothing if an escape is malformed.
std::optional<std::string> percent_decode(std::string_view text);

}  // namespace voicechan::server
