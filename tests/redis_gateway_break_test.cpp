#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "backplane_test_hub.hpp"
#include "fake_transport.hpp"
#include "redis/envelope.hpp"
#include "redis/gateway.hpp"
#include "redis_two_nodes.hpp"

namespace voicechan::redis {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// A node that has a hub with so many groups, on a bus that is the test's own.
class RedisGatewayBreakTest : public ::testing::Test {
 protected:
  void enter(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      const std::string group = "voice_" + std::to_string(i);
      hub_.subscribe(group);
      topics_.push_back(group_topic(group));
    }
    hub_.port->flush();
    ASSERT_EQ(published_at_least(1), std::vector<std::size_t>(count, 1)) << "the first questions";
    broker_.settle();
  }

  /// How often something was published in each group, as soon as it was so often in all.
  std::vector<std::size_t> published_at_least(std::size_t least) {
    std::vector<std::size_t> counts;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    do {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      counts.clear();
      broker_.call([&] {
        for (const std::string& topic : topics_) counts.push_back(broker_.published[topic]);
      });
    } while (*std::min_element(counts.begin(), counts.end()) < least &&
             std::chrono::steady_clock::now() < deadline);
    return counts;
  }

  FakeBroker broker_;
  FakeNode node_{broker_, 0x1111};
  BackplaneTestHub hub_{node_.backplane};
  std::vector<std::string> topics_;
};

TEST_F(RedisGatewayBreakTest, ABreakOfManyGroupsIsOneQuestionOfEach) {
  const std::size_t count = 2 * Gateway::kMaxQuestions + 1;
  enter(count);
  std::size_t at_once = 0;
  broker_.call([&] {
    Gateway& gateway = node_.backplane.gateway();
    for (int instance = 0; instance < 2; ++instance) {
      for (const std::string& topic : topics_) gateway.on_gap(topic);
    }
    gateway.take_epoch(1, false);
    gateway.turn();
    for (const std::string& topic : topics_) at_once += broker_.published[topic] - 1;
  });
  EXPECT_EQ(at_once, Gateway::kMaxQuestions);
  EXPECT_EQ(published_at_least(2), std::vector<std::size_t>(count, 2));
  broker_.settle();
  EXPECT_EQ(published_at_least(2), std::vector<std::size_t>(count, 2)) << "and no more";
}

/// As a node that stood still may, when it goes on before it knows that it was given up.
TEST(RedisFencedNodeTest, WhatItSaysUnderTheEpochThatWasGivenUpIsNotHeard) {
  TwoNodes system;
  Gateway& near = system.node(0).backplane.gateway();
  Gateway& far = system.node(1).backplane.gateway();
  Client here;
  Client there;
  here.session = system.hub(0).open_signaling({UserId{1}, "ann"}, here.transport);
  there.session = system.hub(1).open_signaling({UserId{2}, "bob"}, there.transport);
  // What it was told of, as soon as it is so much.
  const auto changes = [&](std::size_t count) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    do {
      system.settle();
    } while (here.transport.frames.size() < count && std::chrono::steady_clock::now() < deadline);
    std::vector<std::string> types;
    for (const Frame& frame : std::exchange(here.transport.frames, {})) {
      types.emplace_back(parse_json(frame.bytes()).as_object().at("type").as_string());
    }
    return types;
  };
  const std::string join = R"({"type":"join","room":"team"})";
  here.send(join);
  EXPECT_THAT(changes(1), ElementsAre("joined"));
  there.send(join);
  EXPECT_THAT(changes(1), ElementsAre("peer_joined"));

  system.broker.call([&] { near.drop_node(2); });
  EXPECT_THAT(changes(1), ElementsAre("peer_left"));
  system.broker.call([&] {
    far.on_gap(group_topic("signaling_team"));  // has it ask, and say whom it has
    far.turn();
  });
  EXPECT_THAT(changes(0), IsEmpty());
  system.broker.call([&] { far.take_epoch(1, true); });
  EXPECT_THAT(changes(1), ElementsAre("peer_joined"));

  // Who has a lease was not given up, or for a short time.
  system.broker.call([&] { near.drop_node(2); });
  EXPECT_THAT(changes(1), ElementsAre("peer_left"));
  system.broker.call([&] {
    near.on_lease(make_origin(2, 1));
    far.on_gap(group_topic("signaling_team"));
    far.turn();
  });
  EXPECT_THAT(changes(1), ElementsAre("peer_joined"));
}

}  // namespace
}  // namespace voicechan::redis
