#include "toml_settings.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace voicechan::server {
namespace {

using Type = TomlSetting::Type;

std::vector<TomlSetting> parsed(std::string_view text) {
  auto result = parse_toml_settings(text);
  const auto* error = std::get_if<TomlError>(&result);
  EXPECT_EQ(error, nullptr) << (error == nullptr ? "" : error->reason);
  return error == nullptr ? std::get<std::vector<TomlSetting>>(std::move(result))
                          : std::vector<TomlSetting>();
}

/// The one value in a file.
TomlSetting value(std::string_view text) {
  const auto settings = parsed("key = " + std::string(text));
  EXPECT_EQ(settings.size(), 1u);
  return settings.empty() ? TomlSetting() : settings.front();
}

TEST(TomlSettingsTest, AreInTheOrderOfTheirLines) {
  const auto settings = parsed("\n# comment\nzebra = 1\n\"an ape\" = 2 # comment\n");
  ASSERT_EQ(settings.size(), 2u);
  EXPECT_EQ(settings[0].key, "zebra");
  EXPECT_EQ(settings[0].line, 3u);
  EXPECT_EQ(settings[1].key, "an ape");
  EXPECT_EQ(settings[1].line, 4u);
}

TEST(TomlSettingsTest, ValuesAreAsOnACommandLine) {
  EXPECT_EQ(value("true").values, std::vector<std::string>{"true"});
  EXPECT_EQ(value("1_000_000").values, std::vector<std::string>{"1000000"});
  EXPECT_EQ(value("0x10").values, std::vector<std::string>{"16"});
  EXPECT_EQ(value("0.2").values, std::vector<std::string>{"0.2"});
  EXPECT_EQ(value("-1").values, std::vector<std::string>{"-1"});
  EXPECT_EQ(value("'C:\\x'").values, std::vector<std::string>{"C:\\x"});
  EXPECT_EQ(value(R"("Фріда\n")").values, std::vector<std::string>{"Фріда\n"});
  EXPECT_EQ(value("['a', 'b']").values, (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(value("[]").values.empty());
}

TEST(TomlSettingsTest, ValuesHaveTypes) {
  EXPECT_EQ(value("false").type, Type::boolean);
  EXPECT_EQ(value("7").type, Type::number);
  EXPECT_EQ(value("7.5").type, Type::number);
  EXPECT_EQ(value("nan").type, Type::number);
  EXPECT_EQ(value("'7'").type, Type::text);
  EXPECT_EQ(value("['7']").type, Type::texts);
  EXPECT_EQ(value("[]").type, Type::texts);
  EXPECT_EQ(value("['7', 7]").type, Type::other);
  EXPECT_EQ(value("{a = 1}").type, Type::table);
  EXPECT_EQ(value("2026-11-22").type, Type::other);
  EXPECT_EQ(parsed("[table]\na = 1").at(0).type, Type::table);
  EXPECT_EQ(parsed("[[table]]\na = 1").at(0).type, Type::table);
}

TEST(TomlSettingsTest, AnErrorHasItsLine) {
  for (const char* text : {"a = 1\n\nb = \n", "a = 1\nb = 2\na = 3\n", "a = 1\nb = 'c\n\nd = 1",
                           "a = 1\nb = 1\n= 2", "a = 1\n\nb = \"\xff\"\n"}) {
    const auto result = parse_toml_settings(text);
    const auto* error = std::get_if<TomlError>(&result);
    ASSERT_NE(error, nullptr) << text;
    EXPECT_GE(error->line, 2u) << text;
    EXPECT_LE(error->line, 3u) << text;
    EXPECT_GT(error->reason.size(), 8u);
    EXPECT_EQ(error->reason.find('\n'), std::string::npos) << error->reason;
  }
}

TEST(TomlSettingsTest, AQuotedTextIsReadAsItWas) {
  for (const char* text :
       {"", "plain", "a \"quoted\" 'one'", "C:\\path\\", "tab\t line\n", "Олена"}) {
    EXPECT_EQ(value(toml_quoted(text)).values, std::vector<std::string>{text});
  }
}

}  // namespace
}  // namespace voicechan::server
