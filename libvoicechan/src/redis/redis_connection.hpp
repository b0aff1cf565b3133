#pragma once

#include <array>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/ssl/context.hpp>
#include <asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <string>

#include "redis/redis_reply.hpp"
#include "redis/redis_stream.hpp"
#include "redis/redis_url.hpp"

namespace voicechan::redis {

/// One connection to a server, from its opening to its end: bytes out, replies in. What is appended
/// in one turn of the event loop leaves in one write. One thread at a time: the event loop's.
class RedisConnection : public std::enable_shared_from_this<RedisConnection> {
 public:
  class Owner {
   public:
    virtual void on_connected() = 0;
    virtual void on_reply(RedisReply&& reply) = 0;
    /// The connection has ended, or never came about; nothing follows.
    virtual void on_closed(const std::string& reason) = 0;

   protected:
    ~Owner() = default;
  };

  /// `tls` is null without TLS. `owner` must live until `on_closed` or `close`.
  static std::shared_ptr<RedisConnection> open(asio::io_context& io, const RedisUrl& url,
                                               std::shared_ptr<asio::ssl::context> tls,
                                               const RedisReplyLimits& limits, Owner& owner);

  RedisConnection(asio::io_context& io, const RedisUrl& url,
                  std::shared_ptr<asio::ssl::context> tls, const RedisReplyLimits& limits,
                  Owner& owner);

  /// Commands to be sent; after appending, `flush`.
  std::string& out() noexcept { return out_; }
  void flush();

  /// What the kernel has not taken yet.
  std::size_t waiting_bytes() const noexcept { return out_.size() + writing_.size(); }

  /// The owner is not called any more.
  void close();

 private:
  void start();
  void connect(const asio::ip::tcp::resolver::results_type& endpoints);
  void handle_connected();
  void read();
  void handle_read(std::size_t size);
  void write();
  void handle_written();
  void fail(const std::string& reason);

  Owner* owner_;
  const RedisUrl url_;
  const std::shared_ptr<asio::ssl::context> tls_;
  asio::ip::tcp::resolver resolver_;
  RedisStream stream_;
  asio::steady_timer hold_;
  RedisReplyReader reader_;
  std::string out_;
  std::string writing_;
  bool is_flush_due_ = false;
  bool is_busy_ = false;
  int writes_in_window_ = 0;
  std::chrono::steady_clock::time_point window_begin_;
  std::chrono::steady_clock::time_point last_write_;
  std::array<char, std::size_t{16} << 10> in_;
};

}  // namespace voicechan::redis
