#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "websocket_codec.hpp"

namespace voicechan::server {

/// "text:…", "binary:…", "ping:…", "pong:…", "close:<code>:…", "too_large", "failed:<code>".
inline std::string describe(const WebSocketCodec::Event& event) {
  using Type = WebSocketCodec::Event::Type;
  switch (event.type) {
    case Type::need_more:
      return "need_more";
    case Type::message:
      return (event.kind == FrameKind::text ? "text:" : "binary:") + event.payload;
    case Type::ping:
      return "ping:" + event.payload;
    case Type::pong:
      return "pong:" + event.payload;
    case Type::close:
      return "close:" + std::to_string(event.code) + ":" + event.payload;
    case Type::too_large:
      return "too_large";
    case Type::failed:
      return "failed:" + std::to_string(event.code);
  }
  return "?";
}

using WebSocketEvents = std::vector<std::string>;

/// Feeds a copy of `bytes` and appends what comes out.
inline void feed_into(WebSocketCodec& codec, std::string bytes, WebSocketEvents& events) {
  auto* data = reinterpret_cast<std::uint8_t*>(bytes.data());
  std::size_t size = bytes.size();
  while (true) {
    const auto event = codec.next(data, size);
    if (event.type == WebSocketCodec::Event::Type::need_more) break;
    events.push_back(describe(event));
  }
  EXPECT_EQ(size, 0u);
}

}  // namespace voicechan::server
