#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "redis_mirror_net.hpp"

// Whatever fails, in whatever order: when it is over, all nodes have the same roster and it is
// true.

namespace voicechan::redis {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr GroupKind kKinds[] = {GroupKind::signaling, GroupKind::voice};

/// Two nodes are cut off and come back, and one of them changes: in every order.
TEST(RedisRosterOutageTest, CutsAndChangesInEveryOrderLeaveNoGhost) {
  enum Event { cut_0, cut_1, up_0, up_1, change };
  enum Change { joins, leaves, ends, ends_and_is_back };
  for (const GroupKind kind : kKinds) {
    for (const Change what : {joins, leaves, ends, ends_and_is_back}) {
      for (const milliseconds pause : {milliseconds(0), milliseconds(3), milliseconds(400)}) {
        std::vector<Event> order{cut_0, cut_1, up_0, up_1, change};
        do {
          const auto place = [&](Event event) {
            return std::find(order.begin(), order.end(), event) - order.begin();
          };
          if (place(cut_0) > place(up_0) || place(cut_1) > place(up_1)) continue;
          MirrorNet net(1, {kind, 0, milliseconds(2), 2});
          std::string name = std::to_string(what) + "/" + std::to_string(pause.count()) + ":";
          for (std::size_t i = 0; i < 2; ++i) {
            net.subscribe(i);
            net.run(milliseconds(10));
            net.enter(i);
            net.run(milliseconds(10));
          }
          for (const Event event : order) {
            name += std::to_string(event);
            switch (event) {
              case cut_0:
                net.cut(0);
                break;
              case cut_1:
                net.cut(1);
                break;
              case up_0:
                net.subscribe(0);
                break;
              case up_1:
                if (net.is_open(1)) net.subscribe(1);
                break;
              case change:
                if (what == joins) {
                  net.enter(1);
                } else if (what == leaves) {
                  net.leave(1, 0);
                } else {
                  net.unsubscribe(1);
                }
                if (what == ends_and_is_back) net.open(1);
            }
            net.run(pause);
          }
          SCOPED_TRACE(name);
          net.run(seconds(3));
          net.expect_the_truth();
          if (::testing::Test::HasFailure()) return;
        } while (std::next_permutation(order.begin(), order.end()));
      }
    }
  }
}

TEST(RedisRosterOutageTest, AQuestionThatIsRefusedIsRepeatedUntilItIsNot) {
  MirrorNet net(1, {GroupKind::signaling, 0, milliseconds(2), 2});
  net.subscribe(0);
  net.set_can_publish(1, false);
  net.subscribe(1);
  net.run(milliseconds(50));
  net.enter(1);
  net.run(seconds(60));
  EXPECT_TRUE(net.nodes[0]->roster.empty());
  const std::size_t asked = net.nodes[1]->questions;
  EXPECT_LT(asked, 20u);
  net.set_can_publish(1, true);  // nobody tells it
  net.run(seconds(9));
  net.expect_the_truth();
  EXPECT_TRUE(net.nodes[0]->has_listeners);
  EXPECT_TRUE(net.nodes[1]->has_listeners);
  const std::size_t enough = net.nodes[1]->questions;
  net.run(seconds(60));
  EXPECT_EQ(net.nodes[1]->questions, enough);
}

/// Somebody who looks at the bus, as by `redis-cli psubscribe`.
TEST(RedisRosterOutageTest, AReceiverThatNeverAnswersIsAskedForSeldom) {
  for (const GroupKind kind : kKinds) {
    MirrorNet net(1, {kind, 0, milliseconds(2), 3});
    for (std::size_t i = 0; i < 3; ++i) net.subscribe(i);
    net.enter(1);
    net.run(seconds(10));
    net.strangers = 1;
    net.run(std::chrono::hours(1));
    for (const auto& node : net.nodes) EXPECT_LT(node->questions, 100u);
    net.loss_percent = 100;
    net.change(1);
    net.enter(1);
    net.run(milliseconds(50));
    net.loss_percent = 0;
    net.run(seconds(11));
    net.expect_the_truth();
    net.strangers = 0;
    net.run(seconds(160));
    const std::size_t asked = net.nodes[0]->questions;
    net.run(seconds(300));
    EXPECT_EQ(net.nodes[0]->questions, asked) << "all is well again";
  }
}

TEST(RedisRosterOutageTest, ANodeThatComesWhileAStrangerListensIsKnownAtOnce) {
  MirrorNet net(1, {GroupKind::signaling, 0, milliseconds(2), 3});
  net.strangers = 1;
  net.subscribe(0);
  net.subscribe(1);
  net.enter(0);
  net.run(std::chrono::minutes(10));
  net.subscribe(2);
  net.enter(2);
  net.run(seconds(1));
  net.expect_the_truth();
}

TEST(RedisRosterOutageTest, WhatTheBusRefusesIsNotSaidEveryOtherSecond) {
  MirrorNet net(1, {GroupKind::voice, 0, milliseconds(2), 2});
  net.subscribe(0);
  net.subscribe(1);
  net.enter(1);
  net.run(seconds(10));
  net.set_can_publish(1, false);
  const std::size_t published = net.nodes[1]->published;
  net.run(seconds(300));
  EXPECT_LT(net.nodes[1]->published - published, 10u);
  EXPECT_EQ(net.nodes[0]->roster.size(), 1u);
}

/// The answer to what became of a node may be lost as well.
TEST(RedisRosterOutageTest, ANodeThatLeftUnheardIsNoGhostForGood) {
  for (unsigned seed = 1; seed < 20; ++seed) {
    MirrorNet net(seed, {GroupKind::voice, 0, milliseconds(2), 2});
    net.subscribe(0);
    net.subscribe(1);
    net.enter(1);
    net.run(milliseconds(50));
    ASSERT_EQ(net.nodes[0]->roster.size(), 1u);
    net.cut(0);
    net.unsubscribe(1);
    net.set_can_publish(1, false);
    net.subscribe(0);
    net.run(seconds(5));
    net.set_can_publish(1, true);
    net.run(seconds(9));
    EXPECT_TRUE(net.nodes[0]->roster.empty()) << seed;
  }
}

TEST(RedisRosterOutageTest, ALeaveThatNobodyHeardIsFoundOutWithinMinutes) {
  MirrorNet net(1, {GroupKind::voice, 0, milliseconds(2), 3});
  for (std::size_t i = 0; i < 3; ++i) net.subscribe(i);
  net.enter(1);
  net.enter(2);
  net.run(seconds(10));
  net.loss_percent = 100;  // and nobody tells of it
  net.unsubscribe(1);
  net.run(milliseconds(50));
  net.loss_percent = 0;
  EXPECT_EQ(net.nodes[0]->roster.size(), 2u);
  net.run(seconds(130));
  net.expect_the_truth();
}

/// A count may have come at a moment when the others were not subscribed.
TEST(RedisRosterOutageTest, WhoWasThoughtNotToListenIsFoundAgain) {
  MirrorNet net(1, {GroupKind::voice, 0, milliseconds(2), 2});
  net.subscribe(0);
  net.subscribe(1);
  net.run(seconds(10));
  GroupMirror& mirror = *net.nodes[0]->mirror;
  mirror.on_published(mirror.frame_token(), 1, net.now);
  EXPECT_FALSE(net.nodes[0]->has_listeners);
  net.run(seconds(90));
  EXPECT_TRUE(net.nodes[0]->has_listeners);
}

TEST(RedisRosterOutageTest, ANodeThatAlwaysAnswersLateIsKnownAndNotAskedForGood) {
  for (const milliseconds slowness : {milliseconds(300), milliseconds(1500)}) {
    MirrorNet net(1, {GroupKind::signaling, 0, milliseconds(2), 3});
    net.set_slowness(1, slowness);
    net.subscribe(0);
    net.subscribe(1);
    net.run(seconds(5));
    net.enter(1);
    net.run(seconds(5));
    net.subscribe(2);
    net.run(milliseconds(250));
    EXPECT_TRUE(net.nodes[2]->is_ready) << "it waits for nobody that long";
    net.enter(2);
    net.run(milliseconds(660));
    EXPECT_TRUE(net.nodes[2]->wanted.empty());
    for (int i = 0; i < 300; ++i) {
      net.change(1);
      net.run(milliseconds(100));
    }
    net.run(seconds(20));
    net.expect_the_truth();
    EXPECT_LT(net.nodes[2]->questions, 8u) << slowness.count();
  }
}

/// Somebody's last words, held back until he has answered, are of no use any more when he has come
/// anew, and nothing to ask about.
TEST(RedisRosterOutageTest, WordsOfANodeThatHasBegunAnewAreNotAskedAboutForGood) {
  MirrorNet net(1, {GroupKind::signaling, 0, milliseconds(2), 3});
  net.subscribe(1);
  net.subscribe(2);
  net.run(milliseconds(20));
  net.enter(1);
  net.enter(2);
  net.run(milliseconds(50));
  net.set_slowness(1, milliseconds(700));
  net.set_slowness(2, milliseconds(1000));
  net.subscribe(0);
  net.run(milliseconds(100));
  net.unsubscribe(1);  // it leaves, before its answer has come
  net.run(milliseconds(300));
  net.set_slowness(1, {});
  net.open(1);
  net.run(seconds(60));
  EXPECT_LT(net.nodes[0]->questions, 8u);
  net.expect_the_truth();
}

/// A node reads a question on one server of the bus before it reads on the other one what it has
/// said itself.
TEST(RedisRosterOutageTest, AnAnswerThatIsOlderThanWhatIsKnownTakesNobodyAway) {
  for (const milliseconds slowness : {milliseconds(0), milliseconds(300)}) {
    MirrorNet net(1, {GroupKind::signaling, 0, milliseconds(2), 2});
    net.subscribe(0);
    net.subscribe(1);
    net.run(milliseconds(50));
    net.set_detour(1, milliseconds(50));
    net.enter(1);
    net.run(milliseconds(10));
    ASSERT_EQ(net.nodes[0]->roster.size(), 1u);
    net.set_slowness(1, slowness);
    net.nodes[0]->mirror->ask(net.now);
    for (int i = 0; i < 400; ++i) {
      net.run(milliseconds(1));
      ASSERT_EQ(net.nodes[0]->roster.size(), 1u) << i;
    }
    net.expect_the_truth();
  }
}

/// However it came about.
TEST(RedisRosterOutageTest, WhatIsKnownWronglyOfASlowNodeIsPutRight) {
  MirrorNet net(1, {GroupKind::signaling, 0, milliseconds(2), 2});
  net.subscribe(0);
  net.subscribe(1);
  net.enter(1);
  net.run(seconds(10));
  net.set_slowness(1, milliseconds(300));
  MirrorNode& slow = *net.nodes[1];
  const std::string& key = slow.own.front();
  Message other{{slow.number, slow.last_sequence + 1, 0, 0}, UpdateMessage{key, "other"}};
  net.nodes[0]->mirror->on_message(other, net.now);
  slow.find(key)->data = "1";
  slow.mirror->own_updates(key, "1");
  net.run(seconds(1));
  ASSERT_EQ(net.nodes[0]->roster.front().data, "other");
  net.run(seconds(5));
  net.expect_the_truth();
}

/// A newcomer is to call those who were there, so that he must know of them.
TEST(RedisRosterOutageTest, ANewcomerOfAFreshNodeFindsAlsoThoseOfASlowOne) {
  MirrorNet net(1, {GroupKind::signaling, 0, milliseconds(2), 2});
  net.set_slowness(0, milliseconds(300));
  net.subscribe(0);
  net.run(milliseconds(20));
  net.enter(0);
  net.run(milliseconds(20));
  net.subscribe(1);
  net.enter(1);
  net.run(seconds(1));
  EXPECT_EQ(net.nodes[0]->keys(), net.nodes[1]->keys());
  EXPECT_EQ(net.nodes[0]->roster.size(), 2u);
}

TEST(RedisRosterOutageTest, WhatIsTooMuchToHoldBackIsAskedForAgain) {
  MirrorNet net(1, {GroupKind::signaling, 0, milliseconds(2), 3});
  for (std::size_t i = 0; i < 3; ++i) net.subscribe(i);
  net.run(milliseconds(50));
  net.enter(0);
  net.run(milliseconds(50));
  net.set_slowness(1, milliseconds(150));  // so that there is time
  net.cut(2);
  net.subscribe(2);
  net.run(milliseconds(20));
  const std::string& key = net.nodes[0]->own.front();
  for (int i = 0; i < 10; ++i) {
    const std::string data = '"' + std::string(1u << 20, static_cast<char>('a' + i)) + '"';
    net.nodes[0]->find(key)->data = data;
    net.nodes[0]->mirror->own_updates(key, data);
  }
  net.run(milliseconds(1500));  // no digest has come that would tell
  net.expect_the_truth();
}

TEST(RedisRosterOutageTest, WhatIsHeldBackIsBoundInBytesAndInNumber) {
  const auto join = [](std::size_t bytes) {
    JoinMessage joined;
    joined.member.data.assign(bytes, 'x');
    return Message{{}, std::move(joined)};
  };
  HeldMessages large;
  for (int i = 0; i < 5; ++i) large.push(join(1u << 20));
  EXPECT_TRUE(large.has_lost());
  EXPECT_EQ(large.take().size(), 3u);
  EXPECT_TRUE(large.take().empty());
  large.push(join(1u << 20));
  EXPECT_EQ(large.take().size(), 1u);
  HeldMessages many;
  for (std::size_t i = 0; i < HeldMessages::kMaxMessages; ++i) many.push(join(1));
  EXPECT_FALSE(many.has_lost());
  many.push(join(1));
  EXPECT_TRUE(many.has_lost());
}

class RedisRosterChaosTest : public ::testing::TestWithParam<unsigned> {};

/// All that can fail fails; then there is quiet; then all who come are seen in one order.
TEST_P(RedisRosterChaosTest, WhenItIsOverAllRostersAreTrueAndInOneOrder) {
  const bool is_long = std::getenv("VOICECHAN_TEST_LONG") != nullptr;
  for (const GroupKind kind : kKinds) {
    MirrorNet net(GetParam(), {kind, 0, milliseconds(5), 4});
    const std::size_t count = net.nodes.size();
    for (std::size_t i = 0; i < count; ++i) net.subscribe(i);
    for (int step = 0; step < (is_long ? 20'000 : 1000); ++step) {
      const std::size_t i = net.pick(count);
      if (!net.is_open(i)) {
        if (net.happens(20)) net.open(i);
      } else if (!net.is_up(i)) {
        if (net.happens(20)) net.subscribe(i);
      } else if (net.happens(3)) {
        net.cut(i);
      } else if (net.happens(1)) {
        net.unsubscribe(i);
      } else if (net.happens(1)) {
        net.renew(i);
      } else if (net.happens(1)) {
        net.crash(i);
      }
      if (net.happens(5)) net.set_can_publish(i, net.happens(70));
      if (net.happens(2)) net.set_bus(i, net.pick(2));
      if (net.happens(2)) {
        net.set_slowness(i, milliseconds(net.happens(50) ? 0 : net.pick(2000)));
      }
      if (net.happens(1)) net.loss_percent = net.happens(70) ? 0 : 5;
      if (net.is_open(i)) net.change(i);
      net.run(milliseconds(net.happens(3) ? net.pick(3000) : net.pick(10)));
    }
    net.loss_percent = 0;
    for (std::size_t i = 0; i < count; ++i) {
      net.set_can_publish(i, true);
      net.set_bus(i, 0);
      net.set_slowness(i, milliseconds(0));
      if (!net.is_open(i)) net.open(i);
      if (!net.is_up(i)) net.subscribe(i);
    }
    net.run(seconds(20));
    net.expect_the_truth();
    std::vector<std::size_t> asked;
    for (const auto& node : net.nodes) asked.push_back(node->questions);
    const std::size_t before = net.nodes[0]->roster.size();
    for (int i = 0; i < 20; ++i) {
      net.enter(net.pick(count));
      net.run(milliseconds(net.pick(10)));
    }
    net.run(seconds(100));
    net.expect_the_truth();
    for (std::size_t i = 0; i < count; ++i) {
      EXPECT_EQ(net.nodes[i]->questions, asked[i]) << "all is well";
    }
    if (kind == GroupKind::voice) continue;
    const auto newcomers = [&](const MirrorNode& node) {
      const auto keys = node.keys();
      return std::vector<std::string>(keys.begin() + static_cast<std::ptrdiff_t>(before),
                                      keys.end());
    };
    for (const auto& node : net.nodes) EXPECT_EQ(newcomers(*node), newcomers(*net.nodes[0]));
  }
}

/// One node is always slow, a stranger is counted and never answers, messages are lost and nodes
/// come and go: who asks has not been answered by all, and waits before it asks again.
TEST_P(RedisRosterChaosTest, WhileNotAllAnswerFewQuestionsAreAsked) {
  for (const GroupKind kind : kKinds) {
    MirrorNet net(GetParam(), {kind, 3, milliseconds(5), 4});
    net.strangers = 1;
    net.set_slowness(0, milliseconds(1500));
    const std::size_t count = net.nodes.size();
    for (std::size_t i = 0; i < count; ++i) net.subscribe(i);
    for (int step = 0; step < 1200; ++step) {
      const std::size_t i = net.pick(count);
      if (!net.is_open(i)) {
        net.open(i);
      } else if (net.happens(1)) {
        net.unsubscribe(i);
      } else {
        net.change(i);
      }
      net.run(milliseconds(50));
    }
    for (const auto& node : net.nodes) {
      EXPECT_LE(node->questions, 8 + 4 * node->opened) << "in a minute";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, RedisRosterChaosTest, ::testing::Range(1u, 31u));

}  // namespace
}  // namespace voicechan::redis
