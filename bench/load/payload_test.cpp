#include "payload.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace voicechan::load {
namespace {

constexpr Stamp kStamp{0xfedcba98, kMaxStampIndex, 12'345'678, 0x00fedcba98765432, 98'765'432'109};

std::string payload(std::size_t size, const Stamp& stamp = kStamp) {
  std::string bytes(size, '\xff');
  write_payload(stamp, bytes.data(), size);
  return bytes;
}

TEST(PayloadTest, StampComesBackFromAnySize) {
  for (std::size_t size = kStampBytes; size < 100; ++size) {
    const auto stamp = find_stamp(payload(size));
    ASSERT_TRUE(stamp) << size;
    EXPECT_EQ(stamp->run, kStamp.run);
    EXPECT_EQ(stamp->room, kStamp.room);
    EXPECT_EQ(stamp->speaker, kStamp.speaker);
    EXPECT_EQ(stamp->sequence, kStamp.sequence);
    EXPECT_EQ(stamp->sent_ns, kStamp.sent_ns);
  }
}

TEST(PayloadTest, AllBytesAreAscii) {
  for (const char c : payload(500)) EXPECT_GE(c, 0);
}

TEST(PayloadTest, AnyChangedByteIsNoticed) {
  const std::string good = payload(167);
  for (std::size_t i = 0; i < good.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ 1 << bit);
      EXPECT_FALSE(find_stamp(bad)) << "byte " << i << " bit " << bit;
    }
  }
}

TEST(PayloadTest, SwappedFillIsNoticed) {
  std::string bad = payload(160);
  std::swap_ranges(bad.begin() + 40, bad.begin() + 48, bad.begin() + 96);
  EXPECT_FALSE(find_stamp(bad));
}

TEST(PayloadTest, ForeignMessagesHaveNoStamp) {
  EXPECT_FALSE(find_stamp(""));
  EXPECT_FALSE(find_stamp(std::string(kStampBytes, '\0')));
  EXPECT_FALSE(find_stamp(payload(kStampBytes).substr(1)));
  EXPECT_FALSE(find_stamp(R"({"type":"join","and":"something to fill it up"})"));
}

TEST(PayloadTest, AgeSurvivesTheWrapOfTheStampedTime) {
  const std::int64_t wrap = std::int64_t{1} << 56;
  const auto stamp = find_stamp(payload(64, {1, 2, 3, 4, wrap - 10}));
  ASSERT_TRUE(stamp);
  EXPECT_EQ(age_ns(*stamp, wrap + 15), 25);
  EXPECT_EQ(age_ns(*stamp, wrap - 15), -5);
}

}  // namespace
}  // namespace voicechan::load
