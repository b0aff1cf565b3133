#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "redis/bus.hpp"
#include "redis/node_backplane.hpp"

namespace voicechan::redis {

class FakeBus;

/// What the buses of several nodes share: one thread runs them and their gateways. Messages come in
/// one order, and a little later.
class FakeBroker {
 public:
  FakeBroker() : thread_([this] { run(); }) {}
  ~FakeBroker() { stop(); }

  void stop() {
    {
      const std::lock_guard lock(mutex_);
      is_over_ = true;
    }
    condition_.notify_all();
    if (thread_.joinable()) thread_.join();
  }

  /// Has something done by the broker's thread. From any thread.
  void post(std::function<void()> action) {
    {
      const std::lock_guard lock(mutex_);
      actions_.push_back(std::move(action));
    }
    condition_.notify_all();
  }
  /// The same, and waits for it.
  void call(std::function<void()> action) {
    std::promise<void> done;
    post([&] {
      action();
      done.set_value();
    });
    done.get_future().wait();
  }
  /// Waits until nothing is left to do but what time brings.
  void settle() {
    std::unique_lock lock(mutex_);
    idle_.wait(lock, [this] { return !is_busy_ && actions_.empty(); });
  }
  /// When a gateway wants its next turn. On the broker's thread.
  void turn_at(Gateway& gateway, MonotonicTime time) { turns_[&gateway] = time; }
  void forget(Gateway& gateway) { turns_.erase(&gateway); }

  std::vector<FakeBus*> buses;                   // of the broker's thread
  std::map<std::string, std::size_t> published;  // by topic; of the broker's thread

 private:
  void run() {
    std::unique_lock lock(mutex_);
    while (!is_over_) {
      if (actions_.empty()) {
        MonotonicTime next = std::chrono::steady_clock::now() + std::chrono::seconds(1);
        for (const auto& [gateway, time] : turns_) next = std::min(next, time);
        is_busy_ = false;
        idle_.notify_all();
        condition_.wait_until(lock, next, [this] { return is_over_ || !actions_.empty(); });
        is_busy_ = true;
      }
      auto actions = std::exchange(actions_, {});
      lock.unlock();
      for (auto& action : actions) action();
      const MonotonicTime now = std::chrono::steady_clock::now();
      for (auto& [gateway, time] : turns_) {
        if (time <= now) time = gateway->turn();
      }
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable condition_;
  std::condition_variable idle_;
  bool is_busy_ = true;
  std::deque<std::function<void()>> actions_;
  std::map<Gateway*, MonotonicTime> turns_;
  bool is_over_ = false;
  std::thread thread_;
};

/// One node's bus. Of the broker's thread.
class FakeBus final : public Bus {
 public:
  FakeBus(FakeBroker& broker, Listener& listener) : broker_(&broker), listener_(&listener) {
    broker.buses.push_back(this);
  }
  ~FakeBus() override {
    auto& buses = broker_->buses;
    buses.erase(std::remove(buses.begin(), buses.end(), this), buses.end());
  }

  void subscribe(std::string topic, Subscribed done) override {
    topics_.insert(std::move(topic));
    later([done = std::move(done)] { done(true); });
  }
  void unsubscribe(std::string_view topic) override { topics_.erase(std::string(topic)); }
  void publish(std::string_view topic, std::string bytes, bool, Published done) override {
    if (!is_reachable_) {
      if (done) later([done = std::move(done)] { done(std::nullopt); });
      return;
    }
    ++broker_->published[std::string(topic)];
    std::size_t receivers = 0;
    for (FakeBus* bus : broker_->buses) {
      if (bus->topics_.count(std::string(topic)) == 0) continue;
      ++receivers;
      bus->later([bus, topic = std::string(topic), bytes] {
        if (bus->topics_.count(topic) != 0) bus->listener_->on_message(topic, bytes);
      });
    }
    if (done) later([done = std::move(done), receivers] { done(receivers); });
  }
  bool is_reachable() const noexcept override { return is_reachable_; }
  /// While it is not, nothing that is published passes; what others publish is still heard.
  void set_reachable(bool is_reachable) {
    is_reachable_ = is_reachable;
    listener_->on_state(is_reachable);
  }

 private:
  void later(std::function<void()> action) {
    broker_->post([alive = std::weak_ptr<int>(alive_), action = std::move(action)] {
      if (!alive.expired()) action();
    });
  }

  FakeBroker* const broker_;
  Listener* const listener_;
  std::set<std::string> topics_;
  bool is_reachable_ = true;
  const std::shared_ptr<int> alive_ = std::make_shared<int>();
};

/// A node on such a bus.
class FakeNode {
 public:
  FakeNode(FakeBroker& broker, std::uint64_t number)
      : broker_(&broker),
        backplane(
            number, [] { return std::chrono::steady_clock::now(); },
            [this] { broker_->post([this] { turn(); }); }) {
    broker.call([this] {
      bus_ = std::make_unique<FakeBus>(*broker_, backplane.gateway());
      backplane.gateway().start(*bus_);
      is_running_ = true;
      turn();
    });
  }
  ~FakeNode() {
    broker_->call([this] {
      backplane.gateway().stop();
      broker_->forget(backplane.gateway());
      is_running_ = false;
      bus_ = nullptr;
    });
    // A wake may have been posted before.
    backplane.gateway().inbox().close();
    broker_->call([] {});
  }
  void set_bus_reachable(bool is_reachable) {
    broker_->call([&] { bus_->set_reachable(is_reachable); });
  }
  /// Of the broker's thread.
  FakeBus& bus() { return *bus_; }

 private:
  void turn() {
    if (is_running_) broker_->turn_at(backplane.gateway(), backplane.gateway().turn());
  }

  FakeBroker* const broker_;
  std::unique_ptr<FakeBus> bus_;
  bool is_running_ = false;

 public:
  NodeBackplane backplane;
};

}  // namespace voicechan::redis
