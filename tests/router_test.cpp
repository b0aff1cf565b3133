#include "router.hpp"

#include <gtest/gtest.h>

#include <ostream>

namespace voicechan::server {

// Found by argument-dependent lookup: readable failures.
static void PrintTo(RouteError error, std::ostream* out) {
  *out << (error == RouteError::malformed ? "malformed" : "not_found");
}

namespace {

std::optional<Route> find_route(std::string_view target) {
  auto found = route(target);
  if (auto* there = std::get_if<Route>(&found)) return std::move(*there);
  return std::nullopt;
}

std::optional<RouteError> refusal(std::string_view target) {
  const auto found = route(target);
  if (const auto* error = std::get_if<RouteError>(&found)) return *error;
  return std::nullopt;
}

std::optional<Endpoint> endpoint_of(std::string_view target) {
  const auto found = find_route(target);
  if (!found) return std::nullopt;
  return found->endpoint;
}

std::int64_t channel_of(std::string_view target) {
  const auto found = find_route(target);
  return found && found->endpoint == Endpoint::channel ? found->channel.value : 0;
}

std::string room_of(std::string_view target) {
  const auto found = find_route(target);
  return found && found->room ? found->room->str() : "(no room)";
}

TEST(RouterTest, FindsEveryEndpoint) {
  EXPECT_EQ(endpoint_of("/api/voice_channels/voice_channels/"), Endpoint::channels);
  EXPECT_EQ(endpoint_of("/api/voice_channels/voice_channels/5/"), Endpoint::channel);
  EXPECT_EQ(endpoint_of("/api/voice_channels/voice_channels/5/members/"),
            Endpoint::channel_members);
  EXPECT_EQ(find_route("/api/voice_channels/voice_channels/5/members")->channel.value, 5);
  EXPECT_EQ(refusal("/api/voice_channels/voice_channels/x/members/"), RouteError::not_found);
  EXPECT_EQ(refusal("/api/voice_channels/voice_channels/5/members/1/"), RouteError::not_found);
  EXPECT_EQ(endpoint_of("/api/voice_channels/invite/"), Endpoint::invite);
  EXPECT_EQ(endpoint_of("/api/voice_channels/ice_servers/"), Endpoint::ice_servers);
  EXPECT_EQ(endpoint_of("/api/voice_channels/signaling/team/trace/"), Endpoint::trace);
  EXPECT_EQ(endpoint_of("/ws/voice/general/"), Endpoint::voice_socket);
  EXPECT_EQ(endpoint_of("/ws/signaling/"), Endpoint::signaling_socket);
  EXPECT_EQ(endpoint_of("/ws/notifications/"), Endpoint::notifications_socket);
  EXPECT_EQ(endpoint_of("/livez"), Endpoint::livez);
  EXPECT_EQ(endpoint_of("/readyz"), Endpoint::readyz);
  EXPECT_EQ(endpoint_of("/api/schema/"), Endpoint::schema);
  EXPECT_EQ(endpoint_of("/api/schema/websockets/"), Endpoint::websocket_schema);
}

TEST(RouterTest, TrailingSlashMakesNoDifference) {
  EXPECT_EQ(endpoint_of("/api/voice_channels/voice_channels"), Endpoint::channels);
  EXPECT_EQ(channel_of("/api/voice_channels/voice_channels/5"), 5);
  EXPECT_EQ(endpoint_of("/api/voice_channels/invite"), Endpoint::invite);
  EXPECT_EQ(endpoint_of("/api/voice_channels/ice_servers"), Endpoint::ice_servers);
  EXPECT_EQ(room_of("/api/voice_channels/signaling/team/trace"), "team");
  EXPECT_EQ(room_of("/ws/voice/general"), "general");
  EXPECT_EQ(endpoint_of("/ws/signaling"), Endpoint::signaling_socket);
  EXPECT_EQ(endpoint_of("/ws/notifications?a=b"), Endpoint::notifications_socket);
  EXPECT_EQ(endpoint_of("/api/schema"), Endpoint::schema);
  EXPECT_EQ(endpoint_of("/api/schema/websockets"), Endpoint::websocket_schema);
}

TEST(RouterTest, UnknownPathIsNotFound) {
  for (const char* target : {"/",
                             "/api",
                             "/api/",
                             "/api/voice_channels",
                             "/api/voice_channels/other/",
                             "/ws",
                             "/ws/",
                             "/ws/voice",
                             "/ws/voice/",
                             "/ws/other/",
                             "/ws/signaling/more/",
                             "/ws/notifications/1",
                             "/ws/voice/a/b/",
                             "/api/voice_channels/invite/1",
                             "/api/voice_channels/ice_servers/1/",
                             "/api/voice_channels/signaling/",
                             "/api/voice_channels/signaling/a/",
                             "/api/voice_channels/signaling/a/b/trace/",
                             "/api/voice_channels/signaling//trace/",
                             "/api/voice_channels/signaling/a%00/trace/",
                             "/api/voice_channels/signaling/a/trace/1/",
                             "/voice_channels/",
                             "/api/schema/other/",
                             "/api/schema/websockets/1/",
                             "/api/voice_channels/voice_channels/1/2/",
                             "/api/voice_channels/voice_channels/x/"}) {
    EXPECT_EQ(refusal(target), RouteError::not_found) << target;
  }
}

TEST(RouterTest, PathsAreCaseSensitive) {
  EXPECT_EQ(refusal("/WS/signaling/"), RouteError::not_found);
  EXPECT_EQ(refusal("/API/voice_channels/invite/"), RouteError::not_found);
}

TEST(RouterTest, EmptySegmentIsNotFound) {
  for (const char* target :
       {"//", "//ws/signaling/", "/ws//signaling/", "/ws/signaling//", "/ws/voice//",
        "/ws/voice//general/", "/api/voice_channels/voice_channels//5/",
        "/api/voice_channels/voice_channels//"}) {
    EXPECT_EQ(refusal(target), RouteError::not_found) << target;
  }
}

TEST(RouterTest, DotSegmentsAreLiteral) {
  EXPECT_EQ(room_of("/ws/voice/../"), "..");
  EXPECT_EQ(room_of("/ws/voice/."), ".");
  EXPECT_EQ(room_of("/ws/voice/%2e%2E/"), "..");
  EXPECT_EQ(refusal("/ws/voice/../signaling/"), RouteError::not_found);
  EXPECT_EQ(refusal("/ws/./signaling/"), RouteError::not_found);
}

TEST(RouterTest, NotAPathIsMalformed) {
  for (const char* target : {"", "*", "ws/signaling/", "?token=x", "http://host/ws/signaling/"}) {
    EXPECT_EQ(refusal(target), RouteError::malformed) << target;
  }
}

TEST(RouterTest, ChannelIdReachesTheLargestInteger) {
  EXPECT_EQ(channel_of("/api/voice_channels/voice_channels/1/"), 1);
  EXPECT_EQ(channel_of("/api/voice_channels/voice_channels/9223372036854775807/"),
            9223372036854775807);
}

TEST(RouterTest, ChannelIdOutOfRangeIsNotFound) {
  for (const char* id : {"0", "9223372036854775808", "18446744073709551617",
                         "100000000000000000000000000000000000001"}) {
    const std::string target = std::string("/api/voice_channels/voice_channels/") + id + "/";
    EXPECT_EQ(refusal(target), RouteError::not_found) << target;
  }
}

TEST(RouterTest, ChannelIdIsDecimalDigitsWithoutSignOrLeadingZero) {
  for (const char* id : {"+1", "-1", "01", "007", "1.0", "1e3", "0x1", "1a", "%201", "1%20", "1%00",
                         "%D9%A1", "%2B1"}) {
    const std::string target = std::string("/api/voice_channels/voice_channels/") + id + "/";
    EXPECT_EQ(refusal(target), RouteError::not_found) << target;
  }
}

TEST(RouterTest, SegmentsArePercentDecoded) {
  EXPECT_EQ(endpoint_of("/ws/%73ignaling/"), Endpoint::signaling_socket);
  EXPECT_EQ(channel_of("/api/voice%5fchannels/voice%5Fchannels/%31%32/"), 12);
}

TEST(RouterTest, RoomNameIsAnyUtf8Text) {
  EXPECT_EQ(room_of("/ws/voice/team.42-a/"), "team.42-a");
  EXPECT_EQ(room_of("/ws/voice/%D0%97%D0%B0%D0%BB%20%E2%84%961/"), "Зал №1");
  EXPECT_EQ(room_of("/ws/voice/a?b=c"), "a");
  EXPECT_EQ(room_of("/ws/voice/a%3Fb%23c%26/"), "a?b#c&");
}

TEST(RouterTest, RoomNameIsDecodedOnce) { EXPECT_EQ(room_of("/ws/voice/%2541/"), "%41"); }

TEST(RouterTest, PlusInAPathIsAPlus) { EXPECT_EQ(room_of("/ws/voice/a+b/"), "a+b"); }

TEST(RouterTest, IllFormedRoomNameIsNotFound) {
  for (const char* name : {"a%2Fb", "%2f", "%00", "a%0Ab", "%7F", "%FF", "%C3", "%ED%A0%80"}) {
    const std::string target = std::string("/ws/voice/") + name + "/";
    EXPECT_EQ(refusal(target), RouteError::not_found) << target;
  }
}

TEST(RouterTest, RoomNameHasAtMost200Bytes) {
  EXPECT_EQ(room_of("/ws/voice/" + std::string(200, 'a')), std::string(200, 'a'));
  EXPECT_EQ(refusal("/ws/voice/" + std::string(201, 'a')), RouteError::not_found);
}

TEST(RouterTest, BadEscapeIsMalformed) {
  for (const char* target :
       {"/ws/voice/%/", "/ws/voice/%4/", "/ws/voice/%4", "/ws/voice/%zz/", "/ws/voice/%4g/",
        "/ws/voice/%%41/", "/%", "/ws/signaling/?a=%", "/ws/signaling/?%zz=a"}) {
    EXPECT_EQ(refusal(target), RouteError::malformed) << target;
  }
}

TEST(RouterTest, QueryIsDecodedAndKeptInOrder) {
  const auto found = find_route("/ws/signaling/?token=a%26b+c&x&%D1%8F==1&&token=last&=e");
  ASSERT_TRUE(found);
  const std::vector<std::pair<std::string, std::string>> expected = {
      {"token", "a&b c"}, {"x", ""}, {"я", "=1"}, {"token", "last"}, {"", "e"}};
  EXPECT_EQ(found->query, expected);
}

TEST(RouterTest, LastValueOfAParameterCounts) {
  const auto found = find_route("/ws/signaling/?token=first&token=last&empty=");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->parameter("token"), "last");
  EXPECT_EQ(found->parameter("empty"), "");
  EXPECT_EQ(found->parameter("Token"), std::nullopt);
}

TEST(RouterTest, QueryMayBeEmptyAndHoldSlashesAndQuestionMarks) {
  EXPECT_EQ(endpoint_of("/ws/signaling?"), Endpoint::signaling_socket);
  const auto found = find_route("/ws/signaling/?next=/a/?b");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->parameter("next"), "/a/?b");
}

TEST(RouterTest, PercentDecodeKeepsOtherBytes) {
  EXPECT_EQ(percent_decode("a+b/\xff"), "a+b/\xff");
  EXPECT_EQ(percent_decode("%00%7e%fF"), std::string("\0~\xff", 3));
  EXPECT_EQ(percent_decode(""), "");
}

TEST(RouterTest, PercentDecodeRefusesBadEscapes) {
  for (const char* text : {"%", "%1", "a%", "%g0", "%0g", "%-1", "% 1", "%%30"}) {
    EXPECT_EQ(percent_decode(text), std::nullopt) << text;
  }
}

TEST(RouterTest, OnlyTheSocketPathsAreWebSockets) {
  EXPECT_FALSE(is_websocket(Endpoint::channels));
  EXPECT_FALSE(is_websocket(Endpoint::channel));
  EXPECT_FALSE(is_websocket(Endpoint::invite));
  EXPECT_FALSE(is_websocket(Endpoint::ice_servers));
  EXPECT_FALSE(is_websocket(Endpoint::trace));
  EXPECT_FALSE(is_websocket(Endpoint::websocket_schema));
  EXPECT_TRUE(is_websocket(Endpoint::voice_socket));
  EXPECT_TRUE(is_websocket(Endpoint::signaling_socket));
  EXPECT_TRUE(is_websocket(Endpoint::notifications_socket));
}

TEST(RouterTest, AllowedMethodsAreThoseOfTheContract) {
  EXPECT_EQ(allowed_methods(Endpoint::channels), "GET, HEAD, OPTIONS, POST");
  EXPECT_EQ(allowed_methods(Endpoint::channel), "GET, HEAD, OPTIONS");
  EXPECT_EQ(allowed_methods(Endpoint::channel_members), "GET, HEAD, OPTIONS");
  EXPECT_EQ(allowed_methods(Endpoint::invite), "OPTIONS, POST");
  EXPECT_EQ(allowed_methods(Endpoint::ice_servers), "GET, HEAD, OPTIONS");
  EXPECT_EQ(allowed_methods(Endpoint::trace), "GET, HEAD, OPTIONS");
  EXPECT_EQ(allowed_methods(Endpoint::voice_socket), "GET, HEAD, OPTIONS");
  EXPECT_EQ(allowed_methods(Endpoint::schema), "GET, HEAD, OPTIONS");
  EXPECT_EQ(allowed_methods(Endpoint::websocket_schema), "GET, HEAD, OPTIONS");
}

TEST(RouterTest, MethodIsAllowedOnlyWhenListedAsAWhole) {
  for (const char* method : {"GET", "HEAD", "OPTIONS", "POST"}) {
    EXPECT_TRUE(is_allowed(Endpoint::channels, method)) << method;
  }
  for (const char* method : {"", "get", "PUT", "DELETE", "POS", " POST", "GET, HEAD", "OPTION"}) {
    EXPECT_FALSE(is_allowed(Endpoint::channels, method)) << method;
  }
  EXPECT_FALSE(is_allowed(Endpoint::invite, "GET"));
  EXPECT_FALSE(is_allowed(Endpoint::channel, "POST"));
}

}  // namespace
}  // namespace voicechan::server
