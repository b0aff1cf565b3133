#pragma once

#include <cstddef>

#include "voicechan/model.hpp"

namespace voicechan {

/// Compares in a time that does not tell where two digests differ. `volatile` keeps the compiler
/// from ending the loop early.
inline bool equal_in_constant_time(const KeyDigest& a, const KeyDigest& b) noexcept {
  volatile unsigned char difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference = static_cast<unsigned char>(difference | (a[i] ^ b[i]));
  }
  return difference == 0;
}

}  // namespace voicechan
