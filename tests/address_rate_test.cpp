#include "address_rate.hpp"

#include <gtest/gtest.h>

namespace voicechan::server {
namespace {

ClientAddress network(const char* text) {
  return ClientAddress(asio::ip::make_address(text)).network();
}

TEST(AddressRateTest, ANetworkHasItsBurstAndThenItsRate) {
  AddressRate rate(10, 5);
  MonotonicTime now{std::chrono::hours(1)};
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(rate.take(network("2001:db8::1"), now)) << i;
  EXPECT_FALSE(rate.take(network("2001:db8::2"), now));
  EXPECT_TRUE(rate.take(network("192.0.2.1"), now));
  now += std::chrono::milliseconds(100);
  EXPECT_TRUE(rate.take(network("2001:db8::1"), now));
  EXPECT_FALSE(rate.take(network("2001:db8::1"), now));
}

TEST(AddressRateTest, ARateOfZeroRefusesNobody) {
  AddressRate rate(0, 1);
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(rate.take(network("192.0.2.1"), MonotonicTime{}));
}

}  // namespace
}  // namespace voicechan::server
