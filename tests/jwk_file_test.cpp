#include "jwk_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "jwt_signer.hpp"
#include "log_fixture.hpp"

namespace voicechan::server {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class JwkFileTest : public LogFixture {
 protected:
  JwkFileTest() {
    std::string pattern = (fs::temp_directory_path() / "voicechan-jwk-XXXXXX").string();
    directory_ = ::mkdtemp(pattern.data());
    path_ = directory_ / "jwks.json";
  }
  ~JwkFileTest() override { fs::remove_all(directory_); }

  void write(std::string_view text) { std::ofstream(path_, std::ios::binary) << text; }
  /// As a careful program replaces a file.
  void replace(std::string_view text) {
    const fs::path next = directory_ / "next";
    std::ofstream(next, std::ios::binary) << text;
    fs::rename(next, path_);
  }
  static std::string set_of(std::string_view kid) {
    static const JwtSigner signer = JwtSigner::ed25519();
    return signer.jwk_set({{"kid", boost::json::string_view(kid.data(), kid.size())}});
  }
  static std::string id_of(const JwkFile& file) {
    const auto keys = file.keys();
    return keys->keys.size() == 1 ? keys->keys[0].id() : std::to_string(keys->keys.size());
  }
  std::size_t errors() const {
    const std::string text = unread_log();
    std::size_t count = 0;
    for (auto at = text.find("stay as they were"); at != std::string::npos;
         at = text.find("stay as they were", at + 1)) {
      ++count;
    }
    return count;
  }

  fs::path directory_;
  fs::path path_;
};

std::string failure_of(const fs::path& path) {
  try {
    const JwkFile file(path.string(), JwtOptions().algorithms);
    return {};
  } catch (const std::runtime_error& error) {
    return error.what();
  }
}

TEST_F(JwkFileTest, AFileWithoutAUsableSetIsRefusedAtTheStart) {
  EXPECT_THAT(failure_of(path_), HasSubstr("No such file"));
  EXPECT_THAT(failure_of(directory_), HasSubstr("not a regular file"));
  write("nonsense");
  EXPECT_THAT(failure_of(path_), HasSubstr("not a JWK Set"));
  write(std::string(1024 * 1024 + 1, ' '));
  EXPECT_THAT(failure_of(path_), HasSubstr("1 MiB"));
}

TEST_F(JwkFileTest, ANewFileIsTakenAndOldKeysEnd) {
  write(set_of("a"));
  JwkFile file(path_.string(), JwtOptions().algorithms);
  EXPECT_EQ(id_of(file), "a");
  replace(set_of("b"));
  EXPECT_EQ(id_of(file), "a");
  file.reload_if_changed();
  EXPECT_EQ(id_of(file), "b");
  replace(R"({"keys":[]})");
  file.reload_if_changed();
  EXPECT_EQ(id_of(file), "0");
}

TEST_F(JwkFileTest, AFileThatIsWrittenInPlaceIsTakenToo) {
  write(set_of("a"));
  JwkFile file(path_.string(), JwtOptions().algorithms);
  write(set_of("longer"));
  file.reload_if_changed();
  EXPECT_EQ(id_of(file), "longer");
}

TEST_F(JwkFileTest, WhoHoldsOldKeysKeepsThem) {
  write(set_of("a"));
  JwkFile file(path_.string(), JwtOptions().algorithms);
  const auto held = file.keys();
  replace(set_of("b"));
  file.reload_if_changed();
  EXPECT_EQ(held->keys[0].id(), "a");
}

TEST_F(JwkFileTest, ABrokenFileLeavesTheOldKeysAndIsLoggedOnce) {
  write(set_of("a"));
  JwkFile file(path_.string(), JwtOptions().algorithms);
  replace("nonsense");
  for (int i = 0; i < 3; ++i) file.reload_if_changed();
  EXPECT_EQ(id_of(file), "a");
  EXPECT_EQ(errors(), 1u) << unread_log();
  replace("other nonsense");
  for (int i = 0; i < 3; ++i) file.reload_if_changed();
  EXPECT_EQ(errors(), 2u) << unread_log();
  replace(set_of("b"));
  file.reload_if_changed();
  EXPECT_EQ(id_of(file), "b");
}

TEST_F(JwkFileTest, AFileThatGoesAwayLeavesTheOldKeysAndIsLoggedOnce) {
  write(set_of("a"));
  JwkFile file(path_.string(), JwtOptions().algorithms);
  fs::remove(path_);
  for (int i = 0; i < 3; ++i) file.reload_if_changed();
  EXPECT_EQ(id_of(file), "a");
  EXPECT_EQ(errors(), 1u) << unread_log();
  write(set_of("b"));
  file.reload_if_changed();
  EXPECT_EQ(id_of(file), "b");
}

}  // namespace
}  // namespace voicechan::server
