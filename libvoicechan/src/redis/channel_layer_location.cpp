#include "redis/channel_layer_location.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace voicechan::redis {
namespace {

constexpr std::size_t kMaxNameBytes = 100;

bool is_name_character(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         std::string_view("_.-:/").find(c) != std::string_view::npos;
}

/// Empty: all is well.
std::string take_setting(std::string_view setting, ChannelLayerLocation& location) {
  const auto equals = setting.find('=');
  const std::string_view name = setting.substr(0, equals);
  std::string* const place = name == "prefix"  ? &location.prefix
                             : name == "type"  ? &location.format.type
                             : name == "field" ? &location.format.field
                                               : nullptr;
  if (place == nullptr || equals == std::string_view::npos) {
    return "behind the URL of a channel layer there may be prefix=, type= and field=";
  }
  const std::string_view value = setting.substr(equals + 1);
  const bool is_good = value.size() <= kMaxNameBytes &&
                       std::all_of(value.begin(), value.end(), is_name_character) &&
                       (!value.empty() || name == "prefix");
  if (!is_good) {
    return std::string(name) + " of a channel layer has up to 100 letters, digits and _ . - : /";
  }
  *place = value;
  return {};
}

}  // namespace

std::variant<ChannelLayerLocation, std::string> parse_channel_layer(std::string_view text) {
  auto comma = text.find(',');
  auto url = parse_redis_url(text.substr(0, comma));
  if (auto* problem = std::get_if<std::string>(&url)) return std::move(*problem);
  ChannelLayerLocation location;
  location.url = std::get<RedisUrl>(std::move(url));
  while (comma != std::string_view::npos) {
    text.remove_prefix(comma + 1);
    comma = text.find(',');
    std::string problem = take_setting(text.substr(0, comma), location);
    if (!problem.empty()) return problem;
  }
  return location;
}

}  // namespace voicechan::redis
