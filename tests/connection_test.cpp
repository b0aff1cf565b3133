#include "connection.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <vector>

#include "server_fixture.hpp"

namespace voicechan::server {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr const char* kChannels = "/api/voice_channels/voice_channels/";
constexpr int kSmallBuffer = 4096;
constexpr std::size_t kMoreThanTheKernelTakes = 16'000'000;

class ConnectionTest : public ServerFixture {
 protected:
  /// Returns once the server has kept a connection idle for all of its keep-alive deadline.
  void wait_for_keep_alive_deadline() { EXPECT_EQ(connect_idle().read_to_end(), ""); }

  /// Fills the store; returns what a listing is then at least long.
  std::size_t create_channels(std::size_t bytes) {
    const auto name = *ChannelName::parse(std::string(255, 'n'));
    const std::size_t count = bytes / name.str().size() + 1;
    for (std::size_t i = 0; i < count; ++i) {
      EXPECT_TRUE(store_->create_channel(name, UserId{1}, WallTime{}));
    }
    return count * name.str().size();
  }
};

TEST_F(ConnectionTest, AHalfClosedClientGetsAllItsAnswers) {
  start();
  SocketClient client = connect();
  std::string requests;
  for (int i = 0; i < 3; ++i) requests += request("GET", kChannels) + request("OPTIONS", kChannels);
  client.send(requests);
  client.half_close();
  for (int i = 0; i < 6; ++i) EXPECT_THAT(client.read_response(), StartsWith("HTTP/1.1 200 OK"));
  EXPECT_EQ(client.read_to_end(), "");
}

TEST_F(ConnectionTest, PipelinedAnswersKeepTheOrderOfTheirRequests) {
  start();
  SocketClient client = connect();
  client.send(request("GET", kChannels) + request("GET", "/nowhere") +
              request("GET", "/api/voice_channels/voice_channels/7/") + request("GET", kChannels));
  for (const char* status : {"200", "404", "404", "200"}) {
    EXPECT_THAT(client.read_response(), StartsWith(std::string("HTTP/1.1 ") + status));
  }
}

TEST_F(ConnectionTest, AClientThatReadsLateGetsAllPipelinedAnswers) {
  start();
  const std::size_t listing = create_channels(1'000'000);
  SocketClient client = connect(kSmallBuffer);
  std::string requests;
  for (int i = 0; i < 16; ++i) requests += request("GET", kChannels);
  client.send(requests);
  for (int i = 0; i < 16; ++i) EXPECT_GT(client.read_response().size(), listing);
}

TEST_F(ConnectionTest, ASlowReaderGetsAllOfALastResponse) {
  options_.deadlines.close = 50ms;
  options_.deadlines.keep_alive = 500ms;
  start();
  const std::size_t listing = create_channels(kMoreThanTheKernelTakes);
  SocketClient client = connect(kSmallBuffer);
  client.send(request("GET", kChannels, "Connection: close\r\n"));
  (void)client.read(1);
  wait_for_keep_alive_deadline();
  EXPECT_GT(client.read_to_end().size(), listing);
}

TEST_F(ConnectionTest, AClientThatReadsNothingIsCut) {
  options_.deadlines.write = 100ms;
  options_.deadlines.keep_alive = 1s;
  start();
  const std::size_t listing = create_channels(kMoreThanTheKernelTakes);
  SocketClient client = connect(kSmallBuffer);
  client.send(request("GET", kChannels));
  (void)client.read(1);
  wait_for_keep_alive_deadline();
  EXPECT_LT(client.read_to_end().size(), listing);
}

TEST_F(ConnectionTest, AHeadThatNeverEndsGets408) {
  options_.deadlines.request_head = 100ms;
  start();
  SocketClient client = connect();
  client.send("GET / HTTP/1.1\r\nHost:");
  EXPECT_THAT(client.read_to_end(), StartsWith("HTTP/1.1 408 "));
}

TEST_F(ConnectionTest, ABodyThatNeverEndsGets408) {
  options_.deadlines.request_body = 100ms;
  start();
  SocketClient client = connect();
  client.send(request("POST", kChannels, "Content-Length: 10\r\n") + "{");
  EXPECT_THAT(client.read_to_end(), StartsWith("HTTP/1.1 408 "));
}

TEST_F(ConnectionTest, AConnectionThatNeverSaysAnythingIsClosed) {
  options_.deadlines.request_head = 100ms;
  start();
  EXPECT_EQ(connect().read_to_end(), "");
}

TEST_F(ConnectionTest, OptionsOfTheServerAsAWholeAreAnswered) {
  start();
  SocketClient client = connect();
  client.send(request("OPTIONS", "*"));
  const std::string response = client.read_response();
  EXPECT_THAT(response, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(response, HasSubstr("\r\nAllow: "));
}

TEST_F(ConnectionTest, HeadDoesNotUpgrade) {
  start();
  SocketClient client = connect();
  std::string asked = upgrade_request("/ws/signaling/");
  client.send(asked.replace(0, 3, "HEAD"));
  client.half_close();
  EXPECT_THAT(client.read_to_end(), StartsWith("HTTP/1.1 426 "));
}

TEST_F(ConnectionTest, FramesSentTogetherWithTheHandshakeAreRead) {
  start();
  SocketClient client = connect();
  client.send(upgrade_request("/ws/signaling/") + client_frame(kText, R"({"type":"join"})"));
  EXPECT_THAT(client.read_response(), StartsWith("HTTP/1.1 101 "));
  EXPECT_THAT(client.read_frame().second, HasSubstr(R"("type":"joined")"));
}

TEST_F(ConnectionTest, PingsDoNotPutOffAMessagesDeadline) {
  options_.deadlines.message = 200ms;
  options_.inbound.control_frames_per_second = 1'000'000;
  start();
  SocketClient client = open_websocket("/ws/voice/room/");
  client.send(client_frame(kFirstPartOfText, "beginning"));
  const auto begin = std::chrono::steady_clock::now();
  std::pair<std::uint8_t, std::string> frame;
  do {
    client.send(client_frame(kPing, ""));
    frame = client.read_frame();
  } while (frame.first == kPong && std::chrono::steady_clock::now() - begin < 20s);
  EXPECT_EQ(frame.first, kClose);
  EXPECT_EQ(close_code(frame.second), 1008);
}

TEST_F(ConnectionTest, ControlFramesAboveTheLimitCloseTheWebSocket) {
  options_.inbound.control_frames_per_second = 3;
  start();
  SocketClient client = open_websocket("/ws/voice/room/");
  std::string pings;
  for (int i = 0; i < 4; ++i) pings += client_frame(kPing, "");
  client.send(pings);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(client.read_frame().first, kPong);
  EXPECT_THAT(client.read_frame().second, HasSubstr("rate_limited"));
  const auto [type, payload] = client.read_frame();
  EXPECT_EQ(type, kClose);
  EXPECT_EQ(close_code(payload), 1008);
}

TEST_F(ConnectionTest, NothingFollowsACloseFrame) {
  options_.inbound.control_frames_per_second = 10;
  options_.deadlines.close = 60s;
  start();
  SocketClient slow = open_websocket("/ws/voice/room/", kSmallBuffer);
  SocketClient talker = open_websocket("/ws/voice/room/");
  const auto wait_until_all_is_read = [&] {
    for (int i = 0; i < 2; ++i) {
      talker.send(client_frame(kPing, ""));
      EXPECT_EQ(talker.read_frame().first, kPong);
    }
  };
  const std::string message(1'000'000, 'x');
  for (std::size_t sent = 0; sent < kMoreThanTheKernelTakes - 1'000'000; sent += message.size()) {
    talker.send(client_frame(kText, message));
  }
  wait_until_all_is_read();
  std::string pings;
  for (int i = 0; i < 100; ++i) pings += client_frame(kPing, "");
  slow.send(pings);  // too many
  wait_until_all_is_read();

  std::pair<std::uint8_t, std::string> frame;
  do {
    frame = slow.read_frame();
  } while (frame.first == kText || frame.first == kPong);
  EXPECT_EQ(frame.first, kClose);
  slow.send(client_frame(kClose, frame.second));
  EXPECT_EQ(slow.read_to_end(), "");
}

TEST_F(ConnectionTest, AListenerThatTakesNoAudioIsCutThoughTheKernelHadRoom) {
  options_.deadlines.write = 300ms;
  start();
  SocketClient listener = open_websocket("/ws/voice/room/", kSmallBuffer);
  SocketClient speaker = open_websocket("/ws/voice/room/");
  for (int i = 0; i < 100; ++i) {
    speaker.send(client_frame(kBinary, std::string(120, 'x')));
    std::this_thread::sleep_for(20ms);  // a voice; more would be a burst
  }
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_LT(listener.read_to_end().size(), 100 * 122u);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 20s);  // not by the keep-alive
}

// The worker went on to look at such connections after they were gone.
TEST_F(ConnectionTest, ListenersThatLeaveWhileAudioIsHeldBackAreForgotten) {
  start();
  SocketClient speaker = open_websocket("/ws/voice/room/");
  std::vector<SocketClient> listeners;
  for (int i = 0; i < 20; ++i) listeners.push_back(open_websocket("/ws/voice/room/", kSmallBuffer));
  const auto speak = [&](int frames) {
    for (int i = 0; i < frames; ++i) {
      speaker.send(client_frame(kBinary, std::string(120, 'x')));
      std::this_thread::sleep_for(10ms);
    }
  };
  speak(150);
  for (SocketClient& listener : listeners) {
    listener.half_close();
    speak(1);
  }
  speak(10);
  speaker.send(client_frame(kPing, ""));
  EXPECT_EQ(speaker.read_frame().first, kPong);
}

TEST_F(ConnectionTest, APeerThatAnswersNoPingsIsCut) {
  options_.deadlines.ping_interval = 100ms;
  options_.deadlines.ping_timeout = 100ms;
  start();
  SocketClient client = open_websocket("/ws/voice/room/");
  EXPECT_EQ(client.read_frame().first, kPing);
  EXPECT_EQ(client.read_to_end(), "");
}

TEST_F(ConnectionTest, AMemberThatVanishesLeavesTheRoom) {
  start();
  SocketClient stays = open_websocket("/ws/signaling/");
  stays.send(client_frame(kText, R"({"type":"join"})"));
  (void)stays.read_frame();
  std::string id;
  {
    SocketClient vanishes = open_websocket("/ws/signaling/");
    vanishes.send(client_frame(kText, R"({"type":"join"})"));
    const std::string joined = vanishes.read_frame().second;
    const std::size_t at = joined.find(R"("id":")") + 6;
    id = joined.substr(at, joined.find('"', at) - at);
    vanishes.half_close();
    EXPECT_EQ(vanishes.read_to_end(), "");  // the server has seen it
  }
  stays.send(client_frame(kText, R"({"type":"offer","to":")" + id + R"("})"));
  EXPECT_THAT(stays.read_frame().second, HasSubstr(R"("code":"unknown_peer")"));
}

}  // namespace
}  // namespace voicechan::server
