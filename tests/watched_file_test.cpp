#include "watched_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <string>

#include "temp_file_fixture.hpp"

namespace voicechan::server {
namespace {

using ::testing::HasSubstr;

class WatchedFileTest : public TempFileFixture {
 protected:
  /// What there is to take, "-" if nothing has changed.
  static std::string look(WatchedFile& file) {
    const auto content = file.read_if_changed();
    return content ? content->text + content->error : "-";
  }
};

TEST_F(WatchedFileTest, AFileIsReadOnceForEachChange) {
  write("a");
  WatchedFile file(path_.string());
  EXPECT_EQ(file.read().text, "a");
  EXPECT_EQ(look(file), "-");
  replace("b");
  EXPECT_EQ(look(file), "b");
  EXPECT_EQ(look(file), "-");
  write("in place");
  EXPECT_EQ(look(file), "in place");
  EXPECT_EQ(look(file), "-");
}

TEST_F(WatchedFileTest, AFileThatGoesAndComesIsAChangeEach) {
  write("a");
  WatchedFile file(path_.string());
  EXPECT_EQ(file.read().text, "a");
  std::filesystem::remove(path_);
  EXPECT_THAT(look(file), HasSubstr("No such file"));
  EXPECT_EQ(look(file), "-");
  write("b");
  EXPECT_EQ(look(file), "b");
}

TEST_F(WatchedFileTest, OneMebibyteIsTheMost) {
  write(std::string(1024 * 1024, ' '));
  EXPECT_EQ(WatchedFile(path_.string()).read().text.size(), 1024u * 1024);
  write(std::string(1024 * 1024 + 1, ' '));
  EXPECT_EQ(WatchedFile(path_.string()).read().error, "it has more than 1 MiB");
}

TEST_F(WatchedFileTest, WhatIsNoRegularFileDoesNotHoldItUp) {
  EXPECT_EQ(WatchedFile(directory_.string()).read().error, "it is not a regular file");
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  EXPECT_EQ(WatchedFile(path_.string()).read().error, "it is not a regular file");
}

}  // namespace
}  // namespace voicechan::server
