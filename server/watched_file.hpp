#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

namespace voicechan::server {

/// A file of 1 MiB at most that is read again when it changes. One thread at a time.
class WatchedFile {
 public:
  struct Content {
    std::string text;
    std::string error;  // why there is no text; empty if there is
  };

  explicit WatchedFile(std::string path) : path_(std::move(path)) {}

  /// The file as it is now. May block.
  Content read();
  /// The same, or nothing if the file is as it was when it was looked at last. May block.
  std::optional<Content> read_if_changed();

  const std::string& path() const noexcept { return path_; }

 private:
  /// What tells one state of a file from another; all zero if there is none.
  using State = std::tuple<dev_t, ino_t, off_t, std::int64_t, std::int64_t>;

  static State state_of(const struct stat& status) noexcept;

  const std::string path_;
  State state_{};  // when it was looked at last
};

}  // namespace voicechan::server
