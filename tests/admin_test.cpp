#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <future>
#include <string>
#include <utility>

#include "server_fixture.hpp"
#include "temp_folder.hpp"

// What operators are told when the store is in trouble; the rest is in blackbox/test_admin.py.

namespace voicechan::server {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

const std::string kOperatorKey(32, 'k');

/// Another one whose look-ups of users hang or fail when they are told to.
class TroubledStore final : public Store {
 public:
  explicit TroubledStore(std::unique_ptr<Store> store) : store_(std::move(store)) {}

  std::atomic<bool> fails{false};
  std::atomic<int> waiting{0};
  std::promise<void> end_of_hanging;

  Result<Channel> create_channel(const ChannelName& name, UserId creator, WallTime now,
                                 std::size_t quota) noexcept override {
    return store_->create_channel(name, creator, now, quota);
  }
  Result<Channel> get_channel(ChannelId id) noexcept override { return store_->get_channel(id); }
  Result<std::vector<Channel>> list_channels(ChannelId after, std::size_t limit) noexcept override {
    return store_->list_channels(after, limit);
  }
  Result<IssuedInvitation> create_invitation(ChannelId channel, UserId from, UserId to,
                                             WallTime now, std::size_t quota) noexcept override {
    return store_->create_invitation(channel, from, to, now, quota);
  }
  Result<std::vector<ReceivedInvitation>> list_invitations(UserId addressee, InvitationId after,
                                                           std::size_t limit) noexcept override {
    return store_->list_invitations(addressee, after, limit);
  }
  Result<Identity> create_user(const Username& name, const KeyDigest& key) noexcept override {
    return store_->create_user(name, key);
  }
  Result<Identity> replace_user_key(const Username& name, const KeyDigest& key) noexcept override {
    return store_->replace_user_key(name, key);
  }
  Result<Identity> remove_user(const Username& name) noexcept override {
    return store_->remove_user(name);
  }
  Result<std::vector<Identity>> list_users() noexcept override { return store_->list_users(); }
  Result<Identity> get_user(UserId id) noexcept override {
    if (fails) return Errc::store_unavailable;
    return store_->get_user(id);
  }
  Result<Identity> get_user_by_name(const Username&) noexcept override {
    ++waiting;
    hanging_.wait();
    return Errc::store_unavailable;
  }
  Result<Identity> get_user_by_key(const KeyDigest& key) noexcept override {
    return store_->get_user_by_key(key);
  }
  Result<RevokedToken> revoke_token(const TokenId& id, WallTime until,
                                    WallTime now) noexcept override {
    return store_->revoke_token(id, until, now);
  }
  Result<bool> is_token_revoked(const TokenId& id) noexcept override {
    return store_->is_token_revoked(id);
  }
  Result<std::vector<RevokedToken>> list_revoked_tokens() noexcept override {
    return store_->list_revoked_tokens();
  }
  Result<std::int64_t> count_revocations() noexcept override { return store_->count_revocations(); }

 private:
  const std::unique_ptr<Store> store_;
  const std::shared_future<void> hanging_ = end_of_hanging.get_future().share();
};

class AdminTest : public ServerFixture {
 protected:
  AdminTest() {
    auto store = std::make_unique<TroubledStore>(std::move(store_));
    troubled_ = store.get();
    store_ = std::move(store);
    options_.admin_address = "127.0.0.1";
    options_.operator_key_file = folder_.file("key");
    std::ofstream(options_.operator_key_file) << kOperatorKey << '\n';
    start();
  }

  SocketClient ask(std::string_view method, const std::string& target) {
    SocketClient client(*server_->admin_endpoint(), 0);
    client.send(std::string(method) + ' ' + target + " HTTP/1.1\r\nHost: 127.0.0.1\r\n" +
                "Authorization: Bearer " + kOperatorKey + "\r\n\r\n");
    return client;
  }

  TempFolder folder_;
  TroubledStore* troubled_;
};

TEST_F(AdminTest, HealthAndMetricsDoNotWaitForListingsThatHang) {
  std::vector<SocketClient> listings;
  for (int i = 0; i < 4; ++i) listings.push_back(ask("GET", "/admin/sessions/?user=alice"));
  while (troubled_->waiting < 2) std::this_thread::yield();
  EXPECT_THAT(ask("GET", "/health").read_response(), StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(ask("GET", "/metrics").read_response(), StartsWith("HTTP/1.1 200 OK\r\n"));
  troubled_->end_of_hanging.set_value();
  for (SocketClient& listing : listings) {
    EXPECT_THAT(listing.read_response(), StartsWith("HTTP/1.1 503 "));
  }
}

}  // namespace
}  // namespace voicechan::server
