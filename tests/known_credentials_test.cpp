#include "known_credentials.hpp"

#include <gtest/gtest.h>

#include "keys.hpp"

namespace voicechan::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const KeyDigest kKey = digest_key("key");
const CredentialEvidence kAlice{{UserId{7}, "alice"}, {UserId{7}, kKey, {}}};

class KnownCredentialsTest : public ::testing::Test {
 protected:
  KnownCredentialsTest() { known_.on_store_answered(now_); }

  bool recalls() { return known_.recall(kKey, now_).has_value(); }

  MonotonicTime now_{seconds(1000)};
  KnownCredentials known_{seconds(600)};
};

TEST_F(KnownCredentialsTest, TheStoreIsAskedAsLongAsItAnswers) {
  known_.remember(kKey, kAlice, known_.generation());
  EXPECT_FALSE(recalls());
}

TEST_F(KnownCredentialsTest, RecallsWhomTheStoreConfirmed) {
  known_.remember(kKey, kAlice, known_.generation());
  known_.on_store_failed(now_);
  const auto found = known_.recall(kKey, now_);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->user.username, "alice");
  EXPECT_EQ(found->basis.key, kKey);
}

TEST_F(KnownCredentialsTest, OthersAreNotRecalled) {
  known_.remember(kKey, kAlice, known_.generation());
  known_.on_store_failed(now_);
  EXPECT_FALSE(known_.recall(digest_key("other"), now_));
}

TEST_F(KnownCredentialsTest, TheStoreIsAskedAgainAfterAPause) {
  known_.remember(kKey, kAlice, known_.generation());
  known_.on_store_failed(now_);
  now_ += KnownCredentials::kPause;
  EXPECT_TRUE(recalls());
  now_ += milliseconds(1);
  EXPECT_FALSE(recalls());
}

TEST_F(KnownCredentialsTest, TheGraceBeginsWithTheLastAnswer) {
  known_.remember(kKey, kAlice, known_.generation());
  now_ += seconds(599);
  known_.on_store_answered(now_);
  now_ += seconds(600);
  known_.on_store_failed(now_);
  EXPECT_TRUE(recalls());
  now_ += milliseconds(1);
  EXPECT_FALSE(recalls());
}

TEST_F(KnownCredentialsTest, NobodyIsRecalledBeforeAnyAnswer) {
  KnownCredentials known(seconds(600));
  known.remember(kKey, kAlice, known.generation());
  known.on_store_failed(now_);
  EXPECT_FALSE(known.recall(kKey, now_));
}

TEST_F(KnownCredentialsTest, ARevocationForgetsAll) {
  known_.remember(kKey, kAlice, known_.generation());
  known_.forget_all();
  known_.on_store_failed(now_);
  EXPECT_FALSE(recalls());
}

TEST_F(KnownCredentialsTest, WhatWasFoundBeforeARevocationIsNotRemembered) {
  const auto generation = known_.generation();
  known_.forget_all();
  known_.remember(kKey, kAlice, generation);
  known_.on_store_failed(now_);
  EXPECT_FALSE(recalls());
}

TEST_F(KnownCredentialsTest, WithoutAGraceNobodyIsRecalled) {
  KnownCredentials known(seconds(0));
  known.on_store_answered(now_);
  known.remember(kKey, kAlice, known.generation());
  known.on_store_failed(now_);
  EXPECT_FALSE(known.recall(kKey, now_));
}

}  // namespace
}  // namespace voicechan::server
