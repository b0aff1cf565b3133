#include "listener.hpp"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <ctime>
#include <system_error>

#include "rest_api.hpp"
#include "spdlog/spdlog.h"

namespace voicechan::server {
namespace {

constexpr int kBacklog = 4096;
constexpr int kAcceptsPerTurn = 64;
constexpr std::chrono::milliseconds kPause{100};
// What the kernel takes beyond what it can send at once: enough for a burst. Audio is kept from
// growing old in there by FreshnessGate, which reckons in time.
constexpr int kMaxUnsentBytes = 1024 * 1024;
using NotSentLowWater = asio::detail::socket_option::integer<IPPROTO_TCP, TCP_NOTSENT_LOWAT>;
using ReusePort = asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;

int open_reserve() noexcept { return ::open("/dev/null", O_RDONLY | O_CLOEXEC); }

bool is_out_of_resources(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

}  // namespace

Listener::Listener(asio::io_context& io, const asio::ip::tcp::endpoint& endpoint, Adopt adopt)
    : acceptor_(io), pause_(io), adopt_(std::move(adopt)), reserve_descriptor_(open_reserve()) {
  acceptor_.open(endpoint.protocol());
  ::fcntl(acceptor_.native_handle(), F_SETFD, FD_CLOEXEC);
  acceptor_.set_option(asio::ip::tcp::acceptor::reuse_address(true));
  acceptor_.set_option(ReusePort(true));
  acceptor_.bind(endpoint);
  acceptor_.listen(kBacklog);
  acceptor_.native_non_blocking(true);
}

Listener::~Listener() {
  if (reserve_descriptor_ >= 0) ::close(reserve_descriptor_);
}

void Listener::refuse_waiting(const HttpResponse& response) noexcept {
  for (int i = 0; i < kBacklog; ++i) {
    const int descriptor =
        ::accept4(acceptor_.native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (descriptor < 0) return;
    refuse(descriptor, response);
  }
}

void Listener::close() {
  asio::error_code ignored;
  acceptor_.close(ignored);
  pause_.cancel();
}

void Listener::wait() {
  if (!acceptor_.is_open()) return;
  acceptor_.async_wait(asio::socket_base::wait_read, [this](asio::error_code error) {
    if (!error) accept_waiting();
  });
}

void Listener::accept_waiting() {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    asio::ip::tcp::endpoint peer;
    auto peer_size = static_cast<socklen_t>(peer.capacity());
    const int descriptor =
        ::accept4(acceptor_.native_handle(), peer.data(), &peer_size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (descriptor >= 0) {
      asio::ip::tcp::socket socket(acceptor_.get_executor());
      asio::error_code error;
      socket.assign(acceptor_.local_endpoint().protocol(), descriptor, error);
      if (error) {
        ::close(descriptor);
        continue;
      }
      socket.set_option(asio::ip::tcp::no_delay(true), error);
      socket.set_option(NotSentLowWater(kMaxUnsentBytes), error);
      is_refusing_ = false;
      try {
        adopt_(std::move(socket), ClientAddress(peer.address()));
      } catch (const std::exception& exception) {
        spdlog::error("a connection could not be taken on: {}", exception.what());
      }
      continue;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) break;
    if (is_out_of_resources(errno)) return on_out_of_descriptors();
    // Anything else (ECONNABORTED, EPERM of a firewall, …) concerns one connection only.
  }
  wait();
}

void Listener::on_out_of_descriptors() {
  if (!std::exchange(is_refusing_, true)) {
    spdlog::warn("no descriptors left: new connections are refused until some are closed");
  }
  for (int i = 0; i < kAcceptsPerTurn && reserve_descriptor_ >= 0; ++i) {
    ::close(reserve_descriptor_);
    const int descriptor = ::accept4(acceptor_.native_handle(), nullptr, nullptr, SOCK_CLOEXEC);
    if (descriptor >= 0) refuse(descriptor, make_unavailable_response("Too many connections."));
    reserve_descriptor_ = open_reserve();
    if (descriptor < 0) break;
  }
  pause_.expires_after(kPause);
  pause_.async_wait([this](asio::error_code error) {
    if (error) return;
    if (reserve_descriptor_ < 0) reserve_descriptor_ = open_reserve();
    accept_waiting();
  });
}

void Listener::refuse(int descriptor, const HttpResponse& response) noexcept {
  const std::string bytes =
      serialize(response, false, false, false, format_http_date(std::time(nullptr)));
  (void)::send(descriptor, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  // Closing with unread input would reset the connection, and perhaps the answer with it.
  ::shutdown(descriptor, SHUT_WR);
  std::array<char, 4096> unread;
  (void)::recv(descriptor, unread.data(), unread.size(), MSG_DONTWAIT);
  ::close(descriptor);
}

void check_address_is_free(const asio::ip::tcp::endpoint& endpoint) {
  asio::io_context io;
  asio::ip::tcp::acceptor probe(io);
  probe.open(endpoint.protocol());
  probe.set_option(asio::ip::tcp::acceptor::reuse_address(true));
  probe.bind(endpoint);
  probe.listen(1);
}

}  // namespace voicechan::server
