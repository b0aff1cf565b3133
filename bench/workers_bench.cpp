// How does a relay grow from one worker to two, with rooms kept on one worker or spread over both?
//
// Eight rooms of 50 with a speaker each, on hubs of as many threads. `spread` has each room's
// members on all hubs, as SO_REUSEPORT leaves them, so that each frame crosses; otherwise a room is
// on one hub. `delivery_ns` is what a transport spins for: 0 shows the core alone, in which a
// delivery is cheaper than a hand-over; 2000 is still less than what a socket's send() costs.
// `items_per_second` counts deliveries of all threads in real time: of use on idle cores only.

#include <benchmark/benchmark.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "voicechan/hub.hpp"

namespace {

using voicechan::FrameKind;
using voicechan::MonotonicTime;

constexpr std::size_t kRooms = 8;
constexpr std::size_t kMembers = 50;
constexpr std::size_t kMaxAhead = 64;  // turns
const std::string kAudio(160, '~');

/// All members of a hub share it.
class SpinningTransport final : public voicechan::Transport {
 public:
  explicit SpinningTransport(std::chrono::nanoseconds time) : time_(time) {}
  void send(const voicechan::Frame&) noexcept override {
    if (time_.count() > 0) {
      const auto end = std::chrono::steady_clock::now() + time_;
      while (std::chrono::steady_clock::now() < end) {
      }
    }
    // One writer: no read-modify-write is needed.
    count_.store(count_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  }
  std::uint64_t count() const noexcept { return count_.load(std::memory_order_acquire); }

 private:
  const std::chrono::nanoseconds time_;
  alignas(64) std::atomic<std::uint64_t> count_{0};
};

/// A hub, to be turned on one thread.
struct Worker {
  Worker(voicechan::Backplane& backplane, std::chrono::nanoseconds delivery_time)
      : hub(voicechan::Hub::attach(backplane).value()), transport(delivery_time) {}

  voicechan::Session join(std::size_t room) {
    const auto name = voicechan::RoomName::parse("room " + std::to_string(room)).value();
    return hub->join_voice({{1}, "member"}, name, transport).value();
  }
  void turn() {
    for (voicechan::Session& speaker : speakers) speaker.receive(FrameKind::binary, kAudio);
    hub->tick(MonotonicTime{});
    turns.store(turns.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  }

  std::unique_ptr<voicechan::Hub> hub;
  SpinningTransport transport;
  std::vector<voicechan::Session> speakers;
  std::vector<voicechan::Session> listeners;
  alignas(64) std::atomic<std::uint64_t> turns{0};
};

class Workers {
 public:
  Workers(std::size_t count, bool is_spread, std::chrono::nanoseconds delivery_time) {
    for (std::size_t i = 0; i < count; ++i) {
      workers_.push_back(std::make_unique<Worker>(backplane_, delivery_time));
    }
    for (std::size_t room = 0; room < kRooms; ++room) {
      Worker& home = *workers_[room % count];
      home.speakers.push_back(home.join(room));
      for (std::size_t i = 1; i < kMembers; ++i) {
        Worker& worker = is_spread ? *workers_[(room + i) % count] : home;
        worker.listeners.push_back(worker.join(room));
      }
    }
  }

  /// Each speaker speaks so many frames; returns when all have arrived.
  void run(std::uint64_t frames) {
    const std::uint64_t turns = turns_ += frames;
    const std::uint64_t deliveries = turns * kRooms * (kMembers - 1);
    std::vector<std::thread> threads;
    for (const auto& worker : workers_) {
      threads.emplace_back([this, &self = *worker, turns, deliveries] {
        while (self.turns.load(std::memory_order_relaxed) < turns) {
          if (is_far_ahead(self)) {
            self.hub->tick(MonotonicTime{});
          } else {
            self.turn();
          }
        }
        while (delivered() < deliveries) self.hub->tick(MonotonicTime{});
      });
    }
    for (std::thread& thread : threads) thread.join();
  }

  std::uint64_t delivered() const {
    std::uint64_t count = 0;
    for (const auto& worker : workers_) count += worker->transport.count();
    return count;
  }

 private:
  bool is_far_ahead(const Worker& self) const {
    for (const auto& other : workers_) {
      if (other->turns.load(std::memory_order_acquire) + kMaxAhead <
          self.turns.load(std::memory_order_relaxed)) {
        return true;
      }
    }
    return false;
  }

  voicechan::InProcessBackplane backplane_{1};
  std::vector<std::unique_ptr<Worker>> workers_;
  std::uint64_t turns_ = 0;
};

void BM_Workers(benchmark::State& state) {
  const std::chrono::nanoseconds delivery_time(state.range(2));
  Workers workers(static_cast<std::size_t>(state.range(0)), state.range(1) != 0, delivery_time);
  const std::uint64_t frames = delivery_time.count() == 0 ? 5000 : 50;
  for (auto _ : state) workers.run(frames);
  const auto deliveries = static_cast<std::int64_t>(workers.delivered());
  if (deliveries != static_cast<std::int64_t>(frames) * state.iterations() *
                        static_cast<std::int64_t>(kRooms * (kMembers - 1))) {
    state.SkipWithError("a frame was lost or sent twice");
  }
  state.SetItemsProcessed(deliveries);
}
BENCHMARK(BM_Workers)
    ->ArgNames({"workers", "spread", "delivery_ns"})
    ->Args({1, 0, 0})
    ->Args({2, 0, 0})
    ->Args({2, 1, 0})
    ->Args({1, 0, 2000})
    ->Args({2, 0, 2000})
    ->Args({2, 1, 2000})
    ->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
