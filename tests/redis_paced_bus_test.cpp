#include <gtest/gtest.h>

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "redis/paced_bus.hpp"

namespace voicechan::redis {
namespace {

/// Answers when the test says so.
class SlowBus final : public Bus {
 public:
  struct Publication {
    std::string topic;
    std::string bytes;
    bool is_media;
    Published done;
  };
  void subscribe(std::string, Subscribed) override {}
  void unsubscribe(std::string_view) override {}
  void publish(std::string_view topic, std::string bytes, bool is_media, Published done) override {
    published.push_back({std::string(topic), std::move(bytes), is_media, std::move(done)});
  }
  bool is_reachable() const noexcept override { return true; }

  std::deque<Publication> published;
};

class RedisPacedBusTest : public ::testing::Test, public Bus::Listener {
 protected:
  RedisPacedBusTest() { paced.use(bus, "vc:one:"); }

  void on_message(std::string_view topic, std::string_view bytes) noexcept override {
    EXPECT_EQ(topic, "t");
    received.emplace_back(bytes);
  }
  void on_gap(std::string_view topic) noexcept override { EXPECT_EQ(topic, "t"); }
  void on_state(bool) noexcept override {}

  void publish(std::string bytes, bool is_media = false) {
    paced.publish("t", std::move(bytes), is_media, [this](auto count) { counts.push_back(count); });
  }
  /// The bus brings back what it was given, and says that it has.
  void answer(std::optional<std::size_t> receivers = 1) {
    while (!bus.published.empty()) {
      auto next = std::move(bus.published.front());
      bus.published.pop_front();
      if (receivers) paced.on_message(next.topic, next.bytes);
      if (next.done) next.done(receivers);
    }
  }

  SlowBus bus;
  MonotonicTime now{};
  PacedBus paced{7, [this] { return now; }, *this};
  std::vector<std::string> received;
  std::vector<std::optional<std::size_t>> counts;
};

TEST_F(RedisPacedBusTest, LongMessageArrivesWholeAndIsAnsweredOnce) {
  std::string text;
  for (int i = 0; i < 200'000; ++i) text += std::to_string(i);
  publish(text);
  publish("next");
  answer();
  EXPECT_EQ(received, (std::vector<std::string>{text, "next"}));
  EXPECT_EQ(counts.size(), 2u);
}

TEST_F(RedisPacedBusTest, NoMoreIsOnItsWayThanTheBusTakes) {
  for (int i = 0; i < 100; ++i) publish(std::string(10'000, 'x'));
  std::size_t bytes = 0;
  for (const auto& each : bus.published) bytes += each.bytes.size();
  EXPECT_LE(bytes, PacedBus::kMaxUnanswered);
  answer();
  EXPECT_EQ(received.size(), 100u);
  EXPECT_EQ(counts.size(), 100u);
}

TEST_F(RedisPacedBusTest, AudioKeepsItsPlaceBehindWhatWaitsUnlessItIsTooOld) {
  for (int i = 0; i < 30; ++i) publish(std::string(10'000, 'x'));
  publish("audio", true);
  publish("text");
  answer();
  ASSERT_EQ(received.size(), 32u);
  EXPECT_EQ(received[30], "audio");
  EXPECT_EQ(received[31], "text");
  received.clear();
  for (int i = 0; i < 30; ++i) publish(std::string(10'000, 'x'));
  publish("audio", true);
  now += PacedBus::kMediaAge * 2;
  answer();
  EXPECT_EQ(received.size(), 30u);
}

TEST_F(RedisPacedBusTest, AudioIsNotHeldUpByItself) {
  for (int i = 0; i < 1000; ++i) publish(std::string(1000, 'a'), true);
  EXPECT_EQ(bus.published.size(), 1000u);  // what is too much, the bus itself drops
}

TEST_F(RedisPacedBusTest, WhatWaitsIsRefusedWhenTheBusIsAway) {
  for (int i = 0; i < 100; ++i) publish(std::string(10'000, 'x'));
  answer(std::nullopt);
  EXPECT_TRUE(received.empty());
  ASSERT_EQ(counts.size(), 100u);
  EXPECT_EQ(counts.back(), std::nullopt);
}

TEST_F(RedisPacedBusTest, MessageWithoutItsBeginningIsNone) {
  publish(std::string(200'000, 'x'));
  bus.published.pop_front();
  answer();
  EXPECT_TRUE(received.empty());
  paced.on_message("vc:one:t", "\xBD");
  EXPECT_TRUE(received.empty());
}

TEST_F(RedisPacedBusTest, ALongMessageWithoutOneOfItsPiecesIsNone) {
  publish(std::string(PacedBus::kPiece * 2 + 10, 'a'));
  auto first = std::move(bus.published.front());
  bus.published.pop_front();
  paced.on_message(first.topic, first.bytes);
  first.done(1);
  ASSERT_FALSE(bus.published.empty());
  auto middle = std::move(bus.published.front());
  bus.published.pop_front();
  middle.done(std::nullopt);
  answer();
  EXPECT_TRUE(received.empty());
  EXPECT_EQ(counts, std::vector<std::optional<std::size_t>>{std::nullopt});
  publish("next");
  answer();
  EXPECT_EQ(received, std::vector<std::string>{"next"});
}

TEST_F(RedisPacedBusTest, TopicsOfTheBusBeginWithTheSystem) {
  publish("x");
  ASSERT_EQ(bus.published.size(), 1u);
  EXPECT_EQ(bus.published.front().topic, "vc:one:t");
  answer();
  EXPECT_EQ(received, std::vector<std::string>{"x"});
}

TEST_F(RedisPacedBusTest, WhatIsNotWholeEndsWithAGap) {
  publish(std::string(PacedBus::kPiece + 10, 'a'));
  const auto first = std::move(bus.published.front());
  bus.published.pop_front();
  paced.on_message(first.topic, first.bytes);
  paced.on_gap("vc:one:t");
  answer();
  EXPECT_TRUE(received.empty());
}

TEST_F(RedisPacedBusTest, WhatIsNotWholeForLongIsForgottenWithTheNextOne) {
  publish(std::string(PacedBus::kPiece + 10, 'a'));
  const auto first = std::move(bus.published.front());
  bus.published.pop_front();
  const auto last = std::move(bus.published.front());
  bus.published.pop_front();
  paced.on_message(first.topic, first.bytes);
  now += PacedBus::kPartialTime + std::chrono::seconds(1);
  PacedBus other{8, [this] { return now; }, *this};
  other.use(bus, "vc:one:");
  other.publish("t", std::string(PacedBus::kPiece + 10, 'b'), false, {});
  answer();
  EXPECT_EQ(received.size(), 1u);
  paced.on_message(last.topic, last.bytes);
  EXPECT_EQ(received.size(), 1u);
}

}  // namespace
}  // namespace voicechan::redis
