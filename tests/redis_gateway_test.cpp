#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "fake_transport.hpp"
#include "redis/bus.hpp"
#include "redis/node_backplane.hpp"
#include "voicechan/hub.hpp"

// One node on a bus that fails in one way. Time is simulated.

namespace voicechan::redis {
namespace {

using std::chrono::milliseconds;

/// Acknowledges subscriptions; what becomes of what is published is up to the test.
class FailingBus final : public Bus {
 public:
  enum class Fate { silence, refused };

  void subscribe(std::string, Subscribed done) override {
    later_.push_back([done = std::move(done)] { done(true); });
  }
  void unsubscribe(std::string_view) override {}
  void publish(std::string_view topic, std::string, bool, Published done) override {
    published.emplace_back(topic);
    if (fate == Fate::silence || !done) return;
    later_.push_back([done = std::move(done)] { done(std::nullopt); });
  }
  bool is_reachable() const noexcept override { return true; }

  void run() {
    for (auto& action : std::exchange(later_, {})) action();
  }

  Fate fate = Fate::silence;
  std::vector<std::string> published;  // topics

 private:
  std::vector<std::function<void()>> later_;
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

  MonotonicTime now{std::chrono::hours(1)};
  MonotonicTime next_turn{};
  bool is_woken = true;
  FailingBus bus;
  NodeBackplane backplane;
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

}  // namespace
}  // namespace voicechan::redis
