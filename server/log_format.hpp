#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "spdlog/formatter.h"

namespace voicechan::server {

/// `text` as one line of ASCII: control characters, backslashes and all that is not ASCII as
/// "\xHH".
std::string printable(std::string_view text);

/// Time, level and message, one line an event whatever is in the message: all of it goes through
/// `printable`, so that no caller has to think of what a stranger may have sent.
std::unique_ptr<spdlog::formatter> make_log_formatter();

}  // namespace voicechan::server
