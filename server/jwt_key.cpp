#include "jwt_key.hpp"

extern "C" {
#include <cjose/jwk.h>
#include <cjose/jws.h>
}
#include <openssl/err.h>
#include <openssl/evp.h>

#include <algorithm>
#include <boost/json.hpp>
#include <optional>
#include <utility>

#include "base64url.hpp"

// The one file that includes cjose. Its version 0.6 knows neither the key type OKP nor EdDSA:
// Ed25519 is done by OpenSSL, which cjose stands on, too.

namespace voicechan::server {
namespace {

namespace json = boost::json;

constexpr std::size_t kMinRsaBits = 2048;     // RFC 7518, section 3.3
constexpr std::size_t kMinSecretBytes = 32;   // RFC 7518, section 3.2
constexpr std::size_t kCoordinateBytes = 32;  // of P-256
constexpr std::size_t kEs256Bytes = 64;       // RFC 7518, section 3.4
constexpr std::size_t kHs256Bytes = 32;       // RFC 7518, section 3.2
constexpr std::size_t kEd25519KeyBytes = 32;  // RFC 8032
constexpr std::size_t kEd25519Bytes = 64;     // RFC 8032

template <auto release>
struct Release {
  template <class T>
  void operator()(T* thing) const noexcept {
    release(thing);
  }
};
using Jwk = std::unique_ptr<cjose_jwk_t, Release<cjose_jwk_release>>;
using Jws = std::unique_ptr<cjose_jws_t, Release<cjose_jws_release>>;
using PublicKey = std::unique_ptr<EVP_PKEY, Release<EVP_PKEY_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, Release<EVP_MD_CTX_free>>;

/// A member that is a string; empty if there is none.
std::string_view text_member(const json::object& jwk, std::string_view name) {
  const json::value* value = jwk.if_contains({name.data(), name.size()});
  if (value == nullptr || !value->is_string()) return {};
  return value->get_string();
}

std::string bytes_member(const json::object& jwk, std::string_view name) {
  return decode_base64url(text_member(jwk, name)).value_or(std::string());
}

std::optional<JwtAlgorithm> algorithm_of(std::string_view type, std::string_view curve) noexcept {
  if (type == "RSA") return JwtAlgorithm::rs256;
  if (type == "EC" && curve == "P-256") return JwtAlgorithm::es256;
  if (type == "OKP" && curve == "Ed25519") return JwtAlgorithm::eddsa;
  if (type == "oct") return JwtAlgorithm::hs256;
  return std::nullopt;
}

/// RFC 7517, sections 4.2 and 4.3.
bool is_for_verification(const json::object& jwk) {
  if (jwk.contains("use") && text_member(jwk, "use") != "sig") return false;
  const json::value* operations = jwk.if_contains("key_ops");
  if (operations == nullptr) return true;
  if (!operations->is_array()) return false;
  const json::array& names = operations->get_array();
  return std::any_of(names.begin(), names.end(), [](const json::value& name) {
    return name.is_string() && name.get_string() == "verify";
  });
}

/// cjose compares a MAC, and reads an ES256 signature, before it looks at the length.
bool has_size_of(JwtAlgorithm algorithm, std::string_view signature) noexcept {
  if (algorithm == JwtAlgorithm::es256) return signature.size() == kEs256Bytes;
  return algorithm != JwtAlgorithm::hs256 || signature.size() == kHs256Bytes;
}

std::size_t bit_count(std::string_view number) noexcept {
  number.remove_prefix(std::min(number.find_first_not_of('\0'), number.size()));
  if (number.empty()) return 0;
  std::size_t bits = 8 * number.size();
  for (auto first = static_cast<unsigned char>(number.front()); first < 0x80;
       first = static_cast<unsigned char>(first << 1)) {
    --bits;
  }
  return bits;
}

/// Why the numbers of the key will not do; empty if they will.
std::string check_numbers(const json::object& jwk, JwtAlgorithm algorithm) {
  switch (algorithm) {
    case JwtAlgorithm::rs256: {
      if (bit_count(bytes_member(jwk, "n")) < kMinRsaBits) return "RSA needs 2048 bits at least";
      const std::string exponent = bytes_member(jwk, "e");
      if (bit_count(exponent) < 2 || exponent.back() % 2 == 0) return "\"e\" is no RSA exponent";
      return {};
    }
    case JwtAlgorithm::es256:
      if (bytes_member(jwk, "x").size() != kCoordinateBytes ||
          bytes_member(jwk, "y").size() != kCoordinateBytes) {
        return "\"x\" and \"y\" of P-256 have 32 bytes";
      }
      return {};
    case JwtAlgorithm::eddsa:
      if (bytes_member(jwk, "x").size() != kEd25519KeyBytes) return "\"x\" of Ed25519 has 32 bytes";
      return {};
    case JwtAlgorithm::hs256:
      if (bytes_member(jwk, "k").size() < kMinSecretBytes) return "HS256 needs 32 bytes at least";
      return {};
  }
  return "unknown algorithm";
}

/// Only what makes the public key, or the secret: a private key stays unread.
Jwk import_jwk(const json::object& jwk) {
  json::object needed;
  for (const char* name : {"kty", "crv", "n", "e", "x", "y", "k"}) {
    if (const json::value* value = jwk.if_contains(name)) needed[name] = *value;
  }
  const std::string text = json::serialize(needed);
  return Jwk(cjose_jwk_import(text.data(), text.size(), nullptr));
}

PublicKey import_ed25519(const std::string& key) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(key.data());
  return PublicKey(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes, key.size()));
}

}  // namespace

class JwtKey::Material {
 public:
  Material(Jwk jwk, PublicKey ed25519) noexcept
      : jwk_(std::move(jwk)), ed25519_(std::move(ed25519)) {}

  /// cjose goes by the algorithm in the token's header.
  bool has_signed_jws(std::string_view token, std::string_view algorithm) const {
    const Jws jws(cjose_jws_import(token.data(), token.size(), nullptr));
    if (jws == nullptr) return false;
    const char* named = cjose_header_get(cjose_jws_get_protected(jws.get()), "alg", nullptr);
    return named != nullptr && named == algorithm &&
           cjose_jws_verify(jws.get(), jwk_.get(), nullptr);
  }

  bool has_signed_by_ed25519(const JwtParts& token) const {
    const auto bytes = [](std::string_view text) {
      return reinterpret_cast<const unsigned char*>(text.data());
    };
    const DigestContext context(EVP_MD_CTX_new());
    return context != nullptr &&
           EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, ed25519_.get()) == 1 &&
           EVP_DigestVerify(context.get(), bytes(token.signature), token.signature.size(),
                            bytes(token.signing_input), token.signing_input.size()) == 1;
  }

 private:
  Jwk jwk_;            // of all algorithms but EdDSA
  PublicKey ed25519_;  // of EdDSA
};

JwtKey::JwtKey(JwtAlgorithm algorithm, std::string id, std::unique_ptr<const Material> material)
    : algorithm_(algorithm), id_(std::move(id)), material_(std::move(material)) {}
JwtKey::JwtKey(JwtKey&&) noexcept = default;
JwtKey& JwtKey::operator=(JwtKey&&) noexcept = default;
JwtKey::~JwtKey() = default;

std::variant<JwtKey, std::string> JwtKey::from_jwk(const json::object& jwk) {
  const auto algorithm = algorithm_of(text_member(jwk, "kty"), text_member(jwk, "crv"));
  if (!algorithm) return std::string("its type or curve is not known here");
  if (jwk.contains("alg") && text_member(jwk, "alg") != to_string(*algorithm)) {
    return "its \"alg\" is not " + std::string(to_string(*algorithm));
  }
  if (!is_for_verification(jwk)) return std::string("it is not for verifying signatures");
  if (jwk.contains("kid") && text_member(jwk, "kid").empty()) {
    return std::string("its \"kid\" is no text");
  }
  if (std::string reason = check_numbers(jwk, *algorithm); !reason.empty()) return reason;

  const bool is_ed25519 = algorithm == JwtAlgorithm::eddsa;
  Jwk imported = is_ed25519 ? nullptr : import_jwk(jwk);
  PublicKey ed25519 = is_ed25519 ? import_ed25519(bytes_member(jwk, "x")) : nullptr;
  ERR_clear_error();
  if (imported == nullptr && ed25519 == nullptr) return std::string("it is no valid key");
  return JwtKey(*algorithm, std::string(text_member(jwk, "kid")),
                std::make_unique<const Material>(std::move(imported), std::move(ed25519)));
}

bool JwtKey::has_signed(const JwtParts& token) const {
  bool is_signed = false;
  if (algorithm_ == JwtAlgorithm::eddsa) {
    is_signed = token.signature.size() == kEd25519Bytes && material_->has_signed_by_ed25519(token);
  } else if (has_size_of(algorithm_, token.signature)) {
    is_signed = material_->has_signed_jws(token.token, to_string(algorithm_));
  }
  ERR_clear_error();
  return is_signed;
}

}  // namespace voicechan::server
