#include "server.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <system_error>
#include <thread>
#include <vector>

#include "server_fixture.hpp"

namespace voicechan::server {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr const char* kChannels = "/api/voice_channels/voice_channels/";

class ServerTest : public ServerFixture {};

TEST_F(ServerTest, TellsThePortThatPortZeroBecame) {
  start();
  EXPECT_NE(server_->endpoint().port(), 0);
  connect_idle();
}

TEST_F(ServerTest, AnswersARequest) {
  start();
  SocketClient client = connect();
  client.send(request("GET", kChannels));
  EXPECT_THAT(client.read_response(), StartsWith("HTTP/1.1 200 OK\r\n"));
}

TEST_F(ServerTest, ListensOnIpv6) {
  options_.listen_address = "::1";
  start();
  connect_idle();
}

TEST_F(ServerTest, AnAddressInUseIsRefused) {
  start();
  options_.listen_port = server_->endpoint().port();
  try {
    const Server second(options_, *store_);
    ADD_FAILURE() << "a second server shares the port";
  } catch (const std::system_error& error) {
    EXPECT_EQ(error.code(), asio::error::address_in_use);
  }
}

TEST_F(ServerTest, AForeignAddressIsRefused) {
  options_.listen_address = "192.0.2.1";  // TEST-NET-1
  EXPECT_THROW(start(), std::system_error);
}

TEST_F(ServerTest, MembersOnDifferentWorkersHearEachOther) {
  options_.workers = 2;
  start();
  // The kernel spreads connections; that all of so many land on one worker has odds of 1 to 2^29.
  std::vector<SocketClient> members;
  for (int i = 0; i < 30; ++i) {
    members.push_back(open_websocket("/ws/voice/room/"));
    // An answer: the member has joined.
    members.back().send(client_frame(kPing, "x"));
    EXPECT_EQ(members.back().read_frame(), std::pair(kPong, std::string("x")));
  }
  members[0].send(client_frame(kText, "hello"));
  for (std::size_t i = 1; i < members.size(); ++i) {
    EXPECT_EQ(members[i].read_frame(), std::pair(kText, std::string("hello"))) << "member " << i;
  }
}

TEST_F(ServerTest, ConnectionsAboveTheLimitGet503) {
  options_.max_connections = 1;
  start();
  SocketClient first = connect_idle();
  EXPECT_THAT(connect().read_response(), StartsWith("HTTP/1.1 503 "));
  first.send(request("GET", kChannels));
  EXPECT_THAT(first.read_response(), StartsWith("HTTP/1.1 200 "));
}

TEST_F(ServerTest, StopEndsIdleConnections) {
  start();
  SocketClient client = connect_idle();
  std::thread stopping([&] { server_->stop(); });
  EXPECT_EQ(client.read_to_end(), "");
  client.close();
  stopping.join();
}

TEST_F(ServerTest, StopClosesWebSocketsAsGoingAway) {
  start();
  SocketClient client = open_websocket("/ws/signaling/");
  std::thread stopping([&] { server_->stop(); });
  const auto [type, payload] = client.read_frame();
  EXPECT_EQ(type, kClose);
  EXPECT_EQ(close_code(payload), 1001);
  client.send(client_frame(kClose, payload));
  EXPECT_EQ(client.read_to_end(), "");
  client.close();
  stopping.join();
}

TEST_F(ServerTest, StopFinishesARequestInFlight) {
  options_.drain_timeout = 30s;
  start();
  SocketClient idle = open_websocket("/ws/signaling/");
  SocketClient client = connect();
  client.send(request("POST", kChannels, "Content-Length: 12\r\nExpect: 100-continue\r\n"));
  ASSERT_THAT(client.read_response(), StartsWith("HTTP/1.1 100 "));  // the head has been read
  std::thread stopping([&] { server_->stop(); });
  EXPECT_EQ(idle.read_frame().first, kClose);  // the drain has begun
  idle.close();
  client.send(R"({"name":"x"})");
  const std::string response = client.read_to_end();
  EXPECT_THAT(response, StartsWith("HTTP/1.1 201 "));
  EXPECT_THAT(response, HasSubstr("Connection: close\r\n"));
  client.close();
  stopping.join();
}

TEST_F(ServerTest, RequestsThatArrivedBeforeTheStopAreAnswered) {
  options_.drain_timeout = 30s;
  start();
  std::vector<SocketClient> clients;
  for (int i = 0; i < 50; ++i) clients.push_back(connect_idle());
  for (SocketClient& client : clients) client.send(request("GET", kChannels));
  std::thread stopping([&] { server_->stop(); });
  for (SocketClient& client : clients) {
    EXPECT_THAT(client.read_to_end(), StartsWith("HTTP/1.1 200 "));
    client.close();
  }
  stopping.join();
}

TEST_F(ServerTest, ASilentClientDoesNotHoldUpTheStop) {
  options_.drain_timeout = 300ms;
  start();
  SocketClient websocket = open_websocket("/ws/voice/room/");  // never answers the close
  SocketClient half_a_request = connect();
  half_a_request.send("GET / HTTP/1.1\r\nHost:");
  const auto begin = std::chrono::steady_clock::now();
  server_->stop();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 10s);
  (void)websocket.read_to_end();
}

TEST_F(ServerTest, AStoppedServerRefusesConnections) {
  start();
  const auto endpoint = server_->endpoint();
  server_->stop();
  asio::io_context io;
  asio::ip::tcp::socket socket(io);
  asio::error_code error;
  socket.connect(endpoint, error);
  EXPECT_EQ(error, asio::error::connection_refused);
}

TEST_F(ServerTest, StopMayBeCalledTwice) {
  start();
  server_->stop();
  server_->stop();
}

TEST_F(ServerTest, DestructionWithoutStopEndsEverything) {
  start();
  SocketClient idle = connect_idle();
  SocketClient websocket = open_websocket("/ws/voice/room/");
  server_.reset();
  (void)idle.read_to_end();
  (void)websocket.read_to_end();
}

TEST_F(ServerTest, TheNextServerMayHaveTheSamePort) {
  start();
  const SocketClient client = connect_idle();
  options_.listen_port = server_->endpoint().port();
  server_.reset();  // this side closes first, so the port is in TIME_WAIT
  start();
  connect_idle();
}

}  // namespace
}  // namespace voicechan::server
