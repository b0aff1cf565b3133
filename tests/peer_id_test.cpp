#include "voicechan/peer_id.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <unordered_set>

#include "voicechan/random.hpp"

namespace voicechan {
namespace {

PeerId::Random filled(std::uint8_t byte) {
  PeerId::Random random;
  random.fill(byte);
  return random;
}

TEST(PeerIdTest, TextIsThirtyTwoCharactersOfBase64Url) {
  const PeerId id({0xFFFF'FFFF'FFFF, 0xFFFF}, filled(0xFF));
  EXPECT_EQ(id.str(), std::string(32, '_'));
  EXPECT_EQ(PeerId({0, 0}, filled(0)).str(), std::string(32, 'A'));
}

TEST(PeerIdTest, LayoutIsThatOfBase64) {
  // 00 01 02 … 17, as any base64 tool writes it.
  PeerId::Random random;
  for (std::size_t i = 0; i < random.size(); ++i) random[i] = static_cast<std::uint8_t>(8 + i);
  EXPECT_EQ(PeerId({0x0001'0203'0405, 0x0607}, random).str(), "AAECAwQFBgcICQoLDA0ODxAREhMUFRYX");
}

TEST(PeerIdTest, AddressIsReadBackFromTheText) {
  const auto seed = std::random_device()();
  std::mt19937_64 generator(seed);
  for (int i = 0; i < 1000; ++i) {
    const HubAddress address{generator() & 0xFFFF'FFFF'FFFF,
                             static_cast<std::uint16_t>(generator())};
    const PeerId id(address, filled(static_cast<std::uint8_t>(generator())));
    const auto parsed = PeerId::parse(id.str());
    ASSERT_TRUE(parsed) << "seed " << seed;
    ASSERT_EQ(*parsed, id) << "seed " << seed;
    ASSERT_EQ(parsed->address(), address) << "seed " << seed;
  }
}

TEST(PeerIdTest, FortyEightBitsOfTheNodeAreUsed) {
  const PeerId id({0xABCD'0000'0000'0001, 3}, filled(0));
  EXPECT_EQ(id.address(), (HubAddress{1, 3}));
}

TEST(PeerIdTest, TextOfAnotherLengthIsNoId) {
  EXPECT_FALSE(PeerId::parse(""));
  EXPECT_FALSE(PeerId::parse(std::string(31, 'A')));
  EXPECT_FALSE(PeerId::parse(std::string(33, 'A')));
  EXPECT_FALSE(PeerId::parse(std::string(32, 'A') + "="));
}

TEST(PeerIdTest, OneForeignCharacterMakesItNoId) {
  for (std::size_t place = 0; place < PeerId::kLength; ++place) {
    for (int byte = 0; byte < 256; ++byte) {
      const char c = static_cast<char>(byte);
      const bool is_ours = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                           (c >= '0' && c <= '9') || c == '-' || c == '_';
      std::string text(PeerId::kLength, 'A');
      text[place] = c;
      ASSERT_EQ(PeerId::parse(text).has_value(), is_ours) << byte;
    }
  }
}

TEST(PeerIdTest, EveryTextNamesAnotherId) {
  std::string text(PeerId::kLength, 'A');
  std::unordered_set<PeerId> ids;
  for (std::size_t place = 0; place < PeerId::kLength; ++place) {
    text[place] = 'B';
    const auto id = PeerId::parse(text);
    ASSERT_TRUE(id);
    EXPECT_EQ(id->str(), text);
    EXPECT_TRUE(ids.insert(*id).second);
    text[place] = 'A';
  }
}

TEST(PeerIdTest, IdsOfTheSystemsRandomDiffer) {
  std::unordered_set<PeerId> ids;
  for (int i = 0; i < 10'000; ++i) {
    PeerId::Random random;
    system_random().fill(random.data(), random.size());
    EXPECT_TRUE(ids.insert(PeerId({1, 1}, random)).second);
  }
}

TEST(RandomTest, FillReachesTheLastByteOfALongBuffer) {
  std::string bytes(1 << 20, '\0');
  system_random().fill(bytes.data(), bytes.size());
  EXPECT_NE(bytes.substr(bytes.size() - 32), std::string(32, '\0'));
}

TEST(RandomTest, FillOfNothingTouchesNothing) {
  char byte = 'x';
  system_random().fill(&byte, 0);
  EXPECT_EQ(byte, 'x');
}

}  // namespace
}  // namespace voicechan
