#pragma once

#include <cstdint>
#include <string>
#include <string_view>

// Pieces of the JSON messages that the library writes.

namespace voicechan {

/// Text as a JSON string.
std::string quoted(std::string_view text);

/// The beginning of a message about a room, its object still open.
std::string open_message(std::string_view type, std::string_view room);
std::string open_message(std::string_view type, std::string_view room, std::uint64_t revision);

}  // namespace voicechan
