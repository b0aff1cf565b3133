#pragma once

#include <memory>
#include <system_error>
#include <utility>
#include <vector>

#include "sqlite/commit_queue.hpp"
#include "sqlite/database.hpp"
#include "voicechan/mutex.hpp"

// The connections of a store to its file, each with the statements that it runs.

namespace voicechan::sqlite {

/// The connection that writes. Each operation changes the file with at most one statement, its
/// last: SQLite undoes a failed statement by itself, so that an operation that is refused leaves
/// nothing behind in its group's transaction and needs no savepoint.
struct Writer final : Transaction {
  explicit Writer(Connection connection) : db(std::move(connection)) {}

  std::error_code begin() noexcept override {
    rollback();  // in case that an earlier one has failed
    return Query(begin_transaction).run();
  }
  std::error_code commit() noexcept override { return Query(commit_transaction).run(); }
  void rollback() noexcept override {
    // After a full disk or an I/O error SQLite may have done so already.
    if (db.is_in_transaction()) (void)Query(rollback_transaction).run();
  }

  Connection db;
  Statement begin_transaction{db, "BEGIN IMMEDIATE"};
  Statement commit_transaction{db, "COMMIT"};
  Statement rollback_transaction{db, "ROLLBACK"};
  Statement insert_channel{db, "INSERT INTO channels (name, creator, created_at) VALUES (?, ?, ?)"};
  Statement count_channels{db, "SELECT channels FROM user_totals WHERE user = ?"};
  Statement count_invitations{db, "SELECT invitations FROM user_totals WHERE user = ?"};
  Statement find_channel_name{db, "SELECT name FROM channels WHERE id = ?"};
  Statement find_user_id{db, "SELECT id FROM users WHERE id = ?"};
  Statement insert_invitation{db,
                              "INSERT INTO invitations"
                              " (channel, addressee, inviter, status, created_at)"
                              " VALUES (?, ?, ?, ?, ?)"};
  Statement insert_user{db, "INSERT INTO users (name, key_digest) VALUES (?, ?)"};
  Statement update_key{db, "UPDATE users SET key_digest = ? WHERE name = ? RETURNING id"};
  Statement insert_revoked_token{db,
                                 "INSERT INTO revoked_tokens (id, until, revoked_at)"
                                 " VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE"
                                 " SET until = max(until, excluded.until) RETURNING id, until"};
  Statement delete_user{db, "DELETE FROM users WHERE name = ? RETURNING id"};
};

/// A connection that reads what was committed last, by whomever, while others write.
struct Reader {
  explicit Reader(Connection connection) : db(std::move(connection)) {}

  Connection db;
  Statement find_channel{db, "SELECT id, name, creator, created_at FROM channels WHERE id = ?"};
  Statement list_channels{db,
                          "SELECT id, name, creator, created_at FROM channels"
                          " WHERE id > ? ORDER BY id LIMIT ?"};
  Statement list_invitations{
      db,
      "SELECT i.id, i.channel, i.addressee, i.inviter, i.status, i.created_at, c.name,"
      " coalesce(u.name, '') FROM invitations AS i JOIN channels AS c ON c.id = i.channel"
      " LEFT JOIN users AS u ON u.id = i.inviter WHERE i.addressee = ? AND i.id > ?"
      " ORDER BY i.id DESC LIMIT ?"};
  Statement list_users{db, "SELECT id, name FROM users ORDER BY id"};
  Statement find_user{db, "SELECT id, name FROM users WHERE id = ?"};
  Statement find_user_by_name{db, "SELECT id, name FROM users WHERE name = ?"};
  Statement find_user_by_key{db, "SELECT id, name, key_digest FROM users WHERE key_digest = ?"};
  Statement find_revoked_token{db, "SELECT id FROM revoked_tokens WHERE id = ?"};
  Statement list_revoked_tokens{db, "SELECT id, until FROM revoked_tokens ORDER BY id"};
  Statement count_revocations{db, "SELECT count FROM revocations"};
};

/// Lends readers, each to one thread at a time. Thread-safe.
class ReaderPool {
 public:
  class Lease {
   public:
    explicit Lease(ReaderPool& pool) : pool_(&pool), reader_(pool.take()) {}
    ~Lease() { pool_->give_back(reader_); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;

    Reader& operator*() const noexcept { return *reader_; }

   private:
    ReaderPool* pool_;
    Reader* reader_;
  };

  explicit ReaderPool(std::vector<std::unique_ptr<Reader>> readers) : readers_(std::move(readers)) {
    for (const auto& reader : readers_) idle_.push_back(reader.get());
  }

 private:
  Reader* take() {
    const MutexLock lock(mutex_);
    while (idle_.empty()) returned_.wait(mutex_);
    Reader* reader = idle_.back();
    idle_.pop_back();
    return reader;
  }

  void give_back(Reader* reader) {
    const MutexLock lock(mutex_);
    idle_.push_back(reader);  // never grows: all readers have been in it
    returned_.notify_one();
  }

  const std::vector<std::unique_ptr<Reader>> readers_;
  Mutex mutex_;
  ConditionVariable returned_;
  std::vector<Reader*> idle_ VOICECHAN_GUARDED_BY(mutex_);  // the last one has the warmest cache
};

}  // namespace voicechan::sqlite
