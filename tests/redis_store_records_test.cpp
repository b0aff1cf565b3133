#include "redis/redis_store_records.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <limits>
#include <string>
#include <vector>

namespace voicechan::redis {
namespace {

WallTime at(std::int64_t microseconds) { return WallTime(std::chrono::microseconds(microseconds)); }

TEST(RedisStoreRecordsTest, SortableTimesSortAsTheTimesDo) {
  using Limits = std::numeric_limits<std::int64_t>;
  std::string last;
  for (const std::int64_t count :
       {Limits::min(), std::int64_t{-10}, std::int64_t{-9}, std::int64_t{0}, std::int64_t{9},
        std::int64_t{10}, (std::int64_t{1} << 53) + 1, Limits::max()}) {
    const std::string text = to_sortable(at(count));
    EXPECT_EQ(text.size(), 20u);
    EXPECT_LT(last, text);
    EXPECT_EQ(parse_sortable(text), at(count));
    last = text;
  }
}

TEST(RedisStoreRecordsTest, ANameKeepsEveryByteAndSpace) {
  for (const std::string& name : {std::string("  a  b "), std::string("x\0y\r\n", 5),
                                  std::string("1 2 3"), std::string("Ґанок")}) {
    const Channel channel{ChannelId{7}, name, UserId{-1}, at(-5)};
    const auto parsed = parse_channel(to_record(channel));
    ASSERT_TRUE(parsed) << name;
    EXPECT_EQ(parsed->id, channel.id);
    EXPECT_EQ(parsed->name, name);
    EXPECT_EQ(parsed->creator, channel.creator);
    EXPECT_EQ(parsed->created_at, channel.created_at);
  }
}

TEST(RedisStoreRecordsTest, WhatIsNotOfTheFormGivesNothing) {
  const std::string digest(64, 'a');
  const std::vector<std::string> users = {"",
                                          "1",
                                          "1 " + digest,
                                          "1 " + digest + " ",
                                          "x " + digest + " name",
                                          "1 " + digest.substr(1) + " name",
                                          "1 " + digest.substr(1) + "A name",
                                          "99999999999999999999 " + digest + " name"};
  EXPECT_TRUE(parse_user("1 " + digest + " name"));
  for (const auto& user : users) EXPECT_FALSE(parse_user(user)) << user;
  EXPECT_TRUE(parse_channel("1 2 3 x"));
  for (const char* channel :
       {"", "1", "1 2", "1 2 3", "1 2 3 ", "1 x 3 y", " 1 2 3 x", "1 2 3x y"}) {
    EXPECT_FALSE(parse_channel(channel)) << channel;
  }
  EXPECT_TRUE(parse_invitation("1 2 3 4 5 pending"));
  for (const char* invitation : {"1 2 3 4 5 else", "1 2 3 4 5", "1 2 3 4 pending", ""}) {
    EXPECT_FALSE(parse_invitation(invitation)) << invitation;
  }
  const std::string time = to_sortable(at(1));
  EXPECT_TRUE(parse_revocation("x", time + ' ' + time));
  for (const std::string& record : {time, time + time, time + " 1", std::string()}) {
    EXPECT_FALSE(parse_revocation("x", record)) << record;
  }
}

}  // namespace
}  // namespace voicechan::redis
