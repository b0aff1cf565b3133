#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace voicechan::server {

/// The signature algorithms of RFC 7518 and RFC 8037 that a JWT may have.
enum class JwtAlgorithm { rs256, es256, eddsa, hs256 };

/// As in a header's `alg`: "RS256".
constexpr std::string_view to_string(JwtAlgorithm algorithm) noexcept {
  switch (algorithm) {
    case JwtAlgorithm::rs256:
      return "RS256";
    case JwtAlgorithm::es256:
      return "ES256";
    case JwtAlgorithm::eddsa:
      return "EdDSA";
    case JwtAlgorithm::hs256:
      return "HS256";
  }
  return {};
}

/// What the claims of a JWT are held against.
struct ClaimRules {
  /// `iss` must be this; empty: any.
  std::string issuer;
  /// `aud` must name one of these; empty: a token with an audience is not for us (RFC 7519, 4.1.3).
  std::vector<std::string> audiences;
  /// How far clocks may be apart.
  std::chrono::seconds leeway{30};
};

/// What a token's `sub` is.
enum class JwtSubject { username, id };

struct JwtOptions {
  /// A JWK Set (RFC 7517). Empty: there are no JWTs.
  std::string jwks_file;
  /// The key decides the algorithm; keys of others than these are not used.
  std::vector<JwtAlgorithm> algorithms = {JwtAlgorithm::rs256, JwtAlgorithm::es256,
                                          JwtAlgorithm::eddsa, JwtAlgorithm::hs256};
  ClaimRules claims;
  JwtSubject subject = JwtSubject::username;
  /// A subject that is no user yet becomes one.
  bool create_users = false;
  std::size_t max_token_bytes = 8 * 1024;
};

}  // namespace voicechan::server
