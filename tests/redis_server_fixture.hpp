#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "redis/redis_reply.hpp"
#include "redis/redis_url.hpp"
#include "temp_folder.hpp"

namespace voicechan::redis {

inline std::uint16_t free_port() {
  const int file = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  const bool is_bound = ::bind(file, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                        ::getsockname(file, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  ::close(file);
  if (!is_bound) throw std::runtime_error("no free port");
  return ntohs(address.sin_port);
}

/// A blocking connection to a server on this machine, for what a test wants to know or to do.
class RedisTestClient {
 public:
  explicit RedisTestClient(std::uint16_t port) {
    file_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const timeval timeout{5, 0};
    (void)::setsockopt(file_, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    is_open_ = ::connect(file_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  ~RedisTestClient() { ::close(file_); }
  RedisTestClient(const RedisTestClient&) = delete;
  RedisTestClient& operator=(const RedisTestClient&) = delete;

  /// A nil reply if the connection is gone.
  RedisReply command(std::initializer_list<std::string_view> arguments) {
    if (!is_open_) return {};
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
  int file_ = -1;
  bool is_open_ = false;
  RedisReplyReader reader_;
};

/// A redis-server process of a test's own on a free port of the loopback, with its files in a
/// folder of its own. A machine without redis-server fails the test.
class RedisServer {
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

  /// `settings`: more arguments of redis-server.
  explicit RedisServer(std::vector<std::string> settings = bus_settings())
      : settings_(std::move(settings)), port_(free_port()) {
    start();
  }
  ~RedisServer() { kill(); }
  RedisServer(const RedisServer&) = delete;
  RedisServer& operator=(const RedisServer&) = delete;

  std::uint16_t port() const noexcept { return port_; }
  pid_t pid() const noexcept { return pid_; }
  std::string file(const std::string& name) const { return folder_.file(name); }

  RedisUrl url() const {
    RedisUrl url;
    url.host = "127.0.0.1";
    url.port = port_;
    return url;
  }

  /// Returns when it answers.
  void start() {
    std::vector<std::string> words{"redis-server",   "--port",    std::to_string(port_),
                                   "--bind",         "127.0.0.1", "--dir",
                                   folder_.file(""), "--logfile", folder_.file("log")};
    words.insert(words.end(), settings_.begin(), settings_.end());
    std::vector<char*> arguments;
    for (auto& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ == 0) {
      (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);  // a test that crashes leaves none
      if (::getppid() == parent) ::execvp(arguments[0], arguments.data());
      ::_exit(127);
    }
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!answers()) {
      int status = 0;
      if (::waitpid(pid_, &status, WNOHANG) == pid_) {
        pid_ = -1;
        const bool is_missing = WIFEXITED(status) && WEXITSTATUS(status) == 127;
        throw std::runtime_error(is_missing ? "redis-server is not installed (.ci/packages)"
                                            : "redis-server has ended: " + log());
      }
      if (std::chrono::steady_clock::now() > deadline) {
        throw std::runtime_error("redis-server does not answer: " + log());
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }

  /// At once, as by `kill -9`.
  void kill() {
    if (pid_ <= 0) return;
    signal(SIGKILL);
    (void)::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }
  void freeze() { signal(SIGSTOP); }
  void thaw() { signal(SIGCONT); }

  RedisReply command(std::initializer_list<std::string_view> arguments) const {
    return RedisTestClient(port_).command(arguments);
  }

  std::string log() const {
    std::ifstream file(folder_.file("log"));
    return {std::istreambuf_iterator<char>(file), {}};
  }

 private:
  void signal(int number) { ASSERT_EQ(::kill(pid_, number), 0); }

  // An error is an answer too: this client may not be allowed anything.
  bool answers() const {
    const auto reply = command({"PING"});
    return reply.type != RedisReply::Type::nil && reply.text.substr(0, 7) != "LOADING";
  }

  const TempFolder folder_;
  const std::vector<std::string> settings_;
  const std::uint16_t port_;
  pid_t pid_ = -1;
};

}  // namespace voicechan::redis
