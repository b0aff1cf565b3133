#include "ice_config.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <initializer_list>
#include <optional>
#include <utility>

#include "ice_url.hpp"
#include "strict_json.hpp"

namespace voicechan::server {
namespace {

namespace json = boost::json;

constexpr std::size_t kMaxServers = 32;
constexpr std::size_t kMaxUrls = 32;
// As long as a STUN username may be (RFC 8489, section 14.3).
constexpr std::size_t kMaxTextBytes = 508;
constexpr std::int64_t kMinTtl = 60;
constexpr std::int64_t kMaxTtl = 86'400;

// The functions below tell what is wrong; nothing if all is well.
using Mistake = std::optional<std::string>;

bool has_only(const json::object& object, std::initializer_list<std::string_view> names) {
  return std::all_of(object.begin(), object.end(), [&](const auto& member) {
    return std::find(names.begin(), names.end(), std::string_view(member.key())) != names.end();
  });
}

bool is_text(const json::value& value) {
  if (!value.is_string()) return false;
  const std::string_view text(value.get_string());
  return !text.empty() && text.size() <= kMaxTextBytes &&
         std::none_of(text.begin(), text.end(),
                      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

Mistake read_text(const json::object& object, std::string_view name, std::string& text) {
  const json::value* value = object.if_contains({name.data(), name.size()});
  if (value == nullptr) return std::nullopt;
  if (!is_text(*value)) {
    return '"' + std::string(name) +
           "\" is not a string of 1 to 508 bytes without control characters";
  }
  text = std::string_view(value->get_string());
  return std::nullopt;
}

Mistake read_urls(const json::object& object, std::vector<std::string>& urls, IceUrlKind& kind) {
  const json::value* value = object.if_contains("urls");
  if (value == nullptr || !value->is_array() || value->get_array().empty() ||
      value->get_array().size() > kMaxUrls) {
    return "\"urls\" is not an array of 1 to 32 URLs";
  }
  for (const json::value& url : value->get_array()) {
    const std::string place = "URL " + std::to_string(urls.size() + 1) + ": ";
    if (!is_text(url)) return place + "it is not a string of 1 to 508 bytes";
    const auto checked = check_ice_url(url.get_string());
    if (const auto* reason = std::get_if<std::string_view>(&checked)) {
      return place + std::string(*reason);
    }
    if (!urls.empty() && std::get<IceUrlKind>(checked) != kind) {
      return "STUN and TURN are two servers";
    }
    kind = std::get<IceUrlKind>(checked);
    urls.emplace_back(std::string_view(url.get_string()));
  }
  return std::nullopt;
}

Mistake read_server(const json::value& value, IceServer& server) {
  if (!value.is_object()) return "it is no JSON object";
  const json::object& object = value.get_object();
  if (!has_only(object, {"urls", "secret", "username", "credential"})) {
    return "it has other members than \"urls\", \"secret\", \"username\" and \"credential\"";
  }
  IceUrlKind kind{};
  if (auto mistake = read_urls(object, server.urls, kind)) return mistake;
  if (auto mistake = read_text(object, "secret", server.secret)) return mistake;
  if (auto mistake = read_text(object, "username", server.username)) return mistake;
  if (auto mistake = read_text(object, "credential", server.credential)) return mistake;
  if (server.username.empty() != server.credential.empty()) {
    return "\"username\" and \"credential\" go together";
  }
  const bool has_secret = !server.secret.empty();
  const bool has_username = !server.username.empty();
  if (kind == IceUrlKind::stun && (has_secret || has_username)) {
    return "STUN has no secret and no credential";
  }
  if (kind == IceUrlKind::turn && has_secret == has_username) {
    return "TURN needs either \"secret\" or \"username\" and \"credential\"";
  }
  return std::nullopt;
}

Mistake read_config(const json::object& object, IceConfig& config) {
  if (!has_only(object, {"ttl", "ice_servers"})) {
    return "it has other members than \"ttl\" and \"ice_servers\"";
  }
  if (const json::value* ttl = object.if_contains("ttl")) {
    if (!ttl->is_int64() || ttl->get_int64() < kMinTtl || ttl->get_int64() > kMaxTtl) {
      return "\"ttl\" is not an integer from 60 to 86400";
    }
    config.ttl = std::chrono::seconds(ttl->get_int64());
  }
  const json::value* servers = object.if_contains("ice_servers");
  if (servers == nullptr || !servers->is_array() || servers->get_array().size() > kMaxServers) {
    return "\"ice_servers\" is not an array of 32 servers at most";
  }
  for (const json::value& value : servers->get_array()) {
    IceServer server;
    if (const auto mistake = read_server(value, server)) {
      return "server " + std::to_string(config.servers.size() + 1) + ": " + *mistake;
    }
    config.servers.push_back(std::move(server));
  }
  return std::nullopt;
}

}  // namespace

std::variant<IceConfig, std::string> parse_ice_config(std::string_view text) {
  const auto object = parse_strict_object(text);
  if (!object) return "it is no JSON object, or has a member twice";
  IceConfig config;
  if (auto mistake = read_config(*object, config)) return *std::move(mistake);
  return config;
}

}  // namespace voicechan::server
