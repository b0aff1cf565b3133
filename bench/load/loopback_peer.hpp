#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "connection.hpp"
#include "handshake.hpp"
#include "monotonic.hpp"

// The server's side of a connection, for tests.

namespace voicechan::load {

constexpr std::int64_t kPatienceNs = 20 * kNanosPerSecond;

/// A server's frame of up to 65,535 bytes.
inline std::string server_frame(Opcode opcode, std::string_view payload) {
  std::string frame(1, static_cast<char>(0x80 | static_cast<int>(opcode)));
  if (payload.size() < 126) {
    frame += static_cast<char>(payload.size());
  } else {
    frame += '\x7e';
    frame += static_cast<char>(payload.size() >> 8);
    frame += static_cast<char>(payload.size() & 0xff);
  }
  return frame.append(payload);
}

/// What a server answers to `handshake_request`.
inline const std::string kUpgraded =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// One accepted socket. It blocks, but not for ever.
class LoopbackPeer {
 public:
  explicit LoopbackPeer(int fd) : fd_(fd) {
    const timeval patience{kPatienceNs / kNanosPerSecond, 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  }
  LoopbackPeer(LoopbackPeer&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  ~LoopbackPeer() { close(); }

  void send(std::string_view bytes) const {
    ASSERT_EQ(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  std::string receive(std::size_t size) const {
    std::string bytes(size, '\0');
    const ssize_t got = recv(fd_, bytes.data(), size, MSG_WAITALL);
    bytes.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
    return bytes;
  }
  /// The request up to its empty line.
  std::string receive_request() const {
    std::string request;
    while (request.find("\r\n\r\n") == request.npos) {
      const std::string byte = receive(1);
      if (byte.empty()) break;
      request += byte;
    }
    return request;
  }
  /// Kind and unmasked payload of a client's short frame.
  std::pair<Opcode, std::string> receive_frame() const {
    const std::string head = receive(6);
    if (head.size() < 6) return {Opcode::close, "nothing came"};
    std::string payload = receive(static_cast<std::size_t>(head[1] & 0x7f));
    for (std::size_t i = 0; i < payload.size(); ++i) {
      payload[i] = static_cast<char>(payload[i] ^ head[2 + i % 4]);
    }
    return {static_cast<Opcode>(head[0] & 15), payload};
  }
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

 private:
  int fd_;
};

/// Listens on a port of its own.
class LoopbackServer {
 public:
  LoopbackServer() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    auto& address = reinterpret_cast<sockaddr_in&>(endpoint_.address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    endpoint_.size = sizeof address;
    auto* any = reinterpret_cast<sockaddr*>(&endpoint_.address);
    if (bind(fd_, any, endpoint_.size) != 0 || listen(fd_, 128) != 0 ||
        getsockname(fd_, any, &endpoint_.size) != 0) {
      throw std::runtime_error("cannot listen");
    }
  }
  LoopbackServer(const LoopbackServer&) = delete;
  LoopbackServer& operator=(const LoopbackServer&) = delete;
  ~LoopbackServer() { stop(); }

  const Endpoint& endpoint() const noexcept { return endpoint_; }
  LoopbackPeer accept() const {
    pollfd waiting{fd_, POLLIN, 0};
    if (poll(&waiting, 1, static_cast<int>(kPatienceNs / 1'000'000)) != 1) {
      throw std::runtime_error("nobody connects");
    }
    return LoopbackPeer(::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC));
  }
  void stop() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

 private:
  int fd_;
  Endpoint endpoint_;
};

/// Turns the loop until something holds.
template <class Condition>
bool turn_until(Network& network, Condition condition) {
  const std::int64_t end = monotonic_ns() + kPatienceNs;
  while (!condition() && monotonic_ns() < end) network.loop.turn(end);
  return condition();
}

/// Opens a connection; gives the server's side of it.
inline LoopbackPeer open_connection(Network& network, const LoopbackServer& server,
                                    Connection& connection) {
  connection.connect(server.endpoint(), nullptr, handshake_request("test", "/ws/", ""), 0);
  LoopbackPeer peer = server.accept();
  EXPECT_TRUE(turn_until(network, [&] {
    return connection.state() == Connection::State::handshaking && connection.unsent_bytes() == 0;
  }));
  (void)peer.receive_request();
  peer.send(kUpgraded);
  EXPECT_TRUE(turn_until(network, [&] { return connection.is_open(); }));
  return peer;
}

}  // namespace voicechan::load
