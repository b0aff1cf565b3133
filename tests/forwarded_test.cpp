#include "forwarded.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace voicechan::server {
namespace {

TrustedProxies trusted(std::initializer_list<const char*> networks) {
  TrustedProxies proxies;
  for (const char* text : networks) proxies.add(*Network::parse(text));
  return proxies;
}

std::string client(ForwardedField field, std::string_view value) {
  return find_client(field, value, *parse_address("10.0.0.1"), trusted({"10.0.0.0/8", "fd00::/8"}))
      .str();
}

std::string x_forwarded_for(std::string_view value) {
  return client(ForwardedField::x_forwarded_for, value);
}

std::string forwarded(std::string_view value) { return client(ForwardedField::forwarded, value); }

TEST(NetworkTest, ContainsWhatSharesItsPrefix) {
  const auto network = Network::parse("192.0.2.130/25");
  ASSERT_TRUE(network);
  EXPECT_TRUE(network->contains(*parse_address("192.0.2.129")));
  EXPECT_TRUE(network->contains(*parse_address("::ffff:192.0.2.255")));
  EXPECT_FALSE(network->contains(*parse_address("192.0.2.127")));
  EXPECT_TRUE(Network::parse("2001:db8::/33")->contains(*parse_address("2001:db8:7fff::1")));
  EXPECT_FALSE(Network::parse("2001:db8::/33")->contains(*parse_address("2001:db8:8000::1")));
  EXPECT_FALSE(Network::parse("192.0.2.1")->contains(*parse_address("192.0.2.2")));
}

TEST(NetworkTest, ZeroBitsAreAllAddressesOfTheFamily) {
  EXPECT_TRUE(Network::parse("0.0.0.0/0")->contains(*parse_address("203.0.113.9")));
  EXPECT_FALSE(Network::parse("0.0.0.0/0")->contains(*parse_address("2001:db8::1")));
  EXPECT_TRUE(Network::parse("::/0")->contains(*parse_address("2001:db8::1")));
}

TEST(NetworkTest, RefusesWhatIsNoNetwork) {
  for (const char* text :
       {"", "/", "192.0.2.0/", "192.0.2.0/33", "192.0.2.0/-1", "192.0.2.0/8x", "2001:db8::/129",
        "192.0.2", "localhost", "192.0.2.0/24/8", "fe80::1%lo"}) {
    EXPECT_FALSE(Network::parse(text)) << text;
  }
}

TEST(XForwardedForTest, TheLastUntrustedHopIsTheClient) {
  EXPECT_EQ(x_forwarded_for("203.0.113.5"), "203.0.113.5");
  EXPECT_EQ(x_forwarded_for("1.1.1.1, 203.0.113.5"), "203.0.113.5");  // the first may be invented
  EXPECT_EQ(x_forwarded_for("1.1.1.1,203.0.113.5 , 10.1.1.1,10.2.2.2"), "203.0.113.5");
  EXPECT_EQ(x_forwarded_for("2001:db8::7, fd00::1"), "2001:db8::7");
}

TEST(XForwardedForTest, IfAllHopsAreTrustedTheFirstIsTheClient) {
  EXPECT_EQ(x_forwarded_for("10.9.9.9, 10.1.1.1"), "10.9.9.9");
}

TEST(XForwardedForTest, PortsAndBracketsAreUnderstood) {
  EXPECT_EQ(x_forwarded_for("203.0.113.5:4711"), "203.0.113.5");
  EXPECT_EQ(x_forwarded_for("[2001:db8::7]:4711"), "2001:db8::7");
  EXPECT_EQ(x_forwarded_for("[2001:db8::7]"), "2001:db8::7");
}

TEST(XForwardedForTest, BehindWhatIsNoAddressNothingIsBelieved) {
  EXPECT_EQ(x_forwarded_for(""), "10.0.0.1");
  EXPECT_EQ(x_forwarded_for("203.0.113.5, unknown"), "10.0.0.1");
  EXPECT_EQ(x_forwarded_for("203.0.113.5, nonsense, 10.1.1.1"), "10.1.1.1");
  for (const char* text :
       {"[", "[]", "[2001:db8::7", "[2001:db8::7]x", ":", "1.2.3", "1.2.3.4.5"}) {
    EXPECT_EQ(x_forwarded_for(text), "10.0.0.1") << text;
  }
}

TEST(ForwardedTest, TheLastUntrustedHopIsTheClient) {
  EXPECT_EQ(forwarded("for=203.0.113.5"), "203.0.113.5");
  EXPECT_EQ(forwarded("for=1.1.1.1, For=203.0.113.5;proto=https;by=10.0.0.1"), "203.0.113.5");
  EXPECT_EQ(forwarded("for=\"[2001:db8:cafe::17]:4711\""), "2001:db8:cafe::17");
  EXPECT_EQ(forwarded("host=\"a,b;c\";for=203.0.113.5 , for=10.1.1.1"), "203.0.113.5");
  EXPECT_EQ(forwarded("for=\"203\\.0.113.5\""), "203.0.113.5");
}

TEST(ForwardedTest, HiddenHopsEndWhatIsBelieved) {
  EXPECT_EQ(forwarded("for=203.0.113.5, for=unknown"), "10.0.0.1");
  EXPECT_EQ(forwarded("for=203.0.113.5, for=_hidden, for=10.1.1.1"), "10.1.1.1");
  EXPECT_EQ(forwarded("for=203.0.113.5, proto=https"), "10.0.0.1");
}

TEST(ForwardedTest, OfAMalformedFieldNothingIsBelieved) {
  for (const char* text : {"for", "for=", "for=203.0.113.5;for=1.1.1.1", "for=\"203.0.113.5",
                           "for =203.0.113.5", "for=203.0.113.5 for=1.1.1.1", "=1.1.1.1",
                           "for=\"\\", "203.0.113.5", "for=[2001:db8::1]"}) {
    EXPECT_EQ(forwarded(text), "10.0.0.1") << text;
  }
}

TEST(ForwardedTest, WhatAClientSentDoesNotSpoilWhatTheProxyAdded) {
  EXPECT_EQ(forwarded("for=\", for=203.0.113.5"), "203.0.113.5");
  EXPECT_EQ(forwarded("for=1.1.1.1;;for, for=203.0.113.5;proto=https"), "203.0.113.5");
}

TEST(ForwardedTest, AnyBytesGiveSomeAddress) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  const std::string alphabet = "for=\"[]:;,. \\1f_\x80";
  for (int i = 0; i < 20'000; ++i) {
    std::string text(random() % 40, '\0');
    for (char& c : text) c = alphabet[random() % alphabet.size()];
    EXPECT_FALSE(forwarded(text).empty());
    EXPECT_FALSE(x_forwarded_for(text).empty());
  }
}

}  // namespace
}  // namespace voicechan::server
