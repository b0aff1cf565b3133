#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace voicechan::load {

enum class Opcode : std::uint8_t {
  continuation = 0,
  text = 1,
  binary = 2,
  close = 8,
  ping = 9,
  pong = 10
};

/// A server's frame, where it lies in the received bytes.
struct FrameView {
  Opcode opcode = Opcode::binary;
  bool is_final = true;
  std::string_view payload;
};

enum class ParseStatus { frame, incomplete, malformed };

/// A longer frame counts as malformed.
constexpr std::uint64_t kMaxFrameBytes = std::uint64_t{1} << 26;

/// Takes a server's frame off the front of `bytes`, unless it is incomplete or malformed.
ParseStatus take_frame(std::string_view& bytes, FrameView& frame) noexcept;

/// Appends a client's frame, masked by `key`, which is not 0.
void append_frame(std::string& out, Opcode opcode, std::string_view payload, std::uint32_t key);

/// Masking keys: unpredictable enough for proxies, never 0.
class MaskKeys {
 public:
  explicit MaskKeys(std::uint64_t seed) noexcept : state_(seed | 1) {}
  std::uint32_t next() noexcept;

 private:
  std::uint64_t state_;
};

}  // namespace voicechan::load
