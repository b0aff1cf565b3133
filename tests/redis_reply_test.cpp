#include "redis/redis_reply.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace voicechan::redis {
namespace {

using Type = RedisReply::Type;
using ::testing::HasSubstr;
using namespace std::string_view_literals;

std::vector<RedisReply> replies_of(RedisReplyReader& reader, std::string_view bytes) {
  reader.feed(bytes);
  std::vector<RedisReply> replies;
  while (auto reply = reader.next()) replies.push_back(std::move(*reply));
  return replies;
}

TEST(RedisReplyTest, EveryType) {
  RedisReplyReader reader;
  const auto all =
      replies_of(reader, "+OK\r\n-ERR no\r\n:-7\r\n$3\r\na\0b\r\n$-1\r\n*-1\r\n*0\r\n$0\r\n\r\n"sv);
  ASSERT_EQ(all.size(), 8u);
  EXPECT_EQ(all[0].type, Type::status);
  EXPECT_EQ(all[0].text, "OK");
  EXPECT_TRUE(all[1].is_error());
  EXPECT_EQ(all[1].text, "ERR no");
  EXPECT_EQ(all[2].integer, -7);
  EXPECT_EQ(all[3].type, Type::string);
  EXPECT_EQ(all[3].text, std::string("a\0b", 3));
  EXPECT_EQ(all[4].type, Type::nil);
  EXPECT_EQ(all[5].type, Type::nil);
  EXPECT_EQ(all[6].type, Type::array);
  EXPECT_EQ(all[7].type, Type::string);
}

TEST(RedisReplyTest, PiecesMakeTheSameReply) {
  RedisReplyReader reader;
  const std::string_view bytes = "*3\r\n$7\r\nmessage\r\n*2\r\n:1\r\n+x\r\n$2\r\nhi\r\n";
  for (std::size_t i = 0; i + 1 < bytes.size(); ++i) {
    EXPECT_TRUE(replies_of(reader, bytes.substr(i, 1)).empty());
  }
  const auto replies = replies_of(reader, bytes.substr(bytes.size() - 1));
  ASSERT_EQ(replies.size(), 1u);
  ASSERT_EQ(replies[0].elements.size(), 3u);
  EXPECT_EQ(replies[0].elements[0].text, "message");
  EXPECT_EQ(replies[0].elements[1].elements[1].text, "x");
  EXPECT_EQ(replies[0].elements[2].text, "hi");
}

TEST(RedisReplyTest, NonsenseIsAnErrorThatStays) {
  RedisReplyReader reader;
  EXPECT_TRUE(replies_of(reader, "HTTP/1.1 400\r\n").empty());
  EXPECT_THAT(reader.error(), HasSubstr("Protocol error"));
  EXPECT_TRUE(replies_of(reader, "+OK\r\n").empty());
}

TEST(RedisReplyTest, SizesAreBounded) {
  const RedisReplyLimits limits{100, 5};
  for (const std::string& bytes :
       {std::string("*6\r\n"), std::string("*2147483647\r\n"),
        std::string("*2\r\n*3\r\n:1\r\n:2\r\n:3\r\n*1\r\n"),
        "$101\r\n" + std::string(101, 'x') + "\r\n",
        "*2\r\n$60\r\n" + std::string(60, 'x') + "\r\n$60\r\n" + std::string(60, 'x') + "\r\n"}) {
    RedisReplyReader reader(limits);
    EXPECT_TRUE(replies_of(reader, bytes).empty());
    EXPECT_EQ(reader.error(), "a reply is too large") << bytes;
  }
  RedisReplyReader reader(limits);
  EXPECT_EQ(replies_of(reader, "*5\r\n:1\r\n:2\r\n:3\r\n:4\r\n:5\r\n").size(), 1u);
  EXPECT_EQ(replies_of(reader, "$100\r\n" + std::string(100, 'x') + "\r\n").size(), 1u);
}

TEST(RedisReplyTest, AStringThatNeverEndsIsNotKept) {
  RedisReplyReader reader({1000, 5});
  reader.feed("$9000000000000000000\r\n");
  const std::string piece(16 << 10, 'x');
  int pieces = 0;
  while (reader.error().empty() && pieces < 100) {
    reader.feed(piece);
    EXPECT_FALSE(reader.next());
    ++pieces;
  }
  EXPECT_LT(pieces, 30);
}

TEST(RedisReplyTest, DeepNestingIsAnError) {
  RedisReplyReader reader;
  std::string bytes;
  for (int i = 0; i < 20; ++i) bytes += "*1\r\n";
  EXPECT_TRUE(replies_of(reader, bytes).empty());
  EXPECT_NE(reader.error(), "");
}

TEST(RedisReplyTest, CommandsMayHoldAnyByte) {
  std::string out = "x";
  append_command(out, {"PUBLISH", std::string_view("\r\n\0", 3), ""});
  EXPECT_EQ(out, "x*3\r\n$7\r\nPUBLISH\r\n$3\r\n\r\n\0\r\n$0\r\n\r\n"sv);
}

}  // namespace
}  // namespace voicechan::redis
