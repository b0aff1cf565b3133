#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

// The syntax of HTTP header fields (RFC 9110, section 5.6).

namespace voicechan::server {

inline bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

inline bool is_hex(char c) noexcept {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

inline bool is_alphanumeric(char c) noexcept {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

inline bool is_token_char(char c) noexcept {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return is_alphanumeric(c) || kMarks.find(c) != std::string_view::npos;
}

inline bool is_token(std::string_view text) noexcept {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_token_char);
}

/// What no field value may hold (RFC 9110, section 5.5): all control characters but the tab.
inline bool is_control(char c) noexcept {
  return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
}

inline char to_lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

/// Without spaces and tabs at both ends.
inline std::string_view trim_ows(std::string_view text) noexcept {
  const auto begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

/// ASCII only, as HTTP's tokens are.
inline bool equals_ignoring_case(std::string_view a, std::string_view b) noexcept {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return to_lower(x) == to_lower(y); });
}

/// The elements of a comma-separated list; empty ones are left out.
inline std::vector<std::string> split_list(std::string_view list) {
  std::vector<std::string> elements;
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    const std::string_view element = trim_ows(list.substr(0, comma));
    if (!element.empty()) elements.emplace_back(element);
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return elements;
}

inline bool list_contains(std::string_view list, std::string_view token) {
  const auto elements = split_list(list);
  return std::any_of(elements.begin(), elements.end(), [&](const std::string& element) {
    return equals_ignoring_case(element, token);
  });
}

}  // namespace voicechan::server
