#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "spdlog/common.h"
#include "spdlog/formatter.h"

namespace voicechan::server {

enum class LogFormat { text, json };

/// `text` as one line of ASCII: control characters, backslashes and all that is not ASCII as
/// "\xHH".
std::string printable(std::string_view text);

/// `json` in ASCII: in it, all that is not comes as "\uXXXX". What is no UTF-8 becomes U+FFFD.
std::string ascii_json(std::string_view json);

/// Time, level and message, one line an event whatever is in the message: all of it goes through
/// `printable`, or `ascii_json`, so that no caller has to think of what a stranger may have sent.
std::unique_ptr<spdlog::formatter> make_log_formatter(LogFormat format = LogFormat::text);

/// Has the program's log go to standard error.
void set_up_log(spdlog::level::level_enum level, LogFormat format);

}  // namespace voicechan::server
