#include "flow.hpp"

#include <gtest/gtest.h>

namespace voicechan::load {
namespace {

TEST(FlowTest, ConsecutiveNumbersAreInOrder) {
  Flow flow;
  for (std::uint64_t i = 0; i < 200; ++i) EXPECT_EQ(flow.take(i), Arrival::in_order);
  EXPECT_EQ(flow.next(), 200u);
  EXPECT_EQ(flow.missing(), 0u);
}

TEST(FlowTest, GapCountsWhatIsMissing) {
  Flow flow;
  EXPECT_EQ(flow.take(3), Arrival::after_gap);
  EXPECT_EQ(flow.take(4), Arrival::in_order);
  EXPECT_EQ(flow.take(104), Arrival::after_gap);
  EXPECT_EQ(flow.missing(), 102u);
  EXPECT_EQ(flow.next(), 105u);
}

TEST(FlowTest, LateOneIsNotMissingAnyMore) {
  Flow flow;
  flow.take(0);
  flow.take(3);
  EXPECT_EQ(flow.take(2), Arrival::late);
  EXPECT_EQ(flow.missing(), 1u);
  EXPECT_EQ(flow.take(1), Arrival::late);
  EXPECT_EQ(flow.missing(), 0u);
  EXPECT_EQ(flow.take(4), Arrival::in_order);
}

TEST(FlowTest, LateOneThatComesAgainIsADuplicate) {
  Flow flow;
  flow.take(0);
  flow.take(3);
  EXPECT_EQ(flow.take(2), Arrival::late);
  EXPECT_EQ(flow.take(2), Arrival::duplicate);
  EXPECT_EQ(flow.take(3), Arrival::duplicate);
  EXPECT_EQ(flow.missing(), 1u);
}

TEST(FlowTest, VeryOldOneIsADuplicateIfNothingIsMissing) {
  Flow flow;
  for (std::uint64_t i = 0; i < 500; ++i) flow.take(i);
  EXPECT_EQ(flow.take(1), Arrival::duplicate);
}

TEST(FlowTest, VeryOldOneIsLateIfSomethingIsMissing) {
  Flow flow;
  for (std::uint64_t i = 1; i < 500; ++i) flow.take(i);
  EXPECT_EQ(flow.take(0), Arrival::late);
  EXPECT_EQ(flow.missing(), 0u);
}

TEST(FlowTest, MayBeginAnywhere) {
  Flow flow(1000);
  EXPECT_EQ(flow.take(1000), Arrival::in_order);
  EXPECT_EQ(flow.take(999), Arrival::duplicate);
  EXPECT_EQ(flow.missing(), 0u);
}

TEST(FlowTest, GapOfExactlyTheMemoryIsExact) {
  for (std::uint64_t gap = 60; gap < 70; ++gap) {
    Flow flow;
    flow.take(0);
    EXPECT_EQ(flow.take(gap + 1), Arrival::after_gap);
    EXPECT_EQ(flow.missing(), gap);
    EXPECT_EQ(flow.take(gap + 1), Arrival::duplicate);
    EXPECT_EQ(flow.take(gap), Arrival::late);
    EXPECT_EQ(flow.take(1), Arrival::late);
    EXPECT_EQ(flow.missing(), gap - 2);
  }
}

}  // namespace
}  // namespace voicechan::load
