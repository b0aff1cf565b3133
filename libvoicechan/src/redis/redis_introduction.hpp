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

/// What kind of server it is that answers.
struct RedisNature {
  bool is_replica = false;
  bool is_cluster = false;  ///< a node of a Redis Cluster
  bool is_sentinel = false;
};

/// Appends the question for that. It has one reply, and everybody has the right to ask it.
inline void append_nature_question(std::string& out) { append_command(out, {"HELLO", "2"}); }

/// By the reply. Servers before Redis 6, and what stands before some, do not know the question:
/// then they are none of these.
inline RedisNature nature_of(const RedisReply& reply) {
  RedisNature nature;
  for (std::size_t i = 0; i + 1 < reply.elements.size(); i += 2) {
    const std::string& name = reply.elements[i].text;
    const std::string& value = reply.elements[i + 1].text;
    if (name == "role") nature.is_replica = value == "replica" || value == "slave";
    if (name != "mode") continue;
    nature.is_cluster = value == "cluster";
    nature.is_sentinel = value == "sentinel";
  }
  return nature;
}

inline constexpr const char* kIsReplica =
    "it is a replica, which takes no writes: name its master, or promote it";
inline constexpr const char* kIsSentinel = "it is a Sentinel: name a Redis server itself";

/// Why what is written there would not be kept; empty: it would.
inline std::string objection_to_store(const RedisNature& nature) {
  if (nature.is_sentinel) return kIsSentinel;
  if (nature.is_cluster) {
    return "it is a node of a Redis Cluster, which keeps parts only: name a server of its own";
  }
  return nature.is_replica ? kIsReplica : "";
}

/// That a command would have written where nothing can be written: on a replica, as a master
/// becomes one when another one is promoted. Of a script it was the error before Redis 7.
inline bool is_from_replica(const RedisReply& reply) {
  return reply.is_error() && reply.text.find("READONLY ") != std::string::npos;
}

/// Why it was refused, by an error. Of a command that it does not know Redis repeats the arguments:
/// they are left out, for one is a password.
inline std::string refusal_of(const RedisReply& error) {
  return error.text.substr(0, error.text.find(", with args"));
}

}  // namespace voicechan::redis
