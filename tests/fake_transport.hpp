#pragma once

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "late_backplane.hpp"
#include "voicechan/hub.hpp"

// Clients in memory, and hubs of one backplane that one thread drives.

namespace voicechan {

inline std::vector<std::string> bytes_of(const std::vector<Frame>& frames) {
  std::vector<std::string> result;
  for (const Frame& frame : frames) result.push_back(frame.bytes());
  return result;
}

/// Keeps what it is given. `on_send` is called after that and may destroy this transport.
class FakeTransport final : public Transport {
 public:
  void send(const Frame& frame) noexcept override {
    frames.push_back(frame);
    if (!on_send) return;
    const auto hook = on_send;  // outlives this object
    hook(frame);
  }
  bool is_congested() const noexcept override { return congested; }

  std::vector<std::string> texts() const { return bytes_of(frames); }

  std::vector<Frame> frames;
  std::function<void(const Frame&)> on_send;
  bool congested = false;
};

/// One connection. A pointer to it that is reset takes transport and session away at once.
struct Client {
  std::vector<std::string> texts() const { return transport.texts(); }
  void send(std::string text) { session.receive(FrameKind::text, std::move(text)); }

  FakeTransport transport;
  Session session;  // ends before its transport
};

using ClientPtr = std::unique_ptr<Client>;

inline boost::json::value parse_json(std::string_view text) {
  boost::json::error_code error;
  auto value = boost::json::parse(boost::json::string_view(text.data(), text.size()), error);
  EXPECT_FALSE(error) << text;
  return value;
}

inline RoomName room_name(std::string_view text) {
  auto name = RoomName::parse(text);
  EXPECT_TRUE(name) << text;
  return *std::move(name);
}

inline Identity user(std::int64_t id) { return {UserId{id}, "user" + std::to_string(id)}; }

/// Added to a number of hubs: their presence lets peers enter rooms only when it settles.
constexpr int kLate = 100;

/// Some hubs of one backplane, all driven by the calling thread.
class HubSystem {
 public:
  explicit HubSystem(std::size_t hub_count = 1, HubOptions options = {}) {
    constexpr std::uint64_t kNode = 0x1234;
    constexpr auto kFirstLate = static_cast<std::size_t>(kLate);
    if (hub_count < kFirstLate) {
      backplane_ = std::make_unique<InProcessBackplane>(kNode);
    } else {
      auto late = std::make_unique<LateBackplane>(kNode);
      late_ = late.get();
      backplane_ = std::move(late);
    }
    for (std::size_t i = 0; i < hub_count % kFirstLate; ++i) {
      auto hub = Hub::attach(*backplane_, options, [this] { is_woken_ = true; });
      EXPECT_TRUE(hub);
      hubs_.push_back(*std::move(hub));
    }
    settle();
  }

  /// The hub for a test's `index`-th client: neighbours are on different hubs if there are several.
  Hub& hub(std::size_t index) { return *hubs_[index % hubs_.size()]; }
  std::unique_ptr<Hub>& owned_hub(std::size_t index) { return hubs_[index % hubs_.size()]; }
  std::size_t hub_count() const { return hubs_.size(); }
  Backplane& backplane() { return *backplane_; }
  std::size_t session_count() const {
    std::size_t count = 0;
    for (const auto& each : hubs_) count += each->session_count();
    return count;
  }

  /// Ticks all hubs until nothing is under way between them, and nobody waits to enter a room.
  void settle() {
    do {
      let_in();
      tick();
    } while (late_ != nullptr && late_->waiting_count() > 0);
  }

  /// The same, but those who wait to enter go on waiting.
  void tick() {
    do {
      is_woken_ = false;
      for (const auto& each : hubs_) {
        if (each != nullptr) each->tick(now_);
      }
    } while (is_woken_);
  }

  /// Time goes by in which nobody needs a tick.
  void sleep(std::chrono::milliseconds time) { now_ += time; }
  /// Those who wait to enter rooms have, but have not heard of it.
  void let_in() {
    if (late_ != nullptr) late_->admit_all();
  }
  /// The same, and a hub has heard of it.
  void let_in(std::size_t hub_index) {
    if (late_ == nullptr) return;
    late_->admit_all();
    hub(hub_index).tick(now_);
  }

  LateBackplane& late() { return *late_; }

  void advance(std::chrono::milliseconds time) {
    now_ += time;
    settle();
  }

  ClientPtr join_voice(std::size_t hub_index, std::string_view room = "general") {
    auto client = std::make_unique<Client>();
    client->session =
        hub(hub_index).join_voice(user(1), room_name(room), client->transport).value();
    return client;
  }

  ClientPtr join_voice_with_members(std::size_t hub_index, std::int64_t user_id,
                                    std::string_view room = "general") {
    auto client = std::make_unique<Client>();
    client->session = hub(hub_index)
                          .join_voice(user(user_id), room_name(room), client->transport,
                                      VoiceProtocol::with_members)
                          .value();
    return client;
  }

  ClientPtr open_signaling(std::size_t hub_index) {
    auto client = std::make_unique<Client>();
    client->session = hub(hub_index).open_signaling(user(1), client->transport);
    return client;
  }

  ClientPtr open_notifications(std::size_t hub_index, std::int64_t user_id) {
    auto client = std::make_unique<Client>();
    client->session = hub(hub_index).open_notifications(user(user_id), client->transport);
    return client;
  }

  void send(Client& client, std::string text) {
    client.send(std::move(text));
    settle();
  }

  /// A joined signaling client whose transport is empty again, and its id.
  std::pair<ClientPtr, std::string> join_signaling(std::size_t hub_index) {
    auto client = open_signaling(hub_index);
    send(*client, R"({"type":"join"})");
    EXPECT_EQ(client->transport.frames.size(), 1u);
    const auto reply = parse_json(client->transport.frames.at(0).bytes());
    client->transport.frames.clear();
    return {std::move(client), reply.at("id").as_string().c_str()};
  }

 private:
  std::unique_ptr<Backplane> backplane_;
  LateBackplane* late_ = nullptr;  // `backplane_`, if it is one
  std::vector<std::unique_ptr<Hub>> hubs_;
  bool is_woken_ = false;
  MonotonicTime now_{std::chrono::hours(1)};
};

/// For `TEST_P`: the parameter is the number of hubs.
class HubSystemTest : public ::testing::TestWithParam<int> {
 protected:
  HubSystem system{static_cast<std::size_t>(GetParam())};
};

inline std::string hub_count_name(const ::testing::TestParamInfo<int>& info) {
  const bool is_late = info.param >= kLate;
  const int count = info.param % kLate;
  return std::to_string(count) + (count == 1 ? "Hub" : "Hubs") + (is_late ? "Late" : "");
}

}  // namespace voicechan
