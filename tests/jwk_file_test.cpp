#include "jwk_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <stdexcept>

#include "jwt_signer.hpp"
#include "temp_file_fixture.hpp"

namespace voicechan::server {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class JwkFileTest : public TempFileFixture {
 protected:
  static std::string set_of(std::string_view kid) {
    static const JwtSigner signer = JwtSigner::ed25519();
    return signer.jwk_set({{"kid", boost::json::string_view(kid.data(), kid.size())}});
  }
  static std::string id_of(const JwkFile& file) {
    const auto keys = file.keys();
    return keys->keys.size() == 1 ? keys->keys[0].id() : std::to_string(keys->keys.size());
  }
  std::size_t errors() const { return count_logged("stay as they were"); }
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
  write("nonsense");
  EXPECT_THAT(failure_of(path_), HasSubstr("not a JWK Set"));
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
