#include "token_rate.hpp"

#include <gtest/gtest.h>

namespace voicechan::server {
namespace {

using namespace std::chrono_literals;

const MonotonicTime kBegin = MonotonicTime{} + 1h;

class TokenRateTest : public ::testing::Test {
 protected:
  int take_all(MonotonicTime now) {
    int taken = 0;
    while (rate.take(full_at, 1, now)) ++taken;
    return taken;
  }

  TokenRate rate{10, 5};
  MonotonicTime full_at{};
};

TEST_F(TokenRateTest, GivesTheBurstAtOnceAndThenTheRate) {
  EXPECT_EQ(take_all(kBegin), 5);
  EXPECT_EQ(take_all(kBegin + 99ms), 0);
  EXPECT_EQ(take_all(kBegin + 100ms), 1);
  EXPECT_EQ(take_all(kBegin + 400ms), 3);
  EXPECT_EQ(take_all(kBegin + 1h), 5);
}

TEST_F(TokenRateTest, ARefusalTakesNothing) {
  EXPECT_EQ(take_all(kBegin), 5);
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(rate.take(full_at, 1, kBegin));
  EXPECT_EQ(take_all(kBegin + 100ms), 1);
}

TEST_F(TokenRateTest, AFullBucketGivesMoreThanItHolds) {
  EXPECT_TRUE(rate.take(full_at, 20, kBegin));
  EXPECT_FALSE(rate.take(full_at, 1, kBegin + 1500ms));
  EXPECT_TRUE(rate.take(full_at, 1, kBegin + 1600ms));
}

TEST_F(TokenRateTest, ARateOfZeroAllowsEverything) {
  const TokenRate any(0, 1);
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(any.take(full_at, 1e9, kBegin));
}

TEST_F(TokenRateTest, AChargeOwesASecondAtMost) {
  for (int i = 0; i < 1000; ++i) rate.charge(full_at, kBegin);
  EXPECT_EQ(take_all(kBegin + 1s), 0);
  EXPECT_EQ(take_all(kBegin + 1100ms), 1);
}

TEST_F(TokenRateTest, WhatIsGivenBackCanBeTakenAgain) {
  EXPECT_EQ(take_all(kBegin), 5);
  rate.give_back(full_at);
  EXPECT_EQ(take_all(kBegin), 1);
}

TEST_F(TokenRateTest, TellsWhetherHalfIsLeft) {
  EXPECT_TRUE(rate.is_half_full(full_at, kBegin));
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(rate.take(full_at, 1, kBegin));
  EXPECT_TRUE(rate.is_half_full(full_at, kBegin));
  EXPECT_TRUE(rate.take(full_at, 1, kBegin));
  EXPECT_FALSE(rate.is_half_full(full_at, kBegin));
}

TEST_F(TokenRateTest, ExtremesDoNotOverflow) {
  const TokenRate slow(1e-9, 1e12);
  EXPECT_TRUE(slow.take(full_at, 1e12, kBegin));
  EXPECT_FALSE(slow.take(full_at, 1e12, kBegin + 1s));
}

}  // namespace
}  // namespace voicechan::server
