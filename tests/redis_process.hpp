#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "temp_folder.hpp"

namespace voicechan {

/// A real redis-server on a free port of the loopback, with its files in a folder that goes with
/// it. Errors are thrown, so that a machine without redis-server fails the test.
class RedisProcess {
 public:
  /// It keeps what it acknowledges.
  static std::vector<std::string> durable_settings(const std::vector<std::string>& more = {}) {
    std::vector<std::string> settings{"--save",        "",      "--appendonly", "yes",
                                      "--appendfsync", "always"};
    settings.insert(settings.end(), more.begin(), more.end());
    return settings;
  }

  /// `settings`: more arguments of redis-server.
  explicit RedisProcess(std::vector<std::string> settings = durable_settings())
      : settings_(std::move(settings)), port_(find_free_port()) {
    start();
  }
  ~RedisProcess() { kill(); }
  RedisProcess(const RedisProcess&) = delete;
  RedisProcess& operator=(const RedisProcess&) = delete;

  std::uint16_t port() const noexcept { return port_; }
  pid_t pid() const noexcept { return pid_; }
  std::string url() const { return "redis://127.0.0.1:" + std::to_string(port_); }
  std::string file(const std::string& name) const { return folder_.file(name); }

  /// Returns when it answers.
  void start() {
    std::vector<std::string> words{"redis-server",   "--port",    std::to_string(port_),
                                   "--bind",         "127.0.0.1", "--dir",
                                   folder_.file(""), "--logfile", folder_.file("log")};
    words.insert(words.end(), settings_.begin(), settings_.end());
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ < 0) throw std::runtime_error("there can be no process for redis-server");
    if (pid_ == 0) {
      (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);  // a test that crashes leaves none
      if (::getppid() == parent) ::execvp(arguments.front(), arguments.data());
      ::_exit(127);
    }
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
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
  void freeze() const { signal(SIGSTOP); }
  void thaw() const { signal(SIGCONT); }

  /// The first 64 KiB of what it says to an inline command; nothing if it is away.
  std::string ask(const std::string& command) const {
    const int file = connect_to(port_);
    if (file < 0) return {};
    std::string answer(64 * 1024, '\0');
    const std::string line = command + "\r\n";
    ssize_t size = ::send(file, line.data(), line.size(), MSG_NOSIGNAL);
    if (size > 0) size = ::recv(file, answer.data(), answer.size(), 0);
    ::close(file);
    answer.resize(static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
    return answer;
  }

  std::string log() const {
    std::ifstream file(folder_.file("log"));
    return {std::istreambuf_iterator<char>(file), {}};
  }

  /// A blocking connection to a port of this machine; -1 if there is none.
  static int connect_to(std::uint16_t port) {
    const int file = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in address = address_of(port);
    const timeval patience{5, 0};
    (void)::setsockopt(file, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (::connect(file, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
      return file;
    }
    ::close(file);
    return -1;
  }

  static std::uint16_t find_free_port() {
    const int file = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = address_of(0);
    socklen_t size = sizeof address;
    const bool is_bound = ::bind(file, reinterpret_cast<const sockaddr*>(&address), size) == 0 &&
                          ::getsockname(file, reinterpret_cast<sockaddr*>(&address), &size) == 0;
    ::close(file);
    if (!is_bound) throw std::runtime_error("there is no free port");
    return ntohs(address.sin_port);
  }

 private:
  static sockaddr_in address_of(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
  }

  void signal(int number) const {
    if (::kill(pid_, number) != 0) throw std::runtime_error("redis-server has ended: " + log());
  }

  /// That nobody may do anything without a password is an answer, too.
  bool answers() const {
    const std::string answer = ask("PING");
    return !answer.empty() && answer.rfind("-LOADING", 0) != 0;
  }

  const TempFolder folder_;
  const std::vector<std::string> settings_;
  const std::uint16_t port_;
  pid_t pid_ = -1;
};

}  // namespace voicechan
