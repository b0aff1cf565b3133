#include "redis/stream_order.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace voicechan::redis {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class StreamOrderTest : public ::testing::Test {
 protected:
  bool accept(std::size_t instance, std::uint64_t number, bool is_first = false) {
    return order_.accept(instance, number, is_first, std::to_string(number), now_, deliver());
  }
  bool accept_large(std::size_t instance, std::uint64_t number) {
    return order_.accept(instance, number, false, std::string(1u << 20, 'x'), now_,
                         [this](auto&&, bool) { delivered_.emplace_back("large"); });
  }
  void pass(milliseconds time) {
    now_ += time;
    order_.tick(now_, deliver());
  }
  std::vector<std::string> delivered() { return std::exchange(delivered_, {}); }

 private:
  std::function<void(const std::string&, bool)> deliver() {
    return [this](const std::string& bytes, bool has_hole) {
      delivered_.push_back((has_hole ? "hole " : "") + bytes);
    };
  }

  StreamOrder order_;
  StreamOrder::Clock::time_point now_ = StreamOrder::Clock::now();
  std::vector<std::string> delivered_;
};

TEST_F(StreamOrderTest, BeginsAnywhere) {
  accept(0, 70);
  accept(0, 71);
  EXPECT_THAT(delivered(), ElementsAre("70", "71"));
}

TEST_F(StreamOrderTest, WhatCameByTheOtherInstanceIsNotRepeated) {
  accept(0, 1);
  EXPECT_FALSE(accept(1, 1));
  accept(1, 2);
  EXPECT_FALSE(accept(0, 2));
  EXPECT_THAT(delivered(), ElementsAre("1", "2"));
}

TEST_F(StreamOrderTest, AHoleOnOneInstanceIsALoss) {
  accept(0, 1);
  accept(0, 3);
  EXPECT_THAT(delivered(), ElementsAre("1", "hole 3"));
  EXPECT_FALSE(accept(1, 2)) << "too late";
}

TEST_F(StreamOrderTest, AChangeOfInstanceWaitsForTheFormerOne) {
  accept(0, 1);
  accept(1, 4);
  accept(1, 5);
  EXPECT_THAT(delivered(), ElementsAre("1"));
  accept(0, 2);
  EXPECT_THAT(delivered(), ElementsAre("2"));
  accept(0, 3);
  EXPECT_THAT(delivered(), ElementsAre("3", "4", "5"));
  accept(1, 6);
  EXPECT_THAT(delivered(), ElementsAre("6"));
}

TEST_F(StreamOrderTest, AChangeOfInstanceWaitsNotForEver) {
  accept(0, 1);
  accept(1, 3);
  EXPECT_FALSE(accept(1, 3)) << "held already";
  pass(milliseconds(19));
  EXPECT_THAT(delivered(), ElementsAre("1"));
  pass(milliseconds(1));
  EXPECT_THAT(delivered(), ElementsAre("hole 3"));
  accept(1, 4);
  EXPECT_THAT(delivered(), ElementsAre("4"));
}

TEST_F(StreamOrderTest, HoldsOnlySoMany) {
  accept(0, 1);
  for (std::uint64_t i = 0; i < StreamOrder::kMaxHeld; ++i) accept(1, 3 + i);
  EXPECT_THAT(delivered(), ElementsAre("1"));
  accept(1, 3 + StreamOrder::kMaxHeld);
  EXPECT_EQ(delivered().size(), StreamOrder::kMaxHeld + 1);
}

TEST_F(StreamOrderTest, APublisherThatForgotItsNumbersLosesNothing) {
  accept(0, 1);
  accept(1, 900, true);
  accept(1, 901);
  EXPECT_THAT(delivered(), ElementsAre("1", "900", "901"));
  EXPECT_FALSE(accept(0, 900, true));
  EXPECT_THAT(delivered(), IsEmpty());
}

TEST_F(StreamOrderTest, HowMuchWaitsIsBoundInBytes) {
  accept(0, 1);
  delivered();
  for (std::uint64_t number = 3; number < 7; ++number) accept_large(1, number);
  EXPECT_THAT(delivered(), IsEmpty());
  accept_large(1, 7);
  EXPECT_THAT(delivered(), ElementsAre("large", "large", "large", "large", "large"));
  accept_large(0, 9);
  EXPECT_THAT(delivered(), IsEmpty()) << "and begins anew";
}

}  // namespace
}  // namespace voicechan::redis
