#pragma once

#include <asio/io_context.hpp>
#include <asio/ssl/context.hpp>
#include <asio/steady_timer.hpp>
#include <chrono>
#include <cstddef>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

#include "redis/backoff.hpp"
#include "redis/redis_connection.hpp"
#include "redis/redis_introduction.hpp"
#include "redis/redis_reply.hpp"
#include "redis/redis_url.hpp"
#include "redis/topic_reconciler.hpp"

namespace voicechan::redis {

/// Keeps a connection to one server, for ever: connects, says who we are, and connects again. One
/// thread at a time: the event loop's.
class RedisLink final : private RedisConnection::Owner {
 public:
  class Listener {
   public:
    /// The server has answered: commands can be sent.
    virtual void on_up() = 0;
    /// Replies to what was sent on this connection do not come any more. Also called, without
    /// `on_up` before, when a try to connect has failed.
    virtual void on_down(const std::string& reason) = 0;
    /// The next reply, in the order of the commands; or what a subscriber is told.
    virtual void on_reply(RedisReply&& reply) = 0;

    /// Before `on_up`. Why this server is not to be used; empty: it is.
    virtual std::string on_nature(const RedisNature&) { return {}; }

   protected:
    ~Listener() = default;
  };

  RedisLink(asio::io_context& io, const RedisUrl& url, std::shared_ptr<asio::ssl::context> tls,
            const RedisReplyLimits& limits, Listener& listener);
  ~RedisLink();
  RedisLink(const RedisLink&) = delete;
  RedisLink& operator=(const RedisLink&) = delete;

  void start();

  bool is_up() const noexcept { return state_ == State::up; }

  /// Only while it is up. The command leaves at the end of the loop's turn.
  void send(std::initializer_list<std::string_view> arguments);
  /// The same for commands that are appended to `out`.
  std::string& out() noexcept { return connection_->out(); }
  void flush() { connection_->flush(); }

  /// What the kernel has not taken yet.
  std::size_t waiting_bytes() const noexcept { return connection_->waiting_bytes(); }

  /// Gives the connection up and makes another one; `on_down` is called.
  void reconnect(const std::string& reason);

 private:
  enum class State { idle, connecting, introducing, up };

  void on_connected() override;
  void on_reply(RedisReply&& reply) override;
  void on_closed(const std::string& reason) override;

  void connect();

  asio::io_context& io_;
  const RedisUrl url_;
  const std::shared_ptr<asio::ssl::context> tls_;
  const RedisReplyLimits limits_;
  Listener& listener_;
  std::shared_ptr<RedisConnection> connection_;
  asio::steady_timer timer_;
  Backoff backoff_;
  State state_ = State::idle;
  std::size_t awaited_replies_ = 0;  // to what introduces us; the last two to HELLO and PING
  std::chrono::steady_clock::time_point up_since_;
  const std::shared_ptr<char> alive_ = std::make_shared<char>();  // handlers that outlive us look
};

/// Sends what subscriptions there are to be asked for, if the link of a subscriber is up.
void send_due(TopicReconciler& topics, RedisLink& link);

}  // namespace voicechan::redis
