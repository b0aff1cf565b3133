// What does the WebSocket codec cost for a frame? Decoding is one per message that a client sends;
// writing a header is one per frame and receiver at most. `items_per_second` counts frames,
// `bytes_per_second` those on the wire.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <vector>

#include "websocket_codec.hpp"

namespace {

using voicechan::FrameKind;
using voicechan::server::WebSocketCodec;

constexpr std::size_t kReadBytes = 64 * 1024;

void append_client_frame(std::vector<std::uint8_t>& out, std::size_t payload_bytes) {
  constexpr std::array<std::uint8_t, 4> kMask{0x11, 0x82, 0x43, 0xF4};
  std::uint8_t header[voicechan::server::kMaxFrameHeaderBytes];
  const std::size_t header_bytes =
      voicechan::server::encode_frame_header(FrameKind::binary, payload_bytes, header);
  header[1] |= 0x80;
  out.insert(out.end(), header, header + header_bytes);
  out.insert(out.end(), kMask.begin(), kMask.end());
  for (std::size_t i = 0; i < payload_bytes; ++i) {
    out.push_back(static_cast<std::uint8_t>('~' ^ kMask[i % kMask.size()]));
  }
}

/// Masked binary frames of range(0) bytes, as many as one read of 64 KiB brings (one alone may be
/// longer by its header, and then comes in two reads). Refilling the buffer, which decoding
/// overwrites, is part of the figure and stands for the kernel's copy.
void BM_Decode(benchmark::State& state) {
  const auto payload_bytes = static_cast<std::size_t>(state.range(0));
  std::vector<std::uint8_t> stream;
  append_client_frame(stream, payload_bytes);
  const std::size_t frame_bytes = stream.size();
  const std::size_t frames = std::max<std::size_t>(1, kReadBytes / frame_bytes);
  while (stream.size() < frames * frame_bytes) append_client_frame(stream, payload_bytes);

  const voicechan::server::WebSocketLimits limits;
  WebSocketCodec codec(limits, voicechan::server::OversizePolicy::fail);
  std::vector<std::uint8_t> buffer(kReadBytes);
  std::uint64_t decoded = 0;
  for (auto _ : state) {
    for (std::size_t begin = 0; begin < stream.size(); begin += kReadBytes) {
      std::size_t size = std::min(kReadBytes, stream.size() - begin);
      std::memcpy(buffer.data(), stream.data() + begin, size);
      std::uint8_t* data = buffer.data();
      for (;;) {
        const WebSocketCodec::Event event = codec.next(data, size);
        if (event.type != WebSocketCodec::Event::Type::message) break;
        if (event.payload.size() != payload_bytes) state.SkipWithError("a wrong length");
        ++decoded;
      }
    }
  }

  const auto iterations = static_cast<std::uint64_t>(state.iterations());
  if (decoded != iterations * frames) state.SkipWithError("a frame was not found");
  state.SetItemsProcessed(static_cast<std::int64_t>(decoded));
  state.SetBytesProcessed(static_cast<std::int64_t>(decoded * frame_bytes));
}
BENCHMARK(BM_Decode)->ArgName("payload")->Arg(20)->Arg(160)->Arg(1200)->Arg(65536);

void BM_EncodeHeader(benchmark::State& state) {
  auto payload_bytes = static_cast<std::size_t>(state.range(0));
  std::uint8_t header[voicechan::server::kMaxFrameHeaderBytes];
  std::int64_t bytes = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(payload_bytes);
    bytes += static_cast<std::int64_t>(
        voicechan::server::encode_frame_header(FrameKind::binary, payload_bytes, header));
    benchmark::DoNotOptimize(header);
  }
  state.SetItemsProcessed(state.iterations());
  state.SetBytesProcessed(bytes);
}
BENCHMARK(BM_EncodeHeader)->ArgName("payload")->Arg(20)->Arg(160)->Arg(1200)->Arg(65536);

}  // namespace

BENCHMARK_MAIN();
