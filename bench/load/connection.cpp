#include "connection.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <random>

#include "handshake.hpp"
#include "monotonic.hpp"

namespace voicechan::load {
namespace {

constexpr std::size_t kInputBytes = 256 * 1024;
// Edges: the kernel then looks once at what is ready, not twice.
constexpr std::uint32_t kEndEvents = std::uint32_t{EPOLLET} | EPOLLRDHUP;
constexpr std::uint32_t kInputEvents = kEndEvents | EPOLLIN;
constexpr std::size_t kKeptOutputBytes = 64 * 1024;
constexpr std::size_t kKeptRestBytes = 4 * 1024;

std::uint64_t random_seed() {
  std::random_device random;
  return std::uint64_t{random()} << 32 | random();
}

void set_option(int fd, int level, int name, int value) {
  setsockopt(fd, level, name, &value, sizeof value);
}

}  // namespace

Network::Network() : masks(random_seed()), input(kInputBytes) {}

Connection::~Connection() {
  if (fd_ >= 0) ::close(fd_);
}

void Connection::connect(const Endpoint& to, const Endpoint* from, std::string request,
                         int receive_buffer) {
  output_ = std::move(request);
  state_ = State::connecting;
  fd_ = socket(to.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd_ < 0) return end(std::strerror(errno));
  set_option(fd_, IPPROTO_TCP, TCP_NODELAY, 1);
  if (receive_buffer > 0) set_option(fd_, SOL_SOCKET, SO_RCVBUF, receive_buffer);
  if (from != nullptr) {
    // The port is chosen on connect, so that many targets can share it.
    set_option(fd_, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
    if (bind(fd_, reinterpret_cast<const sockaddr*>(&from->address), from->size) != 0) {
      return end(std::strerror(errno));
    }
  }
  if (::connect(fd_, reinterpret_cast<const sockaddr*>(&to.address), to.size) != 0 &&
      errno != EINPROGRESS) {
    return end(std::strerror(errno));
  }
  watched_ = EPOLLOUT;
  network_.loop.add(fd_, watched_, *this);
}

void Connection::watch(std::uint32_t events) {
  if (watched_ == events || ended_at_ != 0) return;
  watched_ = events;
  network_.loop.modify(fd_, events, *this);
}

void Connection::send(Opcode kind, std::string_view payload) {
  if (state_ == State::open) append_frame(output_, kind, payload, network_.masks.next());
}

void Connection::flush() {
  if (fd_ < 0 || output_.empty()) return;
  const ssize_t sent = ::send(fd_, output_.data() + written_, unsent_bytes(), MSG_NOSIGNAL);
  if (sent > 0) written_ += static_cast<std::size_t>(sent);
  // Other errors show when reading, where a close frame may lie before them.
  const std::uint32_t input = only_told_of_end_ ? kEndEvents : kInputEvents;
  if (unsent_bytes() > 0 && (sent >= 0 || errno == EAGAIN)) return watch(input | EPOLLOUT);
  output_.clear();
  written_ = 0;
  if (output_.capacity() > kKeptOutputBytes) output_.shrink_to_fit();
  watch(input);
}

void Connection::on_ready(std::uint32_t events) {
  if (fd_ < 0) return;
  if (state_ == State::connecting) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return end(std::strerror(error));
    state_ = State::handshaking;
  }
  const bool is_ended = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
  if ((events & EPOLLOUT) != 0) flush();
  if (only_told_of_end_) {
    if (is_ended && ended_at_ == 0) {
      ended_at_ = monotonic_ns();
      network_.loop.remove(fd_);
    }
  } else if ((events & ~std::uint32_t{EPOLLOUT}) != 0) {
    std::size_t got = 0;  // less than asked for means that there is no more, but for the end
    do {
      got = read(kInputBytes);
    } while (got == kInputBytes || (is_ended && got > 0));
  }
}

void Connection::stop_reading() {
  only_told_of_end_ = true;
  if (fd_ >= 0) watch(kEndEvents);
}

std::size_t Connection::read(std::size_t max_bytes) {
  if (fd_ < 0) return 0;
  std::vector<char>& input = network_.input;
  const std::size_t kept = rest_.size();
  if (input.size() < kept + kInputBytes) input.resize(kept + kInputBytes);
  const ssize_t got = recv(fd_, input.data() + kept, std::min(max_bytes, kInputBytes), 0);
  if (got <= 0) {
    if (got == 0) {
      end("ended without a close frame");
    } else if (errno != EAGAIN && errno != EINTR) {
      end(std::strerror(errno));
    }
    return 0;
  }
  const auto size = static_cast<std::size_t>(got);
  std::memcpy(input.data(), rest_.data(), kept);
  const std::size_t left = use({input.data(), kept + size});
  if (left > 0 || kept > 0) rest_.assign(input.data() + kept + size - left, left);
  if (left == 0 && rest_.capacity() > kKeptRestBytes) rest_.shrink_to_fit();
  if (!output_.empty() && written_ == 0) flush();
  return size;
}

std::size_t Connection::use(std::string_view bytes) {
  if (state_ == State::handshaking) {
    HandshakeAnswer answer = read_handshake(bytes);
    if (answer.status == HandshakeAnswer::Status::refused) {
      end(std::move(answer.refusal));
    } else if (answer.status == HandshakeAnswer::Status::accepted) {
      state_ = State::open;
      bytes.remove_prefix(answer.size);
    }
  }
  if (state_ != State::open) return bytes.size();
  const std::int64_t now = monotonic_ns();
  FrameView frame;
  while (state_ == State::open) {
    const ParseStatus status = take_frame(bytes, frame);
    if (status == ParseStatus::incomplete) break;
    if (status == ParseStatus::malformed) {
      end("sent a malformed frame");
    } else {
      use_frame(frame, now);
    }
  }
  return bytes.size();
}

void Connection::use_frame(const FrameView& frame, std::int64_t now) {
  if (frame.opcode >= Opcode::close) return use_control_frame(frame);
  Opcode kind = frame.opcode;
  std::string_view payload;
  switch (fragments_.add(frame, kind, payload)) {
    case Fragments::Status::message:
      return handler_.on_message(*this, kind, payload, now);
    case Fragments::Status::malformed:
      return end("sent fragments out of order, or too many");
    case Fragments::Status::unfinished:
      return;
  }
}

void Connection::use_control_frame(const FrameView& frame) {
  if (frame.opcode == Opcode::ping) return send(Opcode::pong, frame.payload);
  if (frame.opcode == Opcode::pong) return;
  std::uint16_t code = 1005;
  std::string reason;
  if (frame.payload.size() >= 2) {
    code = static_cast<std::uint16_t>(static_cast<unsigned char>(frame.payload[0]) << 8 |
                                      static_cast<unsigned char>(frame.payload[1]));
    reason = frame.payload.substr(2);
  }
  send(Opcode::close, frame.payload.substr(0, 2));
  flush();
  end(std::move(reason), code);
}

void Connection::end(std::string reason, std::uint16_t code) {
  const bool was_open = state_ == State::open;
  state_ = State::closed;
  ending_ = {code, std::move(reason), ended_at_ != 0 ? ended_at_ : monotonic_ns()};
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
  output_ = {};
  written_ = 0;
  if (was_open) handler_.on_closed(*this);
}

void Connection::close(std::uint16_t code) {
  if (state_ == State::open) {
    const char payload[] = {static_cast<char>(code >> 8), static_cast<char>(code & 0xff)};
    send(Opcode::close, {payload, sizeof payload});
    flush();
  }
  state_ = State::closed;
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

}  // namespace voicechan::load
