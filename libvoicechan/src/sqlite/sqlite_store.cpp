#include "voicechan/sqlite_store.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <utility>

#include "constant_time.hpp"
#include "sqlite/commit_queue.hpp"
#include "sqlite/database.hpp"
#include "sqlite/schema.hpp"
#include "sqlite/store_connections.hpp"
#include "store_answer.hpp"

// Shared between threads: the writing connection, by turns of the CommitQueue; the reading
// connections, by leases of the ReaderPool.

namespace voicechan {
namespace {

using sqlite::CommitQueue;
using sqlite::Connection;
using sqlite::no_row;
using sqlite::open_file;
using sqlite::prepare_file;
using sqlite::Query;
using sqlite::Reader;
using sqlite::ReaderPool;
using sqlite::Statement;
using sqlite::Writer;

std::int64_t to_column(WallTime time) noexcept { return time.time_since_epoch().count(); }

/// Of "id, name, creator, created_at".
Channel read_channel(Query& row) {
  return {ChannelId{row.integer(0)}, row.text(1), UserId{row.integer(2)},
          WallTime(std::chrono::microseconds(row.integer(3)))};
}

/// Of "id, channel, addressee, inviter, status, created_at" and the names of channel and inviter.
ReceivedInvitation read_invitation(Query& row) {
  return {{InvitationId{row.integer(0)}, ChannelId{row.integer(1)}, UserId{row.integer(2)},
           UserId{row.integer(3)}, InvitationStatus::pending,
           WallTime(std::chrono::microseconds(row.integer(5)))},
          row.text(6),
          row.text(7)};
}

/// For LIMIT.
std::int64_t to_rows(std::size_t limit) noexcept {
  constexpr std::size_t kLongest = std::numeric_limits<std::int64_t>::max();
  return static_cast<std::int64_t>(std::min(limit, kLongest));
}

/// Of "id, until".
RevokedToken read_revoked_token(Query& row) {
  return {row.text(0), WallTime(std::chrono::microseconds(row.integer(1)))};
}

/// Of "id, name".
Identity read_identity(Query& row) { return {UserId{row.integer(0)}, row.text(1)}; }

/// The query's one row, or `absent`.
template <class T>
Result<T> read_one(Query& query, T (*read)(Query&), Errc absent) {
  if (!query.next()) return no_row(query, absent);
  T row = read(query);
  if (const auto error = query.error()) return error;
  return row;
}

template <class T, class Read>
Result<std::vector<T>> read_all(Query& query, Read read) {
  std::vector<T> rows;
  while (query.next()) rows.push_back(read(query));
  if (const auto error = query.error()) return error;
  return rows;
}

/// An operation as a member of a group of writes.
template <class Operation>
class WriteOf final : public CommitQueue::Write {
 public:
  using Answer = decltype(std::declval<Operation&>()());

  explicit WriteOf(Operation& operation) noexcept : operation_(&operation) {}

  std::error_code run() noexcept override {
    answer_ = answer(*operation_);
    const auto error = answer_.error();
    const bool is_failure = error == Errc::store_unavailable || error == Errc::store_corrupt;
    return is_failure ? error : std::error_code();
  }

  Answer take_answer() noexcept { return std::move(answer_); }

 private:
  Operation* operation_;
  Answer answer_{Errc::store_unavailable};
};

class SqliteStore final : public Store {
 public:
  SqliteStore(Connection writer, std::vector<std::unique_ptr<Reader>> readers)
      : writer_(std::move(writer)), readers_(std::move(readers)) {}

  Result<Channel> create_channel(const ChannelName& name, UserId creator, WallTime created_at,
                                 std::size_t quota) noexcept override {
    return write([&]() -> Result<Channel> {
      if (const auto error = check_quota(writer_.count_channels, creator, quota)) return error;
      Channel channel{{}, name.str(), creator, created_at};
      Query insert(writer_.insert_channel, name.str(), creator.value, to_column(created_at));
      if (const auto error = insert.run()) return error;
      channel.id.value = writer_.db.last_insert_id();
      return channel;
    });
  }

  Result<Channel> get_channel(ChannelId id) noexcept override {
    return read([&](Reader& reader) {
      Query query(reader.find_channel, id.value);
      return read_one(query, read_channel, Errc::unknown_channel);
    });
  }

  Result<std::vector<Channel>> list_channels(ChannelId after, std::size_t limit) noexcept override {
    return read([&](Reader& reader) {
      Query query(reader.list_channels, after.value, to_rows(limit));
      return read_all<Channel>(query, read_channel);
    });
  }

  Result<IssuedInvitation> create_invitation(ChannelId channel, UserId addressee, UserId inviter,
                                             WallTime created_at,
                                             std::size_t quota) noexcept override {
    return write([&]() -> Result<IssuedInvitation> {
      IssuedInvitation issued{
          {{}, channel, addressee, inviter, InvitationStatus::pending, created_at}, {}};
      Query channel_row(writer_.find_channel_name, channel.value);
      if (!channel_row.next()) return no_row(channel_row, Errc::unknown_channel);
      issued.channel_name = channel_row.text(0);
      if (const auto error = channel_row.error()) return error;
      Query addressee_row(writer_.find_user_id, addressee.value);
      if (!addressee_row.next()) return no_row(addressee_row, Errc::unknown_user);
      if (const auto error = check_quota(writer_.count_invitations, inviter, quota)) return error;

      Query insert(writer_.insert_invitation, channel.value, addressee.value, inviter.value,
                   to_string(issued.invitation.status), to_column(created_at));
      if (const auto error = insert.run()) return error;
      issued.invitation.id.value = writer_.db.last_insert_id();
      return issued;
    });
  }

  Result<std::vector<ReceivedInvitation>> list_invitations(UserId addressee, InvitationId after,
                                                           std::size_t limit) noexcept override {
    return read([&](Reader& reader) -> Result<std::vector<ReceivedInvitation>> {
      Query query(reader.list_invitations, addressee.value, after.value, to_rows(limit));
      bool is_good = true;
      auto list = read_all<ReceivedInvitation>(query, [&](Query& row) {
        is_good &= row.text(4) == to_string(InvitationStatus::pending);
        return read_invitation(row);
      });
      if (list && !is_good) return Errc::store_corrupt;
      return list;
    });
  }

  Result<Identity> create_user(const Username& name, const KeyDigest& key) noexcept override {
    return write([&]() -> Result<Identity> {
      Identity identity{{}, name.str()};
      Query insert(writer_.insert_user, name.str(), key);
      const auto error = insert.run();
      if (insert.has_violated_unique()) return Errc::user_exists;
      if (error) return error;
      identity.id.value = writer_.db.last_insert_id();
      return identity;
    });
  }

  Result<Identity> replace_user_key(const Username& name, const KeyDigest& key) noexcept override {
    return write([&]() -> Result<Identity> {
      Query update(writer_.update_key, key, name.str());
      return changed_user(update, name);
    });
  }

  Result<Identity> remove_user(const Username& name) noexcept override {
    return write([&]() -> Result<Identity> {
      Query removal(writer_.delete_user, name.str());
      return changed_user(removal, name);
    });
  }

  Result<std::vector<Identity>> list_users() noexcept override {
    return read([&](Reader& reader) {
      Query query(reader.list_users);
      return read_all<Identity>(query, read_identity);
    });
  }

  Result<Identity> get_user(UserId id) noexcept override {
    return read([&](Reader& reader) {
      Query query(reader.find_user, id.value);
      return read_one(query, read_identity, Errc::unknown_user);
    });
  }

  Result<Identity> get_user_by_name(const Username& name) noexcept override {
    return read([&](Reader& reader) {
      Query query(reader.find_user_by_name, name.str());
      return read_one(query, read_identity, Errc::unknown_user);
    });
  }

  Result<Identity> get_user_by_key(const KeyDigest& key) noexcept override {
    return read([&](Reader& reader) -> Result<Identity> {
      Query query(reader.find_user_by_key, key);
      if (!query.next()) return no_row(query, Errc::unknown_user);
      const Identity identity = read_identity(query);
      const bool is_owner = equal_in_constant_time(query.digest(2), key);
      if (const auto error = query.error()) return error;
      if (!is_owner) return Errc::unknown_user;
      return identity;
    });
  }

  Result<RevokedToken> revoke_token(const TokenId& id, WallTime until,
                                    WallTime now) noexcept override {
    return write([&]() -> Result<RevokedToken> {
      Query insert(writer_.insert_revoked_token, id.str(), to_column(until), to_column(now));
      if (!insert.next()) return no_row(insert, Errc::store_corrupt);
      const RevokedToken token = read_revoked_token(insert);
      if (const auto error = insert.run()) return error;
      return token;
    });
  }

  Result<bool> is_token_revoked(const TokenId& id) noexcept override {
    return read([&](Reader& reader) -> Result<bool> {
      Query query(reader.find_revoked_token, id.str());
      const bool is_revoked = query.next();
      if (const auto error = query.error()) return error;
      return is_revoked;
    });
  }

  Result<std::vector<RevokedToken>> list_revoked_tokens() noexcept override {
    return read([&](Reader& reader) {
      Query query(reader.list_revoked_tokens);
      return read_all<RevokedToken>(query, read_revoked_token);
    });
  }

  Result<std::int64_t> count_revocations() noexcept override {
    return read([&](Reader& reader) -> Result<std::int64_t> {
      Query query(reader.count_revocations);
      if (!query.next()) return no_row(query, Errc::store_corrupt);
      return query.integer(0);
    });
  }

 private:
  /// `count` selects how many the user has created; a user without a row has created none.
  static std::error_code check_quota(Statement& count, UserId user, std::size_t quota) {
    if (quota == kNoQuota) return {};
    Query query(count, user.value);
    const bool has_reached = query.next() && static_cast<std::uint64_t>(query.integer(0)) >= quota;
    if (const auto error = query.error()) return error;
    if (has_reached || quota == 0) return Errc::quota_exceeded;
    return {};
  }

  /// The user whose row a statement with "RETURNING id" has changed.
  static Result<Identity> changed_user(Query& change, const Username& name) {
    Identity identity{{}, name.str()};
    while (change.next()) identity.id.value = change.integer(0);
    if (change.has_violated_unique()) return Errc::user_exists;
    if (const auto error = change.error()) return error;
    if (identity.id == UserId{}) return Errc::unknown_user;
    return identity;
  }

  template <class Operation>
  auto write(Operation operation) noexcept -> decltype(operation()) {
    return answer([&]() -> decltype(operation()) {
      WriteOf<Operation> member(operation);
      if (const auto error = writes_.submit(member)) return error;
      return member.take_answer();
    });
  }

  template <class Operation>
  auto read(Operation operation) noexcept -> decltype(operation(std::declval<Reader&>())) {
    return answer([&] {
      const ReaderPool::Lease reader(readers_);
      return operation(*reader);
    });
  }

  Writer writer_;  // used by the leader of a group only
  CommitQueue writes_{writer_};
  ReaderPool readers_;
};

/// A reader works on the page cache, so that a few are enough for any number of threads.
constexpr std::size_t kReaders = 4;

/// True if the index of the write-ahead log is a file that nobody may change (`chattr +i`). SQLite
/// would map it, and the kernel ends a process that writes to such a mapping.
bool has_immutable_index(const std::string& path) noexcept {
  const std::string index = path + "-shm";
  return ::faccessat(AT_FDCWD, index.c_str(), W_OK, AT_EACCESS) != 0 && errno == EPERM;
}

/// SQLite then says that the disk is full.
std::error_code limit_size(Connection& db, std::uint64_t max_bytes) {
  std::int64_t page_bytes = 0;
  {
    Statement statement(db, "PRAGMA page_size");
    Query query(statement);
    if (!query.next()) return no_row(query, Errc::store_corrupt);
    page_bytes = query.integer(0);
  }
  constexpr std::uint64_t kMostPages = 0xFFFF'FFFE;  // of SQLite, its default, too
  const auto pages = max_bytes / static_cast<std::uint64_t>(page_bytes);
  return db.execute("PRAGMA max_page_count = " +
                    std::to_string(std::clamp<std::uint64_t>(pages, 1, kMostPages)));
}

}  // namespace

Result<std::unique_ptr<Store>> open_sqlite_store(const std::string& path,
                                                 SqliteStoreOptions options) {
  constexpr std::chrono::milliseconds kLongest{std::numeric_limits<int>::max()};
  options.busy_timeout = std::clamp(options.busy_timeout, std::chrono::milliseconds(0), kLongest);
  return answer([&]() -> Result<std::unique_ptr<Store>> {
    if (has_immutable_index(path)) return Errc::store_unavailable;
    auto writer = open_file(path, options.busy_timeout);
    if (!writer) return writer.error();
    if (const auto error = prepare_file(*writer, options.busy_timeout)) return error;
    if (const auto error = limit_size(*writer, options.max_bytes)) return error;

    std::vector<std::unique_ptr<Reader>> readers;
    for (std::size_t i = 0; i < kReaders; ++i) {
      auto reader = open_file(path, options.busy_timeout);
      if (!reader) return reader.error();
      if (const auto error = reader->execute("PRAGMA query_only = ON")) return error;
      readers.push_back(std::make_unique<Reader>(*std::move(reader)));
    }
    return std::unique_ptr<Store>(
        std::make_unique<SqliteStore>(*std::move(writer), std::move(readers)));
  });
}

}  // namespace voicechan
