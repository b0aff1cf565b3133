#include "authenticator.hpp"

#include <charconv>
#include <utility>

#include "credential_error.hpp"
#include "header_tokens.hpp"
#include "keys.hpp"
#include "spdlog/spdlog.h"
#include "voicechan/random.hpp"

namespace voicechan::server {
namespace {

constexpr std::string_view kCredentialPrefix = "voicechan.auth.";

/// A user who is not there is a refusal; the store's other errors are failures.
std::error_code refusal(std::error_code error, CredentialErrc reason) noexcept {
  return error == Errc::unknown_user ? make_error_code(reason) : error;
}

bool cannot_be_asked(std::error_code error) noexcept {
  return error == Errc::store_unavailable || error == Errc::store_locked;
}

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
  // One of another scheme is for somebody else: browsers send that of a site behind Basic
  // authentication with a handshake, too.
  if (auto key = find_authorization_key(request)) return key;
  for (const std::string& subprotocol : subprotocols) {
    if (is_credential(subprotocol)) return subprotocol.substr(kCredentialPrefix.size());
  }
  if (allow_query_token) return route.parameter("token");
  return std::nullopt;
}

bool is_credential(std::string_view subprotocol) noexcept {
  return subprotocol.substr(0, kCredentialPrefix.size()) == kCredentialPrefix;
}

Result<Identity> Authenticator::identify(const std::optional<std::string>& credential,
                                         NewUsers new_users) {
  auto evidence = examine(credential, new_users);
  if (!evidence) return evidence.error();
  return std::move(evidence->user);
}

Result<Admission> Authenticator::admit(const std::optional<std::string>& credential,
                                       NewUsers new_users) {
  for (;;) {
    const auto check = live_.last_check();
    auto evidence = examine(credential, new_users);
    if (!evidence) return evidence.error();
    auto live = live_.enter(evidence->basis, check);
    if (live != nullptr) return Admission{std::move(evidence->user), std::move(live)};
  }
}

LiveCredentials::Outcome Authenticator::check_live_credentials() {
  const auto generation = known_.forget_all();
  return live_.check(
      [this, generation](const CredentialBasis& basis) { return is_valid(basis, generation); });
}

Result<Authenticator::Evidence> Authenticator::examine(const std::optional<std::string>& credential,
                                                       NewUsers new_users) {
  if (!credential) return make_error_code(CredentialErrc::missing);
  std::optional<JwtClaims> claims;
  if (jwt_ != nullptr && has_jwt_form(*credential)) {
    auto verified = jwt_->verify(*credential);
    if (!verified) {
      spdlog::debug("a JWT is refused: {}", verified.error().message());
      return verified.error();
    }
    claims = *std::move(verified);
  }
  const KeyDigest digest = digest_key(*credential);
  if (auto known = known_.recall(digest, std::chrono::steady_clock::now())) {
    return *std::move(known);
  }
  const auto generation = known_.generation();
  auto evidence = claims ? examine_token(*claims, new_users) : examine_key(digest);
  if (evidence) {
    known_.remember(digest, *evidence, generation);
  } else if (cannot_be_asked(evidence.error())) {
    const auto now = std::chrono::steady_clock::now();
    known_.on_store_failed(now);
    if (auto known = known_.recall(digest, now)) return *std::move(known);
  }
  return evidence;
}

Result<Authenticator::Evidence> Authenticator::examine_key(const KeyDigest& key) const {
  auto user = store_->get_user_by_key(key);
  if (!user) return refusal(user.error(), CredentialErrc::unknown_key);
  const UserId id = user->id;
  return Evidence{*std::move(user), {id, key, {}}};
}

Result<Authenticator::Evidence> Authenticator::examine_token(const JwtClaims& claims,
                                                             NewUsers new_users) const {
  if (claims.id) {
    const auto is_revoked = store_->is_token_revoked(*claims.id);
    if (!is_revoked) return is_revoked.error();
    if (*is_revoked) return make_error_code(CredentialErrc::revoked);
  }
  auto user = find_subject(claims.subject, new_users);
  if (!user) return refusal(user.error(), CredentialErrc::unknown_subject);
  const UserId id = user->id;
  return Evidence{*std::move(user),
                  {id, std::nullopt, claims.id ? claims.id->str() : std::string()}};
}

Result<Identity> Authenticator::find_subject(const std::string& subject, NewUsers new_users) const {
  if (jwt_->options().subject == JwtSubject::id) {
    std::int64_t id = 0;
    const char* const end = subject.data() + subject.size();
    const auto [stop, error] = std::from_chars(subject.data(), end, id);
    if (error != std::errc() || stop != end) return Errc::unknown_user;
    return store_->get_user(UserId{id});
  }
  const auto name = Username::parse(subject);
  if (!name) return Errc::unknown_user;
  auto user = store_->get_user_by_name(*name);
  if (user.error() != Errc::unknown_user || !jwt_->options().create_users) return user;
  if (new_users == NewUsers::later) return make_error_code(CredentialErrc::new_subject);
  // With a key that nobody knows.
  user = store_->create_user(*name, digest_key(make_key(system_random())));
  if (user.error() != Errc::user_exists) return user;
  return store_->get_user_by_name(*name);  // another request has just done it
}

Result<bool> Authenticator::is_valid(const CredentialBasis& basis, std::uint64_t generation) {
  const auto user = basis.key ? store_->get_user_by_key(*basis.key) : store_->get_user(basis.user);
  if (user.error() == Errc::unknown_user) return false;
  if (!user) return user.error();
  if (user->id != basis.user) return false;
  if (basis.key) known_.remember(*basis.key, {*user, basis}, generation);
  if (basis.token_id.empty()) return true;
  const auto is_revoked = store_->is_token_revoked(*TokenId::parse(basis.token_id));
  if (!is_revoked) return is_revoked.error();
  return !*is_revoked;
}

}  // namespace voicechan::server
