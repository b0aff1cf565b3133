#include "group.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "fake_transport.hpp"

namespace voicechan {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// Keeps what is published to the other hubs.
class FakeSubscription final : public Subscription {
 public:
  explicit FakeSubscription(std::vector<std::string>& published) : published_(published) {}
  void publish(const Frame& frame) override { published_.push_back(frame.bytes()); }
  bool try_add_member(std::size_t max) override {
    if (members_ >= max) return false;
    ++members_;
    return true;
  }
  void remove_member() noexcept override { --members_; }

 private:
  std::vector<std::string>& published_;
  std::size_t members_ = 0;
};

struct Member : Group::Membership {
  FakeTransport transport;
};

class GroupTest : public ::testing::Test {
 protected:
  void add(Member& member) { EXPECT_TRUE(group.add(member, member.transport)); }
  void send(const char* text, const Member* except = nullptr) {
    group.fan_out(Frame::control_text(text), except, MonotonicTime{});
  }

  std::vector<std::string> published;
  Group group{std::make_unique<FakeSubscription>(published)};
  Member a, b, c, d;
};

TEST_F(GroupTest, FrameReachesAllMembersButTheExcepted) {
  for (Member* each : {&a, &b, &c}) add(*each);
  send("x", &b);
  EXPECT_THAT(a.transport.texts(), ElementsAre("x"));
  EXPECT_THAT(b.transport.texts(), IsEmpty());
  EXPECT_THAT(c.transport.texts(), ElementsAre("x"));
}

TEST_F(GroupTest, TakesNoMoreMembersThanItMayHave) {
  EXPECT_TRUE(group.add(a, a.transport, 1));
  EXPECT_FALSE(group.add(b, b.transport, 1));
  send("x");
  EXPECT_THAT(a.transport.texts(), ElementsAre("x"));
  EXPECT_THAT(b.transport.texts(), IsEmpty());
}

TEST_F(GroupTest, FrameWithoutExceptionReachesAll) {
  for (Member* each : {&a, &b}) add(*each);
  send("x");
  EXPECT_THAT(a.transport.texts(), ElementsAre("x"));
  EXPECT_THAT(b.transport.texts(), ElementsAre("x"));
}

TEST_F(GroupTest, FanOutDoesNotPublish) {
  add(a);
  send("x");
  EXPECT_THAT(published, IsEmpty());
}

TEST_F(GroupTest, PublishGoesToTheOtherHubsOnly) {
  add(a);
  group.publish(Frame::control_text("x"));
  EXPECT_THAT(published, ElementsAre("x"));
  EXPECT_THAT(a.transport.texts(), IsEmpty());
}

TEST_F(GroupTest, RemovedMemberGetsNothing) {
  for (Member* each : {&a, &b, &c}) add(*each);
  group.remove(a);
  send("x", &b);
  EXPECT_THAT(a.transport.texts(), IsEmpty());
  EXPECT_THAT(b.transport.texts(), IsEmpty());
  EXPECT_THAT(c.transport.texts(), ElementsAre("x"));
}

TEST_F(GroupTest, MembersCanBeRemovedInAnyOrder) {
  for (Member* each : {&a, &b, &c, &d}) add(*each);
  for (Member* each : {&b, &d, &a, &c}) {
    EXPECT_FALSE(group.is_disposable());
    group.remove(*each);
  }
  EXPECT_TRUE(group.is_disposable());
}

TEST_F(GroupTest, GroupIsNotDisposableWhileItSends) {
  add(a);
  bool was_disposable = true;
  a.transport.on_send = [&](const Frame&) {
    group.remove(a);
    was_disposable = group.is_disposable();
  };
  send("x");
  EXPECT_FALSE(was_disposable);
  EXPECT_TRUE(group.is_disposable());
}

TEST_F(GroupTest, MemberRemovedBeforeItsTurnGetsNothing) {
  for (Member* each : {&a, &b, &c}) add(*each);
  a.transport.on_send = [&](const Frame&) { group.remove(b); };
  send("x");
  EXPECT_THAT(b.transport.texts(), IsEmpty());
  EXPECT_THAT(c.transport.texts(), ElementsAre("x"));
}

TEST_F(GroupTest, MemberAddedDuringAFanOutGetsTheNextFrame) {
  for (Member* each : {&a, &b}) add(*each);
  a.transport.on_send = [&](const Frame&) {
    a.transport.on_send = nullptr;
    add(c);
  };
  send("1");
  send("2");
  EXPECT_THAT(c.transport.texts(), ElementsAre("2"));
}

TEST_F(GroupTest, MembershipsStayRightWhenHolesAreClosed) {
  for (Member* each : {&a, &b, &c, &d}) add(*each);
  a.transport.on_send = [&](const Frame&) {
    group.remove(a);
    group.remove(c);
  };
  send("1");
  send("2", &d);
  EXPECT_THAT(b.transport.texts(), ElementsAre("1", "2"));
  EXPECT_THAT(d.transport.texts(), ElementsAre("1"));
  group.remove(b);
  group.remove(d);
  EXPECT_TRUE(group.is_disposable());
}

TEST_F(GroupTest, MemberMayLeaveAndComeBackWhileItIsSentTo) {
  for (Member* each : {&a, &b}) add(*each);
  a.transport.on_send = [&](const Frame&) {
    a.transport.on_send = nullptr;
    group.remove(a);
    add(a);
  };
  send("1");
  send("2");
  EXPECT_THAT(a.transport.texts(), ElementsAre("1", "2"));
  EXPECT_THAT(b.transport.texts(), ElementsAre("1", "2"));
}

// A frame sent out of a fan-out overtook the one under way at the members behind the sender.
TEST_F(GroupTest, FrameSentDuringAFanOutComesSecondForAll) {
  for (Member* each : {&a, &b, &c}) add(*each);
  b.transport.on_send = [&](const Frame&) {
    b.transport.on_send = nullptr;
    send("2", &b);
  };
  send("1");
  EXPECT_THAT(a.transport.texts(), ElementsAre("1", "2"));
  EXPECT_THAT(b.transport.texts(), ElementsAre("1"));
  EXPECT_THAT(c.transport.texts(), ElementsAre("1", "2"));
}

TEST_F(GroupTest, FrameThatWaitsReachesThoseWhoWereMembersWhenItWasSent) {
  for (Member* each : {&a, &b}) add(*each);
  a.transport.on_send = [&](const Frame&) {
    a.transport.on_send = nullptr;
    send("2");
    add(c);
    group.remove(b);
  };
  send("1");
  EXPECT_THAT(a.transport.texts(), ElementsAre("1", "2"));
  EXPECT_THAT(b.transport.texts(), IsEmpty());
  EXPECT_THAT(c.transport.texts(), IsEmpty());
  send("3");
  EXPECT_THAT(c.transport.texts(), ElementsAre("3"));
}

TEST_F(GroupTest, ManyRepliesToRepliesDoNotDeepenTheStack) {
  for (Member* each : {&a, &b}) add(*each);
  int left = 100'000;
  const auto reply = [&](const Frame&) {
    if (--left > 0) send("x");
  };
  a.transport.on_send = reply;
  send("x");
  EXPECT_EQ(a.transport.frames.size(), 100'000u);
  EXPECT_EQ(b.transport.frames.size(), 100'000u);
}

/// A paced group at a time that the test sets.
class PacedGroupTest : public GroupTest {
 protected:
  static constexpr std::chrono::milliseconds kWindow{5};

  void say(const char* text, Member& speaker) {
    const auto source = reinterpret_cast<std::uintptr_t>(&speaker);
    paced.fan_out(Frame::media(text, source), &speaker, now);
  }
  /// As a hub's tick does.
  void tick() {
    if (paced.is_held() && paced.next_release() <= now) paced.release(now);
  }
  void pass(std::chrono::milliseconds time) {
    now += time;
    tick();
  }
  /// From here on several speak, and nothing waits.
  void join_and_talk() {
    for (Member* each : {&a, &b, &c}) EXPECT_TRUE(paced.add(*each, each->transport));
    say("hello", a);
    say("hello", b);
    tick();
    for (Member* each : {&a, &b, &c}) each->transport.frames.clear();
  }

  MonotonicTime now{std::chrono::hours(1)};
  Group paced{std::make_unique<FakeSubscription>(published), kWindow};
};

TEST_F(PacedGroupTest, ALoneSpeakersFramesAreNeverHeld) {
  for (Member* each : {&a, &b}) EXPECT_TRUE(paced.add(*each, each->transport));
  for (const char* text : {"1", "2", "3"}) {
    say(text, a);
    EXPECT_EQ(b.transport.texts().back(), text);
  }
  EXPECT_FALSE(paced.is_held());
}

TEST_F(PacedGroupTest, FramesOfSeveralWaitForTheWindowsEnd) {
  join_and_talk();
  say("1", a);
  say("2", b);
  pass(std::chrono::milliseconds(4));
  EXPECT_THAT(c.transport.texts(), IsEmpty());
  pass(std::chrono::milliseconds(1));
  EXPECT_THAT(c.transport.texts(), ElementsAre("1", "2"));
  EXPECT_THAT(a.transport.texts(), ElementsAre("2"));
  EXPECT_THAT(b.transport.texts(), ElementsAre("1"));
}

TEST_F(PacedGroupTest, FrameAfterAQuietWindowIsDueAtOnce) {
  join_and_talk();
  now += kWindow;
  say("1", a);
  tick();
  EXPECT_THAT(c.transport.texts(), ElementsAre("1"));
}

TEST_F(PacedGroupTest, NothingWaitsLongerThanOneWindow) {
  join_and_talk();
  std::map<std::string, MonotonicTime> said;
  std::map<std::string, MonotonicTime> heard;
  c.transport.on_send = [&](const Frame& frame) { heard[frame.bytes()] = now; };
  int flushes = 0;
  for (int i = 0; i < 1000; ++i) {  // a frame a millisecond
    now += std::chrono::milliseconds(1);
    const std::string text = std::to_string(i);
    said[text] = now;
    say(text.c_str(), i % 2 == 0 ? a : b);
    const std::size_t before = heard.size();
    tick();
    flushes += heard.size() > before ? 1 : 0;
  }
  pass(kWindow);
  ASSERT_EQ(heard.size(), said.size());
  for (const auto& [text, time] : heard) EXPECT_LE(time - said[text], kWindow);
  EXPECT_LE(flushes, 201);
}

TEST_F(PacedGroupTest, OneSpeakerIsNotHeldAgainOnceTheOthersAreSilent) {
  join_and_talk();
  now += Group::kSpeakersAreRemembered;
  say("1", a);
  EXPECT_THAT(c.transport.texts(), ElementsAre("1"));
}

TEST_F(PacedGroupTest, WhoJoinsAfterAFrameWasSaidDoesNotHearIt) {
  join_and_talk();
  say("before", a);
  EXPECT_TRUE(paced.add(d, d.transport));
  say("after", b);
  pass(kWindow);
  EXPECT_THAT(d.transport.texts(), ElementsAre("after"));
  EXPECT_THAT(c.transport.texts(), ElementsAre("before", "after"));
}

TEST_F(PacedGroupTest, WhatASpeakerSaidIsHeardAfterHeLeft) {
  join_and_talk();
  say("last words", a);
  paced.remove(a);
  pass(kWindow);
  EXPECT_THAT(b.transport.texts(), ElementsAre("last words"));
  EXPECT_THAT(c.transport.texts(), ElementsAre("last words"));
}

// Places moved when somebody left, and a held frame then spared the wrong member.
TEST_F(PacedGroupTest, WhoLeavesWhileFramesAreHeldChangesNothingForOthers) {
  join_and_talk();
  say("1", c);
  paced.remove(a);
  pass(kWindow);
  EXPECT_THAT(a.transport.texts(), IsEmpty());
  EXPECT_THAT(b.transport.texts(), ElementsAre("1"));
  EXPECT_THAT(c.transport.texts(), IsEmpty());
  say("2", b);
  pass(kWindow);
  EXPECT_THAT(b.transport.texts(), ElementsAre("1"));
  EXPECT_THAT(c.transport.texts(), ElementsAre("2"));
}

TEST_F(PacedGroupTest, GroupWhoseMembersAllLeftIsDisposable) {
  join_and_talk();
  say("1", a);
  for (Member* each : {&a, &b, &c}) paced.remove(*each);
  EXPECT_TRUE(paced.is_disposable());
}

}  // namespace
}  // namespace voicechan
