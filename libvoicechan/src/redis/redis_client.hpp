#pragma once

#include <array>
#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "redis/redis_introduction.hpp"
#include "redis/redis_reply.hpp"
#include "redis/redis_store_scripts.hpp"
#include "redis/redis_stream.hpp"
#include "redis/redis_url.hpp"
#include "voicechan/mutex.hpp"

namespace voicechan::redis {

/// Has a Redis server run commands for any number of threads, each of which waits for its answer.
/// All share one connection, on which a thread of this object sends what has come together
/// meanwhile at once: the more callers, the more commands for each write to the socket and, in
/// Redis, for each sync of its log.
///
/// A connection that is lost is made again by the next call. A call that was sent when it got lost
/// may or may not have been run. Thread-safe.
class RedisClient {
 public:
  struct Options {
    RedisUrl url;
    /// As `make_tls_context` has made it of the URL.
    std::shared_ptr<asio::ssl::context> tls;
    /// No call waits longer, and none much longer than a tenth of that while the server is known
    /// to be away.
    std::chrono::milliseconds timeout{1000};
    /// Says why a server is not to be used; empty: it is. Called on this object's thread.
    std::function<std::string(const RedisNature&)> check_nature;
    /// Sent first on each connection, after AUTH and SELECT; may be empty.
    std::vector<std::string> greeting;
    /// Says what is wrong with the answer to the greeting; then the connection is not used. Called
    /// on this object's thread.
    std::function<std::string(const RedisReply&)> check_greeting;
    /// Told once that the server is away (why) and once that it is back (empty), as often as that
    /// happens. Called on this object's thread.
    std::function<void(std::string_view reason)> on_change;
  };

  /// Throws std::system_error if there can be no thread.
  explicit RedisClient(Options options);
  /// No call may be under way.
  ~RedisClient();
  RedisClient(const RedisClient&) = delete;
  RedisClient& operator=(const RedisClient&) = delete;

  /// Nothing if there was no answer; an answer may be an error of Redis.
  std::optional<RedisReply> call(std::initializer_list<std::string_view> arguments);
  /// A command that `append_command` has made.
  std::optional<RedisReply> call_command(std::string command) VOICECHAN_EXCLUDES(mutex_);
  std::optional<RedisReply> run(const Script& script, std::initializer_list<std::string_view> keys,
                                std::initializer_list<std::string_view> arguments);

  /// Gives up the connection, so that the next one's greeting is looked at.
  void reconnect();

  /// Why there was no connection last, in words for an operator; without credentials.
  std::string last_problem() const VOICECHAN_EXCLUDES(mutex_);

 private:
  enum class State { closed, opening, open };

  /// What a thread waits for; shared, because the thread may give up first.
  struct Call {
    std::string command;
    std::optional<RedisReply> reply;
    bool is_sent = false;
    bool has_ended = false;
    ConditionVariable ended;
  };
  using CallPointer = std::shared_ptr<Call>;

  // All that follows runs on thread_.
  void run_loop();
  void take_calls();
  void give_up(const CallPointer& call);
  void open();
  void greet();
  void send();
  void receive();
  void take_replies();
  void take_greeting_reply(const RedisReply& reply);
  void welcome();
  void lose(const std::string& reason, bool is_away);
  void queue(const std::vector<CallPointer>& calls);
  void answer(std::vector<std::pair<CallPointer, RedisReply>>& replies) VOICECHAN_EXCLUDES(mutex_);

  const Options options_;
  asio::io_context io_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_{io_.get_executor()};

  // Of thread_. Handlers of a connection that was given up are told by the generation.
  State state_ = State::closed;
  std::uint64_t generation_ = 0;
  std::shared_ptr<RedisStream> stream_;
  asio::ip::tcp::resolver resolver_{io_};
  asio::steady_timer opening_deadline_{io_};
  std::unique_ptr<RedisReplyReader> reader_;
  std::array<char, 16 * 1024> received_;
  std::string unsent_;
  std::string sending_;
  std::deque<CallPointer> unanswered_;
  std::vector<CallPointer> waiting_;  // for the connection
  std::size_t greeting_replies_ = 0;  // to come
  bool is_told_away_ = false;

  mutable Mutex mutex_;
  std::vector<CallPointer> submitted_ VOICECHAN_GUARDED_BY(mutex_);
  bool is_away_ VOICECHAN_GUARDED_BY(mutex_) = false;  // the last attempt to connect has failed
  std::string last_problem_ VOICECHAN_GUARDED_BY(mutex_);

  std::thread thread_;
};

}  // namespace voicechan::redis
