#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

namespace voicechan {

/// How much a line of a `RedisLog` concerns an operator.
enum class RedisLogLevel : std::uint8_t {
  info,     ///< all is as it should be, again or for the first time
  warning,  ///< a server is away, or something else needs an operator
};

/// Told of Redis servers that come and go, in a line without a password. Called on a thread of what
/// it was given to; must not throw.
using RedisLog = std::function<void(RedisLogLevel level, std::string_view line)>;

}  // namespace voicechan
