// What does one frame cost for each member of a room? `per_receiver` is the core's share of a
// delivery: finding the members and calling their transports, no bytes copied, nothing written.
// `allocations` counts those of one frame with all its deliveries; it must not grow with the room.

#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstdlib>
#include <new>
#include <string>
#include <vector>

#include "voicechan/hub.hpp"

namespace {

std::uint64_t allocation_count = 0;

}  // namespace

// Not inlined, or GCC sees new meet free and warns.
[[gnu::noinline]] void* operator new(std::size_t size) {
  ++allocation_count;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace {

class CountingTransport final : public voicechan::Transport {
 public:
  void send(const voicechan::Frame& frame) noexcept override {
    ++frames_;
    bytes_ += frame.size();
  }
  std::uint64_t frames() const noexcept { return frames_; }

 private:
  std::uint64_t frames_ = 0;
  std::uint64_t bytes_ = 0;
};

/// One speaker says 160 bytes (20 ms of G.711, or of Opus at 64 kbit/s) to range(0) listeners.
void BM_FanOut(benchmark::State& state) {
  const auto receivers = static_cast<std::size_t>(state.range(0));
  voicechan::InProcessBackplane backplane(1);
  auto hub = voicechan::Hub::attach(backplane).value();
  const auto room = voicechan::RoomName::parse("general").value();

  CountingTransport speaker_transport;
  voicechan::Session speaker = hub->join_voice({{1}, "speaker"}, room, speaker_transport).value();
  std::vector<CountingTransport> transports(receivers);
  std::vector<voicechan::Session> listeners;
  listeners.reserve(receivers);
  for (CountingTransport& transport : transports) {
    listeners.push_back(hub->join_voice({{2}, "listener"}, room, transport).value());
  }
  const std::string audio(160, '~');

  const std::uint64_t allocations_before = allocation_count;
  for (auto _ : state) speaker.receive(voicechan::FrameKind::binary, audio);
  const std::uint64_t allocations = allocation_count - allocations_before;

  const auto frames = static_cast<std::uint64_t>(state.iterations());
  for (const CountingTransport& transport : transports) {
    if (transport.frames() != frames) state.SkipWithError("a frame was lost or sent twice");
  }
  const auto deliveries = static_cast<std::int64_t>(frames * receivers);
  state.SetItemsProcessed(deliveries);
  state.counters["per_receiver"] = benchmark::Counter(
      static_cast<double>(deliveries), benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  state.counters["allocations"] =
      benchmark::Counter(static_cast<double>(allocations), benchmark::Counter::kAvgIterations);
}
BENCHMARK(BM_FanOut)->RangeMultiplier(10)->Range(1, 10'000);

}  // namespace

BENCHMARK_MAIN();
