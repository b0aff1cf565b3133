#pragma once

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "log_fixture.hpp"

namespace voicechan::server {

/// A test with a file in a folder of its own, whose log it can read.
class TempFileFixture : public LogFixture {
 protected:
  TempFileFixture() {
    std::string pattern = (std::filesystem::temp_directory_path() / "voicechan-XXXXXX").string();
    directory_ = ::mkdtemp(pattern.data());
    path_ = directory_ / "file";
  }
  ~TempFileFixture() override { std::filesystem::remove_all(directory_); }

  void write(std::string_view text) { std::ofstream(path_, std::ios::binary) << text; }
  /// As a careful program replaces a file.
  void replace(std::string_view text) {
    const auto next = directory_ / "next";
    std::ofstream(next, std::ios::binary) << text;
    std::filesystem::rename(next, path_);
  }
  /// How often it has been logged.
  std::size_t count_logged(std::string_view words) const {
    const std::string text = unread_log();
    std::size_t count = 0;
    for (auto at = text.find(words); at != std::string::npos; at = text.find(words, at + 1)) {
      ++count;
    }
    return count;
  }

  std::filesystem::path directory_;
  std::filesystem::path path_;
};

}  // namespace voicechan::server
