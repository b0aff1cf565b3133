#include "redis/channel_event.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "redis/channel_layer_location.hpp"

namespace voicechan::redis {
namespace {

using namespace std::string_literals;

std::string str(std::string_view text) {
  EXPECT_LT(text.size(), 32u);
  return static_cast<char>(0xA0 + text.size()) + std::string(text);
}
std::string bin(std::string_view bytes) {
  EXPECT_LT(bytes.size(), 256u);
  return "\xC4"s + static_cast<char>(bytes.size()) + std::string(bytes);
}
std::string map(int pairs, const std::string& content) {
  return static_cast<char>(0x80 + pairs) + content;
}
const std::string kNil = "\xC0";

/// An event of type "x" with these members.
std::string event(int pairs, const std::string& members) {
  return map(pairs + 1, str("type") + str("x") + members);
}

std::string text_of(const ChannelEvent& event) {
  EXPECT_TRUE(event.frame) << (event.problem != nullptr ? event.problem : "nothing");
  if (!event.frame) return {};
  EXPECT_EQ(event.frame->kind(), FrameKind::text);
  return event.frame->bytes();
}

std::string problem_of(const std::string& bytes, const ChannelEventFormat& format = {}) {
  const auto event = decode_channel_event(bytes, format);
  EXPECT_FALSE(event.frame);
  return event.problem != nullptr ? event.problem : "";
}

TEST(ChannelEventTest, TheRestOfAnEventIsJsonInItsOrder) {
  const std::string bytes =
      event(3, str("z") + "\x01" + str("a") + str("ж\"") + str("list") + "\x94" + kNil + "\xC3" +
                   "\xFF" + "\xCB\x3F\xE0\0\0\0\0\0\0"s);
  EXPECT_EQ(text_of(decode_channel_event(bytes, {})),
            R"({"z":1,"a":"ж\"","list":[null,true,-1,0.5]})");
  EXPECT_EQ(text_of(decode_channel_event(event(0, ""), {})), "{}");
}

TEST(ChannelEventTest, TextIsTheFrame) {
  for (const char* key : {"text", "text_data"}) {
    const auto bytes = event(2, str("bytes") + kNil + str(key) + str("привіт"));
    EXPECT_EQ(text_of(decode_channel_event(bytes, {})), "привіт");
  }
}

TEST(ChannelEventTest, BytesAreAFrameThatMayBeDropped) {
  for (const char* key : {"bytes", "bytes_data"}) {
    const auto event_of =
        decode_channel_event(event(2, str("text") + kNil + str(key) + bin("\0\xFF"s)), {});
    ASSERT_TRUE(event_of.frame);
    EXPECT_EQ(event_of.frame->frame_class(), FrameClass::media);
    EXPECT_EQ(event_of.frame->bytes(), "\0\xFF"s);
  }
}

TEST(ChannelEventTest, TheFieldOfTheFormatGoesFirst) {
  const ChannelEventFormat format{"relay", "message"};
  const auto bytes = event(2, str("text") + str("no") + str("message") + map(1, str("a") + "\x02"));
  EXPECT_EQ(text_of(decode_channel_event(bytes, format)), R"({"a":2})");
  EXPECT_EQ(text_of(decode_channel_event(event(1, str("text") + str("t")), format)), "t");
}

TEST(ChannelEventTest, WhatAServerOfOursSaidIsNotPassedOn) {
  const auto bytes = encode_channel_event(Frame::control_text("x"), {}, "voicechan.0");
  const auto read = decode_channel_event(bytes, {});
  EXPECT_FALSE(read.frame);
  EXPECT_EQ(read.problem, nullptr);
  EXPECT_TRUE(decode_channel_event(
                  event(2, str("sender") + str("specific.a!b") + str("text") + str("x")), {})
                  .frame);
}

TEST(ChannelEventTest, AnEventHasTypeSenderTextAndBytes) {
  const ChannelEventFormat format{"say", ""};
  EXPECT_EQ(encode_channel_event(Frame::control_text("hi"), format, "me"),
            map(4, str("type") + str("say") + str("sender") + str("me") + str("text") + str("hi") +
                       str("bytes") + kNil));
  EXPECT_EQ(encode_channel_event(Frame::media("\0\1"s), format, "me"),
            map(4, str("type") + str("say") + str("sender") + str("me") + str("text") + kNil +
                       str("bytes") + bin("\0\1"s)));
}

TEST(ChannelEventTest, WhatIsNoEventIsRefused) {
  EXPECT_NE(problem_of(""), "");
  EXPECT_NE(problem_of("\xC1"), "");
  EXPECT_NE(problem_of(event(0, "") + "\x01"), "");
  EXPECT_NE(problem_of("\x91\x01"), "");
  EXPECT_NE(problem_of(map(1, str("text") + str("x"))), "");
  EXPECT_NE(problem_of(map(2, str("type") + "\x01" + str("text") + str("x"))), "");
  EXPECT_NE(problem_of(event(1, std::string("\x01\x02"))), "");
  EXPECT_NE(problem_of(event(2, str("text") + kNil + str("bytes") + kNil)), "");
}

TEST(ChannelEventTest, WhatJsonCannotHoldIsRefused) {
  EXPECT_NE(problem_of(event(1, str("a") + bin("x"))), "");
  EXPECT_NE(problem_of(event(1, str("a") + "\x91" + bin("x"))), "");
  EXPECT_NE(problem_of(event(1, str("a") + str("\xFF"))), "");
  EXPECT_NE(problem_of(event(1, str("text") + str("\xFF"))), "");
  EXPECT_NE(problem_of(event(1, str("m") + bin("x")), {"relay", "m"}), "");
}

TEST(ChannelEventTest, DepthMembersAndSizeAreBounded) {
  const auto nested = [](std::size_t depth) {
    return event(1, str("a") + std::string(depth, '\x91') + "\x01");
  };
  EXPECT_TRUE(decode_channel_event(nested(kMaxChannelEventDepth - 1), {}).frame);
  EXPECT_NE(problem_of(nested(kMaxChannelEventDepth)), "");
  EXPECT_NE(problem_of(nested(1'000'000)), "");

  std::string members;
  for (int i = 0; i < 5000; ++i) members += str(std::to_string(i)) + "\x01";
  EXPECT_NE(problem_of(event(1, str("a") + "\xDE\x13\x88" + members)), "");

  const auto sized = [](std::size_t size) {
    const char length[] = {'\xC6', 0, static_cast<char>(size >> 16), static_cast<char>(size >> 8),
                           static_cast<char>(size)};
    return event(1, str("bytes") + std::string(length, sizeof length) + std::string(size, 'x'));
  };
  EXPECT_TRUE(decode_channel_event(sized(std::size_t{1} << 20), {}).frame);
  EXPECT_NE(problem_of(sized(kMaxChannelEventBytes)), "");
}

TEST(ChannelEventTest, APieceOfAnEventIsNone) {
  const auto whole = encode_channel_event(Frame::media(std::string(300, 'x')), {}, "me");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_NE(problem_of(whole.substr(0, size)), "") << size;
  }
}

TEST(ChannelLayerLocationTest, SettingsFollowTheUrl) {
  const auto parsed =
      parse_channel_layer("redis://:a%2Cb@host:1/2,prefix=,type=chat.message,field=m");
  const auto* const location = std::get_if<ChannelLayerLocation>(&parsed);
  ASSERT_NE(location, nullptr);
  EXPECT_EQ(location->url.password, "a,b");
  EXPECT_EQ(location->url.database, 2);
  EXPECT_EQ(location->prefix, "");
  EXPECT_EQ(location->format.type, "chat.message");
  EXPECT_EQ(location->format.field, "m");
  const auto plain = parse_channel_layer("redis://host");
  ASSERT_NE(std::get_if<ChannelLayerLocation>(&plain), nullptr);
  EXPECT_EQ(std::get<ChannelLayerLocation>(plain).prefix, "asgi");
}

TEST(ChannelLayerLocationTest, OtherSettingsAreRefused) {
  for (const char* text : {"redis://host,", "redis://host,prefix", "redis://host,type=",
                           "redis://host,x=1", "redis://host,type=a b", "host,prefix=asgi"}) {
    const auto parsed = parse_channel_layer(text);
    EXPECT_TRUE(std::holds_alternative<std::string>(parsed)) << text;
  }
}

}  // namespace
}  // namespace voicechan::redis
