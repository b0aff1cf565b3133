#include <gtest/gtest.h>

#include "redis_mirror_net.hpp"

// Three nodes in one room and a bus between them that is late, has gaps or loses messages. A
// failure names the seed.

namespace voicechan::redis {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class RedisGroupMirrorTest : public ::testing::TestWithParam<unsigned> {};

TEST_P(RedisGroupMirrorTest, NodesAgreeWhoCameFirst) {
  MirrorNet net(GetParam(), {});
  for (std::size_t i = 0; i < 3; ++i) net.subscribe(i);
  for (int step = 0; step < 400; ++step) {
    net.change(net.pick(3));
    net.run(milliseconds(net.pick(4)));
  }
  net.run(milliseconds(1000));
  EXPECT_EQ(net.nodes[0]->keys(), net.nodes[1]->keys());
  EXPECT_EQ(net.nodes[0]->keys(), net.nodes[2]->keys());
  for (const auto& node : net.nodes) EXPECT_TRUE(node->wanted.empty());
  EXPECT_GT(net.nodes[0]->admitted, 20u);
}

/// Cuts nodes off now and then, so many at once, while they are changed; in the end all are back.
void run_with_gaps(MirrorNet& net, std::size_t max_cut) {
  for (std::size_t i = 0; i < 3; ++i) net.subscribe(i);
  std::size_t cut = 0;
  for (int step = 0; step < 400; ++step) {
    net.change(net.pick(3));
    net.run(milliseconds(net.pick(4)));
    const std::size_t index = net.pick(3);
    if (net.is_up(index) && cut < max_cut && net.happens(3)) {
      net.cut(index);
      ++cut;
    }
    if (!net.is_up(index) && net.happens(30)) {
      net.subscribe(index);
      net.run(milliseconds(20));
      --cut;
    }
  }
  for (std::size_t i = 0; i < 3; ++i) {
    if (!net.is_up(i)) net.subscribe(i);
  }
  net.run(milliseconds(8000));
  for (const auto& node : net.nodes) EXPECT_TRUE(node->wanted.empty());
}

TEST_P(RedisGroupMirrorTest, NodesAgreeWhoCameFirstAfterGapsOfOne) {
  MirrorNet net(GetParam(), {});
  run_with_gaps(net, 1);
  EXPECT_EQ(net.nodes[0]->keys(), net.nodes[1]->keys());
  EXPECT_EQ(net.nodes[0]->keys(), net.nodes[2]->keys());
}

// What one has just been told, and another one not yet, may come in another order then.
TEST_P(RedisGroupMirrorTest, NodesHaveTheSameMembersAfterGapsOfAll) {
  MirrorNet net(GetParam(), {});
  run_with_gaps(net, 3);
  EXPECT_EQ(net.nodes[0]->sorted_keys(), net.nodes[1]->sorted_keys());
  EXPECT_EQ(net.nodes[0]->sorted_keys(), net.nodes[2]->sorted_keys());
  net.expect_one_order();
}

// They are told of them in another order then.
TEST_P(RedisGroupMirrorTest, NodesThatPublishOnSeveralServersAgreeWhoCameLater) {
  MirrorNet net(GetParam(), {});
  for (std::size_t i = 0; i < 3; ++i) {
    net.set_bus(i, i % 2);
    net.subscribe(i);
  }
  for (int step = 0; step < 200; ++step) {
    net.change(net.pick(3));
    net.run(milliseconds(net.pick(4)));
  }
  net.run(milliseconds(8000));
  net.expect_the_truth();
}

// The order may differ then: a node that misses a message without knowing cannot put it in place.
TEST_P(RedisGroupMirrorTest, NodesHaveTheSameMembersAfterLossesThatNobodyTellsOf) {
  for (const GroupKind kind : {GroupKind::signaling, GroupKind::voice}) {
    MirrorNet net(GetParam(), {kind, 5, milliseconds(5)});
    for (std::size_t i = 0; i < 3; ++i) net.subscribe(i);
    for (int step = 0; step < 300; ++step) {
      net.change(net.pick(3));
      net.run(milliseconds(net.pick(4)));
    }
    net.run(milliseconds(15000));
    for (const auto& node : net.nodes) {
      EXPECT_EQ(net.nodes[0]->sorted_keys(), node->sorted_keys());
      EXPECT_TRUE(node->wanted.empty());
    }
    net.expect_one_order();
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, RedisGroupMirrorTest, ::testing::Range(1u, 61u));

TEST(RedisGroupMirrorAloneTest, NothingIsPublishedBehindTheFirstQuestion) {
  MirrorNet net(1, {});
  net.subscribe(0);
  net.run(milliseconds(20));
  EXPECT_TRUE(net.nodes[0]->is_ready);
  net.enter(0);
  net.run(milliseconds(10000));
  EXPECT_EQ(net.nodes[0]->admitted, 1u);
  EXPECT_EQ(net.nodes[0]->published, 1u);
  EXPECT_FALSE(net.nodes[0]->has_listeners);
}

TEST(RedisGroupMirrorAloneTest, NodesKnowOfEachOtherWhileBothListen) {
  MirrorNet net(1, {});
  net.subscribe(0);
  net.run(milliseconds(20));
  net.subscribe(1);
  net.run(milliseconds(20));
  EXPECT_TRUE(net.nodes[0]->has_listeners);
  EXPECT_TRUE(net.nodes[1]->has_listeners);
  net.unsubscribe(1);
  net.run(milliseconds(20));
  EXPECT_FALSE(net.nodes[0]->has_listeners);
}

TEST(RedisGroupMirrorAloneTest, WhoCouldNotBeAskedIsSpokenToAsBefore) {
  MirrorNet net(1, {});
  net.subscribe(0);
  net.subscribe(1);
  net.run(milliseconds(20));
  ASSERT_TRUE(net.nodes[0]->has_listeners);
  net.cut(0);
  net.nodes[0]->mirror->ask(net.now);
  net.nodes[0]->mirror->tick(net.now + GroupMirror::kAnswerTime);  // nothing has come until then
  EXPECT_TRUE(net.nodes[0]->mirror->is_live());
  EXPECT_TRUE(net.nodes[0]->has_listeners);
}

TEST(RedisGroupMirrorAloneTest, EntryIsAnsweredWithoutABus) {
  MirrorNet net(1, {});
  net.nodes[0]->mirror->ask(net.now);  // not subscribed: no echo
  net.enter(0);
  net.run(milliseconds(1000));
  EXPECT_EQ(net.nodes[0]->admitted, 1u);
}

TEST(RedisGroupMirrorAloneTest, MembersOfANodeThatIsDroppedLeave) {
  MirrorNet net(1, {});
  net.subscribe(0);
  net.subscribe(1);
  net.enter(1);
  net.run(milliseconds(50));
  EXPECT_EQ(net.nodes[0]->roster.size(), 1u);
  net.cut(1);
  net.run(milliseconds(5000));
  EXPECT_EQ(net.nodes[0]->roster.size(), 1u) << "only its lease tells that it is gone";
  net.nodes[0]->mirror->drop_node(net.nodes[1]->number);
  EXPECT_TRUE(net.nodes[0]->roster.empty());
}

TEST(RedisGroupMirrorAloneTest, HowManyNodesAreKnownIsBound) {
  MirrorNet net(1, {GroupKind::signaling, 0, milliseconds(5), 2});
  net.subscribe(0);
  net.subscribe(1);
  net.enter(1);
  net.run(milliseconds(50));
  GroupMirror& mirror = *net.nodes[0]->mirror;
  SnapshotMessage question;
  question.is_question = true;
  question.is_listening = true;
  for (std::uint64_t i = 0; i < 2 * GroupMirror::kMaxNodes; ++i) {
    mirror.on_message({{0x10000 + i, 1, 0, 0}, DigestMessage{}}, net.now);
    mirror.on_message({{0x20000 + i, 1, 0, 0}, question}, net.now);
  }
  std::set<std::uint64_t> nodes;
  mirror.add_nodes(nodes);
  EXPECT_EQ(nodes.size(), GroupMirror::kMaxNodes);
  net.change(1);
  net.run(seconds(30));
  net.expect_the_truth();
}

TEST(RedisGroupMirrorAloneTest, MembersOfANewEpochComeOnce) {
  MirrorNet net(1, {});
  net.subscribe(0);
  net.subscribe(1);
  net.enter(1);
  net.run(milliseconds(50));
  net.nodes[1]->mirror->take_origin(make_origin(net.nodes[1]->number, 1), false, net.now);
  net.run(milliseconds(50));
  EXPECT_EQ(net.nodes[0]->roster.size(), 1u);
  EXPECT_EQ(net.nodes[0]->came[net.nodes[1]->own[0]], 1) << "as nobody has given it up";
  net.enter(1);
  net.run(milliseconds(50));
  EXPECT_EQ(net.nodes[0]->keys(), net.nodes[1]->keys());
}

// One node has given it up and the other has not.
TEST(RedisGroupMirrorAloneTest, WhoMayBeGivenUpPartsFromAllAndMeetsThemOnce) {
  MirrorNet net(1, {});
  for (std::size_t i = 0; i < 3; ++i) net.subscribe(i);
  for (std::size_t i = 0; i < 3; ++i) {
    net.enter(i);
    net.run(milliseconds(50));
  }
  MirrorNode& lost = *net.nodes[1];
  net.nodes[0]->mirror->drop_node(lost.number);
  lost.mirror->take_origin(make_origin(lost.number, 1), true, net.now);
  net.run(milliseconds(50));
  net.expect_the_truth();
  for (const std::size_t i : {0u, 2u}) {
    MirrorNode& other = *net.nodes[i];
    EXPECT_EQ(other.came[lost.own[0]], 2);
    EXPECT_EQ(other.went[lost.own[0]], 1);
    EXPECT_EQ(lost.came[other.own[0]], 2);
    EXPECT_EQ(lost.went[other.own[0]], 1);
  }
  EXPECT_EQ(net.nodes[0]->came[net.nodes[2]->own[0]], 1) << "they were together all the time";
}

// Whose entries nobody hears are let in all the same.
TEST(RedisGroupMirrorAloneTest, WhoCameWhileNobodyHeardAnybodyIsOfOneOrderForAll) {
  MirrorNet net(1, {GroupKind::signaling, 0, milliseconds(5), 2});
  for (std::size_t i = 0; i < 2; ++i) {
    net.subscribe(i);
    net.run(milliseconds(20));
  }
  for (std::size_t i = 0; i < 2; ++i) {
    net.cut(i);
    net.set_can_publish(i, false);
    for (int n = 0; n < 3; ++n) net.enter(i);
  }
  net.run(milliseconds(2000));
  EXPECT_EQ(net.nodes[0]->roster.size(), 3u);
  for (std::size_t i = 0; i < 2; ++i) {
    net.set_can_publish(i, true);
    net.subscribe(i);
  }
  net.run(milliseconds(2000));
  net.expect_the_truth();
}

TEST(RedisGroupMirrorAloneTest, APositionBeyondAllIsNotTheEndOfPositions) {
  MirrorNet net(1, {GroupKind::signaling, 0, milliseconds(5), 2});
  net.subscribe(0);
  net.subscribe(1);
  net.run(milliseconds(20));
  SnapshotMessage snapshot;
  snapshot.is_question = true;
  snapshot.last_position = ~std::uint64_t{0};
  net.nodes[0]->mirror->on_message({{make_origin(0x777, 0), 1, 0, 0}, snapshot}, net.now);
  net.enter(0);
  net.enter(0);
  net.run(milliseconds(20));
  net.expect_the_truth();
}

}  // namespace
}  // namespace voicechan::redis
