#include "key_guard.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "credential_error.hpp"

namespace voicechan::server {
namespace {

ClientAddress address(const char* text) { return ClientAddress(asio::ip::make_address(text)); }

KeyGuardLimits limits(double rate = 1e-3) {
  KeyGuardLimits limits;
  limits.failures_per_second = rate;
  limits.failure_burst = 10;
  return limits;
}

class KeyGuardTest : public ::testing::Test {
 protected:
  /// Presents a key; keys that begin with "right" are right.
  std::error_code present(std::string key, const char* from = "192.0.2.1") {
    return guard_
        .check(address(from), std::optional(key),
               [&]() -> Result<int> {
                 ++look_ups_;
                 if (is_store_down_) return Errc::store_unavailable;
                 if (key.substr(0, 5) == "right") return 1;
                 return make_error_code(CredentialErrc::unknown_key);
               })
        .error();
  }
  void exhaust(const char* from = "192.0.2.1") {
    for (int i = 0; i < 20; ++i) (void)present("wrong" + std::to_string(i), from);
  }

  KeyGuard guard_{limits()};
  int look_ups_ = 0;
  bool is_store_down_ = false;
};

TEST_F(KeyGuardTest, AnAddressMayBeWrongSoOftenAndIsThenRefusedWithoutALookUp) {
  for (int i = 0; i < 10; ++i) EXPECT_EQ(present("wrong"), CredentialErrc::unknown_key) << i;
  for (int i = 0; i < 10; ++i) EXPECT_EQ(present("wrong"), Errc::rate_limited);
  EXPECT_EQ(look_ups_, 10);
}

TEST_F(KeyGuardTest, AKeyThatWasRightIsLookedUpWhateverItsNeighboursDo) {
  EXPECT_FALSE(present("right"));
  exhaust();
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(present("right"));
}

TEST_F(KeyGuardTest, WhoGuessesKeysDoesNotLockOutThoseWithTokens) {
  exhaust();
  EXPECT_EQ(present("right new key"), Errc::rate_limited);
  EXPECT_FALSE(present("right.new.token"));
}

TEST_F(KeyGuardTest, WhoGuessesTokensDoesNotLockOutThoseWithKeys) {
  for (int i = 0; i < 20; ++i) (void)present("wrong.token." + std::to_string(i));
  EXPECT_EQ(present("right.new.token"), Errc::rate_limited);
  EXPECT_FALSE(present("right new key"));
}

TEST_F(KeyGuardTest, AKeyThatIsRightNoMoreIsNotExempt) {
  EXPECT_FALSE(present("right"));
  exhaust();
  const auto revoked = [&] {
    return guard_
        .check(address("192.0.2.1"), std::optional<std::string>("right"),
               [&]() -> Result<int> {
                 ++look_ups_;
                 return make_error_code(CredentialErrc::unknown_key);
               })
        .error();
  };
  EXPECT_EQ(revoked(), CredentialErrc::unknown_key);
  look_ups_ = 0;
  for (int i = 0; i < 10; ++i) EXPECT_EQ(revoked(), Errc::rate_limited);
  EXPECT_EQ(look_ups_, 0);
}

TEST_F(KeyGuardTest, OtherAddressesAreNotConcerned) {
  exhaust();
  EXPECT_EQ(present("wrong", "192.0.2.2"), CredentialErrc::unknown_key);
  EXPECT_FALSE(present("right2", "192.0.2.2"));
}

TEST_F(KeyGuardTest, AnIpv6NetworkIsOneGuesser) {
  exhaust("2001:db8::1");
  EXPECT_EQ(present("wrong", "2001:db8::2"), Errc::rate_limited);
  EXPECT_EQ(present("wrong", "2001:db8:0:1::1"), CredentialErrc::unknown_key);
}

TEST_F(KeyGuardTest, RightKeysAndFailuresOfTheStoreCostNothing) {
  for (int i = 0; i < 7; ++i) (void)present("wrong");
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(present("right" + std::to_string(i)));
  is_store_down_ = true;
  for (int i = 0; i < 100; ++i) EXPECT_EQ(present("right"), Errc::store_unavailable);
  is_store_down_ = false;
  EXPECT_EQ(present("wrong"), CredentialErrc::unknown_key);
}

TEST_F(KeyGuardTest, NoKeyIsNoGuess) {
  exhaust();
  const auto result =
      guard_.check(address("192.0.2.1"), std::nullopt, []() -> Result<int> { return 7; });
  EXPECT_TRUE(result);
}

TEST(KeyGuardOffTest, ARateOfZeroRefusesNobody) {
  KeyGuard guard(limits(0));
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(
        guard
            .check(address("192.0.2.1"), std::optional<std::string>("wrong"),
                   []() -> Result<int> { return make_error_code(CredentialErrc::unknown_key); })
            .error(),
        CredentialErrc::unknown_key);
  }
}

}  // namespace
}  // namespace voicechan::server
