#include "freshness_gate.hpp"

#include <gtest/gtest.h>

#include <deque>

namespace voicechan::server {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kFrameBytes = 162;
constexpr milliseconds kFrameTime{20};

/// A path to a peer, in milliseconds: bytes pass at a rate, arrive after half a round trip, are
/// read, acknowledged and echoed.
class FakePath final : public NetworkPath {
 public:
  std::size_t unacknowledged_bytes() noexcept override {
    ++questions;
    return unacknowledged;
  }
  RoundTrip round_trip() noexcept override { return {least, least + jitter}; }

  std::size_t unacknowledged = 0;
  int questions = 0;
  milliseconds least{1};
  milliseconds jitter{10};
};

class FreshnessGateTest : public ::testing::Test {
 protected:
  bool may_write() { return gate.may_write(now, path); }
  /// One frame, and 20 ms later.
  bool speak() {
    const bool is_open = may_write();
    if (is_open) write(kFrameBytes);
    now += kFrameTime;
    return is_open;
  }
  void write(std::size_t bytes) {
    gate.on_written(bytes, now);
    written += bytes;
    path.unacknowledged += bytes;
    take_echo_request();
  }
  bool take_echo_request() {
    if (!gate.wants_echo()) return false;
    gate.on_echo_requested(now);
    ++echo_requests;
    echo_requested_at = now;
    return is_echo_asked = true;
  }
  void acknowledge() { path.unacknowledged = 0; }
  void echo() {
    ASSERT_TRUE(is_echo_asked);
    is_echo_asked = false;
    gate.on_echo(now);
  }
  void wait_for_echo_request() {
    for (int i = 0; i < 10 && !is_echo_asked; ++i) {
      ASSERT_FALSE(may_write());
      if (!take_echo_request()) now += milliseconds(10);
    }
    ASSERT_TRUE(is_echo_asked);
  }
  /// Well past the trial, an echo has been answered.
  void make_known_to_answer() {
    for (int i = 0; i < 100; ++i) {
      ASSERT_TRUE(speak());
      acknowledge();
      if (is_echo_asked) echo();
    }
  }
  /// The kernel acknowledges all.
  bool speak_to_one_who_does_not_read() {
    path.unacknowledged = 0;
    return speak();
  }
  milliseconds since_first_frame() const {
    return std::chrono::duration_cast<milliseconds>(now - start);
  }
  /// The first frame is late, the peer answers `delay` after it, and with that the path is slow.
  void make_slow(milliseconds delay) {
    ASSERT_TRUE(speak());
    wait_for_echo_request();
    now += delay - since_first_frame();
    acknowledge();
    echo();
    ASSERT_TRUE(may_write());
    ASSERT_TRUE(gate.is_slow());
  }

  FakePath path;
  const MonotonicTime start{std::chrono::hours(1)};
  MonotonicTime now = start;
  FreshnessGate gate;
  MonotonicTime echo_requested_at{};
  int echo_requests = 0;
  bool is_echo_asked = false;
  std::size_t written = 0;
};

TEST_F(FreshnessGateTest, StaysOpenForAPeerThatAcknowledges) {
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(speak());
    acknowledge();
    if (is_echo_asked) echo();
  }
  EXPECT_NEAR(echo_requests, 6, 1);  // in 20 s
}

TEST_F(FreshnessGateTest, StaysOpenForAFarPeerOnceItsFirstFrameHasArrived) {
  path.least = milliseconds(200);
  std::deque<MonotonicTime> under_way;
  for (int i = 0; i < 1000; ++i) {
    while (!under_way.empty() && under_way.front() <= now) {
      under_way.pop_front();
      path.unacknowledged -= kFrameBytes;
    }
    if (is_echo_asked && now >= echo_requested_at + path.least) echo();
    const MonotonicTime spoken_at = now;
    const bool is_first_under_way = spoken_at > start && spoken_at < start + path.least;
    ASSERT_EQ(speak(), !is_first_under_way) << "frame " << i;
    if (!is_first_under_way) under_way.push_back(spoken_at + path.least);
  }
  EXPECT_NEAR(echo_requests, 6, 1);
}

TEST_F(FreshnessGateTest, AnEchoThatStaysAwayHoldsMediaBack) {
  make_known_to_answer();
  const MonotonicTime stopped_at = now;
  while (speak_to_one_who_does_not_read()) {
    ASSERT_LT(now - stopped_at, FreshnessGate::kMostEchoInterval + milliseconds(400));
  }
  EXPECT_TRUE(gate.is_slow());
  echo();
  EXPECT_FALSE(may_write()) << "what was written after the ping is still to be read";
  EXPECT_TRUE(take_echo_request());
}

TEST_F(FreshnessGateTest, APauseOfAPeerCostsNoPortion) {
  make_known_to_answer();
  while (speak_to_one_who_does_not_read()) {
  }
  echo();
  ASSERT_FALSE(may_write());
  ASSERT_TRUE(take_echo_request());
  now += milliseconds(5);
  acknowledge();
  echo();
  EXPECT_TRUE(may_write());
  EXPECT_GE(gate.portion_bytes(), 20 * kFrameBytes);
}

TEST_F(FreshnessGateTest, AReaderAtHalfTheRateIsFoundOutByTheNextEcho) {
  make_known_to_answer();
  const std::size_t written_before = written;
  const MonotonicTime begin = now;
  std::size_t read = 0;
  std::size_t ping_at = 0;
  do {
    ASSERT_LT(now - begin, FreshnessGate::kMostEchoInterval + milliseconds(400));
    const bool was_asked = is_echo_asked;
    if (!may_write()) break;
    write(kFrameBytes);
    path.unacknowledged = 0;
    now += kFrameTime;
    read += kFrameBytes / 2;
    if (is_echo_asked && !was_asked) ping_at = written - written_before;
    if (is_echo_asked && read >= ping_at) echo();
  } while (!gate.is_slow());
  const std::size_t unread = written - written_before - read;
  EXPECT_LT(unread, 150 * kFrameBytes) << "3 s of audio";
}

TEST_F(FreshnessGateTest, OneThatHasNeverAnsweredGetsAllThatItsKernelTakes) {
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(speak_to_one_who_does_not_read());
  EXPECT_FALSE(gate.is_slow());
}

TEST_F(FreshnessGateTest, WhoAnsweredOnceAndStopsGetsMediaAgainAfterAWhile) {
  make_known_to_answer();
  while (speak_to_one_who_does_not_read()) {
  }
  now += FreshnessGate::kKnownEchoPatience;
  EXPECT_TRUE(may_write());
}

TEST_F(FreshnessGateTest, ABurstThatDoesNotEndIsNone) {
  make_known_to_answer();
  const MonotonicTime begin = now;
  int late = 0;
  while (!gate.is_slow()) {
    ASSERT_LT(now - begin, std::chrono::seconds(10));
    if (may_write()) write(10 * kFrameBytes);
    path.unacknowledged = kFrameBytes;
    now += kFrameTime;
    if (is_echo_asked && now - echo_requested_at > milliseconds(400)) echo(), ++late;
  }
  EXPECT_GE(late, FreshnessGate::kLateEchoesOfABurst - 1);
}

TEST_F(FreshnessGateTest, APeerThatFallsBehindUnnoticedIsFoundOutByTheNextEcho) {
  while (!is_echo_asked) {
    ASSERT_TRUE(speak());
    acknowledge();
  }
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(speak());
    acknowledge();
  }
  echo();
  EXPECT_TRUE(gate.is_slow());
}

TEST_F(FreshnessGateTest, APeerThatIsBusyWithABurstIsNotSlow) {
  while (!is_echo_asked) {
    ASSERT_TRUE(speak());
    acknowledge();
  }
  for (int i = 0; i < 20; ++i) {
    write(10 * kFrameBytes);
    acknowledge();
    now += kFrameTime;
  }
  echo();
  EXPECT_FALSE(gate.is_slow());
}

TEST_F(FreshnessGateTest, ALateAcknowledgementHoldsMediaBack) {
  EXPECT_TRUE(speak());
  EXPECT_FALSE(may_write());
  EXPECT_FALSE(gate.wants_echo());
  acknowledge();
  EXPECT_TRUE(may_write());
}

TEST_F(FreshnessGateTest, AVeryLateAcknowledgementMakesItAskForAnEcho) {
  EXPECT_TRUE(speak());
  wait_for_echo_request();
  EXPECT_GE(since_first_frame(), FreshnessGate::kLateEcho);
  EXPECT_FALSE(gate.is_slow());
}

TEST_F(FreshnessGateTest, ALateEchoMakesItSlowWithPortionsOfWhatArrives) {
  make_slow(milliseconds(101));  // a frame in 100 ms and the round trip
  EXPECT_NEAR(static_cast<double>(gate.portion_bytes()), kFrameBytes, 2);
}

TEST_F(FreshnessGateTest, WhileSlowOnePortionIsUnderWayAtATime) {
  make_slow(milliseconds(101));
  write(kFrameBytes);
  for (int i = 0; i < 9; ++i) {
    now += milliseconds(10);
    EXPECT_FALSE(may_write());
  }
  acknowledge();
  EXPECT_FALSE(may_write()) << "the kernel has it, the peer has not read it";
  echo();
  EXPECT_TRUE(may_write());
}

TEST_F(FreshnessGateTest, QuickEchoesOpenItAgain) {
  make_slow(milliseconds(101));
  for (int i = 0; i < FreshnessGate::kQuickEchoes; ++i) {
    EXPECT_TRUE(gate.is_slow());
    write(kFrameBytes);
    now += milliseconds(5);
    acknowledge();
    echo();
    EXPECT_TRUE(may_write());
  }
  EXPECT_FALSE(gate.is_slow());
}

// A client that does not read for a while, as a test that first sends and then receives, loses
// nothing as long as its kernel takes everything: it acknowledges after up to 200 ms.
TEST_F(FreshnessGateTest, APeerThatDoesNotReadGetsWhatItsKernelTakes) {
  for (int second = 0; second < 10; ++second) {
    MonotonicTime held_since = MonotonicTime::max();
    for (int i = 0; i < 100; ++i) {
      if (i % 20 == 19) acknowledge();
      if (may_write()) {
        held_since = MonotonicTime::max();
        write(kFrameBytes);
      } else {
        take_echo_request();
        held_since = std::min(held_since, now);
        ASSERT_LT(now - held_since, milliseconds(300));
      }
      now += milliseconds(10);
    }
  }
  EXPECT_FALSE(gate.is_slow());
}

TEST_F(FreshnessGateTest, APeerThatReadsLateIsFoundOutByItsEcho) {
  EXPECT_TRUE(speak());
  wait_for_echo_request();
  acknowledge();
  may_write();
  now += FreshnessGate::kEchoPatience;
  EXPECT_TRUE(may_write());
  write(kFrameBytes);
  now += milliseconds(500);
  acknowledge();
  gate.on_echo(now);
  EXPECT_TRUE(gate.is_slow());
  EXPECT_TRUE(gate.wants_echo());
  EXPECT_FALSE(may_write());
}

// A link of 16 kbit/s whose first packet took 76 ms: with the queue before it the usual round trip
// grows, and must not make what waits there look usual.
TEST_F(FreshnessGateTest, ThatAcknowledgementsUsuallyAreLateIsNoExcuse) {
  path.least = milliseconds(76);
  path.jitter = milliseconds(2000);
  while (since_first_frame() < path.least + FreshnessGate::kLateAcknowledgement) {
    (void)speak();
  }
  EXPECT_FALSE(may_write());
  EXPECT_TRUE(gate.is_slow());
}

TEST_F(FreshnessGateTest, ABurstIsForTheSocketToHold) {
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(may_write());
    write(1000);
    now += milliseconds(1);
  }
  EXPECT_FALSE(is_echo_asked);
}

TEST_F(FreshnessGateTest, AsksTheKernelOnceInAnInterval) {
  make_known_to_answer();
  path.questions = 0;
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(speak());
    acknowledge();
    if (is_echo_asked) echo();
  }
  EXPECT_LE(path.questions, 20);
}

TEST_F(FreshnessGateTest, AsksForEverySecondOfLoneWrites) {
  make_known_to_answer();
  path.questions = 0;
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(may_write());
    write(kFrameBytes);
    acknowledge();
    if (is_echo_asked) echo();
    now += 2 * FreshnessGate::kCheckInterval;
  }
  EXPECT_NEAR(path.questions, 50, 1);
}

TEST_F(FreshnessGateTest, TheSecondOfLoneWritesIsHeldIfTheFirstIsLateForSure) {
  make_known_to_answer();
  now += FreshnessGate::kCheckInterval;
  ASSERT_TRUE(may_write());
  write(kFrameBytes);
  now += FreshnessGate::kLateAcknowledgement + milliseconds(1);
  EXPECT_FALSE(may_write());
}

TEST_F(FreshnessGateTest, WithoutAnyAcknowledgementEvenABurstEndsInTheGate) {
  write(100'000);
  now += FreshnessGate::kLateAcknowledgement + milliseconds(1);
  EXPECT_FALSE(may_write());
  EXPECT_TRUE(gate.is_slow());
}

TEST_F(FreshnessGateTest, WhoStopsToAnswerIsNotWaitedForForEver) {
  make_slow(milliseconds(101));
  write(kFrameBytes);
  acknowledge();
  EXPECT_FALSE(may_write());
  now += FreshnessGate::kKnownEchoPatience;
  EXPECT_TRUE(may_write());
}

TEST_F(FreshnessGateTest, ProgressIsWhenThePeerTookSomething) {
  make_slow(milliseconds(101));
  write(kFrameBytes);
  const MonotonicTime written_at = now;
  now += std::chrono::seconds(5);
  EXPECT_FALSE(may_write());
  EXPECT_EQ(gate.last_progress(), written_at);
  path.unacknowledged /= 2;
  EXPECT_FALSE(may_write());
  EXPECT_EQ(gate.last_progress(), now);
}

TEST_F(FreshnessGateTest, AnEchoThatNobodyAskedForChangesNothing) {
  gate.on_echo(now);
  EXPECT_TRUE(speak());
  gate.on_echo(now);
  EXPECT_FALSE(gate.is_slow());
}

/// Counts how often the kernel is asked.
TEST_F(FreshnessGateTest, AKnownPathIsCheckedOnceInAnInterval) {
  struct CountingPath final : NetworkPath {
    std::size_t unacknowledged_bytes() noexcept override { return ++calls, 0; }
    RoundTrip round_trip() noexcept override { return {}; }
    int calls = 0;
  } counting;
  for (int i = 0; i < 1000; ++i) {  // 20 s
    EXPECT_TRUE(gate.may_write(now, counting));
    gate.on_written(kFrameBytes, now);
    now += kFrameTime;
  }
  EXPECT_LE(counting.calls, 50 + 200);
  EXPECT_GE(counting.calls, 150);
}

}  // namespace
}  // namespace voicechan::server
