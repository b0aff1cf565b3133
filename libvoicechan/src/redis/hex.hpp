#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "voicechan/random.hpp"

namespace voicechan::redis {

/// Two digits a byte. `Bytes` is a range of unsigned bytes.
template <class Bytes>
std::string to_hex(const Bytes& bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : bytes) {
    text += kDigits[byte >> 4U];
    text += kDigits[byte & 0xFU];
  }
  return text;
}

/// 128 random bits.
inline std::string random_hex() {
  std::array<std::uint8_t, 16> bytes{};
  system_random().fill(bytes.data(), bytes.size());
  return to_hex(bytes);
}

}  // namespace voicechan::redis
