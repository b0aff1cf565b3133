#include "unicode.hpp"

#include <gtest/gtest.h>

#include <string>

namespace voicechan::unicode {
namespace {

/// An independent encoder, also of what must not be taken.
std::string encode(char32_t c, int length) {
  const auto tail = [](char32_t bits) { return static_cast<char>(0x80 | (bits & 0x3F)); };
  switch (length) {
    case 1:
      return {static_cast<char>(c)};
    case 2:
      return {static_cast<char>(0xC0 | (c >> 6)), tail(c)};
    case 3:
      return {static_cast<char>(0xE0 | (c >> 12)), tail(c >> 6), tail(c)};
    default:
      return {static_cast<char>(0xF0 | (c >> 18)), tail(c >> 12), tail(c >> 6), tail(c)};
  }
}

std::optional<char32_t> first_of(std::string_view text) { return take_character(text); }

int length_of(char32_t c) { return c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4; }

TEST(UnicodeTest, EveryCharacterIsReadAndNoSurrogateIs) {
  for (char32_t c = 0; c <= 0x10FFFF; ++c) {
    const std::string text = encode(c, length_of(c));
    std::string_view rest = text;
    const auto character = take_character(rest);
    if (c >= 0xD800 && c <= 0xDFFF) {
      ASSERT_FALSE(character) << static_cast<std::uint32_t>(c);
    } else {
      ASSERT_EQ(character, c);
      ASSERT_TRUE(rest.empty());
    }
  }
}

TEST(UnicodeTest, OverlongFormsAreRefused) {
  for (char32_t c = 0; c < 0x10000; ++c) {
    for (int length = length_of(c) + 1; length <= 4; ++length) {
      ASSERT_FALSE(first_of(encode(c, length))) << static_cast<std::uint32_t>(c);
    }
  }
}

TEST(UnicodeTest, CharactersAboveTheLastAreRefused) {
  EXPECT_TRUE(first_of("\xF4\x8F\xBF\xBF"));
  for (const char* text : {"\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xF7\xBF\xBF\xBF",
                           "\xF8\x88\x80\x80\x80", "\xFC\x84\x80\x80\x80\x80", "\xFE", "\xFF"}) {
    EXPECT_FALSE(first_of(text));
  }
}

TEST(UnicodeTest, LoneContinuationBytesAreRefused) {
  for (int byte = 0x80; byte < 0xC0; ++byte) {
    EXPECT_FALSE(first_of(std::string(1, static_cast<char>(byte)) + "a"));
  }
}

TEST(UnicodeTest, TruncatedCharactersAreRefused) {
  for (const std::string text : {"\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x8E\x99"}) {
    for (std::size_t size = 1; size < text.size(); ++size) {
      EXPECT_FALSE(first_of(std::string_view(text).substr(0, size)));
      EXPECT_FALSE(first_of(text.substr(0, size) + "aaa"));
      EXPECT_FALSE(first_of(text.substr(0, size) + "\xC3\xA9\xC3\xA9"));
    }
  }
}

TEST(UnicodeTest, RefusedTextIsNotTakenFrom) {
  std::string_view text = "\xE2\x82z";
  EXPECT_FALSE(take_character(text));
  EXPECT_EQ(text.size(), 3u);
}

TEST(UnicodeTest, EmptyTextHasNoCharacter) { EXPECT_FALSE(first_of("")); }

TEST(UnicodeTest, NulIsACharacter) { EXPECT_EQ(first_of(std::string_view("\0", 1)), U'\0'); }

TEST(UnicodeTest, CharactersAreTakenOneByOne) {
  std::string_view text = "aé€🎙";
  EXPECT_EQ(take_character(text), U'a');
  EXPECT_EQ(take_character(text), U'é');
  EXPECT_EQ(take_character(text), U'€');
  EXPECT_EQ(take_character(text), U'🎙');
  EXPECT_TRUE(text.empty());
}

TEST(UnicodeTest, ControlCharactersAreC0DelAndC1) {
  int count = 0;
  for (char32_t c = 0; c <= 0x10FFFF; ++c) count += is_control(c) ? 1 : 0;
  EXPECT_EQ(count, 65);
  EXPECT_TRUE(is_control(0x1F) && is_control(0x7F) && is_control(0x80) && is_control(0x9F));
}

TEST(UnicodeTest, WhiteSpaceHasTwentyFiveCharacters) {
  int count = 0;
  for (char32_t c = 0; c <= 0x10FFFF; ++c) count += is_white_space(c) ? 1 : 0;
  EXPECT_EQ(count, 25);
  EXPECT_FALSE(is_white_space(0x200B));  // ZERO WIDTH SPACE has not the property
  EXPECT_FALSE(is_white_space(0xFEFF));
}

TEST(UnicodeTest, TrimTakesWhiteSpaceOffBothEndsOnly) {
  EXPECT_EQ(trim(" a b\u3000"), "a b");
  EXPECT_EQ(trim("a"), "a");
}

TEST(UnicodeTest, TrimOfWhiteSpaceIsEmpty) {
  EXPECT_EQ(trim(" \u2003\n"), "");
  EXPECT_EQ(trim(""), "");
}

TEST(UnicodeTest, TrimRefusesIllFormedTextAnywhere) {
  for (const char* text : {"\xFF", "a\xFF", " \xFF ", "a b \xE2\x82"}) EXPECT_FALSE(trim(text));
}

}  // namespace
}  // namespace voicechan::unicode
