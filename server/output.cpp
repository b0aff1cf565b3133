#include "output.hpp"

#include <algorithm>
#include <utility>

namespace voicechan::server {
namespace {

std::size_t header_bytes(const Frame& frame) noexcept {
  std::uint8_t unused[kMaxFrameHeaderBytes];
  return encode_frame_header(frame.kind(), frame.size(), unused);
}

void add(Output::Gathering& gathering, const void* data, std::size_t size, std::size_t& total) {
  if (size == 0) return;
  gathering.buffers[gathering.count++] = {const_cast<void*>(data), size};
  total += size;
}

}  // namespace

void Output::write(std::string bytes) {
  if (raw_.empty()) {
    raw_ = std::move(bytes);
  } else {
    raw_ += bytes;
  }
}

void Output::write_last(std::string bytes) { last_ = std::move(bytes); }

std::size_t Output::gather(Gathering& gathering) const {
  gathering.count = 0;
  std::size_t total = 0;
  const bool front_has_begun = front_written_ > 0;
  if (!front_has_begun)
    add(gathering, raw_.data() + raw_written_, raw_.size() - raw_written_, total);
  const std::size_t frames = std::min(outbox_.size(), Gathering::kMaxFrames);
  for (std::size_t i = 0; i < frames; ++i) {
    const Frame& frame = outbox_.frame(i);
    auto& header = gathering.headers[i];
    const std::size_t header_size = encode_frame_header(frame.kind(), frame.size(), header);
    const std::size_t written = i == 0 ? front_written_ : 0;
    const std::size_t header_written = std::min(written, header_size);
    const std::size_t payload_written = written - header_written;
    add(gathering, header + header_written, header_size - header_written, total);
    add(gathering, frame.bytes().data() + payload_written, frame.size() - payload_written, total);
    // Raw bytes wait for the end of a frame that has begun, not longer.
    if (i == 0 && front_has_begun && !raw_.empty()) {
      add(gathering, raw_.data(), raw_.size(), total);
      return total;
    }
  }
  if (frames == outbox_.size()) add(gathering, last_.data(), last_.size(), total);
  return total;
}

void Output::consume(std::size_t bytes) {
  const auto take_raw = [&] {
    const std::size_t taken = std::min(bytes, raw_.size() - raw_written_);
    raw_written_ += taken;
    bytes -= taken;
    if (raw_written_ < raw_.size()) return;
    raw_ = {};
    raw_written_ = 0;
  };
  if (front_written_ == 0 && !raw_.empty()) take_raw();
  while (bytes > 0 && !outbox_.is_empty()) {
    const std::size_t left = front_bytes() - front_written_;
    if (bytes < left) {
      front_written_ += bytes;
      outbox_.pin_front();
      return;
    }
    bytes -= left;
    front_written_ = 0;
    outbox_.pop_front();
    if (bytes > 0 && !raw_.empty()) take_raw();
  }
  last_.erase(0, bytes);
}

std::size_t Output::front_bytes() const noexcept {
  const Frame& frame = outbox_.frame(0);
  return header_bytes(frame) + frame.size();
}

}  // namespace voicechan::server
