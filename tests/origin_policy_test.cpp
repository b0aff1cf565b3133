#include "origin_policy.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace voicechan::server {
namespace {

using ::testing::Contains;
using ::testing::Key;
using ::testing::Not;
using ::testing::Pair;

HttpRequest request(std::string origin, std::string host = "voice.example") {
  HttpRequest made;
  made.method = "GET";
  made.fields = {{"host", std::move(host)}, {"origin", std::move(origin)}};
  return made;
}

bool allows(const HttpRequest& asked, std::vector<std::string> allowed = {},
            bool allow_loopback = false) {
  return OriginPolicy({std::move(allowed), allow_loopback}).allows(asked);
}

TEST(ParseOriginTest, BringsAnOriginToOneForm) {
  EXPECT_EQ(parse_origin("https://app.example"), "https://app.example");
  EXPECT_EQ(parse_origin("HTTPS://App.Example:443"), "https://app.example");
  EXPECT_EQ(parse_origin("http://localhost:3000"), "http://localhost:3000");
  EXPECT_EQ(parse_origin("http://[::1]:80"), "http://[::1]");
  EXPECT_EQ(parse_origin("capacitor://localhost"), "capacitor://localhost");
}

TEST(ParseOriginTest, RefusesWhatIsNone) {
  for (const char* text : {"",
                           "null",
                           "*",
                           "app.example",
                           "://app.example",
                           "https://",
                           "https:app.example",
                           "https://app.example/",
                           "https://app.example/path",
                           "https://user@app.example",
                           "https://app.example:",
                           "https://app.example:x",
                           "https://app.example:123456",
                           "https://app.example\r\nX: y",
                           "https://app .example",
                           "https://a,https://b",
                           "https://[::1",
                           "https://[]",
                           "https://[zz]",
                           "java\tscript://x"}) {
    EXPECT_FALSE(parse_origin(text)) << text;
  }
}

TEST(OriginPolicyTest, LetsARequestWithoutAnOriginPass) {
  HttpRequest plain;
  plain.fields = {{"host", "voice.example"}};
  EXPECT_TRUE(allows(plain));
}

TEST(OriginPolicyTest, LetsPagesOfItsOwnHostPass) {
  EXPECT_TRUE(allows(request("https://voice.example")));
  EXPECT_TRUE(allows(request("http://voice.example")));
  EXPECT_TRUE(allows(request("http://Voice.Example:8000", "voice.example:8000")));
  EXPECT_TRUE(allows(request("https://voice.example", "voice.example:443")));
  EXPECT_TRUE(allows(request("http://[::1]:8000", "[::1]:8000")));
}

TEST(OriginPolicyTest, RefusesPagesOfOtherHostsAndPorts) {
  EXPECT_FALSE(allows(request("https://evil.example")));
  EXPECT_FALSE(allows(request("https://voice.example.evil.example")));
  EXPECT_FALSE(allows(request("https://evilvoice.example")));
  EXPECT_FALSE(allows(request("http://voice.example:3000")));
  EXPECT_FALSE(allows(request("http://voice.example:8000", "voice.example")));
  EXPECT_FALSE(allows(request("http://localhost:8000", "127.0.0.1:8000")));
}

TEST(OriginPolicyTest, RefusesOriginsThatAreNone) {
  for (const char* origin : {"", "null", "voice.example", "https://voice.example/x"}) {
    EXPECT_FALSE(allows(request(origin))) << origin;
  }
  EXPECT_FALSE(allows(request("https://", "")));
  HttpRequest twice = request("https://voice.example");
  twice.fields.emplace_back("origin", "https://voice.example");
  EXPECT_FALSE(allows(twice));
}

TEST(OriginPolicyTest, LetsListedOriginsPass) {
  const std::vector<std::string> list = {"https://app.example", "http://localhost:3000"};
  EXPECT_TRUE(allows(request("https://app.example"), list));
  EXPECT_TRUE(allows(request("https://APP.example:443"), list));
  EXPECT_TRUE(allows(request("http://localhost:3000"), list));
  EXPECT_FALSE(allows(request("http://app.example"), list));
  EXPECT_FALSE(allows(request("http://localhost:3001"), list));
}

TEST(OriginPolicyTest, AStarLetsAllPass) {
  EXPECT_TRUE(allows(request("https://any.example"), {"*"}));
  EXPECT_TRUE(allows(request("null"), {"*"}));
  EXPECT_FALSE(allows(request("not an origin"), {"*"}));
}

TEST(OriginPolicyTest, LoopbackIsThisMachineOnAnyPort) {
  for (const char* origin : {"http://localhost:3000", "https://localhost", "http://127.0.0.1:5173",
                             "http://[::1]:1", "http://app.localhost:3000"}) {
    EXPECT_TRUE(allows(request(origin), {}, true)) << origin;
    EXPECT_FALSE(allows(request(origin))) << origin;
  }
  for (const char* origin : {"http://localhost.evil.example", "http://evillocalhost",
                             "http://127.0.0.1.evil.example", "http://.localhost"}) {
    EXPECT_FALSE(allows(request(origin), {}, true)) << origin;
  }
}

TEST(OriginPolicyTest, NamesTheOriginThatIsAllowedAsItCame) {
  const OriginPolicy policy({{"https://app.example"}, false});
  EXPECT_EQ(policy.find_allowed_origin(request("https://App.example")), "https://App.example");
  EXPECT_FALSE(policy.find_allowed_origin(request("https://evil.example")));
  HttpRequest plain;
  EXPECT_FALSE(policy.find_allowed_origin(plain));
}

TEST(CorsTest, AResponseNamesTheOriginAndAPreflightTheMethodsToo) {
  HttpResponse response;
  response.fields = {{"Allow", "GET, POST"}};
  HttpResponse preflight = response;
  add_cors_fields(response, "https://app.example", false);
  add_cors_fields(preflight, "https://app.example", true);
  for (const HttpResponse& each : {response, preflight}) {
    EXPECT_THAT(each.fields, Contains(Pair("Access-Control-Allow-Origin", "https://app.example")));
  }
  EXPECT_THAT(response.fields, Not(Contains(Key("Access-Control-Allow-Methods"))));
  EXPECT_THAT(preflight.fields, Contains(Pair("Access-Control-Allow-Methods", "GET, POST")));
}

}  // namespace
}  // namespace voicechan::server
