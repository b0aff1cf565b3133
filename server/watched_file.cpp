#include "watched_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <system_error>
#include <variant>

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

/// Up to one byte more than a file may have.
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

WatchedFile::State WatchedFile::state_of(const struct stat& status) noexcept {
  return {status.st_dev, status.st_ino, status.st_size, nanoseconds(status.st_mtim),
          nanoseconds(status.st_ctim)};
}

WatchedFile::Content WatchedFile::read() {
  const Descriptor file(path_);
  struct stat status {};
  if (*file < 0 || ::fstat(*file, &status) != 0) {
    const int reason = errno;
    // Not the file's fault: it is tried again at the next look.
    if (reason == EMFILE || reason == ENFILE || reason == ENOMEM) state_ = {};
    return {{}, std::generic_category().message(reason)};
  }
  state_ = state_of(status);  // a change while we read makes another one
  if (!S_ISREG(status.st_mode)) return {{}, "it is not a regular file"};
  auto content = read_all(*file);
  if (const auto* error = std::get_if<std::error_code>(&content)) {
    state_ = {};
    return {{}, error->message()};
  }
  auto& text = std::get<std::string>(content);
  if (text.size() > kMaxFileBytes) return {{}, "it has more than 1 MiB"};
  return {std::move(text), {}};
}

std::optional<WatchedFile::Content> WatchedFile::read_if_changed() {
  struct stat status {};
  const State present = ::stat(path_.c_str(), &status) == 0 ? state_of(status) : State{};
  if (present == state_) return std::nullopt;
  state_ = present;
  return read();
}

}  // namespace voicechan::server
