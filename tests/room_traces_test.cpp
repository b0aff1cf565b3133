#include "room_traces.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <chrono>
#include <string>
#include <vector>

#include "fake_transport.hpp"
#include "keys.hpp"
#include "operator_key.hpp"
#include "rest_api.hpp"
#include "settable_clock.hpp"
#include "temp_file_fixture.hpp"

// The records of signaling rooms over REST: who may see them, and what is in them.

namespace voicechan::server {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kTrace = "/api/voice_channels/signaling/team/trace/";
constexpr const char* kOperatorKey = "0123456789abcdef0123456789abcdef";

class RoomTracesTest : public TempFileFixture {
 protected:
  RoomTracesTest() {
    write(std::string(kOperatorKey) + '\n');
    key_.emplace(path_.string());
    for (const char* name : {"alice", "bob"}) {
      users_.push_back(*store_->create_user(*Username::parse(name), digest_key(name)));
    }
    HubOptions options;
    options.flight_recorder = &recorder_;
    hub_ = Hub::attach(backplane_, options).value();
  }

  ClientPtr join(std::size_t user, std::string_view room = "team") {
    auto client = std::make_unique<Client>();
    client->session = hub_->open_signaling(users_[user], client->transport);
    client->send(R"({"type":"join","room":")" + std::string(room) + "\"}");
    hub_->tick(MonotonicTime{});
    return client;
  }
  static std::string id_of(const Client& client) {
    return parse_json(client.texts().at(0)).at("id").as_string().c_str();
  }

  HttpResponse get(std::string key, std::string target = kTrace, bool has_operator = true) {
    const RoomTraces traces(recorder_, backplane_.presence(), has_operator ? &*key_ : nullptr);
    RestApi api{directory_, *store_,      authenticator_,
                key_guard_, user_counts_, backplane_.voice_presence(),
                8,          nullptr,      traces_are_off_ ? nullptr : &traces};
    HttpRequest request;
    request.method = "GET";
    request.target = target;
    if (!key.empty()) request.fields = {{"authorization", "Token " + key}};
    const Route found = std::get<Route>(route(request.target));
    return *api.handle(request, found, ClientAddress(), NewUsers::create);
  }

  SettableClock clock_;
  std::unique_ptr<Store> store_ = make_memory_store();
  InProcessBackplane backplane_{1};
  FlightRecorder recorder_{clock_};
  Directory directory_{*store_, backplane_, clock_};
  Authenticator authenticator_{*store_};
  KeyGuard key_guard_{KeyGuardLimits{}};
  UserCounts user_counts_{UserLimits{}};
  std::optional<OperatorKey> key_;
  std::vector<Identity> users_;
  std::unique_ptr<Hub> hub_;
  bool traces_are_off_ = false;
};

TEST_F(RoomTracesTest, AMemberSeesWhatHappenedAndWhatFailed) {
  const auto alice = join(0);
  clock_.advance(1s);
  const auto bob = join(1);
  bob->send(R"({"type":"offer","to":")" + id_of(*alice) + R"(","sdp":"v=0"})");
  clock_.advance(10s);
  bob->session.refuse(Errc::rate_limited);
  const HttpResponse response = get("alice");
  EXPECT_EQ(response.status, 200u);
  const std::string from_alice = R"("from":")" + id_of(*alice) + R"(","user_id":1)";
  const std::string from_bob = R"("from":")" + id_of(*bob) + R"(","user_id":2)";
  EXPECT_EQ(response.body,
            R"({"room":"team","events":[)"
            R"({"time":"2026-11-22T10:00:00.000000Z","kind":"joined",)" +
                from_alice + R"(,"username":"alice"},)" +
                R"({"time":"2026-11-22T10:00:01.000000Z","kind":"joined",)" + from_bob +
                R"(,"username":"bob"},)" +
                R"({"time":"2026-11-22T10:00:01.000000Z","kind":"message",)" + from_bob +
                R"(,"to":")" + id_of(*alice) +
                R"(","type":"offer","bytes":68,"outcome":"queued"},)" +
                R"({"time":"2026-11-22T10:00:11.000000Z","kind":"refused",)" + from_bob +
                R"(,"code":"rate_limited"}],"findings":[{"name":"offer_never_answered",)"
                R"("time":"2026-11-22T10:00:01.000000Z","peers":[")" +
                id_of(*bob) + "\",\"" + id_of(*alice) +
                R"("],"detail":"alice has not answered the offer of bob"}]})");
  EXPECT_EQ(get("bob").body, response.body);
}

TEST_F(RoomTracesTest, WhoWasInTheRoomSeesItWhileThatIsKnown) {
  auto alice = join(0);
  alice = nullptr;
  EXPECT_EQ(get("alice").status, 200u);
  clock_.advance(601s);
  EXPECT_EQ(get("alice").status, 404u);
}

TEST_F(RoomTracesTest, WhoIsInTheRoomForLongSeesIt) {
  const auto alice = join(0);
  clock_.advance(1h);
  const HttpResponse response = get("alice");
  EXPECT_EQ(response.status, 200u);
  EXPECT_EQ(response.body, R"({"room":"team","events":[],"findings":[]})");
}

TEST_F(RoomTracesTest, ToOthersItIsAsIfThereWereNoRoom) {
  const auto alice = join(0);
  const auto bob = join(1, "other");
  const HttpResponse of_team = get("bob");
  EXPECT_EQ(of_team.status, 404u);
  const HttpResponse of_nothing = get("bob", "/api/voice_channels/signaling/nothing/trace/");
  EXPECT_EQ(of_nothing.status, 404u);
  EXPECT_EQ(of_team.body, of_nothing.body);
  EXPECT_EQ(get("").status, 401u);
  EXPECT_EQ(get("wrong").status, 401u);
}

TEST_F(RoomTracesTest, TheOperatorSeesEveryRoom) {
  const auto alice = join(0);
  EXPECT_EQ(get(kOperatorKey).status, 200u);
  EXPECT_EQ(get(kOperatorKey).body, get("alice").body);
  EXPECT_EQ(get(kOperatorKey, "/api/voice_channels/signaling/nothing/trace/").body,
            R"({"room":"nothing","events":[],"findings":[]})");
}

TEST_F(RoomTracesTest, TheOperatorIsNoUser) {
  EXPECT_EQ(get(kOperatorKey, "/api/voice_channels/voice_channels/").status, 401u);
  EXPECT_EQ(get(kOperatorKey, kTrace, false).status, 401u);
}

TEST_F(RoomTracesTest, WithoutRecordsThereAreNone) {
  const auto alice = join(0);
  traces_are_off_ = true;
  EXPECT_EQ(get("alice").status, 404u);
  EXPECT_EQ(get(kOperatorKey).status, 401u);
}

TEST_F(RoomTracesTest, ARoomMayHaveAnyName) {
  const auto alice = join(0, "Зал №1");
  const auto answer =
      get("alice", "/api/voice_channels/signaling/%D0%97%D0%B0%D0%BB%20%E2%84%961/trace");
  EXPECT_EQ(answer.status, 200u);
  EXPECT_EQ(json::parse(answer.body).at("room"), "Зал №1");
}

TEST_F(RoomTracesTest, AFullRecordIsAnsweredInFull) {
  const auto alice = join(0);
  for (int i = 0; i < 1000; ++i) alice->send("no JSON");
  const HttpResponse response = get("alice");
  EXPECT_EQ(json::parse(response.body).at("events").as_array().size(), 512u);
  EXPECT_LT(response.body.size(), 200'000u);
}

// The operator's key

using OperatorKeyTest = TempFileFixture;

TEST_F(OperatorKeyTest, IsOneLineWithOrWithoutItsEnd) {
  for (const char* end : {"", "\n", "\r\n"}) {
    write(std::string(kOperatorKey) + end);
    const OperatorKey key(path_.string());
    EXPECT_TRUE(key.matches(kOperatorKey));
    EXPECT_FALSE(key.matches(std::string(kOperatorKey) + "0"));
    EXPECT_FALSE(key.matches(std::string(kOperatorKey).substr(1)));
    EXPECT_FALSE(key.matches(""));
  }
}

TEST_F(OperatorKeyTest, AnythingElseIsRefusedWithoutBeingRepeated) {
  const std::string key = kOperatorKey;
  for (const std::string& text :
       {std::string(), std::string("\n"), key.substr(1), key + " " + key, key + "\n" + key,
        key + "\n\n", ' ' + key, key + "\t", key + "é", std::string(257, 'x')}) {
    write(text);
    try {
      const OperatorKey made(path_.string());
      FAIL() << text;
    } catch (const std::runtime_error& error) {
      EXPECT_EQ(error.what(), "cannot use the operator key in " + path_.string() +
                                  ": it is not one line of 32 to 256 visible ASCII characters");
    }
  }
}

TEST_F(OperatorKeyTest, AFileThatCannotBeReadIsAnError) {
  for (const std::string& path : {path_.string(), directory_.string()}) {
    EXPECT_THROW(OperatorKey{path}, std::runtime_error);
  }
}

}  // namespace
}  // namespace voicechan::server
