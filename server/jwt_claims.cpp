#include "jwt_claims.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <cmath>

#include "credential_error.hpp"
#include "strict_json.hpp"

namespace voicechan::server {
namespace {

namespace json = boost::json;

using Seconds = std::chrono::duration<double>;

std::string_view text_of(const json::value& value) { return value.get_string(); }

/// A NumericDate: seconds since 1970, with or without a fraction.
std::optional<Seconds> read_date(const json::value* claim) {
  if (claim == nullptr || !claim->is_number()) return std::nullopt;
  const auto seconds = claim->to_number<double>();
  if (!std::isfinite(seconds)) return std::nullopt;
  return Seconds(seconds);
}

std::error_code check_times(const json::object& claims, WallTime now, Seconds leeway) {
  const Seconds time = now.time_since_epoch();
  const auto expiry = read_date(claims.if_contains("exp"));
  if (!expiry) return CredentialErrc::bad_claims;
  if (time >= *expiry + leeway) return CredentialErrc::expired_token;
  if (claims.contains("nbf")) {
    const auto begin = read_date(claims.if_contains("nbf"));
    if (!begin) return CredentialErrc::bad_claims;
    if (time + leeway < *begin) return CredentialErrc::early_token;
  }
  if (claims.contains("iat") && !read_date(claims.if_contains("iat"))) {
    return CredentialErrc::bad_claims;
  }
  return {};
}

std::error_code check_issuer(const json::object& claims, const std::string& wanted) {
  const json::value* issuer = claims.if_contains("iss");
  if (issuer != nullptr && !issuer->is_string()) return CredentialErrc::bad_claims;
  if (wanted.empty()) return {};
  if (issuer == nullptr || text_of(*issuer) != wanted) return CredentialErrc::wrong_issuer;
  return {};
}

std::error_code check_audience(const json::object& claims, const std::vector<std::string>& ours) {
  const json::value* audience = claims.if_contains("aud");
  if (audience == nullptr) {
    return ours.empty() ? std::error_code() : CredentialErrc::wrong_audience;
  }
  const auto is_ours = [&ours](const json::value& name) {
    return std::find(ours.begin(), ours.end(), text_of(name)) != ours.end();
  };
  bool is_for_us = false;
  if (audience->is_string()) {
    is_for_us = is_ours(*audience);
  } else if (audience->is_array()) {
    const json::array& names = audience->get_array();
    const auto is_string = [](const json::value& name) { return name.is_string(); };
    if (!std::all_of(names.begin(), names.end(), is_string)) return CredentialErrc::bad_claims;
    is_for_us = std::any_of(names.begin(), names.end(), is_ours);
  } else {
    return CredentialErrc::bad_claims;
  }
  return is_for_us ? std::error_code() : CredentialErrc::wrong_audience;
}

}  // namespace

Result<JwtClaims> check_claims(std::string_view payload, WallTime now, const ClaimRules& rules) {
  const auto claims = parse_strict_object(payload);
  if (!claims) return make_error_code(CredentialErrc::bad_claims);
  if (const auto error = check_times(*claims, now, rules.leeway)) return error;
  if (const auto error = check_issuer(*claims, rules.issuer)) return error;
  if (const auto error = check_audience(*claims, rules.audiences)) return error;

  JwtClaims checked;
  const json::value* subject = claims->if_contains("sub");
  if (subject == nullptr || !subject->is_string() || text_of(*subject).empty()) {
    return make_error_code(CredentialErrc::bad_claims);
  }
  checked.subject = text_of(*subject);
  if (const json::value* id = claims->if_contains("jti")) {
    // One that the deny-list cannot hold would make a token that cannot be revoked.
    if (!id->is_string()) return make_error_code(CredentialErrc::bad_claims);
    auto parsed = TokenId::parse(text_of(*id));
    if (!parsed) return make_error_code(CredentialErrc::bad_claims);
    checked.id = *std::move(parsed);
  }
  return checked;
}

}  // namespace voicechan::server
