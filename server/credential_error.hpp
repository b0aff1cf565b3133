#pragma once

#include <string_view>
#include <system_error>

namespace voicechan::server {

/// Why a credential is refused: each is a 401. `message()` is a sentence for the client; it names
/// nothing that came from the network.
enum class CredentialErrc {
  /// None came.
  missing = 1,
  /// An opaque key that nobody has.
  unknown_key,
  /// Not a JWT that we read: form, size, header, algorithm.
  malformed_token,
  /// No key of ours has signed the token.
  untrusted_token,
  /// A claim that we need is missing or of another type.
  bad_claims,
  /// `exp` has passed.
  expired_token,
  /// `nbf` is yet to come.
  early_token,
  /// `iss` is not the configured one.
  wrong_issuer,
  /// `aud` does not name us.
  wrong_audience,
  /// `sub` is no user of ours.
  unknown_subject,
  /// `sub` is no user of ours yet: he is to be created, where that may take its time.
  new_subject,
  /// The token is on the deny-list, or the key has just been replaced.
  revoked,
};

const std::error_category& credential_category() noexcept;

/// For machines: "unknown_key".
std::string_view name_of(CredentialErrc code) noexcept;

inline std::error_code make_error_code(CredentialErrc code) noexcept {
  return {static_cast<int>(code), credential_category()};
}

/// True for a refusal of the credential, false for a failure to check it.
inline bool is_refusal(std::error_code error) noexcept {
  return error.category() == credential_category();
}

}  // namespace voicechan::server

template <>
struct std::is_error_code_enum<voicechan::server::CredentialErrc> : std::true_type {};
