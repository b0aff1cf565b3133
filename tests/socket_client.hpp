#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <asio/ip/tcp.hpp>
#include <cerrno>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

// A client on a real blocking socket, for tests of the server in process.

namespace voicechan::server {

class SocketClient {
 public:
  /// `receive_buffer` bounds what the kernel takes for a client that does not read.
  explicit SocketClient(const asio::ip::tcp::endpoint& server, int receive_buffer = 0)
      : descriptor_(::socket(server.protocol().family(), SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    constexpr timeval kPatience{30, 0};  // a test that hangs is to fail
    ::setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
    ::setsockopt(descriptor_, SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof kPatience);
    if (receive_buffer > 0) {
      ::setsockopt(descriptor_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    }
    EXPECT_EQ(::connect(descriptor_, server.data(), static_cast<socklen_t>(server.size())), 0);
  }
  SocketClient(SocketClient&& other) noexcept
      : descriptor_(std::exchange(other.descriptor_, -1)), unread_(std::move(other.unread_)) {}
  SocketClient& operator=(SocketClient&&) = delete;
  ~SocketClient() { close(); }

  void close() {
    if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
  }

  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;  // the server has closed; what is read tells
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }

  void half_close() { ::shutdown(descriptor_, SHUT_WR); }

  /// Reads one response (or handshake): the head, and a body of its Content-Length.
  std::string read_response() {
    std::size_t head_end = std::string::npos;
    while ((head_end = unread_.find("\r\n\r\n")) == std::string::npos) {
      if (!read_more()) return std::exchange(unread_, {});
    }
    std::size_t size = head_end + 4;
    const std::size_t length = unread_.find("Content-Length: ");
    if (length < head_end) size += std::stoul(unread_.substr(length + 16));
    return read(size);
  }

  /// A frame's first byte and its payload; 0 at the end.
  std::pair<std::uint8_t, std::string> read_frame() {
    const std::string start = read(2);
    if (start.size() < 2) return {0, {}};
    std::size_t length = static_cast<std::uint8_t>(start[1]);
    const std::size_t length_bytes = length == 127 ? 8 : length == 126 ? 2 : 0;
    if (length_bytes > 0) length = 0;
    for (const char c : read(length_bytes)) length = length << 8 | static_cast<std::uint8_t>(c);
    return {static_cast<std::uint8_t>(start[0]), read(length)};
  }

  /// `size` bytes, fewer only at the end.
  std::string read(std::size_t size) {
    while (unread_.size() < size && read_more()) {
    }
    std::string taken = unread_.substr(0, size);
    unread_.erase(0, size);
    return taken;
  }

  /// Everything up to the end.
  std::string read_to_end() {
    while (read_more()) {
    }
    return std::exchange(unread_, {});
  }

 private:
  bool read_more() {
    char bytes[16 * 1024];
    const ssize_t read = ::recv(descriptor_, bytes, sizeof bytes, 0);
    EXPECT_TRUE(read >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK)) << "the server is silent";
    if (read <= 0) return false;
    unread_.append(bytes, static_cast<std::size_t>(read));
    return true;
  }

  int descriptor_;
  std::string unread_;
};

/// A request with the key "key" of the user that `Fixture` makes.
inline std::string request(std::string_view method, std::string_view target,
                           std::string_view more_fields = {}) {
  return std::string(method)
      .append(" ")
      .append(target)
      .append(" HTTP/1.1\r\nHost: test\r\nAuthorization: Token key\r\n")
      .append(more_fields)
      .append("\r\n");
}

inline std::string upgrade_request(std::string_view target) {
  return request("GET", target,
                 "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
}

constexpr std::uint8_t kText = 0x81;
constexpr std::uint8_t kBinary = 0x82;
constexpr std::uint8_t kFirstPartOfText = 0x01;
constexpr std::uint8_t kClose = 0x88;
constexpr std::uint8_t kPing = 0x89;
constexpr std::uint8_t kPong = 0x8A;

/// A client's frame, masked with zeros.
inline std::string client_frame(std::uint8_t first_byte, std::string_view payload) {
  std::string frame{static_cast<char>(first_byte)};
  if (payload.size() < 126) {
    frame += static_cast<char>(0x80 | payload.size());
  } else {
    frame += '\xff';
    for (int shift = 56; shift >= 0; shift -= 8) {
      frame += static_cast<char>(static_cast<std::uint64_t>(payload.size()) >> shift);
    }
  }
  return frame.append(4, '\0').append(payload);
}

/// The code of a close frame's payload.
inline int close_code(const std::string& payload) {
  if (payload.size() < 2) return 1005;
  return static_cast<std::uint8_t>(payload[0]) << 8 | static_cast<std::uint8_t>(payload[1]);
}

}  // namespace voicechan::server
