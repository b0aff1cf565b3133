#include "resume_tunnel.hpp"

#include "big_endian.hpp"

namespace voicechan {
namespace {

// kind, seq, user, code, failure; then the text
constexpr std::size_t kHeadBytes = 1 + 8 + 8 + 4 + 1;

}  // namespace

std::string_view to_string(ResumeFailure failure) noexcept {
  switch (failure) {
    case ResumeFailure::unknown:
      return "unknown";
    case ResumeFailure::missed_too_much:
      return "missed_too_much";
    case ResumeFailure::bad_seq:
      return "bad_seq";
  }
  return {};
}

Frame TunnelSignal::to_frame() const {
  std::string bytes;
  append_big_endian(bytes, static_cast<std::uint8_t>(kind));
  append_big_endian(bytes, seq);
  append_big_endian(bytes, static_cast<std::uint64_t>(user.value));
  append_big_endian(bytes, static_cast<std::uint32_t>(code));
  append_big_endian(bytes, static_cast<std::uint8_t>(failure));
  bytes += text;
  return Frame(FrameKind::binary, FrameClass::control, std::move(bytes));
}

std::optional<TunnelSignal> TunnelSignal::from_frame(const Frame& frame) {
  if (frame.kind() != FrameKind::binary || frame.size() < kHeadBytes) return std::nullopt;
  const std::string_view bytes = frame.bytes();
  TunnelSignal signal{static_cast<Kind>(read_big_endian<std::uint8_t>(bytes))};
  signal.seq = read_big_endian<std::uint64_t>(bytes.substr(1));
  signal.user.value = static_cast<std::int64_t>(read_big_endian<std::uint64_t>(bytes.substr(9)));
  signal.code = static_cast<Errc>(read_big_endian<std::uint32_t>(bytes.substr(17)));
  signal.failure = static_cast<ResumeFailure>(read_big_endian<std::uint8_t>(bytes.substr(21)));
  signal.text = bytes.substr(kHeadBytes);
  return signal;
}

void TunnelTransport::send(const Frame& frame) noexcept {
  unwritten_.push_back(frame.size());
  unwritten_bytes_ += frame.size();
  port_->send(frame, {key_, peer_, ++last_number_});
}

void TunnelTransport::send(const TunnelSignal& signal) {
  port_->send(signal.to_frame(), {key_, peer_});
}

bool TunnelTransport::on_written(std::uint64_t number) noexcept {
  while (!unwritten_.empty() && last_number_ - unwritten_.size() < number) {
    unwritten_bytes_ -= unwritten_.front();
    unwritten_.pop_front();
  }
  return unwritten_.empty() && std::exchange(is_to_tell_, false);
}

}  // namespace voicechan
