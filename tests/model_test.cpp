#include "voicechan/model.hpp"

#include <gtest/gtest.h>

#include <string>
#include <unordered_set>

namespace voicechan {
namespace {

std::string repeated(std::string_view text, std::size_t times) {
  std::string result;
  for (std::size_t i = 0; i < times; ++i) result += text;
  return result;
}

/// The name that is made of `text`, or what refused it.
template <class Name>
std::string parsed(std::string_view text) {
  const auto name = Name::parse(text);
  return name ? "<" + name->str() + ">" : std::string(name.error().message());
}

template <class Name>
std::error_code error_of(std::string_view text) {
  return Name::parse(text).error();
}

TEST(ChannelNameTest, AnyScriptIsTaken) {
  EXPECT_EQ(parsed<ChannelName>("Загальна кімната"), "<Загальна кімната>");
  EXPECT_EQ(parsed<ChannelName>("全体 🎙️ עברית"), "<全体 🎙️ עברית>");
}

TEST(ChannelNameTest, WhiteSpaceAtBothEndsIsTrimmed) {
  EXPECT_EQ(parsed<ChannelName>(" \t\r\n a b \v\f"), "<a b>");
}

TEST(ChannelNameTest, UnicodeWhiteSpaceIsTrimmed) {
  EXPECT_EQ(parsed<ChannelName>("\u00A0\u3000\u2028x\u2003\u0085"), "<x>");
}

TEST(ChannelNameTest, NothingButWhiteSpaceIsRefused) {
  EXPECT_EQ(error_of<ChannelName>(""), Errc::invalid_name);
  EXPECT_EQ(error_of<ChannelName>(" \t\u2003"), Errc::invalid_name);
}

TEST(ChannelNameTest, LengthIsCountedInCharactersAfterTrimming) {
  const std::string longest = repeated("і", 255);
  EXPECT_EQ(parsed<ChannelName>("  " + longest + "  "), "<" + longest + ">");
  EXPECT_EQ(parsed<ChannelName>(repeated("🎙", 255)), "<" + repeated("🎙", 255) + ">");
  EXPECT_EQ(error_of<ChannelName>(longest + "і"), Errc::invalid_name);
}

TEST(ChannelNameTest, ControlCharactersInsideAreRefused) {
  EXPECT_EQ(error_of<ChannelName>("a\tb"), Errc::invalid_name);
  EXPECT_EQ(error_of<ChannelName>("a\x7F"), Errc::invalid_name);
  EXPECT_EQ(error_of<ChannelName>("a\u0085b"), Errc::invalid_name);
  EXPECT_EQ(error_of<ChannelName>(std::string_view("a\0b", 3)), Errc::invalid_name);
}

TEST(ChannelNameTest, ControlCharacterAtTheEndThatIsNoWhiteSpaceIsRefused) {
  EXPECT_EQ(error_of<ChannelName>("a\x01"), Errc::invalid_name);
  EXPECT_EQ(error_of<ChannelName>(std::string_view("a\0", 2)), Errc::invalid_name);
}

TEST(ChannelNameTest, IllFormedUtf8IsRefused) {
  EXPECT_EQ(error_of<ChannelName>("a\xFF"), Errc::invalid_name);
  EXPECT_EQ(error_of<ChannelName>("\xED\xA0\x80"), Errc::invalid_name);
  EXPECT_EQ(error_of<ChannelName>("a\xE2\x82"), Errc::invalid_name);
}

TEST(UsernameTest, AnyScriptIsTaken) { EXPECT_EQ(parsed<Username>("олена_7"), "<олена_7>"); }

TEST(UsernameTest, LengthIsCountedInCharacters) {
  EXPECT_TRUE(Username::parse(repeated("і", 150)));
  EXPECT_EQ(error_of<Username>(repeated("і", 151)), Errc::invalid_name);
  EXPECT_EQ(error_of<Username>(""), Errc::invalid_name);
}

TEST(UsernameTest, WhiteSpaceIsRefusedAnywhere) {
  for (const char* text : {" a", "a ", "a b", "a\u00A0b", "\u3000", "a\n"}) {
    EXPECT_EQ(error_of<Username>(text), Errc::invalid_name) << text;
  }
}

TEST(UsernameTest, ControlCharactersAndIllFormedUtf8AreRefused) {
  for (const char* text : {"a\x1B", "a\x7F", "a\u009B", "\xC0\xAF", "\x80"}) {
    EXPECT_EQ(error_of<Username>(text), Errc::invalid_name) << text;
  }
}

TEST(TokenIdTest, AnyTextWithoutControlCharactersIsTaken) {
  for (const char* text : {"1", "7f0d8a3e-3f4b-4c6e-9c1e-0a6d9d8e7f60", "a b", "жетон", "a/b"}) {
    EXPECT_EQ(parsed<TokenId>(text), "<" + std::string(text) + ">");
  }
}

TEST(TokenIdTest, LengthIsCountedInBytes) {
  EXPECT_TRUE(TokenId::parse(std::string(255, 'a')));
  EXPECT_EQ(error_of<TokenId>(std::string(256, 'a')), Errc::invalid_name);
  EXPECT_EQ(error_of<TokenId>(""), Errc::invalid_name);
}

TEST(TokenIdTest, ControlCharactersAndIllFormedUtf8AreRefused) {
  for (const char* text : {"a\n", "a\x7F", "a\u009B", "\xC0\xAF", "\x80"}) {
    EXPECT_EQ(error_of<TokenId>(text), Errc::invalid_name) << text;
  }
}

TEST(RoomNameTest, ExamplesOfTheContractAreTaken) {
  for (const char* text : {"general", "Загальна кімната", "team.42-a"}) {
    EXPECT_TRUE(RoomName::parse(text)) << text;
  }
}

TEST(RoomNameTest, NameIsNeverTrimmedOrNormalised) {
  EXPECT_EQ(parsed<RoomName>("  a  "), "<  a  >");
  EXPECT_EQ(parsed<RoomName>("e\u0301"), "<e\u0301>");
  EXPECT_EQ(parsed<RoomName>(" "), "< >");
}

TEST(RoomNameTest, LengthIsCountedInBytes) {
  EXPECT_TRUE(RoomName::parse(std::string(200, 'a')));
  EXPECT_TRUE(RoomName::parse(repeated("і", 100)));
  EXPECT_EQ(error_of<RoomName>(std::string(201, 'a')), Errc::invalid_room);
  EXPECT_EQ(error_of<RoomName>(repeated("і", 101)), Errc::invalid_room);
  EXPECT_EQ(error_of<RoomName>(""), Errc::invalid_room);
}

TEST(RoomNameTest, SlashAndControlCharactersAreRefused) {
  for (const char* text : {"/", "a/b", "a\n", "\t", "a\x7F", "a\u0080"}) {
    EXPECT_EQ(error_of<RoomName>(text), Errc::invalid_room) << text;
  }
  EXPECT_EQ(error_of<RoomName>(std::string_view("\0", 1)), Errc::invalid_room);
}

TEST(RoomNameTest, IllFormedUtf8IsRefused) {
  for (const char* text : {"\xFF", "a\xC3", "\xF4\x90\x80\x80", "\xE0\x80\xAF"}) {
    EXPECT_EQ(error_of<RoomName>(text), Errc::invalid_room) << text;
  }
}

TEST(InvitationStatusTest, PendingIsWrittenAsTheContractSays) {
  EXPECT_EQ(to_string(InvitationStatus::pending), "pending");
}

TEST(IdTest, IdsCompareByValue) {
  EXPECT_EQ(UserId{7}, UserId{7});
  EXPECT_NE(UserId{7}, UserId{8});
  EXPECT_LT(UserId{7}, UserId{8});
  EXPECT_EQ(UserId{}.value, 0);
}

TEST(IdTest, IdsCanBeHashed) {
  const std::unordered_set<ChannelId> ids = {ChannelId{1}, ChannelId{2}, ChannelId{1}};
  EXPECT_EQ(ids.size(), 2u);
}

}  // namespace
}  // namespace voicechan
