#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <memory>

#include "redis_fake_bus.hpp"
#include "voicechan/hub.hpp"

namespace voicechan::redis {

/// The nodes 1 and 2, each with a hub, on a bus that is the test's own. The hubs' time is
/// simulated.
class TwoNodes {
 public:
  TwoNodes() {
    for (std::size_t i = 0; i < 2; ++i) {
      nodes_[i] = std::make_unique<FakeNode>(broker, i + 1);
      hubs_[i] = Hub::attach(nodes_[i]->backplane, {}).value();
    }
    settle();
  }
  Hub& hub(std::size_t index) { return *hubs_.at(index); }
  FakeNode& node(std::size_t index) { return *nodes_.at(index); }
  void settle() {
    for (int i = 0; i < 10; ++i) {
      for (const auto& each : hubs_) each->tick(now_);
      broker.settle();
    }
  }
  void pass(std::chrono::seconds time) {
    constexpr std::chrono::seconds kStep{1};
    for (; time > std::chrono::seconds(0); time -= kStep) {
      now_ += kStep;
      settle();
    }
  }

  FakeBroker broker;

 private:
  MonotonicTime now_{std::chrono::hours(1)};
  std::array<std::unique_ptr<FakeNode>, 2> nodes_;
  std::array<std::unique_ptr<Hub>, 2> hubs_;
};

}  // namespace voicechan::redis
