#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "voicechan/backplane.hpp"
#include "voicechan/random.hpp"

namespace voicechan {

/// Counts the wakes of one hub and lets its thread wait for them.
class WakeBell {
 public:
  void ring() {
    const std::lock_guard lock(mutex_);
    ++count_;
    is_ringing_ = true;
    condition_.notify_all();
  }

  /// Waits until it has rung since the last wait. Throws if that takes so long that the test has
  /// failed.
  void wait() {
    std::unique_lock lock(mutex_);
    const auto is_ringing = [this] { return is_ringing_; };
    if (!condition_.wait_for(lock, std::chrono::seconds(60), is_ringing)) {
      throw std::runtime_error("the hub was not woken");
    }
    is_ringing_ = false;
  }

  int count() {
    const std::lock_guard lock(mutex_);
    return count_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable condition_;
  int count_ = 0;
  bool is_ringing_ = false;
};

/// A hub as the backplane sees it: keeps all that it is handed. For one thread.
class BackplaneTestHub final : public BackplaneReceiver {
 public:
  explicit BackplaneTestHub(Backplane& backplane) {
    auto attached = backplane.attach(*this, [bell = bell] { bell->ring(); });
    EXPECT_TRUE(attached);
    port = *std::move(attached);
  }
  ~BackplaneTestHub() { detach(); }

  BackplaneTestHub(const BackplaneTestHub&) = delete;
  BackplaneTestHub& operator=(const BackplaneTestHub&) = delete;

  void detach() {
    subscriptions.clear();
    port.reset();
  }

  void subscribe(const std::string& group) { subscriptions[group] = port->subscribe(group); }
  void unsubscribe(const std::string& group) { subscriptions.erase(group); }

  void publish(const std::string& group, std::string text) {
    subscriptions.at(group)->publish(Frame::control_text(std::move(text)));
  }

  /// An id that this hub may have given out.
  PeerId make_peer() const {
    PeerId::Random random;
    system_random().fill(random.data(), random.size());
    return PeerId(port->address(), random);
  }

  void send(const SendTicket& ticket, std::string text) {
    port->send(Frame::control_text(std::move(text)), ticket);
  }

  /// Hands over what is to go out and takes what comes in until `is_done()`.
  void run_until(const std::function<bool()>& is_done) {
    for (;;) {
      port->poll();
      port->flush();
      if (is_done()) return;
      bell->wait();
    }
  }

  void on_publish(std::string_view group, const Frame& frame) noexcept override {
    published.push_back(std::string(group) + ":" + frame.bytes());
    frames.push_back(frame);
    if (when_published) when_published(frame.bytes());
  }
  Delivery on_send(const SendTicket& ticket, const Frame& frame) noexcept override {
    received.emplace_back(ticket, frame.bytes());
    if (when_sent_to) when_sent_to(ticket);
    return answer;
  }
  void on_delivery(const SendTicket& ticket, Delivery delivery) noexcept override {
    deliveries.emplace_back(ticket, delivery);
    if (when_delivered) when_delivered(ticket);
  }
  void on_entered(std::uint64_t number, Result<Roster> answer_to_entry) noexcept override {
    entries.emplace_back(number, std::move(answer_to_entry));
  }

  std::vector<std::string> received_texts() const {
    std::vector<std::string> texts;
    for (const auto& each : received) texts.push_back(each.second);
    return texts;
  }

  const std::shared_ptr<WakeBell> bell = std::make_shared<WakeBell>();
  std::unique_ptr<BackplanePort> port;
  std::map<std::string, std::unique_ptr<Subscription>> subscriptions;

  std::vector<std::string> published;  // "group:text"
  std::vector<Frame> frames;
  std::vector<std::pair<SendTicket, std::string>> received;
  std::vector<std::pair<SendTicket, Delivery>> deliveries;
  std::vector<std::pair<std::uint64_t, Result<Roster>>> entries;

  Delivery answer = Delivery::queued;
  std::function<void(const std::string&)> when_published;
  std::function<void(const SendTicket&)> when_sent_to;
  std::function<void(const SendTicket&)> when_delivered;
};

struct BackplaneFactory {
  std::string name;
  /// A backplane without hubs.
  std::function<std::shared_ptr<Backplane>()> make;
  /// How many hubs it has places for, if it says so.
  std::optional<std::size_t> max_hubs;
  /// Hubs that are attached one after the other are on different nodes.
  bool has_many_nodes = false;
};

inline void PrintTo(const BackplaneFactory& factory, std::ostream* out) { *out << factory.name; }

}  // namespace voicechan
