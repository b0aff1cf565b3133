#include "log_format.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <sstream>

#include "spdlog/logger.h"
#include "spdlog/sinks/ostream_sink.h"

namespace voicechan::server {
namespace {

TEST(PrintableTest, LeavesPlainTextAlone) {
  EXPECT_EQ(printable("voice connection of user 7 [::1]:8000 {\"a\"}"),
            "voice connection of user 7 [::1]:8000 {\"a\"}");
}

TEST(PrintableTest, EscapesWhatCouldForgeOrHideALine) {
  EXPECT_EQ(printable("a\r\nb\tc"), "a\\x0d\\x0ab\\x09c");
  EXPECT_EQ(printable(std::string_view("\0\x1b[31m\x7f", 7)), "\\x00\\x1b[31m\\x7f");
  EXPECT_EQ(printable("\\n"), "\\x5cn");
  EXPECT_EQ(printable("\xc2\x85\xe2\x80\xa8\xff"), "\\xc2\\x85\\xe2\\x80\\xa8\\xff");
}

TEST(LogFormatTest, AMessageIsOneLineWhateverIsInIt) {
  std::ostringstream out;
  spdlog::logger log("test", std::make_shared<spdlog::sinks::ostream_sink_st>(out));
  log.set_formatter(make_log_formatter());
  log.info("user {} said {}", "x\n2026-01-01T00:00:00.000Z info forged", "\x1b[2J");
  EXPECT_EQ(out.str().find('\n'), out.str().size() - 1);
  EXPECT_NE(out.str().find("x\\x0a2026-01-01T00:00:00.000Z info forged"), std::string::npos);
  EXPECT_EQ(out.str().find('\x1b'), std::string::npos);
}

TEST(LogFormatTest, AMessageIsOneJsonObjectWhateverIsInIt) {
  std::ostringstream out;
  spdlog::logger log("test", std::make_shared<spdlog::sinks::ostream_sink_st>(out));
  log.set_formatter(make_log_formatter(LogFormat::json));
  const std::string message = "\"},{\"level\":\"error\"}\n\\ \x1b[2J Олена 😀";
  log.warn("{}", message);
  EXPECT_EQ(out.str().find('\n'), out.str().size() - 1);
  for (const char c : out.str()) EXPECT_LT(static_cast<unsigned char>(c), 0x7f);
  const auto object = boost::json::parse(out.str()).as_object();
  EXPECT_EQ(object.size(), 3u);
  EXPECT_EQ(object.at("level").as_string(), "warning");
  EXPECT_EQ(object.at("message").as_string(), message);
  EXPECT_THAT(std::string(object.at("time").as_string()),
              ::testing::MatchesRegex("[0-9-]+T[0-9:]+[.][0-9]+Z"));
}

TEST(AsciiJsonTest, EscapesAllThatIsNotAscii) {
  EXPECT_EQ(ascii_json("\"a\x7f\xc2\x80\xe2\x80\xa8\xf0\x9f\x98\x80\""),
            "\"a\\u007f\\u0080\\u2028\\ud83d\\ude00\"");
}

TEST(AsciiJsonTest, WhatIsNoUtf8BecomesTheReplacementCharacter) {
  EXPECT_EQ(ascii_json("\xff"
                       "a\xc3"
                       "b"),
            "\\ufffda\\ufffdb");
  EXPECT_EQ(ascii_json("\xe2\x80"), "\\ufffd\\ufffd");             // cut short
  EXPECT_EQ(ascii_json("\xc0\xaf"), "\\ufffd\\ufffd");             // overlong
  EXPECT_EQ(ascii_json("\xed\xa0\x80"), "\\ufffd\\ufffd\\ufffd");  // a surrogate
}

}  // namespace
}  // namespace voicechan::server
