#include "custom_store/journal_store.hpp"

#include <stdlib.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "store_conformance.hpp"

// The store of examples/custom_store: examples are copied, so this one has to keep what it
// promises.

namespace voicechan {
namespace {

class Folder {
 public:
  Folder() {
    std::string name = std::filesystem::temp_directory_path() / "journal-XXXXXX";
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    path_ = name;
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { std::filesystem::remove_all(path_); }

  std::filesystem::path journal() const { return path_ / "journal.jsonl"; }

 private:
  std::filesystem::path path_;
};

std::shared_ptr<Store> make_journal_store() {
  const auto folder = std::make_shared<Folder>();
  auto store = JournalStore::open(folder->journal()).value();
  return {store.release(), [folder](Store* gone) { delete gone; }};
}

INSTANTIATE_TEST_SUITE_P(Journal, StoreConformanceTest,
                         ::testing::Values(StoreFactory{"JournalStore", make_journal_store}),
                         ::testing::PrintToStringParamName());

class JournalStoreTest : public ::testing::Test {
 protected:
  JournalStoreTest() { reopen(); }

  void reopen() {
    store_.reset();
    store_ = JournalStore::open(folder_.journal()).value();
  }
  void append(std::string_view bytes) {
    std::ofstream(folder_.journal(), std::ios::binary | std::ios::app) << bytes;
  }
  Result<Channel> create_channel(std::string_view name = "general") {
    return store_->create_channel(channel_name(name), UserId{7}, kTime);
  }
  std::size_t count_channels() { return store_->list_channels({}, kNoQuota)->size(); }

  static constexpr WallTime kTime{std::chrono::microseconds{1'795'341'600'123'456}};
  Folder folder_;
  std::unique_ptr<Store> store_;
};

TEST_F(JournalStoreTest, EveryChangeIsThereAfterARestart) {
  const auto channel = create_channel("\"ґ\"\\");
  const auto olena = store_->create_user(username("olena"), digest(1));
  ASSERT_TRUE(store_->create_user(username("taras"), digest(2)));
  ASSERT_TRUE(store_->replace_user_key(username("olena"), digest(-3)));
  ASSERT_TRUE(store_->remove_user(username("taras")));
  ASSERT_TRUE(store_->create_invitation(channel->id, olena->id, UserId{9}, kTime));
  ASSERT_TRUE(store_->revoke_token(*TokenId::parse("a"), kTime, kTime));
  const auto revocations = store_->count_revocations().value();

  reopen();
  const auto found = store_->get_channel(channel->id);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->name, "\"ґ\"\\");
  EXPECT_EQ(found->creator, UserId{7});
  EXPECT_EQ(found->created_at, kTime);
  EXPECT_EQ(store_->get_user_by_key(digest(-3))->id, olena->id);
  EXPECT_EQ(store_->list_users()->size(), 1u);
  EXPECT_EQ(store_->list_revoked_tokens()->front().until, kTime);
  EXPECT_EQ(store_->count_revocations().value(), revocations);
  EXPECT_EQ(store_->create_invitation(channel->id, olena->id, UserId{9}, kTime, 1).error(),
            Errc::quota_exceeded);
  EXPECT_EQ(store_->create_user(username("ivan"), digest(4))->id, UserId{3});
}

TEST_F(JournalStoreTest, RefusedChangesLeaveNoTrace) {
  ASSERT_TRUE(create_channel());
  ASSERT_FALSE(store_->create_channel(channel_name("x"), UserId{7}, kTime, 1));
  reopen();
  EXPECT_EQ(count_channels(), 1u);
}

TEST_F(JournalStoreTest, HalfALineAtTheEndIsRemoved) {
  ASSERT_TRUE(create_channel());
  append(R"({"change":"create_channel","name":"half)");
  reopen();
  EXPECT_EQ(count_channels(), 1u);
  ASSERT_TRUE(create_channel());
  reopen();
  EXPECT_EQ(count_channels(), 2u);
}

TEST_F(JournalStoreTest, LineThatIsNoChangeIsReportedAndKept) {
  ASSERT_TRUE(create_channel());
  store_.reset();
  append("{\"change\":\"create_channel\",\"name\":7}\n");
  const auto size = std::filesystem::file_size(folder_.journal());
  EXPECT_EQ(JournalStore::open(folder_.journal()).error(), Errc::store_corrupt);
  EXPECT_EQ(std::filesystem::file_size(folder_.journal()), size);
}

TEST_F(JournalStoreTest, AnotherStoreOnTheSameJournalIsRefused) {
  EXPECT_EQ(JournalStore::open(folder_.journal()).error(), Errc::store_locked);
}

TEST_F(JournalStoreTest, FolderThatDoesNotExistIsReported) {
  EXPECT_EQ(JournalStore::open(folder_.journal() / "no" / "such").error(), Errc::store_unavailable);
}

TEST_F(JournalStoreTest, FullDiskChangesNothingAndIsGotOver) {
  ASSERT_TRUE(create_channel());
  const auto before = std::signal(SIGXFSZ, SIG_IGN);
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &limit), 0);
  const rlimit full{std::filesystem::file_size(folder_.journal()) + 10, limit.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &full), 0);
  const auto refused = create_channel();  // ten bytes of it can be written
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  std::signal(SIGXFSZ, before);

  EXPECT_EQ(refused.error(), Errc::store_unavailable);
  EXPECT_EQ(count_channels(), 1u);
  EXPECT_EQ(create_channel()->id, ChannelId{2});
  reopen();
  EXPECT_EQ(count_channels(), 2u);
}

}  // namespace
}  // namespace voicechan
