#pragma once

#include <sys/socket.h>
#include <unistd.h>

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "redis/redis_reply.hpp"
#include "redis/redis_url.hpp"
#include "redis_process.hpp"

namespace voicechan::redis {

/// A blocking connection to a server on this machine, for what a test wants to know or to do.
class RedisTestClient {
 public:
  explicit RedisTestClient(std::uint16_t port) : file_(RedisProcess::connect_to(port)) {}
  ~RedisTestClient() {
    if (file_ >= 0) ::close(file_);
  }
  RedisTestClient(const RedisTestClient&) = delete;
  RedisTestClient& operator=(const RedisTestClient&) = delete;

  /// A nil reply if the connection is gone.
  RedisReply command(std::initializer_list<std::string_view> arguments) {
    if (file_ < 0) return {};
    std::string out;
    append_command(out, arguments);
    if (::send(file_, out.data(), out.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(out.size())) {
      return {};
    }
    while (true) {
      if (auto reply = reader_.next()) return std::move(*reply);
      char bytes[4096];
      const auto size = ::recv(file_, bytes, sizeof bytes, 0);
      if (size <= 0) return {};
      reader_.feed({bytes, static_cast<std::size_t>(size)});
    }
  }

 private:
  const int file_;
  RedisReplyReader reader_;
};

/// A redis-server for a bus.
class RedisServer : public RedisProcess {
 public:
  /// What the README says about a server for the bus.
  static std::vector<std::string> bus_settings() {
    return {"--save",
            "",
            "--appendonly",
            "no",
            "--tcp-keepalive",
            "15",
            "--client-output-buffer-limit",
            "pubsub 8mb 2mb 2"};
  }

  explicit RedisServer(std::vector<std::string> settings = bus_settings())
      : RedisProcess(std::move(settings)) {}

  /// In the form that a bus takes.
  RedisUrl url() const {
    RedisUrl url;
    url.host = "127.0.0.1";
    url.port = port();
    return url;
  }

  RedisReply command(std::initializer_list<std::string_view> arguments) const {
    return RedisTestClient(port()).command(arguments);
  }
};

}  // namespace voicechan::redis
