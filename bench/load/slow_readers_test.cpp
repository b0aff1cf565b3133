#include "slow_readers.hpp"

#include <gtest/gtest.h>

#include <boost/json/object.hpp>
#include <limits>
#include <optional>
#include <string>

#include "loopback_peer.hpp"

namespace voicechan::load {
namespace {

constexpr std::size_t kFrameBytes = 98;  // 100 with its header
constexpr std::int64_t kStart = 1000 * kNanosPerSecond;

/// A room of two; the second member reads slowly.
class SlowReadersTest : public ::testing::Test, private Connection::Handler {
 protected:
  void begin(double bytes_per_second) {
    slow.emplace(bytes_per_second, ledger, network);
    peer.emplace(open_connection(network, server, reader));
    slow->add(reader);
    slow->start(kStart);
  }
  std::string speak() {
    const Stamp stamp = ledger.issue(0, monotonic_ns());
    std::string payload(kFrameBytes, '\0');
    write_payload(stamp, payload.data(), payload.size());
    return server_frame(Opcode::binary, payload);
  }
  std::int64_t figure(const char* name) const {
    return slow->to_json().at(0).as_object().at(name).to_number<std::int64_t>();
  }

  Network network;
  LoopbackServer server;
  RelayLedger ledger{{1, 2, 1, 1, kFrameBytes, Opcode::binary}, 1};
  Connection reader{network, *this, 1};
  std::optional<SlowReaders> slow;
  std::optional<LoopbackPeer> peer;

 private:
  void on_message(Connection& connection, Opcode kind, std::string_view payload,
                  std::int64_t now) override {
    slow->on_message(connection, kind, payload, now);
  }
  void on_closed(Connection&) override {}
};

TEST_F(SlowReadersTest, ReadNoFasterThanTheyAreToldTo) {
  begin(1000);
  for (int i = 0; i < 10; ++i) peer->send(speak());
  slow->read(kStart + kNanosPerSecond / 4);
  EXPECT_EQ(figure("received"), 2) << "250 bytes";
  slow->read(kStart + kNanosPerSecond / 2);
  EXPECT_EQ(figure("received"), 5) << "500 bytes";
}

TEST_F(SlowReadersTest, WhatIsNotReadIsNotSavedUpForEver) {
  begin(200);
  slow->read(kStart + 100 * kNanosPerSecond);
  for (int i = 0; i < 10; ++i) peer->send(speak());
  slow->read(kStart + 101 * kNanosPerSecond);
  EXPECT_EQ(figure("received"), 2) << "a second's worth";
}

TEST_F(SlowReadersTest, AtRateZeroNothingIsReadBeforeTheEnd) {
  begin(0);
  EXPECT_EQ(slow->next_due(), std::numeric_limits<std::int64_t>::max());
  peer->send(speak() + speak());
  slow->read(kStart + kNanosPerSecond);
  EXPECT_EQ(figure("received"), 0);
  slow->drain();
  EXPECT_EQ(figure("received"), 2);
  EXPECT_EQ(figure("of_these_read_at_the_end"), 2);
}

TEST_F(SlowReadersTest, LossIsCountedAndIsNotWrong) {
  begin(0);
  const std::string first = speak();
  (void)speak();
  peer->send(first + speak());
  slow->drain();
  EXPECT_EQ(figure("lost"), 1);
  EXPECT_FALSE(slow->has_wrong_frames());
}

TEST_F(SlowReadersTest, AnotherOrderIsWrong) {
  begin(0);
  const std::string first = speak();
  peer->send(speak() + first);
  slow->drain();
  EXPECT_EQ(figure("reordered"), 1);
  EXPECT_TRUE(slow->has_wrong_frames());
}

TEST_F(SlowReadersTest, TheCloseThatWasFoundAtTheEndIsReported) {
  begin(0);
  peer->send(speak() + server_frame(Opcode::close, "\x03\xf5too slow"));
  slow->drain();
  EXPECT_EQ(figure("closed"), 1);
  EXPECT_EQ(figure("close_code"), 1013);
  EXPECT_EQ(slow->to_json().at(0).as_object().at("close_reason").as_string(), "too slow");
}

}  // namespace
}  // namespace voicechan::load
