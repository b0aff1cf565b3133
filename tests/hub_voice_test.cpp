#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "allocation_counter.hpp"
#include "fake_transport.hpp"

// The voice relay, on one hub and across several.

namespace voicechan {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using HubVoiceTest = HubSystemTest;

TEST_P(HubVoiceTest, MessageReachesAllMembersButItsSender) {
  const auto alice = system.join_voice(0);
  const auto bob = system.join_voice(0);
  const auto carol = system.join_voice(1);
  const auto dave = system.join_voice(2);
  system.send(*alice, "hello");
  EXPECT_THAT(alice->texts(), IsEmpty());
  for (const auto* each : {&bob, &carol, &dave})
    EXPECT_THAT((*each)->texts(), ElementsAre("hello"));
}

TEST_P(HubVoiceTest, MembersOfOneHubGetItBeforeTheCallReturns) {
  const auto alice = system.join_voice(0);
  const auto bob = system.join_voice(0);
  alice->send("x");
  EXPECT_THAT(bob->texts(), ElementsAre("x"));
}

TEST_P(HubVoiceTest, TextStaysTextAndBinaryStaysBinary) {
  const auto alice = system.join_voice(0);
  const auto bob = system.join_voice(1);
  alice->session.receive(FrameKind::text, "t");
  alice->session.receive(FrameKind::binary, "b");
  system.settle();
  ASSERT_EQ(bob->transport.frames.size(), 2u);
  EXPECT_EQ(bob->transport.frames[0].kind(), FrameKind::text);
  EXPECT_EQ(bob->transport.frames[0].frame_class(), FrameClass::control);
  EXPECT_EQ(bob->transport.frames[1].kind(), FrameKind::binary);
  EXPECT_EQ(bob->transport.frames[1].frame_class(), FrameClass::media);
}

TEST_P(HubVoiceTest, BytesArriveUnchanged) {
  const auto alice = system.join_voice(0);
  const auto bob = system.join_voice(1);
  std::string every_byte;
  for (int i = 0; i < 256; ++i) every_byte += static_cast<char>(i);
  const std::vector<std::string> messages = {every_byte, "", std::string(1 << 20, '\0'),
                                             R"({"to":"x","type":"join"})"};
  for (const std::string& message : messages) alice->session.receive(FrameKind::binary, message);
  system.settle();
  EXPECT_EQ(bob->texts(), messages);
}

TEST_P(HubVoiceTest, AllReceiversOfAHubShareOneCopy) {
  const auto alice = system.join_voice(0);
  const auto bob = system.join_voice(1);
  const auto carol = system.join_voice(1);
  system.send(*alice, "x");
  EXPECT_EQ(&bob->transport.frames.at(0).bytes(), &carol->transport.frames.at(0).bytes());
}

TEST_P(HubVoiceTest, OrderIsKept) {
  const auto alice = system.join_voice(0);
  const auto bob = system.join_voice(1);
  std::vector<std::string> sent;
  for (int i = 0; i < 100; ++i) {
    sent.push_back(std::to_string(i));
    alice->session.receive(i % 3 == 0 ? FrameKind::text : FrameKind::binary, sent.back());
    if (i % 7 == 0) system.settle();
  }
  system.settle();
  EXPECT_EQ(bob->texts(), sent);
}

TEST_P(HubVoiceTest, OtherRoomsHearNothing) {
  const auto alice = system.join_voice(0, "a");
  const auto same = system.join_voice(1, "a");
  std::vector<ClientPtr> others;
  for (const char* room : {"b", "A", "a ", " a", "aa", "voice_a"}) {
    for (std::size_t hub = 0; hub < system.hub_count(); ++hub) {
      others.push_back(system.join_voice(hub, room));
    }
  }
  system.send(*alice, "x");
  EXPECT_THAT(same->texts(), ElementsAre("x"));
  for (const auto& other : others) EXPECT_THAT(other->texts(), IsEmpty());
}

TEST_P(HubVoiceTest, RoomOfAnyScriptWorks) {
  const auto alice = system.join_voice(0, "Загальна кімната");
  const auto bob = system.join_voice(1, "Загальна кімната");
  system.send(*alice, "x");
  EXPECT_THAT(bob->texts(), ElementsAre("x"));
}

TEST_P(HubVoiceTest, ConnectionsOfOneUserAreMembersOfTheirOwn) {
  const auto phone = system.join_voice(0);  // all clients here are the same user
  const auto laptop = system.join_voice(1);
  system.send(*phone, "x");
  EXPECT_THAT(phone->texts(), IsEmpty());
  EXPECT_THAT(laptop->texts(), ElementsAre("x"));
}

TEST_P(HubVoiceTest, LoneMemberHearsNothing) {
  const auto alice = system.join_voice(0);
  system.send(*alice, "x");
  EXPECT_THAT(alice->texts(), IsEmpty());
}

TEST_P(HubVoiceTest, MemberHearsNothingFromBeforeHeJoined) {
  const auto alice = system.join_voice(0);
  system.send(*alice, "before");
  const auto bob = system.join_voice(1);
  system.send(*alice, "after");
  EXPECT_THAT(bob->texts(), ElementsAre("after"));
}

TEST_P(HubVoiceTest, MemberWhoLeftHearsNothing) {
  const auto alice = system.join_voice(0);
  const auto bob = system.join_voice(1);
  const auto carol = system.join_voice(1);
  bob->session.leave();
  system.send(*alice, "x");
  EXPECT_THAT(bob->texts(), IsEmpty());
  EXPECT_THAT(carol->texts(), ElementsAre("x"));
}

TEST_P(HubVoiceTest, DestructionOfTheSessionIsTheLeave) {
  const auto alice = system.join_voice(0);
  auto bob = system.join_voice(1);
  bob.reset();
  system.send(*alice, "x");  // the sanitizers watch
  EXPECT_EQ(system.session_count(), 1u);
}

TEST_P(HubVoiceTest, LastWordsOfAMemberWhoLeavesAreHeard) {
  auto alice = system.join_voice(0);
  const auto bob = system.join_voice(1);
  alice->send("last words");
  alice.reset();
  system.settle();
  EXPECT_THAT(bob->texts(), ElementsAre("last words"));
}

TEST_P(HubVoiceTest, RoomThatEmptiedCanBeJoinedAgain) {
  for (int round = 0; round < 3; ++round) {
    const auto alice = system.join_voice(0);
    const auto bob = system.join_voice(1);
    system.send(*alice, "x");
    EXPECT_THAT(bob->texts(), ElementsAre("x"));
  }
  EXPECT_EQ(system.session_count(), 0u);
}

TEST_P(HubVoiceTest, CongestedMemberIsSentToAllTheSame) {
  const auto alice = system.join_voice(0);
  const auto bob = system.join_voice(1);
  bob->transport.congested = true;
  system.send(*alice, "x");
  EXPECT_THAT(bob->texts(), ElementsAre("x"));
}

TEST_P(HubVoiceTest, RefusalOfAMessageIsToldToItsSenderOnly) {
  const auto alice = system.join_voice(0);
  const auto bob = system.join_voice(1);
  alice->session.refuse(Errc::rate_limited);
  system.settle();
  ASSERT_EQ(alice->texts().size(), 1u);
  EXPECT_THAT(alice->texts()[0], HasSubstr(R"("code":"rate_limited")"));
  EXPECT_THAT(bob->texts(), IsEmpty());
}

TEST_P(HubVoiceTest, EverybodyHearsEverybodyElseOnceAndInOrder) {
  constexpr int kMembers = 40;
  constexpr int kMessages = 5;
  std::vector<ClientPtr> members;
  for (int i = 0; i < kMembers; ++i) members.push_back(system.join_voice(members.size()));
  for (int message = 0; message < kMessages; ++message) {
    for (int sender = 0; sender < kMembers; ++sender) {
      members[static_cast<std::size_t>(sender)]->send(std::to_string(sender * 100 + message));
      if (sender % 9 == 0) system.settle();
    }
  }
  system.settle();
  for (int receiver = 0; receiver < kMembers; ++receiver) {
    std::vector<int> next(kMembers, 0);
    for (const std::string& text : members[static_cast<std::size_t>(receiver)]->texts()) {
      const int number = std::stoi(text);
      ASSERT_NE(number / 100, receiver);
      ASSERT_EQ(number % 100, next[static_cast<std::size_t>(number / 100)]++);
    }
    for (int sender = 0; sender < kMembers; ++sender) {
      ASSERT_EQ(next[static_cast<std::size_t>(sender)], sender == receiver ? 0 : kMessages);
    }
  }
}

TEST_P(HubVoiceTest, RoomsThatEmptiedAreForgotten) {
  const auto visit = [this](int room) {
    const std::string name = "room " + std::to_string(room) + std::string(100, 'x');
    const auto alice = system.join_voice(0, name);
    auto bob = system.join_voice(0, name);
    if (room % 2 == 0) return;
    bob->transport.on_send = [&](const Frame&) {  // the room empties while it is sent to
      bob.reset();
      alice->session.leave();
    };
    alice->send("x");
  };
  visit(0);
  const auto before = allocation_count().live_bytes;
  for (int room = 1; room < 1000; ++room) visit(room);
  EXPECT_LT(allocation_count().live_bytes - before, 10'000);
}

INSTANTIATE_TEST_SUITE_P(Hubs, HubVoiceTest, ::testing::Values(1, 2, 3), hub_count_name);

class CountingTransport final : public Transport {
 public:
  void send(const Frame& frame) noexcept override { bytes += frame.size(); }
  std::size_t bytes = 0;
};

/// The allocations of sending one message to a room with so many other members.
std::size_t allocations_to_reach(std::size_t receivers) {
  HubSystem system;
  CountingTransport sender_transport;
  Session sender = system.hub(0).join_voice(user(1), room_name("a"), sender_transport).value();
  std::vector<CountingTransport> transports(receivers);
  std::vector<Session> sessions;
  for (CountingTransport& transport : transports) {
    sessions.push_back(system.hub(0).join_voice(user(1), room_name("a"), transport).value());
  }
  std::size_t allocations = 0;  // of the last frame: the group has grown its buffers by then
  for (int i = 0; i < 3; ++i) {
    std::string message(160, 'm');
    const std::size_t before = allocation_count().allocations;
    sender.receive(FrameKind::binary, std::move(message));
    allocations = allocation_count().allocations - before;
  }
  for (const CountingTransport& transport : transports) EXPECT_EQ(transport.bytes, 3 * 160u);
  return allocations;
}

TEST(HubRoomLimitTest, AFullRoomRefusesWhicheverHubIsAskedAndTakesTheNextWhenOneLeaves) {
  HubOptions options;
  options.max_room_members = 2;
  HubSystem system(2, options);
  FakeTransport transport;
  auto alice = system.join_voice(0);
  const auto bob = system.join_voice(1);
  for (std::size_t hub = 0; hub < 2; ++hub) {
    EXPECT_EQ(system.hub(hub).join_voice(user(3), room_name("general"), transport).error(),
              Errc::room_full);
    EXPECT_TRUE(system.hub(hub).join_voice(user(3), room_name("other"), transport));
  }
  EXPECT_EQ(system.session_count(), 2u);
  alice.reset();
  EXPECT_TRUE(system.hub(1).join_voice(user(3), room_name("general"), transport));
}

TEST(HubRoomLimitTest, NotificationsHaveNone) {
  HubOptions options;
  options.max_room_members = 1;
  HubSystem system(1, options);
  const auto phone = system.open_notifications(0, 7);
  const auto laptop = system.open_notifications(0, 7);
  EXPECT_EQ(system.session_count(), 2u);
}

TEST(HubAllocationTest, FanOutAllocatesTheFrameAndNothingPerReceiver) {
  EXPECT_EQ(allocations_to_reach(1), 1u);
  EXPECT_EQ(allocations_to_reach(1000), 1u);
}

TEST(HubAllocationTest, FanOutOfAnotherHubsFrameAllocatesNothingPerReceiver) {
  const auto allocations_of_tick = [](std::size_t receivers) {
    InProcessBackplane backplane(1);
    const auto hub = Hub::attach(backplane);
    EXPECT_TRUE(hub);
    std::vector<CountingTransport> transports(receivers);
    std::vector<Session> sessions;
    for (CountingTransport& transport : transports) {
      sessions.push_back((*hub)->join_voice(user(1), room_name("a"), transport).value());
    }
    backplane.publish("voice_a", Frame::media("m"));
    const std::size_t before = allocation_count().allocations;
    (*hub)->tick(MonotonicTime{});
    const std::size_t allocations = allocation_count().allocations - before;
    for (const CountingTransport& transport : transports) EXPECT_EQ(transport.bytes, 1u);
    return allocations;
  };
  EXPECT_EQ(allocations_of_tick(1000), allocations_of_tick(1));
}

}  // namespace
}  // namespace voicechan
