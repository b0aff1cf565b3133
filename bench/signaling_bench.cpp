// What does the core need to route one WebRTC offer from peer to peer? Parsing, finding `to`,
// setting `from` and handing the message over; within one hub, and from hub to hub through the
// in-process backplane with the wake-ups left out (both hubs run on this thread).

#include <benchmark/benchmark.h>

#include <cstdint>
#include <memory>
#include <string>

#include "sdp.hpp"
#include "voicechan/hub.hpp"

namespace {

using voicechan::FrameKind;

class LastFrameTransport final : public voicechan::Transport {
 public:
  void send(const voicechan::Frame& frame) noexcept override {
    last_ = frame.bytes();
    ++count_;
  }
  const std::string& last() const noexcept { return last_; }
  std::uint64_t count() const noexcept { return count_; }

 private:
  std::string last_;
  std::uint64_t count_ = 0;
};

std::unique_ptr<voicechan::Hub> make_unlimited_hub(voicechan::Backplane& backplane) {
  voicechan::HubOptions options;
  options.signaling_messages_per_second = 0;
  return std::move(voicechan::Hub::attach(backplane, options)).value();
}

/// {"type":"joined","id":"<id>"}
std::string joined_id(const std::string& reply) {
  const auto begin = reply.find(R"("id":")") + 6;
  return reply.substr(begin, voicechan::PeerId::kLength);
}

/// Offers with range(0) bytes of SDP from a peer of one hub to a peer of another (or the same) one.
void route(benchmark::State& state, voicechan::Hub& from, voicechan::Hub& to) {
  LastFrameTransport caller_transport;
  LastFrameTransport callee_transport;
  voicechan::Session caller = from.open_signaling({{1}, "caller"}, caller_transport);
  voicechan::Session callee = to.open_signaling({{2}, "callee"}, callee_transport);
  caller.receive(FrameKind::text, R"({"type":"join"})");
  callee.receive(FrameKind::text, R"({"type":"join"})");
  const std::string offer = voicechan::bench::make_offer(joined_id(callee_transport.last()),
                                                         static_cast<std::size_t>(state.range(0)));

  const voicechan::MonotonicTime now{};
  for (auto _ : state) {
    caller.receive(FrameKind::text, offer);
    if (&from != &to) {
      from.tick(now);
      to.tick(now);
      from.tick(now);  // takes the delivery report
    }
  }

  const auto answers = 1 + static_cast<std::uint64_t>(state.iterations());
  if (callee_transport.count() != answers) state.SkipWithError("an offer did not arrive");
  state.SetItemsProcessed(state.iterations());
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(offer.size()));
}

void BM_RouteWithinHub(benchmark::State& state) {
  voicechan::InProcessBackplane backplane(1);
  const auto hub = make_unlimited_hub(backplane);
  route(state, *hub, *hub);
}
BENCHMARK(BM_RouteWithinHub)->Arg(2048)->Arg(4096);

void BM_RouteBetweenHubs(benchmark::State& state) {
  voicechan::InProcessBackplane backplane(1);
  const auto first = make_unlimited_hub(backplane);
  const auto second = make_unlimited_hub(backplane);
  route(state, *first, *second);
}
BENCHMARK(BM_RouteBetweenHubs)->Arg(2048)->Arg(4096);

}  // namespace

BENCHMARK_MAIN();
