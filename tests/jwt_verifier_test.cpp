#include "jwt_verifier.hpp"

#include <gtest/gtest.h>

#include "credential_error.hpp"
#include "jwt_signer.hpp"

namespace voicechan::server {
namespace {

const std::vector<JwtAlgorithm> kAll = JwtOptions().algorithms;
constexpr std::size_t kMaxBytes = 8192;
constexpr const char* kPayload = R"({"sub":"alice"})";

const JwtSigner& rsa() {
  static const JwtSigner signer = JwtSigner::rsa();  // takes a while
  return signer;
}
const JwtSigner& p256() {
  static const JwtSigner signer = JwtSigner::p256();
  return signer;
}
const JwtSigner& ed25519() {
  static const JwtSigner signer = JwtSigner::ed25519();
  return signer;
}
const JwtSigner& secret() {
  static const JwtSigner signer = JwtSigner::secret(std::string(32, 's'));
  return signer;
}

JwkSet set_of(const std::string& text) {
  auto set = parse_jwk_set(text, kAll);
  EXPECT_TRUE(std::holds_alternative<JwkSet>(set)) << text;
  return std::get<JwkSet>(std::move(set));
}

JwkSet set_of(const JwtSigner& signer, boost::json::object more = {}) {
  return set_of(signer.jwk_set(std::move(more)));
}

std::error_code error_of(const std::string& token, const JwkSet& keys) {
  return verify_signature(token, keys, kMaxBytes).error();
}

class JwtAlgorithmTest : public ::testing::TestWithParam<const JwtSigner* (*)()> {
 protected:
  const JwtSigner& signer() const { return *GetParam()(); }
};

INSTANTIATE_TEST_SUITE_P(Each, JwtAlgorithmTest,
                         ::testing::Values([] { return &rsa(); }, [] { return &p256(); },
                                           [] { return &ed25519(); }, [] { return &secret(); }));

TEST_P(JwtAlgorithmTest, ASignedTokenGivesItsPayload) {
  const auto payload = verify_signature(signer().sign(kPayload), set_of(signer()), kMaxBytes);
  ASSERT_TRUE(payload) << payload.error().message();
  EXPECT_EQ(*payload, kPayload);
}

TEST_P(JwtAlgorithmTest, AnyChangedCharacterIsRefused) {
  const std::string token = signer().sign(kPayload);
  const JwkSet keys = set_of(signer());
  for (std::size_t i = 0; i < token.size(); ++i) {
    std::string changed = token;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    EXPECT_TRUE(error_of(changed, keys)) << i;
  }
}

TEST_P(JwtAlgorithmTest, ACutOrLengthenedSignatureIsRefused) {
  const std::string token = signer().sign(kPayload);
  const JwkSet keys = set_of(signer());
  for (std::size_t cut = 1; cut < 12; ++cut) {
    EXPECT_TRUE(error_of(token.substr(0, token.size() - cut), keys)) << cut;
  }
  EXPECT_TRUE(error_of(token + "AAAA", keys));
  const std::string unsigned_token = token.substr(0, token.rfind('.') + 1);
  EXPECT_EQ(error_of(unsigned_token, keys), CredentialErrc::malformed_token);
  EXPECT_TRUE(error_of(unsigned_token + std::string(86, 'A'), keys));  // zeros
}

TEST_P(JwtAlgorithmTest, OtherKeysOfTheAlgorithmAreRefused) {
  const JwtSigner other = signer().algorithm() == "RS256"   ? JwtSigner::rsa()
                          : signer().algorithm() == "ES256" ? JwtSigner::p256()
                          : signer().algorithm() == "EdDSA"
                              ? JwtSigner::ed25519()
                              : JwtSigner::secret(std::string(32, 'o'));
  EXPECT_EQ(error_of(other.sign(kPayload), set_of(signer())), CredentialErrc::untrusted_token);
}

TEST_P(JwtAlgorithmTest, NoAlgorithmOfAHeaderButTheKeysOwnIsTaken) {
  const JwkSet keys = set_of(signer());
  for (const char* algorithm :
       {"none",  "None",  "NONE",    "nOnE",  "",      "HS256", "HS384",
        "HS512", "RS256", "RS384",   "RS512", "PS256", "ES256", "ES384",
        "ES512", "EdDSA", "Ed25519", "hs256", "rs256", "dir",   "RSA-OAEP"}) {
    if (algorithm == signer().algorithm()) continue;
    const std::string header = R"({"alg":")" + std::string(algorithm) + R"("})";
    EXPECT_EQ(error_of(signer().sign(header, kPayload), keys), CredentialErrc::untrusted_token)
        << algorithm;
  }
}

TEST_P(JwtAlgorithmTest, ASecretMadeOfWhatIsPublicIsNoKey) {
  // The attack on verifiers that let the header choose: the public key as the secret of HS256.
  const std::string public_key = boost::json::serialize(signer().jwk());
  std::vector<std::string> secrets = {public_key, signer().jwk_set()};
  if (signer().algorithm() != "HS256") secrets.push_back(signer().public_pem());
  for (const std::string& text : secrets) {
    const std::string token = JwtSigner::secret(text).sign(kPayload);
    EXPECT_EQ(error_of(token, set_of(signer())), CredentialErrc::untrusted_token);
  }
}

TEST(JwtVerifierTest, ConfusionIsRefusedBesideASecretThatIsTrusted) {
  const JwkSet keys = set_of(boost::json::serialize(boost::json::object{
      {"keys", boost::json::array{rsa().jwk(), p256().jwk(), ed25519().jwk(), secret().jwk()}}}));
  for (const JwtSigner* signer : {&rsa(), &p256(), &ed25519(), &secret()}) {
    EXPECT_FALSE(error_of(signer->sign(kPayload), keys)) << signer->algorithm();
  }
  EXPECT_TRUE(error_of(JwtSigner::secret(rsa().public_pem()).sign(kPayload), keys));
  EXPECT_TRUE(error_of(p256().sign(R"({"alg":"EdDSA"})", kPayload), keys));
}

TEST(JwtVerifierTest, AKeyInTheHeaderIsNotTrusted) {
  const JwtSigner attacker = JwtSigner::ed25519();
  const JwkSet keys = set_of(ed25519(), {{"kid", "1"}});
  for (const std::string& more : {R"("jwk":)" + boost::json::serialize(attacker.jwk()),
                                  std::string(R"("jku":"https://attacker.example/jwks.json")"),
                                  std::string(R"("x5u":"https://attacker.example/cert.pem")"),
                                  std::string(R"("x5c":["MIIB"])")}) {
    for (const char* kid : {R"("kid":"1",)", R"("kid":"../../dev/null",)", ""}) {
      const std::string header = R"({"alg":"EdDSA",)" + std::string(kid) + more + '}';
      EXPECT_EQ(error_of(attacker.sign(header, kPayload), keys), CredentialErrc::untrusted_token)
          << header;
    }
  }
}

TEST(JwtVerifierTest, TheKeyIdSelects) {
  const JwtSigner old_key = JwtSigner::ed25519();
  auto old_jwk = old_key.jwk();
  old_jwk["kid"] = "old";
  auto new_jwk = ed25519().jwk();
  new_jwk["kid"] = "new";
  const JwkSet keys = set_of(
      boost::json::serialize(boost::json::object{{"keys", boost::json::array{old_jwk, new_jwk}}}));
  EXPECT_FALSE(error_of(old_key.sign(R"({"alg":"EdDSA","kid":"old"})", kPayload), keys));
  EXPECT_FALSE(error_of(ed25519().sign(R"({"alg":"EdDSA","kid":"new"})", kPayload), keys));
  EXPECT_FALSE(error_of(ed25519().sign(R"({"alg":"EdDSA"})", kPayload), keys));
  EXPECT_TRUE(error_of(ed25519().sign(R"({"alg":"EdDSA","kid":"old"})", kPayload), keys));
  EXPECT_TRUE(error_of(ed25519().sign(R"({"alg":"EdDSA","kid":"other"})", kPayload), keys));
  EXPECT_TRUE(error_of(ed25519().sign(R"({"alg":"EdDSA","kid":1})", kPayload), keys));
}

TEST(JwtVerifierTest, HeadersWithTwoMeaningsOrUnknownDemandsAreMalformed) {
  for (const char* header :
       {R"({"alg":"EdDSA","alg":"EdDSA"})", R"({"alg":"none","alg":"EdDSA"})",
        R"({"alg":"EdDSA","\u0061lg":"none"})", R"({"alg":"EdDSA","crit":["exp"]})",
        R"({"alg":"EdDSA","crit":["b64"],"b64":false})", R"({"alg":"EdDSA","crit":[]})", "{}", "[]",
        "", R"({"alg":["EdDSA"]})", R"({"alg":null})",
        R"({"alg":"EdDSA"} )"
        "x"}) {
    EXPECT_EQ(error_of(ed25519().sign(header, kPayload), set_of(ed25519())),
              CredentialErrc::malformed_token)
        << header;
  }
}

TEST(JwtVerifierTest, TokensOfAnotherPurposeAreMalformed) {
  for (const char* type : {"JWT", "jwt", "at+jwt", "application/at+jwt"}) {
    const std::string header = R"({"alg":"EdDSA","typ":")" + std::string(type) + R"("})";
    EXPECT_FALSE(error_of(ed25519().sign(header, kPayload), set_of(ed25519()))) << type;
  }
  for (const char* type : {"logout+jwt", "dpop+jwt", "JOSE", ""}) {
    const std::string header = R"({"alg":"EdDSA","typ":")" + std::string(type) + R"("})";
    EXPECT_EQ(error_of(ed25519().sign(header, kPayload), set_of(ed25519())),
              CredentialErrc::malformed_token)
        << type;
  }
}

TEST(JwtVerifierTest, WhatIsNotThreePartsOfBase64urlIsMalformed) {
  const std::string token = ed25519().sign(kPayload);
  const std::string header = token.substr(0, token.find('.'));
  for (const std::string& text :
       {std::string(), std::string(".."), std::string("a.b.c"), header, '.' + token, token + '.',
        token + ".a", token + '=', token + ' ', ' ' + token,
        header + '=' + token.substr(header.size()), token + '\n'}) {
    EXPECT_EQ(error_of(text, set_of(ed25519())), CredentialErrc::malformed_token) << text;
  }
}

TEST(JwtVerifierTest, TheSizeIsBounded) {
  const std::string token = ed25519().sign(std::string(3000, ' '));
  EXPECT_TRUE(verify_signature(token, set_of(ed25519()), token.size()));
  EXPECT_EQ(verify_signature(token, set_of(ed25519()), token.size() - 1).error(),
            CredentialErrc::malformed_token);
}

TEST(JwtVerifierTest, AnEmptySetTrustsNobody) {
  EXPECT_EQ(error_of(ed25519().sign(kPayload), set_of(R"({"keys":[]})")),
            CredentialErrc::untrusted_token);
}

TEST(JwtFormTest, ThreePartsHaveTheFormOfAJwt) {
  EXPECT_TRUE(has_jwt_form("a.b.c"));
  EXPECT_TRUE(has_jwt_form(".."));
  EXPECT_FALSE(has_jwt_form("a.b"));
  EXPECT_FALSE(has_jwt_form("a.b.c.d"));
  EXPECT_FALSE(has_jwt_form(std::string(64, 'a')));
}

}  // namespace
}  // namespace voicechan::server
