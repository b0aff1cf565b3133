#include "websocket_frame.hpp"

#include <cstddef>
#include <cstring>

namespace voicechan::load {
namespace {

std::uint64_t read_big_endian(const char* from, std::size_t bytes) noexcept {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < bytes; ++i) value = value << 8 | static_cast<unsigned char>(from[i]);
  return value;
}

bool is_known(unsigned opcode) noexcept { return opcode <= 2 || (opcode >= 8 && opcode <= 10); }

void append_length(std::string& out, std::size_t size) {
  constexpr char kMasked = '\x80';
  std::size_t extra = 0;
  if (size < 126) {
    out += static_cast<char>(kMasked | static_cast<char>(size));
  } else if (size < 65536) {
    out += static_cast<char>(kMasked | 126);
    extra = 2;
  } else {
    out += static_cast<char>(kMasked | 127);
    extra = 8;
  }
  while (extra-- > 0) out += static_cast<char>(size >> (8 * extra) & 0xff);
}

}  // namespace

ParseStatus take_frame(std::string_view& bytes, FrameView& frame) noexcept {
  if (bytes.size() < 2) return ParseStatus::incomplete;
  const auto first = static_cast<unsigned char>(bytes[0]);
  const auto second = static_cast<unsigned char>(bytes[1]);
  const unsigned opcode = first & 0x0f;
  const bool is_final = (first & 0x80) != 0;
  if ((first & 0x70) != 0 || (second & 0x80) != 0 || !is_known(opcode)) {
    return ParseStatus::malformed;  // reserved bits, masked, or a reserved opcode
  }
  std::uint64_t size = second;
  std::size_t head = 2;
  if (size >= 126) {
    const std::size_t extra = size == 126 ? 2 : 8;
    if (bytes.size() < head + extra) return ParseStatus::incomplete;
    size = read_big_endian(bytes.data() + head, extra);
    head += extra;
  }
  const bool is_control = opcode >= 8;
  if (size > kMaxFrameBytes || (is_control && (size > 125 || !is_final))) {
    return ParseStatus::malformed;
  }
  if (bytes.size() - head < size) return ParseStatus::incomplete;
  frame.opcode = static_cast<Opcode>(opcode);
  frame.is_final = is_final;
  frame.payload = bytes.substr(head, size);
  bytes.remove_prefix(head + size);
  return ParseStatus::frame;
}

void append_frame(std::string& out, Opcode opcode, std::string_view payload, std::uint32_t key) {
  out += static_cast<char>(0x80 | static_cast<unsigned>(opcode));
  append_length(out, payload.size());
  char key_bytes[4];
  std::memcpy(key_bytes, &key, sizeof key);
  out.append(key_bytes, sizeof key);
  const std::size_t begin = out.size();
  out.append(payload);
  char* at = out.data() + begin;
  const std::uint64_t wide = std::uint64_t{key} << 32 | key;
  std::size_t i = 0;
  for (; i + sizeof wide <= payload.size(); i += sizeof wide) {
    std::uint64_t word;
    std::memcpy(&word, at + i, sizeof word);
    word ^= wide;
    std::memcpy(at + i, &word, sizeof word);
  }
  for (; i < payload.size(); ++i) at[i] = static_cast<char>(at[i] ^ key_bytes[i % 4]);
}

std::uint32_t MaskKeys::next() noexcept {
  for (;;) {  // xorshift64*
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    const auto key = static_cast<std::uint32_t>(state_ * 0x2545f4914f6cdd1d >> 32);
    if (key != 0) return key;
  }
}

}  // namespace voicechan::load
