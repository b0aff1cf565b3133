#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "backplane_test_hub.hpp"
#include "voicechan/mutex.hpp"

// Hubs on threads of their own; ThreadSanitizer watches.

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
// for; some of the messages below then had no outcome.
TEST_P(BackplaneThreadsTest, EveryMessageHasItsOutcomeWhileHubsComeAndGo) {
  constexpr int kSteady = 2;
  constexpr int kPassing = 3;
  constexpr int kRounds = 400;
  std::atomic<bool> is_over{false};
  std::vector<std::unique_ptr<Hub>> steady;
  std::vector<PeerId> steady_peers;
  for (int i = 0; i < kSteady; ++i) {
    steady.push_back(std::make_unique<Hub>(*backplane));
    steady_peers.push_back(steady.back()->make_peer());
  }
  Mutex mutex;
  std::vector<PeerId> passing_peers;  // the last ones; they may have gone

  std::vector<std::size_t> sent(kSteady);
  const auto run_steady = [&](std::size_t index) {
    Hub& hub = *steady[index];
    hub.subscribe("g");
    hub.when_sent_to = [&, index](const SendTicket&) {
      std::vector<PeerId> targets;
      {
        const MutexLock lock(mutex);
        targets = passing_peers;
      }
      for (const PeerId& target : targets) {
        hub.send({steady_peers[index], target}, "x");
        ++sent[index];
        hub.publish("g", "x");
        hub.port->flush();
      }
    };
    hub.run_until([&] { return is_over.load(); });
    hub.when_sent_to = nullptr;
  };
  const auto run_passing = [&] {
    for (int round = 0; round < kRounds; ++round) {
      Hub hub(*backplane);
      hub.subscribe("g");
      const PeerId self = hub.make_peer();
      {
        const MutexLock lock(mutex);
        if (passing_peers.size() > 8) passing_peers.erase(passing_peers.begin());
        passing_peers.push_back(self);
      }
      for (const PeerId& peer : steady_peers) hub.send({self, peer}, "x");
      const auto own_outcomes = [&] {
        int count = 0;
        for (const auto& delivery : hub.deliveries) {
          if (!(delivery.first.from == self)) continue;  // of an earlier hub in this place
          EXPECT_EQ(delivery.second, Delivery::queued);
          ++count;
        }
        return count;
      };
      hub.run_until([&] { return own_outcomes() >= kSteady; });
      EXPECT_EQ(own_outcomes(), kSteady);
    }
  };

  std::vector<std::thread> steady_threads;
  for (std::size_t i = 0; i < kSteady; ++i) steady_threads.emplace_back(run_steady, i);
  std::vector<std::thread> passing_threads;
  for (int i = 0; i < kPassing; ++i) passing_threads.emplace_back(run_passing);
  join(passing_threads);
  is_over = true;
  for (const auto& hub : steady) hub->bell->ring();
  join(steady_threads);
  for (std::size_t i = 0; i < kSteady; ++i) {
    steady[i]->run_until([&] { return steady[i]->deliveries.size() >= sent[i]; });
    EXPECT_EQ(steady[i]->deliveries.size(), sent[i]);
    EXPECT_EQ(steady[i]->received.size(), std::size_t{kPassing} * kRounds);
  }
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
