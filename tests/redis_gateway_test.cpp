#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backplane_test_hub.hpp"
#include "fake_transport.hpp"
#include "redis/bus.hpp"
#include "redis/envelope.hpp"
#include "redis/node_backplane.hpp"
#include "voicechan/hub.hpp"

// One node on a bus that fails in one way. Time is simulated.

namespace voicechan::redis {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;

/// Acknowledges subscriptions; what becomes of what is published is up to the test.
class FailingBus final : public Bus {
 public:
  enum class Fate { silence, refused, heard };

  explicit FailingBus(Listener& listener) : listener_(&listener) {}

  void subscribe(std::string topic, Subscribed done) override {
    topics_.insert(std::move(topic));
    auto& acknowledgements = acknowledges_ ? later_ : unacknowledged_;
    acknowledgements.push_back([done = std::move(done)] { done(true); });
  }
  void unsubscribe(std::string_view topic) override { topics_.erase(std::string(topic)); }
  void publish(std::string_view topic, std::string bytes, bool, Published done) override {
    published.emplace_back(topic);
    last_bytes = bytes;
    const std::string name(topic);
    const bool is_heard = fate == Fate::heard && topics_.count(name) != 0;
    if (is_heard) {
      later_.push_back([=] { listener_->on_message(name, bytes); });
    }
    if (fate == Fate::silence || !done) return;
    const auto receivers = fate == Fate::heard
                               ? std::optional<std::size_t>((is_heard ? 1 : 0) + strangers)
                               : std::nullopt;
    later_.push_back([done = std::move(done), receivers] { done(receivers); });
  }
  bool is_reachable() const noexcept override { return is_reachable_; }
  void set_reachable(bool is_reachable) {
    is_reachable_ = is_reachable;
    listener_->on_state(is_reachable);
  }

  /// Every subscription that has waited for it, or none from now on.
  void set_acknowledges(bool does) {
    acknowledges_ = does;
    for (auto& each : std::exchange(unacknowledged_, {})) later_.push_back(std::move(each));
  }

  void run() {
    for (auto& action : std::exchange(later_, {})) action();
  }

  Fate fate = Fate::silence;
  std::size_t strangers = 0;           // who hear all, and say nothing
  std::vector<std::string> published;  // topics
  std::string last_bytes;

 private:
  Listener* const listener_;
  std::set<std::string> topics_;
  bool is_reachable_ = true;
  bool acknowledges_ = true;
  std::vector<std::function<void()>> later_;
  std::vector<std::function<void()>> unacknowledged_;
};

class RedisGatewayTest : public ::testing::Test {
 protected:
  RedisGatewayTest()
      : backplane(
            1, [this] { return now; }, [this] { is_woken = true; }),
        hub(Hub::attach(backplane, {}).value()) {
    backplane.gateway().start(bus);
  }
  ~RedisGatewayTest() override { backplane.gateway().stop(); }

  /// The gateway's turns come when it has asked for them, and never else.
  void run(milliseconds time) {
    for (const MonotonicTime end = now + time; now < end; now += milliseconds(1)) {
      bus.run();
      if (std::exchange(is_woken, false) || now >= next_turn) {
        next_turn = backplane.gateway().turn();
      }
      hub->tick(now);
    }
  }

  std::size_t published_to(std::string_view group) const {
    return static_cast<std::size_t>(
        std::count(bus.published.begin(), bus.published.end(), group_topic(group)));
  }

  MonotonicTime now{std::chrono::hours(1)};
  MonotonicTime next_turn{};
  bool is_woken = true;
  NodeBackplane backplane;
  FailingBus bus{backplane.gateway()};
  std::unique_ptr<Hub> hub;
};

TEST_F(RedisGatewayTest, AJoinIsAnsweredThoughTheBusSaysNothingAtAll) {
  for (const int room : {1, 2, 3}) {
    Client client;
    client.session = hub->open_signaling({UserId{1}, "ann"}, client.transport);
    client.send(R"({"type":"join","room":")" + std::to_string(room) + R"("})");
    run(milliseconds(1500));
    ASSERT_FALSE(client.texts().empty()) << room;
    EXPECT_EQ(parse_json(client.texts().front()).as_object().at("type"), "joined");
  }
}

TEST_F(RedisGatewayTest, AJoinIsAnsweredThoughTheBusRefusesAll) {
  bus.fate = FailingBus::Fate::refused;
  Client client;
  client.session = hub->open_signaling({UserId{1}, "ann"}, client.transport);
  client.send(R"({"type":"join","room":"team"})");
  run(milliseconds(1500));
  ASSERT_FALSE(client.texts().empty());
  EXPECT_EQ(parse_json(client.texts().front()).as_object().at("type"), "joined");
}

TEST_F(RedisGatewayTest, WhatIsPublishedOutsideOfAHubGoesToTheBusThoughNobodyElseIsKnown) {
  bus.fate = FailingBus::Fate::heard;
  Client client;
  client.session = hub->open_notifications({UserId{1}, "ann"}, client.transport);
  run(milliseconds(1000));
  const std::size_t questions = published_to("notifications_1");
  backplane.publish("notifications_1", Frame::control_text("x"));
  run(milliseconds(50));
  EXPECT_EQ(published_to("notifications_1"), questions + 1);
  EXPECT_EQ(client.texts().size(), 1u);
}

/// Publishes what the bus refuses, then lets it take all.
class UnpublishedTest : public RedisGatewayTest {
 protected:
  void publish_for_nothing(int groups) {
    bus.fate = FailingBus::Fate::refused;
    for (int i = 0; i < groups; ++i) {
      backplane.publish("notifications_" + std::to_string(i), Frame::control_text("x"));
    }
    run(milliseconds(20));
    bus.published.clear();
    bus.fate = FailingBus::Fate::heard;
  }
  static std::string control_topic() { return std::string(kControlTopic); }
};

TEST_F(UnpublishedTest, OthersAreToldOfEachGroup) {
  publish_for_nothing(3);
  run(milliseconds(500));
  EXPECT_THAT(bus.published,
              ElementsAre(group_topic("notifications_0"), group_topic("notifications_1"),
                          group_topic("notifications_2")));
}

TEST_F(UnpublishedTest, OfVeryManyItIsToldAtOnce) {
  publish_for_nothing(1001);
  run(milliseconds(500));
  EXPECT_THAT(bus.published, ElementsAre(control_topic()));
}

/// After a goodbye others do not look for what they may have missed.
TEST_F(UnpublishedTest, ItIsToldBeforeTheGoodbye) {
  publish_for_nothing(1);
  backplane.gateway().stop();
  EXPECT_THAT(bus.published, ElementsAre(group_topic("notifications_0"), control_topic()));
}

TEST_F(RedisGatewayTest, AGapOfWhatIsToldToAllNodesIsOneOfEveryGroup) {
  bus.fate = FailingBus::Fate::heard;
  std::vector<std::string> gaps;
  backplane.watch_gaps([&](std::string_view group) { gaps.emplace_back(group); });
  Client client;
  client.session = hub->open_notifications({UserId{1}, "ann"}, client.transport);
  run(milliseconds(1000));
  gaps.clear();
  backplane.gateway().on_gap(kControlTopic);
  EXPECT_THAT(gaps, ElementsAre("notifications_1"));
}

TEST_F(RedisGatewayTest, WhoComesBackWithinTwoSecondsFindsTheGroupAsItWas) {
  bus.fate = FailingBus::Fate::heard;
  for (int i = 0; i < 3; ++i) {
    Client client;
    client.session = hub->open_signaling({UserId{1}, "ann"}, client.transport);
    client.send(R"({"type":"join","room":"team"})");
    run(milliseconds(20));
    ASSERT_EQ(client.texts().size(), 1u) << "it waits for nothing";
    client.session = {};
    run(milliseconds(1900));
  }
  EXPECT_EQ(published_to("signaling_team"), 1u) << "the first question";
  run(milliseconds(500));
  EXPECT_EQ(backplane.gateway().counts().groups, 0u);
}

TEST_F(RedisGatewayTest, NobodyIsAskedBeforeTheSubscriptionStands) {
  bus.fate = FailingBus::Fate::heard;
  bus.set_acknowledges(false);
  Client client;
  client.session = hub->open_signaling({UserId{1}, "ann"}, client.transport);
  client.send(R"({"type":"join","room":"team"})");
  run(milliseconds(10));
  bus.set_reachable(false);
  run(2 * Gateway::kPatience);
  bus.set_reachable(true);
  backplane.gateway().take_epoch(1, false);
  run(milliseconds(100));
  EXPECT_EQ(published_to("signaling_team"), 0u);
  bus.set_acknowledges(true);
  run(milliseconds(100));
  EXPECT_EQ(published_to("signaling_team"), 1u);
  EXPECT_EQ(std::get<Message>(decode(bus.last_bytes)).envelope.origin, make_origin(1, 1));
}

TEST_F(RedisGatewayTest, WhileTheBusIsAwayOnlyRoomsThatOthersKnowOfAreKept) {
  const auto visit = [this](const std::string& room) {
    Client client;
    client.session = hub->open_signaling({UserId{1}, "ann"}, client.transport);
    client.send(R"({"type":"join","room":")" + room + R"("})");
    run(milliseconds(500));
    client.session = {};
  };
  bus.fate = FailingBus::Fate::heard;
  visit("alone");
  visit("shared");
  backplane.gateway().on_message(group_topic("signaling_shared"),
                                 encode({make_origin(2, 0), 1, 0, 0}, DigestMessage{}));
  run(milliseconds(500));
  bus.fate = FailingBus::Fate::refused;
  bus.set_reachable(false);
  for (int i = 0; i < 10; ++i) visit(std::to_string(i));
  run(milliseconds(5000));
  EXPECT_EQ(backplane.gateway().counts().groups, 1u) << "the shared one";
  bus.set_acknowledges(false);
  visit("unsubscribed");
  run(milliseconds(5000));
  EXPECT_EQ(backplane.gateway().counts().groups, 1u);
  bus.fate = FailingBus::Fate::heard;
  bus.set_reachable(true);
  run(milliseconds(3000));
  EXPECT_EQ(backplane.gateway().counts().groups, 0u);
  const auto last = decode(bus.last_bytes);
  EXPECT_TRUE(std::holds_alternative<ByeMessage>(std::get<Message>(last).body)) << "they are told";
}

TEST_F(RedisGatewayTest, WhoIsGoneBeforeHisRoomWasLookedAtLeavesNothing) {
  for (int i = 0; i < 100; ++i) {
    Client client;
    client.session = hub->open_signaling({UserId{1}, "ann"}, client.transport);
    client.send(R"({"type":"join","room":")" + std::to_string(i) + R"("})");
    hub->tick(now);
    client.session = {};
  }
  run(milliseconds(10));
  EXPECT_EQ(backplane.gateway().counts().groups, 0u);
  EXPECT_EQ(backplane.gateway().inbox().size(), 0u);
}

TEST_F(RedisGatewayTest, ManyGroupsThatAskAgainTakeTurns) {
  bus.fate = FailingBus::Fate::heard;
  bus.strangers = 1;
  BackplaneTestHub groups(backplane);
  const std::size_t count = 2 * Gateway::kMaxQuestions + 1;
  for (std::size_t i = 0; i < count; ++i) groups.subscribe("voice_" + std::to_string(i));
  groups.port->flush();
  run(milliseconds(1000));
  ASSERT_EQ(bus.published.size(), count) << "the first questions";
  for (int i = 0; i < 100; ++i) {
    const std::size_t before = bus.published.size();
    run(milliseconds(10));
    EXPECT_LE(bus.published.size() - before, Gateway::kMaxQuestions);
  }
  EXPECT_EQ(bus.published.size(), 2 * count);
}

}  // namespace
}  // namespace voicechan::redis
