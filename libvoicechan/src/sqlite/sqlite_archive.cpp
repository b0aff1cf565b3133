#include <chrono>
#include <limits>
#include <utility>

#include "sqlite/database.hpp"
#include "sqlite/schema.hpp"
#include "store_answer.hpp"
#include "voicechan/sqlite_store.hpp"

namespace voicechan {
namespace {

using sqlite::Connection;
using sqlite::no_row;
using sqlite::Query;
using sqlite::Statement;

constexpr std::chrono::milliseconds kBusyTimeout{5000};

/// Before all times at which an entry of the deny-list could have ended: a row that comes with it
/// makes the trigger forget nothing.
constexpr std::int64_t kLongAgo = std::numeric_limits<std::int64_t>::min() / 2;

WallTime to_time(std::int64_t column) { return WallTime(std::chrono::microseconds(column)); }
std::int64_t to_column(WallTime time) { return time.time_since_epoch().count(); }

std::int64_t to_rows(std::size_t limit) {
  constexpr std::size_t kLongest = std::numeric_limits<std::int64_t>::max();
  return static_cast<std::int64_t>(std::min(limit, kLongest));
}

template <class Row, class Read>
Result<std::vector<Row>> read_all(Query& query, Read read) {
  std::vector<Row> rows;
  while (query.next()) rows.push_back(read(query));
  if (const auto error = query.error()) return error;
  return rows;
}

class SqliteArchive final : public StoreArchive {
 public:
  explicit SqliteArchive(Connection db) : db_(std::move(db)) {}
  ~SqliteArchive() override {
    if (db_.is_in_transaction()) (void)db_.execute("ROLLBACK");
  }

  Result<State> state() override {
    Query query(count_rows_);
    if (!query.next()) return no_row(query, Errc::store_corrupt);
    const bool is_empty = query.integer(0) == 0;
    const auto counted = counters();
    if (!counted) return counted.error();
    const bool was_empty = counted->last_user == 0 && counted->last_channel == 0 &&
                           counted->last_invitation == 0 && counted->revocations == 0;
    return is_empty && was_empty ? State::empty : State::complete;
  }

  Result<StoreCounters> counters() override {
    Query query(read_counters_);
    if (!query.next()) return no_row(query, Errc::store_corrupt);
    return StoreCounters{query.integer(0), query.integer(1), query.integer(2), query.integer(3)};
  }

  Result<std::vector<StoredUser>> users(UserId after, std::size_t limit) override {
    Query query(read_users_, after.value, to_rows(limit));
    return read_all<StoredUser>(query, [](Query& row) {
      return StoredUser{{UserId{row.integer(0)}, row.text(1)}, row.digest(2)};
    });
  }

  Result<std::vector<Channel>> channels(ChannelId after, std::size_t limit) override {
    Query query(read_channels_, after.value, to_rows(limit));
    return read_all<Channel>(query, [](Query& row) {
      return Channel{ChannelId{row.integer(0)}, row.text(1), UserId{row.integer(2)},
                     to_time(row.integer(3))};
    });
  }

  Result<std::vector<Invitation>> invitations(InvitationId after, std::size_t limit) override {
    Query query(read_invitations_, after.value, to_rows(limit));
    bool is_good = true;
    auto rows = read_all<Invitation>(query, [&](Query& row) {
      is_good &= row.text(4) == to_string(InvitationStatus::pending);
      return Invitation{InvitationId{row.integer(0)}, ChannelId{row.integer(1)},
                        UserId{row.integer(2)},       UserId{row.integer(3)},
                        InvitationStatus::pending,    to_time(row.integer(5))};
    });
    if (rows && !is_good) return Errc::store_corrupt;
    return rows;
  }

  Result<std::vector<StoredRevocation>> revoked_tokens() override {
    Query query(read_tokens_);
    return read_all<StoredRevocation>(query, [](Query& row) {
      return StoredRevocation{{row.text(0), to_time(row.integer(1))}, to_time(row.integer(2))};
    });
  }

  std::error_code begin_import(const StoreCounters& counters) override {
    if (const auto error = db_.execute("BEGIN IMMEDIATE")) return error;
    const auto found = state();  // again: now nobody else can change it
    if (!found) return found.error();
    if (*found != State::empty) return Errc::store_locked;
    counters_ = counters;
    return {};
  }

  std::error_code add(const std::vector<StoredUser>& users) override {
    for (const StoredUser& user : users) {
      Query insert(add_user_, user.identity.id.value, user.identity.username, user.key);
      if (const auto error = insert.run()) return error;
    }
    return set_counters();
  }

  std::error_code add(const std::vector<Channel>& channels) override {
    for (const Channel& channel : channels) {
      Query insert(add_channel_, channel.id.value, channel.name, channel.creator.value,
                   to_column(channel.created_at));
      if (const auto error = insert.run()) return error;
    }
    return set_counters();
  }

  std::error_code add(const std::vector<Invitation>& invitations) override {
    for (const Invitation& invitation : invitations) {
      Query insert(add_invitation_, invitation.id.value, invitation.channel.value,
                   invitation.addressee.value, invitation.inviter.value,
                   to_string(invitation.status), to_column(invitation.created_at));
      if (const auto error = insert.run()) return error;
    }
    return set_counters();
  }

  std::error_code add(const std::vector<StoredRevocation>& tokens) override {
    for (const StoredRevocation& entry : tokens) {
      Query insert(add_token_, entry.token.id, to_column(entry.token.until), kLongAgo);
      if (const auto error = insert.run()) return error;
      Query update(date_token_, to_column(entry.revoked_at), entry.token.id);
      if (const auto error = update.run()) return error;
    }
    return set_counters();
  }

  std::error_code finish_import() override { return db_.execute("COMMIT"); }

 private:
  /// Rows that are added change the counters, too.
  std::error_code set_counters() {
    return db_.execute(
        "DELETE FROM sqlite_sequence WHERE name IN ('users', 'channels', 'invitations');"
        "INSERT INTO sqlite_sequence (name, seq) VALUES ('users', " +
        std::to_string(counters_.last_user) + "), ('channels', " +
        std::to_string(counters_.last_channel) + "), ('invitations', " +
        std::to_string(counters_.last_invitation) +
        "); UPDATE revocations SET count = " + std::to_string(counters_.revocations));
  }

  Connection db_;
  StoreCounters counters_;
  Statement count_rows_{db_,
                        "SELECT (SELECT count(*) FROM users) + (SELECT count(*) FROM channels)"
                        " + (SELECT count(*) FROM invitations)"
                        " + (SELECT count(*) FROM revoked_tokens)"};
  Statement read_counters_{
      db_,
      "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'users'), 0),"
      " coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'channels'), 0),"
      " coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'invitations'), 0),"
      " (SELECT count FROM revocations)"};
  Statement read_users_{db_,
                        "SELECT id, name, key_digest FROM users WHERE id > ?"
                        " ORDER BY id LIMIT ?"};
  Statement read_channels_{db_,
                           "SELECT id, name, creator, created_at FROM channels WHERE id > ?"
                           " ORDER BY id LIMIT ?"};
  Statement read_invitations_{db_,
                              "SELECT id, channel, addressee, inviter, status, created_at"
                              " FROM invitations WHERE id > ? ORDER BY id LIMIT ?"};
  Statement read_tokens_{db_, "SELECT id, until, revoked_at FROM revoked_tokens ORDER BY id"};
  Statement add_user_{db_, "INSERT INTO users (id, name, key_digest) VALUES (?, ?, ?)"};
  Statement add_channel_{
      db_, "INSERT INTO channels (id, name, creator, created_at) VALUES (?, ?, ?, ?)"};
  Statement add_invitation_{db_,
                            "INSERT INTO invitations"
                            " (id, channel, addressee, inviter, status, created_at)"
                            " VALUES (?, ?, ?, ?, ?, ?)"};
  Statement add_token_{db_, "INSERT INTO revoked_tokens (id, until, revoked_at) VALUES (?, ?, ?)"};
  Statement date_token_{db_, "UPDATE revoked_tokens SET revoked_at = ? WHERE id = ?"};
};

}  // namespace

Result<std::unique_ptr<StoreArchive>> open_sqlite_archive(const std::string& path) {
  return answer([&]() -> Result<std::unique_ptr<StoreArchive>> {
    auto db = sqlite::open_file(path, kBusyTimeout);
    if (!db) return db.error();
    if (const auto failure = sqlite::prepare_file(*db, kBusyTimeout)) return failure;
    return std::unique_ptr<StoreArchive>(std::make_unique<SqliteArchive>(*std::move(db)));
  });
}

}  // namespace voicechan
