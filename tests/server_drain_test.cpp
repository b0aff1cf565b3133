#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <vector>

#include "server_fixture.hpp"

namespace voicechan::server {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr const char* kChannels = "/api/voice_channels/voice_channels/";
constexpr const char* kSignaling = "/ws/signaling/";
constexpr const char* kOk = "HTTP/1.1 200 ";
constexpr const char* kUnavailable = "HTTP/1.1 503 ";

class ServerDrainTest : public ServerFixture {
 protected:
  ServerDrainTest() { options_.workers = 2; }

  void start_with_member() {
    start();
    member_ = std::make_unique<SocketClient>(open_websocket("/ws/voice/room/"));
  }

  void drain() {
    // The test may be over before the drain is.
    server_->drain([drained = drained_] { drained->set_value(); });
  }

  bool is_drained() { return drained_future_.wait_for(0s) == std::future_status::ready; }

  std::string ask(std::string_view target) {
    SocketClient client = connect();
    client.send("GET " + std::string(target) + " HTTP/1.1\r\nHost: test\r\n\r\n");
    return client.read_response();
  }

  std::string status_of_handshake() {
    SocketClient client = connect();
    client.send(upgrade_request(kSignaling));
    return client.read_response();
  }

  bool is_open(SocketClient& websocket) {
    websocket.send(client_frame(kPing, "x"));
    return websocket.read_frame() == std::pair(kPong, std::string("x"));
  }

  const std::shared_ptr<std::promise<void>> drained_ = std::make_shared<std::promise<void>>();
  std::future<void> drained_future_ = drained_->get_future();
  std::unique_ptr<SocketClient> member_;  // holds a drain up: it never answers the close
};

TEST_F(ServerDrainTest, IsReadyAndAliveWhenItServes) {
  start();
  EXPECT_THAT(ask("/readyz"), StartsWith(kOk));
  EXPECT_THAT(ask("/livez"), StartsWith(kOk));
}

TEST_F(ServerDrainTest, AProbeThatPostsGets405) {
  start();
  SocketClient client = connect();
  client.send("POST /readyz HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n");
  const std::string response = client.read_response();
  EXPECT_THAT(response, StartsWith("HTTP/1.1 405 "));
  EXPECT_THAT(response, HasSubstr("Allow: GET, HEAD, OPTIONS\r\n"));
}

// One for whom something waits is told like everybody else, behind what waits.
TEST_F(ServerDrainTest, AListenerThatIsBehindIsToldToo) {
  options_.workers = 1;
  start();
  SocketClient listener = open_websocket("/ws/voice/room/", 4096);
  SocketClient speaker = open_websocket("/ws/voice/room/");
  const std::string text(1 << 20, 'x');  // more in all than its socket takes
  constexpr int kMessages = 8;
  for (int i = 0; i < kMessages; ++i) speaker.send(client_frame(kText, text));
  EXPECT_TRUE(is_open(speaker));  // all of it has been relayed
  drain();
  for (int i = 0; i < kMessages; ++i) ASSERT_EQ(listener.read_frame().second.size(), text.size());
  const auto [type, payload] = listener.read_frame();
  EXPECT_EQ(type, kClose);
  EXPECT_EQ(close_code(payload), 1001);
}

TEST_F(ServerDrainTest, WithdrawnIsNotReadyAndTakesNoWebSocketsButKeepsThoseItHas) {
  start_with_member();
  server_->withdraw();
  EXPECT_THAT(ask("/readyz"), StartsWith(kUnavailable));
  EXPECT_THAT(ask("/livez"), StartsWith(kOk));
  EXPECT_THAT(status_of_handshake(), StartsWith(kUnavailable));
  EXPECT_TRUE(is_open(*member_));
  SocketClient client = connect();
  client.send(request("GET", kChannels));
  EXPECT_THAT(client.read_response(), StartsWith(kOk));
  server_->resume();
  EXPECT_THAT(ask("/readyz"), StartsWith(kOk));
  EXPECT_THAT(status_of_handshake(), StartsWith("HTTP/1.1 101 "));
}

TEST_F(ServerDrainTest, ADrainRefusesNewConnectionsButNotProbes) {
  start_with_member();
  drain();
  EXPECT_THAT(ask("/readyz"), StartsWith(kUnavailable));
  EXPECT_THAT(ask("/livez"), StartsWith(kOk));
  for (const std::string& response : {ask(kChannels), ask("/nothing"), status_of_handshake()}) {
    EXPECT_THAT(response, StartsWith(kUnavailable));
    EXPECT_THAT(response, HasSubstr("Retry-After: "));
    EXPECT_THAT(response, HasSubstr("Connection: close\r\n"));
  }
  EXPECT_FALSE(is_drained());
}

TEST_F(ServerDrainTest, AConnectionMadeBeforeTheDrainIsServedOnceMore) {
  start_with_member();
  SocketClient idle = connect_idle();
  drain();
  idle.send(request("GET", kChannels));
  const std::string response = idle.read_to_end();
  EXPECT_THAT(response, StartsWith(kOk));
  EXPECT_THAT(response, HasSubstr("Connection: close\r\n"));
}

TEST_F(ServerDrainTest, ADrainEndsWhenTheLastWebSocketHasGone) {
  start_with_member();
  const SocketClient idle = connect_idle();
  drain();
  EXPECT_EQ(member_->read_frame().first, kClose);
  const SocketClient late = connect();
  member_->close();
  EXPECT_EQ(drained_future_.wait_for(30s), std::future_status::ready);
}

TEST_F(ServerDrainTest, AnIdleServerIsDrainedAtOnce) {
  start();
  drain();
  EXPECT_EQ(drained_future_.wait_for(30s), std::future_status::ready);
}

TEST_F(ServerDrainTest, WebSocketsAreClosedOneAfterTheOther) {
  options_.workers = 1;
  options_.drain_spread = 600ms;
  start();
  std::vector<SocketClient> members;
  for (int i = 0; i < 7; ++i) members.push_back(open_websocket("/ws/voice/room/"));
  const auto begin = std::chrono::steady_clock::now();
  drain();
  for (SocketClient& member : members) {
    const auto [type, payload] = member.read_frame();
    EXPECT_EQ(type, kClose);
    EXPECT_EQ(close_code(payload), 1001);
  }
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 500ms);
  EXPECT_FALSE(is_drained());  // no close was answered
}

TEST_F(ServerDrainTest, ResumeKeepsWhatIsLeftAndServesAgain) {
  options_.workers = 1;
  options_.drain_spread = 1h;
  start();
  std::vector<SocketClient> members;
  for (int i = 0; i < 2; ++i) members.push_back(open_websocket("/ws/voice/room/"));
  drain();
  // One of the two is closed first; nobody knows which.
  SocketClient late = connect();
  late.send("GET /livez HTTP/1.1\r\nHost: test\r\n\r\n");
  EXPECT_THAT(late.read_to_end(), StartsWith(kOk));
  const SocketClient silent = connect();
  server_->resume();
  EXPECT_THAT(ask("/readyz"), StartsWith(kOk));
  connect_idle();
  SocketClient newcomer = open_websocket("/ws/voice/room/");
  newcomer.send(client_frame(kText, "hello"));
  int heard = 0;
  for (SocketClient& member : members) heard += member.read_frame().first == kText ? 1 : 0;
  EXPECT_EQ(heard, 1);
  EXPECT_FALSE(is_drained());
}

TEST_F(ServerDrainTest, ADrainAfterAResumedOneEndsEverything) {
  start_with_member();
  server_->drain([] {});
  server_->resume();
  drain();
  member_->close();
  EXPECT_EQ(drained_future_.wait_for(30s), std::future_status::ready);
  server_->end();
}

TEST_F(ServerDrainTest, WhoAskedInTheLastMomentIsAnswered) {
  start_with_member();
  SocketClient client = connect_idle();
  client.send(request("OPTIONS", kSignaling));
  server_->end();
  const std::string response = client.read_to_end();
  EXPECT_THAT(response, StartsWith("HTTP/1.1 "));
  EXPECT_THAT(response, ::testing::AnyOf(StartsWith(kOk), StartsWith(kUnavailable)));
}

}  // namespace
}  // namespace voicechan::server
