#pragma once

#include <gtest/gtest.h>

#include <asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "redis/redis_bus.hpp"
#include "redis_server_fixture.hpp"

namespace voicechan::redis {

/// A node's bus, and what it has told its node.
class BusNode final : private Bus::Listener {
 public:
  BusNode(asio::io_context& io, std::vector<RedisUrl> urls) {
    auto bus = RedisBus::open(io,
                              {std::move(urls),
                               [this](RedisLogLevel level, std::string_view line) {
                                 (log += line) += '\n';
                                 warnings += level == RedisLogLevel::warning;
                               }},
                              *this);
    if (const auto* problem = std::get_if<std::string>(&bus)) throw std::runtime_error(*problem);
    bus_ = std::move(std::get<0>(bus));
    bus_->start();
  }

  Bus& bus() { return *bus_; }
  const RedisBus& redis() const { return *bus_; }

  std::map<std::string, std::vector<std::string>> messages;  // by topic
  std::function<void(const std::string& topic, const std::string& bytes)> on_each;
  std::map<std::string, int> gaps;
  std::vector<bool> states;
  std::string log;
  int warnings = 0;  // of the lines of `log`

 private:
  void on_message(std::string_view topic, std::string_view bytes) noexcept override {
    if (on_each) return on_each(std::string(topic), std::string(bytes));
    messages[std::string(topic)].emplace_back(bytes);
  }
  void on_gap(std::string_view topic) noexcept override { ++gaps[std::string(topic)]; }
  void on_state(bool is_reachable) noexcept override { states.push_back(is_reachable); }

  std::unique_ptr<RedisBus> bus_;
};

/// Nodes that share the test's thread as their loop.
class RedisBusFixture : public ::testing::Test {
 protected:
  using Clock = std::chrono::steady_clock;

  std::unique_ptr<BusNode> make_node(std::vector<RedisUrl> urls) {
    auto node = std::make_unique<BusNode>(io_, std::move(urls));
    run_until([&] { return node->bus().is_reachable(); });
    return node;
  }

  /// Runs the loop until something is so; a test that waits for more than 10 s fails.
  template <class Predicate>
  bool run_until(Predicate&& predicate, std::chrono::milliseconds most = std::chrono::seconds(10)) {
    const auto deadline = Clock::now() + most;
    while (!predicate()) {
      if (Clock::now() > deadline) {
        ADD_FAILURE() << "waited " << most.count() << " ms for nothing";
        return false;
      }
      io_.run_one_for(std::chrono::milliseconds(1));
    }
    return true;
  }
  void run_for(std::chrono::milliseconds time) {
    const auto end = Clock::now() + time;
    run_until([&] { return Clock::now() >= end; }, time + std::chrono::seconds(10));
  }

  /// Whether it was acknowledged.
  bool subscribe(BusNode& node, const std::string& topic) {
    std::optional<bool> answer;
    node.bus().subscribe(topic, [&](bool is_acknowledged) { answer = is_acknowledged; });
    EXPECT_FALSE(answer) << "answered within the call";
    run_until([&] { return answer.has_value(); });
    return answer.value_or(false);
  }

  void subscribe_all(BusNode& node, const std::vector<std::string>& topics) {
    std::size_t answered = 0;
    for (const auto& topic : topics) {
      node.bus().subscribe(topic, [&](bool is_acknowledged) { answered += is_acknowledged; });
    }
    run_until([&] { return answered == topics.size(); });
  }

  /// The receivers, as the bus tells them.
  std::optional<std::size_t> publish(BusNode& node, const std::string& topic,
                                     const std::string& bytes, bool is_media = false) {
    std::optional<std::size_t> result;
    bool is_answered = false;
    node.bus().publish(topic, bytes, is_media, [&](std::optional<std::size_t> receivers) {
      result = receivers;
      is_answered = true;
    });
    EXPECT_FALSE(is_answered) << "within the call";
    run_until([&] { return is_answered; });
    return result;
  }

  static std::vector<std::string> numbered_topics(std::size_t count) {
    std::vector<std::string> topics;
    for (std::size_t i = 0; i < count; ++i) topics.push_back("vc:r:room " + std::to_string(i));
    return topics;
  }

  asio::io_context io_;
};

}  // namespace voicechan::redis
