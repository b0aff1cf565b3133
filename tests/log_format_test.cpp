#include "log_format.hpp"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace voicechan::server
