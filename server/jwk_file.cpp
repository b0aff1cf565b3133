#include "jwk_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "spdlog/spdlog.h"

namespace voicechan::server {
namespace {

constexpr std::size_t kMaxFileBytes = 1024 * 1024;

class Descriptor {
 public:
  // O_NONBLOCK: a pipe in place of the file must not hold us up.
  explicit Descriptor(const std::string& path)
      : number_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int operator*() const noexcept { return number_; }

 private:
  const int number_;
};

std::int64_t nanoseconds(const timespec& time) noexcept {
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

/// The whole file, or nothing (with errno set).
std::variant<std::string, std::error_code> read_all(int descriptor) {
  std::string text(kMaxFileBytes + 1, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t taken = ::read(descriptor, text.data() + size, text.size() - size);
    if (taken < 0 && errno == EINTR) continue;
    if (taken < 0) return std::error_code(errno, std::generic_category());
    if (taken == 0) break;
    size += static_cast<std::size_t>(taken);
  }
  text.resize(size);
  return text;
}

}  // namespace

JwkFile::JwkFile(std::string path, std::vector<JwtAlgorithm> algorithms)
    : path_(std::move(path)), algorithms_(std::move(algorithms)) {
  auto read_keys = read();
  if (const auto* reason = std::get_if<std::string>(&read_keys)) {
    throw std::runtime_error("cannot use the keys in " + path_ + ": " + *reason);
  }
  take(std::get<JwkSet>(std::move(read_keys)));
}

JwkFile::State JwkFile::state_of(const struct stat& status) noexcept {
  return {status.st_dev, status.st_ino, status.st_size, nanoseconds(status.st_mtim),
          nanoseconds(status.st_ctim)};
}

void JwkFile::reload_if_changed() {
  struct stat status {};
  const State present = ::stat(path_.c_str(), &status) == 0 ? state_of(status) : State{};
  if (present == state_) return;
  state_ = present;
  auto read_keys = read();
  if (const auto* reason = std::get_if<std::string>(&read_keys)) {
    return spdlog::error("the keys of JWTs stay as they were: {}: {}", path_, *reason);
  }
  take(std::get<JwkSet>(std::move(read_keys)));
}

std::shared_ptr<const JwkSet> JwkFile::keys() const {
  const MutexLock lock(mutex_);
  return keys_;
}

std::variant<JwkSet, std::string> JwkFile::read() {
  const Descriptor file(path_);
  struct stat status {};
  if (*file < 0 || ::fstat(*file, &status) != 0) {
    const int reason = errno;
    // Not the file's fault: it is tried again at the next look.
    if (reason == EMFILE || reason == ENFILE || reason == ENOMEM) state_ = {};
    return std::generic_category().message(reason);
  }
  state_ = state_of(status);  // a change while we read makes another one
  if (!S_ISREG(status.st_mode)) return std::string("it is not a regular file");
  auto content = read_all(*file);
  if (const auto* error = std::get_if<std::error_code>(&content)) {
    state_ = {};
    return error->message();
  }
  const auto& text = std::get<std::string>(content);
  if (text.size() > kMaxFileBytes) return std::string("it has more than 1 MiB");
  return parse_jwk_set(text, algorithms_);
}

void JwkFile::take(JwkSet keys) {
  for (const std::string& reason : keys.skipped) {
    spdlog::warn("a key in {} is not used: {}", path_, reason);
  }
  spdlog::info("{} keys for JWTs from {}", keys.keys.size(), path_);
  auto shared = std::make_shared<const JwkSet>(std::move(keys));
  const MutexLock lock(mutex_);
  keys_ = std::move(shared);
}

}  // namespace voicechan::server
