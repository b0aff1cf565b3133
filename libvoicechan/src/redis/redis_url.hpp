#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

namespace voicechan::redis {

/// Where a Redis server is and who we are to it.
struct RedisUrl {
  bool is_tls = false;
  std::string user;  ///< empty: the user "default"
  std::string password;
  std::string password_file;  ///< `load_password` reads it
  std::string host;           ///< a name, or an address without brackets
  std::uint16_t port = 6379;
  int database = 0;
  std::string
      ca_file;  ///< PEM, with TLS: who may have signed the server's certificate; empty: system

  /// For logs and messages: neither user nor password.
  std::string display() const;
};

/// Reads `redis://[[user]:password@]host[:port][/database][?name=value[&…]]`, or the same with
/// `rediss` for TLS. User, password and values may hold %xx. Names: `password-file`, and with TLS
/// `ca`. Otherwise a sentence that says what is wrong; it repeats nothing of the URL. Pure.
std::variant<RedisUrl, std::string> parse_redis_url(std::string_view text);

/// Takes the password from `password_file`, if there is one: its first line. Otherwise a sentence
/// that names the file and says why it cannot be read; empty: all is well. Blocks.
std::string load_password(RedisUrl& url);

}  // namespace voicechan::redis
