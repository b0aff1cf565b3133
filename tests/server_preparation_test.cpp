#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "forwarding_backplane.hpp"
#include "server_fixture.hpp"

// Handshakes where what other processes publish to a group comes here only after a while.

namespace voicechan::server {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::StartsWith;

/// The hubs of one process; groups are prepared when the test says so.
class SlowBackplane final : public ForwardingBackplane {
 public:
  /// Whoever lets go of a group says so to it.
  Preparation prepare(std::string_view group, std::function<void()> ready) override {
    const std::lock_guard lock(mutex_);
    groups_.emplace_back(group);
    ready_.push_back(std::move(ready));
    changed_.notify_all();
    const auto let_go = [this, name = groups_.back()](void*) {
      publish(name, Frame::control_text("let go"));
      const std::lock_guard lock_again(mutex_);
      ++let_go_;
      changed_.notify_all();
    };
    return {std::shared_ptr<void>(this, let_go), false};
  }

  std::vector<std::string> wait_for_groups(std::size_t count) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, 30s, [&] { return groups_.size() >= count; }));
    return groups_;
  }
  void wait_until_let_go(int count) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, 30s, [&] { return let_go_ >= count; }));
  }
  void call_ready(std::size_t index) { ready_.at(index)(); }
  int let_go() {
    const std::lock_guard lock(mutex_);
    return let_go_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> groups_;
  std::vector<std::function<void()>> ready_;
  int let_go_ = 0;
};

class ServerPreparationTest : public ServerFixture {
 protected:
  void start() {
    auto backplane = std::make_unique<SlowBackplane>();
    slow_ = backplane.get();
    server_ = std::make_unique<Server>(options_, *store_, std::move(backplane));
  }

  SlowBackplane* slow_ = nullptr;
};

TEST_F(ServerPreparationTest, AHandshakeIsAnsweredWhenItsGroupIsReadyAndHoldsItUntilItIsIn) {
  start();
  SocketClient voice = connect();
  voice.send(upgrade_request("/ws/voice/team/"));
  EXPECT_THAT(slow_->wait_for_groups(1), ElementsAre("voice_team"));
  SocketClient notifications = connect();
  notifications.send(upgrade_request("/ws/notifications/"));
  EXPECT_THAT(slow_->wait_for_groups(2), ElementsAre("voice_team", "notifications_1"));
  open_websocket("/ws/signaling/");  // does not wait; by now the others would have been answered
  EXPECT_EQ(slow_->let_go(), 0);
  EXPECT_EQ(slow_->voice_presence().totals().members, 0u);
  for (SocketClient* client : {&voice, &notifications}) {
    slow_->call_ready(client == &voice ? 0 : 1);
    EXPECT_THAT(client->read_response(), StartsWith("HTTP/1.1 101"));
    EXPECT_EQ(client->read_frame().second, "let go");
  }
}

TEST_F(ServerPreparationTest, AGroupThatIsNotReadyInTimeIsRefused) {
  options_.deadlines.request_head = 300ms;
  start();
  SocketClient client = connect();
  client.send(upgrade_request("/ws/voice/team/"));
  EXPECT_THAT(client.read_response(), StartsWith("HTTP/1.1 503"));
  slow_->wait_until_let_go(1);
  EXPECT_EQ(slow_->voice_presence().totals().members, 0u);
  client.send(request("OPTIONS", "/ws/signaling/"));  // the connection is as good as before
  EXPECT_THAT(client.read_response(), StartsWith("HTTP/1.1 200"));
}

TEST_F(ServerPreparationTest, AClientThatGoesAwayLeavesNothing) {
  start();
  {
    SocketClient client = connect();
    client.send(upgrade_request("/ws/voice/team/"));
    slow_->wait_for_groups(1);
  }
  slow_->call_ready(0);
  slow_->wait_until_let_go(1);
  for (int i = 0; i < 3000 && slow_->voice_presence().totals().members > 0; ++i) {
    std::this_thread::sleep_for(10ms);
  }
  EXPECT_EQ(slow_->voice_presence().totals().members, 0u);
}

TEST_F(ServerPreparationTest, AServerThatEndsLetsGo) {
  start();
  SocketClient client = connect();
  client.send(upgrade_request("/ws/voice/team/"));
  slow_->wait_for_groups(1);
  server_->end();
  EXPECT_EQ(client.read_to_end(), "");
  EXPECT_EQ(slow_->let_go(), 1);
}

}  // namespace
}  // namespace voicechan::server
