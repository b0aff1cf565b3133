#pragma once

#include <cstdint>
#include <string_view>

namespace voicechan::redis {

inline constexpr std::uint64_t kFnvBasis = 0xCBF29CE484222325;

/// FNV-1a of the text behind what led to `state`: nodes of other builds must agree, so no
/// std::hash.
constexpr std::uint64_t fnv1a(std::string_view text, std::uint64_t state = kFnvBasis) noexcept {
  for (const char byte : text) state = (state ^ static_cast<unsigned char>(byte)) * 0x100000001B3;
  return state;
}

}  // namespace voicechan::redis
