#include "authenticator.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "credential_error.hpp"
#include "jwt_signer.hpp"
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

TEST(HandshakeKeyTest, AnAuthorizationFieldOfAnotherSchemeIsForSomebodyElse) {
  EXPECT_EQ(find_handshake_key(with_authorization("Basic YTpi"), route_with_token("query"),
                               {"voicechan.auth.subprotocol"}, true),
            "subprotocol");
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
  Authenticator authenticator_{*store_};
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
  EXPECT_EQ(authenticator_.identify("Secret").error(), CredentialErrc::unknown_key);
  EXPECT_EQ(authenticator_.identify("").error(), CredentialErrc::unknown_key);
}

TEST_F(AuthenticatorTest, RefusesTheDigestInPlaceOfTheKey) {
  const KeyDigest digest = digest_key("secret");
  ASSERT_TRUE(store_->create_user(alice_, digest));
  const std::string bytes(digest.begin(), digest.end());
  EXPECT_EQ(authenticator_.identify(bytes).error(), CredentialErrc::unknown_key);
}

TEST_F(AuthenticatorTest, RefusesWithoutAKey) {
  EXPECT_EQ(authenticator_.identify(std::nullopt).error(), CredentialErrc::missing);
  EXPECT_EQ(authenticator_.admit(std::nullopt).error(), CredentialErrc::missing);
}

TEST_F(AuthenticatorTest, RefusesAKeyThatWasReplaced) {
  ASSERT_TRUE(store_->create_user(alice_, digest_key("old")));
  ASSERT_TRUE(store_->replace_user_key(alice_, digest_key("new")));
  EXPECT_EQ(authenticator_.identify("old").error(), CredentialErrc::unknown_key);
  EXPECT_TRUE(authenticator_.identify("new"));
}

TEST_F(AuthenticatorTest, WithoutJwtATokenIsAKeyLikeAnyOther) {
  ASSERT_TRUE(store_->create_user(alice_, digest_key("a.b.c")));
  EXPECT_TRUE(authenticator_.identify("a.b.c"));
}

class FixedClock final : public Clock {
 public:
  WallTime now() const noexcept override { return WallTime(std::chrono::seconds(1'800'000'000)); }
};

class JwtAuthenticatorTest : public AuthenticatorTest {
 protected:
  JwtAuthenticatorTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "voicechan-XXXXXX").string();
    directory_ = ::mkdtemp(pattern.data());
    options_.jwks_file = directory_ + "/jwks.json";
    std::ofstream(options_.jwks_file) << signer_.jwk_set();
  }
  ~JwtAuthenticatorTest() override { std::filesystem::remove_all(directory_); }

  Authenticator& start() {
    verifier_.emplace(options_, clock_);
    jwt_authenticator_.emplace(*store_, &*verifier_);
    return *jwt_authenticator_;
  }
  std::string token(const std::string& subject, const std::string& more = {}) const {
    return signer_.sign(R"({"exp":1800000001,"sub":")" + subject + '"' + more + '}');
  }

  const JwtSigner signer_ = JwtSigner::ed25519();
  std::string directory_;
  const FixedClock clock_;
  JwtOptions options_;
  std::optional<JwtVerifier> verifier_;
  std::optional<Authenticator> jwt_authenticator_;
};

TEST_F(JwtAuthenticatorTest, TheSubjectIsTheUsername) {
  const auto alice = store_->create_user(alice_, digest_key("secret"));
  const auto found = start().identify(token("alice"));
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_EQ(found->id, alice->id);
  EXPECT_EQ(found->username, "alice");
}

TEST_F(JwtAuthenticatorTest, ASubjectThatIsNoUserIsRefused) {
  const auto alice = store_->create_user(alice_, digest_key("secret"));
  Authenticator& authenticator = start();
  for (const std::string& subject :
       {std::string("Alice"), std::string("alice bob"), std::to_string(alice->id.value)}) {
    EXPECT_EQ(authenticator.identify(token(subject)).error(), CredentialErrc::unknown_subject);
  }
}

TEST_F(JwtAuthenticatorTest, TheSubjectIsTheIdWhereConfigured) {
  const auto alice = store_->create_user(alice_, digest_key("secret"));
  const std::string id = std::to_string(alice->id.value);
  options_.subject = JwtSubject::id;
  Authenticator& authenticator = start();
  EXPECT_EQ(authenticator.identify(token(id))->username, "alice");
  for (const std::string& subject : {std::string("alice"), id + ' ', ' ' + id, '+' + id, id + ".0",
                                     std::string("99999999999999999999"), std::string("-1")}) {
    EXPECT_EQ(authenticator.identify(token(subject)).error(), CredentialErrc::unknown_subject)
        << subject;
  }
}

TEST_F(JwtAuthenticatorTest, UsersAreCreatedOnFirstSightWhereConfigured) {
  options_.create_users = true;
  Authenticator& authenticator = start();
  const auto first = authenticator.identify(token("auth0|4711"));
  ASSERT_TRUE(first);
  EXPECT_EQ(first->username, "auth0|4711");
  EXPECT_EQ(authenticator.identify(token("auth0|4711"))->id, first->id);
  EXPECT_EQ(store_->list_users()->size(), 1u);
  EXPECT_EQ(authenticator.identify(token("no name")).error(), CredentialErrc::unknown_subject);
}

TEST_F(JwtAuthenticatorTest, UsersAreCreatedLaterWhereThatMustNotWait) {
  options_.create_users = true;
  Authenticator& authenticator = start();
  const std::string newcomer = token("newcomer");
  EXPECT_EQ(authenticator.identify(newcomer, NewUsers::later).error(), CredentialErrc::new_subject);
  EXPECT_EQ(authenticator.admit(newcomer, NewUsers::later).error(), CredentialErrc::new_subject);
  EXPECT_TRUE(store_->list_users()->empty());
  EXPECT_TRUE(authenticator.identify(newcomer, NewUsers::create));
  EXPECT_TRUE(authenticator.admit(newcomer, NewUsers::later));
}

TEST_F(JwtAuthenticatorTest, KeysWorkBesideTokens) {
  ASSERT_TRUE(store_->create_user(alice_, digest_key("secret")));
  Authenticator& authenticator = start();
  EXPECT_TRUE(authenticator.identify("secret"));
  EXPECT_EQ(authenticator.identify("a.b.c").error(), CredentialErrc::malformed_token);
}

TEST_F(JwtAuthenticatorTest, ATokenOnTheDenyListIsRefused) {
  ASSERT_TRUE(store_->create_user(alice_, digest_key("secret")));
  Authenticator& authenticator = start();
  EXPECT_TRUE(authenticator.identify(token("alice", R"(,"jti":"7")")));
  ASSERT_TRUE(store_->revoke_token(*TokenId::parse("7"), clock_.now(), clock_.now()));
  EXPECT_EQ(authenticator.identify(token("alice", R"(,"jti":"7")")).error(),
            CredentialErrc::revoked);
  EXPECT_TRUE(authenticator.identify(token("alice", R"(,"jti":"8")")));
  EXPECT_TRUE(authenticator.identify(token("alice")));
}

TEST_F(JwtAuthenticatorTest, EachRevocationEndsWhatItConcernsAndNothingElse) {
  ASSERT_TRUE(store_->create_user(alice_, digest_key("secret")));
  Authenticator& authenticator = start();
  const auto key = authenticator.admit("secret")->credential;
  const auto seven = authenticator.admit(token("alice", R"(,"jti":"7")"))->credential;
  const auto eight = authenticator.admit(token("alice", R"(,"jti":"8")"))->credential;
  const auto nameless = authenticator.admit(token("alice"))->credential;
  const auto check = [&] {
    EXPECT_FALSE(authenticator.check_live_credentials().failure);
    return std::array{key->is_revoked(), seven->is_revoked(), eight->is_revoked(),
                      nameless->is_revoked()};
  };
  EXPECT_EQ(check(), (std::array{false, false, false, false}));
  ASSERT_TRUE(store_->revoke_token(*TokenId::parse("7"), clock_.now(), clock_.now()));
  EXPECT_EQ(check(), (std::array{false, true, false, false}));
  ASSERT_TRUE(store_->replace_user_key(alice_, digest_key("new")));
  EXPECT_EQ(check(), (std::array{true, true, false, false}));
  ASSERT_TRUE(store_->remove_user(alice_));
  EXPECT_EQ(check(), (std::array{true, true, true, true}));
}

TEST_F(JwtAuthenticatorTest, ATokenOfARemovedUserIsNotThatOfANewOneOfTheSameName) {
  ASSERT_TRUE(store_->create_user(alice_, digest_key("secret")));
  Authenticator& authenticator = start();
  const auto live = authenticator.admit(token("alice"))->credential;
  ASSERT_TRUE(store_->remove_user(alice_));
  ASSERT_TRUE(store_->create_user(alice_, digest_key("secret")));
  authenticator.check_live_credentials();
  EXPECT_TRUE(live->is_revoked());
}

}  // namespace
}  // namespace voicechan::server
