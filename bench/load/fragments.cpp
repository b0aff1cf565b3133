#include "fragments.hpp"

namespace voicechan::load {

Fragments::Status Fragments::add(const FrameView& frame, Opcode& kind, std::string_view& payload) {
  const bool continues = frame.opcode == Opcode::continuation;
  if (continues != is_unfinished_) return Status::malformed;
  if (!continues) {
    kind_ = frame.opcode;
    bytes_.clear();
  }
  kind = kind_;
  payload = frame.payload;
  is_unfinished_ = !frame.is_final;
  if (!continues && frame.is_final) return Status::message;
  if (bytes_.size() + frame.payload.size() > kMaxFrameBytes) return Status::malformed;
  bytes_.append(frame.payload);
  payload = bytes_;
  return is_unfinished_ ? Status::unfinished : Status::message;
}

}  // namespace voicechan::load
