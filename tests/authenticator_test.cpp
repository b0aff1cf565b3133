#include "authenticator.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "keys.hpp"

namespace voicechan::server {
namespace {

HttpRequest with_authorization(std::string value) {
  HttpRequest request;
  request.fields = {{"authorization", std::move(value)}};
  return request;
}

Route route_with_token(std::string token) {
  Route route{};
  route.query = {{"token", std::move(token)}};
  return route;
}

TEST(AuthorizationKeyTest, IsTakenFromTheTokenScheme) {
  EXPECT_EQ(find_authorization_key(with_authorization("Token abc")), "abc");
}

TEST(AuthorizationKeyTest, IsTakenFromTheBearerScheme) {
  EXPECT_EQ(find_authorization_key(with_authorization("Bearer abc.def-g_h")), "abc.def-g_h");
}

TEST(AuthorizationKeyTest, SchemesAreCaseInsensitive) {
  EXPECT_EQ(find_authorization_key(with_authorization("TOKEN abc")), "abc");
  EXPECT_EQ(find_authorization_key(with_authorization("bearer abc")), "abc");
}

TEST(AuthorizationKeyTest, SpacesAroundItAreNotPartOfIt) {
  EXPECT_EQ(find_authorization_key(with_authorization("Token \t abc ")), "abc");
}

TEST(AuthorizationKeyTest, IsMissingWithoutTheField) {
  EXPECT_EQ(find_authorization_key(HttpRequest{}), std::nullopt);
}

TEST(AuthorizationKeyTest, IsMissingInAnyOtherForm) {
  for (const char* value : {"", "abc", "Token", "Token ", "Tokenabc", "Basic YTpi", " Token abc"}) {
    EXPECT_EQ(find_authorization_key(with_authorization(value)), std::nullopt) << value;
  }
}

TEST(AuthorizationKeyTest, TwoFieldsAreNoKeyOfOneOfThem) {
  HttpRequest request;
  request.fields = {{"authorization", "Token a"}, {"authorization", "Token b"}};
  const auto key = find_authorization_key(request);
  EXPECT_NE(key, "a");
  EXPECT_NE(key, "b");
}

TEST(HandshakeKeyTest, IsTakenFromTheAuthorizationFieldFirst) {
  EXPECT_EQ(find_handshake_key(with_authorization("Token header"), route_with_token("query"),
                               {"voicechan.auth.subprotocol"}, true),
            "header");
}

TEST(HandshakeKeyTest, AMalformedAuthorizationFieldIsNotMadeUpForElsewhere) {
  EXPECT_EQ(find_handshake_key(with_authorization("Basic YTpi"), route_with_token("query"),
                               {"voicechan.auth.subprotocol"}, true),
            std::nullopt);
}

TEST(HandshakeKeyTest, IsTakenFromAnOfferedSubprotocol) {
  EXPECT_EQ(find_handshake_key({}, route_with_token("query"),
                               {"voicechan", "voicechan.auth.abc.def"}, true),
            "abc.def");
}

TEST(HandshakeKeyTest, IsTakenFromTheQueryWhereAllowed) {
  EXPECT_EQ(find_handshake_key({}, route_with_token("abc"), {"voicechan"}, true), "abc");
}

TEST(HandshakeKeyTest, IsNotTakenFromTheQueryByDefault) {
  EXPECT_EQ(find_handshake_key({}, route_with_token("abc"), {},
                               /*allow_query_token=*/false),
            std::nullopt);
}

TEST(CredentialTest, OnlySubprotocolsWithAKeyAreCredentials) {
  EXPECT_TRUE(is_credential("voicechan.auth.abc"));
  EXPECT_TRUE(is_credential("voicechan.auth."));
  EXPECT_FALSE(is_credential("voicechan"));
  EXPECT_FALSE(is_credential("voicechan.auth"));
  EXPECT_FALSE(is_credential(""));
}

class AuthenticatorTest : public ::testing::Test {
 protected:
  const std::unique_ptr<Store> store_ = make_memory_store();
  const Username alice_ = *Username::parse("alice");
  const Authenticator authenticator_{*store_};
};

TEST_F(AuthenticatorTest, FindsTheUserOfAKey) {
  const auto alice = store_->create_user(alice_, digest_key("secret"));
  ASSERT_TRUE(alice);
  const auto found = authenticator_.identify("secret");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->id, alice->id);
  EXPECT_EQ(found->username, "alice");
}

TEST_F(AuthenticatorTest, RefusesAWrongKey) {
  ASSERT_TRUE(store_->create_user(alice_, digest_key("secret")));
  EXPECT_EQ(authenticator_.identify("Secret").error(), Errc::unknown_user);
}

TEST_F(AuthenticatorTest, RefusesTheDigestInPlaceOfTheKey) {
  const KeyDigest digest = digest_key("secret");
  ASSERT_TRUE(store_->create_user(alice_, digest));
  const std::string bytes(digest.begin(), digest.end());
  EXPECT_EQ(authenticator_.identify(bytes).error(), Errc::unknown_user);
}

TEST_F(AuthenticatorTest, RefusesWithoutAKey) {
  EXPECT_EQ(authenticator_.identify(std::nullopt).error(), Errc::unknown_user);
  EXPECT_EQ(authenticator_.identify("").error(), Errc::unknown_user);
}

TEST_F(AuthenticatorTest, RefusesAKeyThatWasReplaced) {
  ASSERT_TRUE(store_->create_user(alice_, digest_key("old")));
  ASSERT_TRUE(store_->replace_user_key(alice_, digest_key("new")));
  EXPECT_EQ(authenticator_.identify("old").error(), Errc::unknown_user);
  EXPECT_TRUE(authenticator_.identify("new"));
}

}  // namespace
}  // namespace voicechan::server
