#include "event_loop.hpp"

#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "monotonic.hpp"

namespace voicechan::load {
namespace {

constexpr std::int64_t kMillisecond = kNanosPerSecond / 1000;

/// A pipe; reads what is in it.
class Pipe final : public EventLoop::Source {
 public:
  Pipe() { EXPECT_EQ(::pipe(ends_), 0); }
  ~Pipe() {
    ::close(ends_[0]);
    ::close(ends_[1]);
  }
  int read_end() const { return ends_[0]; }
  int write_end() const { return ends_[1]; }
  void write() { EXPECT_EQ(::write(ends_[1], "x", 1), 1); }
  void on_ready(std::uint32_t events) override {
    seen |= events;
    ++calls;
    char byte = 0;
    if ((events & EPOLLIN) != 0) {
      EXPECT_EQ(::read(ends_[0], &byte, 1), 1);
    }
  }

  std::uint32_t seen = 0;
  int calls = 0;

 private:
  int ends_[2] = {-1, -1};
};

class EventLoopTest : public ::testing::Test {
 protected:
  std::int64_t time_of_turn(std::int64_t deadline_in) {
    const std::int64_t begin = monotonic_ns();
    loop.turn(begin + deadline_in);
    return monotonic_ns() - begin;
  }

  EventLoop loop;
  Pipe pipe;
};

TEST_F(EventLoopTest, CallsWhatIsReadyAndNothingElse) {
  Pipe silent;
  loop.add(pipe.read_end(), EPOLLIN, pipe);
  loop.add(silent.read_end(), EPOLLIN, silent);
  pipe.write();
  loop.turn(monotonic_ns() + kNanosPerSecond);
  EXPECT_EQ(pipe.calls, 1);
  EXPECT_EQ(silent.calls, 0);
}

TEST_F(EventLoopTest, WatchesForWhatItWasToldLast) {
  loop.add(pipe.write_end(), EPOLLIN, pipe);
  loop.turn(monotonic_ns());
  EXPECT_EQ(pipe.calls, 0);
  loop.modify(pipe.write_end(), EPOLLOUT, pipe);
  loop.turn(monotonic_ns());
  EXPECT_EQ(pipe.seen, EPOLLOUT);
}

TEST_F(EventLoopTest, DoesNotCallWhatWasRemoved) {
  loop.add(pipe.read_end(), EPOLLIN, pipe);
  loop.remove(pipe.read_end());
  pipe.write();
  loop.turn(monotonic_ns());
  EXPECT_EQ(pipe.calls, 0);
}

TEST_F(EventLoopTest, ATurnLastsUntilItsDeadline) {
  const std::int64_t took = time_of_turn(20 * kMillisecond);
  EXPECT_GE(took, 20 * kMillisecond);
}

TEST_F(EventLoopTest, ALaterDeadlineAfterAnEarlierOneIsKept) {
  loop.add(pipe.read_end(), EPOLLIN, pipe);
  pipe.write();
  loop.turn(monotonic_ns() + 5 * kMillisecond);  // ends at once, the timer is still set
  const std::int64_t deadline = monotonic_ns() + 30 * kMillisecond;
  int turns = 0;
  while (monotonic_ns() < deadline) loop.turn(deadline), ++turns;
  EXPECT_LE(turns, 3);
}

TEST_F(EventLoopTest, APassedDeadlineDoesNotWait) {
  std::int64_t shortest = kNanosPerSecond;
  for (int i = 0; i < 20; ++i) shortest = std::min(shortest, time_of_turn(-1));
  EXPECT_LT(shortest, 10 * kMillisecond);
}

TEST_F(EventLoopTest, ATurnEndsByItselfInTheEnd) {
  const std::int64_t took = time_of_turn(60 * kNanosPerSecond);
  EXPECT_GE(took, 90 * kMillisecond);
  EXPECT_LT(took, 20 * kNanosPerSecond);
}

TEST_F(EventLoopTest, ASignalInterrupts) {
  loop.turn(monotonic_ns());
  EXPECT_FALSE(loop.was_interrupted());
  ASSERT_EQ(std::raise(SIGTERM), 0);
  loop.turn(monotonic_ns() + kNanosPerSecond);
  EXPECT_TRUE(loop.was_interrupted());
}

TEST_F(EventLoopTest, KnowsHowLongItsTurnsTook) {
  loop.turn(monotonic_ns());
  const std::int64_t end = monotonic_ns() + 20 * kMillisecond;
  while (monotonic_ns() < end) {
  }
  loop.turn(monotonic_ns());
  EXPECT_GE(loop.busy().max(), 20 * kMillisecond);
}

}  // namespace
}  // namespace voicechan::load
