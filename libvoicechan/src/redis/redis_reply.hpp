#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

struct redisReader;

namespace voicechan::redis {

/// What a Redis server answered, or told a subscriber (RESP2).
struct RedisReply {
  enum class Type { nil, integer, status, error, string, array };

  Type type = Type::nil;
  long long integer = 0;
  std::string text;  ///< of a status, an error, a string
  std::vector<RedisReply> elements;

  bool is_error() const noexcept { return type == Type::error; }
};

/// More than this of one reply is an error. hiredis' reader allows seven arrays within each other.
struct RedisReplyLimits {
  std::size_t max_bytes = std::size_t{64} << 20;  ///< of all texts of a reply together
  std::size_t max_elements = 1'000'000;           ///< in all arrays of a reply together
};

/// Makes replies from bytes as they come. One thread at a time.
class RedisReplyReader {
 public:
  explicit RedisReplyReader(const RedisReplyLimits& limits = {});
  ~RedisReplyReader();
  RedisReplyReader(const RedisReplyReader&) = delete;
  RedisReplyReader& operator=(const RedisReplyReader&) = delete;

  /// Best given in pieces of some 16 KiB.
  void feed(std::string_view bytes);

  /// The next whole reply; none: feed more, unless there is an error.
  std::optional<RedisReply> next();

  /// What is wrong with the bytes; empty: nothing. Nothing more comes after an error.
  const std::string& error() const noexcept { return error_; }

 private:
  struct Building;
  struct Functions;
  struct Free {
    void operator()(redisReader* reader) const;
  };

  std::unique_ptr<Building> building_;  // outlives the reader, which points to it
  std::unique_ptr<redisReader, Free> reader_;
  std::string error_;
};

/// Appends a command as a server reads it; arguments may hold any byte.
void append_command(std::string& out, const std::vector<std::string_view>& arguments);

}  // namespace voicechan::redis
