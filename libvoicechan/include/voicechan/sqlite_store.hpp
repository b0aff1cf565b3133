#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>

#include "voicechan/export.hpp"
#include "voicechan/result.hpp"
#include "voicechan/store.hpp"
#include "voicechan/store_archive.hpp"

namespace voicechan {

/// Limits of a store in a file.
struct SqliteStoreOptions {
  /// How long an operation waits for a lock that another process holds before it fails with
  /// `Errc::store_locked`.
  std::chrono::milliseconds busy_timeout{5000};
  /// The file grows no larger by this process; then writes fail with `Errc::store_unavailable`, as
  /// on a full disk. The write-ahead log beside it, of some MiB, is not counted.
  std::uint64_t max_bytes = std::numeric_limits<std::uint64_t>::max();
};

/// Opens (or creates) a store in a SQLite file; link `voicechan::sqlite`. Several processes may
/// have the same file open. Older schema versions are migrated in one transaction.
///
/// A write has reached the disk when its method returns (WAL, `synchronous=FULL`). Writes of
/// several threads that wait at the same time share one transaction, and so one sync: the more
/// threads call, the more writes a second. A write that waits behind such a group may take twice
/// `busy_timeout` to fail. Should the disk fail in the middle of a sync, a write that was refused
/// may still be found after a crash.
///
/// Fails with `Errc::store_unavailable` (cannot be opened), `Errc::store_locked`,
/// `Errc::store_corrupt` (damaged, or not a voicechan database) or `Errc::store_too_new`.
VOICECHAN_API Result<std::unique_ptr<Store>> open_sqlite_store(const std::string& path,
                                                               SqliteStoreOptions options = {});

/// Opens (or creates) what a SQLite file holds of a store, to move it. An import is one
/// transaction, so that nothing of one that does not come to its end is left. Fails as
/// `open_sqlite_store` does.
VOICECHAN_API Result<std::unique_ptr<StoreArchive>> open_sqlite_archive(const std::string& path);

}  // namespace voicechan
