#include "redis/rendezvous.hpp"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace voicechan::redis {
namespace {

std::string topic(int number) { return "vc:r:" + std::to_string(number); }

TEST(RendezvousTest, OneInstanceIsBothRanks) {
  EXPECT_EQ(Rendezvous({"a 1"}).rank("x"), (TopicRanks{0, 0}));
}

TEST(RendezvousTest, OrderOfTheListDoesNotMatter) {
  const Rendezvous one({"a 1", "b 1", "c 1"});
  const Rendezvous other({"c 1", "a 1", "b 1"});
  const std::size_t other_index[] = {1, 2, 0};
  for (int i = 0; i < 1000; ++i) {
    const auto ranks = one.rank(topic(i));
    EXPECT_NE(ranks[0], ranks[1]);
    EXPECT_EQ(other.rank(topic(i)), (TopicRanks{other_index[ranks[0]], other_index[ranks[1]]}));
  }
}

TEST(RendezvousTest, TopicsAreSpreadEvenly) {
  const Rendezvous ranks({"127.0.0.1 7001", "127.0.0.1 7002", "127.0.0.1 7003"});
  std::map<TopicRanks, int> counts;
  for (int i = 0; i < 6000; ++i) ++counts[ranks.rank(topic(i))];
  EXPECT_EQ(counts.size(), 6u);
  for (const auto& [pair, count] : counts) EXPECT_NEAR(count, 1000, 150);
}

TEST(RendezvousTest, AnotherInstanceMovesOnlyItsShare) {
  const Rendezvous before({"a 1", "b 1", "c 1"});
  const Rendezvous after({"a 1", "b 1", "c 1", "d 1"});
  int moved = 0;
  for (int i = 0; i < 4000; ++i) {
    const auto first = after.rank(topic(i))[0];
    if (first == before.rank(topic(i))[0]) continue;
    EXPECT_EQ(first, 3u);
    ++moved;
  }
  EXPECT_NEAR(moved, 1000, 150);
}

// Nodes of other builds must agree.
TEST(RendezvousTest, RanksDoNotChangeWithTheBuild) {
  const Rendezvous ranks({"bus1 6379", "bus2 6379", "bus3 6379"});
  std::string firsts;
  for (int i = 0; i < 12; ++i) firsts += std::to_string(ranks.rank(topic(i))[0]);
  EXPECT_EQ(firsts, "120221221212");
}

}  // namespace
}  // namespace voicechan::redis
