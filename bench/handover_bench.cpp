// What does it cost to bring frames from one hub to another, that is from worker to worker?
//
// BM_HandOver answers for the CPU: both hubs live on this thread, so nothing waits and no cache
// line moves; `items_per_second` counts frames that one hub published and the other delivered to
// one listener. Batches show what is paid once per loop turn.
//
// BM_HandOverThroughput and BM_HandOverLatency answer for two threads, wake-ups included, as real
// time; they say something only on two idle cores.

#include <benchmark/benchmark.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "voicechan/hub.hpp"

namespace {

using voicechan::FrameKind;
using voicechan::MonotonicTime;

constexpr std::size_t kFrameBytes = 160;

// libstdc++ counts references without atomics as long as a process has never had a second thread;
// a server has.
[[maybe_unused]] const bool is_multithreaded = (std::thread([] {}).join(), true);

class CountingTransport final : public voicechan::Transport {
 public:
  void send(const voicechan::Frame&) noexcept override {
    // One writer: no read-modify-write is needed.
    count_.store(count_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  }
  std::uint64_t count() const noexcept { return count_.load(std::memory_order_acquire); }

 private:
  std::atomic<std::uint64_t> count_{0};
};

voicechan::RoomName room() { return voicechan::RoomName::parse("general").value(); }

/// A hub on a thread of its own, with one listener; it sleeps until it is woken.
class ListeningWorker {
 public:
  explicit ListeningWorker(voicechan::Backplane& backplane)
      : thread_([this, &backplane] { run(backplane); }) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return has_joined_; });
  }
  ~ListeningWorker() {
    {
      const std::lock_guard lock(mutex_);
      is_stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }
  ListeningWorker(const ListeningWorker&) = delete;
  ListeningWorker& operator=(const ListeningWorker&) = delete;

  std::uint64_t heard() const noexcept { return transport_.count(); }

 private:
  void wake() {
    {
      const std::lock_guard lock(mutex_);
      is_woken_ = true;
    }
    changed_.notify_all();
  }

  void run(voicechan::Backplane& backplane) {
    const auto hub = voicechan::Hub::attach(backplane, {}, [this] { wake(); }).value();
    const voicechan::Session listener =
        hub->join_voice({{2}, "listener"}, room(), transport_).value();
    std::unique_lock lock(mutex_);
    has_joined_ = true;
    changed_.notify_all();
    for (;;) {
      changed_.wait(lock, [this] { return is_woken_ || is_stopping_; });
      if (is_stopping_) return;
      is_woken_ = false;
      lock.unlock();
      hub->tick(MonotonicTime{});
      lock.lock();
    }
  }

  CountingTransport transport_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool has_joined_ = false;
  bool is_woken_ = false;
  bool is_stopping_ = false;
  std::thread thread_;  // last: it uses the others
};

/// A speaker on this thread's hub and a listener on another thread.
class TwoThreads {
 public:
  /// Publishes frames in one loop turn.
  void speak(std::uint64_t frames) {
    for (; frames > 0; --frames) speaker_.receive(FrameKind::binary, audio_);
    hub_->tick(MonotonicTime{});
  }
  void wait_until_heard(std::uint64_t frames) const {
    while (worker_.heard() < frames) std::this_thread::yield();
  }

 private:
  voicechan::InProcessBackplane backplane_{1};
  const std::unique_ptr<voicechan::Hub> hub_ = voicechan::Hub::attach(backplane_).value();
  CountingTransport transport_;
  voicechan::Session speaker_ = hub_->join_voice({{1}, "speaker"}, room(), transport_).value();
  const ListeningWorker worker_{backplane_};
  const std::string audio_ = std::string(kFrameBytes, '~');
};

void count(benchmark::State& state, std::uint64_t frames_so_far) {
  const auto frames = static_cast<std::int64_t>(frames_so_far);
  state.SetItemsProcessed(frames);
  state.counters["per_frame"] = benchmark::Counter(
      static_cast<double>(frames), benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

/// range(0) frames are published in one loop turn of the first hub and delivered in one of the
/// second.
void BM_HandOver(benchmark::State& state) {
  voicechan::InProcessBackplane backplane(1);
  const auto first = voicechan::Hub::attach(backplane).value();
  const auto second = voicechan::Hub::attach(backplane).value();
  CountingTransport speaker_transport;
  CountingTransport listener_transport;
  voicechan::Session speaker =
      first->join_voice({{1}, "speaker"}, room(), speaker_transport).value();
  voicechan::Session listener =
      second->join_voice({{2}, "listener"}, room(), listener_transport).value();
  const std::string audio(kFrameBytes, '~');

  const MonotonicTime now{};
  for (auto _ : state) {
    for (std::int64_t i = 0; i < state.range(0); ++i) speaker.receive(FrameKind::binary, audio);
    first->tick(now);
    second->tick(now);
  }

  const auto frames = static_cast<std::uint64_t>(state.iterations() * state.range(0));
  if (listener_transport.count() != frames) state.SkipWithError("a frame was lost or sent twice");
  count(state, frames);
}
BENCHMARK(BM_HandOver)->ArgName("batch")->Arg(1)->Arg(16)->Arg(256);

/// 65,536 frames in batches of range(0), as fast as the listener's thread takes them; the speaker's
/// waits when it is 4,096 ahead.
void BM_HandOverThroughput(benchmark::State& state) {
  constexpr std::uint64_t kFrames = 65536;
  constexpr std::uint64_t kMaxAhead = 4096;
  TwoThreads threads;
  const auto batch = static_cast<std::uint64_t>(state.range(0));

  std::uint64_t sent = 0;
  for (auto _ : state) {
    for (const std::uint64_t end = sent + kFrames; sent < end; sent += batch) {
      threads.speak(batch);
      if (sent > kMaxAhead) threads.wait_until_heard(sent - kMaxAhead);
    }
    threads.wait_until_heard(sent);
  }
  count(state, sent);
}
BENCHMARK(BM_HandOverThroughput)->ArgName("batch")->Arg(1)->Arg(16)->Arg(256)->UseRealTime();

/// One batch of range(0) frames at a time, from its first frame's publishing until the listener has
/// the last: the sleeping worker's wake-up is the most of it.
void BM_HandOverLatency(benchmark::State& state) {
  TwoThreads threads;
  const auto batch = static_cast<std::uint64_t>(state.range(0));

  std::uint64_t sent = 0;
  for (auto _ : state) {
    threads.speak(batch);
    sent += batch;
    threads.wait_until_heard(sent);
  }
  count(state, sent);
}
BENCHMARK(BM_HandOverLatency)->ArgName("batch")->Arg(1)->Arg(16)->Arg(256)->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
