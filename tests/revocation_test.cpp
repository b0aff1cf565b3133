#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "server_fixture.hpp"

namespace voicechan::server {
namespace {

using ::testing::StartsWith;

constexpr const char* kChannels = "/api/voice_channels/voice_channels/";

/// On a memory store nobody else revokes: what the host itself does to the store counts.
class RevocationTest : public ServerFixture {
 protected:
  RevocationTest() { options_.workers = 2; }

  std::vector<SocketClient> open_on_all_workers(std::string_view target) {
    std::vector<SocketClient> clients;
    for (int i = 0; i < 30; ++i) clients.push_back(open_websocket(target));
    return clients;
  }

  SocketClient open_websocket_of_bob(std::string_view target) {
    std::string request = upgrade_request(target);
    request.replace(request.find("Token key"), 9, "Token bobs");
    SocketClient client = connect();
    client.send(request);
    EXPECT_THAT(client.read_response(), StartsWith("HTTP/1.1 101"));
    return client;
  }

  static void expect_revoked(SocketClient& client) {
    const auto [type, payload] = client.read_frame();
    EXPECT_EQ(type, kClose);
    EXPECT_EQ(close_code(payload), 4401);
    EXPECT_EQ(payload.substr(std::min<std::size_t>(2, payload.size())), "credential revoked");
  }

  const Username alice_ = *Username::parse("alice");
};

TEST_F(RevocationTest, AReplacedKeyClosesItsWebSocketsOnEveryWorker) {
  start();
  for (const char* target : {"/ws/voice/room/", "/ws/signaling/", "/ws/notifications/"}) {
    auto clients = open_on_all_workers(target);
    ASSERT_TRUE(store_->replace_user_key(alice_, digest_key("other")));
    for (SocketClient& client : clients) expect_revoked(client);
    ASSERT_TRUE(store_->replace_user_key(alice_, digest_key("key")));
  }
}

TEST_F(RevocationTest, ARemovedUserIsGoneEverywhere) {
  start();
  auto clients = open_on_all_workers("/ws/voice/room/");
  SocketClient http = connect_idle();
  ASSERT_TRUE(store_->remove_user(alice_));
  for (SocketClient& client : clients) expect_revoked(client);
  http.send(request("GET", kChannels));
  EXPECT_THAT(http.read_response(), StartsWith("HTTP/1.1 401 "));
}

TEST_F(RevocationTest, OthersAreLeftAlone) {
  const Username bob_name = *Username::parse("bob");
  ASSERT_TRUE(store_->create_user(bob_name, digest_key("bobs")));
  start();
  SocketClient first = open_websocket("/ws/voice/room/");
  SocketClient second = open_websocket("/ws/voice/room/");
  SocketClient bob = open_websocket_of_bob("/ws/voice/room/");
  ASSERT_TRUE(store_->replace_user_key(bob_name, digest_key("other")));
  expect_revoked(bob);
  first.send(client_frame(kText, "still here"));
  EXPECT_EQ(second.read_frame(), std::pair(kText, std::string("still here")));
}

TEST_F(RevocationTest, WhoIsRevokedIsOutOfTheRoom) {
  ASSERT_TRUE(store_->create_user(*Username::parse("bob"), digest_key("bobs")));
  start();
  SocketClient alice = open_websocket("/ws/voice/room/");
  SocketClient bob = open_websocket_of_bob("/ws/voice/room/");
  SocketClient listener = open_websocket_of_bob("/ws/voice/room/");
  ASSERT_TRUE(store_->remove_user(alice_));
  expect_revoked(alice);
  alice.send(client_frame(kText, "from the grave"));
  bob.send(client_frame(kText, "hello"));
  EXPECT_EQ(listener.read_frame(), std::pair(kText, std::string("hello")));
  alice.send(client_frame(kClose, "\x11\x31"));
  EXPECT_EQ(alice.read_to_end(), "");
}

}  // namespace
}  // namespace voicechan::server
