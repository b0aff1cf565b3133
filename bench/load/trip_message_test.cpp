#include "trip_message.hpp"

#include <gtest/gtest.h>

namespace voicechan::load {
namespace {

using Type = TripMessage::Type;

TEST(TripMessageTest, WhatIsWrittenIsRead) {
  TripWriter writer("ping", "peer \"2\"", 300);
  std::string text(writer.write(42, 1'234'567'890'123));
  EXPECT_NEAR(static_cast<double>(text.size()), 300, 40);
  text.insert(1, "\"from\":\"peer 1\",");
  const auto message = read_trip_message(text);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->type, Type::ping);
  EXPECT_EQ(message->from, "peer 1");
  EXPECT_EQ(message->number, 42u);
  EXPECT_EQ(message->sent_ns, 1'234'567'890'123);
  EXPECT_EQ(message->pad_bytes, writer.pad_bytes());
}

TEST(TripMessageTest, ServerRepliesAreRead) {
  const auto joined = read_trip_message(R"({"type":"joined","id":"abc"})");
  ASSERT_TRUE(joined);
  EXPECT_EQ(joined->type, Type::joined);
  EXPECT_EQ(joined->id, "abc");
  const auto error = read_trip_message(R"({"type":"error","code":"peer_busy","detail":"…"})");
  ASSERT_TRUE(error);
  EXPECT_EQ(error->type, Type::error);
  EXPECT_EQ(error->code, "peer_busy");
}

TEST(TripMessageTest, AnythingElseIsNothing) {
  for (const char* text :
       {"", "hello", "[]", "{}", R"({"type":"offer"})", R"({"type":"joined"})",
        R"({"type":"ping","from":"a","n":1})", R"({"type":"ping","from":"a","n":-1,"t":1})",
        R"({"type":"ping","from":"a","n":1,"t":1,"pad":"ppqpp"})"}) {
    EXPECT_FALSE(read_trip_message(text)) << text;
  }
}

}  // namespace
}  // namespace voicechan::load
