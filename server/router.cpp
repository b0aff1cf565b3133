#include "router.hpp"

#include <charconv>

namespace voicechan::server {
namespace {

int hex_value(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The text before the first `separator`; removes it and the separator from `rest`.
std::string_view cut(std::string_view& rest, char separator) noexcept {
  const std::size_t at = rest.find(separator);
  const std::string_view head = rest.substr(0, at);
  rest.remove_prefix(at == std::string_view::npos ? rest.size() : at + 1);
  return head;
}

// Segments of an absolute path, decoded; a last empty one is left out. Nothing if malformed.
std::optional<std::vector<std::string>> split_path(std::string_view path) {
  if (path.empty() || path.front() != '/') return std::nullopt;
  path.remove_prefix(1);
  std::vector<std::string> segments;
  while (!path.empty()) {
    std::optional<std::string> segment = percent_decode(cut(path, '/'));
    if (!segment) return std::nullopt;
    segments.push_back(std::move(*segment));
  }
  return segments;
}

std::optional<std::string> decode_parameter(std::string_view text) {
  std::string with_spaces(text);
  for (char& c : with_spaces) {
    if (c == '+') c = ' ';
  }
  return percent_decode(with_spaces);
}

// Nothing if an escape is malformed.
std::optional<std::vector<std::pair<std::string, std::string>>> split_query(
    std::string_view query) {
  std::vector<std::pair<std::string, std::string>> parameters;
  while (!query.empty()) {
    std::string_view value = cut(query, '&');
    if (value.empty()) continue;
    const std::string_view name = cut(value, '=');
    std::optional<std::string> decoded_name = decode_parameter(name);
    std::optional<std::string> decoded_value = decode_parameter(value);
    if (!decoded_name || !decoded_value) return std::nullopt;
    parameters.emplace_back(std::move(*decoded_name), std::move(*decoded_value));
  }
  return parameters;
}

// 1 to 2^63-1 without sign and leading zeros, so that a channel has one URL.
std::optional<ChannelId> parse_channel_id(std::string_view text) {
  if (text.empty() || text.front() < '1' || text.front() > '9') return std::nullopt;
  ChannelId id;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, id.value);
  if (error != std::errc() || stop != end) return std::nullopt;
  return id;
}

std::optional<Route> find_admin_endpoint(const std::vector<std::string>& segments) {
  Route found{};
  const std::string area = segments.empty() ? "" : segments[0];
  const std::string name = segments.size() < 2 ? "" : segments[1];
  if (segments.size() == 1 && area == "livez") {
    found.endpoint = Endpoint::livez;
  } else if (segments.size() == 1 && area == "readyz") {
    found.endpoint = Endpoint::readyz;
  } else if (segments.size() == 1 && area == "metrics") {
    found.endpoint = Endpoint::metrics;
  } else if (segments.size() == 1 && area == "health") {
    found.endpoint = Endpoint::health;
  } else if (segments.size() == 2 && area == "admin" && name == "rooms") {
    found.endpoint = Endpoint::admin_rooms;
  } else if (segments.size() == 2 && area == "admin" && name == "sessions") {
    found.endpoint = Endpoint::admin_sessions;
  } else if (segments.size() == 4 && area == "admin" && name == "sessions" &&
             segments[3] == "kick") {
    found.endpoint = Endpoint::admin_kick;
    found.session = segments[2];
  } else {
    return std::nullopt;
  }
  return found;
}

std::optional<Route> find_endpoint(const std::vector<std::string>& segments) {
  Route found{};
  if (segments.size() == 1) {
    if (segments[0] != "livez" && segments[0] != "readyz") return std::nullopt;
    found.endpoint = segments[0] == "livez" ? Endpoint::livez : Endpoint::readyz;
    return found;
  }
  if (segments.size() < 2) return std::nullopt;
  const std::string& area = segments[0];
  const std::string& name = segments[1];
  if (area == "api" && name == "schema") {
    if (segments.size() > 3) return std::nullopt;
    if (segments.size() == 3 && segments[2] != "websockets") return std::nullopt;
    found.endpoint = segments.size() == 2 ? Endpoint::schema : Endpoint::websocket_schema;
    return found;
  }
  if (area == "ws" && segments.size() == 2) {
    if (name == "signaling") {
      found.endpoint = Endpoint::signaling_socket;
      return found;
    }
    if (name == "notifications") {
      found.endpoint = Endpoint::notifications_socket;
      return found;
    }
  }
  if (area == "ws" && name == "voice" && segments.size() == 3) {
    Result<RoomName> room = RoomName::parse(segments[2]);
    if (!room) return std::nullopt;
    found.endpoint = Endpoint::voice_socket;
    found.room = std::move(*room);
    return found;
  }
  if (area == "api" && name == "voice_channels" && segments.size() >= 3) {
    if (segments[2] == "invite" && segments.size() == 3) {
      found.endpoint = Endpoint::invite;
      return found;
    }
    if (segments[2] == "ice_servers" && segments.size() == 3) {
      found.endpoint = Endpoint::ice_servers;
      return found;
    }
    if (segments[2] == "signaling" && segments.size() == 5 && segments[4] == "trace") {
      Result<RoomName> room = RoomName::parse(segments[3]);
      if (!room) return std::nullopt;
      found.endpoint = Endpoint::trace;
      found.room = std::move(*room);
      return found;
    }
    if (segments[2] != "voice_channels") return std::nullopt;
    if (segments.size() == 3) {
      found.endpoint = Endpoint::channels;
      return found;
    }
    const std::optional<ChannelId> id = parse_channel_id(segments[3]);
    const bool asks_for_members = segments.size() == 5 && segments[4] == "members";
    if (!id || (segments.size() != 4 && !asks_for_members)) return std::nullopt;
    found.endpoint = asks_for_members ? Endpoint::channel_members : Endpoint::channel;
    found.channel = *id;
    return found;
  }
  return std::nullopt;
}

enum class EndpointKind { api, websocket, health, admin };

struct EndpointTraits {
  EndpointKind kind;
  std::string_view methods;
};

EndpointTraits traits_of(Endpoint endpoint) noexcept {
  constexpr std::string_view kReads = "GET, HEAD, OPTIONS";
  constexpr std::string_view kPosts = "OPTIONS, POST";
  switch (endpoint) {
    case Endpoint::channels:
      return {EndpointKind::api, "GET, HEAD, OPTIONS, POST"};
    case Endpoint::invite:
      return {EndpointKind::api, kPosts};
    case Endpoint::channel:
    case Endpoint::channel_members:
    case Endpoint::ice_servers:
    case Endpoint::trace:
    case Endpoint::schema:
    case Endpoint::websocket_schema:
      return {EndpointKind::api, kReads};
    case Endpoint::voice_socket:
    case Endpoint::signaling_socket:
    case Endpoint::notifications_socket:
      return {EndpointKind::websocket, kReads};
    case Endpoint::livez:
    case Endpoint::readyz:
      return {EndpointKind::health, kReads};
    case Endpoint::metrics:
    case Endpoint::health:
    case Endpoint::admin_rooms:
    case Endpoint::admin_sessions:
      return {EndpointKind::admin, kReads};
    case Endpoint::admin_kick:
      return {EndpointKind::admin, kPosts};
  }
  return {EndpointKind::api, {}};
}

}  // namespace

bool is_websocket(Endpoint endpoint) noexcept {
  return traits_of(endpoint).kind == EndpointKind::websocket;
}

bool is_health(Endpoint endpoint) noexcept {
  return traits_of(endpoint).kind == EndpointKind::health;
}

bool is_admin(Endpoint endpoint) noexcept {
  return traits_of(endpoint).kind == EndpointKind::admin;
}

std::string_view allowed_methods(Endpoint endpoint) noexcept { return traits_of(endpoint).methods; }

bool is_allowed(Endpoint endpoint, std::string_view method) noexcept {
  std::string_view rest = allowed_methods(endpoint);
  while (!rest.empty()) {
    if (cut(rest, ',') == method) return true;
    if (!rest.empty()) rest.remove_prefix(1);
  }
  return false;
}

std::optional<std::string> Route::parameter(std::string_view name) const {
  for (auto each = query.rbegin(); each != query.rend(); ++each) {
    if (each->first == name) return each->second;
  }
  return std::nullopt;
}

namespace {

template <class Find>
std::variant<Route, RouteError> route_by(std::string_view target, Find find) {
  std::string_view query = target;
  const std::string_view path = cut(query, '?');
  const auto segments = split_path(path);
  auto parameters = split_query(query);
  if (!segments || !parameters) return RouteError::malformed;
  std::optional<Route> found = find(*segments);
  if (!found) return RouteError::not_found;
  found->query = std::move(*parameters);
  return std::move(*found);
}

}  // namespace

std::variant<Route, RouteError> route(std::string_view target) {
  return route_by(target, find_endpoint);
}

std::variant<Route, RouteError> route_admin(std::string_view target) {
  return route_by(target, find_admin_endpoint);
}

std::string percent_encode(std::string_view text) {
  constexpr std::string_view kPlain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text) {
    if (kPlain.find(c) != std::string_view::npos) {
      encoded += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    encoded.append({'%', kDigits[byte >> 4], kDigits[byte & 0xf]});
  }
  return encoded;
}

std::optional<std::string> percent_decode(std::string_view text) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '%') {
      decoded.push_back(text[at]);
      continue;
    }
    if (text.size() - at < 3) return std::nullopt;
    const int high = hex_value(text[at + 1]);
    const int low = hex_value(text[at + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    decoded.push_back(static_cast<char>(high * 16 + low));
    at += 2;
  }
  return decoded;
}

}  // namespace voicechan::server
