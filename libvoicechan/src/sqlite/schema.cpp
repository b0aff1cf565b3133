#include "sqlite/schema.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <thread>

#include "voicechan/store.hpp"

namespace voicechan::sqlite {
namespace {

/// Step i takes a file from user_version i to i + 1. Steps that have been released never change.
///
/// `creator`, `addressee` and `inviter` refer to users by id without a foreign key: what a removed
/// user created stays. AUTOINCREMENT keeps the id of a removed row from being given again.
constexpr std::array kMigrations = {
    R"sql(
      CREATE TABLE users (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL UNIQUE,
        key_digest BLOB NOT NULL UNIQUE  -- SHA-256
      ) STRICT;
      CREATE TABLE channels (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL,
        creator INTEGER NOT NULL,
        created_at INTEGER NOT NULL  -- microseconds since 1970, UTC
      ) STRICT;
      CREATE TABLE invitations (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        channel INTEGER NOT NULL REFERENCES channels (id),
        addressee INTEGER NOT NULL,
        inviter INTEGER NOT NULL,
        status TEXT NOT NULL,
        created_at INTEGER NOT NULL  -- microseconds since 1970, UTC
      ) STRICT;
    )sql",
    // The count is kept by triggers, so that it sees every change, and a change stays one
    // statement. (A column "until" may lie in the past: the row is then gone at once.)
    R"sql(
      CREATE TABLE revoked_tokens (
        id TEXT PRIMARY KEY,
        until INTEGER NOT NULL,      -- microseconds since 1970, UTC
        revoked_at INTEGER NOT NULL  -- microseconds since 1970, UTC
      ) STRICT, WITHOUT ROWID;
      CREATE TABLE revocations (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        count INTEGER NOT NULL
      ) STRICT;
      INSERT INTO revocations (id, count) VALUES (1, 0);
      CREATE TRIGGER key_replaced AFTER UPDATE OF key_digest ON users BEGIN
        UPDATE revocations SET count = count + 1;
      END;
      CREATE TRIGGER user_removed AFTER DELETE ON users BEGIN
        UPDATE revocations SET count = count + 1;
      END;
      CREATE TRIGGER token_revoked AFTER INSERT ON revoked_tokens BEGIN
        UPDATE revocations SET count = count + 1;
        DELETE FROM revoked_tokens WHERE until < NEW.revoked_at - 86400000000;  -- a day
      END;
    )sql",
    // Totals are kept by triggers, too, so that a quota costs one look-up and a change stays one
    // statement.
    R"sql(
      CREATE TABLE user_totals (
        user INTEGER PRIMARY KEY,
        channels INTEGER NOT NULL DEFAULT 0,    -- created by the user
        invitations INTEGER NOT NULL DEFAULT 0  -- the same
      ) STRICT;
      INSERT INTO user_totals (user, channels, invitations)
        SELECT user, sum(channels), sum(invitations) FROM (
          SELECT creator AS user, 1 AS channels, 0 AS invitations FROM channels
          UNION ALL
          SELECT inviter, 0, 1 FROM invitations
        ) GROUP BY user;
      CREATE TRIGGER channel_created AFTER INSERT ON channels BEGIN
        INSERT INTO user_totals (user, channels) VALUES (NEW.creator, 1)
          ON CONFLICT (user) DO UPDATE SET channels = channels + 1;
      END;
      CREATE TRIGGER invitation_created AFTER INSERT ON invitations BEGIN
        INSERT INTO user_totals (user, invitations) VALUES (NEW.inviter, 1)
          ON CONFLICT (user) DO UPDATE SET invitations = invitations + 1;
      END;
    )sql",
    // Ends with the row's id, as each index does: an addressee's are in the order of their ids.
    R"sql(
      CREATE INDEX invitations_by_addressee ON invitations (addressee);
    )sql",
};
static_assert(kRevokedTokenGrace == std::chrono::microseconds(86'400'000'000),
              "the trigger token_revoked has this number in it");
constexpr std::int64_t kLatestVersion = kMigrations.size();

/// PRAGMA application_id of our files: "VCHN".
constexpr std::int64_t kApplicationId = 0x5643'484E;

/// The file's schema version, 0 if it is empty. A file of somebody else is only looked at.
Result<std::int64_t> read_version(const Connection& db) {
  Statement statement(db,
                      "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema)"
                      " FROM pragma_application_id, pragma_user_version");
  Query query(statement);
  if (!query.next()) return no_row(query, Errc::store_corrupt);
  const auto application_id = query.integer(0);
  const auto version = query.integer(1);
  const auto objects = query.integer(2);

  if (application_id == 0 && version == 0 && objects == 0) return version;
  if (application_id != kApplicationId || version < 1) return Errc::store_corrupt;
  if (version > kLatestVersion) return Errc::store_too_new;
  return version;
}

/// Switches to the write-ahead log, which the file remembers. SQLite's own waiting does not cover
/// two processes that switch a new file at the same time.
std::error_code enter_wal_mode(const Connection& db, std::chrono::milliseconds patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  Statement statement(db, "PRAGMA journal_mode = WAL");
  for (;;) {
    {
      Query query(statement);
      // Any answer but "wal": the file system lacks the shared memory that it needs.
      if (query.next() && query.text(0) == "wal") return {};
      const bool is_over = std::chrono::steady_clock::now() >= deadline;
      if (!query.is_busy() || is_over) return no_row(query, Errc::store_unavailable);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

std::error_code apply_migrations(Connection& db) {
  const auto version = read_version(db);  // again: another process may have been faster
  if (!version) return version.error();
  for (auto step = *version; step < kLatestVersion; ++step) {
    if (const auto error = db.execute(kMigrations[static_cast<std::size_t>(step)])) return error;
  }
  return db.execute("PRAGMA application_id = " + std::to_string(kApplicationId) +
                    "; PRAGMA user_version = " + std::to_string(kLatestVersion));
}

}  // namespace

Result<Connection> open_file(const std::string& path, std::chrono::milliseconds patience) {
  auto db = Connection::open(path, patience);
  if (!db) return db;
  const auto error = db->execute(
      "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF");
  if (error) return error;
  return db;
}

std::error_code prepare_file(Connection& db, std::chrono::milliseconds patience) {
  const auto version = read_version(db);
  if (!version) return version.error();
  if (const auto error = enter_wal_mode(db, patience)) return error;
  if (*version == kLatestVersion) return {};

  if (const auto error = db.execute("BEGIN IMMEDIATE")) return error;
  auto error = apply_migrations(db);
  if (!error) error = db.execute("COMMIT");
  if (error && db.is_in_transaction()) (void)db.execute("ROLLBACK");
  return error;
}

}  // namespace voicechan::sqlite
