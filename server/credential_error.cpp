#include "credential_error.hpp"

#include <string>

namespace voicechan::server {
namespace {

// Part of a quoted string in WWW-Authenticate (RFC 6750, section 3): no quotes, no backslashes.
const char* sentence(CredentialErrc code) noexcept {
  switch (code) {
    case CredentialErrc::missing:
      return "A credential is needed.";
    case CredentialErrc::unknown_key:
      return "Nobody has this key.";
    case CredentialErrc::malformed_token:
      return "The token is not a JWT of a kind that is accepted here.";
    case CredentialErrc::untrusted_token:
      return "The token is not signed by a key that is trusted here.";
    case CredentialErrc::bad_claims:
      return "The token lacks a claim, or has one of a wrong type.";
    case CredentialErrc::expired_token:
      return "The token has expired.";
    case CredentialErrc::early_token:
      return "The token is not valid yet.";
    case CredentialErrc::wrong_issuer:
      return "The token is of another issuer.";
    case CredentialErrc::wrong_audience:
      return "The token is for another audience.";
    case CredentialErrc::unknown_subject:
      return "The subject of the token is not a user.";
    case CredentialErrc::new_subject:
      return "The subject of the token is not a user yet.";
    case CredentialErrc::revoked:
      return "The credential has been revoked.";
  }
  return "The credential is refused.";
}

class Category final : public std::error_category {
 public:
  const char* name() const noexcept override { return "credential"; }
  std::string message(int value) const override {
    return sentence(static_cast<CredentialErrc>(value));
  }
};

}  // namespace

std::string_view name_of(CredentialErrc code) noexcept {
  switch (code) {
    case CredentialErrc::missing:
      return "missing";
    case CredentialErrc::unknown_key:
      return "unknown_key";
    case CredentialErrc::malformed_token:
      return "malformed_token";
    case CredentialErrc::untrusted_token:
      return "untrusted_token";
    case CredentialErrc::bad_claims:
      return "bad_claims";
    case CredentialErrc::expired_token:
      return "expired_token";
    case CredentialErrc::early_token:
      return "early_token";
    case CredentialErrc::wrong_issuer:
      return "wrong_issuer";
    case CredentialErrc::wrong_audience:
      return "wrong_audience";
    case CredentialErrc::unknown_subject:
      return "unknown_subject";
    case CredentialErrc::new_subject:
      return "new_subject";
    case CredentialErrc::revoked:
      return "revoked";
  }
  return "";
}

const std::error_category& credential_category() noexcept {
  static const Category category;
  return category;
}

}  // namespace voicechan::server
