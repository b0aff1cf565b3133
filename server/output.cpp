#include "output.hpp"

#include <algorithm>
#include <utility>

#include "websocket_codec.hpp"

namespace voicechan::server {
namespace {

/// As much of `bytes` behind the first `skipped` as there is space for.
void append(std::string& out, std::string_view bytes, std::size_t skipped, std::size_t space) {
  if (skipped < bytes.size()) out.append(bytes.substr(skipped, space));
}

}  // namespace

bool Output::write(std::string bytes) {
  if (bytes.empty()) return true;
  Raw& queued = raw();
  std::string& first = queued.first;
  if (queued.share && !queued.share->resize(first.size() + bytes.size())) {
    if (first.empty() && queued.last.empty()) raw_ = nullptr;
    return false;
  }
  if (first.empty()) {
    first = std::move(bytes);
  } else {
    first += bytes;
  }
  return true;
}

void Output::write_last(std::string bytes) {
  if (!bytes.empty()) raw().last = std::move(bytes);
}

Output::Raw& Output::raw() {
  if (raw_ == nullptr) {
    raw_ = std::make_unique<Raw>();
    if (outbox_.budget() != nullptr) raw_->share.emplace(*outbox_.budget());
  }
  return *raw_;
}

std::string_view Output::lay_out(WireBuffer& wire, std::size_t frame_count) const {
  const bool front_has_begun = front_written_ > 0;
  if (front_has_begun) {
    // The rest of a large frame goes out from where it is.
    const Frame& frame = outbox_.frame(0);
    const std::size_t header_size = frame_header_bytes(frame.size());
    if (front_written_ >= header_size + WireBuffer::kBytes / 2) {
      wire.forget();
      return std::string_view(frame.bytes()).substr(front_written_ - header_size);
    }
  }
  std::string& out = wire.bytes_;
  out.clear();
  out.reserve(WireBuffer::kBytes);
  wire.forget();
  if (!front_has_begun && raw_ != nullptr) append(out, raw_->first, raw_->taken, wire.space());
  std::size_t i = 0;
  for (; i < frame_count && wire.space() > 0; ++i) {
    const Frame& frame = outbox_.frame(i);
    std::uint8_t header[kMaxFrameHeaderBytes];
    const std::size_t header_size = encode_frame_header(frame.kind(), frame.size(), header);
    const std::size_t skipped = i == 0 ? front_written_ : 0;
    append(out, {reinterpret_cast<const char*>(header), header_size}, skipped, wire.space());
    append(out, frame.bytes(), skipped - std::min(skipped, header_size), wire.space());
    // Raw bytes wait for the end of a frame that has begun, not longer.
    if (i == 0 && front_has_begun && raw_ != nullptr) append(out, raw_->first, 0, wire.space());
  }
  if (frame_count < outbox_.size()) return out;
  const bool is_plain = !front_has_begun && raw_ == nullptr && wire.space() > 0;
  if (is_plain) {
    for (i = 0; i < frame_count; ++i) wire.frames_.push_back(outbox_.frame(i));
  }
  if (raw_ != nullptr) append(out, raw_->last, 0, wire.space());
  return out;
}

void Output::consume_some(std::size_t bytes) noexcept {
  if (front_written_ == 0) take_first(bytes);
  std::size_t written_frames = 0;
  const std::size_t frame_count = outbox_.size();
  while (bytes > 0 && written_frames < frame_count) {
    const std::size_t payload_size = outbox_.frame(written_frames).size();
    const std::size_t left = frame_header_bytes(payload_size) + payload_size - front_written_;
    if (bytes < left) {
      front_written_ += bytes;
      bytes = 0;
      break;
    }
    bytes -= left;
    ++written_frames;
    if (std::exchange(front_written_, 0) > 0) take_first(bytes);
  }
  if (written_frames > 0) outbox_.pop_front(written_frames);
  if (front_written_ > 0) outbox_.pin_front();
  if (raw_ == nullptr) return;
  raw_->last.erase(0, bytes);
  if (raw_->first.empty() && raw_->last.empty()) raw_ = nullptr;
}

void Output::take_first(std::size_t& bytes) noexcept {
  if (raw_ == nullptr) return;
  const std::size_t taken = std::min(bytes, raw_->first.size() - raw_->taken);
  raw_->taken += taken;
  bytes -= taken;
  if (raw_->taken < raw_->first.size()) return;
  raw_->first.clear();
  raw_->taken = 0;
}

}  // namespace voicechan::server
