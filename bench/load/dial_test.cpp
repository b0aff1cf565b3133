#include "dial.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <deque>
#include <string>
#include <thread>
#include <vector>

#include "loopback_peer.hpp"

namespace voicechan::load {
namespace {

class DialTest : public ::testing::Test, private Connection::Handler {
 protected:
  static constexpr std::size_t kConnections = 5;

  DialTest() {
    target.destinations = {{server.endpoint(), "test"}};
    target.connections_per_second = 10'000;
    Connection::Handler& handler = *this;
    for (std::uint32_t i = 0; i < kConnections; ++i) {
      connections.emplace_back(network, handler, i);
      calls.push_back({&connections.back(), "/ws/" + std::to_string(i), 0});
    }
  }
  ~DialTest() override {
    if (thread.joinable()) thread.join();
  }
  /// Each connection gets this answer, on another thread.
  void answer(const std::string& response) {
    thread = std::thread([this, response] {
      for (std::size_t i = 0; i < kConnections; ++i) {
        peers.push_back(server.accept());
        requests.push_back(peers.back().receive_request());
        peers.back().send(response);
      }
    });
  }

  Network network;
  LoopbackServer server;
  Target target;
  std::deque<Connection> connections;
  std::vector<Call> calls;
  std::thread thread;
  std::vector<LoopbackPeer> peers;
  std::vector<std::string> requests;

 private:
  void on_message(Connection&, Opcode, std::string_view, std::int64_t) override {}
  void on_closed(Connection&) override {}
};

TEST_F(DialTest, OpensAllAndKeysTakeTurns) {
  target.keys = {"one", "two"};
  answer(kUpgraded);
  EXPECT_TRUE(connect_all(network, target, calls));
  for (const Connection& connection : connections) EXPECT_TRUE(connection.is_open());
  thread.join();
  for (std::size_t i = 0; i < kConnections; ++i) {
    EXPECT_EQ(requests[i], handshake_request("test", calls[i].path, target.keys[i % 2]));
  }
}

TEST_F(DialTest, ServersTakeTurns) {
  target.destinations.push_back({server.endpoint(), "other"});
  answer(kUpgraded);
  EXPECT_TRUE(connect_all(network, target, calls));
  thread.join();
  for (std::size_t i = 0; i < kConnections; ++i) {
    EXPECT_EQ(requests[i], handshake_request(i % 2 == 0 ? "test" : "other", calls[i].path, ""));
  }
}

TEST_F(DialTest, KeepsTheRate) {
  target.connections_per_second = 100;
  answer(kUpgraded);
  const std::int64_t begin = monotonic_ns();
  EXPECT_TRUE(connect_all(network, target, calls));
  EXPECT_GE(monotonic_ns() - begin, to_ns((kConnections - 1) / 100.0));
}

TEST_F(DialTest, ARefusalIsThrownWithItsReason) {
  answer("HTTP/1.1 401 Unauthorized\r\n\r\n");
  try {
    connect_all(network, target, calls);
    ADD_FAILURE() << "no ConnectFailure";
  } catch (const ConnectFailure& failure) {
    EXPECT_NE(std::string(failure.what()).find("401 Unauthorized"), std::string::npos);
    EXPECT_NE(std::string(failure.what()).find("/ws/"), std::string::npos);
  }
  // For the thread that still expects the others.
  for (Connection& connection : connections) {
    if (connection.state() == Connection::State::idle) {
      connection.connect(server.endpoint(), nullptr, handshake_request("test", "/", ""), 0);
    }
  }
  EXPECT_TRUE(turn_until(network, [&] {
    for (const Connection& connection : connections) {
      if (connection.state() != Connection::State::closed) return false;
    }
    return true;
  }));
}

TEST_F(DialTest, AnInterruptEndsIt) {
  ASSERT_EQ(std::raise(SIGINT), 0);
  network.loop.turn(monotonic_ns() + kNanosPerSecond);
  EXPECT_FALSE(connect_all(network, target, calls));
}

}  // namespace
}  // namespace voicechan::load
