#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "fake_transport.hpp"

// Transports that call back into the library while it sends to them. The sender is on hub 0 and the
// receivers are on the last one: the local path with one hub, the path across with two.

namespace voicechan {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class HubReentrancyTest : public HubSystemTest {
 protected:
  ClientPtr join_sender() { return system.join_voice(0); }
  ClientPtr join() { return system.join_voice(system.hub_count() - 1); }
  auto join_signaling_sender() { return system.join_signaling(0); }
  auto join_signaling() { return system.join_signaling(system.hub_count() - 1); }

  static std::string message_to(const std::string& id) { return R"({"to":")" + id + R"("})"; }

  /// Does `action` at the first frame that `client` gets.
  static void once(Client& client, std::function<void()> action) {
    FakeTransport& transport = client.transport;
    transport.on_send = [&transport, action = std::move(action)](const Frame&) {
      transport.on_send = nullptr;
      action();
    };
  }
};

TEST_P(HubReentrancyTest, ReceiverMayEndItsOwnSession) {
  const auto alice = join_sender();
  auto bob = join();
  const auto carol = join();
  once(*bob, [&] { bob.reset(); });
  system.send(*alice, "1");
  system.send(*alice, "2");
  EXPECT_EQ(bob, nullptr);
  EXPECT_THAT(carol->texts(), ElementsAre("1", "2"));
  EXPECT_EQ(system.session_count(), 2u);
}

TEST_P(HubReentrancyTest, ReceiverMayEndTheSendersSession) {
  auto alice = join_sender();
  const auto bob = join();
  const auto carol = join();
  once(*bob, [&] { alice.reset(); });
  system.send(*alice, "x");
  EXPECT_EQ(alice, nullptr);
  EXPECT_THAT(bob->texts(), ElementsAre("x"));
  EXPECT_THAT(carol->texts(), ElementsAre("x"));
}

TEST_P(HubReentrancyTest, ReceiverMayEndASessionThatIsStillToBeSentTo) {
  const auto alice = join_sender();
  const auto bob = join();
  auto carol = join();
  const auto dave = join();
  once(*bob, [&] { carol.reset(); });
  system.send(*alice, "x");
  EXPECT_THAT(bob->texts(), ElementsAre("x"));
  EXPECT_THAT(dave->texts(), ElementsAre("x"));
}

TEST_P(HubReentrancyTest, ReceiverMayEndASessionThatWasSentToAlready) {
  const auto alice = join_sender();
  auto bob = join();
  const auto carol = join();
  const auto dave = join();
  once(*carol, [&] { bob.reset(); });
  system.send(*alice, "x");
  EXPECT_THAT(carol->texts(), ElementsAre("x"));
  EXPECT_THAT(dave->texts(), ElementsAre("x"));
}

TEST_P(HubReentrancyTest, ReceiverMayEndEverySession) {
  auto alice = join_sender();
  std::vector<ClientPtr> others;
  for (int i = 0; i < 5; ++i) others.push_back(join());
  once(*others[0], [&] {
    alice.reset();
    others.clear();
  });
  system.send(*alice, "x");
  EXPECT_EQ(system.session_count(), 0u);
  const auto late = join();
  const auto later = join();
  system.send(*late, "y");
  EXPECT_THAT(later->texts(), ElementsAre("y"));
}

TEST_P(HubReentrancyTest, MemberWhoJoinsMeanwhileGetsTheNextMessage) {
  const auto alice = join_sender();
  const auto bob = join();
  const auto carol = join();
  std::vector<ClientPtr> late;
  once(*bob, [&] {
    for (int i = 0; i < 100; ++i) late.push_back(join());
  });
  system.send(*alice, "1");
  EXPECT_THAT(late.back()->texts(), IsEmpty());
  system.send(*alice, "2");
  EXPECT_THAT(late.back()->texts(), ElementsAre("2"));
  EXPECT_THAT(carol->texts(), ElementsAre("1", "2"));
}

TEST_P(HubReentrancyTest, MemberMayBeReplacedByAnotherInItsPlace) {
  const auto alice = join_sender();
  auto bob = join();
  ClientPtr successor;
  once(*bob, [&] {
    bob.reset();  // the memory of its state may be taken by the next one
    successor = join();
  });
  system.send(*alice, "1");
  EXPECT_THAT(successor->texts(), IsEmpty());
  system.send(*alice, "2");
  EXPECT_THAT(successor->texts(), ElementsAre("2"));
}

TEST_P(HubReentrancyTest, SenderMayBeReplacedWhileHisMessageIsSent) {
  auto alice = join_sender();
  const auto bob = join();
  ClientPtr successor;
  once(*bob, [&] {
    alice.reset();
    successor = join_sender();
  });
  system.send(*alice, "1");
  EXPECT_THAT(successor->texts(), IsEmpty());
  system.send(*bob, "2");
  EXPECT_THAT(successor->texts(), ElementsAre("2"));
}

TEST_P(HubReentrancyTest, SessionMayMoveWhileItIsSentTo) {
  const auto alice = join_sender();
  const auto bob = join();
  Session moved;
  once(*bob, [&] { moved = std::move(bob->session); });
  system.send(*alice, "1");
  system.send(*alice, "2");
  EXPECT_THAT(bob->texts(), ElementsAre("1", "2"));
}

TEST_P(HubReentrancyTest, ReplyToTheRoomReachesAllOthersOnce) {
  const auto alice = join_sender();
  const auto bob = join();
  const auto carol = join();
  once(*bob, [&] { bob->send("reply"); });
  system.send(*alice, "message");
  EXPECT_THAT(alice->texts(), ElementsAre("reply"));
  EXPECT_THAT(bob->texts(), ElementsAre("message"));
  EXPECT_THAT(carol->texts(), ElementsAre("message", "reply"));
}

// What a member sent next, out of a fan-out of his first message, overtook it once.
TEST_P(HubReentrancyTest, OrderOfASenderIsKeptWhenHeSendsMeanwhile) {
  const auto alice = join_sender();
  const auto bob = join();
  const auto carol = join();
  once(*bob, [&] { alice->send("2"); });
  system.send(*alice, "1");
  EXPECT_THAT(bob->texts(), ElementsAre("1", "2"));
  EXPECT_THAT(carol->texts(), ElementsAre("1", "2"));
}

TEST_P(HubReentrancyTest, MemberMaySendAndLeaveMeanwhile) {
  const auto alice = join_sender();
  auto bob = join();
  const auto carol = join();
  once(*bob, [&] {
    bob->send("bye");
    bob.reset();
  });
  system.send(*alice, "x");
  EXPECT_THAT(alice->texts(), ElementsAre("bye"));
  EXPECT_THAT(carol->texts(), ElementsAre("x", "bye"));
}

TEST_P(HubReentrancyTest, ReplyInAnotherRoomIsSentAtOnce) {
  const auto alice = join_sender();
  const auto bob = join();
  const auto listener = system.join_voice(system.hub_count() - 1, "other");
  const auto speaker = system.join_voice(system.hub_count() - 1, "other");
  std::size_t heard_at_once = 0;
  once(*bob, [&] {
    speaker->send("y");
    heard_at_once = listener->transport.frames.size();
  });
  system.send(*alice, "x");
  EXPECT_EQ(heard_at_once, 1u);
}

TEST_P(HubReentrancyTest, AddresseeMayEndItsOwnSession) {
  const auto [alice, alice_id] = join_signaling_sender();
  auto [bob, bob_id] = join_signaling();
  once(*bob, [&bob = bob] { bob.reset(); });
  system.send(*alice, message_to(bob_id));
  EXPECT_EQ(bob, nullptr);
  EXPECT_THAT(alice->texts(), IsEmpty());  // it had been delivered
  system.send(*alice, message_to(bob_id));
  EXPECT_EQ(parse_json(alice->texts().at(0)).at("code").as_string(), "unknown_peer");
}

TEST_P(HubReentrancyTest, AddresseeMayEndTheSendersSession) {
  auto [alice, alice_id] = join_signaling_sender();
  const auto [bob, bob_id] = join_signaling();
  once(*bob, [&alice = alice] { alice.reset(); });
  system.send(*alice, message_to(bob_id));
  EXPECT_EQ(bob->texts().size(), 1u);
  EXPECT_EQ(system.session_count(), 1u);
}

TEST_P(HubReentrancyTest, MessageToOneselfMayEndTheSession) {
  auto [alice, alice_id] = join_signaling_sender();
  once(*alice, [&alice = alice] { alice.reset(); });
  system.send(*alice, message_to(alice_id));
  EXPECT_EQ(system.session_count(), 0u);
}

TEST_P(HubReentrancyTest, PeersMayAnswerWhileTheyAreSentTo) {
  auto [alice, alice_id] = join_signaling_sender();
  auto [bob, bob_id] = join_signaling();
  int left = 100;
  const auto reply = [&left](Client& client, const std::string& to) {
    client.transport.on_send = [&left, &client, to](const Frame&) {
      if (left-- > 0) client.send(message_to(to));
    };
  };
  reply(*alice, bob_id);
  reply(*bob, alice_id);
  system.send(*alice, message_to(bob_id));
  EXPECT_EQ(bob->texts().size() + alice->texts().size(), 101u);
}

TEST_P(HubReentrancyTest, ErrorReplyMayEndTheSession) {
  for (const char* text : {"no json", R"({"to":5})", R"({"to":"nobody"})",
                           R"({"to":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"})"}) {
    auto [alice, alice_id] = join_signaling_sender();
    once(*alice, [&alice = alice] { alice.reset(); });
    system.send(*alice, text);
    EXPECT_EQ(alice, nullptr) << text;
  }
}

TEST_P(HubReentrancyTest, JoinedReplyMayEndTheSession) {
  auto alice = system.open_signaling(0);
  once(*alice, [&] { alice.reset(); });
  system.send(*alice, R"({"type":"join"})");
  EXPECT_EQ(system.session_count(), 0u);
}

TEST_P(HubReentrancyTest, NotJoinedReplyMayEndTheSession) {
  auto alice = system.open_signaling(0);
  once(*alice, [&] { alice.reset(); });
  system.send(*alice, R"({"to":"x"})");
  EXPECT_EQ(system.session_count(), 0u);
}

TEST_P(HubReentrancyTest, TooLargeReplyMayEndTheSession) {
  auto alice = system.open_signaling(0);
  once(*alice, [&] { alice.reset(); });
  alice->session.refuse(Errc::too_large);
  EXPECT_EQ(system.session_count(), 0u);
}

TEST_P(HubReentrancyTest, BusyReplyMayEndBothSessions) {
  auto [alice, alice_id] = join_signaling_sender();
  auto [bob, bob_id] = join_signaling();
  bob->transport.congested = true;
  once(*alice, [&alice = alice, &bob = bob] {
    bob.reset();
    alice.reset();
  });
  system.send(*alice, message_to(bob_id));
  EXPECT_EQ(system.session_count(), 0u);
}

TEST_P(HubReentrancyTest, NotificationMayEndAllDevicesOfTheUser) {
  std::vector<ClientPtr> devices;
  for (std::size_t i = 0; i < 4; ++i) devices.push_back(system.open_notifications(i, 7));
  for (const auto& device : devices) once(*device, [&] { devices.clear(); });
  system.backplane().publish("notifications_7", Frame::control_text("x"));
  system.settle();
  EXPECT_EQ(system.session_count(), 0u);
}

/// A room whose members do at random whatever a transport may do, while they are sent to.
class Mayhem {
 public:
  Mayhem(HubSystem& system, std::uint64_t seed) : system_(system), random_(seed) {}
  ~Mayhem() { is_over_ = true; }

  void run() {
    for (int i = 0; i < 6; ++i) join();
    for (int i = 0; i < 200 && !::testing::Test::HasFailure(); ++i) {
      budget_ = 12;
      act();
      if (below(3) == 0) system_.settle();
    }
    system_.settle();
  }

 private:
  struct Member {
    int number = 0;
    int sent = 0;
    std::map<int, int> heard;  // by sender: the greatest message
    ClientPtr client;
  };

  std::size_t below(std::size_t bound) { return static_cast<std::size_t>(random_() % bound); }

  std::map<int, Member>::iterator any_member() {
    auto member = members_.begin();
    std::advance(member, static_cast<std::ptrdiff_t>(below(members_.size())));
    return member;
  }

  void act() {
    if (is_over_ || budget_-- <= 0) return;
    const std::size_t choice = below(10);
    if (choice < 2 || members_.size() < 2) {
      join();
    } else if (choice < 4 && members_.size() > 2) {
      const auto leaving = any_member();
      const ClientPtr client = std::move(leaving->second.client);
      members_.erase(leaving);
    } else {
      const auto sender = any_member();
      Session& session = sender->second.client->session;
      session.receive(below(2) == 0 ? FrameKind::text : FrameKind::binary,
                      std::to_string(sender->first) + ' ' + std::to_string(++sender->second.sent));
    }
  }

  void join() {
    const int number = ++last_number_;
    Member& member = members_[number];
    member.number = number;
    member.client = system_.join_voice(below(8));
    member.client->transport.on_send = [this, number](const Frame& frame) {
      if (is_over_) return;
      const std::size_t space = frame.bytes().find(' ');
      const int sender = std::stoi(frame.bytes());
      const int message = std::stoi(frame.bytes().substr(space));
      const auto self = members_.find(number);
      ASSERT_NE(self, members_.end()) << "sent to a member who has left";
      ASSERT_NE(sender, number) << "own message";
      ASSERT_LT(std::exchange(self->second.heard[sender], message), message) << "order";
      act();
    };
  }

  HubSystem& system_;
  std::mt19937_64 random_;
  std::map<int, Member> members_;
  int last_number_ = 0;
  int budget_ = 0;
  bool is_over_ = false;
};

TEST_P(HubReentrancyTest, RandomCallbacksBreakNoPromise) {
  const std::uint64_t first_seed = std::random_device()();
  for (std::uint64_t seed = first_seed; seed < first_seed + 30; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Mayhem(system, seed).run();
    ASSERT_EQ(system.session_count(), 0u);
    if (HasFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Hubs, HubReentrancyTest, ::testing::Values(1, 2, 3, kLate + 1, kLate + 3),
                         hub_count_name);

}  // namespace
}  // namespace voicechan
