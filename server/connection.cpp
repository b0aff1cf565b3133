#include "connection.hpp"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <system_error>
#include <utility>

#include "socket_path.hpp"
#include "spdlog/spdlog.h"
#include "worker.hpp"

namespace voicechan::server {
namespace {

// How long a peer may keep its side open after we have shut ours. Without that wait, closing a
// socket with unread input would reset it and could destroy our last bytes on their way.
constexpr std::chrono::seconds kLinger{2};

// send(2) without blocking. Not by way of the C library, whose send() makes ready for the thread to
// be cancelled: at this place that is a seventh of all instructions of a delivery.
ssize_t send_now(int descriptor, std::string_view bytes, int flags) noexcept {
  return ::syscall(SYS_sendto, descriptor, bytes.data(), bytes.size(),
                   MSG_DONTWAIT | MSG_NOSIGNAL | flags, nullptr, socklen_t{0});
}

}  // namespace

Connection::Connection(Worker& worker, asio::ip::tcp::socket socket, ConnectionCounts::Place place)
    : place_(std::move(place)),
      output_(worker.outbox_limits(), &worker.drop_log()),
      worker_(worker),
      socket_(std::move(socket)) {}

Connection::~Connection() = default;

template <class Action>
void Connection::guarded(Action action) noexcept {
  try {
    action();
  } catch (const std::exception& error) {
    spdlog::error("{} connection ended by an exception: {}", protocol_->name(), error.what());
    close();
  }
}

void Connection::start(std::unique_ptr<Protocol> protocol, std::unique_ptr<TlsStream> tls) {
  protocol_ = std::move(protocol);
  tls_ = std::move(tls);
  guarded([this] {
    check_deadline_at(protocol_->on_deadline(worker_.now()));
    wait_readable();
  });
}

void Connection::replace_protocol(std::unique_ptr<Protocol> protocol, std::string unread) {
  protocol_ = std::move(protocol);
  check_deadline_at(protocol_->on_deadline(worker_.now()));
  if (!unread.empty()) {
    protocol_->on_bytes(reinterpret_cast<std::uint8_t*>(unread.data()), unread.size());
  }
}

void Connection::replace_protocol(std::unique_ptr<Protocol> protocol,
                                  std::unique_ptr<TlsStream> tls, std::string unread) {
  tls_ = std::move(tls);
  protocol_ = std::move(protocol);
  check_deadline_at(protocol_->on_deadline(worker_.now()));
  if (unread.empty()) return;
  on_received(reinterpret_cast<std::uint8_t*>(unread.data()), unread.size());
}

bool Connection::push(const Frame& frame) {
  if (state_ != State::open) return true;
  if (!output_.push(frame, worker_.now())) return false;
  worker_.count_delivery();
  mark_dirty();
  return true;
}

void Connection::write(std::string bytes) {
  if (state_ != State::open) return;
  if (!output_.write(std::move(bytes))) return abort("too much waits for all clients together");
  mark_dirty();
}

void Connection::write_last(std::string bytes) {
  if (state_ != State::open) return;
  output_.write_last(std::move(bytes));
  mark_dirty();
}

void Connection::finish() {
  if (state_ != State::open) return;
  state_ = State::finishing;
  mark_dirty();
  resume_reading();
}

void Connection::abort(std::string_view reason) noexcept {
  if (state_ == State::closed) return;
  spdlog::debug("{} connection aborted: {}", protocol_->name(), reason);
  close();
}

void Connection::run_if_open(const std::function<void()>& action) noexcept {
  if (state_ == State::open) guarded(action);
}

void Connection::resume_reading() {
  is_paused_ = false;
  wait_readable();
}

void Connection::check_deadline_at(MonotonicTime deadline) noexcept {
  if (state_ == State::closed || deadline >= next_check_) return;
  next_check_ = deadline;
  worker_.wheel().set(*this, deadline);
}

void Connection::take_input() {
  guarded([this] { on_readable(); });
}

Protocol::Use Connection::use() const noexcept {
  if (state_ != State::open) return Protocol::Use::request;
  const Protocol::Use use = protocol_->use();
  if (use == Protocol::Use::until_told) return use;  // whatever waits: nothing else ends it
  const bool is_sent = output_.is_empty() && (tls_ == nullptr || tls_->pending().empty());
  return is_sent ? use : Protocol::Use::request;
}

void Connection::drain() {
  guarded([this] {
    on_readable();
    if (state_ == State::open) protocol_->drain();
  });
}

void Connection::close_revoked() {
  run_if_open([this] { protocol_->close_revoked(); });
}

void Connection::kick() {
  run_if_open([this] { protocol_->kick(); });
}

void Connection::on_deadline(MonotonicTime now) noexcept {
  guarded([&] {
    next_check_ = MonotonicTime::max();
    on_readable();  // who was held up himself must not take for silent what he has not read
    if (state_ == State::closed) return;
    if (now >= closing_deadline_) return abort("the peer did not close in time");
    MonotonicTime next = closing_deadline_;
    const bool is_stuck = is_held_back_ && gate_->is_slow();
    if (is_waiting_writable_ || is_stuck) {
      const MonotonicTime progress = is_stuck ? gate_->last_progress() : last_write_progress_;
      const MonotonicTime write_deadline = progress + worker_.options().deadlines.write;
      if (now >= write_deadline) return abort("the peer takes no data");
      next = std::min(next, write_deadline);
    }
    if (state_ == State::open) next = std::min(next, protocol_->on_deadline(now));
    output_.shrink_to_fit();  // once in a while: what a burst made grow
    if (next != MonotonicTime::max()) check_deadline_at(next);
  });
}

void Connection::wait_readable() {
  if (state_ == State::closed || is_paused_ || is_waiting_readable_ || has_peer_ended_) return;
  is_waiting_readable_ = true;
  socket_.async_wait(asio::socket_base::wait_read,
                     [self = shared_from_this()](asio::error_code error) {
                       self->is_waiting_readable_ = false;
                       if (!error) self->guarded([&] { self->on_readable(); });
                     });
}

void Connection::on_readable() {
  if (state_ == State::closed || is_paused_) return;
  auto& buffer = worker_.read_buffer();
  (void)worker_.now();  // the turn begins here, not after the read
  const ssize_t taken = ::recv(socket_.native_handle(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (taken > 0) {
    worker_.counters().received_bytes.add(static_cast<std::uint64_t>(taken));
    if (state_ == State::open) on_received(buffer.data(), static_cast<std::size_t>(taken));
  } else if (taken == 0) {
    return on_end_of_input();
  } else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
    return abort(std::generic_category().message(errno));
  }
  wait_readable();
}

void Connection::on_received(std::uint8_t* data, std::size_t size) {
  if (tls_ == nullptr) return protocol_->on_bytes(data, size);
  on_ciphertext({reinterpret_cast<const char*>(data), size});
}

void Connection::on_ciphertext(std::string_view received) {
  auto& plaintext = worker_.plaintext_buffer();
  const std::size_t size = tls_->decrypt(received, plaintext);
  if (!tls_->pending().empty()) mark_dirty();
  if (size > 0) protocol_->on_bytes(plaintext.data(), size);
  if (state_ != State::open || tls_->state() == TlsStream::State::open) return;
  if (tls_->state() == TlsStream::State::ended) return on_end_of_tls_input();
  spdlog::debug("{} connection ended by TLS: {}", protocol_->name(), tls_->failure());
  finish();
  protocol_->on_end_of_input();
}

/// While reading is paused the end waits, as a FIN would in the kernel: what was asked is answered
/// first.
void Connection::on_end_of_tls_input() {
  if (!is_paused_) on_end_of_input();
}

void Connection::on_end_of_input() {
  has_peer_ended_ = true;
  if (state_ == State::lingering) return close();
  if (state_ == State::finishing) return;
  finish();
  protocol_->on_end_of_input();
}

void Connection::mark_dirty() {
  if (is_dirty_ || state_ == State::closed) return;
  is_dirty_ = true;
  worker_.add_dirty(*this);
}

bool Connection::on_echo() {
  if (gate_ == nullptr || !gate_->awaits_echo()) return false;
  gate_->on_echo(worker_.now());
  mark_dirty();
  return true;
}

bool Connection::may_write_media() {
  if (gate_ == nullptr) gate_ = std::make_unique<FreshnessGate>();
  if (output_.has_last() || state_ != State::open) return true;
  SocketPath path(socket_.native_handle());
  const bool may_write = gate_->may_write(worker_.now(), path);
  if (!gate_->is_slow()) {
    if (may_write && gate_->wants_echo()) request_echo();  // in one packet with the media
    return may_write;
  }
  output_.drop_stale(worker_.now());
  if (may_write) output_.keep_newest_media(gate_->portion_bytes());
  return may_write || !output_.outbox().has_media();
}

// Inlined where each delivery comes by.
[[gnu::always_inline]] inline std::size_t Connection::send(std::string_view bytes) {
  const bool is_followed = gate_ != nullptr && gate_->expects_echo();
  const int flags = is_followed ? MSG_MORE : 0;  // one packet with the ping
  ssize_t sent = -1;
  do {
    sent = send_now(socket_.native_handle(), bytes, flags);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) {
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      wait_writable();
    } else {
      abort(std::generic_category().message(errno));
    }
    return 0;
  }
  const auto size = static_cast<std::size_t>(sent);
  worker_.count_sent(size);
  if (gate_ != nullptr) gate_->on_written(size, worker_.now());
  if (size < bytes.size()) wait_writable();
  return size;
}

void Connection::flush() {
  is_dirty_ = false;
  if (state_ == State::closed || is_waiting_writable_) return;
  guarded([this] {
    const bool is_gate_open = gate_ != nullptr && gate_->is_open_until_check(worker_.now());
    is_held_back_ = !is_gate_open && output_.outbox().has_media() && !may_write_media();
    if (tls_ != nullptr) {
      if (!write_encrypted()) return;
    } else {
      while (!output_.is_empty()) {
        WireBuffer& wire = worker_.wire();
        const std::string_view bytes =
            is_held_back_ ? output_.gather_begun(wire) : output_.gather(wire);
        if (bytes.empty()) return hold_back();
        const std::size_t sent = send(bytes);
        output_.consume(sent, wire);
        if (sent < bytes.size()) return;
      }
    }
    if (gate_ != nullptr && gate_->wants_echo()) request_echo();
    const bool is_all = state_ == State::open && !notifies_when_written_ && tls_ == nullptr;
    if (!is_all) on_all_written();
  });
}

[[gnu::noinline]] bool Connection::write_encrypted() {
  for (;;) {
    // What the socket did not take goes first: a record can be neither dropped nor overtaken.
    while (!tls_->pending().empty()) {
      const std::size_t size = tls_->pending().size();
      const std::size_t sent = send(tls_->pending());
      tls_->consume(sent);
      if (sent < size) return false;
    }
    if (!tls_->can_encrypt()) return state_ != State::open;
    if (output_.is_empty()) {
      if (state_ == State::open) return true;
      tls_->end();
      continue;
    }
    WireBuffer& wire = worker_.wire();
    const std::string_view bytes =
        is_held_back_ ? output_.gather_begun(wire) : output_.gather(wire);
    if (bytes.empty()) {
      hold_back();
      return false;
    }
    output_.consume(tls_->encrypt(bytes), wire);
  }
}

void Connection::hold_back() {
  if (gate_->wants_echo()) request_echo();
  if (gate_->is_slow()) {
    check_deadline_at(gate_->last_progress() + worker_.options().deadlines.write);
  }
  if (!std::exchange(will_be_rechecked_, true)) worker_.add_held_back(shared_from_this());
}

void Connection::recheck() {
  will_be_rechecked_ = false;
  mark_dirty();
}

void Connection::request_echo() {
  gate_->on_echo_requested(worker_.now());
  protocol_->request_echo();
}

void Connection::wait_writable() {
  is_waiting_writable_ = true;
  last_write_progress_ = worker_.now();
  check_deadline_at(last_write_progress_ + worker_.options().deadlines.write);
  socket_.async_wait(asio::socket_base::wait_write,
                     [self = shared_from_this()](asio::error_code error) {
                       self->is_waiting_writable_ = false;
                       if (error) return;
                       self->output_.drop_stale(self->worker_.now());
                       self->mark_dirty();
                     });
}

void Connection::on_all_written() {
  if (state_ == State::open) {
    if (std::exchange(notifies_when_written_, false)) protocol_->on_output_written();
    const bool has_tls_ended = tls_ != nullptr && tls_->state() == TlsStream::State::ended;
    if (has_tls_ended && state_ == State::open) on_end_of_tls_input();
    return;
  }
  if (state_ != State::finishing) return;
  if (has_peer_ended_) return close();
  state_ = State::lingering;
  ::shutdown(socket_.native_handle(), SHUT_WR);
  closing_deadline_ =
      worker_.now() + std::min<MonotonicTime::duration>(kLinger, worker_.options().deadlines.close);
  check_deadline_at(closing_deadline_);
}

void Connection::close() noexcept {
  if (state_ == State::closed) return;
  state_ = State::closed;
  worker_.wheel().cancel(*this);
  asio::error_code ignored;
  socket_.close(ignored);
  worker_.retire(*this);
}

}  // namespace voicechan::server
