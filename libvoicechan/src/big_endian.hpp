#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace voicechan {

/// Appends the bytes of an unsigned number, the highest first.
template <class Number>
void append_big_endian(std::string& out, Number number) {
  for (std::size_t shift = 8 * sizeof number; shift > 0;) {
    shift -= 8;
    out.push_back(static_cast<char>(number >> shift & 0xFF));
  }
}

/// The number that was appended so at the beginning of `bytes`, which are enough.
template <class Number>
Number read_big_endian(std::string_view bytes) {
  Number number = 0;
  for (const char byte : bytes.substr(0, sizeof number)) {
    number = static_cast<Number>(number << 8 | static_cast<unsigned char>(byte));
  }
  return number;
}

}  // namespace voicechan
