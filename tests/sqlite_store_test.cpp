#include "voicechan/sqlite_store.hpp"

#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "sqlite/commit_queue.hpp"
#include "store_conformance.hpp"

namespace voicechan {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

constexpr std::size_t kAll = std::numeric_limits<std::size_t>::max();

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    path_ = ::testing::TempDir() + "sqlite_store_test.XXXXXX";
    EXPECT_NE(mkdtemp(path_.data()), nullptr) << std::strerror(errno);
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    fs::permissions(path_, fs::perms::owner_all, ignored);
    fs::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

INSTANTIATE_TEST_SUITE_P(
    Sqlite, StoreConformanceTest,
    ::testing::Values(StoreFactory{
        "SqliteStore",
        [] {
          auto directory = std::make_shared<TemporaryDirectory>();
          auto opened = open_sqlite_store(directory->path() + "/db");
          EXPECT_TRUE(opened) << opened.error().message();
          struct Both {
            std::shared_ptr<TemporaryDirectory> directory;
            std::unique_ptr<Store> store;
          };
          auto both = std::make_shared<Both>(Both{std::move(directory), *std::move(opened)});
          return std::shared_ptr<Store>(both, both->store.get());
        }}),
    ::testing::PrintToStringParamName());

/// A connection past the store, as another process would have it.
class RawConnection {
 public:
  explicit RawConnection(const std::string& path) {
    EXPECT_EQ(sqlite3_open(path.c_str(), &handle_), SQLITE_OK);
  }
  ~RawConnection() { EXPECT_EQ(sqlite3_close(handle_), SQLITE_OK); }
  RawConnection(const RawConnection&) = delete;
  RawConnection& operator=(const RawConnection&) = delete;

  void execute(const std::string& sql) {
    char* message = nullptr;
    EXPECT_EQ(sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, &message), SQLITE_OK)
        << sql << ": " << (message != nullptr ? message : "");
    sqlite3_free(message);
  }

  /// The first column of the first row.
  std::string query(const std::string& sql) {
    sqlite3_stmt* statement = nullptr;
    EXPECT_EQ(sqlite3_prepare_v2(handle_, sql.c_str(), -1, &statement, nullptr), SQLITE_OK) << sql;
    std::string answer;
    if (sqlite3_step(statement) == SQLITE_ROW) {
      const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement, 0));
      if (text != nullptr) answer = text;
    }
    sqlite3_finalize(statement);
    return answer;
  }

 private:
  sqlite3* handle_ = nullptr;
};

class SqliteStoreTest : public ::testing::Test {
 protected:
  const std::string& directory() const { return directory_.path(); }
  const std::string& path() const { return path_; }

  Result<std::unique_ptr<Store>> open() const {
    return open_sqlite_store(path_, {milliseconds{50}});
  }

  std::unique_ptr<Store> open_or_fail() const {
    auto store = open();
    EXPECT_TRUE(store) << store.error().message();
    return *std::move(store);
  }

  void write_file(const std::string& content) const {
    std::ofstream(path_, std::ios::binary) << content;
  }
  std::string read_file() const {
    std::ostringstream content;
    content << std::ifstream(path_, std::ios::binary).rdbuf();
    return content.str();
  }

 private:
  TemporaryDirectory directory_;
  const std::string path_ = directory_.path() + "/voicechan.db";
};

Result<Channel> create_channel(Store& store, std::string_view name = "general") {
  return store.create_channel(channel_name(name), UserId{7}, WallTime{});
}

std::size_t count_channels(Store& store) {
  const auto channels = store.list_channels(ChannelId{}, kAll);
  EXPECT_TRUE(channels) << channels.error().message();
  return channels ? channels->size() : 0;
}

TEST_F(SqliteStoreTest, ReopenedStoreHasEverything) {
  ChannelId channel;
  UserId user;
  InvitationId invitation;
  {
    const auto store = open_or_fail();
    user = store->create_user(username("olena"), digest(1))->id;
    channel = create_channel(*store, "Загальна кімната")->id;
    invitation = store->create_invitation(channel, user, user, WallTime{})->invitation.id;
  }
  const auto store = open_or_fail();
  EXPECT_EQ(store->get_channel(channel)->name, "Загальна кімната");
  EXPECT_EQ(store->get_user_by_key(digest(1))->id, user);
  EXPECT_LT(invitation, store->create_invitation(channel, user, user, WallTime{})->invitation.id);
}

TEST_F(SqliteStoreTest, IdOfARemovedUserIsNotGivenAgainAfterReopening) {
  UserId removed;
  {
    const auto store = open_or_fail();
    removed = store->create_user(username("olena"), digest(1))->id;
    ASSERT_TRUE(store->remove_user(username("olena")));
  }
  EXPECT_LT(removed, open_or_fail()->create_user(username("olena"), digest(1))->id);
}

TEST_F(SqliteStoreTest, NewFileIsMigratedToTheLatestVersionAndMarkedAsOurs) {
  open_or_fail();
  RawConnection raw(path());
  EXPECT_EQ(raw.query("PRAGMA user_version"), "4");
  EXPECT_EQ(raw.query("PRAGMA application_id"), std::to_string(0x5643484E));
  EXPECT_EQ(raw.query("PRAGMA journal_mode"), "wal");
  EXPECT_EQ(raw.query("PRAGMA integrity_check"), "ok");
}

TEST_F(SqliteStoreTest, EmptyFileIsMigratedToo) {
  write_file("");
  EXPECT_TRUE(create_channel(*open_or_fail()));
}

/// What version 0.1 wrote, with a user and a channel.
constexpr const char* kVersion1 = R"sql(
  CREATE TABLE users (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    key_digest BLOB NOT NULL UNIQUE
  ) STRICT;
  CREATE TABLE channels (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    creator INTEGER NOT NULL,
    created_at INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE invitations (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    channel INTEGER NOT NULL REFERENCES channels (id),
    addressee INTEGER NOT NULL,
    inviter INTEGER NOT NULL,
    status TEXT NOT NULL,
    created_at INTEGER NOT NULL
  ) STRICT;
  INSERT INTO users (id, name, key_digest) VALUES (7, 'olena', zeroblob(32));
  INSERT INTO channels (name, creator, created_at) VALUES ('general', 7, 1);
  INSERT INTO invitations (channel, addressee, inviter, status, created_at)
    VALUES (1, 7, 7, 'pending', 1), (1, 7, 7, 'pending', 1);
  PRAGMA application_id = 0x5643484E;
  PRAGMA user_version = 1;
)sql";

TEST_F(SqliteStoreTest, FileOfVersion1IsMigratedAndKeepsWhatItHas) {
  RawConnection(path()).execute(kVersion1);
  const auto store = open_or_fail();
  EXPECT_EQ(store->get_user_by_key({})->id, UserId{7});
  EXPECT_EQ(count_channels(*store), 1u);
  EXPECT_EQ(*store->count_revocations(), 0);
  EXPECT_EQ(RawConnection(path()).query("PRAGMA user_version"), "4");
  ASSERT_TRUE(store->replace_user_key(username("olena"), digest(1)));
  EXPECT_EQ(*store->count_revocations(), 1);
}

TEST_F(SqliteStoreTest, WhatAFileOfVersion1HoldsCountsForQuotas) {
  RawConnection(path()).execute(kVersion1);
  const auto store = open_or_fail();
  const UserId olena{7};
  EXPECT_EQ(store->create_channel(channel_name("x"), olena, WallTime{}, 1).error(),
            Errc::quota_exceeded);
  EXPECT_TRUE(store->create_channel(channel_name("x"), olena, WallTime{}, 2));
  EXPECT_EQ(store->create_invitation(ChannelId{1}, olena, olena, WallTime{}, 2).error(),
            Errc::quota_exceeded);
  EXPECT_TRUE(store->create_invitation(ChannelId{1}, olena, olena, WallTime{}, 3));
}

TEST_F(SqliteStoreTest, WhatAFileOfVersion1HoldsIsListedByAddressee) {
  RawConnection(path()).execute(kVersion1);
  const auto list = open_or_fail()->list_invitations(UserId{7}, InvitationId{1}, 10);
  ASSERT_TRUE(list);
  ASSERT_EQ(list->size(), 1u);
  EXPECT_EQ(list->front().invitation.id, InvitationId{2});
  EXPECT_EQ(list->front().channel_name, "general");
  EXPECT_EQ(list->front().inviter_username, "olena");
}

TEST_F(SqliteStoreTest, QuotasCountWhatOtherConnectionsCreate) {
  const auto here = open_or_fail();
  const auto there = open_or_fail();
  ASSERT_TRUE(create_channel(*there));
  EXPECT_EQ(here->create_channel(channel_name("x"), UserId{7}, WallTime{}, 1).error(),
            Errc::quota_exceeded);
}

TEST_F(SqliteStoreTest, AFileThatHasGrownToItsBoundFailsWritesAndIsRead) {
  constexpr std::uint64_t kMaxBytes = 200'000;
  SqliteStoreOptions options;
  options.max_bytes = kMaxBytes;
  {
    const auto store = std::move(open_sqlite_store(path(), options).value());
    const std::string long_name(200, 'x');
    std::size_t created = 0;
    while (created < 10'000 && create_channel(*store, long_name)) ++created;
    EXPECT_GT(created, 300u);
    EXPECT_LT(created, 1'000u);
    EXPECT_EQ(create_channel(*store, long_name).error(), Errc::store_unavailable);
    EXPECT_EQ(count_channels(*store), created);
  }
  EXPECT_LE(fs::file_size(path()), kMaxBytes);
  EXPECT_TRUE(create_channel(*open_or_fail()));
}

TEST_F(SqliteStoreTest, RevocationsOfAnotherConnectionAreCounted) {
  const auto here = open_or_fail();
  const auto there = open_or_fail();
  ASSERT_TRUE(there->create_user(username("olena"), digest(1)));
  const auto before = *here->count_revocations();
  ASSERT_TRUE(there->remove_user(username("olena")));
  EXPECT_LT(before, *here->count_revocations());
}

TEST_F(SqliteStoreTest, UserRemovedByHandIsCountedToo) {
  const auto store = open_or_fail();
  ASSERT_TRUE(store->create_user(username("olena"), digest(1)));
  const auto before = *store->count_revocations();
  RawConnection(path()).execute("DELETE FROM users");
  EXPECT_LT(before, *store->count_revocations());
}

TEST_F(SqliteStoreTest, ReopeningChangesNothing) {
  open_or_fail();
  const auto before = read_file();
  open_or_fail();
  EXPECT_TRUE(read_file() == before);
}

TEST_F(SqliteStoreTest, ManyMayOpenANewFileAtOnce) {
  std::atomic<int> usable{0};
  on_threads(8, [&](int) {
    const auto store = open_sqlite_store(path());
    if (store && create_channel(**store)) ++usable;
  });
  EXPECT_EQ(usable, 8);
  EXPECT_EQ(count_channels(*open_or_fail()), 8u);
}

TEST_F(SqliteStoreTest, KeysAreStoredAsDigestsOnly) {
  open_or_fail()->create_user(username("olena"), digest(1)).value();
  RawConnection raw(path());
  EXPECT_EQ(raw.query("SELECT group_concat(name) FROM pragma_table_info('users')"),
            "id,name,key_digest");
  EXPECT_EQ(raw.query("SELECT length(key_digest) FROM users"), "32");
}

TEST_F(SqliteStoreTest, NewerVersionIsRefusedAndLeftAlone) {
  open_or_fail();
  RawConnection(path()).execute("PRAGMA user_version = 5");
  const auto before = read_file();
  EXPECT_EQ(open().error(), Errc::store_too_new);
  EXPECT_TRUE(read_file() == before);
}

TEST_F(SqliteStoreTest, GarbageFileIsRefusedAndLeftAlone) {
  for (const std::size_t size : {std::size_t{2}, std::size_t{100}, std::size_t{100'000}}) {
    const std::string garbage(size, '#');
    write_file(garbage);
    EXPECT_EQ(open().error(), Errc::store_corrupt) << size;
    EXPECT_TRUE(read_file() == garbage) << size;
  }
}

TEST_F(SqliteStoreTest, ForeignDatabaseIsRefusedAndLeftAlone) {
  RawConnection(path()).execute("CREATE TABLE users (id INTEGER)");
  const auto before = read_file();
  EXPECT_EQ(open().error(), Errc::store_corrupt);
  EXPECT_TRUE(read_file() == before);
}

TEST_F(SqliteStoreTest, ForeignDatabaseWithAVersionLikeOursIsRefused) {
  RawConnection(path()).execute("CREATE TABLE users (id INTEGER); PRAGMA user_version = 1");
  EXPECT_EQ(open().error(), Errc::store_corrupt);
}

TEST_F(SqliteStoreTest, EmptyDatabaseThatAnotherProgramHasMarkedIsRefused) {
  RawConnection(path()).execute("PRAGMA application_id = 42");
  EXPECT_EQ(open().error(), Errc::store_corrupt);
}

TEST_F(SqliteStoreTest, TruncatedFileIsCorruptAndDoesNotCrash) {
  open_or_fail();
  fs::resize_file(path(), 4096);
  const auto store = open();
  if (!store) {
    EXPECT_EQ(store.error(), Errc::store_corrupt);
    return;
  }
  EXPECT_EQ(create_channel(**store).error(), Errc::store_corrupt);
  EXPECT_EQ((*store)->list_users().error(), Errc::store_corrupt);
}

TEST_F(SqliteStoreTest, MissingTableIsCorruption) {
  const auto store = open_or_fail();
  RawConnection(path()).execute("DROP TABLE invitations; DROP TABLE channels");
  EXPECT_EQ(create_channel(*store).error(), Errc::store_corrupt);
  EXPECT_EQ(store->get_channel(ChannelId{1}).error(), Errc::store_corrupt);
  EXPECT_TRUE(store->create_user(username("olena"), digest(1)));
}

TEST_F(SqliteStoreTest, FileOfOursWithoutTablesIsCorruptAndDoesNotCrash) {
  RawConnection(path()).execute("PRAGMA application_id = 0x5643484E; PRAGMA user_version = 4");
  const auto store = open_or_fail();
  EXPECT_EQ(create_channel(*store).error(), Errc::store_corrupt);
  EXPECT_EQ(store->get_channel(ChannelId{1}).error(), Errc::store_corrupt);
  EXPECT_EQ(store->list_users().error(), Errc::store_corrupt);
}

TEST_F(SqliteStoreTest, BusyTimeoutsOfAllSortsAreTaken) {
  using Limits = std::numeric_limits<milliseconds::rep>;
  for (const auto count :
       {Limits::min(), milliseconds::rep{-1}, milliseconds::rep{0}, Limits::max()}) {
    EXPECT_TRUE(open_sqlite_store(path(), {milliseconds{count}})) << count;
  }
}

TEST_F(SqliteStoreTest, MissingDirectoryIsUnavailable) {
  EXPECT_EQ(open_sqlite_store(directory() + "/missing/db").error(), Errc::store_unavailable);
}

TEST_F(SqliteStoreTest, PathsThatNameNoFileAreUnavailable) {
  EXPECT_EQ(open_sqlite_store(directory()).error(), Errc::store_unavailable);
  EXPECT_EQ(open_sqlite_store("").error(), Errc::store_unavailable);
  EXPECT_EQ(open_sqlite_store(std::string("db\0x", 4)).error(), Errc::store_unavailable);
}

TEST_F(SqliteStoreTest, PathIsAFilesWhateverItLooksLike) {
  const auto before = fs::current_path();
  fs::current_path(directory());
  for (const auto* name : {":memory:", "file:x?mode=memory", "база даних.db"}) {
    const auto store = open_sqlite_store(name);
    EXPECT_TRUE(store && create_channel(**store)) << name;
    EXPECT_TRUE(fs::exists(directory() + "/" + name)) << name;
  }
  fs::current_path(before);
}

/// Takes root's rights to ignore file permissions away from this process for a while.
class Unprivileged {
 public:
  Unprivileged() {
    if (geteuid() != 0) return;
    EXPECT_EQ(seteuid(kNobody), 0);
  }
  ~Unprivileged() {
    if (getuid() != 0) return;
    EXPECT_EQ(seteuid(0), 0);
  }
  Unprivileged(const Unprivileged&) = delete;
  Unprivileged& operator=(const Unprivileged&) = delete;

 private:
  static constexpr uid_t kNobody = 65534;
};

constexpr fs::perms kReadOnlyFile{0444};
constexpr fs::perms kReadOnlyDirectory{0555};

TEST_F(SqliteStoreTest, UnwritableDirectoryIsUnavailable) {
  fs::permissions(directory(), kReadOnlyDirectory);
  const Unprivileged unprivileged;
  EXPECT_EQ(open().error(), Errc::store_unavailable);
}

TEST_F(SqliteStoreTest, ReadOnlyFileServesReadsWhileWritesAreUnavailable) {
  const auto owner = open_or_fail();
  const auto id = create_channel(*owner)->id;
  for (const auto& entry : fs::directory_iterator(directory())) {
    fs::permissions(entry.path(), kReadOnlyFile);
  }
  fs::permissions(directory(), kReadOnlyDirectory);

  const Unprivileged unprivileged;
  const auto store = open();
  ASSERT_TRUE(store) << store.error().message();
  EXPECT_TRUE((*store)->get_channel(id));
  EXPECT_EQ(create_channel(**store).error(), Errc::store_unavailable);
  EXPECT_EQ(count_channels(**store), 1u);
}

TEST_F(SqliteStoreTest, FileThatAnotherProcessHasLockedIsRefusedUntilReleased) {
  open_or_fail();
  {
    RawConnection other(path());
    other.execute("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
    EXPECT_EQ(open().error(), Errc::store_locked);
    other.execute("ROLLBACK");
  }
  EXPECT_TRUE(open());
}

TEST_F(SqliteStoreTest, WritesFailWhileAnotherProcessWritesAndSucceedAfterwards) {
  const auto store = open_or_fail();
  RawConnection other(path());
  other.execute("BEGIN EXCLUSIVE");
  EXPECT_EQ(create_channel(*store).error(), Errc::store_locked);
  EXPECT_EQ(count_channels(*store), 0u);  // reads go on
  other.execute("ROLLBACK");
  EXPECT_TRUE(create_channel(*store));
  EXPECT_EQ(count_channels(*store), 1u);
}

TEST_F(SqliteStoreTest, StoresOnOneFileSeeEachOthersWritesAtOnce) {
  const auto first = open_or_fail();
  const auto second = open_or_fail();
  for (int i = 0; i < 20; ++i) {
    const auto name = "user" + std::to_string(i);
    const auto user = first->create_user(username(name), digest(i));
    ASSERT_TRUE(user);
    ASSERT_EQ(second->get_user_by_key(digest(i))->id, user->id);
    ASSERT_TRUE(second->remove_user(username(name)));
    ASSERT_EQ(first->get_user_by_key(digest(i)).error(), Errc::unknown_user);
  }
}

TEST_F(SqliteStoreTest, StoresOnOneFileMayWriteAtTheSameTime) {
  const auto first = open_or_fail();
  const auto user = first->create_user(username("olena"), digest(1))->id;
  const auto channel = create_channel(*first)->id;
  std::atomic<int> created{0};
  on_threads(4, [&](int) {
    const auto store = open_sqlite_store(path());
    for (int i = 0; store && i < 25; ++i) {
      if (create_channel(**store)) ++created;
      if ((*store)->create_invitation(channel, user, user, WallTime{})) ++created;
    }
  });
  EXPECT_EQ(created, 200);
  EXPECT_EQ(count_channels(*first), 101u);
}

/// Writes from several threads and reports each acknowledged id, until it is killed.
[[noreturn]] void write_until_killed(const std::string& path, int acknowledgements) {
  auto store = open_sqlite_store(path);
  if (!store) _exit(1);
  on_threads(4, [&](int) {
    for (;;) {
      const auto channel = create_channel(**store);
      if (!channel) _exit(1);
      const std::int64_t id = channel->id.value;
      if (write(acknowledgements, &id, sizeof(id)) != sizeof(id)) _exit(1);
    }
  });
  _exit(1);
}

TEST_F(SqliteStoreTest, WhatWasAcknowledgedSurvivesAKilledProcess) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    close(ends[0]);
    write_until_killed(path(), ends[1]);
  }
  close(ends[1]);

  std::vector<std::int64_t> acknowledged;
  std::int64_t id = 0;
  while (read(ends[0], &id, sizeof(id)) == sizeof(id)) {
    acknowledged.push_back(id);
    if (acknowledged.size() == 200) {
      EXPECT_EQ(kill(child, SIGKILL), 0);
    }
  }
  close(ends[0]);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  ASSERT_GE(acknowledged.size(), 200u);

  const auto store = open_or_fail();
  for (const auto each : acknowledged) EXPECT_TRUE(store->get_channel(ChannelId{each})) << each;
  EXPECT_GT(create_channel(*store)->id.value,
            *std::max_element(acknowledged.begin(), acknowledged.end()));
  EXPECT_EQ(RawConnection(path()).query("PRAGMA integrity_check"), "ok");
}

/// SQLite's default VFS while it lives: the real one, but the disk can be made full, fail to sync,
/// or be slow; syncs of the write-ahead log and refused locks are counted. Stores must be closed
/// before it goes.
class FaultyDisk {
 public:
  FaultyDisk() {
    is_full = fails_to_sync = false;
    log_syncs = refused_locks = 0;
    sync_takes = milliseconds{0};
    real_ = sqlite3_vfs_find(nullptr);
    vfs_ = *real_;
    vfs_.zName = "voicechan-faulty";
    vfs_.xOpen = open;
    EXPECT_EQ(sqlite3_vfs_register(&vfs_, 1), SQLITE_OK);
  }
  ~FaultyDisk() {
    EXPECT_EQ(sqlite3_vfs_unregister(&vfs_), SQLITE_OK);
    EXPECT_EQ(sqlite3_vfs_register(real_, 1), SQLITE_OK);
  }
  FaultyDisk(const FaultyDisk&) = delete;
  FaultyDisk& operator=(const FaultyDisk&) = delete;

  static inline std::atomic<bool> is_full;
  static inline std::atomic<bool> fails_to_sync;
  static inline std::atomic<int> log_syncs;
  static inline std::atomic<int> refused_locks;
  static inline std::atomic<milliseconds> sync_takes;

 private:
  /// The methods of a file that the real VFS opened, with some of ours.
  struct Methods {
    sqlite3_io_methods ours;
    const sqlite3_io_methods* real;

    void install(sqlite3_file* file, int (*sync)(sqlite3_file*, int)) {
      if (real == nullptr) {
        real = file->pMethods;
        ours = *real;
        ours.xWrite = write;
        ours.xSync = sync;
        ours.xLock = lock;
        ours.xShmLock = lock_shared_memory;
      }
      file->pMethods = &ours;
    }
  };

  static int open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out_flags) {
    const int result = real_->xOpen(real_, name, file, flags, out_flags);
    if (result != SQLITE_OK) return result;
    if ((flags & SQLITE_OPEN_WAL) != 0) log_.install(file, sync_log);
    if ((flags & SQLITE_OPEN_MAIN_DB) != 0) main_.install(file, sync_main);
    return SQLITE_OK;
  }

  static int write(sqlite3_file* file, const void* bytes, int size, sqlite3_int64 offset) {
    return is_full ? SQLITE_FULL : main_.real->xWrite(file, bytes, size, offset);
  }

  static int lock(sqlite3_file* file, int level) {
    return count_refused(main_.real->xLock(file, level));
  }

  static int lock_shared_memory(sqlite3_file* file, int offset, int count, int flags) {
    return count_refused(main_.real->xShmLock(file, offset, count, flags));
  }

  static int count_refused(int result) {
    if (result == SQLITE_BUSY) ++refused_locks;
    return result;
  }

  static int sync_log(sqlite3_file* file, int flags) {
    ++log_syncs;
    std::this_thread::sleep_for(sync_takes.load());
    return fails_to_sync ? SQLITE_IOERR_FSYNC : log_.real->xSync(file, flags);
  }

  static int sync_main(sqlite3_file* file, int flags) {
    return fails_to_sync ? SQLITE_IOERR_FSYNC : main_.real->xSync(file, flags);
  }

  static inline sqlite3_vfs* real_;
  static inline sqlite3_vfs vfs_;
  static inline Methods main_;
  static inline Methods log_;
};

class SqliteStoreDiskTest : public SqliteStoreTest {
 protected:
  /// Runs `work` on a thread, and `release` when that has been refused a lock (or is done).
  void run_until_refused_a_lock(const std::function<void()>& work,
                                const std::function<void()>& release) {
    disk_.refused_locks = 0;
    std::atomic<bool> is_done{false};
    std::thread worker([&] {
      work();
      is_done = true;
    });
    while (disk_.refused_locks == 0 && !is_done) std::this_thread::yield();
    release();
    worker.join();
  }

  FaultyDisk disk_;
};

TEST_F(SqliteStoreDiskTest, EveryWriteIsSyncedBeforeItsAnswer) {
  const auto store = open_or_fail();
  const auto user = store->create_user(username("olena"), digest(1))->id;
  const auto channel = create_channel(*store)->id;
  const std::vector<std::function<bool()>> writes = {
      [&] { return create_channel(*store).has_value(); },
      [&] { return store->create_invitation(channel, user, user, WallTime{}).has_value(); },
      [&] { return store->create_user(username("taras"), digest(2)).has_value(); },
      [&] { return store->replace_user_key(username("taras"), digest(3)).has_value(); },
      [&] { return store->remove_user(username("taras")).has_value(); },
  };
  for (const auto& write : writes) {
    disk_.log_syncs = 0;
    EXPECT_TRUE(write());
    EXPECT_GE(disk_.log_syncs, 1);
  }
}

TEST_F(SqliteStoreDiskTest, ReadsAndRefusalsSyncNothing) {
  const auto store = open_or_fail();
  ASSERT_TRUE(create_channel(*store));
  disk_.log_syncs = 0;
  EXPECT_EQ(count_channels(*store), 1u);
  EXPECT_EQ(store->create_invitation(ChannelId{9}, UserId{9}, UserId{9}, WallTime{}).error(),
            Errc::unknown_channel);
  EXPECT_EQ(disk_.log_syncs, 0);
}

TEST_F(SqliteStoreDiskTest, WritesOfManyThreadsShareSyncs) {
  const auto store = open_or_fail();
  disk_.sync_takes = milliseconds{2};  // as on a disk
  disk_.log_syncs = 0;
  constexpr int kThreads = 16;
  constexpr int kEach = 50;
  on_threads(kThreads, [&](int) {
    for (int i = 0; i < kEach; ++i) EXPECT_TRUE(create_channel(*store));
  });
  EXPECT_EQ(count_channels(*store), std::size_t{kThreads * kEach});
  EXPECT_GE(disk_.log_syncs, kEach);
  EXPECT_LE(disk_.log_syncs, kThreads * kEach / 4);
}

TEST_F(SqliteStoreDiskTest, FullDiskFailsWritesWhollyWhileReadsGoOnAndIsRecoveredFrom) {
  const auto store = open_or_fail();
  ASSERT_TRUE(create_channel(*store));
  disk_.is_full = true;
  on_threads(8, [&](int) {
    for (int i = 0; i < 20; ++i) EXPECT_EQ(create_channel(*store).error(), Errc::store_unavailable);
  });
  EXPECT_EQ(count_channels(*store), 1u);
  disk_.is_full = false;
  EXPECT_TRUE(create_channel(*store));
  EXPECT_EQ(count_channels(*store), 2u);
}

TEST_F(SqliteStoreDiskTest, FailedSyncFailsWritesWhollyAndIsRecoveredFrom) {
  const auto store = open_or_fail();
  ASSERT_TRUE(create_channel(*store));
  disk_.fails_to_sync = true;
  on_threads(8, [&](int) {
    for (int i = 0; i < 20; ++i) EXPECT_EQ(create_channel(*store).error(), Errc::store_unavailable);
  });
  EXPECT_EQ(count_channels(*store), 1u);
  disk_.fails_to_sync = false;
  EXPECT_TRUE(create_channel(*store));
  EXPECT_EQ(count_channels(*store), 2u);
}

TEST_F(SqliteStoreDiskTest, DiskThatFillsUpUnderLoadLosesNothingAcknowledged) {
  const auto store = open_or_fail();
  std::atomic<int> acknowledged{0};
  std::atomic<int> refused{0};
  on_threads(8, [&](int thread) {
    for (int i = 0; i < 200; ++i) {
      if (thread == 0) disk_.is_full = i % 2 == 1;
      ++(create_channel(*store) ? acknowledged : refused);
    }
  });
  disk_.is_full = false;
  EXPECT_GT(acknowledged, 0);
  EXPECT_GT(refused, 0);
  EXPECT_EQ(count_channels(*store), static_cast<std::size_t>(acknowledged));
  EXPECT_EQ(RawConnection(path()).query("PRAGMA integrity_check"), "ok");
}

TEST_F(SqliteStoreDiskTest, NewFileOnAFullDiskIsUnavailableAndSucceedsLater) {
  disk_.is_full = true;
  EXPECT_EQ(open().error(), Errc::store_unavailable);
  disk_.is_full = false;
  EXPECT_TRUE(create_channel(*open_or_fail()));
}

TEST_F(SqliteStoreDiskTest, WriteWaitsForAnotherProcessAndSeesWhatItWrote) {
  const auto store = open_sqlite_store(path()).value();
  const auto channel = create_channel(*store)->id;
  RawConnection other(path());
  other.execute("BEGIN; INSERT INTO users (id, name, key_digest) VALUES (5, 'olena', x'00')");
  Result<IssuedInvitation> issued = Errc::store_unavailable;
  run_until_refused_a_lock(
      [&] { issued = store->create_invitation(channel, UserId{5}, UserId{5}, WallTime{}); },
      [&] { other.execute("COMMIT"); });
  EXPECT_TRUE(issued) << issued.error().message();
}

TEST_F(SqliteStoreDiskTest, NewFileIsOpenedOnceAnotherProcessHasLetItGo) {
  RawConnection other(path());
  other.execute("BEGIN IMMEDIATE");
  EXPECT_EQ(open().error(), Errc::store_locked);
  bool is_open = false;
  run_until_refused_a_lock([&] { is_open = open_sqlite_store(path()).has_value(); },
                           [&] { other.execute("COMMIT"); });
  EXPECT_TRUE(is_open);
}

/// Counts what is asked of it; `begin` can be made to wait.
struct FakeTransaction final : sqlite::Transaction {
  std::error_code begin() noexcept override {
    ++begun;
    while (is_held) std::this_thread::yield();
    return begin_error;
  }
  std::error_code commit() noexcept override {
    ++committed;
    return commit_error;
  }
  void rollback() noexcept override { ++rolled_back; }

  std::atomic<bool> is_held{false};
  std::atomic<int> begun{0};
  int committed = 0;
  int rolled_back = 0;
  std::error_code begin_error;
  std::error_code commit_error;
};

struct FakeWrite final : sqlite::CommitQueue::Write {
  std::error_code run() noexcept override {
    ++runs;
    return error;
  }

  int runs = 0;
  std::error_code error;
};

class CommitQueueTest : public ::testing::Test {
 protected:
  static constexpr int kFollowers = 15;

  /// Submits `first` alone and, while its transaction is held, `kFollowers` more of `others`.
  /// Returns the followers' outcomes.
  std::vector<std::error_code> submit_group(FakeWrite& first, std::vector<FakeWrite>& others) {
    transaction_.is_held = true;
    std::thread leader([&] { (void)queue_.submit(first); });
    while (transaction_.begun == 0) std::this_thread::yield();
    std::vector<std::error_code> outcomes(kFollowers);
    std::thread release([&] {
      while (queue_.waiting() != kFollowers) std::this_thread::yield();
      transaction_.is_held = false;
    });
    on_threads(kFollowers, [&](int i) {
      const auto index = static_cast<std::size_t>(i);
      outcomes[index] = queue_.submit(others[index]);
    });
    release.join();
    leader.join();
    return outcomes;
  }

  FakeTransaction transaction_;
  sqlite::CommitQueue queue_{transaction_};
};

TEST_F(CommitQueueTest, LoneWriteIsATransaction) {
  FakeWrite write;
  EXPECT_FALSE(queue_.submit(write));
  EXPECT_EQ(write.runs, 1);
  EXPECT_EQ(transaction_.begun, 1);
  EXPECT_EQ(transaction_.committed, 1);
  EXPECT_EQ(transaction_.rolled_back, 0);
}

TEST_F(CommitQueueTest, WritesThatComeWhileATransactionWaitsForItsLockJoinIt) {
  FakeWrite first;
  std::vector<FakeWrite> others(kFollowers);
  const auto outcomes = submit_group(first, others);
  EXPECT_THAT(outcomes, ::testing::Each(std::error_code()));
  EXPECT_EQ(first.runs, 1);
  for (const auto& write : others) EXPECT_EQ(write.runs, 1);
  EXPECT_EQ(transaction_.begun, 1);
  EXPECT_EQ(transaction_.committed, 1);
}

TEST_F(CommitQueueTest, FailedCommitFailsTheWholeGroup) {
  FakeWrite first;
  std::vector<FakeWrite> others(kFollowers);
  transaction_.commit_error = Errc::store_unavailable;
  const auto outcomes = submit_group(first, others);
  EXPECT_THAT(outcomes, ::testing::Each(make_error_code(Errc::store_unavailable)));
  EXPECT_EQ(transaction_.committed, 1);
  EXPECT_EQ(transaction_.rolled_back, 1);
}

TEST_F(CommitQueueTest, FailedWriteFailsTheWholeGroupWithoutACommit) {
  FakeWrite first;
  std::vector<FakeWrite> others(kFollowers);
  others[7].error = Errc::store_corrupt;
  const auto outcomes = submit_group(first, others);
  EXPECT_THAT(outcomes, ::testing::Each(make_error_code(Errc::store_corrupt)));
  EXPECT_EQ(transaction_.committed, 0);
  EXPECT_EQ(transaction_.rolled_back, 1);
}

TEST_F(CommitQueueTest, WritesThatComeWhileATransactionFailsToBeginTryTheirOwn) {
  FakeWrite first;
  std::vector<FakeWrite> others(kFollowers);
  transaction_.begin_error = Errc::store_unavailable;
  const auto outcomes = submit_group(first, others);
  EXPECT_THAT(outcomes, ::testing::Each(make_error_code(Errc::store_unavailable)));
  EXPECT_EQ(first.runs, 0);
  EXPECT_EQ(transaction_.begun, 2);
  EXPECT_EQ(transaction_.rolled_back, 0);
}

TEST_F(CommitQueueTest, NextWriteWorksAfterAFailedOne) {
  FakeWrite failed;
  transaction_.commit_error = Errc::store_unavailable;
  EXPECT_EQ(queue_.submit(failed), Errc::store_unavailable);
  transaction_.commit_error = {};
  FakeWrite next;
  EXPECT_FALSE(queue_.submit(next));
}

}  // namespace
}  // namespace voicechan
