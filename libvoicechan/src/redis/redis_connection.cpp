#include "redis/redis_connection.hpp"

#include <netinet/tcp.h>

#include <asio/post.hpp>
#include <system_error>
#include <utility>

namespace voicechan::redis {
namespace {

using std::chrono::microseconds;
using std::chrono::steady_clock;

// Above some 2000 writes a second each is held back a little, so that more goes with it: small
// writes cost server and client ten times as much a message as full ones.
constexpr std::chrono::milliseconds kWindow{10};
constexpr int kBusyWrites = 20;  // in a window; with the hold there are up to 33
constexpr microseconds kHold{300};

// What a buffer keeps for the next commands.
constexpr std::size_t kKeptBytes = std::size_t{64} << 10;

// A server that is gone without a word: unanswered data, or silence for so long.
constexpr int kUserTimeoutMs = 5000;
constexpr int kKeepAliveIdleSeconds = 5;
constexpr int kKeepAliveIntervalSeconds = 2;
constexpr int kKeepAliveProbes = 3;

void set_option(asio::ip::tcp::socket& socket, int name, int value) {
  // Where one is missing the probes through the publish path notice as well.
  (void)::setsockopt(socket.native_handle(), IPPROTO_TCP, name, &value, sizeof value);
}

}  // namespace

std::shared_ptr<RedisConnection> RedisConnection::open(asio::io_context& io, const RedisUrl& url,
                                                       std::shared_ptr<asio::ssl::context> tls,
                                                       const RedisReplyLimits& limits,
                                                       Owner& owner) {
  auto connection = std::make_shared<RedisConnection>(io, url, std::move(tls), limits, owner);
  connection->start();
  return connection;
}

RedisConnection::RedisConnection(asio::io_context& io, const RedisUrl& url,
                                 std::shared_ptr<asio::ssl::context> tls,
                                 const RedisReplyLimits& limits, Owner& owner)
    : owner_(&owner),
      url_(url),
      tls_(std::move(tls)),
      resolver_(io),
      stream_(io, tls_.get()),
      hold_(io),
      reader_(limits) {}

void RedisConnection::start() {
  std::error_code error;
  const auto address = asio::ip::make_address(url_.host, error);
  if (!error) {
    const asio::ip::tcp::endpoint endpoint(address, url_.port);
    connect(asio::ip::tcp::resolver::results_type::create(endpoint, url_.host, ""));
    return;
  }
  resolver_.async_resolve(
      url_.host, std::to_string(url_.port),
      [self = shared_from_this()](const std::error_code& failure, const auto& endpoints) {
        if (self->owner_ == nullptr) return;
        if (failure) return self->fail("cannot resolve its name: " + failure.message());
        self->connect(endpoints);
      });
}

void RedisConnection::connect(const asio::ip::tcp::resolver::results_type& endpoints) {
  stream_.async_connect(endpoints, [self = shared_from_this()](const std::error_code& failure) {
    if (self->owner_ == nullptr) return;
    if (failure) return self->fail("cannot connect: " + failure.message());
    self->handle_connected();
  });
}

void RedisConnection::handle_connected() {
  std::error_code ignored;
  stream_.socket().set_option(asio::socket_base::keep_alive(true), ignored);
  set_option(stream_.socket(), TCP_USER_TIMEOUT, kUserTimeoutMs);
  set_option(stream_.socket(), TCP_KEEPIDLE, kKeepAliveIdleSeconds);
  set_option(stream_.socket(), TCP_KEEPINTVL, kKeepAliveIntervalSeconds);
  set_option(stream_.socket(), TCP_KEEPCNT, kKeepAliveProbes);
  stream_.async_handshake(url_.host, [self = shared_from_this()](const std::error_code& failure) {
    if (self->owner_ == nullptr) return;
    if (failure) return self->fail("TLS failed: " + failure.message());
    self->owner_->on_connected();
    if (self->owner_ != nullptr) self->read();
  });
}

void RedisConnection::read() {
  auto handler = [self = shared_from_this()](const std::error_code& failure, std::size_t size) {
    if (self->owner_ == nullptr) return;
    if (failure) return self->fail("connection lost: " + failure.message());
    self->handle_read(size);
  };
  stream_.async_read_some(asio::buffer(in_), std::move(handler));
}

void RedisConnection::handle_read(std::size_t size) {
  reader_.feed({in_.data(), size});
  while (auto reply = reader_.next()) {
    owner_->on_reply(std::move(*reply));
    if (owner_ == nullptr) return;
  }
  if (!reader_.error().empty()) return fail("it speaks no Redis protocol: " + reader_.error());
  read();
}

void RedisConnection::flush() {
  if (is_flush_due_ || !writing_.empty() || out_.empty()) return;
  is_flush_due_ = true;
  const auto now = steady_clock::now();
  if (now - window_begin_ >= kWindow) {
    is_busy_ = now - window_begin_ < 2 * kWindow && writes_in_window_ > kBusyWrites;
    window_begin_ = now;
    writes_in_window_ = 0;
  }
  if (!is_busy_ || now - last_write_ >= kHold) {
    asio::post(hold_.get_executor(), [self = shared_from_this()] { self->write(); });
    return;
  }
  hold_.expires_at(last_write_ + kHold);
  hold_.async_wait([self = shared_from_this()](const std::error_code&) { self->write(); });
}

void RedisConnection::write() {
  is_flush_due_ = false;
  if (owner_ == nullptr || out_.empty()) return;
  std::swap(out_, writing_);
  last_write_ = steady_clock::now();
  ++writes_in_window_;
  auto handler = [self = shared_from_this()](const std::error_code& failure, std::size_t) {
    if (self->owner_ == nullptr) return;
    if (failure) return self->fail("connection lost: " + failure.message());
    self->handle_written();
  };
  stream_.async_write(asio::buffer(writing_), std::move(handler));
}

void RedisConnection::handle_written() {
  writing_.clear();
  if (writing_.capacity() > kKeptBytes) writing_.shrink_to_fit();
  flush();
}

void RedisConnection::close() {
  owner_ = nullptr;
  resolver_.cancel();
  hold_.cancel();
  stream_.close();
}

void RedisConnection::fail(const std::string& reason) {
  Owner* const owner = owner_;
  close();
  if (owner != nullptr) owner->on_closed(reason);
}

}  // namespace voicechan::redis
