#include <gtest/gtest.h>

#include <cstdint>
#include <string_view>

#include "redis/channel_event.hpp"
#include "unicode.hpp"

// The input is what somebody published to a group of a channel layer. A frame that comes of it is
// one of the WebSocket, and comes through as an event of ours.

namespace voicechan::redis {
namespace {

void check(std::string_view received, const ChannelEventFormat& format) {
  const auto event = decode_channel_event(received, format);
  if (!event.frame) return;
  EXPECT_EQ(event.problem, nullptr);
  std::string_view text = event.frame->bytes();
  if (event.frame->kind() == FrameKind::text) {
    while (!text.empty()) ASSERT_TRUE(unicode::take_character(text));
  }
  const auto again = decode_channel_event(encode_channel_event(*event.frame, format, "me"), {});
  ASSERT_TRUE(again.frame);
  EXPECT_EQ(again.frame->kind(), event.frame->kind());
  EXPECT_EQ(again.frame->bytes(), event.frame->bytes());
  const auto own = encode_channel_event(*event.frame, format, "voicechan.0");
  EXPECT_FALSE(decode_channel_event(own, format).frame);
}

}  // namespace
}  // namespace voicechan::redis

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view received(reinterpret_cast<const char*>(data), size);
  voicechan::redis::check(received, {});
  voicechan::redis::check(received, {"relay", "message"});
  return 0;
}
