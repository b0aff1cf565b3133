#include "origin_policy.hpp"

#include <algorithm>

#include "header_tokens.hpp"

namespace voicechan::server {
namespace {

constexpr std::string_view kAny = "*";

bool is_scheme_char(char c) noexcept {
  return is_alphanumeric(c) || c == '+' || c == '-' || c == '.';
}

bool is_host_char(char c) noexcept {
  return is_alphanumeric(c) || c == '-' || c == '.' || c == '_';
}

std::string_view default_port(std::string_view scheme) noexcept {
  if (scheme == "http" || scheme == "ws") return "80";
  if (scheme == "https" || scheme == "wss") return "443";
  return {};
}

// The length of a host at the beginning of `text`; 0 if there is none.
std::size_t host_length(std::string_view text) noexcept {
  if (!text.empty() && text.front() == '[') {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos || end < 3) return 0;
    const std::string_view address = text.substr(1, end - 1);
    const bool is_address = std::all_of(address.begin(), address.end(),
                                        [](char c) { return is_hex(c) || c == ':' || c == '.'; });
    return is_address ? end + 1 : 0;
  }
  const auto end = std::find_if_not(text.begin(), text.end(), is_host_char);
  return static_cast<std::size_t>(end - text.begin());
}

bool is_loopback(std::string_view origin) {
  std::string_view host = origin.substr(origin.find("://") + 3);
  host = host.substr(0, host_length(host));
  constexpr std::string_view kSuffix = ".localhost";
  return host == "localhost" || host == "127.0.0.1" || host == "[::1]" ||
         (host.size() > kSuffix.size() && host.substr(host.size() - kSuffix.size()) == kSuffix);
}

}  // namespace

std::optional<std::string> parse_origin(std::string_view text) {
  const std::size_t scheme_end = text.find("://");
  if (scheme_end == std::string_view::npos || scheme_end == 0) return std::nullopt;
  std::string origin(text);
  std::transform(origin.begin(), origin.end(), origin.begin(), to_lower);
  const std::string_view scheme = std::string_view(origin).substr(0, scheme_end);
  if (!std::all_of(scheme.begin(), scheme.end(), is_scheme_char)) return std::nullopt;
  std::string_view rest = std::string_view(origin).substr(scheme_end + 3);
  const std::size_t length = host_length(rest);
  if (length == 0) return std::nullopt;
  rest.remove_prefix(length);
  if (rest.empty()) return origin;
  const std::string_view port = rest.substr(1);
  const bool is_port = rest.front() == ':' && !port.empty() && port.size() <= 5 &&
                       std::all_of(port.begin(), port.end(), is_digit);
  if (!is_port) return std::nullopt;
  if (port == default_port(scheme)) origin.resize(scheme_end + 3 + length);
  return origin;
}

bool OriginPolicy::allows(std::string_view origin, std::string_view host) const {
  const auto& allowed = options_.allowed;
  const auto is_allowed = [&](std::string_view one) {
    return std::find(allowed.begin(), allowed.end(), one) != allowed.end();
  };
  if (origin == "null") return is_allowed(kAny);
  const auto parsed = parse_origin(origin);
  if (!parsed) return false;
  if (is_allowed(kAny) || is_allowed(*parsed)) return true;
  if (options_.allow_loopback && is_loopback(*parsed)) return true;
  // Whether we are behind a proxy that speaks TLS is not known here: the scheme is the origin's.
  std::string own = parsed->substr(0, parsed->find("://") + 3);
  own += host;
  return parse_origin(own) == parsed;
}

bool OriginPolicy::allows(const HttpRequest& request) const {
  return !request.has_field("origin") || allows(request.field("origin"), request.field("host"));
}

std::optional<std::string> OriginPolicy::find_allowed_origin(const HttpRequest& request) const {
  if (!request.has_field("origin")) return std::nullopt;
  std::string origin = request.field("origin");
  if (!allows(origin, request.field("host"))) return std::nullopt;
  return origin;
}

void add_cors_fields(HttpResponse& response, const std::string& origin, bool is_preflight) {
  auto& fields = response.fields;
  const auto allow = std::find_if(fields.begin(), fields.end(),
                                  [](const auto& field) { return field.first == "Allow"; });
  if (is_preflight && allow != fields.end()) {
    const std::string methods = allow->second;
    fields.emplace_back("Access-Control-Allow-Methods", methods);
    fields.emplace_back("Access-Control-Allow-Headers",
                        "Authorization, Content-Type, X-CSRFToken, X-Requested-With");
    fields.emplace_back("Access-Control-Max-Age", "7200");
  }
  fields.emplace_back("Access-Control-Allow-Origin", origin);
  fields.emplace_back("Access-Control-Expose-Headers", "Link, Retry-After");
}

bool is_preflight(const HttpRequest& request) {
  return request.method == "OPTIONS" && request.has_field("access-control-request-method");
}

}  // namespace voicechan::server
