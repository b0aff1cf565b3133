#pragma once

#include <gtest/gtest.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <boost/json.hpp>
#include <memory>
#include <string>
#include <string_view>

// Signs tokens, by OpenSSL alone: not by what is under test.

namespace voicechan::server {

inline std::string base64url(std::string_view bytes) {
  constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string text;
  unsigned bits = 0;
  int count = 0;
  for (const char c : bytes) {
    bits = bits << 8 | static_cast<unsigned char>(c);
    for (count += 8; count >= 6; count -= 6) text += kAlphabet[bits >> (count - 6) & 63];
  }
  if (count > 0) text += kAlphabet[bits << (6 - count) & 63];
  return text;
}

/// A private key or a secret, with the JWK by which it is verified.
class JwtSigner {
 public:
  static JwtSigner rsa(std::size_t bits = 2048) { return JwtSigner("RS256", EVP_RSA_gen(bits)); }
  static JwtSigner p256() { return JwtSigner("ES256", EVP_EC_gen("P-256")); }
  static JwtSigner ed25519() {
    return JwtSigner("EdDSA", EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  }
  static JwtSigner secret(std::string bytes) {
    JwtSigner signer("HS256", nullptr);
    signer.secret_ = std::move(bytes);
    return signer;
  }

  const std::string& algorithm() const { return algorithm_; }

  boost::json::object jwk() const {
    if (key_ == nullptr) return {{"kty", "oct"}, {"k", base64url(secret_)}};
    if (algorithm_ == "RS256") {
      return {{"kty", "RSA"},
              {"n", number(OSSL_PKEY_PARAM_RSA_N)},
              {"e", number(OSSL_PKEY_PARAM_RSA_E)}};
    }
    if (algorithm_ == "ES256") {
      return {{"kty", "EC"},
              {"crv", "P-256"},
              {"x", number(OSSL_PKEY_PARAM_EC_PUB_X, 32)},
              {"y", number(OSSL_PKEY_PARAM_EC_PUB_Y, 32)}};
    }
    std::string raw(32, '\0');
    std::size_t size = raw.size();
    EVP_PKEY_get_raw_public_key(key_.get(), reinterpret_cast<unsigned char*>(raw.data()), &size);
    return {{"kty", "OKP"}, {"crv", "Ed25519"}, {"x", base64url(raw)}};
  }

  /// A set of this key alone.
  std::string jwk_set(boost::json::object more = {}) const {
    boost::json::object key = jwk();
    for (const auto& member : more) key.insert(member);
    return boost::json::serialize(boost::json::object{{"keys", boost::json::array{key}}});
  }

  std::string public_pem() const {
    const std::unique_ptr<BIO, decltype(&BIO_free)> out(BIO_new(BIO_s_mem()), BIO_free);
    PEM_write_bio_PUBKEY(out.get(), key_.get());
    char* text = nullptr;
    const long size = BIO_get_mem_data(out.get(), &text);
    return {text, static_cast<std::size_t>(size)};
  }

  /// A token of any header and payload, signed by this key's algorithm.
  std::string sign(std::string_view header, std::string_view payload) const {
    const std::string input = base64url(header) + '.' + base64url(payload);
    return input + '.' + base64url(signature(input));
  }
  std::string sign(std::string_view payload) const {
    return sign(R"({"alg":")" + algorithm_ + R"("})", payload);
  }

 private:
  JwtSigner(std::string algorithm, EVP_PKEY* key) : algorithm_(std::move(algorithm)) {
    if (key != nullptr) key_.reset(key, EVP_PKEY_free);
  }

  std::string number(const char* name, int size = 0) const {
    BIGNUM* value = nullptr;
    EXPECT_EQ(EVP_PKEY_get_bn_param(key_.get(), name, &value), 1);
    const int bytes = size > 0 ? size : BN_num_bytes(value);
    std::string text(static_cast<std::size_t>(bytes), '\0');
    BN_bn2binpad(value, reinterpret_cast<unsigned char*>(text.data()), bytes);
    BN_free(value);
    return base64url(text);
  }

  std::string signature(const std::string& input) const {
    const auto* bytes = reinterpret_cast<const unsigned char*>(input.data());
    std::string out(1024, '\0');
    auto* place = reinterpret_cast<unsigned char*>(out.data());
    if (key_ == nullptr) {
      unsigned size = 0;
      HMAC(EVP_sha256(), secret_.data(), static_cast<int>(secret_.size()), bytes, input.size(),
           place, &size);
      return out.substr(0, size);
    }
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                          EVP_MD_CTX_free);
    const EVP_MD* digest = algorithm_ == "EdDSA" ? nullptr : EVP_sha256();
    std::size_t size = out.size();
    EXPECT_EQ(EVP_DigestSignInit(context.get(), nullptr, digest, nullptr, key_.get()), 1);
    EXPECT_EQ(EVP_DigestSign(context.get(), place, &size, bytes, input.size()), 1);
    if (algorithm_ != "ES256") return out.substr(0, size);

    const unsigned char* der = place;
    const std::unique_ptr<ECDSA_SIG, decltype(&ECDSA_SIG_free)> pair(
        d2i_ECDSA_SIG(nullptr, &der, static_cast<long>(size)), ECDSA_SIG_free);
    std::string raw(64, '\0');
    auto* half = reinterpret_cast<unsigned char*>(raw.data());
    BN_bn2binpad(ECDSA_SIG_get0_r(pair.get()), half, 32);
    BN_bn2binpad(ECDSA_SIG_get0_s(pair.get()), half + 32, 32);
    return raw;
  }

  std::string algorithm_;
  std::shared_ptr<EVP_PKEY> key_ = nullptr;
  std::string secret_;
};

}  // namespace voicechan::server
