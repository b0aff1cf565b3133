// What does JSON cost on the signaling path? Reading an offer as far as routing needs it, and
// writing what its receiver gets, for range(0) bytes of SDP. A route does both once.

#include <benchmark/benchmark.h>

#include <cstdint>
#include <string>

#include "sdp.hpp"
#include "signaling_message.hpp"

namespace {

constexpr std::size_t kMaxDepth = 64;
constexpr std::string_view kId = "AAAAAAABAABZvqooWStAPoBh2N59iZ_3";

void count(benchmark::State& state, const std::string& message) {
  state.SetItemsProcessed(state.iterations());
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(message.size()));
}

void BM_ParseMessage(benchmark::State& state) {
  const std::string offer =
      voicechan::bench::make_offer(kId, static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) {
    const auto message = voicechan::parse_signaling_message(offer, kMaxDepth);
    if (!message) state.SkipWithError("the offer was refused");
    benchmark::DoNotOptimize(&message);
  }
  count(state, offer);
}
BENCHMARK(BM_ParseMessage)->Arg(0)->Arg(2048)->Arg(4096);

void BM_ComposeForwarded(benchmark::State& state) {
  const std::string offer =
      voicechan::bench::make_offer(kId, static_cast<std::size_t>(state.range(0)));
  const auto message = voicechan::parse_signaling_message(offer, kMaxDepth);
  if (!message) return state.SkipWithError("the offer was refused");
  for (auto _ : state) {
    benchmark::DoNotOptimize(voicechan::compose_forwarded(*message, kId));
  }
  count(state, offer);
}
BENCHMARK(BM_ComposeForwarded)->Arg(0)->Arg(2048)->Arg(4096);

}  // namespace

BENCHMARK_MAIN();
