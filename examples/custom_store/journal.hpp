#pragma once

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

/// Lines in a file, to the end of which more are added. One thread at a time, and one process.
class Journal {
 public:
  Journal() = default;
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;
  ~Journal() {
    if (fd_ >= 0) ::close(fd_);
  }

  enum class Opened { yes, no, locked };

  /// Makes the file if there is none. What follows the last end of a line was being written when
  /// the process or the machine came down: nobody was told that it is there, and it is removed.
  Opened open(const std::filesystem::path& path) {
    path_ = path;
    fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd_ < 0) return Opened::no;
    if (::flock(fd_, LOCK_EX | LOCK_NB) != 0) return Opened::locked;
    const auto read = for_each_line([](const std::string&) { return true; });
    return read && truncate() && sync_folder() ? Opened::yes : Opened::no;
  }

  /// False if a line cannot be read or `take` says so.
  bool for_each_line(const std::function<bool(const std::string&)>& take) {
    std::ifstream file(path_, std::ios::binary);
    size_ = 0;
    for (std::string line; std::getline(file, line) && !file.eof();) {  // eof: it has no end
      if (!take(line)) return false;
      size_ += static_cast<off_t>(line.size()) + 1;
    }
    return file.eof();
  }

  /// The line, which has its end, is on the disk at the return. If not: false, and there is nothing
  /// of it.
  bool append(const std::string& line) noexcept {
    const auto length = static_cast<ssize_t>(line.size());
    if (is_sound_ && ::write(fd_, line.data(), line.size()) == length && ::fdatasync(fd_) == 0) {
      size_ += length;
      return true;
    }
    is_sound_ = truncate();  // the next one tries no more if not even this can be done
    return false;
  }

 private:
  bool truncate() { return ::ftruncate(fd_, size_) == 0 && ::fdatasync(fd_) == 0; }

  /// A new file is lost in a crash unless its folder is on the disk, too.
  bool sync_folder() const {
    const auto folder = std::filesystem::absolute(path_).parent_path();
    const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const bool is_synced = fd >= 0 && ::fsync(fd) == 0;
    if (fd >= 0) ::close(fd);
    return is_synced;
  }

  std::filesystem::path path_;
  int fd_ = -1;
  off_t size_ = 0;
  bool is_sound_ = true;
};
