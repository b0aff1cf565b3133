#pragma once

#include <optional>
#include <string_view>

#include "voicechan/export.hpp"

// Just enough Unicode to check names at the edge.

namespace voicechan::unicode {

/// Takes the first character off `text`. Nothing if `text` is empty or does not start with
/// well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates, at most U+10FFFF).
VOICECHAN_API std::optional<char32_t> take_character(std::string_view& text) noexcept;

/// Whether all of the text is well-formed UTF-8.
VOICECHAN_API bool is_utf8(std::string_view text) noexcept;

/// General category Cc: C0, DEL and C1.
bool is_control(char32_t character) noexcept;

/// The property White_Space of Unicode 15.
bool is_white_space(char32_t character) noexcept;

/// Without white space at both ends; nothing if `text` is not UTF-8.
std::optional<std::string_view> trim(std::string_view text) noexcept;

}  // namespace voicechan::unicode
