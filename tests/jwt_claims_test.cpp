#include "jwt_claims.hpp"

#include <gtest/gtest.h>

#include "credential_error.hpp"

namespace voicechan::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr WallTime kNow{seconds{1'800'000'000}};

ClaimRules rules_with_leeway(int leeway) {
  ClaimRules rules;
  rules.leeway = seconds(leeway);
  return rules;
}

std::error_code error_of(std::string_view claims, const ClaimRules& rules = rules_with_leeway(0)) {
  return check_claims(claims, kNow, rules).error();
}

TEST(JwtClaimsTest, SubjectAndIdAreRead) {
  const auto claims = check_claims(R"({"sub":"alice","exp":1800000001,"jti":"7","x":[{}]})", kNow,
                                   rules_with_leeway(0));
  ASSERT_TRUE(claims);
  EXPECT_EQ(claims->subject, "alice");
  ASSERT_TRUE(claims->id);
  EXPECT_EQ(claims->id->str(), "7");
}

TEST(JwtClaimsTest, ATokenWithoutAnIdHasNone) {
  EXPECT_FALSE(check_claims(R"({"sub":"a","exp":1800000001})", kNow, {})->id);
}

TEST(JwtClaimsTest, WhatIsNoObjectOrNamesAMemberTwiceIsRefused) {
  for (const char* text :
       {"", "[]", "\"a\"", R"({"sub":"a","exp":1800000001)",
        R"({"sub":"a","exp":1800000001,"sub":"b"})", R"({"sub":"a","exp":1,"exp":1800000001})"}) {
    EXPECT_EQ(error_of(text), CredentialErrc::bad_claims) << text;
  }
}

TEST(JwtClaimsTest, ExpiryIsRequiredAndANumber) {
  for (const char* text : {R"({"sub":"a"})", R"({"sub":"a","exp":"1800000001"})",
                           R"({"sub":"a","exp":null})", R"({"sub":"a","exp":true})",
                           R"({"sub":"a","exp":[1800000001]})", R"({"sub":"a","exp":1e999})"}) {
    EXPECT_EQ(error_of(text), CredentialErrc::bad_claims) << text;
  }
}

TEST(JwtClaimsTest, TheTokenEndsAtItsExpiry) {
  EXPECT_EQ(error_of(R"({"sub":"a","exp":1800000000})"), CredentialErrc::expired_token);
  EXPECT_EQ(error_of(R"({"sub":"a","exp":1799999999.9})"), CredentialErrc::expired_token);
  EXPECT_EQ(error_of(R"({"sub":"a","exp":-1})"), CredentialErrc::expired_token);
  EXPECT_EQ(error_of(R"({"sub":"a","exp":0})"), CredentialErrc::expired_token);
  EXPECT_FALSE(error_of(R"({"sub":"a","exp":1800000000.1})"));
  EXPECT_FALSE(error_of(R"({"sub":"a","exp":1.8000000011e9})"));
  EXPECT_FALSE(error_of(R"({"sub":"a","exp":18446744073709551615})"));
}

TEST(JwtClaimsTest, TheTokenBeginsAtItsNotBefore) {
  EXPECT_FALSE(error_of(R"({"sub":"a","exp":1900000000,"nbf":1800000000})"));
  EXPECT_EQ(error_of(R"({"sub":"a","exp":1900000000,"nbf":1800000000.5})"),
            CredentialErrc::early_token);
  EXPECT_EQ(error_of(R"({"sub":"a","exp":1900000000,"nbf":"1"})"), CredentialErrc::bad_claims);
  EXPECT_EQ(error_of(R"({"sub":"a","exp":1900000000,"nbf":null})"), CredentialErrc::bad_claims);
}

TEST(JwtClaimsTest, ClocksMayBeApartByTheLeewayAndNoMore) {
  const auto rules = rules_with_leeway(30);
  const auto error_at = [&](const char* claims, WallTime now) {
    return check_claims(claims, now, rules).error();
  };
  constexpr const char* kClaims = R"({"sub":"a","nbf":1800000000,"exp":1800000060})";
  EXPECT_EQ(error_at(kClaims, kNow - milliseconds(30'001)), CredentialErrc::early_token);
  EXPECT_FALSE(error_at(kClaims, kNow - seconds(30)));
  EXPECT_FALSE(error_at(kClaims, kNow + milliseconds(89'999)));
  EXPECT_EQ(error_at(kClaims, kNow + seconds(90)), CredentialErrc::expired_token);
}

TEST(JwtClaimsTest, IssueTimeIsANumberOfAnyTime) {
  EXPECT_FALSE(error_of(R"({"sub":"a","exp":1900000000,"iat":1850000000})"));
  EXPECT_EQ(error_of(R"({"sub":"a","exp":1900000000,"iat":"x"})"), CredentialErrc::bad_claims);
}

TEST(JwtClaimsTest, IssuerMustBeTheConfiguredOne) {
  ClaimRules rules;
  rules.issuer = "https://id.example/";
  EXPECT_FALSE(error_of(R"({"sub":"a","exp":1900000000,"iss":"https://id.example/"})", rules));
  for (const char* text :
       {R"({"sub":"a","exp":1900000000})", R"({"sub":"a","exp":1900000000,"iss":""})",
        R"({"sub":"a","exp":1900000000,"iss":"https://id.example"})",
        R"({"sub":"a","exp":1900000000,"iss":"HTTPS://ID.EXAMPLE/"})"}) {
    EXPECT_EQ(error_of(text, rules), CredentialErrc::wrong_issuer) << text;
  }
  EXPECT_EQ(error_of(R"({"sub":"a","exp":1900000000,"iss":["https://id.example/"]})", rules),
            CredentialErrc::bad_claims);
}

TEST(JwtClaimsTest, AnyIssuerWillDoIfNoneIsConfigured) {
  EXPECT_FALSE(error_of(R"({"sub":"a","exp":1900000000,"iss":"x"})"));
}

TEST(JwtClaimsTest, AudienceMustNameUs) {
  ClaimRules rules;
  rules.audiences = {"voice", "https://voice.example"};
  for (const char* audience : {R"("voice")", R"(["voice"])", R"(["x","https://voice.example"])"}) {
    EXPECT_FALSE(
        error_of(R"({"sub":"a","exp":1900000000,"aud":)" + std::string(audience) + "}", rules))
        << audience;
  }
  for (const char* audience : {R"("Voice")", R"("")", "[]", R"(["x","voice2"])"}) {
    EXPECT_EQ(
        error_of(R"({"sub":"a","exp":1900000000,"aud":)" + std::string(audience) + "}", rules),
        CredentialErrc::wrong_audience)
        << audience;
  }
  for (const char* audience : {"1", "null", "{}", R"(["voice",1])", R"([["voice"]])"}) {
    EXPECT_EQ(
        error_of(R"({"sub":"a","exp":1900000000,"aud":)" + std::string(audience) + "}", rules),
        CredentialErrc::bad_claims)
        << audience;
  }
  EXPECT_EQ(error_of(R"({"sub":"a","exp":1900000000})", rules), CredentialErrc::wrong_audience);
}

TEST(JwtClaimsTest, ATokenForAnAudienceIsNotForAServerThatHasNone) {
  EXPECT_EQ(error_of(R"({"sub":"a","exp":1900000000,"aud":"voice"})"),
            CredentialErrc::wrong_audience);
}

TEST(JwtClaimsTest, SubjectIsRequiredAndAText) {
  for (const char* text :
       {R"({"exp":1900000000})", R"({"sub":"","exp":1900000000})", R"({"sub":1,"exp":1900000000})",
        R"({"sub":null,"exp":1900000000})", R"({"sub":["a"],"exp":1900000000})"}) {
    EXPECT_EQ(error_of(text), CredentialErrc::bad_claims) << text;
  }
}

TEST(JwtClaimsTest, AnIdThatTheDenyListCannotHoldIsRefused) {
  for (const std::string& id : {std::string("1"), std::string("null"), std::string(R"("")"),
                                std::string(R"("a\n")"), '"' + std::string(256, 'a') + '"'}) {
    EXPECT_EQ(error_of(R"({"sub":"a","exp":1900000000,"jti":)" + id + '}'),
              CredentialErrc::bad_claims)
        << id;
  }
}

}  // namespace
}  // namespace voicechan::server
