#pragma once

#include <asio/io_context.hpp>
#include <asio/signal_set.hpp>
#include <asio/steady_timer.hpp>

#include "options.hpp"
#include "server.hpp"
#include "service_phase.hpp"

namespace voicechan::server {

/// Does what signals tell: SIGTERM and SIGINT drain the server, a second one ends the process at
/// once; SIGUSR1 takes it out of service and back, also from a drain. One thread at a time.
class ServiceControl {
 public:
  /// From here on signals come to `io`, which must be run; until `serve`, SIGTERM and SIGINT end
  /// the process with 0.
  ServiceControl(asio::io_context& io, const ServerOptions& options);

  /// Runs `io` until the server is to be ended.
  void serve(Server& server);

 private:
  void wait_for_signal();
  void on_signal(int number);
  void drain(const char* reason);

  asio::io_context& io_;
  const ServerOptions& options_;
  asio::signal_set signals_;
  asio::steady_timer deadline_;
  Server* server_ = nullptr;  // once there is one
  ServicePhase phase_ = ServicePhase::serving;
  unsigned drains_ = 0;
};

}  // namespace voicechan::server
