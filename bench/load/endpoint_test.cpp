#include "endpoint.hpp"

#include <gtest/gtest.h>
#include <netinet/in.h>

namespace voicechan::load {
namespace {

TEST(EndpointTest, AddressesOfBothFamiliesAreFound) {
  const auto v4 = find_endpoint("127.0.0.1:8000");
  ASSERT_TRUE(v4);
  EXPECT_EQ(v4->address.ss_family, AF_INET);
  EXPECT_EQ(reinterpret_cast<const sockaddr_in&>(v4->address).sin_port, htons(8000));
  const auto v6 = find_endpoint("[::1]:65535");
  ASSERT_TRUE(v6);
  EXPECT_EQ(v6->address.ss_family, AF_INET6);
  EXPECT_EQ(reinterpret_cast<const sockaddr_in6&>(v6->address).sin6_port, htons(65535));
}

TEST(EndpointTest, WhatIsNoAddressAndPortIsNotFound) {
  for (const char* text : {"", "127.0.0.1", ":80", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536",
                           "127.0.0.1:8o", "127.0.0.1:-1", "300.0.0.1:80"}) {
    EXPECT_FALSE(find_endpoint(text)) << text;
  }
}

TEST(EndpointTest, LocalAddressHasAnyPort) {
  const auto local = find_local_address("127.0.0.2");
  ASSERT_TRUE(local);
  EXPECT_EQ(reinterpret_cast<const sockaddr_in&>(local->address).sin_port, 0);
  EXPECT_FALSE(find_local_address("localhost")) << "a name may have many";
}

}  // namespace
}  // namespace voicechan::load
