#pragma once

#include <cstdint>
#include <functional>
#include <random>
#include <string_view>

namespace voicechan {

/// Sizes of pieces to cut an input into, drawn from the input itself: a finding can be repeated and
/// seeds stay plain bytes of the protocol.
inline std::function<std::size_t()> piece_sizes(std::string_view input) {
  const std::size_t hash = std::hash<std::string_view>()(input);
  return [random = std::mt19937_64(hash), longest = std::size_t{1} << hash % 9]() mutable {
    return 1 + static_cast<std::size_t>(random() % longest);
  };
}

}  // namespace voicechan
