#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "backplane_test_hub.hpp"
#include "redis/gateway.hpp"
#include "redis_fake_bus.hpp"

namespace voicechan::redis {
namespace {

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

}  // namespace
}  // namespace voicechan::redis
