#pragma once

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/steady_timer.hpp>
#include <functional>

#include "client_address.hpp"
#include "http_message.hpp"

namespace voicechan::server {

/// Accepts connections on an address that several workers share (SO_REUSEPORT: the kernel spreads
/// connections among them). When the process has no descriptors left it answers 503 to those that
/// wait, pauses, and tries again; it neither spins nor dies. One thread at a time.
class Listener {
 public:
  using Adopt = std::function<void(asio::ip::tcp::socket, const ClientAddress&)>;

  /// Binds and listens. `adopt` gets each accepted socket, non-blocking and with TCP_NODELAY, and
  /// its peer's address.
  /// Throws std::system_error.
  Listener(asio::io_context& io, const asio::ip::tcp::endpoint& endpoint, Adopt adopt);
  ~Listener();

  asio::ip::tcp::endpoint local_endpoint() const { return acceptor_.local_endpoint(); }
  void start() { wait(); }
  /// Answers those that wait to be accepted, and closes.
  void refuse_waiting(const HttpResponse& response) noexcept;
  void close();

  /// Sends `response`, as far as it can be sent at once, and closes: for a connection that there is
  /// no place for.
  static void refuse(int descriptor, const HttpResponse& response) noexcept;

 private:
  void wait();
  void accept_waiting();
  void on_out_of_descriptors();

  asio::ip::tcp::acceptor acceptor_;
  asio::steady_timer pause_;
  Adopt adopt_;
  int reserve_descriptor_;    // given up for a moment to accept and refuse when there is no other
  bool is_refusing_ = false;  // has been logged
};

/// Throws std::system_error (address in use) if anything listens on the address already. Needed
/// because SO_REUSEPORT would let a second server share the port in silence.
void check_address_is_free(const asio::ip::tcp::endpoint& endpoint);

}  // namespace voicechan::server
