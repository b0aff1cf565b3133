#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "backplane_conformance.hpp"

// Hubs on threads of their own, for every implementation; ThreadSanitizer watches. Instantiated as
// BackplaneConformanceTest is.

namespace voicechan {

class BackplaneThreadsTest : public ::testing::TestWithParam<BackplaneFactory> {
 protected:
  using Hub = BackplaneTestHub;

  /// All threads wait here for each other.
  class Barrier {
   public:
    explicit Barrier(int count) : left_(count) {}
    void arrive_and_wait() {
      const MutexLock lock(mutex_);
      if (--left_ == 0) condition_.notify_all();
      while (left_ > 0) condition_.wait(mutex_);
    }

   private:
    Mutex mutex_;
    ConditionVariable condition_;
    int left_ VOICECHAN_GUARDED_BY(mutex_);
  };

  static void join(std::vector<std::thread>& threads) {
    for (std::thread& thread : threads) thread.join();
  }

  std::shared_ptr<Backplane> backplane = GetParam().make();
};

TEST_P(BackplaneThreadsTest, EverythingArrivesOnceAndInOrderAmongBusyHubs) {
  constexpr int kHubs = 4;
  constexpr int kOutsiders = 2;
  constexpr int kMessages = 2000;
  Barrier subscribed(kHubs + kOutsiders);
  Barrier finished(kHubs);
  std::vector<std::unique_ptr<Hub>> hubs;
  std::vector<PeerId> peers;
  for (int i = 0; i < kHubs; ++i) {
    hubs.push_back(std::make_unique<Hub>(*backplane));
    peers.push_back(hubs.back()->make_peer());
  }
  const auto run = [&](int self) {
    Hub& hub = *hubs[static_cast<std::size_t>(self)];
    hub.subscribe("all");
    subscribed.arrive_and_wait();
    for (int i = 0; i < kMessages; ++i) {
      const std::string text = std::to_string(self * kMessages + i);
      hub.publish("all", text);
      if (i % 10 == 0) {
        for (const PeerId& peer : peers) {
          const SendTicket ticket{peers[static_cast<std::size_t>(self)], peer};
          if (!(peer == ticket.from)) hub.send(ticket, text);
        }
        // Groups that come and go beside it.
        hub.subscribe("passing");
        hub.publish("passing", "p");
        hub.unsubscribe("passing");
      }
      if (i % 3 == 0) hub.port->flush();
      if (i % 5 == 0) hub.port->poll();
    }
    const auto count_all = [&] {
      std::size_t count = 0;
      for (const std::string& each : hub.published) count += each.compare(0, 4, "all:") == 0;
      return count;
    };
    constexpr std::size_t kDirected = (kHubs - 1) * kMessages / 10;
    hub.run_until([&] {
      return hub.deliveries.size() >= kDirected && hub.received.size() >= kDirected &&
             count_all() >= (kHubs - 1 + kOutsiders) * kMessages;
    });
    finished.arrive_and_wait();  // others may still need what this hub has to answer
    hub.port->poll();
    EXPECT_EQ(count_all(), static_cast<std::size_t>((kHubs - 1 + kOutsiders) * kMessages));
    EXPECT_EQ(hub.deliveries.size(), kDirected);
    EXPECT_EQ(hub.received.size(), kDirected);
    for (const auto& delivery : hub.deliveries) EXPECT_EQ(delivery.second, Delivery::queued);

    std::map<int, int> last;  // by sender
    for (const std::string& each : hub.published) {
      if (each.compare(0, 4, "all:") != 0) continue;
      const int number = std::stoi(each.substr(4));
      EXPECT_NE(number / kMessages, self) << "echo";
      const auto place = last.emplace(number / kMessages, number - 1).first;
      EXPECT_GT(number, place->second) << "order";
      place->second = number;
    }
  };
  const auto run_outsider = [&](int self) {
    subscribed.arrive_and_wait();
    for (int i = 0; i < kMessages; ++i) {
      backplane->publish("all",
                         Frame::control_text(std::to_string((kHubs + self) * kMessages + i)));
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < kHubs; ++i) threads.emplace_back(run, i);
  for (int i = 0; i < kOutsiders; ++i) threads.emplace_back(run_outsider, i);
  join(threads);
}

// A thread that answered for a hub that had gone could take what the next hub in its place waited
// for; the messages below then never had an outcome.
TEST_P(BackplaneThreadsTest, EveryMessageHasItsOutcomeWhileHubsComeAndGo) {
  constexpr int kThreads = 4;
  constexpr int kRounds = 300;
  std::atomic<bool> is_over{false};
  Hub steady(*backplane);
  const PeerId steady_peer = steady.make_peer();
  Mutex mutex;
  std::vector<PeerId> passing_peers;  // of hubs that may have gone

  std::thread steady_thread([&] {
    steady.subscribe("g");
    while (!is_over) {
      {
        const MutexLock lock(mutex);
        for (const PeerId& peer : passing_peers) steady.send({steady_peer, peer}, "x");
        passing_peers.clear();
      }
      steady.publish("g", "x");
      steady.port->flush();
      steady.port->poll();
      std::this_thread::yield();
    }
  });
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&] {
      for (int round = 0; round < kRounds; ++round) {
        Hub passing(*backplane);
        passing.subscribe("g");
        const PeerId self = passing.make_peer();
        {
          const MutexLock lock(mutex);
          for (int i = 0; i < 3; ++i) passing_peers.push_back(self);
        }
        passing.send({self, steady_peer}, "1");
        passing.send({self, steady_peer}, "2");
        const auto own_outcomes = [&] {
          std::size_t count = 0;
          for (const auto& delivery : passing.deliveries) count += delivery.first.from == self;
          return count;
        };
        passing.run_until([&] { return own_outcomes() == 2; });
        EXPECT_EQ(passing.deliveries.back().second, Delivery::queued);
      }
    });
  }
  join(threads);
  is_over = true;
  steady_thread.join();
  // The peers that are left to be sent to have all gone.
  steady.run_until([&] { return steady.received.size() == 2u * kThreads * kRounds; });
}

TEST_P(BackplaneThreadsTest, HubsMayAttachAndDetachOnManyThreads) {
  constexpr int kThreads = 8;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (int round = 0; round < 200; ++round) {
        Hub hub(*backplane);
        hub.subscribe("g");
        hub.subscribe(std::to_string(thread));
        hub.publish("g", "x");
        hub.port->flush();
        hub.port->poll();
      }
    });
  }
  join(threads);
  Hub last(*backplane);
  backplane->publish("g", Frame::control_text("nobody"));
  EXPECT_EQ(last.bell->count(), 0);
}

}  // namespace voicechan
