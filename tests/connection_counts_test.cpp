#include "connection_counts.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <thread>
#include <vector>

namespace voicechan::server {
namespace {

ClientAddress address(const char* text) { return ClientAddress(asio::ip::make_address(text)); }

std::optional<ConnectionCounts::Place> add(ConnectionCounts& counts, const char* text) {
  auto place = counts.try_add(address(text));
  if (!std::holds_alternative<ConnectionCounts::Place>(place)) return std::nullopt;
  return std::get<ConnectionCounts::Place>(std::move(place));
}

ConnectionCounts::Refusal refusal(ConnectionCounts& counts, const char* text) {
  return std::get<ConnectionCounts::Refusal>(counts.try_add(address(text)));
}

TEST(ClientAddressTest, IsWrittenAsPeopleDo) {
  EXPECT_EQ(address("192.0.2.7").str(), "192.0.2.7");
  EXPECT_EQ(address("::ffff:192.0.2.7").str(), "192.0.2.7");
  EXPECT_EQ(address("2001:db8::7").str(), "2001:db8::7");
}

TEST(ClientAddressTest, AnIpv6NetworkIsOneClientAndAnIpv4AddressIsAnother) {
  EXPECT_EQ(address("2001:db8::7").network(), address("2001:db8::1:2:3:4").network());
  EXPECT_NE(address("2001:db8::7").network(), address("2001:db8:0:1::7").network());
  EXPECT_NE(address("192.0.2.7").network(), address("192.0.2.8").network());
  EXPECT_EQ(address("::ffff:192.0.2.7"), address("192.0.2.7"));
}

TEST(ConnectionCountsTest, RefusesMoreThanTheTotal) {
  ConnectionCounts counts(2, 10);
  auto first = add(counts, "192.0.2.1");
  auto second = add(counts, "192.0.2.2");
  ASSERT_TRUE(first && second);
  EXPECT_EQ(refusal(counts, "192.0.2.3"), ConnectionCounts::Refusal::full);
  first.reset();
  EXPECT_TRUE(add(counts, "192.0.2.3"));
}

TEST(ConnectionCountsTest, RefusesMoreThanAnAddressMayHave) {
  ConnectionCounts counts(10, 2);
  auto first = add(counts, "2001:db8::1");
  const auto second = add(counts, "2001:db8::2");
  ASSERT_TRUE(first && second);
  EXPECT_EQ(refusal(counts, "2001:db8::3"), ConnectionCounts::Refusal::address_full);
  EXPECT_TRUE(add(counts, "192.0.2.1"));
  first.reset();
  EXPECT_TRUE(add(counts, "2001:db8::3"));
}

TEST(ConnectionCountsTest, BesideAllThereAreSomePlacesForProbes) {
  ConnectionCounts counts(1, 1);
  const auto only = add(counts, "192.0.2.1");
  std::vector<ConnectionCounts::Place> for_probes;
  for (std::size_t i = 0; i < ConnectionCounts::kMaxForProbes; ++i) {
    auto place = counts.try_add_for_probes(address("192.0.2.2"));
    ASSERT_TRUE(place);
    EXPECT_TRUE(place->is_for_probes());
    EXPECT_TRUE(place->move_to(address("192.0.2.1")));
    for_probes.push_back(*std::move(place));
  }
  EXPECT_FALSE(counts.try_add_for_probes(address("192.0.2.2")));
  for_probes.pop_back();
  EXPECT_TRUE(counts.try_add_for_probes(address("192.0.2.2")));
  EXPECT_EQ(refusal(counts, "192.0.2.2"), ConnectionCounts::Refusal::full);
}

// A proxy's connection for one client after another of a /64 that has as many as it may have.
TEST(ConnectionCountsTest, AMoveWithinANetworkIsNoNewConnection) {
  ConnectionCounts counts(10, 1);
  auto place = add(counts, "2001:db8::1");
  ASSERT_TRUE(place);
  EXPECT_TRUE(place->move_to(address("2001:db8::2")));
  EXPECT_EQ(place->address(), address("2001:db8::2"));
  EXPECT_EQ(refusal(counts, "2001:db8::3"), ConnectionCounts::Refusal::address_full);
  place.reset();
  EXPECT_TRUE(add(counts, "2001:db8::3"));
}

TEST(ConnectionCountsTest, ARefusedOneIsNotCounted) {
  ConnectionCounts counts(2, 1);
  const auto one = add(counts, "192.0.2.1");
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(refusal(counts, "192.0.2.1"), ConnectionCounts::Refusal::address_full);
  }
  EXPECT_TRUE(add(counts, "192.0.2.2"));
}

TEST(ConnectionCountsTest, AConnectionMovesToTheAddressThatAProxyNames) {
  ConnectionCounts counts(10, 1);
  auto proxied = add(counts, "192.0.2.1");
  ASSERT_TRUE(proxied);
  ASSERT_TRUE(proxied->move_to(address("198.51.100.1")));
  EXPECT_EQ(proxied->address(), address("198.51.100.1"));
  auto second = add(counts, "192.0.2.1");
  ASSERT_TRUE(second);
  EXPECT_FALSE(second->move_to(address("198.51.100.1")));
  EXPECT_EQ(second->address(), address("192.0.2.1"));
  proxied.reset();
  EXPECT_TRUE(second->move_to(address("198.51.100.1")));
}

TEST(CountsTest, ForgetsAKeyWithItsLastOne) {
  Counts<int> counts;
  ASSERT_TRUE(counts.try_add(7, 2));
  ASSERT_TRUE(counts.try_add(7, 2));
  EXPECT_FALSE(counts.try_add(7, 2));
  EXPECT_FALSE(counts.try_add(8, 0));
  EXPECT_EQ(counts.key_count(), 1u);
  counts.remove(7);
  counts.remove(7);
  EXPECT_EQ(counts.key_count(), 0u);
}

TEST(CountsTest, ThreadsNeverGetMoreThanTheMaximum) {
  Counts<int> counts;
  std::atomic<int> held{0};
  std::atomic<int> most{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 10'000; ++round) {
        if (!counts.try_add(1, 2)) continue;
        const int now = ++held;
        int seen = most;
        while (now > seen && !most.compare_exchange_weak(seen, now)) {
        }
        --held;
        counts.remove(1);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(most, 2);
  EXPECT_EQ(counts.key_count(), 0u);
}

}  // namespace
}  // namespace voicechan::server
