#include "jwk_set.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "jwt_signer.hpp"

namespace voicechan::server {
namespace {

namespace json = boost::json;
using ::testing::HasSubstr;

const std::vector<JwtAlgorithm> kAll = JwtOptions().algorithms;

/// What is wrong with a set; empty if nothing is.
std::string reason_of(std::string_view text, const std::vector<JwtAlgorithm>& algorithms = kAll) {
  const auto set = parse_jwk_set(text, algorithms);
  const auto* reason = std::get_if<std::string>(&set);
  return reason == nullptr ? "" : *reason;
}

std::string reason_of(const JwtSigner& signer, const json::object& more) {
  json::object key = signer.jwk();
  for (const auto& member : more) key[member.key()] = member.value();
  return reason_of(json::serialize(json::object{{"keys", json::array{key}}}));
}

TEST(JwkSetTest, EachTypeOfKeyHasItsAlgorithm) {
  const json::array keys = {JwtSigner::rsa().jwk(), JwtSigner::p256().jwk(),
                            JwtSigner::ed25519().jwk(),
                            JwtSigner::secret(std::string(32, 's')).jwk()};
  const auto set = parse_jwk_set(json::serialize(json::object{{"keys", keys}}), kAll);
  const auto* parsed = std::get_if<JwkSet>(&set);
  ASSERT_NE(parsed, nullptr);
  ASSERT_EQ(parsed->keys.size(), 4u);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(parsed->keys[i].algorithm(), kAll[i]);
}

TEST(JwkSetTest, WhatIsNoJwkSetIsRefused) {
  for (const char* text : {"", "null", "[]", "{}", R"({"keys":{}})", R"({"keys":[],"keys":[]})",
                           R"({"kty":"oct","k":"AAAA"})", "-----BEGIN PUBLIC KEY-----"}) {
    EXPECT_THAT(reason_of(text), HasSubstr("JWK Set")) << text;
  }
}

TEST(JwkSetTest, KeysThatCannotBeUsedAreSkippedAndTold) {
  json::array keys = {JwtSigner::ed25519().jwk(), 1, json::object{{"kty", "unheard"}}};
  const auto set = parse_jwk_set(json::serialize(json::object{{"keys", keys}}), kAll);
  const auto* parsed = std::get_if<JwkSet>(&set);
  ASSERT_NE(parsed, nullptr);
  EXPECT_EQ(parsed->keys.size(), 1u);
  ASSERT_EQ(parsed->skipped.size(), 2u);
  EXPECT_THAT(parsed->skipped[0], HasSubstr("key 2:"));
  EXPECT_THAT(parsed->skipped[1], HasSubstr("key 3:"));
}

TEST(JwkSetTest, ASetOfUnusableKeysOnlyIsRefusedAndAnEmptyOneIsNot) {
  EXPECT_THAT(reason_of(R"({"keys":[{"kty":"unheard"}]})"), HasSubstr("no key can be used"));
  EXPECT_EQ(reason_of(R"({"keys":[]})"), "");
}

TEST(JwkSetTest, ManyKeysAreRefused) {
  std::string text = R"({"keys":[{})";
  for (int i = 0; i < 100; ++i) text += ",{}";
  EXPECT_THAT(reason_of(text + "]}"), HasSubstr("100"));
}

TEST(JwkSetTest, KeysOfAlgorithmsThatAreSwitchedOffAreNotUsed) {
  const std::string text = JwtSigner::secret(std::string(32, 's')).jwk_set();
  EXPECT_THAT(reason_of(text, {JwtAlgorithm::rs256}), HasSubstr("HS256 is switched off"));
}

TEST(JwkSetTest, WeakKeysAreRefused) {
  EXPECT_THAT(reason_of(JwtSigner::secret(std::string(31, 's')), {}), HasSubstr("32 bytes"));
  EXPECT_THAT(reason_of(JwtSigner::secret(""), {}), HasSubstr("32 bytes"));
  EXPECT_THAT(reason_of(JwtSigner::rsa(1024), {}), HasSubstr("2048 bits"));
}

TEST(JwkSetTest, KeysForAnotherUseAreRefused) {
  const JwtSigner signer = JwtSigner::p256();
  EXPECT_EQ(reason_of(signer, {{"use", "sig"}, {"alg", "ES256"}, {"kid", "1"}}), "");
  EXPECT_EQ(reason_of(signer, {{"key_ops", json::array{"sign", "verify"}}}), "");
  EXPECT_NE(reason_of(signer, {{"use", "enc"}}), "");
  EXPECT_NE(reason_of(signer, {{"use", 1}}), "");
  EXPECT_NE(reason_of(signer, {{"key_ops", json::array{"deriveKey"}}}), "");
  EXPECT_NE(reason_of(signer, {{"key_ops", "verify"}}), "");
}

TEST(JwkSetTest, AKeyForAnotherAlgorithmThanItsTypesIsRefused) {
  EXPECT_NE(reason_of(JwtSigner::rsa(), {{"alg", "HS256"}}), "");
  EXPECT_NE(reason_of(JwtSigner::rsa(), {{"alg", "PS256"}}), "");
  EXPECT_NE(reason_of(JwtSigner::rsa(), {{"alg", "none"}}), "");
  EXPECT_NE(reason_of(JwtSigner::rsa(), {{"alg", 1}}), "");
  EXPECT_NE(reason_of(JwtSigner::secret(std::string(32, 's')), {{"alg", "RS256"}}), "");
}

TEST(JwkSetTest, BrokenNumbersAreRefused) {
  const JwtSigner rsa = JwtSigner::rsa();
  const JwtSigner p256 = JwtSigner::p256();
  EXPECT_NE(reason_of(rsa, {{"n", "!!"}}), "");
  EXPECT_NE(reason_of(rsa, {{"n", 5}}), "");
  EXPECT_NE(reason_of(rsa, {{"e", "AQ"}}), "") << "with the exponent 1 anybody can sign";
  EXPECT_NE(reason_of(rsa, {{"e", "Ag"}}), "");
  EXPECT_NE(reason_of(rsa, {{"e", ""}}), "");
  EXPECT_NE(reason_of(p256, {{"x", base64url(std::string(32, '\1'))}}), "") << "not on the curve";
  EXPECT_NE(reason_of(p256, {{"x", base64url(std::string(31, '\1'))}}), "");
  EXPECT_NE(reason_of(p256, {{"crv", "P-384"}}), "");
  EXPECT_NE(reason_of(JwtSigner::ed25519(), {{"x", base64url(std::string(31, '\1'))}}), "");
  EXPECT_NE(reason_of(JwtSigner::ed25519(), {{"crv", "X25519"}}), "");
}

}  // namespace
}  // namespace voicechan::server
