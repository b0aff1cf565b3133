#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

namespace voicechan::server {

// Of listings that come in pages, of `?limit=`.
inline constexpr std::size_t kDefaultPageSize = 100;
inline constexpr std::size_t kMaxPageSize = 1000;
inline constexpr std::string_view kNotALimit = "An integer from 1 to 1000 is required.";

/// A whole text of decimal digits. What does not fit becomes the largest number, which no row has.
inline std::optional<std::int64_t> parse_digits(std::string_view text) {
  if (text.empty() || text.find_first_not_of("0123456789") != std::string_view::npos) {
    return std::nullopt;
  }
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() ? number : std::numeric_limits<std::int64_t>::max();
}

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
