#include "keys.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

namespace voicechan::server {
namespace {

class CountingRandom final : public RandomSource {
 public:
  void fill(void* bytes, std::size_t size) noexcept override {
    auto* const first = static_cast<std::uint8_t*>(bytes);
    std::iota(first, first + size, std::uint8_t{0});
  }
};

TEST(KeysTest, AKeyIsAll256RandomBitsInHexadecimal) {
  CountingRandom random;
  EXPECT_EQ(make_key(random), "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
}

TEST(KeysTest, TwoKeysDiffer) { EXPECT_NE(make_key(system_random()), make_key(system_random())); }

TEST(KeysTest, TheDigestIsSha256) {
  // FIPS 180-2, appendix B.1.
  const KeyDigest expected = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40,
                              0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17,
                              0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
  EXPECT_EQ(digest_key("abc"), expected);
}

TEST(KeysTest, TheDigestSeesBytesBehindANul) {
  EXPECT_NE(digest_key(std::string_view("a\0b", 3)), digest_key(std::string_view("a\0c", 3)));
}

}  // namespace
}  // namespace voicechan::server
