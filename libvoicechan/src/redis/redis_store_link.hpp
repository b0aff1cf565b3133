#pragma once

#include <atomic>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <variant>
#include <vector>

#include "redis/redis_client.hpp"
#include "redis/redis_url.hpp"
#include "voicechan/mutex.hpp"
#include "voicechan/redis_store.hpp"
#include "voicechan/result.hpp"

namespace voicechan::redis {

/// The server of a store, with all that the files hold which the options name.
struct StoreServer {
  RedisUrl url;
  std::shared_ptr<asio::ssl::context> tls;  // null: without
};

/// Fails with what is wrong with the options, in a sentence that names no password. It connects to
/// nothing.
std::variant<StoreServer, std::string> find_store(const RedisStoreOptions& options);

/// What a store and an archive have in common: a client, answers as our errors, and the certainty
/// that it is still the store that was opened. Thread-safe.
class StoreLink {
 public:
  /// Why there is none, as `RedisOpening` says it.
  struct Failure {
    std::error_code error;
    std::string reason;
  };

  /// What `vc:store:meta` says.
  struct Meta {
    std::string format;  // empty: there is no store
    std::string id;
    std::string import;
  };

  /// Connects; null and `failure` if that fails. Looks at nothing but whether the server could keep
  /// what is written, and does so after each loss of the connection.
  static std::unique_ptr<StoreLink> open(RedisStoreOptions options, Failure& failure);

  /// From now on, another store than this is an error.
  void bind(std::string store_id) VOICECHAN_EXCLUDES(mutex_);

  /// An answer that is no error and no refusal.
  Result<RedisReply> ask(std::initializer_list<std::string_view> arguments);
  Result<RedisReply> ask_command(std::string command);
  Result<RedisReply> run(const Script& script, std::initializer_list<std::string_view> keys,
                         std::initializer_list<std::string_view> arguments);

  Result<Meta> meta();
  /// `Errc::store_corrupt`, and the same for all that comes until the right store is back, if this
  /// is not the id of the one that was opened.
  std::error_code check_id(std::string_view store_id);

  /// What Redis may lose, by how it is set up.
  std::vector<std::string> durability_warnings();

  /// In words, after a failure; `reason` if it is known.
  Failure explain(std::error_code error, std::string reason = {}) const VOICECHAN_EXCLUDES(mutex_);

 private:
  explicit StoreLink(RedisStoreOptions options) : options_(std::move(options)) {}

  Result<RedisReply> to_result(std::optional<RedisReply> reply) VOICECHAN_EXCLUDES(mutex_);
  std::string check_greeting(const RedisReply& reply) VOICECHAN_EXCLUDES(mutex_);
  void tell(std::string_view reason) const;

  RedisStoreOptions options_;
  std::string display_;
  std::atomic<bool> is_bound_{false};
  std::atomic<bool> is_other_store_{false};
  mutable Mutex mutex_;
  std::string store_id_ VOICECHAN_GUARDED_BY(mutex_);
  std::string last_error_ VOICECHAN_GUARDED_BY(mutex_);  // of Redis; its words
  std::unique_ptr<RedisClient> client_;                  // last: its thread uses the others
};

/// The text of a member of a sorted set's page, or of a script's answer; empty for anything else.
inline std::string_view text_of(const RedisReply& reply) noexcept {
  return reply.type == RedisReply::Type::string ? std::string_view(reply.text) : std::string_view();
}

}  // namespace voicechan::redis
