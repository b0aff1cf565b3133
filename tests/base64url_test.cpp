#include "base64url.hpp"

#include <gtest/gtest.h>

#include "jwt_signer.hpp"

namespace voicechan::server {
namespace {

TEST(Base64urlTest, EveryByteAndLengthIsDecoded) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) {
    EXPECT_EQ(decode_base64url(base64url(bytes)), bytes) << i;
    bytes += static_cast<char>(i);
  }
}

TEST(Base64urlTest, PaddingAndForeignCharactersAreRefused) {
  for (const char* text : {"QQ==", "QQ=", "Q+", "Q/", "QQ\n", " QQ", "Q Q", "Q.Q", "Q\xC3\xA4"}) {
    EXPECT_EQ(decode_base64url(text), std::nullopt) << text;
  }
}

TEST(Base64urlTest, ImpossibleLengthIsRefused) {
  EXPECT_EQ(decode_base64url("Q"), std::nullopt);
  EXPECT_EQ(decode_base64url("QQQQQ"), std::nullopt);
}

TEST(Base64urlTest, TrailingBitsThatAreNotZeroAreRefused) {
  EXPECT_EQ(decode_base64url("QQ"), "A");
  EXPECT_EQ(decode_base64url("QR"), std::nullopt);
  EXPECT_EQ(decode_base64url("QUI"), "AB");
  EXPECT_EQ(decode_base64url("QUJ"), std::nullopt);
}

}  // namespace
}  // namespace voicechan::server
