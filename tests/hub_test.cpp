#include "voicechan/hub.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fake_transport.hpp"

// Sessions as such, notifications, and hubs that come and go. Voice, signaling and re-entrancy have
// files of their own.

namespace voicechan {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(HubTest, GroupsAreNamedAsTheContractSays) {
  EXPECT_EQ(voice_group(room_name("general")), "voice_general");
  EXPECT_EQ(notification_group(UserId{7}), "notifications_7");
}

TEST(HubTest, EverySessionIsCounted) {
  HubSystem system;
  const auto voice = system.join_voice(0);
  const auto signaling = system.open_signaling(0);
  const auto notifications = system.open_notifications(0, 7);
  EXPECT_EQ(system.session_count(), 3u);
}

TEST(HubTest, DestroyedSessionsAreGone) {
  HubSystem system;
  auto voice = system.join_voice(0);
  auto signaling = system.join_signaling(0).first;
  auto notifications = system.open_notifications(0, 7);
  voice.reset();
  signaling.reset();
  notifications.reset();
  EXPECT_EQ(system.session_count(), 0u);
}

TEST(HubTest, LeavingTwiceIsLeavingOnce) {
  HubSystem system;
  const auto stays = system.join_voice(0);
  const auto leaves = system.join_voice(0);
  leaves->session.leave();
  leaves->session.leave();
  EXPECT_FALSE(leaves->session);
  EXPECT_EQ(system.session_count(), 1u);
}

TEST(HubTest, EmptySessionTakesEveryCall) {
  Session session;
  session.receive(FrameKind::text, "x");
  session.refuse(Errc::too_large);
  session.leave();
  EXPECT_FALSE(session);
}

TEST(HubTest, SessionThatHasLeftSendsNothing) {
  HubSystem system;
  const auto alice = system.join_voice(0);
  const auto bob = system.join_voice(0);
  alice->session.leave();
  alice->send("x");
  EXPECT_THAT(bob->texts(), IsEmpty());
}

TEST(HubTest, MovedSessionStaysInItsRoom) {
  HubSystem system;
  const auto alice = system.join_voice(0);
  const auto bob = system.join_voice(0);
  Session moved = std::move(bob->session);
  EXPECT_TRUE(moved);
  EXPECT_FALSE(bob->session);
  EXPECT_EQ(system.session_count(), 2u);
  alice->send("to bob");
  moved.receive(FrameKind::text, "to alice");
  EXPECT_THAT(bob->texts(), ElementsAre("to bob"));
  EXPECT_THAT(alice->texts(), ElementsAre("to alice"));
}

TEST(HubTest, AssignmentLeavesWhatTheTargetHeld) {
  HubSystem system;
  const auto alice = system.join_voice(0);
  const auto bob = system.join_voice(0);
  const auto carol = system.join_voice(0);
  bob->session = std::move(carol->session);
  EXPECT_EQ(system.session_count(), 2u);
  alice->send("x");
  EXPECT_THAT(bob->texts(), IsEmpty());  // carol's transport is the one that stays
  EXPECT_THAT(carol->texts(), ElementsAre("x"));
}

TEST(HubTest, AssignmentOfAnEmptySessionLeaves) {
  HubSystem system;
  const auto alice = system.join_voice(0);
  alice->session = Session();
  EXPECT_EQ(system.session_count(), 0u);
}

TEST(HubTest, AssignmentToItselfChangesNothing) {
  HubSystem system;
  const auto alice = system.join_voice(0);
  Session& same = alice->session;
  alice->session = std::move(same);
  EXPECT_TRUE(alice->session);
  EXPECT_EQ(system.session_count(), 1u);
}

TEST(HubTest, HubThatGoesFirstEmptiesItsSessions) {
  HubSystem system;
  const auto voice = system.join_voice(0);
  const auto signaling = system.join_signaling(0).first;
  const auto notifications = system.open_notifications(0, 7);
  system.owned_hub(0).reset();
  for (const auto* client : {&voice, &signaling, &notifications}) {
    EXPECT_FALSE((*client)->session);
    (*client)->send("x");  // nothing happens
  }
}

TEST(HubTest, HubThatGoesFirstEmptiesAMovedSession) {
  HubSystem system;
  const auto client = system.join_voice(0);
  std::vector<Session> sessions;
  sessions.push_back(std::move(client->session));
  sessions.reserve(100);
  system.owned_hub(0).reset();
  EXPECT_FALSE(sessions[0]);
}

TEST(HubTest, HubThatHasGoneLeavesTheOthersWorking) {
  HubSystem system(3);
  const auto lost = system.join_voice(0);
  const auto bob = system.join_voice(1);
  const auto carol = system.join_voice(2);
  system.owned_hub(0).reset();
  system.send(*bob, "x");
  EXPECT_THAT(carol->texts(), ElementsAre("x"));
  EXPECT_THAT(lost->texts(), IsEmpty());
}

TEST(HubTest, WhatWasSentBeforeAHubWentArrives) {
  HubSystem system(2);
  const auto alice = system.join_voice(0);
  const auto bob = system.join_voice(1);
  alice->send("last words");
  system.owned_hub(0).reset();
  system.settle();
  EXPECT_THAT(bob->texts(), ElementsAre("last words"));
}

TEST(HubTest, SixtyFifthHubIsRefused) {
  InProcessBackplane backplane(1);
  std::vector<std::unique_ptr<Hub>> hubs;
  for (int i = 0; i < 64; ++i) {
    auto hub = Hub::attach(backplane);
    ASSERT_TRUE(hub);
    hubs.push_back(*std::move(hub));
  }
  EXPECT_EQ(Hub::attach(backplane).error(), Errc::too_many_hubs);
  hubs.pop_back();
  EXPECT_TRUE(Hub::attach(backplane));
}

// A hub that was given an empty function counted as absent, and got nothing from the others.
TEST(HubTest, EmptyWakeIsAllowed) {
  InProcessBackplane backplane(1);
  const auto first = Hub::attach(backplane, {}, nullptr);
  const auto second = Hub::attach(backplane, {}, nullptr);
  ASSERT_TRUE(first && second);
  Client alice, bob;
  alice.session = (*first)->join_voice(user(1), room_name("a"), alice.transport).value();
  bob.session = (*second)->join_voice(user(2), room_name("a"), bob.transport).value();
  alice.send("x");
  (*first)->tick(MonotonicTime{});
  (*second)->tick(MonotonicTime{});
  EXPECT_THAT(bob.texts(), ElementsAre("x"));
}

TEST(HubTest, HubIsWokenWhenAnotherOneHasSomethingForIt) {
  InProcessBackplane backplane(1);
  int wakes = 0;
  const auto first = Hub::attach(backplane);
  const auto second = Hub::attach(backplane, {}, [&] { ++wakes; });
  ASSERT_TRUE(first && second);
  Client alice, bob;
  alice.session = (*first)->join_voice(user(1), room_name("a"), alice.transport).value();
  bob.session = (*second)->join_voice(user(2), room_name("a"), bob.transport).value();
  alice.send("1");
  alice.send("2");
  EXPECT_EQ(wakes, 0);
  (*first)->tick(MonotonicTime{});
  EXPECT_EQ(wakes, 1);
  (*second)->tick(MonotonicTime{});
  EXPECT_THAT(bob.texts(), ElementsAre("1", "2"));
}

class NotificationsTest : public HubSystemTest {
 protected:
  void publish(std::string_view group, std::string text) {
    system.backplane().publish(group, Frame::control_text(std::move(text)));
    system.settle();
  }
};

TEST_P(NotificationsTest, EveryDeviceOfTheUserGetsIt) {
  const auto phone = system.open_notifications(0, 7);
  const auto laptop = system.open_notifications(1, 7);
  const auto tablet = system.open_notifications(2, 7);
  publish("notifications_7", "x");
  for (const auto* device : {&phone, &laptop, &tablet}) {
    EXPECT_THAT((*device)->texts(), ElementsAre("x"));
  }
}

TEST_P(NotificationsTest, NobodyElseGetsIt) {
  const auto other = system.open_notifications(0, 77);
  const auto voice = system.join_voice(1, "7");
  const auto signaling = system.open_signaling(2);
  publish("notifications_7", "x");
  EXPECT_THAT(other->texts(), IsEmpty());
  EXPECT_THAT(voice->texts(), IsEmpty());
  EXPECT_THAT(signaling->texts(), IsEmpty());
}

TEST_P(NotificationsTest, TheyArriveInOrder) {
  const auto client = system.open_notifications(1, 7);
  for (const char* text : {"1", "2", "3"}) {
    system.backplane().publish("notifications_7", Frame::control_text(text));
  }
  system.settle();
  EXPECT_THAT(client->texts(), ElementsAre("1", "2", "3"));
}

TEST_P(NotificationsTest, ClientThatHasGoneGetsNothing) {
  const auto client = system.open_notifications(1, 7);
  client->session.leave();
  publish("notifications_7", "x");
  EXPECT_THAT(client->texts(), IsEmpty());
}

TEST_P(NotificationsTest, WhatTheClientSendsIsIgnored) {
  const auto phone = system.open_notifications(0, 7);
  const auto laptop = system.open_notifications(1, 7);
  phone->session.receive(FrameKind::binary, "y");
  system.send(*phone, R"({"type":"join"})");
  EXPECT_THAT(phone->texts(), IsEmpty());
  EXPECT_THAT(laptop->texts(), IsEmpty());
}

TEST_P(NotificationsTest, RoomOfSuchANameIsAnotherGroup) {
  const auto client = system.open_notifications(0, 7);
  const auto voice = system.join_voice(1, "notifications_7");
  const auto other = system.join_voice(2, "notifications_7");
  system.send(*voice, "x");
  EXPECT_THAT(client->texts(), IsEmpty());
  EXPECT_THAT(other->texts(), ElementsAre("x"));
}

INSTANTIATE_TEST_SUITE_P(Hubs, NotificationsTest, ::testing::Values(1, 2, 3), hub_count_name);

}  // namespace
}  // namespace voicechan
