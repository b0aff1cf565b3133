#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fake_transport.hpp"

// Signaling clients in memory behind sockets that are written when a test says so, and what they
// say and are told about receipts.

namespace voicechan {

/// A transport that has a socket: what it was given waits until `write`.
class SocketTransport final : public Transport {
 public:
  void send(const Frame& frame) noexcept override { waiting_.push_back(frame); }
  bool is_congested() const noexcept override {
    return is_ever_congested && waiting_.size() >= kBusy;
  }
  bool notify_when_written() noexcept override {
    notifies_ = true;
    return true;
  }

  /// The client gets all that waits.
  void write(Session& session) {
    for (Frame& frame : waiting_) written.push_back(std::move(frame));
    waiting_.clear();
    if (std::exchange(notifies_, false)) session.on_written();
  }
  /// The connection is gone, with all that was not written.
  void lose(Session& session) {
    waiting_.clear();
    notifies_ = false;
    session.lose();
  }
  void on_replaced() noexcept override { is_replaced = true; }
  bool break_off() noexcept override { return is_broken_off = can_break_off; }

  std::vector<std::string> take() { return bytes_of(std::exchange(written, {})); }

  static constexpr std::size_t kBusy = 12;
  bool is_ever_congested = true;
  bool is_replaced = false;
  bool can_break_off = false;
  bool is_broken_off = false;
  std::vector<Frame> written;

 private:
  std::vector<Frame> waiting_;
  bool notifies_ = false;
};

struct SocketClient {
  SocketTransport transport;
  Session session;
  std::string id;
  std::string key;  // to resume with, if it has asked for one

  void send(std::string text) { session.receive(FrameKind::text, std::move(text)); }
  void write() { transport.write(session); }
  void lose() { transport.lose(session); }
};
using SocketClientPtr = std::unique_ptr<SocketClient>;

inline SocketClientPtr join(HubSystem& system, std::size_t hub,
                            std::string_view text = R"({"type":"join","receipts":true})") {
  auto client = std::make_unique<SocketClient>();
  client->session = system.hub(hub).open_signaling(user(1), client->transport);
  client->send(std::string(text));
  system.let_in(hub);
  client->write();
  const auto reply = parse_json(client->transport.take().at(0)).as_object();
  client->id = reply.at("id").as_string().c_str();
  if (const auto* resume = reply.if_contains("resume")) {
    client->key = resume->at("key").as_string().c_str();
  }
  return client;
}

inline std::string message(std::string_view to, std::string_view msg_id) {
  return R"({"to":")" + std::string(to) + R"(","msg_id":)" + std::string(msg_id) + "}";
}

inline std::string receipt(std::string_view msg_id, std::string_view status, std::string_view to) {
  return R"({"type":"receipt","msg_id":)" + std::string(msg_id) + R"(,"status":")" +
         std::string(status) + R"(","to":")" + std::string(to) + "\"}";
}

}  // namespace voicechan
