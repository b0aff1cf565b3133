#pragma once

#include <asio/buffer.hpp>
#include <asio/connect.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/ssl.hpp>
#include <asio/write.hpp>
#include <optional>
#include <string>
#include <utility>

namespace voicechan::redis {

/// A TCP connection to a Redis server, with TLS in it if there is a context (`make_tls_context`).
/// It must live until its handlers have been called. One thread at a time.
class RedisStream {
 public:
  using Socket = asio::ip::tcp::socket;

  RedisStream(asio::io_context& io, asio::ssl::context* context) : socket_(io) {
    if (context != nullptr) tls_.emplace(socket_, *context);
  }

  Socket& socket() noexcept { return socket_; }

  /// Connects to the first of `addresses` that answers.
  template <class Addresses, class Handler>
  void async_connect(const Addresses& addresses, Handler handler) {
    asio::async_connect(socket_, addresses,
                        [this, handler = std::move(handler)](
                            std::error_code error, const asio::ip::tcp::endpoint&) mutable {
                          if (!error) socket_.set_option(asio::ip::tcp::no_delay(true), error);
                          handler(error);
                        });
  }

  /// Once connected; without TLS `handler` is called at once. The server's certificate is to be of
  /// this name or address.
  template <class Handler>
  void async_handshake(const std::string& host, Handler handler) {
    if (!tls_) return handler(std::error_code());
    std::error_code error;
    tls_->set_verify_callback(asio::ssl::host_name_verification(host), error);
    if (error) return handler(error);
    // Not for addresses, which have no place in it (RFC 6066).
    std::error_code is_name;
    (void)asio::ip::make_address(host, is_name);
    if (is_name) SSL_set_tlsext_host_name(tls_->native_handle(), host.c_str());
    tls_->async_handshake(asio::ssl::stream_base::client, std::move(handler));
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
  Socket socket_;
  std::optional<asio::ssl::stream<Socket&>> tls_;
};

}  // namespace voicechan::redis
