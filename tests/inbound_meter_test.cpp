#include "inbound_meter.hpp"

#include <gtest/gtest.h>

namespace voicechan::server {
namespace {

using namespace std::chrono_literals;
using Verdict = InboundMeter::Verdict;

const MonotonicTime kBegin = MonotonicTime{} + 1h;

InboundLimits limits() {
  InboundLimits limits;
  limits.messages_per_second = 10;
  limits.message_burst = 20;
  limits.bytes_per_second = 1000;
  limits.byte_burst = 2000;
  limits.control_frames_per_second = 5;
  return limits;
}

class InboundMeterTest : public ::testing::Test {
 protected:
  Verdict send(std::size_t bytes = 1) { return meter.on_message(rates, bytes, now); }

  const InboundRates rates{limits()};
  InboundMeter meter;
  MonotonicTime now = kBegin;
};

TEST_F(InboundMeterTest, TheFirstMessageAboveTheBurstIsToldAndTheNextOnesAreRefusedToo) {
  for (int i = 0; i < 20; ++i) EXPECT_EQ(send(), Verdict::take);
  EXPECT_EQ(send(), Verdict::refuse);
  EXPECT_EQ(send(), Verdict::refuse_again);
}

TEST_F(InboundMeterTest, WhoWaitsIsServedAgain) {
  for (int i = 0; i < 25; ++i) send();
  now += 100ms;
  EXPECT_EQ(send(), Verdict::take);
  EXPECT_NE(send(), Verdict::take);
  now += 10s;
  for (int i = 0; i < 20; ++i) EXPECT_EQ(send(), Verdict::take);
  EXPECT_EQ(send(), Verdict::refuse);
}

TEST_F(InboundMeterTest, WhoGoesOnIsClosed) {
  int refused = 0;
  for (int i = 0; i < 20; ++i) EXPECT_EQ(send(), Verdict::take);
  while (send() != Verdict::close) ++refused;
  EXPECT_EQ(refused, 300);  // of 30 s
}

TEST_F(InboundMeterTest, WhoIsALittleTooFastIsServedAtTheRateAndNeverClosed) {
  int taken = 0;
  for (int i = 0; i < 15 * 100; ++i) {  // 15 per second
    const Verdict verdict = send();
    ASSERT_NE(verdict, Verdict::close);
    taken += verdict == Verdict::take ? 1 : 0;
    now += 66667us;
  }
  EXPECT_NEAR(taken, 20 + 1000, 2);
}

TEST_F(InboundMeterTest, BytesAreCountedToo) {
  for (int i = 0; i < 4; ++i) EXPECT_EQ(send(500), Verdict::take);
  EXPECT_EQ(send(500), Verdict::refuse);
  EXPECT_EQ(send(500), Verdict::refuse_again);
  now += 500ms;
  EXPECT_EQ(send(500), Verdict::take);
  EXPECT_NE(send(1), Verdict::take);
}

TEST_F(InboundMeterTest, OneMessageAloneIsTakenWhateverItsSize) {
  EXPECT_EQ(send(1'000'000), Verdict::take);
  EXPECT_EQ(send(1), Verdict::refuse);
}

TEST_F(InboundMeterTest, ControlFramesHaveARateOfTheirOwn) {
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(meter.on_control_frame(rates, now));
  EXPECT_FALSE(meter.on_control_frame(rates, now));
  EXPECT_EQ(send(), Verdict::take);
  now += 200ms;
  EXPECT_TRUE(meter.on_control_frame(rates, now));
}

TEST(InboundRatesTest, TheDefaultsLetAudioAndBurstsPass) {
  const InboundRates rates{InboundLimits{}};
  InboundMeter meter;
  MonotonicTime now = kBegin;
  for (int i = 0; i < 3000; ++i) {  // a minute of speech
    EXPECT_EQ(meter.on_message(rates, 160, now), Verdict::take);
    now += 20ms;
  }
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(meter.on_message(rates, 1 << 20, now), Verdict::take);
  for (int i = 0; i < 100'000; ++i) EXPECT_EQ(meter.on_message(rates, 160, now), Verdict::take);
}

}  // namespace
}  // namespace voicechan::server
