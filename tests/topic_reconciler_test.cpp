#include "redis/topic_reconciler.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <set>
#include <string>
#include <vector>

namespace voicechan::redis {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

using Command = TopicReconciler::Command;

std::vector<std::string> sent(TopicReconciler& topics, bool is_subscribe) {
  const Command* command = topics.next();
  if (command == nullptr || command->is_subscribe != is_subscribe) return {};
  return command->topics;
}

TEST(TopicReconcilerTest, NothingIsSentWithoutAConnection) {
  TopicReconciler topics;
  topics.want("a", true);
  EXPECT_EQ(topics.next(), nullptr);
  topics.on_up();
  EXPECT_THAT(sent(topics, true), ElementsAre("a"));
  EXPECT_EQ(topics.next(), nullptr);
  EXPECT_FALSE(topics.is_acknowledged("a"));
  EXPECT_TRUE(topics.acknowledge(true, "a"));
  EXPECT_TRUE(topics.is_acknowledged("a"));
}

TEST(TopicReconcilerTest, UnsubscribeNeverOvertakesSubscribe) {
  TopicReconciler topics;
  topics.on_up();
  topics.want("a", true);
  EXPECT_THAT(sent(topics, true), ElementsAre("a"));
  topics.want("a", false);
  topics.want("a", true);
  topics.want("a", false);
  EXPECT_EQ(topics.next(), nullptr);
  EXPECT_TRUE(topics.acknowledge(true, "a"));
  EXPECT_THAT(sent(topics, false), ElementsAre("a"));
  EXPECT_TRUE(topics.acknowledge(false, "a"));
  EXPECT_EQ(topics.next(), nullptr);
  EXPECT_EQ(topics.size(), 0u);
}

TEST(TopicReconcilerTest, WantedAgainBeforeAnythingWasSentCostsNothing) {
  TopicReconciler topics;
  topics.on_up();
  topics.want("a", true);
  ASSERT_THAT(sent(topics, true), ElementsAre("a"));
  ASSERT_TRUE(topics.acknowledge(true, "a"));
  topics.want("a", false);
  topics.want("a", true);
  EXPECT_EQ(topics.next(), nullptr);
  EXPECT_TRUE(topics.is_acknowledged("a"));
}

TEST(TopicReconcilerTest, ACutMeansAllOverAgainForWhatIsWanted) {
  TopicReconciler topics;
  topics.on_up();
  for (const char* topic : {"a", "b", "c"}) topics.want(topic, true);
  ASSERT_EQ(sent(topics, true).size(), 3u);
  ASSERT_TRUE(topics.acknowledge(true, "a"));
  topics.want("b", false);
  topics.on_down();
  EXPECT_FALSE(topics.is_acknowledged("a"));
  topics.on_up();
  EXPECT_THAT(sent(topics, true), UnorderedElementsAre("a", "c"));
  topics.on_up();  // cut within it
  EXPECT_THAT(sent(topics, true), UnorderedElementsAre("a", "c"));
}

TEST(TopicReconcilerTest, ManyTopicsGoInBatchesAFewAtATime) {
  TopicReconciler topics;
  const std::size_t count = TopicReconciler::kBatch * (TopicReconciler::kMaxCommands + 1);
  for (std::size_t i = 0; i < count; ++i) topics.want(std::to_string(i), true);
  topics.on_up();
  std::vector<std::string> first;
  for (std::size_t i = 0; i < TopicReconciler::kMaxCommands; ++i) {
    const auto batch = sent(topics, true);
    EXPECT_EQ(batch.size(), TopicReconciler::kBatch);
    if (i == 0) first = batch;
  }
  EXPECT_EQ(topics.next(), nullptr);
  for (const auto& topic : first) ASSERT_TRUE(topics.acknowledge(true, topic));
  EXPECT_EQ(sent(topics, true).size(), TopicReconciler::kBatch);
  EXPECT_EQ(topics.acknowledged(), TopicReconciler::kBatch);
}

TEST(TopicReconcilerTest, WhatNobodyAskedForIsNoticed) {
  TopicReconciler topics;
  topics.on_up();
  EXPECT_FALSE(topics.acknowledge(true, "a"));
  EXPECT_FALSE(topics.refuse());
  topics.want("a", true);
  ASSERT_EQ(sent(topics, true).size(), 1u);
  EXPECT_FALSE(topics.acknowledge(true, "b"));
  EXPECT_FALSE(topics.acknowledge(false, "a"));
}

TEST(TopicReconcilerTest, ARefusedCommandIsTriedAgainLater) {
  TopicReconciler topics;
  topics.on_up();
  topics.want("a", true);
  topics.want("b", true);
  ASSERT_EQ(sent(topics, true).size(), 2u);
  EXPECT_TRUE(topics.refuse());
  EXPECT_EQ(topics.next(), nullptr);
  topics.want("b", false);
  topics.retry_refused();
  EXPECT_THAT(sent(topics, true), ElementsAre("a"));
  EXPECT_EQ(topics.size(), 1u);
}

// A server that does what it is told, cuts, refusals and changes of mind at random: in the end it
// has subscribed what is wanted.
TEST(TopicReconcilerTest, EndsWithWhatIsWanted) {
  const auto seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  TopicReconciler topics;
  std::set<std::string> wanted;
  std::set<std::string> subscribed;
  std::deque<Command> under_way;

  const auto send_all = [&] {
    while (const Command* command = topics.next()) under_way.push_back(*command);
  };
  const auto serve_one = [&] {
    if (under_way.empty()) return;
    const Command command = under_way.front();
    under_way.pop_front();
    for (const auto& topic : command.topics) {
      ASSERT_EQ(subscribed.count(topic), command.is_subscribe ? 0u : 1u) << "for nothing";
      command.is_subscribe ? (void)subscribed.insert(topic) : (void)subscribed.erase(topic);
      ASSERT_TRUE(topics.acknowledge(command.is_subscribe, topic));
    }
  };
  for (int i = 0; i < 20'000; ++i) {
    const auto topic = std::to_string(random() % 50);
    switch (random() % 20) {
      case 0:
        topics.on_down();
        subscribed.clear();
        under_way.clear();
        break;
      case 1:
      case 2:
        topics.on_up();
        subscribed.clear();
        under_way.clear();
        break;
      case 3:
        if (!under_way.empty()) {
          under_way.pop_front();
          ASSERT_TRUE(topics.refuse());
        }
        break;
      case 4:
        topics.retry_refused();
        break;
      case 5:
      case 6:
      case 7:
        serve_one();
        break;
      default: {
        const bool is_wanted = random() % 2 == 0;
        topics.want(topic, is_wanted);
        is_wanted ? (void)wanted.insert(topic) : (void)wanted.erase(topic);
        if (random() % 2 == 0) send_all();
      }
    }
  }
  topics.on_up();
  subscribed.clear();
  under_way.clear();
  for (send_all(); !under_way.empty(); send_all()) serve_one();
  EXPECT_EQ(subscribed, wanted);
  EXPECT_EQ(topics.acknowledged(), wanted.size());
  EXPECT_EQ(topics.size(), wanted.size());
}

}  // namespace
}  // namespace voicechan::redis
