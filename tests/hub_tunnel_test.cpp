#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "lossy_hubs.hpp"
#include "resuming_client.hpp"

// A session of one hub, a client that has resumed it on another one, and what either hears when the
// other end goes, or when what they say to each other is lost.

namespace voicechan {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using namespace std::chrono_literals;

constexpr auto kProbe = 5s;          // of the connection
constexpr auto kGivenUp = 13s;       // by it
constexpr auto kGivenUpThere = 33s;  // by the session
constexpr auto kWindow = 30s;

class HubTunnelTest : public ::testing::Test {
 protected:
  HubTunnelTest() {
    ann.join(0);
    bob.join(0);
    bob.lose();
    bob.resume(1);
    ann.take_news();
    bob.take_news();
    ann.changes.clear();
    bob.changes.clear();
  }

  void say_to_bob(std::string_view rest) {
    ann.say(R"({"to":")" + bob.id + R"(")" + std::string(rest) + "}");
  }
  /// Three at once, so that the hub of the session does not hear that the second is lost before it
  /// sends the third.
  void say_to_bob_with_a_hole() {
    for (int i = 0; i < 3; ++i) {
      if (i == 1) lossy.lose_next(1);
      ann.connection->send(R"({"to":")" + bob.id + R"(","n":)" + std::to_string(i) + "}");
      lossy.lose_next(0);
    }
  }
  static std::string update(int value) {
    return R"({"type":"update","data":)" + std::to_string(value) + "}";
  }
  /// Its socket can be broken off.
  void let_break_off() { bob.connection->transport.can_break_off = true; }
  bool is_broken_off() const {
    return bob.connection->transport.is_broken_off && !bob.connection->session;
  }

  LossyHubs system;
  LossyBackplane& lossy = system.backplane;
  ResumingClient ann{system};
  ResumingClient bob{system};
};

TEST_F(HubTunnelTest, IfTheHubOfTheSessionEndsTheClientIsTold) {
  system.owned_hub(0) = nullptr;
  EXPECT_THAT(bob.take_news(), ElementsAre(failed("unknown")));
  bob.say(std::string(kJoin));
  EXPECT_THAT(bob.take_news().at(0), ::testing::StartsWith(R"({"type":"joined")"));
}

TEST_F(HubTunnelTest, IfTheHubOfTheConnectionEndsTheSessionHasLeft) {
  system.owned_hub(1) = nullptr;
  ann.read();
  EXPECT_THAT(ann.changes, ElementsAre("peer_left"));
}

TEST_F(HubTunnelTest, ATunnelThatIsWellStaysSo) {
  for (int i = 0; i < 40; ++i) system.advance(5s);
  bob.say(update(1));
  EXPECT_THAT(bob.take_news(), IsEmpty());
  EXPECT_THAT(bob.changes, ElementsAre("updated"));
  system.advance(200s);
  bob.say(update(2));
  EXPECT_EQ(bob.changes.size(), 2u);
}

TEST_F(HubTunnelTest, AHubThatGoesWithoutAWordIsFoundOut) {
  lossy.lose_next(100);
  system.owned_hub(0) = nullptr;
  system.pass(kGivenUp - 1s);
  EXPECT_THAT(bob.take_news(), IsEmpty());
  system.pass(1s);
  EXPECT_THAT(bob.take_news(), ElementsAre(failed("unknown")));
}

TEST_F(HubTunnelTest, AProbeThatIsLostIsMadeUpForByTheNext) {
  const auto sent = lossy.sent();
  lossy.lose_next(1);
  system.advance(kProbe);
  ASSERT_EQ(lossy.sent() - sent, 1u);
  system.pass(60s);
  EXPECT_THAT(bob.take_news(), IsEmpty());
  bob.say(update(1));
  EXPECT_THAT(bob.changes, ElementsAre("updated"));
}

TEST_F(HubTunnelTest, ASilentClientOutlastsAnOutageAsLongAsALease) {
  system.pass(4s);
  lossy.lose_next(100);
  system.pass(7s);
  lossy.lose_next(0);
  system.pass(60s);
  EXPECT_THAT(bob.take_news(), IsEmpty());
  bob.say(update(1));
  EXPECT_THAT(bob.changes, ElementsAre("updated"));
}

TEST_F(HubTunnelTest, AnOutageThatLastsIsALostSession) {
  lossy.lose_next(1000);
  system.pass(kGivenUp);
  EXPECT_THAT(bob.take_news(), ElementsAre(failed("unknown")));
  lossy.lose_next(0);
  system.pass(kGivenUpThere - kGivenUp + kWindow);
  ann.read();
  EXPECT_THAT(ann.changes, ElementsAre("peer_left"));
}

TEST_F(HubTunnelTest, WhatTheClientSaysToASessionThatIsNotThereIsAnswered) {
  lossy.lose_next(100);
  system.owned_hub(0) = nullptr;
  bob.say(update(1));
  EXPECT_THAT(bob.take_news(), ElementsAre(failed("unknown")));
}

TEST_F(HubTunnelTest, IfOnlyTheMessageWasLostTheSessionLeavesAtOnce) {
  lossy.lose_next(1);
  bob.say(update(1));
  EXPECT_THAT(bob.take_news(), ElementsAre(failed("unknown")));
  ann.read();
  EXPECT_THAT(ann.changes, ElementsAre("peer_left"));
}

TEST_F(HubTunnelTest, AClientThatCouldNotBeToldResumesAndMissesNothing) {
  let_break_off();
  lossy.lose_next(2);  // the message, and that the session does without the connection
  say_to_bob(R"(,"n":1)");
  say_to_bob(R"(,"n":2)");
  EXPECT_THAT(bob.take_news(), IsEmpty());
  system.advance(kProbe);
  EXPECT_TRUE(is_broken_off());
  bob.resume(1);
  EXPECT_THAT(bob.take_news(),
              ElementsAre(resumed(bob, bob.seq - 2, 2), from(ann, bob, R"(,"n":1)"),
                          from(ann, bob, R"(,"n":2)")));
  ann.read();
  EXPECT_THAT(ann.changes, IsEmpty());
}

TEST_F(HubTunnelTest, ItIsToldSoAtOnceIfItCanBe) {
  let_break_off();
  lossy.lose_next(1);
  say_to_bob(R"(,"n":1)");
  EXPECT_TRUE(is_broken_off());
  bob.resume(0);
  EXPECT_EQ(bob.take_news().back(), from(ann, bob, R"(,"n":1)"));
}

TEST_F(HubTunnelTest, WhatItSaysMeanwhileIsAnswered) {
  let_break_off();
  lossy.lose_next(2);
  say_to_bob(R"(,"n":1)");
  bob.say(update(1));
  EXPECT_TRUE(is_broken_off());
}

TEST_F(HubTunnelTest, AHostThatCannotBreakOffHasTheClientJoinAnew) {
  lossy.lose_next(1);
  say_to_bob(R"(,"n":1)");  // the session learns of it first
  EXPECT_THAT(bob.take_news(), ElementsAre(failed("unknown")));
  EXPECT_TRUE(bob.connection->session);
  ann.read();
  EXPECT_THAT(ann.changes, ElementsAre("peer_left"));
}

TEST_F(HubTunnelTest, AHostThatCannotBreakOffAtAHoleHasTheClientJoinAnew) {
  say_to_bob_with_a_hole();
  EXPECT_THAT(bob.take_news(), ElementsAre(from(ann, bob, R"(,"n":0)"), failed("unknown")));
  ann.read();
  EXPECT_THAT(ann.changes, ElementsAre("peer_left"));
}

TEST_F(HubTunnelTest, NothingIsToldBehindAHole) {
  let_break_off();
  say_to_bob_with_a_hole();
  system.settle();
  bob.connection->write();
  EXPECT_THAT(bob.connection->transport.take(), ElementsAre(from(ann, bob, R"(,"n":0)")));
  EXPECT_TRUE(is_broken_off());
  ++bob.seq;
  bob.resume(1);
  EXPECT_THAT(bob.take_news(),
              ElementsAre(resumed(bob, bob.seq - 2, 2), from(ann, bob, R"(,"n":1)"),
                          from(ann, bob, R"(,"n":2)")));
}

TEST_F(HubTunnelTest, ASessionWhoseConnectionGoesWithoutAWordWaitsForItsClient) {
  lossy.lose_next(100);
  system.owned_hub(1) = nullptr;
  lossy.lose_next(0);
  system.pass(kGivenUpThere);
  system.advance(kWindow - 1s);
  ann.read();
  EXPECT_THAT(ann.changes, IsEmpty());
  system.advance(1s);
  ann.read();
  EXPECT_THAT(ann.changes, ElementsAre("peer_left"));
}

TEST_F(HubTunnelTest, AReportThatIsLostIsMadeUpForByTheNextOrByAProbe) {
  lossy.lose_reports(true);
  say_to_bob(R"(,"msg_id":1)");
  bob.read();
  ann.read();
  EXPECT_THAT(ann.take_news(), IsEmpty());
  lossy.lose_reports(false);
  say_to_bob(R"(,"msg_id":2)");
  bob.read();
  EXPECT_THAT(ann.take_news(),
              ElementsAre(receipt("1", "delivered", bob.id), receipt("2", "delivered", bob.id)));

  lossy.lose_reports(true);
  say_to_bob(R"(,"msg_id":3)");
  bob.read();
  lossy.lose_reports(false);
  EXPECT_THAT(ann.take_news(), IsEmpty());
  system.advance(kProbe);
  EXPECT_THAT(ann.take_news(), ElementsAre(receipt("3", "delivered", bob.id)));
}

TEST_F(HubTunnelTest, ManyTunnelsAreNotProbedAtOnce) {
  std::vector<std::unique_ptr<ResumingClient>> clients;
  for (int i = 0; i < 250; ++i) {
    auto& client = *clients.emplace_back(std::make_unique<ResumingClient>(system));
    client.join(0, R"({"type":"join","resume":true})");
    client.lose();
    client.resume(1);
  }
  system.settle();
  const auto before = lossy.sent();
  std::size_t most = 0;
  std::size_t all = 0;
  for (int i = 0; i < 20; ++i) {
    const auto sent = lossy.sent();
    system.advance(i == 0 ? 5s : 20ms);
    most = std::max(most, lossy.sent() - sent);
  }
  all = lossy.sent() - before;
  EXPECT_EQ(all, 251u);
  EXPECT_LE(most, 100u);
}

}  // namespace
}  // namespace voicechan
