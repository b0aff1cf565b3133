#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "jwt_options.hpp"
#include "voicechan/model.hpp"
#include "voicechan/result.hpp"

namespace voicechan::server {

/// What is used of a JWT's claims (RFC 7519).
struct JwtClaims {
  std::string subject;
  std::optional<TokenId> id;
};

/// Reads the payload of a token whose signature has been verified: `sub` and `exp` are required,
/// `nbf`, `iss`, `aud` and `jti` as the rules say. Pure. Fails with the claims' errors of
/// `CredentialErrc`.
Result<JwtClaims> check_claims(std::string_view payload, WallTime now, const ClaimRules& rules);

}  // namespace voicechan::server
