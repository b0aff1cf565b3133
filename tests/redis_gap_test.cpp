#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <thread>

#include "backplane_test_hub.hpp"
#include "redis_hubs_fixture.hpp"
#include "voicechan/mutex.hpp"

// Nodes that are told in which groups they may have missed something.

namespace voicechan {
namespace {

using redis::RedisServer;
using std::chrono::milliseconds;
using ::testing::IsEmpty;

/// How often a node was told of each group.
class Gaps {
 public:
  explicit Gaps(Backplane& backplane) : backplane_(backplane) {
    EXPECT_TRUE(backplane_.watch_gaps([this](std::string_view group) {
      const MutexLock lock(mutex_);
      ++told_[std::string(group)];
    }));
  }
  ~Gaps() { backplane_.watch_gaps({}); }

  int count(const std::string& group) {
    const MutexLock lock(mutex_);
    const auto found = told_.find(group);
    return found == told_.end() ? 0 : found->second;
  }
  std::map<std::string, int> told() {
    const MutexLock lock(mutex_);
    return told_;
  }

 private:
  Backplane& backplane_;
  Mutex mutex_;
  std::map<std::string, int> told_ VOICECHAN_GUARDED_BY(mutex_);
};

TEST(RedisGapTest, ThereIsNoneWhileAllIsWell) {
  const RedisServer server;
  const auto node = open_node({&server});
  const auto other = open_node({&server});
  Gaps gaps(*node);
  BackplaneTestHub hub(*node);
  const auto hold = JoinedBackplane::prepare_now(*node, "notifications_1");
  hub.subscribe("notifications_1");
  for (int i = 0; i < 500; ++i) other->publish("notifications_1", Frame::control_text("x"));
  wait_for([&] {
    hub.port->poll();
    return hub.published.size() == 500;
  });
  EXPECT_THAT(gaps.told(), IsEmpty());
}

TEST(RedisGapTest, ABusThatComesBackIsOneInEveryGroupThatIsNoRoom) {
  RedisServer server;
  const auto node = open_node({&server});
  Gaps gaps(*node);
  BackplaneTestHub hub(*node);
  std::vector<std::shared_ptr<void>> holds;
  for (const char* group : {"notifications_1", "notifications_2", "voice_1", "signaling_1"}) {
    holds.push_back(JoinedBackplane::prepare_now(*node, group));
    hub.subscribe(group);
  }
  server.kill();
  wait_for([&] { return !node->status().is_bus_reachable; });
  server.start();
  wait_for([&] { return gaps.count("notifications_1") > 0 && gaps.count("notifications_2") > 0; });
  EXPECT_EQ(gaps.count("voice_1") + gaps.count("signaling_1"), 0);
}

TEST(RedisGapTest, AGroupThatWasJoinedWhileTheBusWasAwayHasOneToo) {
  RedisServer server;
  const auto node = open_node({&server});
  Gaps gaps(*node);
  server.kill();
  wait_for([&] { return !node->status().is_bus_reachable; });
  std::this_thread::sleep_for(milliseconds(1100));  // nobody waits for it any more
  BackplaneTestHub hub(*node);
  const auto hold = JoinedBackplane::prepare_now(*node, "notifications_1");
  hub.subscribe("notifications_1");
  server.start();
  wait_for([&] { return gaps.count("notifications_1") > 0; });
}

TEST(RedisGapTest, ANodeThatGoesInOrderIsNoneAndOneThatVanishesIs) {
  const RedisServer server;
  const RedisServer store;
  const auto node = open_node({&server}, &store);
  Gaps gaps(*node);
  BackplaneTestHub hub(*node);
  const auto hold = JoinedBackplane::prepare_now(*node, "notifications_1");
  hub.subscribe("notifications_1");
  auto other = open_node({&server}, &store);
  const auto leases = [&] { return store.command({"ZCARD", "vc:nodes"}).integer; };
  wait_for([&] { return leases() == 2; });
  // A node that this one has nothing to do with, and that says no goodbye.
  store.command({"ZADD", "vc:nodes", "99999999999999", "abc"});
  std::this_thread::sleep_for(milliseconds(2500));  // it has seen both
  other = nullptr;
  std::this_thread::sleep_for(milliseconds(2500));
  EXPECT_THAT(gaps.told(), IsEmpty());
  store.command({"ZREM", "vc:nodes", "abc"});
  wait_for([&] { return gaps.count("notifications_1") > 0; });
}

}  // namespace
}  // namespace voicechan
