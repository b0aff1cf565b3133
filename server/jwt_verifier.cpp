#include "jwt_verifier.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <optional>
#include <utility>

#include "base64url.hpp"
#include "credential_error.hpp"
#include "header_tokens.hpp"
#include "strict_json.hpp"

namespace voicechan::server {
namespace {

namespace json = boost::json;

std::optional<JwtParts> split(std::string_view token) {
  if (!has_jwt_form(token)) return std::nullopt;
  const std::size_t first = token.find('.');
  const std::size_t second = token.find('.', first + 1);
  auto header = decode_base64url(token.substr(0, first));
  auto payload = decode_base64url(token.substr(first + 1, second - first - 1));
  auto signature = decode_base64url(token.substr(second + 1));
  if (!header || !payload || !signature || signature->empty()) return std::nullopt;
  return JwtParts{token, token.substr(0, second), *std::move(header), *std::move(payload),
                  *std::move(signature)};
}

/// What a header says of how the token is to be verified.
struct JwtHeader {
  std::string algorithm;
  std::optional<std::string> key_id;
};

/// Tokens of another purpose (a logout token, a proof of possession) may have been signed with the
/// same key (RFC 8725, section 3.11).
bool is_access_token_type(std::string_view type) {
  constexpr std::string_view kPrefix = "application/";
  if (equals_ignoring_case(type.substr(0, kPrefix.size()), kPrefix)) {
    type.remove_prefix(kPrefix.size());
  }
  return equals_ignoring_case(type, "jwt") || equals_ignoring_case(type, "at+jwt");
}

std::optional<JwtHeader> read_header(std::string_view text) {
  const auto object = parse_strict_object(text);
  // "crit" names extensions that must be understood; we understand none.
  if (!object || object->contains("crit")) return std::nullopt;
  JwtHeader header;
  const json::value* algorithm = object->if_contains("alg");
  if (algorithm == nullptr || !algorithm->is_string()) return std::nullopt;
  header.algorithm = std::string_view(algorithm->get_string());
  if (const json::value* id = object->if_contains("kid")) {
    if (!id->is_string()) return std::nullopt;
    header.key_id = std::string_view(id->get_string());
  }
  if (const json::value* type = object->if_contains("typ")) {
    if (!type->is_string() || !is_access_token_type(type->get_string())) return std::nullopt;
  }
  return header;
}

}  // namespace

bool has_jwt_form(std::string_view credential) noexcept {
  return std::count(credential.begin(), credential.end(), '.') == 2;
}

Result<std::string> verify_signature(std::string_view token, const JwkSet& keys,
                                     std::size_t max_token_bytes) {
  if (token.size() > max_token_bytes) return make_error_code(CredentialErrc::malformed_token);
  auto parts = split(token);
  if (!parts) return make_error_code(CredentialErrc::malformed_token);
  const auto header = read_header(parts->header);
  if (!header) return make_error_code(CredentialErrc::malformed_token);
  const bool is_trusted = std::any_of(keys.keys.begin(), keys.keys.end(), [&](const JwtKey& key) {
    return to_string(key.algorithm()) == header->algorithm &&
           (!header->key_id || key.id() == *header->key_id) && key.has_signed(*parts);
  });
  if (!is_trusted) return make_error_code(CredentialErrc::untrusted_token);
  return std::move(parts->payload);
}

JwtVerifier::JwtVerifier(JwtOptions options, const Clock& clock)
    : options_(std::move(options)),
      clock_(&clock),
      file_(options_.jwks_file, options_.algorithms) {}

Result<JwtClaims> JwtVerifier::verify(std::string_view token) const {
  const auto keys = file_.keys();
  const auto payload = verify_signature(token, *keys, options_.max_token_bytes);
  if (!payload) return payload.error();
  return check_claims(*payload, clock_->now(), options_.claims);
}

}  // namespace voicechan::server
