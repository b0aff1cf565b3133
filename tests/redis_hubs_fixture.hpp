#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "fake_transport.hpp"
#include "joined_backplane.hpp"
#include "redis_nodes_fixture.hpp"
#include "voicechan/hub.hpp"

namespace voicechan {

/// A node with one hub, which the test drives.
class HubNode {
 public:
  explicit HubNode(const std::vector<const redis::RedisServer*>& bus,
                   const redis::RedisServer* store = nullptr)
      : backplane(open_node(bus, store)) {
    HubOptions options;
    options.room_changes_burst = 1e9;
    hub = Hub::attach(*backplane, options).value();
  }

  ClientPtr open(std::int64_t id) {
    auto client = std::make_unique<Client>();
    client->session = hub->open_signaling(user(id), client->transport);
    return client;
  }
  ClientPtr enter(std::int64_t id, const std::string& room) {
    auto client = open(id);
    client->send(R"({"type":"join","room":")" + room + R"(","receipts":true})");
    return client;
  }
  ClientPtr speak_in(std::int64_t id, const std::string& room,
                     VoiceProtocol protocol = VoiceProtocol::plain) {
    const auto hold = JoinedBackplane::prepare_now(*backplane, voice_group(room_name(room)));
    auto client = std::make_unique<Client>();
    client->session =
        hub->join_voice(user(id), room_name(room), client->transport, protocol).value();
    return client;
  }
  std::vector<std::string> roster(const std::string& room) {
    std::vector<std::string> ids;
    for (const auto& peer : backplane->presence().roster(room_name(room)).peers) {
      ids.push_back(std::string(peer->id.str()) + peer->data);
    }
    return ids;
  }
  void tick() { hub->tick(std::chrono::steady_clock::now()); }

  const std::unique_ptr<RedisBackplane> backplane;
  std::unique_ptr<Hub> hub;
};

/// Drives the hubs until it is so; false if it takes too long.
inline bool drive(const std::vector<HubNode*>& nodes, const std::function<bool()>& is_done,
                  std::chrono::milliseconds time = std::chrono::seconds(10)) {
  const auto deadline = std::chrono::steady_clock::now() + time;
  while (true) {
    for (HubNode* node : nodes) node->tick();
    if (is_done()) return true;
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
}
inline void drive_for(const std::vector<HubNode*>& nodes, std::chrono::milliseconds time) {
  static_cast<void>(drive(
      nodes, [] { return false; }, time));
}

inline std::string last_text(const Client& client) {
  return client.transport.frames.empty() ? "" : client.transport.frames.back().bytes();
}
inline std::string id_of(const Client& client) {
  for (const std::string& text : client.texts()) {
    const auto message = parse_json(text).as_object();
    if (message.at("type") == "joined") return std::string(message.at("id").as_string());
  }
  return {};
}

}  // namespace voicechan
