#include "http_message.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace voicechan::server {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

std::string serialize_simple(const HttpResponse& response, bool keep_alive = true) {
  return serialize(response, false, keep_alive, false, "Sun, 06 Nov 1994 08:49:37 GMT");
}

TEST(HttpSerializeTest, WritesTheWholeResponse) {
  EXPECT_EQ(serialize_simple({201, {{"Location", "/x"}}, "{\"id\":1}"}),
            "HTTP/1.1 201 Created\r\n"
            "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
            "Content-Type: application/json\r\n"
            "Content-Length: 8\r\n"
            "X-Content-Type-Options: nosniff\r\n"
            "Cache-Control: no-store\r\n"
            "Referrer-Policy: no-referrer\r\n"
            "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n"
            "Vary: Origin\r\n"
            "Location: /x\r\n"
            "\r\n"
            "{\"id\":1}");
}

TEST(HttpSerializeTest, EveryStatusOfOursHasAReason) {
  for (unsigned status : {200u, 201u, 204u, 400u, 401u, 403u, 404u, 405u, 408u, 409u, 411u,
                          413u, 414u, 415u, 417u, 426u, 429u, 431u, 500u, 501u, 503u, 505u}) {
    const std::string start = "HTTP/1.1 " + std::to_string(status) + " ";
    const std::string text = serialize_simple({status, {}, "{}"});
    EXPECT_EQ(text.substr(0, start.size()), start);
    EXPECT_NE(text[start.size()], '\r') << status;
    EXPECT_NE(text[start.size()], '<') << status;
  }
}

TEST(HttpSerializeTest, UnknownStatusHasAnEmptyReason) {
  EXPECT_EQ(serialize_simple({299, {}, ""}).substr(0, 15), "HTTP/1.1 299 \r\n");
}

TEST(HttpSerializeTest, HeadHasTheLengthAndNoBody) {
  const std::string text = serialize({200, {}, "[1,2]"}, false, true, true, "now");
  EXPECT_THAT(text, HasSubstr("Content-Length: 5\r\n"));
  EXPECT_THAT(text, EndsWith("\r\n\r\n"));
}

TEST(HttpSerializeTest, EmptyBodyHasLengthZero) {
  EXPECT_THAT(serialize_simple({200, {}, ""}), HasSubstr("Content-Length: 0\r\n"));
}

TEST(HttpSerializeTest, NoContentHasNoLengthAndNoBody) {
  const std::string text = serialize_simple({204, {}, "x"});
  EXPECT_THAT(text, Not(HasSubstr("Content-Length")));
  EXPECT_THAT(text, EndsWith("\r\n\r\n"));
}

TEST(HttpSerializeTest, ConnectionSaysWhatTheVersionDoesNotImply) {
  const HttpResponse response;
  EXPECT_THAT(serialize(response, false, true, false, ""), Not(HasSubstr("Connection:")));
  EXPECT_THAT(serialize(response, false, false, false, ""), HasSubstr("Connection: close\r\n"));
  EXPECT_THAT(serialize(response, true, true, false, ""), HasSubstr("Connection: keep-alive\r\n"));
  EXPECT_THAT(serialize(response, true, false, false, ""), HasSubstr("Connection: close\r\n"));
}

TEST(HttpSerializeTest, UpgradeIsNamedInConnection) {
  const HttpResponse response{426, {{"Upgrade", "websocket"}}, "{}"};
  EXPECT_THAT(serialize_simple(response), HasSubstr("Connection: upgrade\r\n"));
  EXPECT_THAT(serialize_simple(response, false), HasSubstr("Connection: close, upgrade\r\n"));
}

TEST(HttpSerializeTest, FieldValueCannotStartALine) {
  const std::string text =
      serialize_simple({200, {{"A", std::string("b\r\nSet-Cookie: x\n\0y", 19)}}, ""});
  EXPECT_THAT(text, HasSubstr("\r\nA: b  Set-Cookie: x  y\r\n"));
}

TEST(HttpSerializeTest, FieldWithABadNameIsLeftOut) {
  const std::string text = serialize_simple({200, {{"A\r\nB", "evil"}, {"", "evil"}}, ""});
  EXPECT_THAT(text, Not(HasSubstr("evil")));
}

TEST(HttpDateTest, IsImfFixdate) {
  EXPECT_EQ(format_http_date(784111777), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(format_http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
  EXPECT_EQ(format_http_date(951782400), "Tue, 29 Feb 2000 00:00:00 GMT");
}

TEST(HttpDateTest, StaysWithinFourDigitYears) {
  EXPECT_EQ(format_http_date(-1), "Thu, 01 Jan 1970 00:00:00 GMT");
  EXPECT_EQ(format_http_date(253402300800), "Fri, 31 Dec 9999 23:59:59 GMT");
}

}  // namespace
}  // namespace voicechan::server
