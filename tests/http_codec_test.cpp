#include "http_codec.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <iostream>
#include <random>

#include "http_codec_feed.hpp"

namespace voicechan::server {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using Outcome = HttpOutcome;
using Status = HttpCodec::Status;

Outcome feed_whole(std::string_view bytes, const HttpLimits& limits = {}) {
  return feed_http(bytes, limits, [] { return std::string::npos; });
}

Outcome feed_bytewise(std::string_view bytes, const HttpLimits& limits = {}) {
  return feed_http(bytes, limits, [] { return 1; });
}

// Whole and byte by byte.
Outcome read_both(std::string_view bytes, const HttpLimits& limits = {}) {
  SCOPED_TRACE(std::string(bytes.substr(0, 200)));
  const Outcome whole = feed_whole(bytes, limits);
  expect_same(whole, feed_bytewise(bytes, limits));
  return whole;
}

std::vector<HttpRequest> read_all(std::string_view bytes, const HttpLimits& limits = {}) {
  Outcome outcome = read_both(bytes, limits);
  EXPECT_EQ(outcome.error, 0u) << outcome.detail;
  return std::move(outcome.requests);
}

HttpRequest read_one(std::string_view bytes, const HttpLimits& limits = {}) {
  std::vector<HttpRequest> requests = read_all(bytes, limits);
  EXPECT_EQ(requests.size(), 1u);
  return requests.empty() ? HttpRequest{} : std::move(requests.front());
}

unsigned refusal(std::string_view bytes, const HttpLimits& limits = {}) {
  const Outcome outcome = read_both(bytes, limits);
  EXPECT_EQ(outcome.detail.empty(), outcome.error == 0);
  EXPECT_TRUE(outcome.requests.empty());
  return outcome.error;
}

std::string get(std::string_view target, std::string_view fields = "") {
  std::string text = "GET ";
  text.append(target).append(" HTTP/1.1\r\nHost: h\r\n").append(fields).append("\r\n");
  return text;
}

std::string post(std::string_view fields, std::string_view body = "") {
  std::string text = "POST / HTTP/1.1\r\nHost: h\r\n";
  text.append(fields).append("\r\n").append(body);
  return text;
}

std::string chunked(std::string_view body) { return post("Transfer-Encoding: chunked\r\n", body); }

TEST(HttpCodecTest, ReadsAGet) {
  const HttpRequest request = read_one(get("/a/b?c=d", "X-Some:  Value \t\r\n"));
  EXPECT_EQ(request.method, "GET");
  EXPECT_EQ(request.target, "/a/b?c=d");
  const HttpFields expected = {{"host", "h"}, {"x-some", "Value"}};
  EXPECT_EQ(request.fields, expected);
  EXPECT_EQ(request.body, "");
  EXPECT_FALSE(request.has_body_length);
  EXPECT_FALSE(request.is_http_1_0);
}

TEST(HttpCodecTest, ReadsABodyByItsLength) {
  const std::string body("a\0b\r\n", 5);
  const HttpRequest request = read_one(post("Content-Length: 5\r\n", body));
  EXPECT_EQ(request.body, body);
  EXPECT_TRUE(request.has_body_length);
}

TEST(HttpCodecTest, LengthZeroIsABodyLength) {
  const HttpRequest request = read_one(post("Content-Length: 0\r\n"));
  EXPECT_TRUE(request.has_body_length);
  EXPECT_EQ(request.body, "");
}

TEST(HttpCodecTest, ReadsAChunkedBody) {
  const HttpRequest request = read_one(chunked("3\r\nabc\r\n0A;x=y\r\n0123456789\r\n0\r\n\r\n"));
  EXPECT_TRUE(request.has_body_length);
  EXPECT_EQ(request.body, "abc0123456789");
}

TEST(HttpCodecTest, ReadsAnEmptyChunkedBody) { EXPECT_EQ(read_one(chunked("0\r\n\r\n")).body, ""); }

TEST(HttpCodecTest, LeadingZerosOfAChunkSizeChangeNothing) {
  EXPECT_EQ(read_one(chunked(std::string(100, '0') + "1;x\r\na\r\n0\r\n\r\n")).body, "a");
}

TEST(HttpCodecTest, TransferCodingNameIsCaseInsensitive) {
  EXPECT_EQ(read_one(post("Transfer-Encoding: Chunked\r\n", "1\r\na\r\n0\r\n\r\n")).body, "a");
}

TEST(HttpCodecTest, TrailersAreIgnored) {
  const HttpRequest request =
      read_one(chunked("1\r\na\r\n0\r\nX-Trailer: 1\r\nHost: evil\r\nConnection: close\r\n\r\n"));
  EXPECT_FALSE(request.has_field("x-trailer"));
  EXPECT_EQ(request.field("host"), "h");
  EXPECT_TRUE(request.keep_alive);
}

TEST(HttpCodecTest, PipelinedRequestsComeOneByOne) {
  const auto requests = read_all(get("/1") + post("Content-Length: 2\r\n", "ab") +
                                 chunked("1\r\nc\r\n0\r\n\r\n") + get("/2"));
  ASSERT_EQ(requests.size(), 4u);
  EXPECT_EQ(requests[0].target, "/1");
  EXPECT_EQ(requests[1].body, "ab");
  EXPECT_EQ(requests[2].body, "c");
  EXPECT_EQ(requests[3].target, "/2");
}

TEST(HttpCodecTest, ConsumeStopsAtTheEndOfARequest) {
  for (const std::string& request :
       {get("/"), post("Content-Length: 1\r\n", "a"), chunked("1\r\na\r\n0\r\nT: 1\r\n\r\n")}) {
    HttpCodec codec{HttpLimits{}};
    const std::string bytes = request + "\x81\x05rest!";
    std::string_view input = bytes;
    ASSERT_EQ(codec.consume(input), Status::request);
    EXPECT_EQ(input, "\x81\x05rest!");
    EXPECT_EQ(codec.consume(input), Status::request) << "nothing is read before take_request";
    EXPECT_EQ(input, "\x81\x05rest!");
  }
}

TEST(HttpCodecTest, ConsumeGivesBackWhatFollowsASplitChunkedBody) {
  const std::string request = chunked("1\r\na\r\n0\r\nT: 1\r\n\r\n");
  for (std::size_t split = 1; split < request.size(); ++split) {
    HttpCodec codec{HttpLimits{}};
    const std::string tail = request.substr(split) + "REST";
    std::string_view input = std::string_view(request).substr(0, split);
    ASSERT_EQ(codec.consume(input) == Status::failed, false);
    ASSERT_TRUE(input.empty());
    input = tail;
    ASSERT_EQ(codec.consume(input), Status::request) << split;
    EXPECT_EQ(input, "REST") << split;
  }
}

TEST(HttpCodecTest, IsIdleOnlyBetweenRequests) {
  HttpCodec codec{HttpLimits{}};
  EXPECT_TRUE(codec.is_idle());
  std::string_view input = "P";
  EXPECT_EQ(codec.consume(input), Status::need_more);
  EXPECT_FALSE(codec.is_idle());
  EXPECT_FALSE(codec.is_reading_body());
  input = "OST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n";
  EXPECT_EQ(codec.consume(input), Status::need_more);
  EXPECT_TRUE(codec.is_reading_body());
  input = "a";
  EXPECT_EQ(codec.consume(input), Status::request);
  EXPECT_FALSE(codec.is_idle());
  EXPECT_FALSE(codec.is_reading_body());
  codec.take_request();
  EXPECT_TRUE(codec.is_idle());
}

TEST(HttpCodecTest, BlankLinesBeforeARequestAreTolerated) {
  EXPECT_EQ(read_one("\r\n\r\n" + get("/a")).target, "/a");
  EXPECT_EQ(read_all(get("/a") + "\r\n" + get("/b")).size(), 2u);
  EXPECT_TRUE(feed_whole(get("/a") + "\r\n").is_idle);
}

TEST(HttpCodecTest, BlankLinesBeforeARequestAreBounded) {
  EXPECT_EQ(refusal("\r\n\r\n\r\n\r\n\r\n" + get("/a")), 400u);
  EXPECT_EQ(refusal("\n" + get("/a")), 400u);
  EXPECT_EQ(refusal("\r" + get("/a")), 400u);
}

TEST(HttpCodecTest, Http11IsKeptAliveUnlessClosed) {
  EXPECT_TRUE(read_one(get("/")).keep_alive);
  EXPECT_TRUE(read_one(get("/", "Connection: keep-alive, Upgrade\r\n")).keep_alive);
  EXPECT_FALSE(read_one(get("/", "Connection: Close\r\n")).keep_alive);
  EXPECT_FALSE(
      read_one(get("/", "Connection: x\r\nConnection:\r\nConnection: close\r\n")).keep_alive);
}

TEST(HttpCodecTest, Http10IsClosedUnlessKeptAlive) {
  EXPECT_TRUE(read_one("GET / HTTP/1.0\r\n\r\n").is_http_1_0);
  EXPECT_FALSE(read_one("GET / HTTP/1.0\r\n\r\n").keep_alive);
  EXPECT_TRUE(read_one("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").keep_alive);
  EXPECT_FALSE(read_one("GET / HTTP/1.0\r\nConnection: close, keep-alive\r\n\r\n").keep_alive);
}

TEST(HttpCodecTest, HigherMinorVersionIsReadAsHttp11) {
  const HttpRequest request = read_one("GET / HTTP/1.9\r\nHost: h\r\n\r\n");
  EXPECT_FALSE(request.is_http_1_0);
  EXPECT_TRUE(request.keep_alive);
}

TEST(HttpCodecTest, OtherMajorVersionIs505) {
  EXPECT_EQ(refusal("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505u);
  EXPECT_EQ(refusal("GET / HTTP/3.0\r\nHost: h\r\n\r\n"), 505u);
  EXPECT_EQ(refusal("GET / HTTP/0.9\r\nHost: h\r\n\r\n"), 505u);
}

TEST(HttpCodecTest, MalformedVersionIs400) {
  for (const char* version : {"HTTP/1", "HTTP/1.", "HTTP/11", "http/1.1", "HTTP/1.1 ", "HTTP/1.10",
                              " HTTP/1.1", "HTTP /1.1", "HTTP/1.x", "HTTPS/1.1", "", "x"}) {
    EXPECT_EQ(refusal("GET / " + std::string(version) + "\r\nHost: h\r\n\r\n"), 400u) << version;
  }
}

TEST(HttpCodecTest, SimpleRequestOfHttp09Is400) {
  EXPECT_EQ(refusal("GET /\r\n"), 400u);
  EXPECT_EQ(refusal("GET\r\n"), 400u);
}

TEST(HttpCodecTest, BadMethodIs400BeforeTheLineIsFinished) {
  EXPECT_EQ(refusal("G(T"), 400u);
  EXPECT_EQ(refusal(" GET"), 400u);
  EXPECT_EQ(refusal("\x16\x03\x01\x02"), 400u) << "a TLS hello";
  EXPECT_EQ(refusal("\xd0\x97 / HTTP/1.1"), 400u);
}

TEST(HttpCodecTest, EndlessMethodIs501) { EXPECT_EQ(refusal(std::string(40, 'A')), 501u); }

TEST(HttpCodecTest, UnknownMethodIsLeftToTheRouter) {
  EXPECT_EQ(read_one("BREW / HTTP/1.1\r\nHost: h\r\n\r\n").method, "BREW");
}

TEST(HttpCodecTest, BadTargetIs400) {
  for (const char* target : {"/a\tb", "/a#b", "/\xd0\x97", "/\x7f", "/\x01", "a", "host:80", "?a",
                             "*", "*/", "ftp://h/", "http:/a", "http://", "http:///a", "https://?a",
                             "http://u@h/", "http://h:x/", "http://:80/", "http://h h/"}) {
    EXPECT_EQ(refusal(get(target)), 400u) << target;
  }
  EXPECT_EQ(refusal(get("")), 400u);
  EXPECT_EQ(refusal("GET /a b HTTP/1.1\r\n"), 400u);
  EXPECT_EQ(refusal("GET  / HTTP/1.1\r\n"), 400u);
}

TEST(HttpCodecTest, LongTargetIs414BeforeTheLineIsFinished) {
  HttpLimits limits;
  limits.max_target_bytes = 10;
  EXPECT_EQ(read_one(get("/234567890"), limits).target, "/234567890");
  EXPECT_EQ(refusal("GET /2345678901", limits), 414u);
}

TEST(HttpCodecTest, AbsoluteTargetBecomesOriginForm) {
  EXPECT_EQ(read_one(get("http://example.org/path?x")).target, "/path?x");
  EXPECT_EQ(read_one(get("HTTPS://example.org:8080/a/")).target, "/a/");
  EXPECT_EQ(read_one(get("http://[::1]:80")).target, "/");
  EXPECT_EQ(read_one(get("http://h?x=/y")).target, "/?x=/y");
}

TEST(HttpCodecTest, AuthorityOfAnAbsoluteTargetReplacesHost) {
  EXPECT_EQ(read_one(get("http://example.org:81/a")).field("host"), "example.org:81");
}

TEST(HttpCodecTest, AsteriskIsForOptions) {
  EXPECT_EQ(read_one("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n").target, "*");
}

TEST(HttpCodecTest, OptionsOfAnAuthorityIsAboutTheServer) {
  EXPECT_EQ(read_one("OPTIONS http://h HTTP/1.1\r\nHost: h\r\n\r\n").target, "*");
  EXPECT_EQ(read_one("OPTIONS http://h/ HTTP/1.1\r\nHost: h\r\n\r\n").target, "/");
  EXPECT_EQ(read_one("OPTIONS http://h?x HTTP/1.1\r\nHost: h\r\n\r\n").target, "/?x");
}

TEST(HttpCodecTest, ConnectIs501) {
  EXPECT_EQ(refusal("CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n\r\n"), 501u);
  EXPECT_EQ(refusal("CONNECT / HTTP/1.1\r\nHost: h\r\n\r\n"), 501u);
}

TEST(HttpCodecTest, HostIsRequiredInHttp11Only) {
  EXPECT_EQ(refusal("GET / HTTP/1.1\r\nA: b\r\n\r\n"), 400u);
  EXPECT_EQ(refusal("GET http://h/ HTTP/1.1\r\n\r\n"), 400u);
  EXPECT_EQ(read_one("GET / HTTP/1.0\r\nA: b\r\n\r\n").target, "/");
}

TEST(HttpCodecTest, SecondHostIs400) {
  EXPECT_EQ(refusal(get("/", "Host: h\r\n")), 400u);
  EXPECT_EQ(refusal("GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n"), 400u);
}

TEST(HttpCodecTest, WellFormedHostIsTaken) {
  for (const char* host : {"", "localhost", "a.b-c_d:8080", "127.0.0.1:", "[::1]", "[fe80::1]:443",
                           "%D0%97", "h:65535"}) {
    EXPECT_EQ(read_one("GET / HTTP/1.1\r\nHost: " + std::string(host) + "\r\n\r\n").field("host"),
              host);
  }
}

TEST(HttpCodecTest, IllFormedHostIs400) {
  for (const char* host : {"a b",  "a/b",  "u@h",      "h:x",  "h:1:2",     "h:123456", "h:65536",
                           "[::1", "[]",   "[::1]x",   "[g]",  "[1.2.3.4]", "[:::]",    "%4",
                           "%zz",  "a\\b", "\xd0\x97", "a\"b", "<h>",       "h?"}) {
    EXPECT_EQ(refusal("GET / HTTP/1.1\r\nHost: " + std::string(host) + "\r\n\r\n"), 400u) << host;
  }
}

TEST(HttpCodecTest, BareLineFeedIs400) {
  EXPECT_EQ(refusal("GET / HTTP/1.1\nHost: h\r\n\r\n"), 400u);
  EXPECT_EQ(refusal("GET / HTTP/1.1\r\nHost: h\n\r\n"), 400u);
  EXPECT_EQ(refusal("GET / HTTP/1.1\r\nHost: h\r\n\n"), 400u);
}

TEST(HttpCodecTest, BareCarriageReturnIs400) {
  EXPECT_EQ(refusal("GET / HTTP/1.1\rHost: h\r\n\r\n"), 400u);
  EXPECT_EQ(refusal(get("/", "A: b\rc\r\n")), 400u);
  EXPECT_EQ(refusal(get("/", "A: b\r\r\n")), 400u);
  EXPECT_EQ(refusal(get("/", "\rA: b\r\n")), 400u);
}

TEST(HttpCodecTest, FoldedFieldIs400) {
  EXPECT_EQ(refusal(get("/", "A: b\r\n c\r\n")), 400u);
  EXPECT_EQ(refusal(get("/", "A: b\r\n\tc\r\n")), 400u);
  EXPECT_EQ(refusal("GET / HTTP/1.1\r\n Host: h\r\n\r\n"), 400u);
}

TEST(HttpCodecTest, BadFieldNameIs400) {
  for (const char* line : {"A : b", "A\t: b", ": b", "A", "A b: c", "A(b: c", "\xd0\x97: a",
                           "\"a\": b", "a\x01: b", "a/b: c"}) {
    EXPECT_EQ(refusal(get("/", std::string(line) + "\r\n")), 400u) << line;
  }
}

TEST(HttpCodecTest, ControlCharacterInAValueIs400) {
  using namespace std::string_literals;
  for (const std::string& line :
       {"A: b\0c\r\n"s, "A: \x01\r\n"s, "A: b\x7f\r\n"s, "A: \x1b[0m\r\n"s}) {
    EXPECT_EQ(refusal(get("/", line)), 400u) << line;
  }
}

TEST(HttpCodecTest, TabAndHighBytesInAValueAreKept) {
  EXPECT_EQ(read_one(get("/", "A: b\tc \xd0\x97\r\n")).field("a"), "b\tc \xd0\x97");
}

TEST(HttpCodecTest, FieldsOfOneNameAreJoined) {
  const HttpRequest request = read_one(get("/", "A: 1\r\nB: x\r\na: 2\r\nA:\r\n"));
  EXPECT_EQ(request.field("a"), "1, 2, ");
  EXPECT_EQ(request.field("c"), "");
  EXPECT_TRUE(request.has_field("b"));
  EXPECT_FALSE(request.has_field("c"));
}

TEST(HttpCodecTest, TooManyFieldsAre431) {
  HttpLimits limits;
  limits.max_header_count = 3;  // with Host
  EXPECT_EQ(read_one(get("/", "A: 1\r\nB: 2\r\n"), limits).fields.size(), 3u);
  EXPECT_EQ(refusal(get("/", "A: 1\r\nB: 2\r\nC: 3\r\n"), limits), 431u);
}

TEST(HttpCodecTest, TooManyFieldBytesAre431) {
  HttpLimits limits;
  limits.max_header_bytes = 9 + 40;  // "Host: h\r\n"
  const auto line = [](std::size_t size) { return "A: " + std::string(size - 5, 'x') + "\r\n"; };
  EXPECT_EQ(read_one(get("/", line(40)), limits).fields.size(), 2u);
  for (std::size_t size = 41; size < 45; ++size) {
    EXPECT_EQ(refusal(get("/", line(size)), limits), 431u) << size;
  }
}

TEST(HttpCodecTest, EndlessFieldLineIs431) {
  EXPECT_EQ(refusal("GET / HTTP/1.1\r\nA: " + std::string(17 * 1024, 'x')), 431u);
  EXPECT_EQ(refusal("GET / HTTP/1.1\r\n" + std::string(17 * 1024, 'x')), 431u);
}

TEST(HttpCodecTest, FieldOfSeventyKilobytesIsReadWhenAllowed) {
  HttpLimits limits;
  limits.max_header_bytes = 128 * 1024;
  const std::string value(70 * 1024, 'x');
  EXPECT_EQ(read_one(get("/", "A: " + value + "\r\n"), limits).field("a"), value);
}

TEST(HttpCodecTest, LengthAndTransferEncodingTogetherAre400) {
  EXPECT_EQ(refusal(post("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n")), 400u);
  EXPECT_EQ(refusal(post("Transfer-Encoding: chunked\r\nContent-Length: 1\r\n")), 400u);
  EXPECT_EQ(refusal(post("Transfer-Encoding: gzip\r\nContent-Length: 1\r\n", "a")), 400u);
}

TEST(HttpCodecTest, RepeatedLengthIs400) {
  EXPECT_EQ(refusal(post("Content-Length: 1\r\nContent-Length: 2\r\n")), 400u);
  EXPECT_EQ(refusal(post("Content-Length: 1\r\nContent-Length: 1\r\n")), 400u);
  EXPECT_EQ(refusal(post("Content-Length: 1, 1\r\n")), 400u);
}

TEST(HttpCodecTest, BadLengthIs400) {
  for (const char* length : {"", "-1", "+1", "1a", "0x1", "1 2", "1.0", ",", "1,", "\"1\"",
                             "18446744073709551616", "99999999999999999999999"}) {
    EXPECT_EQ(refusal(post("Content-Length: " + std::string(length) + "\r\n")), 400u) << length;
  }
}

TEST(HttpCodecTest, OtherTransferCodingIs501) {
  for (const char* coding : {"gzip", "identity", "gzip, chunked", "xchunked"}) {
    EXPECT_EQ(refusal(post("Transfer-Encoding: " + std::string(coding) + "\r\n")), 501u) << coding;
  }
}

TEST(HttpCodecTest, MalformedTransferEncodingIs400) {
  for (const char* coding :
       {"", "\"chunked\"", "chunked chunked", "chunked;;", "chunked, gzip", "chunked, chunked",
        "\x0b"
        "chunked"}) {
    EXPECT_EQ(refusal(post("Transfer-Encoding: " + std::string(coding) + "\r\n")), 400u) << coding;
  }
  EXPECT_EQ(refusal(post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n")), 400u);
  EXPECT_EQ(refusal(post("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n")), 400u);
}

TEST(HttpCodecTest, TransferEncodingInHttp10Is400) {
  EXPECT_EQ(refusal("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400u);
}

TEST(HttpCodecTest, AnnouncedBodyOverTheLimitIs413BeforeItArrives) {
  HttpLimits limits;
  limits.max_body_bytes = 4;
  EXPECT_EQ(read_one(post("Content-Length: 4\r\n", "abcd"), limits).body, "abcd");
  EXPECT_EQ(refusal(post("Content-Length: 5\r\n"), limits), 413u);
  EXPECT_EQ(refusal(post("Content-Length: 5\r\nExpect: 100-continue\r\n"), limits), 413u);
}

TEST(HttpCodecTest, GrowingChunkedBodyOverTheLimitIs413) {
  HttpLimits limits;
  limits.max_body_bytes = 4;
  EXPECT_EQ(read_one(chunked("2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n"), limits).body, "abcd");
  EXPECT_EQ(refusal(chunked("2\r\nab\r\n3\r\n"), limits), 413u);
  EXPECT_EQ(refusal(chunked("FFFFFFFFFFFFFFFF\r\n"), limits), 413u);
}

TEST(HttpCodecTest, LargeBodiesAreRead) {
  HttpLimits limits;
  limits.max_body_bytes = 1024 * 1024;
  std::string body(limits.max_body_bytes, 'x');
  for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>(i * 31);
  const std::string length = std::to_string(body.size());
  EXPECT_EQ(
      feed_whole(post("Content-Length: " + length + "\r\n", body), limits).requests.at(0).body,
      body);
  std::string chunks;
  for (std::size_t at = 0; at < body.size(); at += 4096) {
    chunks += "1000\r\n" + body.substr(at, 4096) + "\r\n";
  }
  EXPECT_EQ(
      feed_http(chunked(chunks + "0\r\n\r\n"), limits, [] { return 1000; }).requests.at(0).body,
      body);
}

TEST(HttpCodecTest, MalformedChunksAre400) {
  for (const char* body : {"x\r\nabc", "-1\r\nabc", "\r\nabc\r\n", "3\r\nabcd\r\n0\r\n\r\n",
                           "3\nabc\r\n0\r\n\r\n", "3 x\r\nabc\r\n", "0x3\r\nabc\r\n0\r\n\r\n",
                           "3;\r\nabc\r\n0\r\n\r\n", "11111111111111111\r\nabc\r\n", "3\rabc\r\n",
                           "0\r\nbad trailer\r\n\r\n", "3;a=\"\r\nabc\"\r\n0\r\n\r\n"}) {
    EXPECT_EQ(refusal(chunked(body)), 400u) << body;
  }
}

TEST(HttpCodecTest, MalformedHeaderOfATooLargeChunkIs400) {
  HttpLimits limits;
  limits.max_body_bytes = 100;
  EXPECT_EQ(refusal(chunked("99a=x\r\nabc"), limits), 400u);
  EXPECT_EQ(refusal(chunked("1\r\na\r\n99a=x\r\nabc"), limits), 400u);
  EXPECT_EQ(refusal(chunked("1\r\na\r\n99a;x\r\nabc"), limits), 413u);
}

TEST(HttpCodecTest, WrongEndOfAChunkIs400BeforeMoreArrives) {
  EXPECT_EQ(refusal(chunked("6\r\nabcdefx")), 400u);
  EXPECT_EQ(refusal(chunked("6\r\nabcdef\rx")), 400u);
  EXPECT_EQ(refusal(chunked("6\r\nabcdef\r\nx")), 400u);
}

TEST(HttpCodecTest, ControlCharacterInAChunkExtensionIs400) {
  EXPECT_EQ(refusal(chunked("1;a=\"\x01\"\r\nx\r\n0\r\n\r\n")), 400u);
  EXPECT_EQ(refusal(chunked("0;a=\"\x7f\"\r\n\r\n")), 400u);
  EXPECT_EQ(read_one(chunked("0;a=\"\t\xd0\"\r\n\r\n")).body, "");
}

TEST(HttpCodecTest, FramingFieldInATrailerIs400) {
  EXPECT_EQ(refusal(chunked("0\r\nContent-Length: 3\r\n\r\n")), 400u);
  EXPECT_EQ(refusal(chunked("0\r\nTransfer-Encoding: chunked\r\n\r\n")), 400u);
}

TEST(HttpCodecTest, EndlessChunkExtensionIsRefused) {
  EXPECT_EQ(refusal(chunked("1;" + std::string(9000, 'x'))), 431u);
  std::string chunks;
  for (int i = 0; i < 5; ++i) chunks += "1;" + std::string(1000, 'x') + "\r\na\r\n";
  EXPECT_EQ(refusal(chunked(chunks)), 400u);
}

// Beast alone would wait for the closing quote, and charge the chunk's size against the limit again
// at each call.
TEST(HttpCodecTest, QuotedExtensionOverTheEndOfItsLineIs400) {
  EXPECT_EQ(refusal(chunked("1;a=\"\r\nx")), 400u);
  EXPECT_EQ(refusal(chunked("1\r\na\r\n1;a=\"b\r\n\"\r\n")), 400u);
  EXPECT_EQ(refusal(chunked("0;a=\"\r\n\r\n")), 400u);
}

TEST(HttpCodecTest, EndlessTrailersAre431) {
  std::string trailers;
  for (int i = 0; i < 100; ++i) trailers += "T: " + std::string(100, 'x') + "\r\n";
  EXPECT_EQ(refusal(chunked("0\r\n" + trailers)), 431u);
  EXPECT_EQ(refusal(chunked("0\r\n" + trailers.substr(0, 5000) + "\r\n\r\n")), 431u);
}

Status status_after(std::string_view bytes) {
  HttpCodec codec{HttpLimits{}};
  return codec.consume(bytes);
}

TEST(HttpCodecTest, WaitingClientIsToldToContinue) {
  for (const char* length : {"Content-Length: 1\r\n", "Transfer-Encoding: chunked\r\n"}) {
    HttpCodec codec{HttpLimits{}};
    const std::string head = post("Expect: 100-Continue\r\n" + std::string(length));
    std::string_view input = head;
    EXPECT_EQ(codec.consume(input), Status::send_continue);
    EXPECT_TRUE(codec.is_reading_body());
    EXPECT_EQ(codec.consume(input), Status::need_more) << "once";
    const std::string_view body = length[0] == 'C' ? "a" : "1\r\na\r\n0\r\n\r\n";
    input = body;
    EXPECT_EQ(codec.consume(input), Status::request);
    EXPECT_EQ(codec.take_request().body, "a");
  }
}

TEST(HttpCodecTest, ContinueIsNotSentWhenTheBodyIsAlreadyComing) {
  EXPECT_EQ(status_after(post("Expect: 100-continue\r\nContent-Length: 2\r\n", "a")),
            Status::need_more);
  EXPECT_EQ(status_after(post("Expect: 100-continue\r\nContent-Length: 1\r\n", "a")),
            Status::request);
}

TEST(HttpCodecTest, ContinueIsNotSentWithoutABody) {
  EXPECT_EQ(status_after(post("Expect: 100-continue\r\nContent-Length: 0\r\n")), Status::request);
  EXPECT_EQ(status_after(get("/", "Expect: 100-continue\r\n")), Status::request);
}

TEST(HttpCodecTest, ContinueIsNotSentToHttp10) {
  EXPECT_EQ(status_after("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n"),
            Status::need_more);
}

TEST(HttpCodecTest, UnknownExpectationIs417) {
  EXPECT_EQ(refusal(post("Expect: tea\r\nContent-Length: 1\r\n")), 417u);
  EXPECT_EQ(refusal(get("/", "Expect: 100-continue, tea\r\n")), 417u);
}

TEST(HttpCodecTest, HeadIsKnownWhenItsRequestFails) {
  EXPECT_TRUE(read_both("HEAD / HTTP/1.1\r\nA: b\r\n\r\n").is_head);
  EXPECT_TRUE(read_both("HEAD /" + std::string(10'000, 'a')).is_head);
  EXPECT_TRUE(
      read_both("HEAD / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nx").is_head);
  EXPECT_FALSE(read_both("HEADX / HTTP/1.1\r\nA: b\r\n\r\n").is_head);
  EXPECT_FALSE(read_both("HEAD / HTTP/1.1\r\nHost: h\r\n\r\nGET / HTTP/1.1\r\n\r\n").is_head);
}

TEST(HttpCodecTest, DetailHoldsNoBytesFromTheNetwork) {
  for (const std::string& bytes :
       {std::string("ZQX(/ HTTP/1.1\r\n"), get("/ZQX#"), get("/", "ZQX : ZQX\r\n"),
        post("Transfer-Encoding: ZQX\r\n"), post("Content-Length: ZQX\r\n"),
        get("/", "Expect: ZQX\r\n"), get("/", "Host: ZQX\r\n"), chunked("ZQX\r\n")}) {
    const Outcome outcome = feed_whole(bytes);
    EXPECT_GE(outcome.error, 400u) << bytes;
    EXPECT_THAT(outcome.detail, Not(HasSubstr("ZQX")));
    EXPECT_THAT(outcome.detail, EndsWith("."));
  }
}

TEST(HttpCodecTest, NothingIsReadAfterAFailure) {
  HttpCodec codec{HttpLimits{}};
  std::string_view input = "(";
  EXPECT_EQ(codec.consume(input), Status::failed);
  const std::string next = get("/");
  input = next;
  EXPECT_EQ(codec.consume(input), Status::failed);
  EXPECT_EQ(codec.error_status(), 400u);
  input = {};
  EXPECT_EQ(codec.consume(input), Status::failed);
}

TEST(HttpCodecTest, MovedCodecGoesOn) {
  HttpCodec first{HttpLimits{}};
  std::string_view input = "GET / HTTP/1.1\r\nHo";
  EXPECT_EQ(first.consume(input), Status::need_more);
  HttpCodec second = std::move(first);
  input = "st: h\r\n\r\n";
  EXPECT_EQ(second.consume(input), Status::request);
}

// Byte by byte costs a little more than whole, not a factor that grows with the length.
TEST(HttpCodecTest, TimeIsLinearInTheBytes) {
  HttpLimits limits;
  limits.max_header_bytes = limits.max_body_bytes = 4 * 1024 * 1024;
  const auto time_of = [&limits](const std::string& bytes) {
    const auto start = std::chrono::steady_clock::now();
    HttpCodec codec{limits};
    for (std::size_t at = 0; at < bytes.size(); ++at) {
      std::string_view input(&bytes[at], 1);
      codec.consume(input);
    }
    return std::chrono::steady_clock::now() - start;
  };
  // Quadratic would be 2^41 steps.
  EXPECT_LT(time_of("GET / HTTP/1.1\r\nA: " + std::string(2'000'000, 'x')),
            std::chrono::seconds(5));
  EXPECT_LT(time_of(chunked("1e8480\r\n" + std::string(2'000'000, 'x'))), std::chrono::seconds(5));
}

// Prints its seed; run again with --gtest_random_seed=<seed>.
unsigned test_seed() {
  const int given = GTEST_FLAG_GET(random_seed);
  const unsigned seed = given != 0 ? static_cast<unsigned>(given) : std::random_device{}();
  std::cout << "seed " << seed << std::endl;
  return seed;
}

std::size_t below(std::size_t end, std::mt19937& random) {
  return std::uniform_int_distribution<std::size_t>(0, end - 1)(random);
}

// Pieces of 1 to `max_size` bytes give what the whole gives. A bad byte after a chunk may be found
// only when the next few have come.
void expect_same_when_split(const std::string& bytes, std::size_t max_size, std::mt19937& random) {
  SCOPED_TRACE(::testing::PrintToString(bytes));
  const auto next_size = [&] { return 1 + below(max_size, random); };
  const Outcome whole = feed_whole(bytes);
  Outcome split = feed_http(bytes, {}, next_size);
  if (whole.error != 0 && split.error == 0) split = feed_http(bytes + "zzzzzzzz", {}, next_size);
  expect_same(whole, split);
}

const std::vector<std::string>& samples() {
  static const std::vector<std::string> all = {
      get("/a?b", "Connection: keep-alive\r\nX: y\r\n"),
      get("http://example.org/x"),
      post("Content-Length: 11\r\n", "hello\r\n\r\nGE"),
      post("Expect: 100-continue\r\nContent-Length: 3\r\n", "abc"),
      chunked("5;n=v;q=\"a b\"\r\nhello\r\n1\r\n\n\r\n0\r\nT: u\r\n\r\n"),
      chunked("0\r\n\r\n"),
      chunked("000\r\nA: b\r\nC: d\r\n\r\n"),
      "\r\nOPTIONS * HTTP/1.1\r\nHost:\r\n\r\n",
      "GET / HTTP/1.0\r\n\r\n",
  };
  return all;
}

TEST(HttpCodecTest, RandomSplitsMakeNoDifference) {
  const unsigned seed = test_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 500 && !HasFailure(); ++round) {
    std::string bytes;
    for (int i = 0; i < 4; ++i) bytes += samples()[below(samples().size(), random)];
    EXPECT_EQ(feed_whole(bytes).requests.size(), 4u);
    expect_same_when_split(bytes, 12, random);
  }
}

TEST(HttpCodecTest, MutatedRequestsAreReadAlikeHoweverSplit) {
  const unsigned seed = test_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  constexpr std::string_view kSpice("\r\n\r\n\0 :;,0123456789abcdefxX\t\"%#/\xff", 33);
  for (int round = 0; round < 5000 && !HasFailure(); ++round) {
    std::string bytes =
        samples()[below(samples().size(), random)] + samples()[below(samples().size(), random)];
    for (std::size_t i = below(4, random); i != 0; --i) {
      const std::size_t at = below(bytes.size(), random);
      const char spice = kSpice[below(kSpice.size(), random)];
      switch (below(3, random)) {
        case 0:
          bytes[at] = spice;
          break;
        case 1:
          bytes.insert(at, 1, spice);
          break;
        case 2:
          bytes.erase(at, 1);
          break;
      }
    }
    expect_same_when_split(bytes, 1, random);
    expect_same_when_split(bytes, 12, random);
  }
}

TEST(HttpCodecTest, GarbageNeverCrashes) {
  const unsigned seed = test_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const std::vector<std::string> starts = {"",          "GET / HTTP/1.1\r\n", get("/"),
                                           chunked(""), chunked("3\r\nabc"),  chunked("0\r\n")};
  for (int round = 0; round < 3000 && !HasFailure(); ++round) {
    std::string bytes = starts[below(starts.size(), random)];
    for (std::size_t i = below(300, random); i != 0; --i)
      bytes.push_back(static_cast<char>(below(256, random)));
    expect_same_when_split(bytes, 40, random);
  }
}

}  // namespace
}  // namespace voicechan::server
