#pragma once

#include <charconv>
#include <cstddef>
#include <optional>
#include <string_view>

namespace voicechan::server {

// Of listings that come in pages, of `?limit=`.
inline constexpr std::size_t kDefaultPageSize = 100;
inline constexpr std::size_t kMaxPageSize = 1000;
inline constexpr std::string_view kNotALimit = "An integer from 1 to 1000 is required.";

/// Nothing unless the text is `kNotALimit`'s integer, of digits alone.
inline std::optional<std::size_t> parse_limit(std::string_view text) {
  std::size_t limit = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, limit);
  if (error != std::errc() || stop != end || limit < 1 || limit > kMaxPageSize) {
    return std::nullopt;
  }
  return limit;
}

}  // namespace voicechan::server
