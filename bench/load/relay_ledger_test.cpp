#include "relay_ledger.hpp"

#include <gtest/gtest.h>

#include <string>

namespace voicechan::load {
namespace {

constexpr std::uint32_t kRun = 77;

/// Two rooms of four: members 0 and 1, 4 and 5 speak; 3 is slow.
class RelayLedgerTest : public ::testing::Test {
 protected:
  std::string speak(std::uint32_t member) { return payload(ledger.issue(member, 1000)); }
  static std::string payload(const Stamp& stamp, std::size_t size = 50) {
    std::string bytes(size, '\0');
    write_payload(stamp, bytes.data(), size);
    return bytes;
  }
  bool take(std::uint32_t member, const std::string& bytes, Opcode kind = Opcode::binary) {
    return ledger.take(member, kind, bytes, faults).has_value();
  }
  std::uint64_t lost(std::uint32_t member) const {
    return ledger.lost(member, [](std::uint32_t) { return true; });
  }

  RelayLedger ledger{{2, 4, 2, 1, 50, Opcode::binary}, kRun};
  Faults faults;
};

TEST_F(RelayLedgerTest, FramesInOrderAreAllRight) {
  for (int i = 0; i < 3; ++i) {
    const std::string bytes = speak(1);
    EXPECT_TRUE(take(0, bytes));
    EXPECT_TRUE(take(2, bytes));
  }
  EXPECT_FALSE(faults.is_any());
  EXPECT_EQ(ledger.sent(), 3u);
  EXPECT_EQ(ledger.outstanding(), 0u) << "nobody waits for the slow one";
  EXPECT_EQ(lost(0) + lost(2), 0u);
}

TEST_F(RelayLedgerTest, GapIsLost) {
  speak(0);
  const std::string second = speak(0);
  EXPECT_TRUE(take(2, second));
  EXPECT_EQ(lost(2), 1u);
  EXPECT_EQ(ledger.gaps(2), 1u);
}

TEST_F(RelayLedgerTest, WhatNeverCameIsLost) {
  EXPECT_TRUE(take(2, speak(0)));
  speak(0);
  EXPECT_EQ(lost(2), 1u);
  EXPECT_EQ(lost(1), 2u);
  EXPECT_EQ(lost(0), 0u) << "one does not hear oneself";
  EXPECT_EQ(lost(6), 0u) << "another room";
  EXPECT_EQ(ledger.gaps(2), 0u);
  EXPECT_EQ(ledger.outstanding(), 3u);
}

TEST_F(RelayLedgerTest, FramesOfSpeakersThatAreGoneAreNotWaitedFor) {
  speak(0);
  speak(1);
  EXPECT_EQ(ledger.lost(2, [](std::uint32_t speaker) { return speaker != 0; }), 1u);
}

TEST_F(RelayLedgerTest, SwappedFramesAreReorderedNotLost) {
  const std::string first = speak(0);
  const std::string second = speak(0);
  EXPECT_TRUE(take(2, second));
  EXPECT_TRUE(take(2, first));
  EXPECT_EQ(faults.reordered, 1u);
  EXPECT_EQ(lost(2), 0u);
}

TEST_F(RelayLedgerTest, SecondCopyIsADuplicate) {
  const std::string bytes = speak(0);
  EXPECT_TRUE(take(2, bytes));
  EXPECT_FALSE(take(2, bytes));
  EXPECT_EQ(faults.duplicated, 1u);
}

TEST_F(RelayLedgerTest, OnesOwnFrameIsAnEcho) {
  EXPECT_FALSE(take(0, speak(0)));
  EXPECT_EQ(faults.echoed, 1u);
}

TEST_F(RelayLedgerTest, FrameOfAnotherRoomIsForeign) {
  EXPECT_FALSE(take(6, speak(0)));
  EXPECT_FALSE(take(4, speak(0))) << "the place of the speaker in another room";
  EXPECT_EQ(faults.foreign, 2u);
}

TEST_F(RelayLedgerTest, FrameOfAnotherRunIsForeign) {
  EXPECT_FALSE(take(2, payload({kRun + 1, 0, 0, 0, 0})));
  EXPECT_EQ(faults.foreign, 1u);
}

TEST_F(RelayLedgerTest, WhatIsNotAsSentIsCorrupted) {
  std::string bytes = speak(0);
  EXPECT_FALSE(take(2, bytes, Opcode::text));
  EXPECT_FALSE(take(2, bytes.substr(0, 49)));
  EXPECT_FALSE(take(2, payload({kRun, 0, 0, 1, 0}))) << "not sent yet";
  EXPECT_FALSE(take(2, payload({kRun, 0, 2, 0, 0}))) << "not a speaker";
  EXPECT_FALSE(take(2, payload({kRun, 2, 0, 0, 0}))) << "not a room";
  EXPECT_FALSE(take(2, "hello"));
  bytes[45] = static_cast<char>(bytes[45] ^ 1);
  EXPECT_FALSE(take(2, bytes));
  EXPECT_EQ(faults.corrupted, 7u);
}

}  // namespace
}  // namespace voicechan::load
