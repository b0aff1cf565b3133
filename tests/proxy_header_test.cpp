#include "proxy_header.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace voicechan::server {
namespace {

using namespace std::string_literals;
using Status = ProxyHeader::Status;

const std::string kSignature = "\r\n\r\n\0\r\nQUIT\n"s;
const std::string kFrom192_0_2_7 = "\xC0\x00\x02\x07\x0A\x00\x00\x01\x12\x67\x01\xBB"s;

std::string v2(char command, char family, const std::string& rest) {
  return kSignature + command + family + static_cast<char>(rest.size() >> 8) +
         static_cast<char>(rest.size()) + rest;
}

std::string from_ipv6() {
  std::string addresses = "\x20\x01\x0d\xb8"s + std::string(11, '\0') + '\x07';
  return addresses + std::string(16, '\0') + "\x12\x67\x01\xBB";
}

void expect_client(const std::string& header, const char* address) {
  SCOPED_TRACE(address);
  const ProxyHeader parsed = parse_proxy_header(header + "GET / HTTP/1.1\r\n");
  ASSERT_EQ(parsed.status, Status::complete);
  EXPECT_EQ(parsed.size, header.size());
  EXPECT_EQ(parsed.client ? parsed.client->str() : "none", address);
  for (std::size_t size = 0; size < header.size(); ++size) {
    EXPECT_EQ(parse_proxy_header(header.substr(0, size)).status, Status::need_more) << size;
  }
}

TEST(ProxyHeaderTest, Version2NamesTheClient) {
  expect_client(v2('\x21', '\x11', kFrom192_0_2_7), "192.0.2.7");
  expect_client(v2('\x21', '\x21', from_ipv6()), "2001:db8::7");
}

TEST(ProxyHeaderTest, WhatFollowsTheAddressesIsSkipped) {
  expect_client(v2('\x21', '\x11', kFrom192_0_2_7 + "\x04\x00\x03xyz"s), "192.0.2.7");
}

TEST(ProxyHeaderTest, AHealthCheckAndUnknownFamiliesNameNobody) {
  expect_client(v2('\x20', '\x00', ""), "none");
  expect_client(v2('\x20', '\x11', kFrom192_0_2_7), "none");
  expect_client(v2('\x21', '\x00', ""), "none");
  expect_client(v2('\x21', '\x31', std::string(216, 'u')), "none");
}

TEST(ProxyHeaderTest, Version1NamesTheClient) {
  expect_client("PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n", "192.0.2.7");
  expect_client("PROXY TCP6 2001:db8::7 2001:db8::1 4711 443\r\n", "2001:db8::7");
  expect_client("PROXY UNKNOWN\r\n", "none");
  expect_client("PROXY UNKNOWN whatever it is\r\n", "none");
}

TEST(ProxyHeaderTest, RefusesMalformedHeaders) {
  for (const std::string& text : {"GET / HTTP/1.1\r\n"s,
                                  "\x16\x03\x01"s,
                                  "X"s,
                                  "PROXX"s,
                                  "PROXY \r\n"s,
                                  "PROXY\n"s,
                                  "PROXY TCP5 1.1.1.1 2.2.2.2 1 2\r\n"s,
                                  "PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n"s,
                                  "PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n"s,
                                  "PROXY TCP4 1.1.1.1 2.2.2.2 1 65536\r\n"s,
                                  "PROXY TCP4 ::1 2.2.2.2 1 2\r\n"s,
                                  "PROXY TCP6 1.1.1.1 ::1 1 2\r\n"s,
                                  "PROXY TCP4 1.1.1 2.2.2.2 1 2\r\n"s,
                                  "PROXY TCP4  1.1.1.1 2.2.2.2 1 2\r\n"s,
                                  "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n"s,
                                  "PROXY UNKNOWN" + std::string(100, ' '),
                                  v2('\x22', '\x11', kFrom192_0_2_7),
                                  v2('\x11', '\x11', kFrom192_0_2_7),
                                  v2('\x21', '\x12', kFrom192_0_2_7),
                                  v2('\x21', '\x41', kFrom192_0_2_7),
                                  v2('\x21', '\x11', "short"),
                                  v2('\x21', '\x21', kFrom192_0_2_7),
                                  v2('\x21', '\x11', std::string(5000, 'x'))}) {
    EXPECT_EQ(parse_proxy_header(text).status, Status::malformed) << text;
  }
}

TEST(ProxyHeaderTest, AnyBytesAreReadWithinTheirBounds) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  for (int i = 0; i < 20'000; ++i) {
    std::string text = random() % 2 == 0 ? v2('\x21', '\x11', kFrom192_0_2_7)
                                         : "PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n";
    for (int change = 0; change < 3; ++change) {
      text[random() % text.size()] = static_cast<char>(random());
    }
    text.resize(random() % (text.size() + 1));
    const ProxyHeader header = parse_proxy_header(text);
    if (header.status == Status::complete) {
      EXPECT_LE(header.size, text.size());
    }
  }
}

}  // namespace
}  // namespace voicechan::server
