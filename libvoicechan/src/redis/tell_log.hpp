#pragma once

#include <string>
#include <string_view>

#include "voicechan/redis_log.hpp"

namespace voicechan::redis {

/// A line for an operator, if there is anybody to tell.
inline void tell_log(const RedisLog& log, RedisLogLevel level, const std::string& line) {
  if (log) log(level, line);
}

/// The same of a server: its problem, or, if that is empty, that all is well in the words of
/// `well`.
inline void tell_state(const RedisLog& log, const std::string& server, const std::string& problem,
                       std::string_view well) {
  if (problem.empty()) {
    tell_log(log, RedisLogLevel::info, (server + ": ").append(well));
  } else {
    tell_log(log, RedisLogLevel::warning, server + ": " + problem);
  }
}

}  // namespace voicechan::redis
