#include "ice_servers.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <chrono>
#include <stdexcept>

#include "temp_file_fixture.hpp"

namespace voicechan::server {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr WallTime kNow(1'795'341'600s);  // 2026-11-22T10:00:00Z

class FixedClock final : public Clock {
 public:
  WallTime now() const noexcept override { return kNow; }
};

IceConfig config_of(IceServer server) {
  IceConfig config;
  config.servers.push_back(std::move(server));
  return config;
}

// The credential is by Python: base64(hmac.digest(b"north", b"1795345200:7", "sha1")).
TEST(IceOfferTest, ASecretMakesCredentialsThatEndWithTheTtl) {
  const IceOffer offer =
      make_ice_offer(config_of({{"turn:a", "turns:b"}, "north", "", ""}), UserId{7}, kNow);
  EXPECT_EQ(offer.servers, R"([{"urls":["turn:a","turns:b"],"username":"1795345200:7",)"
                           R"("credential":"oPh1F/HIBP91CVVvRiUN13vUxZQ="}])");
  EXPECT_EQ(format_rfc3339(offer.expires_at), "2026-11-22T11:00:00.000000Z");
  EXPECT_EQ(offer.ttl, 3600s);
}

TEST(IceOfferTest, TheEndIsAWholeSecondForTheUsernameHasNoFraction) {
  const IceConfig config = config_of({{"turn:a"}, "north", "", ""});
  const IceOffer early = make_ice_offer(config, UserId{7}, kNow);
  const IceOffer late = make_ice_offer(config, UserId{7}, kNow + 999'999us);
  EXPECT_EQ(late.servers, early.servers);
  EXPECT_EQ(late.expires_at, early.expires_at);
  EXPECT_NE(make_ice_offer(config, UserId{7}, kNow + 1s).servers, early.servers);
}

TEST(IceOfferTest, EachUserHasHisCredentials) {
  const IceConfig config = config_of({{"turn:a"}, "north", "", ""});
  const auto of = [&](std::int64_t user) {
    return json::parse(make_ice_offer(config, UserId{user}, kNow).servers).at(0);
  };
  EXPECT_EQ(of(8).at("username"), "1795345200:8");
  EXPECT_NE(of(7).at("credential"), of(8).at("credential"));
}

TEST(IceOfferTest, OtherServersAreGivenAsTheyAre) {
  IceConfig config = config_of({{"stun:a"}, "", "", ""});
  config.servers.push_back({{"turn:b"}, "", "us\"er", "pass"});
  EXPECT_EQ(make_ice_offer(config, UserId{7}, kNow).servers,
            R"([{"urls":["stun:a"]},{"urls":["turn:b"],"username":"us\"er","credential":"pass"}])");
  EXPECT_EQ(make_ice_offer(IceConfig(), UserId{7}, kNow).servers, "[]");
}

class IceServersTest : public TempFileFixture {
 protected:
  static std::string file_with(const std::string& host) {
    return R"({"ice_servers":[{"urls":["turn:)" + host + R"("],"secret":"hush-hush"}]})";
  }
  std::string failure() {
    try {
      const IceServers servers(path_.string(), clock_);
      return {};
    } catch (const std::runtime_error& error) {
      return error.what();
    }
  }

  FixedClock clock_;
};

TEST_F(IceServersTest, AFileThatCannotBeUsedIsAnErrorThatNamesIt) {
  EXPECT_EQ(failure(),
            "cannot use the ICE servers in " + path_.string() + ": No such file or directory");
  write(R"({"ttl":1,"ice_servers":[]})");
  EXPECT_EQ(failure(), "cannot use the ICE servers in " + path_.string() +
                           ": \"ttl\" is not an integer from 60 to 86400");
}

TEST_F(IceServersTest, ANewFileIsTaken) {
  write(file_with("a"));
  IceServers servers(path_.string(), clock_);
  EXPECT_THAT(servers.make_offer(UserId{7}).servers, HasSubstr("turn:a"));
  replace(file_with("b"));
  servers.reload_if_changed();
  EXPECT_THAT(servers.make_offer(UserId{7}).servers, HasSubstr("turn:b"));
  EXPECT_EQ(count_logged("read again"), 1u);
  servers.reload_if_changed();
  EXPECT_EQ(count_logged("read again"), 1u);
}

TEST_F(IceServersTest, ABrokenFileChangesNothingAndIsLoggedOnceWithoutItsSecret) {
  write(file_with("a"));
  IceServers servers(path_.string(), clock_);
  replace(file_with("a:0"));
  for (int i = 0; i < 3; ++i) servers.reload_if_changed();
  EXPECT_THAT(servers.make_offer(UserId{7}).servers, HasSubstr("turn:a\""));
  EXPECT_EQ(count_logged("stay as they were"), 1u) << unread_log();
  std::filesystem::remove(path_);
  for (int i = 0; i < 3; ++i) servers.reload_if_changed();
  EXPECT_THAT(servers.make_offer(UserId{7}).servers, HasSubstr("turn:a\""));
  EXPECT_EQ(count_logged("stay as they were"), 2u) << unread_log();
  EXPECT_THAT(unread_log(), Not(HasSubstr("hush")));
}

}  // namespace
}  // namespace voicechan::server
