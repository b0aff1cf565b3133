#include "service_control.hpp"

#include <asio/post.hpp>
#include <chrono>
#include <csignal>
#include <cstdlib>

#include "spdlog/spdlog.h"

namespace voicechan::server {
namespace {

const char* name_of(int signal) noexcept {
  return signal == SIGUSR1 ? "SIGUSR1" : signal == SIGINT ? "SIGINT" : "SIGTERM";
}

double seconds(std::chrono::milliseconds time) noexcept {
  return std::chrono::duration<double>(time).count();
}

}  // namespace

ServiceControl::ServiceControl(asio::io_context& io, const ServerOptions& options)
    : io_(io), options_(options), signals_(io, SIGINT, SIGTERM, SIGUSR1), deadline_(io) {
  wait_for_signal();
}

void ServiceControl::serve(Server& server) {
  server_ = &server;
  if (phase_ == ServicePhase::withdrawn) server.withdraw();
  io_.restart();
  io_.run();
}

void ServiceControl::wait_for_signal() {
  signals_.async_wait([this](asio::error_code error, int number) {
    if (error) return;
    on_signal(number);
    wait_for_signal();
  });
}

void ServiceControl::on_signal(int number) {
  const bool is_toggle = number == SIGUSR1;
  phase_ = is_toggle ? after_toggle(phase_) : after_stop(phase_);
  if (server_ == nullptr) {
    if (is_toggle) return;
    spdlog::info("{} during the start: stopped", name_of(number));
    std::_Exit(0);  // a store that waits for another process' lock cannot be interrupted
  }
  switch (phase_) {
    case ServicePhase::serving:
      deadline_.cancel();
      server_->resume();
      spdlog::info("{}: back in service", name_of(number));
      return;
    case ServicePhase::withdrawn:
      server_->withdraw();
      spdlog::info("{}: out of service: not ready, no new WebSockets", name_of(number));
      return;
    case ServicePhase::draining:
      return drain(name_of(number));
    case ServicePhase::ended:
      spdlog::warn("a second {}: ended at once", name_of(number));
      std::_Exit(0);  // what was acknowledged is on the disk
  }
}

void ServiceControl::drain(const char* reason) {
  spdlog::info("{}: draining; what is left in {} s is cut", reason,
               seconds(options_.drain_timeout));
  server_->drain([this, number = ++drains_] {
    asio::post(io_, [this, number] {
      if (phase_ != ServicePhase::draining || number != drains_) return;  // was resumed meanwhile
      spdlog::info("drained");
      io_.stop();
    });
  });
  deadline_.expires_after(options_.drain_timeout);
  deadline_.async_wait([this, number = drains_](asio::error_code error) {
    if (error || phase_ != ServicePhase::draining || number != drains_) return;
    spdlog::warn("the drain has taken {} s: what is left is cut", seconds(options_.drain_timeout));
    io_.stop();
  });
}

}  // namespace voicechan::server
