// Members who come and go at a high rate while somebody speaks, on hubs of several threads. Meant
// for ThreadSanitizer and AddressSanitizer, too.

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "voicechan/hub.hpp"

namespace voicechan {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kHubs = 4;
constexpr double kJoinsPerSecond = 1000;  // and as many leaves, all hubs together
constexpr std::size_t kMembersPerHub = 20;
constexpr std::chrono::milliseconds kFrameTime{2};
constexpr std::chrono::seconds kPatience{30};
constexpr std::uint64_t kNothing = ~std::uint64_t{0};

/// A longer run by hand: VOICECHAN_CHURN_SECONDS=60.
std::chrono::seconds churn_time() {
  const char* seconds = std::getenv("VOICECHAN_CHURN_SECONDS");
  return std::chrono::seconds(seconds != nullptr ? std::atoi(seconds) : 3);
}

class Barrier {
 public:
  void arrive_and_wait() {
    std::unique_lock lock(mutex_);
    const std::uint64_t round = round_;
    if (++arrived_ == kHubs) {
      arrived_ = 0;
      ++round_;
      changed_.notify_all();
    }
    changed_.wait(lock, [&] { return round_ != round; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t arrived_ = 0;
  std::uint64_t round_ = 0;
};

/// Hears numbered messages: each once, in order, without a gap from the first to the last.
class Member final : private Transport {
 public:
  Member(Hub& hub, const RoomName& room)
      : session_(hub.join_voice({UserId{1}, "member"}, room, *this).value()) {}

  std::uint64_t last_heard() const { return last_heard_; }
  bool is_faulty() const { return is_faulty_; }
  void leave() {
    session_.leave();
    has_left_ = true;
  }

 private:
  void send(const Frame& frame) noexcept override {
    const std::uint64_t number = std::strtoull(frame.bytes().c_str(), nullptr, 10);
    if (has_left_ || (last_heard_ != kNothing && number != last_heard_ + 1)) is_faulty_ = true;
    last_heard_ = number;
  }

  std::uint64_t last_heard_ = kNothing;
  bool has_left_ = false;
  bool is_faulty_ = false;
  Session session_;  // last: it may hear something as soon as it exists
};

class Nobody final : public Transport {
  void send(const Frame&) noexcept override { ADD_FAILURE() << "the speaker hears himself"; }
};

/// What the threads share.
struct Churn {
  InProcessBackplane backplane{1};
  const RoomName room = RoomName::parse("busy").value();
  Barrier barrier;
  std::atomic<std::uint64_t> spoken{0};  // the number of the next message
};

/// One thread with its hub; the first one has the speaker, too.
class ChurnWorker {
 public:
  ChurnWorker(Churn& churn, std::size_t index)
      : churn_(churn), index_(index), random_(index), thread_([this] { run(); }) {}
  ~ChurnWorker() { thread_.join(); }
  ChurnWorker(const ChurnWorker&) = delete;
  ChurnWorker& operator=(const ChurnWorker&) = delete;

 private:
  void run() {
    const auto hub = Hub::attach(churn_.backplane, {}, [this] { wake(); }).value();
    Nobody nobody;
    Session speaker;
    if (index_ == 0) speaker = hub->join_voice({UserId{2}, "speaker"}, churn_.room, nobody).value();
    churn_.barrier.arrive_and_wait();

    come_and_go(*hub, speaker);
    churn_.barrier.arrive_and_wait();
    check_last_message(*hub, speaker);
    check_that_nothing_is_left(*hub, speaker);
  }

  void wake() {
    {
      const std::lock_guard lock(mutex_);
      ++wakes_;
      is_woken_ = true;
    }
    woken_.notify_one();
  }
  std::uint64_t wakes() {
    const std::lock_guard lock(mutex_);
    return wakes_;
  }
  void turn(Hub& hub) {
    hub.tick(Clock::now());
    std::unique_lock lock(mutex_);
    woken_.wait_for(lock, kFrameTime / 2, [this] { return is_woken_; });
    is_woken_ = false;
  }

  void speak(Session& speaker) {
    speaker.receive(FrameKind::binary, std::to_string(churn_.spoken++));
  }

  void come_and_go(Hub& hub, Session& speaker) {
    const auto begin = Clock::now();
    const auto end = begin + churn_time();
    auto next_frame = begin;
    double changes = 0;
    for (auto now = begin; now < end; now = Clock::now()) {
      const double seconds = std::chrono::duration<double>(now - begin).count();
      for (; changes < seconds * 2 * kJoinsPerSecond / kHubs; ++changes) change(hub);
      if (speaker && now >= next_frame) {
        speak(speaker);
        next_frame += kFrameTime;
      }
      turn(hub);
    }
    EXPECT_GE(changes,
              std::chrono::duration<double>(churn_time()).count() * kJoinsPerSecond / kHubs)
        << "this machine is too slow for the test to say anything";
  }

  void change(Hub& hub) {
    const bool joins = members_.empty() || random_() % (2 * kMembersPerHub) >= members_.size();
    if (joins) {
      members_.push_back(std::make_unique<Member>(hub, churn_.room));
      return;
    }
    std::swap(members_[random_() % members_.size()], members_.back());
    EXPECT_FALSE(members_.back()->is_faulty());
    // Some are watched for what comes after the leave, others are gone, which AddressSanitizer
    // watches.
    if (random_() % 2 == 0) {
      members_.back()->leave();
      left_.push_back(std::move(members_.back()));
    }
    members_.pop_back();
  }

  /// Nobody changes the room any more: all who are in hear a last message, once.
  void check_last_message(Hub& hub, Session& speaker) {
    if (speaker) speak(speaker);
    hub.tick(Clock::now());
    churn_.barrier.arrive_and_wait();
    const std::uint64_t last = churn_.spoken - 1;
    const auto deadline = Clock::now() + kPatience;
    const auto have_all_heard = [&] {
      for (const auto& member : members_) {
        if (member->last_heard() != last) return false;
      }
      return true;
    };
    while (!have_all_heard() && Clock::now() < deadline) turn(hub);
    EXPECT_TRUE(have_all_heard()) << "hub " << index_;
    turn(hub);  // for what should not come
    for (const auto& member : members_) EXPECT_FALSE(member->is_faulty());
    for (const auto& member : left_) EXPECT_FALSE(member->is_faulty());
    EXPECT_EQ(hub.session_count(), members_.size() + (speaker ? 1 : 0));
    churn_.barrier.arrive_and_wait();
  }

  /// Without members a hub is not woken for what is said in the room.
  void check_that_nothing_is_left(Hub& hub, Session& speaker) {
    members_.clear();
    EXPECT_EQ(hub.session_count(), speaker ? 1u : 0u);
    hub.tick(Clock::now());
    churn_.barrier.arrive_and_wait();
    const std::uint64_t wakes_before = wakes();
    churn_.barrier.arrive_and_wait();
    for (int i = 0; speaker && i < 10; ++i) speak(speaker);
    hub.tick(Clock::now());
    churn_.barrier.arrive_and_wait();
    EXPECT_EQ(wakes(), wakes_before) << "hub " << index_ << " is still thought to have members";
    speaker.leave();
    EXPECT_EQ(hub.session_count(), 0u);
  }

  Churn& churn_;
  const std::size_t index_;
  std::minstd_rand random_;
  std::vector<std::unique_ptr<Member>> members_;
  std::vector<std::unique_ptr<Member>> left_;
  std::mutex mutex_;
  std::condition_variable woken_;
  bool is_woken_ = false;
  std::uint64_t wakes_ = 0;
  std::thread thread_;  // last: it uses the others
};

TEST(HubChurnTest, MembersWhoComeAndGoHearAllOfTheirTimeAndLeaveNothing) {
  Churn churn;
  {
    std::vector<std::unique_ptr<ChurnWorker>> workers;
    for (std::size_t i = 0; i < kHubs; ++i) {
      workers.push_back(std::make_unique<ChurnWorker>(churn, i));
    }
  }
  EXPECT_GT(churn.spoken, 11u);
}

}  // namespace
}  // namespace voicechan
