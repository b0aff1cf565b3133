#pragma once

#include <asio/buffer.hpp>
#include <asio/connect.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/ssl.hpp>
#include <asio/write.hpp>
#include <optional>
#include <string>
#include <utility>

#include "redis/redis_url.hpp"

namespace voicechan::redis {

/// A TCP connection to a Redis server, with TLS in it if its URL wants that. One thread at a time.
class RedisStream {
 public:
  /// `context` is null without TLS.
  RedisStream(asio::io_context& io, asio::ssl::context* context) : socket_(io) {
    if (context != nullptr) tls_.emplace(socket_, *context);
  }

  /// Connects to the first of `addresses` that answers, and shakes hands.
  template <class Addresses, class Handler>
  void async_open(const Addresses& addresses, const std::string& host, Handler handler) {
    asio::async_connect(socket_, addresses,
                        [this, host, handler = std::move(handler)](
                            std::error_code error, const asio::ip::tcp::endpoint&) mutable {
                          if (!error) prepare(host, error);
                          if (error || !tls_) return handler(error);
                          tls_->async_handshake(asio::ssl::stream_base::client, std::move(handler));
                        });
  }

  template <class Handler>
  void async_read_some(asio::mutable_buffer buffer, Handler handler) {
    if (tls_) return tls_->async_read_some(buffer, std::move(handler));
    socket_.async_read_some(buffer, std::move(handler));
  }

  template <class Handler>
  void async_write(asio::const_buffer buffer, Handler handler) {
    if (tls_) return asio::async_write(*tls_, buffer, std::move(handler));
    asio::async_write(socket_, buffer, std::move(handler));
  }

  void close() noexcept {
    std::error_code ignored;
    socket_.close(ignored);
  }

 private:
  void prepare(const std::string& host, std::error_code& error) {
    socket_.set_option(asio::ip::tcp::no_delay(true), error);
    if (!tls_ || error) return;
    tls_->set_verify_mode(asio::ssl::verify_peer, error);
    if (error) return;
    tls_->set_verify_callback(asio::ssl::host_name_verification(host), error);
    // Not for addresses, which have no place in it (RFC 6066).
    std::error_code is_name;
    asio::ip::make_address(host, is_name);
    if (is_name) SSL_set_tlsext_host_name(tls_->native_handle(), host.c_str());
  }

  asio::ip::tcp::socket socket_;
  std::optional<asio::ssl::stream<asio::ip::tcp::socket&>> tls_;
};

}  // namespace voicechan::redis
