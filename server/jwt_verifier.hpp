#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "jwk_file.hpp"
#include "jwt_claims.hpp"
#include "jwt_options.hpp"
#include "voicechan/clock.hpp"
#include "voicechan/result.hpp"

namespace voicechan::server {

/// True for three parts with dots between them, as a JWT has and our opaque keys have not.
bool has_jwt_form(std::string_view credential) noexcept;

/// Verifies a token's form, header and signature, and returns its payload. Of the header only
/// `alg`, `kid`, `typ` and `crit` are read: no key and no address of one is taken from there. Pure.
/// Fails with `CredentialErrc::malformed_token` or `untrusted_token`.
Result<std::string> verify_signature(std::string_view token, const JwkSet& keys,
                                     std::size_t max_token_bytes);

/// Verifies JWTs by the keys of a file. Thread-safe. May take long: not for an event loop.
class JwtVerifier {
 public:
  /// Throws std::runtime_error if the file has no keys. `clock` must outlive the verifier.
  JwtVerifier(JwtOptions options, const Clock& clock);

  /// Fails with errors of `CredentialErrc`.
  Result<JwtClaims> verify(std::string_view token) const;

  void reload_if_changed() { file_.reload_if_changed(); }
  const JwtOptions& options() const noexcept { return options_; }

 private:
  const JwtOptions options_;
  const Clock* clock_;
  JwkFile file_;
};

}  // namespace voicechan::server
