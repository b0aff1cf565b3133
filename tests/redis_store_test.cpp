#include "voicechan/redis_store.hpp"

#include <atomic>
#include <chrono>
#include <fstream>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "redis_process.hpp"
#include "store_conformance.hpp"
#include "voicechan/mutex.hpp"

namespace voicechan {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::size_t kAll = std::numeric_limits<std::size_t>::max();
constexpr WallTime kTime{std::chrono::microseconds{1'795'341'600'123'456}};

RedisOpening<Store> open_at(const std::string& url) {
  RedisStoreOptions options;
  options.url = url;
  return open_redis_store(std::move(options));
}

std::unique_ptr<Store> open_store(const RedisProcess& redis) {
  auto opening = open_at(redis.url());
  EXPECT_NE(opening.store, nullptr) << opening.reason;
  return std::move(opening.store);
}

std::error_code create(Store& store, const std::string& name = "x") {
  return store.create_channel(channel_name(name), UserId{7}, kTime).error();
}

// One server for all tests of the suite, a database that is emptied for each.
INSTANTIATE_TEST_SUITE_P(Redis, StoreConformanceTest,
                         ::testing::Values(StoreFactory{
                             "RedisStore",
                             [] {
                               static const auto redis = std::make_shared<RedisProcess>();
                               redis->ask("FLUSHALL");
                               return std::shared_ptr<Store>(open_store(*redis));
                             }}),
                         ::testing::PrintToStringParamName());

TEST(RedisStoreTest, ProcessesShareAStore) {
  const RedisProcess redis;
  const auto one = open_store(redis);
  const auto other = open_store(redis);
  const auto user = one->create_user(username("olena"), digest(1));
  ASSERT_TRUE(user);
  EXPECT_EQ(other->get_user_by_key(digest(1))->id, user->id);
  const auto before = one->count_revocations().value();
  ASSERT_TRUE(other->remove_user(username("olena")));
  EXPECT_GT(one->count_revocations().value(), before);
  EXPECT_EQ(one->get_user_by_key(digest(1)).error(), Errc::unknown_user);
}

TEST(RedisStoreTest, InvitationsThatAnEarlierVersionWroteAreListed) {
  const RedisProcess redis;
  const auto store = open_store(redis);
  const auto channel = store->create_channel(channel_name("x"), UserId{7}, kTime)->id;
  const auto user = store->create_user(username("olena"), digest(1))->id;
  constexpr std::size_t kOld = 2100;  // more than two pages
  on_threads(8, [&](int thread) {
    for (std::size_t i = static_cast<std::size_t>(thread); i < kOld; i += 8) {
      ASSERT_TRUE(store->create_invitation(channel, user, user, kTime));
    }
  });
  redis.ask("HDEL vc:store:meta received");
  redis.ask("DEL vc:store:received:1");
  EXPECT_EQ(store->list_invitations(user, InvitationId{}, kAll)->size(), kOld);

  // A server of that version still writes.
  redis.ask("HINCRBY vc:store:meta invitation 1");
  redis.ask("ZADD vc:store:invitations 2101 \"2101 1 1 1 5 pending\"");
  const auto last = store->create_invitation(channel, user, user, kTime);
  ASSERT_TRUE(last);
  EXPECT_EQ(last->invitation.id, InvitationId{2102});
  const auto list = store->list_invitations(user, InvitationId{2100}, kAll);
  ASSERT_TRUE(list);
  ASSERT_EQ(list->size(), 2u);
  EXPECT_EQ(list->back().invitation.id, InvitationId{2101});
  EXPECT_EQ(redis.ask("HGET vc:store:meta received"), "$4\r\n2102\r\n");
}

TEST(RedisStoreTest, AcknowledgedWritesOutliveACrashOfTheServer) {
  RedisProcess redis;
  const auto store = open_store(redis);
  std::atomic<bool> is_over{false};
  std::atomic<int> acknowledged{0};
  std::vector<std::set<std::int64_t>> ids(16);
  std::thread crash([&] {
    while (acknowledged < 2000) std::this_thread::sleep_for(milliseconds(1));
    redis.kill();
    is_over = true;
  });
  on_threads(16, [&](int thread) {
    while (!is_over) {
      const auto created = store->create_channel(channel_name("x"), UserId{thread}, kTime);
      if (!created) continue;
      ids[static_cast<std::size_t>(thread)].insert(created->id.value);
      ++acknowledged;
    }
  });
  crash.join();
  redis.start();

  std::set<std::int64_t> kept;
  for (const auto& channel : store->list_channels(ChannelId{}, kAll).value()) {
    kept.insert(channel.id.value);
  }
  for (const auto& of_thread : ids) {
    for (const std::int64_t id : of_thread) EXPECT_EQ(kept.count(id), 1u) << id;
  }
}

TEST(RedisStoreTest, IsUnavailableAtOnceWhileRedisIsAwayAndBackWithTheNextCall) {
  RedisProcess redis;
  const auto store = open_store(redis);
  ASSERT_FALSE(create(*store));
  redis.kill();
  EXPECT_EQ(create(*store), Errc::store_unavailable);
  const auto begin = steady_clock::now();
  for (int i = 0; i < 20; ++i) EXPECT_EQ(create(*store), Errc::store_unavailable);
  EXPECT_LT(steady_clock::now() - begin, milliseconds(1000));
  redis.start();
  EXPECT_FALSE(create(*store));
  EXPECT_EQ(store->list_channels(ChannelId{}, kAll)->size(), 2u);
}

TEST(RedisStoreTest, AFrozenServerHoldsACallUpForASecondAndThoseAfterItForATenth) {
  const RedisProcess redis;
  const auto store = open_store(redis);
  redis.freeze();
  auto begin = steady_clock::now();
  EXPECT_EQ(store->get_channel(ChannelId{1}).error(), Errc::store_unavailable);
  EXPECT_LT(steady_clock::now() - begin, milliseconds(1500));
  begin = steady_clock::now();
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(store->get_channel(ChannelId{1}).error(), Errc::store_unavailable);
  }
  EXPECT_LT(steady_clock::now() - begin, milliseconds(2000));
  redis.thaw();
  const auto deadline = steady_clock::now() + std::chrono::seconds(5);
  while (create(*store) && steady_clock::now() < deadline) {
  }
  EXPECT_FALSE(create(*store));
}

TEST(RedisStoreTest, TellsOnceThatTheServerIsAwayAndOnceThatItIsBack) {
  RedisProcess redis;
  voicechan::Mutex mutex;
  using Told = std::vector<std::pair<RedisLogLevel, std::string>>;
  Told told;
  RedisStoreOptions options;
  options.url = redis.url();
  options.log = [&](RedisLogLevel level, std::string_view line) {
    const voicechan::MutexLock lock(mutex);
    told.emplace_back(level, line);
  };
  auto opening = open_redis_store(options);
  ASSERT_NE(opening.store, nullptr) << opening.reason;
  redis.kill();
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(create(*opening.store));
  redis.start();
  EXPECT_FALSE(create(*opening.store));
  opening.store.reset();
  const std::string store = "the store at " + redis.url();
  EXPECT_EQ(told, (Told{{RedisLogLevel::warning, store + " is away: Connection refused"},
                        {RedisLogLevel::info, store + " is back"}}));
}

TEST(RedisStoreTest, AScriptThatRedisHasForgottenIsGivenAgain) {
  const RedisProcess redis;
  const auto store = open_store(redis);
  ASSERT_FALSE(create(*store));
  redis.ask("SCRIPT FLUSH");
  EXPECT_FALSE(create(*store));
}

TEST(RedisStoreTest, AStoreThatIsGoneIsCorruptUntilItIsBackSoThatNoIdIsGivenAgain) {
  const RedisProcess redis;
  const auto store = open_store(redis);
  ASSERT_FALSE(create(*store));
  const std::string id = redis.ask("HGET vc:store:meta id").substr(5, 32);
  redis.ask("FLUSHALL");
  EXPECT_EQ(store->count_revocations().error(), Errc::store_corrupt);
  const auto deadline = steady_clock::now() + std::chrono::seconds(5);
  while (create(*store) != Errc::store_corrupt && steady_clock::now() < deadline) {
  }
  EXPECT_EQ(create(*store), Errc::store_corrupt);
  redis.ask("HSET vc:store:meta format 1 id " + id);
  EXPECT_FALSE(create(*store));
}

TEST(RedisStoreTest, WritesThatRedisRefusesForLackOfMemoryChangeNothingAndReadingGoesOn) {
  const RedisProcess redis;
  const auto store = open_store(redis);
  ASSERT_FALSE(create(*store));
  redis.ask("CONFIG SET maxmemory 1");
  EXPECT_EQ(create(*store), Errc::store_unavailable);
  EXPECT_EQ(store->create_user(username("olena"), digest(1)).error(), Errc::store_unavailable);
  EXPECT_EQ(store->list_channels(ChannelId{}, kAll)->size(), 1u);
  redis.ask("CONFIG SET maxmemory 0");
  EXPECT_FALSE(create(*store));
  EXPECT_EQ(store->list_channels(ChannelId{}, kAll)->back().id, ChannelId{2});
}

TEST(RedisStoreTest, KeysOfSomebodyElseAreNoStore) {
  const RedisProcess redis;
  redis.ask("SET vc:store:meta x");
  const auto opening = open_at(redis.url());
  EXPECT_EQ(opening.store, nullptr);
  EXPECT_EQ(opening.error, Errc::store_corrupt);
}

TEST(RedisStoreTest, StoreOfANewerVersionIsLeftAlone) {
  const RedisProcess redis;
  redis.ask("HSET vc:store:meta format 2 id x");
  EXPECT_EQ(open_at(redis.url()).error, Errc::store_too_new);
}

TEST(RedisStoreTest, SaysWhyItCannotBeOpenedAndNeverThePassword) {
  const RedisProcess redis(RedisProcess::durable_settings({"--requirepass", "right"}));
  const std::string port = std::to_string(redis.port());
  const std::string at = "redis://127.0.0.1:" + port;
  EXPECT_EQ(open_at(at).reason, at + ": NOAUTH Authentication required.");
  const auto wrong = open_at("redis://:sesame@127.0.0.1:" + port);
  EXPECT_EQ(wrong.error, Errc::store_unavailable);
  EXPECT_EQ(wrong.reason, at + ": WRONGPASS invalid username-password pair or user is disabled.");
  EXPECT_NE(open_at("redis://:right@127.0.0.1:" + port + "/3").store, nullptr);
  EXPECT_EQ(open_at("redis://:right@127.0.0.1:" + port + "/99").reason,
            at + "/99: ERR DB index is out of range");
  EXPECT_EQ(open_at("http://:sesame@127.0.0.1").reason.find("sesame"), std::string::npos);
  EXPECT_EQ(open_at("redis://127.0.0.1:1").reason, "redis://127.0.0.1:1: Connection refused");
}

TEST(RedisStoreTest, ThePasswordMayBeInAFile) {
  const RedisProcess redis(RedisProcess::durable_settings({"--requirepass", "right"}));
  const std::string path = ::testing::TempDir() + "redis_store_test.password";
  std::ofstream(path) << "right\n";
  RedisStoreOptions options;
  options.url = redis.url();
  options.password_file = path;
  EXPECT_NE(open_redis_store(options).store, nullptr);
  options.url = "redis://:right@127.0.0.1:" + std::to_string(redis.port());
  EXPECT_EQ(open_redis_store(options).reason, "there is a password in the URL and in a file");
  std::filesystem::remove(path);
}

TEST(RedisStoreTest, AUserWithLittleMoreThanItsKeysIsEnough) {
  const RedisProcess redis;
  redis.ask("ACL SETUSER vc on >secret ~vc:store:* +@read +@write +@scripting +auth +select +info");
  const auto opening = open_at("redis://vc:secret@127.0.0.1:" + std::to_string(redis.port()));
  ASSERT_NE(opening.store, nullptr) << opening.reason;
  EXPECT_FALSE(create(*opening.store));
  ASSERT_EQ(opening.warnings.size(), 1u);
  EXPECT_NE(opening.warnings[0].find("CONFIG GET is not allowed"), std::string::npos);
}

TEST(RedisStoreTest, WarnsOfWhatRedisMayLose) {
  const RedisProcess redis;
  EXPECT_TRUE(open_at(redis.url()).warnings.empty());
  redis.ask("CONFIG SET appendfsync everysec");
  auto warnings = open_at(redis.url()).warnings;
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_EQ(warnings[0], redis.url() +
                             ": appendfsync is \"everysec\": acknowledged writes of the last "
                             "second or two are lost when the machine stops; set \"appendfsync "
                             "always\"");
  redis.ask("CONFIG SET appendonly no");
  redis.ask("CONFIG SET maxmemory-policy allkeys-lru");
  warnings = open_at(redis.url()).warnings;
  ASSERT_EQ(warnings.size(), 2u);
  EXPECT_NE(warnings[0].find("appendonly is \"no\""), std::string::npos);
  EXPECT_NE(warnings[1].find("maxmemory-policy is \"allkeys-lru\""), std::string::npos);
}

}  // namespace
}  // namespace voicechan
