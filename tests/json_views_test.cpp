#include "json_views.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

namespace voicechan::server {
namespace {

using namespace std::chrono_literals;

Channel channel(std::int64_t id, std::string name) {
  return {ChannelId{id}, std::move(name), UserId{7}, WallTime(1'795'341'600s + 42us)};
}

TEST(JsonViewsTest, AChannelHasTheMembersOfTheContract) {
  EXPECT_EQ(to_json(channel(1, "General")),
            R"({"id":1,"name":"General","creator":7,"created_at":"2026-11-22T10:00:00.000042Z"})");
}

TEST(JsonViewsTest, NamesAreEscapedAndStayUnicode) {
  EXPECT_THAT(to_json(channel(1, "a\"b\\c Загальна 🎧")),
              ::testing::HasSubstr(R"("name":"a\"b\\c Загальна 🎧")"));
}

TEST(JsonViewsTest, IdsOf64BitsAreWrittenInFull) {
  EXPECT_THAT(to_json(channel(9223372036854775807, "x")),
              ::testing::StartsWith(R"({"id":9223372036854775807,)"));
}

TEST(JsonViewsTest, NoChannelsAreAnEmptyArray) { EXPECT_EQ(to_json(std::vector<Channel>{}), "[]"); }

TEST(JsonViewsTest, ChannelsAreAnArrayInOrder) {
  const std::vector<Channel> channels = {channel(1, "a"), channel(2, "b")};
  EXPECT_EQ(to_json(channels), "[" + to_json(channels[0]) + "," + to_json(channels[1]) + "]");
}

TEST(JsonViewsTest, AnInvitationHasTheMembersOfTheContract) {
  Invitation invitation;
  invitation.id = InvitationId{5};
  invitation.channel = ChannelId{1};
  invitation.addressee = UserId{2};
  invitation.inviter = UserId{7};
  invitation.created_at = WallTime(1'795'341'600s);
  EXPECT_EQ(to_json(invitation),
            R"({"id":5,"voice_channel":1,"addressee":2,"inviter":7,"status":"pending",)"
            R"("created_at":"2026-11-22T10:00:00.000000Z"})");
}

TEST(JsonViewsTest, FieldErrorsAreListsByField) {
  const HttpResponse response = make_field_errors_response(
      {{"voice_channel", "one"}, {"addressee", "two"}, {"voice_channel", "three"}});
  EXPECT_EQ(response.status, 400u);
  EXPECT_EQ(response.body, R"({"voice_channel":["one","three"],"addressee":["two"]})");
}

TEST(JsonViewsTest, ADetailIsOneSentence) {
  const HttpResponse response = make_detail_response(404, "Not \"found\".");
  EXPECT_EQ(response.status, 404u);
  EXPECT_EQ(response.body, R"({"detail":"Not \"found\"."})");
}

}  // namespace
}  // namespace voicechan::server
