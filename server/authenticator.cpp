#include "authenticator.hpp"

#include "header_tokens.hpp"
#include "keys.hpp"

namespace voicechan::server {
namespace {

constexpr std::string_view kCredentialPrefix = "voicechan.auth.";

}  // namespace

std::optional<std::string> find_authorization_key(const HttpRequest& request) {
  const std::string value = request.field("authorization");
  const std::size_t space = value.find(' ');
  if (space == std::string::npos) return std::nullopt;
  const std::string_view scheme = std::string_view(value).substr(0, space);
  if (!equals_ignoring_case(scheme, "token") && !equals_ignoring_case(scheme, "bearer")) {
    return std::nullopt;
  }
  const std::string_view key = trim_ows(std::string_view(value).substr(space));
  if (key.empty()) return std::nullopt;
  return std::string(key);
}

std::optional<std::string> find_handshake_key(const HttpRequest& request, const Route& route,
                                              const std::vector<std::string>& subprotocols,
                                              bool allow_query_token) {
  if (request.has_field("authorization")) return find_authorization_key(request);
  for (const std::string& subprotocol : subprotocols) {
    if (is_credential(subprotocol)) return subprotocol.substr(kCredentialPrefix.size());
  }
  if (allow_query_token) return route.parameter("token");
  return std::nullopt;
}

bool is_credential(std::string_view subprotocol) noexcept {
  return subprotocol.substr(0, kCredentialPrefix.size()) == kCredentialPrefix;
}

Result<Identity> Authenticator::identify(const std::optional<std::string>& key) const {
  if (!key) return Errc::unknown_user;
  return store_->get_user_by_key(digest_key(*key));
}

}  // namespace voicechan::server
