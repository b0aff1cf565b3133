#pragma once

#include <cstddef>
#include <string>

#include "redis/redis_reply.hpp"
#include "redis/redis_url.hpp"

namespace voicechan::redis {

/// Appends what is said first on each connection: who we are, and the database. How many replies
/// that has.
inline std::size_t append_introduction(std::string& out, const RedisUrl& url) {
  std::size_t replies = 0;
  if (!url.user.empty()) {
    append_command(out, {"AUTH", url.user, url.password});
    ++replies;
  } else if (!url.password.empty()) {
    append_command(out, {"AUTH", url.password});
    ++replies;
  }
  if (url.database != 0) {
    append_command(out, {"SELECT", std::to_string(url.database)});
    ++replies;
  }
  return replies;
}

/// Why it was refused, by an error. Of a command that it does not know Redis repeats the arguments:
/// they are left out, for one is a password.
inline std::string refusal_of(const RedisReply& error) {
  return error.text.substr(0, error.text.find(", with args"));
}

}  // namespace voicechan::redis
