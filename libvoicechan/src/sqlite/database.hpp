#pragma once

#include <sqlite3.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>

#include "voicechan/model.hpp"
#include "voicechan/result.hpp"

// The least that is needed over SQLite's C API: ownership, and result codes as our errors.

namespace voicechan::sqlite {

/// What a SQLite result code (plain or extended) means to the callers of a store; no error for
/// SQLITE_OK, SQLITE_ROW and SQLITE_DONE.
std::error_code to_error_code(int result) noexcept;

/// An open database file. One thread at a time.
class Connection {
 public:
  /// Opens a file, creating an empty one if there is none. `path` is always a file's: URIs and
  /// ":memory:" have no special meaning. Reads nothing yet, so a foreign file is noticed later.
  /// `busy_timeout` is 0 to INT_MAX.
  static Result<Connection> open(const std::string& path, std::chrono::milliseconds busy_timeout);

  /// Runs statements that need no arguments and whose rows do not matter.
  std::error_code execute(const std::string& sql) noexcept;

  bool is_in_transaction() const noexcept { return sqlite3_get_autocommit(handle()) == 0; }
  std::int64_t last_insert_id() const noexcept { return sqlite3_last_insert_rowid(handle()); }

  sqlite3* handle() const noexcept { return handle_.get(); }

 private:
  struct Close {
    void operator()(sqlite3* handle) const noexcept { sqlite3_close_v2(handle); }
  };

  explicit Connection(sqlite3* handle) noexcept : handle_(handle) {}

  std::unique_ptr<sqlite3, Close> handle_;
};

/// A statement that is prepared at its first run and kept for the next ones. It must not outlive
/// its connection, nor `sql` the statement.
class Statement {
 public:
  Statement(const Connection& db, const char* sql) noexcept : connection_(db.handle()), sql_(sql) {}

 private:
  friend class Query;

  struct Finalize {
    void operator()(sqlite3_stmt* handle) const noexcept { sqlite3_finalize(handle); }
  };

  int prepare() noexcept;

  sqlite3* connection_;
  const char* sql_;
  std::unique_ptr<sqlite3_stmt, Finalize> handle_;
};

/// One run of a statement, from its arguments to its last row. Arguments are not copied and must
/// outlive the query. A statement has one query at a time.
class Query {
 public:
  template <class... Arguments>
  explicit Query(Statement& statement, const Arguments&... arguments) noexcept
      : result_(statement.prepare()), handle_(statement.handle_.get()) {
    int index = 0;
    (bind(++index, arguments), ...);
  }
  ~Query();
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  /// Moves to the next row; false after the last one and after a failure (see `error`).
  bool next() noexcept;

  /// Goes through to the end.
  std::error_code run() noexcept;

  std::error_code error() const noexcept { return to_error_code(result_); }
  bool is_busy() const noexcept { return (result_ & 0xff) == SQLITE_BUSY; }
  bool has_violated_unique() const noexcept { return result_ == SQLITE_CONSTRAINT_UNIQUE; }

  std::int64_t integer(int column) const noexcept { return sqlite3_column_int64(handle_, column); }
  /// A column that is never NULL. If it is nevertheless, or memory runs out, `error` says so.
  std::string text(int column);
  /// A column that is never NULL, of the size of a digest; else `error` says so.
  KeyDigest digest(int column);

 private:
  void bind(int index, std::int64_t value) noexcept;
  void bind(int index, std::string_view value) noexcept;
  void bind(int index, const KeyDigest& value) noexcept;

  int result_;
  sqlite3_stmt* handle_;
};

/// Why a query gave no (useful) row: it has failed, or else `absent`.
inline std::error_code no_row(const Query& query, Errc absent) noexcept {
  const auto error = query.error();
  return error ? error : make_error_code(absent);
}

}  // namespace voicechan::sqlite
