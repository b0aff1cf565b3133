#include "live_credentials.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace voicechan::server {
namespace {

CredentialBasis token_of(std::int64_t user, std::string id = {}) {
  return {UserId{user}, std::nullopt, std::move(id)};
}

CredentialBasis key_of(std::int64_t user, std::uint8_t key) {
  KeyDigest digest{};
  digest[0] = key;
  return {UserId{user}, digest, {}};
}

class LiveCredentialsTest : public ::testing::Test {
 protected:
  std::shared_ptr<const LiveCredential> enter(const CredentialBasis& basis) {
    return live_.enter(basis, live_.last_check());
  }

  LiveCredentials live_;
};

TEST_F(LiveCredentialsTest, ConnectionsWithTheSameBasisShareOne) {
  const auto first = enter(key_of(1, 7));
  EXPECT_EQ(enter(key_of(1, 7)), first);
  EXPECT_NE(enter(key_of(1, 8)), first);
  EXPECT_NE(enter(key_of(2, 7)), first);
  EXPECT_NE(enter(token_of(1)), first);
  EXPECT_NE(enter(token_of(1, "a")), enter(token_of(1, "b")));
}

TEST_F(LiveCredentialsTest, ACheckRevokesWhatIsValidNoMore) {
  const auto good = enter(token_of(1, "a"));
  const auto bad = enter(token_of(1, "b"));
  const auto outcome = live_.check(
      [](const CredentialBasis& basis) -> Result<bool> { return basis.token_id == "a"; });
  EXPECT_EQ(outcome.revoked, 1u);
  EXPECT_FALSE(outcome.failure);
  EXPECT_FALSE(good->is_revoked());
  EXPECT_TRUE(bad->is_revoked());
}

TEST_F(LiveCredentialsTest, WhatCannotBeCheckedStays) {
  const auto credential = enter(token_of(1));
  const auto outcome =
      live_.check([](const CredentialBasis&) -> Result<bool> { return Errc::store_unavailable; });
  EXPECT_EQ(outcome.failure, Errc::store_unavailable);
  EXPECT_EQ(outcome.revoked, 0u);
  EXPECT_FALSE(credential->is_revoked());
}

TEST_F(LiveCredentialsTest, NobodyEntersWithWhatWasSeenBeforeTheLastCheck) {
  const auto before = live_.last_check();
  live_.check([](const CredentialBasis&) -> Result<bool> { return true; });
  EXPECT_EQ(live_.enter(token_of(1), before), nullptr);
  EXPECT_NE(enter(token_of(1)), nullptr);
}

TEST_F(LiveCredentialsTest, WhoComesAfterARevocationDoesNotInheritIt) {
  const auto revoked = enter(token_of(1, "a"));
  live_.check([](const CredentialBasis&) -> Result<bool> { return false; });
  const auto fresh = enter(token_of(1, "a"));
  EXPECT_TRUE(revoked->is_revoked());
  EXPECT_FALSE(fresh->is_revoked());
}

TEST_F(LiveCredentialsTest, NobodyIsCheckedWhoHasGone) {
  enter(token_of(1));
  int checked = 0;
  live_.check([&](const CredentialBasis&) -> Result<bool> {
    ++checked;
    return true;
  });
  EXPECT_EQ(checked, 0);
}

TEST_F(LiveCredentialsTest, EntriesOfThoseWhoHaveGoneDoNotPileUp) {
  std::vector<std::shared_ptr<const LiveCredential>> held;
  for (int i = 0; i < 100; ++i) held.push_back(enter(token_of(i)));
  for (int i = 100; i < 100'000; ++i) enter(token_of(i));
  EXPECT_LE(live_.size(), 300u);
  EXPECT_EQ(enter(token_of(7)), held[7]);
}

TEST_F(LiveCredentialsTest, AWorkerMayLetGoWhileOthersEnterAndCheck) {
  std::atomic<bool> is_over{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; !is_over; ++i) {
        const auto credential =
            live_.enter(token_of(t % 2, std::to_string(i % 5)), live_.last_check());
        if (credential != nullptr) (void)credential->is_revoked();
      }
    });
  }
  for (int i = 0; i < 200; ++i) {
    live_.check([i](const CredentialBasis&) -> Result<bool> { return i % 2 == 0; });
  }
  is_over = true;
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace voicechan::server
