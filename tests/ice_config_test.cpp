#include "ice_config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace voicechan::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr const char* kTurn = R"("urls":["turn:a"])";

IceConfig parsed(std::string_view text) {
  auto config = parse_ice_config(text);
  if (const auto* mistake = std::get_if<std::string>(&config)) {
    ADD_FAILURE() << *mistake << ": " << text;
    return {};
  }
  return std::get<IceConfig>(std::move(config));
}

std::string mistake_in(std::string_view text) {
  const auto config = parse_ice_config(text);
  const auto* mistake = std::get_if<std::string>(&config);
  return mistake == nullptr ? "none" : *mistake;
}

/// A file with one server of these members.
std::string file_with(const std::string& members) {
  return R"({"ice_servers":[{)" + members + "}]}";
}
std::string turn_with(const std::string& members) { return file_with(kTurn + ("," + members)); }

TEST(IceConfigTest, TakesEveryKindOfServer) {
  const IceConfig config = parsed(R"({"ttl":600,"ice_servers":[
      {"urls":["stun:a:1","stuns:b"]},
      {"urls":["turn:c?transport=udp","turns:d"],"secret":"s"},
      {"urls":["turn:e"],"username":"u","credential":"c"}]})");
  EXPECT_EQ(config.ttl, std::chrono::seconds(600));
  ASSERT_EQ(config.servers.size(), 3u);
  EXPECT_THAT(config.servers[0].urls, ElementsAre("stun:a:1", "stuns:b"));
  EXPECT_EQ(config.servers[0].secret, "");
  EXPECT_THAT(config.servers[1].urls, ElementsAre("turn:c?transport=udp", "turns:d"));
  EXPECT_EQ(config.servers[1].secret, "s");
  EXPECT_EQ(config.servers[2].username, "u");
  EXPECT_EQ(config.servers[2].credential, "c");
}

TEST(IceConfigTest, CredentialsLastAnHourUnlessItSaysHowLong) {
  EXPECT_EQ(parsed(R"({"ice_servers":[]})").ttl, std::chrono::hours(1));
  EXPECT_EQ(parsed(R"({"ttl":60,"ice_servers":[]})").ttl, std::chrono::minutes(1));
  EXPECT_EQ(parsed(R"({"ttl":86400,"ice_servers":[]})").ttl, std::chrono::hours(24));
}

TEST(IceConfigTest, AnotherTtlIsRefused) {
  for (const char* ttl : {"59", "86401", "0", "-60", "3600.0", "3600.5", "\"3600\"", "null", "[60]",
                          "18446744073709551615"}) {
    EXPECT_THAT(mistake_in(std::string(R"({"ttl":)") + ttl + R"(,"ice_servers":[]})"),
                HasSubstr("\"ttl\""))
        << ttl;
  }
}

TEST(IceConfigTest, WhatIsNoSuchObjectIsRefused) {
  for (const char* text : {"", "nonsense", "[]", "null", "{\"ice_servers\":[]} x", "{", "{\"ttl\":",
                           R"({"ice_servers":[],"ice_servers":[]})", "{\"ice_servers\":[],}"}) {
    EXPECT_THAT(mistake_in(text), HasSubstr("JSON object")) << text;
  }
  EXPECT_THAT(mistake_in(file_with(R"("urls":["turn:a"],"secret":"s","secret":"t")")),
              HasSubstr("twice"));
  for (const char* text : {"{}", R"({"ice_servers":{}})", R"({"ice_servers":null})"}) {
    EXPECT_THAT(mistake_in(text), HasSubstr("\"ice_servers\"")) << text;
  }
}

TEST(IceConfigTest, UnknownMembersAreRefused) {
  EXPECT_THAT(mistake_in(R"({"ice_servers":[],"TTL":60})"), HasSubstr("other members"));
  EXPECT_THAT(mistake_in(turn_with(R"("secret":"s","credentialType":"password")")),
              HasSubstr("other members"));
}

TEST(IceConfigTest, UrlsAreAnArrayOfUrls) {
  for (const char* urls : {R"("stun:a")", "[]", "null", "{}"}) {
    EXPECT_THAT(mistake_in(file_with(std::string(R"("urls":)") + urls)), HasSubstr("\"urls\""));
  }
  EXPECT_THAT(mistake_in(R"({"ice_servers":[{}]})"), HasSubstr("\"urls\""));
  EXPECT_THAT(mistake_in(file_with(R"("urls":["stun:a",1])")), StartsWith("server 1: URL 2: "));
  EXPECT_THAT(mistake_in(file_with(R"("urls":["stun:a","stun:b:0"])")),
              StartsWith("server 1: URL 2: its port"));
  EXPECT_THAT(mistake_in(R"({"ice_servers":[{"urls":["stun:a"]},7]})"), StartsWith("server 2: "));
}

TEST(IceConfigTest, StunHasNoCredentials) {
  for (const char* members : {R"("secret":"s")", R"("username":"u","credential":"c")"}) {
    EXPECT_THAT(mistake_in(file_with(std::string(R"("urls":["stun:a"],)") + members)),
                HasSubstr("STUN has no"));
  }
  EXPECT_THAT(mistake_in(file_with(R"("urls":["turn:a","stun:a"],"secret":"s")")),
              HasSubstr("two servers"));
}

TEST(IceConfigTest, TurnHasOneKindOfCredentials) {
  EXPECT_THAT(mistake_in(file_with(kTurn)), HasSubstr("TURN needs"));
  EXPECT_THAT(mistake_in(turn_with(R"("secret":"s","username":"u","credential":"c")")),
              HasSubstr("TURN needs"));
  EXPECT_THAT(mistake_in(turn_with(R"("username":"u")")), HasSubstr("go together"));
  EXPECT_THAT(mistake_in(turn_with(R"("secret":"s","credential":"c")")), HasSubstr("go together"));
}

TEST(IceConfigTest, SecretsAndNamesAreTexts) {
  for (const std::string& value :
       {std::string("\"\""), std::string("7"), std::string("null"), std::string("[\"s\"]"),
        std::string(R"("s\n")"), std::string(R"("\u0000")"), std::string("\"\x7f\""),
        '"' + std::string(509, 's') + '"'}) {
    EXPECT_THAT(mistake_in(turn_with(R"("secret":)" + value)), HasSubstr("\"secret\"")) << value;
    EXPECT_THAT(mistake_in(turn_with(R"("credential":"c","username":)" + value)),
                HasSubstr("\"username\""))
        << value;
    EXPECT_THAT(mistake_in(turn_with(R"("username":"u","credential":)" + value)),
                HasSubstr("\"credential\""))
        << value;
  }
  parsed(turn_with(R"("secret":")" + std::string(508, 's') + '"'));
}

TEST(IceConfigTest, ThereAre32ServersWith32UrlsAtMost) {
  const auto list = [](int count, const std::string& element) {
    std::string text = element;
    for (int i = 1; i < count; ++i) text += "," + element;
    return text;
  };
  const auto file = [&](int servers, int urls) {
    const std::string server = R"({"urls":[)" + list(urls, "\"stun:a\"") + "]}";
    return R"({"ice_servers":[)" + list(servers, server) + "]}";
  };
  EXPECT_EQ(parsed(file(32, 32)).servers.size(), 32u);
  EXPECT_THAT(mistake_in(file(33, 1)), HasSubstr("\"ice_servers\""));
  EXPECT_THAT(mistake_in(file(1, 33)), HasSubstr("\"urls\""));
}

TEST(IceConfigTest, AMistakeIsToldWithoutAWordOfTheFile) {
  for (const std::string& text :
       {std::string("hush"), std::string(R"({"hush":1,"ice_servers":[]})"),
        turn_with(R"("secret":"hush\n")"), turn_with(R"("hush":"hush")"),
        file_with(R"("urls":["turn:user:hush@a"],"secret":"s")"),
        file_with(R"("urls":["stun:a"],"secret":"hush")")}) {
    EXPECT_THAT(mistake_in(text), Not(HasSubstr("none"))) << text;
    EXPECT_THAT(mistake_in(text), Not(HasSubstr("hush"))) << text;
  }
}

}  // namespace
}  // namespace voicechan::server
