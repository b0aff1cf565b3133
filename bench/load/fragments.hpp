#pragma once

#include <string>
#include <string_view>

#include "websocket_frame.hpp"

namespace voicechan::load {

/// Puts the data frames of one connection together to messages.
class Fragments {
 public:
  enum class Status { message, unfinished, malformed };

  /// Takes the next data frame. If it ends a message, `kind` and `payload` are those of the whole;
  /// `payload` is valid as long as the frame is and until the next call.
  Status add(const FrameView& frame, Opcode& kind, std::string_view& payload);

 private:
  bool is_unfinished_ = false;
  Opcode kind_ = Opcode::binary;
  std::string bytes_;
};

}  // namespace voicechan::load
