// What does it cost to queue one frame for one receiver and to take it out again once it is
// written? This is the part of a delivery between the hub's call of the transport and the system
// call: `items_per_second` counts frames that went through. Frames are made outside the loop, as
// all receivers share them, so the figure holds no copying of bytes.

#include <benchmark/benchmark.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "voicechan/outbox.hpp"

namespace {

using voicechan::Frame;
using voicechan::FrameClass;
using voicechan::FrameKind;
using voicechan::MonotonicTime;
using voicechan::Outbox;

constexpr std::size_t kFrameBytes = 160;
constexpr std::chrono::milliseconds kTurn{20};

// libstdc++ counts references without atomics as long as a process has never had a second thread;
// a server has.
[[maybe_unused]] const bool is_multithreaded = (std::thread([] {}).join(), true);

/// Frames of the speakers in turn, as they come to a listener of a room.
std::vector<Frame> make_frames(std::size_t speakers, FrameClass frame_class) {
  const auto kind = frame_class == FrameClass::media ? FrameKind::binary : FrameKind::text;
  std::vector<Frame> frames;
  for (std::size_t i = 0; i < speakers; ++i) {
    frames.emplace_back(kind, frame_class, std::string(kFrameBytes, '~'));
  }
  return frames;
}

/// range(0) frames, each from the next of range(1) speakers, are queued and then written: what a
/// loop turn does for a listener whose socket takes everything.
void BM_PushAndFlush(benchmark::State& state, FrameClass frame_class) {
  const auto waiting = static_cast<std::size_t>(state.range(0));
  const auto frames = make_frames(static_cast<std::size_t>(state.range(1)), frame_class);
  const voicechan::OutboxLimits limits;
  Outbox outbox(limits);
  MonotonicTime now{std::chrono::hours(1)};
  std::size_t speaker = 0;
  std::uint64_t written_bytes = 0;

  for (auto _ : state) {
    now += kTurn;
    for (std::size_t i = 0; i < waiting; ++i) {
      if (!outbox.push(frames[speaker], now)) state.SkipWithError("a frame was refused");
      if (++speaker == frames.size()) speaker = 0;
    }
    outbox.drop_stale(now);
    while (!outbox.is_empty()) {
      written_bytes += outbox.frame(0).size();
      outbox.pop_front();
    }
  }

  const std::int64_t count = state.iterations() * state.range(0);
  if (written_bytes != static_cast<std::uint64_t>(count) * kFrameBytes) {
    state.SkipWithError("a frame was lost");
  }
  state.SetItemsProcessed(count);
}

/// A receiver that reads nothing: each frame costs the place of one that has become too old.
void BM_PushToStalled(benchmark::State& state) {
  const auto frames = make_frames(static_cast<std::size_t>(state.range(0)), FrameClass::media);
  const voicechan::OutboxLimits limits;
  Outbox outbox(limits);
  MonotonicTime now{std::chrono::hours(1)};
  const auto speak = [&] {
    now += kTurn;
    for (const Frame& frame : frames) {
      if (!outbox.push(frame, now)) state.SkipWithError("a frame was refused");
    }
  };
  const auto turns_of_age = static_cast<std::size_t>(limits.max_media_age / kTurn);
  for (std::size_t i = 0; i < 2 * turns_of_age; ++i) speak();

  for (auto _ : state) speak();

  if (outbox.size() > 2 * turns_of_age * frames.size()) state.SkipWithError("the queue grows");
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

void arguments(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"frames", "speakers"})->ArgsProduct({{1, 16, 256}, {1, 20}});
}
BENCHMARK_CAPTURE(BM_PushAndFlush, media, FrameClass::media)->Apply(arguments);
BENCHMARK_CAPTURE(BM_PushAndFlush, control, FrameClass::control)->Apply(arguments);
BENCHMARK(BM_PushToStalled)->ArgName("speakers")->Arg(1)->Arg(20);

}  // namespace

BENCHMARK_MAIN();
