#pragma once

#include <string>
#include <string_view>
#include <variant>

#include "redis/channel_event.hpp"
#include "redis/redis_url.hpp"

namespace voicechan::redis {

/// Where a Django channel layer is, and how it is spoken to.
struct ChannelLayerLocation {
  RedisUrl url;
  std::string prefix = "asgi";
  ChannelEventFormat format;
};

/// Reads `URL[,prefix=TEXT][,type=NAME][,field=NAME]`. Otherwise a sentence that says what is wrong
/// and repeats nothing of the URL. Pure.
std::variant<ChannelLayerLocation, std::string> parse_channel_layer(std::string_view text);

}  // namespace voicechan::redis
