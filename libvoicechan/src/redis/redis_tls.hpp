#pragma once

#include <asio/ssl/context.hpp>
#include <memory>
#include <string>
#include <variant>

#include "redis/redis_url.hpp"

namespace voicechan::redis {

/// What a connection to this server needs for TLS: null without TLS; or why it cannot be had. The
/// server's certificate is always verified, and its name with it.
std::variant<std::shared_ptr<asio::ssl::context>, std::string> make_tls_context(
    const RedisUrl& url);

}  // namespace voicechan::redis
