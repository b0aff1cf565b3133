#include "token_bucket.hpp"

#include <gtest/gtest.h>

namespace voicechan {
namespace {

using std::chrono::milliseconds;

const MonotonicTime kStart{std::chrono::hours(1)};

int take_all(TokenBucket& bucket, double rate, double burst, MonotonicTime now) {
  int taken = 0;
  while (taken < 1000 && bucket.take(rate, burst, now)) ++taken;
  return taken;
}

TEST(TokenBucketTest, BurstIsAllowedAtOnce) {
  TokenBucket bucket(5);
  EXPECT_EQ(take_all(bucket, 1, 5, kStart), 5);
}

TEST(TokenBucketTest, TokensComeBackAtTheRate) {
  TokenBucket bucket(5);
  take_all(bucket, 4, 5, kStart);
  EXPECT_FALSE(bucket.take(4, 5, kStart + milliseconds(249)));
  EXPECT_TRUE(bucket.take(4, 5, kStart + milliseconds(250)));
  EXPECT_FALSE(bucket.take(4, 5, kStart + milliseconds(250)));
  EXPECT_EQ(take_all(bucket, 4, 5, kStart + milliseconds(1000)), 3);
}

TEST(TokenBucketTest, NeverMoreThanTheBurstIsSavedUp) {
  TokenBucket bucket(3);
  take_all(bucket, 100, 3, kStart);
  EXPECT_EQ(take_all(bucket, 100, 3, kStart + std::chrono::hours(24)), 3);
}

TEST(TokenBucketTest, RefusedAttemptsCostNothing) {
  TokenBucket bucket(1);
  take_all(bucket, 1, 1, kStart);
  for (int i = 1; i < 1000; i += 10) EXPECT_FALSE(bucket.take(1, 1, kStart + milliseconds(i)));
  EXPECT_TRUE(bucket.take(1, 1, kStart + milliseconds(1001)));
}

TEST(TokenBucketTest, RateOfZeroAllowsEverything) {
  TokenBucket bucket(0);
  EXPECT_EQ(take_all(bucket, 0, 0, kStart), 1000);
}

TEST(TokenBucketTest, RateBelowOnePerSecondWorks) {
  TokenBucket bucket(1);
  EXPECT_TRUE(bucket.take(0.5, 1, kStart));
  EXPECT_FALSE(bucket.take(0.5, 1, kStart + milliseconds(1999)));
  EXPECT_TRUE(bucket.take(0.5, 1, kStart + milliseconds(2001)));
}

TEST(TokenBucketTest, TimeThatStandsStillAddsNothing) {
  TokenBucket bucket(2);
  EXPECT_EQ(take_all(bucket, 1000, 2, MonotonicTime{}), 2);
  EXPECT_FALSE(bucket.take(1000, 2, MonotonicTime{}));
}

}  // namespace
}  // namespace voicechan
