#include "store_location.hpp"

#include <filesystem>
#include <system_error>
#include <utility>

#include "voicechan/sqlite_store.hpp"

namespace voicechan::server {
namespace {

constexpr std::string_view kSqlite = "sqlite:";
constexpr std::string_view kRedis = "redis";

template <class Opened>
Opening<Opened> from_redis(RedisOpening<Opened> opening) {
  Opening<Opened> result{
      std::move(opening.store), {}, std::move(opening.warnings), std::move(opening.store_id)};
  if (result.store == nullptr) result.error = "cannot open the store: " + opening.reason;
  return result;
}

template <class Opened, class Open>
Opening<Opened> from_file(const StoreLocation& location, bool may_create, Open open) {
  Opening<Opened> result;
  if (!may_create && !std::filesystem::exists(location.database)) {
    result.error = "there is no database " + location.database;
    return result;
  }
  const auto folder = std::filesystem::path(location.database).parent_path();
  std::error_code error;
  if (!folder.empty() && !std::filesystem::is_directory(folder, error)) {
    result.error =
        "cannot open database " + location.database + ": there is no folder " + folder.string();
    return result;
  }
  Result<std::unique_ptr<Opened>> opened = open();
  if (opened) {
    result.store = std::move(opened).value();
  } else {
    result.error = "cannot open database " + location.database + ": " + opened.error().message();
  }
  return result;
}

}  // namespace

RedisStoreOptions redis_options(const StoreLocation& location) {
  RedisStoreOptions options;
  options.url = location.redis_url;
  options.password_file = location.password_file;
  return options;
}

std::string StoreLocation::display() const {
  return is_redis() ? "store " + display_redis_url(redis_url) : "database " + database;
}

Opening<Store> open_store(const StoreLocation& location, bool may_create, std::uint64_t max_bytes,
                          RedisLog log) {
  if (location.is_redis()) {
    RedisStoreOptions options = redis_options(location);
    options.log = std::move(log);
    return from_redis(open_redis_store(std::move(options)));
  }
  if (location.database == ":memory:") return {make_memory_store(), {}, {}, {}};
  return from_file<Store>(location, may_create, [&] {
    SqliteStoreOptions options;
    options.max_bytes = max_bytes;
    return open_sqlite_store(location.database, options);
  });
}

Opening<StoreArchive> open_archive(const StoreLocation& location, bool may_create) {
  if (location.is_redis()) {
    RedisStoreOptions options = redis_options(location);
    options.may_be_replica = !may_create;
    return from_redis(open_redis_archive(std::move(options)));
  }
  return from_file<StoreArchive>(location, may_create,
                                 [&] { return open_sqlite_archive(location.database); });
}

StoreLocation read_store_location(const std::string& text) {
  StoreLocation location;
  if (text.compare(0, kSqlite.size(), kSqlite) == 0) {
    location.database = text.substr(kSqlite.size());
  } else {
    location.redis_url = text;
  }
  return location;
}

std::string check_store_location(const std::string& text) {
  if (text == kSqlite) return "after sqlite: there must be a file";
  if (text.compare(0, kSqlite.size(), kSqlite) == 0) return {};
  if (text.compare(0, kRedis.size(), kRedis) == 0) return check_redis_url(text);
  return "it must be sqlite:FILE, or redis://HOST";
}

std::string without_password(std::string url) {
  const std::size_t begin = url.find("://");
  const std::size_t at = url.rfind('@', url.find('?'));
  if (begin == std::string::npos || at == std::string::npos) return url;
  const std::size_t colon = url.find(':', begin + 3);
  if (colon > at || colon + 1 == at) return url;
  return url.replace(colon + 1, at - colon - 1, "***");
}

}  // namespace voicechan::server
