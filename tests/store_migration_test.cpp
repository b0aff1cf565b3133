#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "redis_process.hpp"
#include "voicechan/redis_store.hpp"
#include "voicechan/sqlite_store.hpp"
#include "voicechan/store_archive.hpp"

namespace voicechan {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kAll = std::numeric_limits<std::size_t>::max();
constexpr WallTime kTime{std::chrono::microseconds{1'795'341'600'123'456}};

ChannelName channel_name(const std::string& text) { return ChannelName::parse(text).value(); }
Username username(const std::string& text) { return Username::parse(text).value(); }
KeyDigest digest(int number) {
  KeyDigest key{};
  std::memcpy(key.data(), &number, sizeof number);
  return key;
}

class StoreMigrationTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_NE(mkdtemp(folder_.data()), nullptr); }
  void TearDown() override { fs::remove_all(folder_); }

  std::string file(const std::string& name) const { return folder_ + '/' + name; }
  std::unique_ptr<Store> open_file(const std::string& name) const {
    return open_sqlite_store(file(name)).value();
  }
  std::unique_ptr<StoreArchive> file_archive(const std::string& name) const {
    return open_sqlite_archive(file(name)).value();
  }
  RedisOpening<Store> open_redis() const {
    RedisStoreOptions options;
    options.url = redis_.url();
    return open_redis_store(options);
  }
  std::unique_ptr<StoreArchive> redis_archive() const {
    RedisStoreOptions options;
    options.url = redis_.url();
    auto opening = open_redis_archive(options);
    EXPECT_NE(opening.store, nullptr) << opening.reason;
    return std::move(opening.store);
  }

  static std::string move(StoreArchive& from, StoreArchive& to) {
    return migrate_store(from, to, [](std::string_view, std::size_t) {}).failure;
  }

  /// With gaps in ids.
  static void fill(Store& store, int channels = 20) {
    const auto olena = store.create_user(username("олена"), digest(1))->id;
    const auto taras = store.create_user(username("taras"), digest(2))->id;
    ASSERT_TRUE(store.create_user(username("gone"), digest(3)));
    ASSERT_TRUE(store.remove_user(username("gone")));
    ASSERT_TRUE(store.replace_user_key(username("taras"), digest(4)));
    for (int i = 0; i < channels; ++i) {
      ASSERT_TRUE(store.create_channel(channel_name("Кімната " + std::to_string(i)), olena,
                                       kTime + std::chrono::microseconds(i)));
    }
    ASSERT_TRUE(store.create_invitation(ChannelId{2}, taras, olena, kTime));
    ASSERT_TRUE(store.create_invitation(ChannelId{2}, olena, taras, kTime));
    ASSERT_TRUE(store.revoke_token(*TokenId::parse("жетон"), kTime + std::chrono::hours(9), kTime));
    ASSERT_TRUE(store.revoke_token(*TokenId::parse("b"), kTime, kTime));
  }

  /// That it is the filled one, and goes on where that was.
  static void check(Store& store, int count = 20) {
    const auto channels = store.list_channels(ChannelId{}, kAll).value();
    ASSERT_EQ(channels.size(), static_cast<std::size_t>(count));
    EXPECT_EQ(channels.back().id, ChannelId{count});
    EXPECT_EQ(channels.back().name, "Кімната " + std::to_string(count - 1));
    EXPECT_EQ(channels.back().creator, UserId{1});
    EXPECT_EQ(channels.back().created_at, kTime + std::chrono::microseconds(count - 1));
    EXPECT_EQ(store.get_user_by_key(digest(1))->username, "олена");
    EXPECT_EQ(store.get_user_by_key(digest(4))->id, UserId{2});
    EXPECT_EQ(store.get_user_by_key(digest(2)).error(), Errc::unknown_user);
    EXPECT_EQ(store.list_users()->size(), 2u);
    const auto tokens = store.list_revoked_tokens().value();
    ASSERT_EQ(tokens.size(), 2u);
    EXPECT_EQ(tokens[1].id, "жетон");
    EXPECT_EQ(tokens[1].until, kTime + std::chrono::hours(9));
    EXPECT_EQ(store.count_revocations().value(), 4);

    const auto received = store.list_invitations(UserId{2}, InvitationId{}, kAll).value();
    ASSERT_EQ(received.size(), 1u);
    EXPECT_EQ(received[0].invitation.id, InvitationId{1});
    EXPECT_EQ(received[0].channel_name, "Кімната 1");
    EXPECT_EQ(received[0].inviter_username, "олена");

    EXPECT_EQ(
        store.create_channel(channel_name("x"), UserId{1}, kTime, static_cast<std::size_t>(count))
            .error(),
        Errc::quota_exceeded);
    EXPECT_EQ(store.create_channel(channel_name("x"), UserId{1}, kTime)->id, ChannelId{count + 1});
    EXPECT_EQ(store.create_invitation(ChannelId{1}, UserId{1}, UserId{2}, kTime, 1).error(),
              Errc::quota_exceeded);
    EXPECT_EQ(store.create_invitation(ChannelId{1}, UserId{1}, UserId{2}, kTime)->invitation.id,
              InvitationId{3});
    EXPECT_EQ(store.create_user(username("new"), digest(9))->id, UserId{4});
  }

  std::string folder_ = ::testing::TempDir() + "store_migration_test.XXXXXX";
  const RedisProcess redis_;
};

TEST_F(StoreMigrationTest, EverythingGoesFromAFileToRedisAndBack) {
  constexpr int kChannels = 1100;  // more than a page
  fill(*open_file("source"), kChannels);
  ASSERT_EQ(move(*file_archive("source"), *redis_archive()), "");
  ASSERT_EQ(move(*redis_archive(), *file_archive("back")), "");
  const auto opening = open_redis();
  ASSERT_NE(opening.store, nullptr) << opening.reason;
  check(*opening.store, kChannels);
  check(*open_file("back"), kChannels);
}

TEST_F(StoreMigrationTest, AnEmptyStoreMoves) {
  open_file("source");
  EXPECT_EQ(move(*file_archive("source"), *redis_archive()), "");
  EXPECT_NE(open_redis().store, nullptr);
}

TEST_F(StoreMigrationTest, ADestinationThatIsNotEmptyIsLeftAlone) {
  fill(*open_file("source"));
  ASSERT_TRUE(open_redis().store->create_user(username("ivan"), digest(1)));
  EXPECT_EQ(move(*file_archive("source"), *redis_archive()), "the destination is not empty");
  EXPECT_EQ(open_redis().store->list_users()->size(), 1u);
  EXPECT_EQ(move(*redis_archive(), *file_archive("source")), "the destination is not empty");
}

TEST_F(StoreMigrationTest, WhatAnUnfinishedOneLeavesCannotBeServedFromAndIsOverwritten) {
  fill(*open_file("source"));
  {
    const auto half = redis_archive();
    ASSERT_FALSE(half->begin_import({5, 6, 7, 8}));
    ASSERT_FALSE(half->add(std::vector<StoredUser>{{{UserId{5}, "half"}, digest(5)}}));
  }
  const auto refused = open_redis();
  EXPECT_EQ(refused.error, Errc::store_corrupt);
  EXPECT_EQ(refused.reason, redis_.url() +
                                ": a migration into it has not come to its end; run it again "
                                "(voicechan-server migrate)");
  EXPECT_EQ(move(*redis_archive(), *file_archive("other")),
            "the source: a migration into it has not come to its end");
  ASSERT_EQ(move(*file_archive("source"), *redis_archive()), "");
  check(*open_redis().store);
}

TEST_F(StoreMigrationTest, AnotherMigrationAtTheSameTimeDoesNotFinishThisOne) {
  const auto one = redis_archive();
  const auto other = redis_archive();
  ASSERT_FALSE(one->begin_import({}));
  ASSERT_FALSE(other->begin_import({}));
  EXPECT_EQ(one->finish_import(), Errc::store_locked);
  EXPECT_FALSE(other->finish_import());
}

TEST_F(StoreMigrationTest, ASourceThatChangesMeanwhileIsNoticed) {
  fill(*open_file("source"));
  const auto writer = open_file("source");
  const auto from = file_archive("source");
  const auto to = redis_archive();
  const auto report = migrate_store(*from, *to, [&](std::string_view what, std::size_t) {
    if (what != "verifying invitations") return;
    ASSERT_TRUE(writer->replace_user_key(username("taras"), digest(77)));
  });
  EXPECT_EQ(report.failure, "the source has changed meanwhile; stop the servers that use it");
  EXPECT_EQ(open_redis().error, Errc::store_corrupt);
}

TEST_F(StoreMigrationTest, ARecordThatDiffersIsNamed) {
  fill(*open_file("source"));
  const auto from = file_archive("source");
  const auto to = redis_archive();
  const auto report = migrate_store(*from, *to, [&](std::string_view what, std::size_t rows) {
    if (what == "copying channels" && rows == 20) {
      redis_.ask("ZREMRANGEBYSCORE vc:store:channels 15 15");
    }
  });
  EXPECT_EQ(report.failure, "channel 15 is not the same on both sides; is a server still writing?");
}

TEST_F(StoreMigrationTest, NothingOfAFailedOneIsInAFile) {
  fill(*open_redis().store);
  {
    const auto half = file_archive("half");
    ASSERT_FALSE(half->begin_import({5, 6, 7, 8}));
    ASSERT_FALSE(half->add(std::vector<StoredUser>{{{UserId{5}, "half"}, digest(5)}}));
  }
  EXPECT_TRUE(open_file("half")->list_users()->empty());
  ASSERT_EQ(move(*redis_archive(), *file_archive("half")), "");
  check(*open_file("half"));
}

}  // namespace
}  // namespace voicechan
