#pragma once

#include <chrono>
#include <string>
#include <system_error>

#include "sqlite/database.hpp"

namespace voicechan::sqlite {

/// Opens a file, or makes it, so that what is committed is on the disk. Waits for other processes
/// as long as `patience`.
Result<Connection> open_file(const std::string& path, std::chrono::milliseconds patience);

/// Makes a file ready: checks that it is ours, switches it to the write-ahead log, and brings its
/// tables to the latest version in one transaction. A file of somebody else is left alone. Waits
/// for other processes as long as `patience`.
std::error_code prepare_file(Connection& db, std::chrono::milliseconds patience);

}  // namespace voicechan::sqlite
