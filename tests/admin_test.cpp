#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <future>
#include <string>
#include <utility>

#include "forwarding_store.hpp"
#include "server_fixture.hpp"
#include "temp_folder.hpp"

// What operators are told when the store is in trouble; the rest is in blackbox/test_admin.py.

namespace voicechan::server {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

const std::string kOperatorKey(32, 'k');

/// Another one whose look-ups of users hang when they are told to.
class TroubledStore final : public ForwardingStore {
 public:
  using ForwardingStore::ForwardingStore;

  std::atomic<int> waiting{0};
  std::promise<void> end_of_hanging;

  Result<Identity> get_user_by_name(const Username&) noexcept override {
    ++waiting;
    hanging_.wait();
    return Errc::store_unavailable;
  }

 private:
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
