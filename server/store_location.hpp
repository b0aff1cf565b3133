#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "voicechan/redis_store.hpp"
#include "voicechan/store.hpp"
#include "voicechan/store_archive.hpp"

namespace voicechan::server {

/// Where channels, invitations and users are kept.
struct StoreLocation {
  std::string database;       // a SQLite file's path, or ":memory:"
  std::string redis_url;      // instead, if not empty
  std::string password_file;  // of Redis; may be empty

  bool is_redis() const noexcept { return !redis_url.empty(); }
  /// "database voice.db" or "store redis://127.0.0.1:6379"; never a password.
  std::string display() const;
};

template <class Opened>
struct Opening {
  std::unique_ptr<Opened> store;      // null if it cannot be opened
  std::string error;                  // why not, in a sentence
  std::vector<std::string> warnings;  // what may be lost, by how Redis is set up
  std::string store_id;               // of one in Redis
};

/// Of one in Redis.
RedisStoreOptions redis_options(const StoreLocation& location);

/// Opens it. `log` is told that Redis went away and came back, by any thread.
Opening<Store> open_store(const StoreLocation& location, bool may_create,
                          std::uint64_t max_bytes = std::numeric_limits<std::uint64_t>::max(),
                          RedisLog log = {});

/// The same, to move it. One that may not be created is only read, and so may be a replica.
Opening<StoreArchive> open_archive(const StoreLocation& location, bool may_create);

/// What is wrong with a text that is neither "sqlite:FILE" nor the URL of a Redis server; empty:
/// nothing. Repeats nothing of it.
std::string check_store_location(const std::string& text);
/// Of a text that is either.
StoreLocation read_store_location(const std::string& text);

/// A URL with *** in the place of its password.
std::string without_password(std::string url);

}  // namespace voicechan::server
