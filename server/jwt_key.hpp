#pragma once

#include <boost/json/object.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

#include "jwt_options.hpp"

namespace voicechan::server {

/// A token in its compact form (RFC 7515, section 3.1), cut and decoded.
struct JwtParts {
  std::string_view token;
  std::string_view signing_input;  // header and payload as they came, with the dot between them
  std::string header;
  std::string payload;
  std::string signature;
};

/// A public key, or a shared secret, that verifies tokens by exactly one algorithm, which its own
/// members decide: RSA does RS256, P-256 does ES256, Ed25519 does EdDSA, a secret does HS256.
/// Immutable. Thread-safe.
class JwtKey {
 public:
  /// Takes the key out of a JWK (RFC 7517), or tells why it cannot be used here: another type,
  /// curve, algorithm or use; RSA of less than 2048 bits; a secret of less than 32 bytes.
  static std::variant<JwtKey, std::string> from_jwk(const boost::json::object& jwk);

  JwtKey(JwtKey&&) noexcept;
  JwtKey& operator=(JwtKey&&) noexcept;
  ~JwtKey();

  JwtAlgorithm algorithm() const noexcept { return algorithm_; }
  /// Its `kid`; empty if it has none.
  const std::string& id() const noexcept { return id_; }

  /// True if this key has signed the token by this key's algorithm; never by another one that the
  /// header may name.
  bool has_signed(const JwtParts& token) const;

 private:
  class Material;
  JwtKey(JwtAlgorithm algorithm, std::string id, std::unique_ptr<const Material> material);

  JwtAlgorithm algorithm_;
  std::string id_;
  std::unique_ptr<const Material> material_;
};

}  // namespace voicechan::server
