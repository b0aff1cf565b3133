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
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace voicechan {

/// A real redis-server on a loopback port, with its data in a folder that goes with it. Unless told
/// otherwise it keeps what it acknowledges (`appendfsync always`).
class RedisProcess {
 public:
  explicit RedisProcess(std::vector<std::string> options = {}) : options_(std::move(options)) {
    directory_ = (std::filesystem::temp_directory_path() / "redis.XXXXXX").string();
    if (mkdtemp(directory_.data()) == nullptr) fail("no folder for it");
    port_ = find_free_port();
    start();
  }
  ~RedisProcess() {
    kill();
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }
  RedisProcess(const RedisProcess&) = delete;
  RedisProcess& operator=(const RedisProcess&) = delete;

  int port() const { return port_; }
  std::string url() const { return "redis://127.0.0.1:" + std::to_string(port_); }

  /// Returns when it answers.
  void start() {
    std::vector<std::string> arguments = {"redis-server", "--port",    std::to_string(port_),
                                          "--bind",       "127.0.0.1", "--dir",
                                          directory_,     "--save",    "",
                                          "--appendonly", "yes",       "--appendfsync",
                                          "always",       "--logfile", directory_ + "/log"};
    arguments.insert(arguments.end(), options_.begin(), options_.end());
    std::vector<char*> pointers;
    for (std::string& argument : arguments) pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    process_ = ::fork();
    if (process_ < 0) fail("fork");
    if (process_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::execvp(pointers.front(), pointers.data());
      ::_exit(127);
    }
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!answers()) {
      if (::waitpid(process_, nullptr, WNOHANG) != 0) fail("it has ended");
      if (std::chrono::steady_clock::now() > deadline) fail("it does not answer");
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }

  /// As a crash, with no time to do anything.
  void kill() {
    if (process_ <= 0) return;
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
    process_ = -1;
  }

  void freeze() const { ::kill(process_, SIGSTOP); }
  void thaw() const { ::kill(process_, SIGCONT); }

  /// The first 64 KiB of what it says to an inline command.
  std::string ask(const std::string& command) const {
    const int socket = connect_to(port_);
    if (socket < 0) return {};
    std::string answer(64 * 1024, '\0');
    const std::string line = command + "\r\n";
    ssize_t size = ::send(socket, line.data(), line.size(), MSG_NOSIGNAL);
    if (size > 0) size = ::recv(socket, answer.data(), answer.size(), 0);
    ::close(socket);
    answer.resize(static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
    return answer;
  }

 private:
  [[noreturn]] static void fail(const std::string& reason) {
    throw std::runtime_error("redis-server: " + reason);
  }

  static sockaddr_in address_of(int port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
  }

  static int connect_to(int port) {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in address = address_of(port);
    if (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
      return socket;
    }
    ::close(socket);
    return -1;
  }

  static int find_free_port() {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = address_of(0);
    socklen_t size = sizeof address;
    const bool is_bound = ::bind(socket, reinterpret_cast<const sockaddr*>(&address), size) == 0 &&
                          ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) == 0;
    if (!is_bound) fail("no port for it");
    ::close(socket);
    return ntohs(address.sin_port);
  }

  /// Having read its log, if there is one; that it wants a password is an answer, too.
  bool answers() const {
    const std::string answer = ask("PING");
    return answer.rfind("+PONG", 0) == 0 || answer.rfind("-NOAUTH", 0) == 0;
  }

  std::vector<std::string> options_;
  std::string directory_;
  int port_ = 0;
  pid_t process_ = -1;
};

}  // namespace voicechan
