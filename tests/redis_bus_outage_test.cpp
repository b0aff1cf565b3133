#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <string>

#include "redis_bus_fixture.hpp"

// What a bus does when its servers are killed, frozen, cut off and away.

namespace voicechan::redis {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// With a sanitizer, time and memory say little.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kIsPlainBuild = false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool kIsPlainBuild = false;
#else
constexpr bool kIsPlainBuild = true;
#endif
#else
constexpr bool kIsPlainBuild = true;
#endif

std::size_t resident_bytes() {
  if (!kIsPlainBuild) return 0;
  std::size_t total = 0;
  std::size_t resident = 0;
  std::ifstream("/proc/self/statm") >> total >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

/// A node that sends 50 numbered messages a second to each of some rooms, and one that counts what
/// comes.
class RedisBusOutageTest : public RedisBusFixture {
 protected:
  static constexpr std::size_t kRooms = 20;

  RedisBusOutageTest() {
    one_ = make_node({first_.url(), second_.url()});
    other_ = make_node({first_.url(), second_.url()});
    rooms_ = numbered_topics(kRooms);
    subscribe_all(*other_, rooms_);
    other_->on_each = [this](const std::string& topic, const std::string& bytes) {
      const auto now = Clock::now();
      Arrivals& arrivals = arrivals_[topic];
      const int number = std::stoi(bytes);
      if (number <= arrivals.last) ADD_FAILURE() << topic << ": again or out of order: " << number;
      lost_ += number - arrivals.last - 1;
      if (arrivals.last != 0) longest_gap_ = std::max(longest_gap_, now - arrivals.at);
      arrivals.last = number;
      arrivals.at = now;
    };
  }

  void talk_for(milliseconds time, bool is_media = true) {
    const auto end = Clock::now() + time;
    for (auto next = Clock::now(); next < end; next += milliseconds(20)) {
      ++sent_;
      for (const auto& room : rooms_) {
        one_->bus().publish(room, std::to_string(sent_), is_media, {});
      }
      run_until([&] { return Clock::now() >= next + milliseconds(20); });
    }
  }

  /// Everything that is under way has arrived.
  void settle() { run_for(milliseconds(100)); }

  bool is_all_there() {
    settle();
    return std::all_of(rooms_.begin(), rooms_.end(),
                       [&](const auto& room) { return arrivals_[room].last == sent_; });
  }

  double longest_gap_ms() const {
    return std::chrono::duration<double, std::milli>(longest_gap_).count();
  }

  struct Arrivals {
    int last = 0;
    Clock::time_point at;
  };

  RedisServer first_;
  RedisServer second_;
  std::unique_ptr<BusNode> one_;
  std::unique_ptr<BusNode> other_;
  std::vector<std::string> rooms_;
  std::map<std::string, Arrivals> arrivals_;
  Clock::duration longest_gap_{0};
  int sent_ = 0;
  int lost_ = 0;
};

TEST_F(RedisBusOutageTest, AKilledServerIsReplacedAtOnceAndComesBackLater) {
  talk_for(milliseconds(300));
  first_.kill();
  talk_for(milliseconds(700));
  EXPECT_TRUE(is_all_there());
  EXPECT_EQ(lost_, 0);
  EXPECT_LT(longest_gap_ms(), 150);
  RecordProperty("longest gap in ms", std::to_string(longest_gap_ms()));
  EXPECT_THAT(one_->log, HasSubstr(first_.url().display() + ": connection lost"));

  first_.start();
  const auto begin = Clock::now();
  run_until([&] { return other_->redis().status()[0].problem.empty(); }, milliseconds(1000));
  const auto published_there = [&] {
    const auto stats = first_.command({"INFO", "commandstats"}).text;
    const auto at = stats.find("cmdstat_publish:calls=");
    return at == std::string::npos ? 0 : std::stoi(stats.substr(at + 22));
  };
  talk_for(seconds(4));
  EXPECT_LT(published_there(), 20) << "no more than probes while it has to prove itself";
  talk_for(seconds(2));
  EXPECT_GT(published_there(), 100) << "after " << (Clock::now() - begin).count();
  EXPECT_TRUE(is_all_there());
  EXPECT_EQ(lost_, 0) << "by the way back";
}

TEST_F(RedisBusOutageTest, AFrozenServerIsReplacedWithinMoments) {
  talk_for(milliseconds(300));
  first_.freeze();
  talk_for(seconds(1));
  EXPECT_TRUE(is_all_there());
  EXPECT_EQ(lost_, 0);
  EXPECT_LT(longest_gap_ms(), 250);
  first_.thaw();  // and it sends what it had left
  talk_for(milliseconds(500));
  EXPECT_TRUE(is_all_there());
  EXPECT_EQ(lost_, 0);
  first_.freeze();
  talk_for(seconds(3));
  EXPECT_THAT(one_->log, HasSubstr("does not come back"));
  first_.thaw();
  talk_for(milliseconds(500));
  EXPECT_TRUE(is_all_there());
  EXPECT_EQ(lost_, 0);
  RecordProperty("longest gap in ms", std::to_string(longest_gap_ms()));
}

TEST_F(RedisBusOutageTest, WhatIsNoMediaIsNotLostEither) {
  talk_for(milliseconds(200), false);
  second_.kill();
  talk_for(milliseconds(400), false);
  EXPECT_TRUE(is_all_there());
  EXPECT_EQ(lost_, 0);
}

TEST_F(RedisBusOutageTest, WhoLosesOneServerHearsByTheOther) {
  talk_for(milliseconds(100));
  for (int cut = 0; cut < 10; ++cut) {
    first_.command({"CLIENT", "KILL", "TYPE", "pubsub"});
    talk_for(milliseconds(100));
  }
  EXPECT_TRUE(is_all_there());
  EXPECT_EQ(lost_, 0);
  EXPECT_GT(one_->redis().counts().republished, 0u);
}

TEST_F(RedisBusOutageTest, ANodeThatHasLeftIsNotLookedForForEver) {
  talk_for(milliseconds(100));
  const auto third = make_node({first_.url(), second_.url()});
  subscribe_all(*third, rooms_);
  talk_for(milliseconds(100));
  other_.reset();
  talk_for(milliseconds(2200));
  const auto republished = one_->redis().counts().republished;
  EXPECT_GT(republished, 0u);
  talk_for(milliseconds(200));
  EXPECT_EQ(one_->redis().counts().republished, republished);
  EXPECT_EQ(publish(*one_, rooms_[0], "x"), std::optional<std::size_t>(1));
}

TEST_F(RedisBusOutageTest, AListenerThatWasCutOffIsToldOfTheGap) {
  talk_for(milliseconds(100));
  for (auto* server : {&first_, &second_}) {
    EXPECT_GT(server->command({"CLIENT", "KILL", "TYPE", "pubsub"}).integer, 0);
  }
  run_until([&] { return other_->gaps.size() == kRooms; });
  talk_for(milliseconds(100));
  EXPECT_TRUE(is_all_there());
}

/// The topics of rooms that a server has: beside them are a probe's of each node, and one for all.
std::size_t count_topics(const RedisServer& server, std::size_t nodes) {
  return server.command({"PUBSUB", "CHANNELS"}).elements.size() - nodes - 1;
}

class RedisBusManyTopicsTest : public RedisBusFixture {
 protected:
  static constexpr std::size_t kTopics = 10'000;

  RedisBusManyTopicsTest() : topics_(numbered_topics(kTopics)) {
    node_ = make_node({first_.url(), second_.url()});
    subscribe_all(*node_, topics_);
  }

  bool has_all(std::size_t topics = kTopics) {
    for (const auto& status : node_->redis().status()) {
      if (status.topics != topics + 2) return false;
    }
    return true;
  }

  RedisServer first_;
  RedisServer second_;
  const std::vector<std::string> topics_;
  std::unique_ptr<BusNode> node_;
};

TEST_F(RedisBusManyTopicsTest, ACutWithinTheReturnLeavesNoTopicOut) {
  RedisTestClient killer(first_.port());
  ASSERT_TRUE(has_all());
  for (int cut = 0; cut < 2; ++cut) {
    ASSERT_EQ(killer.command({"CLIENT", "KILL", "TYPE", "pubsub"}).integer, 1);
    run_until([&] {
      const auto topics = node_->redis().status()[0].topics;
      return topics > 600 && topics < kTopics - 600;
    });
  }
  node_->bus().unsubscribe(topics_[0]);
  run_until([&] { return has_all(kTopics - 1); }, seconds(kIsPlainBuild ? 1 : 5));
  EXPECT_EQ(count_topics(first_, 1), kTopics - 1);
  EXPECT_GE(node_->gaps.size(), kTopics - 1);
}

TEST_F(RedisBusManyTopicsTest, BothServersAwayForAWhile) {
  const auto before = resident_bytes();
  first_.kill();
  second_.kill();
  run_until([&] { return !node_->bus().is_reachable(); }, milliseconds(1000));
  EXPECT_THAT(node_->states, ElementsAre(true, false));
  const std::string frame(200, 'x');
  const auto end = Clock::now() + seconds(4);
  while (Clock::now() < end) {
    for (std::size_t i = 0; i < 200; ++i) node_->bus().publish(topics_[i], frame, true, {});
    EXPECT_EQ(publish(*node_, topics_[0], frame), std::nullopt);
    run_for(milliseconds(10));
  }
  EXPECT_LT(resident_bytes(), before + (std::size_t{5} << 20)) << "nothing is kept for later";

  first_.start();
  second_.start();
  const auto begin = Clock::now();
  run_until([&] { return has_all() && node_->bus().is_reachable(); },
            seconds(kIsPlainBuild ? 1 : 5));
  RecordProperty(
      "recovered after ms",
      std::to_string(std::chrono::duration<double, std::milli>(Clock::now() - begin).count()));
  EXPECT_EQ(node_->gaps.size(), kTopics);
  EXPECT_EQ(publish(*node_, topics_[7], "after"), std::optional<std::size_t>(1));
  run_until([&] { return !node_->messages[topics_[7]].empty(); });
  EXPECT_THAT(node_->messages[topics_[7]], ElementsAre("after"));
}

/// Two servers, one of which a node that does not know its password never reaches.
class RedisBusPartitionTest : public RedisBusFixture {
 protected:
  RedisBusPartitionTest() { known_.password = "s3cret"; }

  RedisServer open_;
  RedisServer locked_{{"--save", "", "--requirepass", "s3cret"}};
  RedisUrl known_ = locked_.url();
};

TEST_F(RedisBusPartitionTest, ANodeThatNeverReachedOneServerIsFoundByTheOther) {
  const auto publisher = make_node({open_.url(), known_});
  BusNode node(io_, {open_.url(), locked_.url()});
  const auto topics = numbered_topics(20);
  subscribe_all(node, topics);
  run_until([&] { return publisher->redis().status()[1].problem.empty(); });
  for (const auto& topic : topics) {
    EXPECT_EQ(publish(*publisher, topic, "x"), std::optional<std::size_t>(1)) << topic;
  }
  EXPECT_GT(publisher->redis().counts().republished, 0u);
}

TEST_F(RedisBusPartitionTest, ANodeThatNeverReachedOneServerHearsItsRooms) {
  const auto talker = make_node({open_.url(), known_});
  BusNode deaf(io_, {locked_.url(), open_.url()});
  const auto rooms = numbered_topics(20);
  subscribe_all(*talker, rooms);
  subscribe_all(deaf, rooms);
  run_for(milliseconds(1700));
  for (int i = 0; i < 10; ++i) {
    for (const auto& room : rooms) talker->bus().publish(room, std::to_string(i), true, {});
    run_for(milliseconds(20));
  }
  const std::vector<std::string> all{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
  for (const auto& room : rooms) EXPECT_EQ(deaf.messages[room], all) << room;
  for (const auto& room : rooms) EXPECT_EQ(talker->messages[room], all) << room;
}

class RedisBusBoundsTest : public RedisBusFixture {};

TEST_F(RedisBusBoundsTest, AServerThatReadsNothingIsNotWaitedFor) {
  RedisServer server;
  const auto node = make_node({server.url()});
  const std::string frame(1000, 'x');
  const auto before = resident_bytes();
  server.freeze();
  std::size_t refused = 0;
  std::size_t answered = 0;
  for (int i = 0; i < 200; ++i) {
    for (int j = 0; j < 200; ++j) node->bus().publish("t", frame, true, {});
    node->bus().publish("t", frame, false, [&](std::optional<std::size_t> receivers) {
      ++answered;
      refused += !receivers;
    });
    run_for(milliseconds(1));
  }
  EXPECT_FALSE(node->bus().is_reachable());
  run_until([&] { return answered == 200; });
  EXPECT_EQ(refused, 200u);
  EXPECT_GT(node->redis().counts().dropped_media, 20'000u);
  EXPECT_LT(resident_bytes(), before + (std::size_t{16} << 20));
  server.thaw();
  run_until([&] { return node->bus().is_reachable(); });
  EXPECT_EQ(publish(*node, "t", "x"), std::optional<std::size_t>(0));
}

}  // namespace
}  // namespace voicechan::redis
