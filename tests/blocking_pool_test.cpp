#include "blocking_pool.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace voicechan::server {
namespace {

using ::testing::ElementsAre;

void ignore_error(std::string_view) {}

/// A job that has started and waits until it is released.
class Blocker {
 public:
  BlockingPool::Job job() {
    return [this] {
      started_.set_value();
      release_.get_future().wait();
    };
  }
  void wait_until_started() { started_.get_future().wait(); }
  void release() { release_.set_value(); }

 private:
  std::promise<void> started_;
  std::promise<void> release_;
};

TEST(BlockingPoolTest, RunsAJobOnAnotherThread) {
  BlockingPool pool(1, 10, ignore_error);
  std::promise<std::thread::id> ran_on;
  ASSERT_TRUE(pool.post([&] { ran_on.set_value(std::this_thread::get_id()); }));
  EXPECT_NE(ran_on.get_future().get(), std::this_thread::get_id());
}

TEST(BlockingPoolTest, OneThreadKeepsTheOrder) {
  std::vector<int> order;
  BlockingPool pool(1, 100, ignore_error);
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(pool.post([&order, i] { order.push_back(i); }));
  pool.stop();
  ASSERT_EQ(order.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
}

TEST(BlockingPoolTest, AsManyJobsRunAtOnceAsThereAreThreads) {
  Blocker first;
  Blocker second;
  BlockingPool pool(2, 10, ignore_error);
  ASSERT_TRUE(pool.post(first.job()));
  ASSERT_TRUE(pool.post(second.job()));
  first.wait_until_started();
  second.wait_until_started();
  first.release();
  second.release();
}

TEST(BlockingPoolTest, FullQueueRefusesAJob) {
  Blocker blocker;
  std::atomic<int> ran{0};
  const auto count = [&ran] { ++ran; };
  BlockingPool pool(1, 2, ignore_error);
  ASSERT_TRUE(pool.post(blocker.job()));
  blocker.wait_until_started();
  EXPECT_TRUE(pool.post(count));
  EXPECT_TRUE(pool.post(count));
  EXPECT_FALSE(pool.post(count));
  blocker.release();
  pool.stop();
  EXPECT_EQ(ran, 2);
}

TEST(BlockingPoolTest, StopFinishesWhatIsQueued) {
  Blocker blocker;
  std::atomic<int> ran{0};
  BlockingPool pool(2, 100, ignore_error);
  ASSERT_TRUE(pool.post(blocker.job()));
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(pool.post([&ran] { ++ran; }));
  blocker.release();
  pool.stop();
  EXPECT_EQ(ran, 50);
}

TEST(BlockingPoolTest, DestructorFinishesWhatIsQueued) {
  std::atomic<int> ran{0};
  {
    BlockingPool pool(1, 100, ignore_error);
    for (int i = 0; i < 50; ++i) ASSERT_TRUE(pool.post([&ran] { ++ran; }));
  }
  EXPECT_EQ(ran, 50);
}

TEST(BlockingPoolTest, NothingIsAcceptedAfterStop) {
  BlockingPool pool(1, 10, ignore_error);
  pool.stop();
  EXPECT_FALSE(pool.post([] { FAIL(); }));
  pool.stop();
}

TEST(BlockingPoolTest, JobPostedByAJobDuringStopIsRefused) {
  Blocker blocker;
  std::promise<bool> accepted;
  BlockingPool pool(1, std::numeric_limits<std::size_t>::max(), ignore_error);
  ASSERT_TRUE(pool.post(blocker.job()));
  ASSERT_TRUE(pool.post([&] { accepted.set_value(pool.post([] {})); }));
  blocker.wait_until_started();
  std::thread stopping([&] { pool.stop(); });
  while (pool.post([] {})) std::this_thread::yield();  // never full: refused once stopping
  blocker.release();
  stopping.join();
  EXPECT_FALSE(accepted.get_future().get());
}

TEST(BlockingPoolTest, ThrowingJobIsReportedAndTheThreadGoesOn) {
  std::vector<std::string> errors;
  bool ran = false;
  BlockingPool pool(1, 10, [&](std::string_view what) { errors.emplace_back(what); });
  ASSERT_TRUE(pool.post([] { throw std::runtime_error("disk full"); }));
  ASSERT_TRUE(pool.post([] { throw 42; }));
  ASSERT_TRUE(pool.post([&] { ran = true; }));
  pool.stop();
  EXPECT_THAT(errors, ElementsAre("disk full", "unknown exception"));
  EXPECT_TRUE(ran);
}

TEST(BlockingPoolTest, WhatAJobHoldsIsReleasedOnceItRan) {
  BlockingPool pool(1, 10, ignore_error);
  auto held = std::make_shared<int>(1);
  const std::weak_ptr<int> watch = held;
  ASSERT_TRUE(pool.post([held = std::move(held)] {}));
  std::promise<bool> expired;
  ASSERT_TRUE(pool.post([&] { expired.set_value(watch.expired()); }));
  EXPECT_TRUE(expired.get_future().get());
}

TEST(BlockingPoolTest, ManyThreadsMayPost) {
  std::atomic<int> ran{0};
  std::atomic<int> accepted{0};
  {
    BlockingPool pool(3, 64, ignore_error);
    std::vector<std::thread> posters;
    for (int i = 0; i < 4; ++i) {
      posters.emplace_back([&] {
        for (int job = 0; job < 1000; ++job) accepted += pool.post([&ran] { ++ran; }) ? 1 : 0;
      });
    }
    for (std::thread& poster : posters) poster.join();
  }
  EXPECT_GT(accepted, 0);
  EXPECT_EQ(ran, accepted);
}

}  // namespace
}  // namespace voicechan::server
