#include "sqlite/database.hpp"

#include <cstring>

namespace voicechan::sqlite {

std::error_code to_error_code(int result) noexcept {
  switch (result & 0xff) {  // the low byte of an extended code is its plain code
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
      return {};
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_ERROR:  // our SQL is right, so the tables it names are missing or others
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
      return Errc::store_corrupt;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return Errc::store_locked;
    default:
      return Errc::store_unavailable;
  }
}

Result<Connection> Connection::open(const std::string& path,
                                    std::chrono::milliseconds busy_timeout) {
  if (path.find('\0') != std::string::npos) return Errc::store_unavailable;
  const bool is_absolute = !path.empty() && path.front() == '/';
  const std::string file = is_absolute ? path : "./" + path;  // never "file:…" or ":memory:"

  sqlite3* handle = nullptr;
  const int result = sqlite3_open_v2(
      file.c_str(), &handle,
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
      nullptr);
  Connection connection(handle);  // a failed open leaves a handle to close, too
  if (const auto error = to_error_code(result)) return error;

  sqlite3_busy_timeout(handle, static_cast<int>(busy_timeout.count()));
  return connection;
}

std::error_code Connection::execute(const std::string& sql) noexcept {
  return to_error_code(sqlite3_exec(handle(), sql.c_str(), nullptr, nullptr, nullptr));
}

int Statement::prepare() noexcept {
  if (handle_) return SQLITE_OK;
  sqlite3_stmt* handle = nullptr;
  const int result =
      sqlite3_prepare_v3(connection_, sql_, -1, SQLITE_PREPARE_PERSISTENT, &handle, nullptr);
  handle_.reset(handle);
  return result;
}

Query::~Query() {
  if (handle_ == nullptr) return;  // could not be prepared; sqlite3_clear_bindings would crash
  sqlite3_reset(handle_);
  sqlite3_clear_bindings(handle_);
}

bool Query::next() noexcept {
  if (result_ != SQLITE_OK && result_ != SQLITE_ROW) return false;
  result_ = sqlite3_step(handle_);
  return result_ == SQLITE_ROW;
}

std::error_code Query::run() noexcept {
  while (next()) {
  }
  return error();
}

std::string Query::text(int column) {
  const unsigned char* bytes = sqlite3_column_text(handle_, column);
  if (bytes == nullptr) {
    const bool is_out_of_memory = sqlite3_errcode(sqlite3_db_handle(handle_)) == SQLITE_NOMEM;
    result_ = is_out_of_memory ? SQLITE_NOMEM : SQLITE_CORRUPT;
    return {};
  }
  return {reinterpret_cast<const char*>(bytes),
          static_cast<std::size_t>(sqlite3_column_bytes(handle_, column))};
}

KeyDigest Query::digest(int column) {
  KeyDigest digest{};
  const void* bytes = sqlite3_column_blob(handle_, column);
  if (bytes == nullptr || sqlite3_column_bytes(handle_, column) != int{digest.size()}) {
    result_ = SQLITE_CORRUPT;
    return {};
  }
  std::memcpy(digest.data(), bytes, digest.size());
  return digest;
}

void Query::bind(int index, std::int64_t value) noexcept {
  if (result_ == SQLITE_OK) result_ = sqlite3_bind_int64(handle_, index, value);
}

void Query::bind(int index, std::string_view value) noexcept {
  if (result_ != SQLITE_OK) return;
  result_ =
      sqlite3_bind_text64(handle_, index, value.data(), value.size(), SQLITE_STATIC, SQLITE_UTF8);
}

void Query::bind(int index, const KeyDigest& value) noexcept {
  if (result_ != SQLITE_OK) return;
  result_ = sqlite3_bind_blob64(handle_, index, value.data(), value.size(), SQLITE_STATIC);
}

}  // namespace voicechan::sqlite
