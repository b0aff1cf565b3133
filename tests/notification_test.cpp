#include "notification.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "voicechan/directory.hpp"

namespace voicechan {
namespace {

Invitation invitation() {
  return {InvitationId{11},
          ChannelId{22},
          UserId{33},
          UserId{44},
          InvitationStatus::pending,
          WallTime(std::chrono::seconds(1795341600))};
}

TEST(NotificationTest, InvitationHasTheMembersOfTheContractInOrder) {
  EXPECT_EQ(make_invitation_notification(invitation(), "Team", "alice").bytes(),
            R"({"type":"invitation","id":11,"voice_channel":22,"voice_channel_name":"Team",)"
            R"("addressee":33,"inviter":44,"inviter_username":"alice","status":"pending",)"
            R"("created_at":"2026-11-22T10:00:00.000000Z"})");
}

TEST(NotificationTest, InvitationIsAControlText) {
  const Frame frame = make_invitation_notification(invitation(), "Team", "alice");
  EXPECT_EQ(frame.kind(), FrameKind::text);
  EXPECT_EQ(frame.frame_class(), FrameClass::control);
}

TEST(NotificationTest, NamesThatNeedEscapesArriveUntouched) {
  const std::string channel = "\"q\" \\ \u2028 \xF0\x9F\x8E\x99 </script>";
  const std::string inviter = "о'лена\"";
  const Frame frame = make_invitation_notification(invitation(), channel, inviter);
  const auto object = boost::json::parse(frame.bytes());
  EXPECT_EQ(object.at("voice_channel_name").as_string(), channel.c_str());
  EXPECT_EQ(object.at("inviter_username").as_string(), inviter.c_str());
}

TEST(NotificationTest, TheInvitationOfANoticeIsFound) {
  EXPECT_EQ(find_invitation(make_invitation_notification(invitation(), "Team", "alice")),
            InvitationId{11});
  for (const char* other :
       {"", "{}", R"({"type":"invitation","id":11)", R"({"type":"invitation","id":"11","x":1})",
        R"({"type":"invitation","id":99999999999999999999,"x":1})",
        R"({"type":"invitation","id":1.5,"x":1})", R"({"type":"reminder","id":11,"x":1})"}) {
    EXPECT_EQ(find_invitation(Frame::control_text(other)), std::nullopt) << other;
  }
  EXPECT_EQ(find_invitation(Frame::media(R"({"type":"invitation","id":11,"x":1})")), std::nullopt);
}

TEST(NotificationTest, GreatestIdsArriveAsIntegers) {
  Invitation greatest = invitation();
  greatest.id.value = INT64_MAX;
  const Frame frame = make_invitation_notification(greatest, "a", "b");
  EXPECT_EQ(boost::json::parse(frame.bytes()).at("id").as_int64(), INT64_MAX);
}

}  // namespace
}  // namespace voicechan
