#include "speakers.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <vector>

#include "loopback_peer.hpp"

namespace voicechan::load {
namespace {

constexpr std::uint32_t kMembers = 3;
constexpr std::uint32_t kSpeakers = 2;
constexpr std::int64_t kPeriod = kNanosPerSecond / 50;
constexpr std::int64_t kStart = 1000 * kNanosPerSecond;  // of a clock of the test

/// One room of three open connections, two of them speakers.
class SpeakersTest : public ::testing::Test, private Connection::Handler {
 protected:
  explicit SpeakersTest(std::size_t frame_bytes = 100)
      : ledger({1, kMembers, kSpeakers, 0, frame_bytes, Opcode::binary}, 1) {
    Connection::Handler& handler = *this;
    for (std::uint32_t i = 0; i < kMembers; ++i) {
      members.emplace_back(network, handler, i);
      peers.push_back(open_connection(network, server, members.back()));
    }
  }
  /// All receivers get a speaker's frame.
  static void deliver(Speakers& speakers, std::uint32_t speaker, std::uint64_t sequence) {
    for (std::uint32_t i = 1; i < kMembers; ++i) {
      speakers.on_delivered({1, 0, speaker, sequence, 0});
    }
  }

  Network network;
  LoopbackServer server;
  RelayLedger ledger;
  std::deque<Connection> members;
  std::vector<LoopbackPeer> peers;

 private:
  void on_message(Connection&, Opcode, std::string_view, std::int64_t) override {}
  void on_closed(Connection&) override {}
};

TEST_F(SpeakersTest, AtARateTheySpeakInTurn) {
  Speakers speakers({50, 0, false}, ledger, members);
  speakers.start(kStart);
  EXPECT_EQ(speakers.next_due(), kStart);
  speakers.speak(kStart);
  EXPECT_EQ(ledger.sent(), 1u);
  EXPECT_EQ(speakers.next_due(), kStart + kPeriod / kSpeakers);
  speakers.speak(kStart + kPeriod / kSpeakers - 1);
  EXPECT_EQ(ledger.sent(), 1u);
  speakers.speak(kStart + kPeriod / kSpeakers);
  EXPECT_EQ(ledger.sent(), 2u);
  EXPECT_EQ(peers[0].receive_frame().first, Opcode::binary);
  EXPECT_EQ(peers[1].receive_frame().first, Opcode::binary);
}

TEST_F(SpeakersTest, InPhaseTheySpeakTogether) {
  Speakers speakers({50, 0, true}, ledger, members);
  speakers.start(kStart);
  speakers.speak(kStart);
  EXPECT_EQ(ledger.sent(), kSpeakers);
  EXPECT_EQ(speakers.next_due(), kStart + kPeriod);
}

TEST_F(SpeakersTest, FramesThatAreLateAreAllSent) {
  Speakers speakers({50, 0, true}, ledger, members);
  speakers.start(kStart);
  speakers.speak(kStart + 9 * kPeriod);
  EXPECT_EQ(ledger.sent(), 10 * kSpeakers);
  EXPECT_EQ(speakers.lateness().count(), 10 * kSpeakers);
}

TEST_F(SpeakersTest, AWindowIsFilledAndWaitsForDeliveries) {
  Speakers speakers({0, 2, false}, ledger, members);
  speakers.start(kStart);
  EXPECT_EQ(speakers.next_due(), 0);
  speakers.speak(kStart);
  EXPECT_EQ(ledger.sent(), 2 * kSpeakers);
  EXPECT_GT(speakers.next_due(), kStart);
  speakers.speak(kStart);
  EXPECT_EQ(ledger.sent(), 2 * kSpeakers);

  speakers.on_delivered({1, 0, 1, 0, 0});  // one of its two receivers has it
  EXPECT_GT(speakers.next_due(), kStart);
  speakers.on_delivered({1, 0, 1, 0, 0});
  EXPECT_EQ(speakers.next_due(), 0);
  speakers.speak(kStart);
  EXPECT_EQ(ledger.sent(), 2 * kSpeakers + 1);
}

TEST_F(SpeakersTest, AWindowDoesNotWaitForEverForALostFrame) {
  Speakers speakers({0, 1, false}, ledger, members);
  const std::int64_t now = monotonic_ns();
  speakers.start(now);
  speakers.speak(now);
  deliver(speakers, 0, 0);
  speakers.speak(now + 20 * kNanosPerSecond);
  EXPECT_EQ(speakers.given_up(), 1u);
  EXPECT_EQ(ledger.sent(), 2 * kSpeakers);
}

TEST_F(SpeakersTest, AClosedOneIsSilent) {
  Speakers speakers({50, 0, true}, ledger, members);
  speakers.start(kStart);
  members[0].close(1000);
  speakers.speak(kStart);
  EXPECT_EQ(ledger.sent(), kSpeakers - 1u);
}

class LoudSpeakersTest : public SpeakersTest {
 protected:
  LoudSpeakersTest() : SpeakersTest(1 << 20) {}
};

TEST_F(LoudSpeakersTest, FramesAreHeldBackForAServerThatDoesNotRead) {
  Speakers speakers({50, 0, true}, ledger, members);
  speakers.start(kStart);
  for (int i = 0; i < 100 && speakers.held_back() == 0; ++i) speakers.speak(kStart + i * kPeriod);
  EXPECT_GT(speakers.held_back(), 0u);
  EXPECT_GT(ledger.sent(), 0u);
}

}  // namespace
}  // namespace voicechan::load
