#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "voicechan/export.hpp"
#include "voicechan/redis_log.hpp"
#include "voicechan/result.hpp"
#include "voicechan/store.hpp"
#include "voicechan/store_archive.hpp"

namespace voicechan {

/// Where a store in Redis is, and how it is spoken to.
struct RedisStoreOptions {
  /// `redis://[[user]:password@]host[:port][/database]`, or `rediss://…` for TLS; may end with
  /// `?password-file=FILE` and, with TLS, `?ca=FILE` (PEM; otherwise those that the system trusts).
  std::string url;
  /// Its first line is the password, instead of one in `url`. Empty: there is none.
  std::string password_file;
  /// An operation that gets no answer for so long fails with `Errc::store_unavailable`. While the
  /// server is known to be away, one fails after a tenth of it.
  std::chrono::milliseconds timeout{1000};
  /// A replica will do: nothing is going to be written.
  bool may_be_replica = false;
  /// Told that Redis went away or came back. On a thread of the store.
  RedisLog log;
};

/// What is wrong with a `RedisStoreOptions::url`, in a sentence that repeats nothing of it; empty:
/// nothing.
VOICECHAN_API std::string check_redis_url(std::string_view url);

/// The same of the files that it names, which are read: password and certificates.
VOICECHAN_API std::string check_redis_files(const RedisStoreOptions& options);

/// The server and the database that such a URL names, without user and password.
VOICECHAN_API std::string display_redis_url(std::string_view url);

/// What came of opening a store in Redis.
template <class Opened>
struct RedisOpening {
  std::unique_ptr<Opened> store;  ///< null if it cannot be opened
  /// Another one for each store that was begun: 32 hexadecimal digits. Of a `Store` alone.
  std::string store_id;
  /// Why not: `Errc::store_unavailable` (URL, connection, password, rights), `store_corrupt` (not a
  /// store of ours, or one that a migration has not filled to the end) or `store_too_new`.
  std::error_code error;
  /// The same in words for an operator. Never holds a password.
  std::string reason;
  /// What Redis may lose, by how it is set up, of what was acknowledged; a sentence each.
  std::vector<std::string> warnings;
};

/// Opens (or begins) a store in a Redis server, 5 or later, that any number of processes share;
/// link `voicechan::redis`. Each operation that decides something is one script in Redis. Under
/// keys that begin with `vc:store:`.
///
/// A write is as durable as Redis is set up to make it when its method returns: with `appendonly
/// yes` and `appendfsync always`, it has reached the disk. Writes of several threads that wait at
/// the same time share one sync. A write that failed because no answer came may have been done
/// nevertheless, or be done later by a server that was only stopped.
///
/// Should Redis come back with another store, or none, than the one that was opened, operations
/// fail with `Errc::store_corrupt`: ids would be given again. Blocks.
VOICECHAN_API RedisOpening<Store> open_redis_store(RedisStoreOptions options);

/// Opens what a Redis server holds of a store, or a place for one, to move it. Blocks.
VOICECHAN_API RedisOpening<StoreArchive> open_redis_archive(RedisStoreOptions options);

}  // namespace voicechan
