#include "ice_url.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace voicechan::server {
namespace {

using ::testing::HasSubstr;

bool is_of_kind(std::string_view url, IceUrlKind kind) {
  const auto checked = check_ice_url(url);
  const auto* found = std::get_if<IceUrlKind>(&checked);
  return found != nullptr && *found == kind;
}

std::string mistake_in(std::string_view url) {
  const auto checked = check_ice_url(url);
  const auto* reason = std::get_if<std::string_view>(&checked);
  return reason == nullptr ? "none" : std::string(*reason);
}

TEST(IceUrlTest, StunUrlsAreTaken) {
  for (const char* url : {"stun:example.org", "stuns:example.org", "stun:example.org:8000",
                          "stun:192.0.2.1:1", "stun:[2001:db8::1]", "stuns:[::1]:65535",
                          "stun:localhost", "stun:xn--e1afmkfd.example", "stun:a_b.1a:3478"}) {
    EXPECT_TRUE(is_of_kind(url, IceUrlKind::stun)) << url << ": " << mistake_in(url);
  }
}

TEST(IceUrlTest, TurnUrlsAreTaken) {
  for (const char* url :
       {"turn:example.org", "turns:example.org", "turn:example.org:8000",
        "turn:example.org?transport=udp", "turn:example.org?transport=tcp",
        "turns:example.org:443?transport=tcp", "turn:[2001:db8::1]:3478?transport=udp"}) {
    EXPECT_TRUE(is_of_kind(url, IceUrlKind::turn)) << url << ": " << mistake_in(url);
  }
}

TEST(IceUrlTest, OtherSchemesAreRefused) {
  for (const char* url : {"", ":", "stun", "turn", "http://example.org", "STUN:example.org",
                          "stunx:example.org", " stun:example.org", "example.org:3478"}) {
    EXPECT_THAT(mistake_in(url), HasSubstr("does not begin")) << url;
  }
}

TEST(IceUrlTest, WhatIsNoHostIsRefused) {
  for (const std::string& host :
       {std::string(),
        std::string("//example.org"),
        std::string("user@example.org"),
        std::string("a b"),
        std::string("a/b"),
        std::string("a#b"),
        std::string("a\nb"),
        std::string("a..b"),
        std::string("a."),
        std::string(".a"),
        std::string("-a.b"),
        std::string("a-.b"),
        std::string("ä.example"),
        std::string("%61"),
        std::string("300.1.1.1"),
        std::string("1.2.3"),
        std::string("[]"),
        std::string("[::1"),
        std::string("::1]"),
        std::string("[::1]x"),
        std::string("x[::1]"),
        std::string("[fe80::1%eth0]"),
        std::string("[127.0.0.1]"),
        std::string("a\0b", 3),
        std::string(64, 'a'),
        std::string(253, 'a').replace(60, 1, ".").replace(120, 1, ".").replace(180, 1, ".") +
            ".toolong"}) {
    EXPECT_THAT(mistake_in("stun:" + host), HasSubstr("its host")) << host;
    EXPECT_THAT(mistake_in("turn:" + host + ":3478?transport=udp"), HasSubstr("its host")) << host;
  }
  EXPECT_THAT(mistake_in("stun:2001:db8::1"), HasSubstr("its "));
}

TEST(IceUrlTest, APortIsFrom1To65535) {
  for (const char* port : {"", "0", "65536", "99999999999999999999", "-1", "+1", "1a", " 1", "1 ",
                           "1:2", "0x1", "3478/"}) {
    for (const char* host : {"a", "192.0.2.1", "[::1]"}) {
      const std::string url = std::string("stun:") + host + ':' + port;
      EXPECT_THAT(mistake_in(url), HasSubstr("its port")) << url;
    }
  }
}

TEST(IceUrlTest, OnlyTurnHasATransportAndItIsUdpOrTcp) {
  EXPECT_THAT(mistake_in("stun:example.org?transport=udp"), HasSubstr("STUN"));
  EXPECT_THAT(mistake_in("stuns:example.org?"), HasSubstr("STUN"));
  for (const char* query : {"?", "?transport", "?transport=", "?transport=tls", "?transport=UDP",
                            "?transport=udp&x=1", "?x=1", "?transport=udp?", "?transport=udp "}) {
    EXPECT_THAT(mistake_in(std::string("turn:a") + query), HasSubstr("?transport=")) << query;
  }
}

}  // namespace
}  // namespace voicechan::server
