#include "redis/redis_url.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "temp_folder.hpp"

namespace voicechan::redis {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

RedisUrl parsed(std::string_view text) {
  const auto url = parse_redis_url(text);
  if (const auto* problem = std::get_if<std::string>(&url)) {
    ADD_FAILURE() << text << ": " << *problem;
    return {};
  }
  return std::get<RedisUrl>(url);
}

std::string problem_of(std::string_view text) {
  const auto url = parse_redis_url(text);
  const auto* problem = std::get_if<std::string>(&url);
  return problem != nullptr ? *problem : "";
}

TEST(RedisUrlTest, HostAlone) {
  const auto url = parsed("redis://bus1.example");
  EXPECT_FALSE(url.is_tls);
  EXPECT_EQ(url.host, "bus1.example");
  EXPECT_EQ(url.port, 6379);
  EXPECT_EQ(url.database, 0);
  EXPECT_EQ(url.user + url.password, "");
}

TEST(RedisUrlTest, EveryPart) {
  const auto url = parsed("rediss://us%3Aer:p%40ss:word@[2001:db8::1]:7000/3?ca=/etc/my%20ca.pem");
  EXPECT_TRUE(url.is_tls);
  EXPECT_EQ(url.user, "us:er");
  EXPECT_EQ(url.password, "p@ss:word");
  EXPECT_EQ(url.host, "2001:db8::1");
  EXPECT_EQ(url.port, 7000);
  EXPECT_EQ(url.database, 3);
  EXPECT_EQ(url.ca_file, "/etc/my ca.pem");
}

TEST(RedisUrlTest, PasswordOfTheDefaultUser) {
  const auto url = parsed("redis://:secret@127.0.0.1:6380/");
  EXPECT_EQ(url.user, "");
  EXPECT_EQ(url.password, "secret");
  EXPECT_EQ(url.host, "127.0.0.1");
}

TEST(RedisUrlTest, PasswordMayHoldSlashesAndAtSigns) {
  const auto url = parsed("redis://me:a/b@c@host");
  EXPECT_EQ(url.password, "a/b@c");
  EXPECT_EQ(url.host, "host");
}

TEST(RedisUrlTest, DisplayHasNeitherUserNorPassword) {
  EXPECT_EQ(parsed("rediss://me:secret@[::1]:7/2").display(), "rediss://[::1]:7/2");
  EXPECT_EQ(parsed("redis://:secret@h").display(), "redis://h:6379");
}

TEST(RedisUrlTest, WhatIsWrongIsSaid) {
  EXPECT_THAT(problem_of("http://x"), HasSubstr("redis://"));
  EXPECT_THAT(problem_of(""), HasSubstr("redis://"));
  EXPECT_THAT(problem_of("redis://"), HasSubstr("no host"));
  EXPECT_THAT(problem_of("redis://:7"), HasSubstr("no host"));
  EXPECT_THAT(problem_of("redis://a b"), HasSubstr("space"));
  EXPECT_THAT(problem_of(std::string_view("redis://a\0b", 11)), HasSubstr("control"));
  EXPECT_THAT(problem_of("redis://a:0"), HasSubstr("port"));
  EXPECT_THAT(problem_of("redis://a:"), HasSubstr("port"));
  EXPECT_THAT(problem_of("redis://a:65536"), HasSubstr("port"));
  EXPECT_THAT(problem_of("redis://::1"), HasSubstr("IPv6"));
  EXPECT_THAT(problem_of("redis://[::1"), HasSubstr("closed"));
  EXPECT_THAT(problem_of("redis://[::1]7"), HasSubstr("after ']'"));
  EXPECT_THAT(problem_of("redis://[name]"), HasSubstr("IPv6 address"));
  EXPECT_THAT(problem_of("redis://a/b"), HasSubstr("database"));
  EXPECT_THAT(problem_of("redis://a/-1"), HasSubstr("database"));
  EXPECT_THAT(problem_of("redis://a/99999999999"), HasSubstr("database"));
  EXPECT_THAT(problem_of("redis://h\xC3\xB6st"), HasSubstr("character"));
  EXPECT_THAT(problem_of("redis://a?db=1"), HasSubstr("password-file"));
  EXPECT_THAT(problem_of("redis://a?ca=x"), HasSubstr("rediss"));
  EXPECT_THAT(problem_of("rediss://a?ca="), HasSubstr("no name"));
  EXPECT_THAT(problem_of("rediss://a?ca=%zz"), HasSubstr("hex"));
  EXPECT_THAT(problem_of("redis://:a@b?password-file=c"), HasSubstr("password-file"));
}

TEST(RedisUrlTest, ProblemsDoNotRepeatThePassword) {
  for (const char* text : {"http://u:secret@h", "redis://secret@h", "redis://u:secret%@h",
                           "redis://u:secret@h:port", "redis://u:secret@", "redis://u:secret"}) {
    EXPECT_NE(problem_of(text), "") << text;
    EXPECT_THAT(problem_of(text), Not(HasSubstr("secret"))) << text;
  }
}

TEST(RedisPasswordFileTest, FirstLineIsThePassword) {
  const TempFolder folder;
  const auto path = folder.file("password");
  std::ofstream(path) << "s3cret\nmore\n";
  auto url = parsed("redis://app:@host?password-file=" + path);
  EXPECT_EQ(load_password(url), "");
  EXPECT_EQ(url.user, "app");
  EXPECT_EQ(url.password, "s3cret");
}

TEST(RedisPasswordFileTest, UnusableFilesAreNamed) {
  const TempFolder folder;
  const auto path = folder.file("password");
  auto url = parsed("redis://host?password-file=" + path);
  std::ofstream(path) << "\n";
  EXPECT_THAT(load_password(url), HasSubstr(path + ": its first line is empty"));
  std::ofstream(path) << std::string(5000, 'x');
  EXPECT_THAT(load_password(url), HasSubstr("too long"));
  url.password_file = path + ".none";
  EXPECT_THAT(load_password(url), HasSubstr("No such file"));
  url.password_file = "/";
  EXPECT_THAT(load_password(url), HasSubstr("directory"));
}

}  // namespace
}  // namespace voicechan::redis
