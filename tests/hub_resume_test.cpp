#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <deque>
#include <map>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "fake_transport.hpp"
#include "resuming_client.hpp"
#include "socket_transport.hpp"

// Sessions that outlive their connection.

namespace voicechan {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::StartsWith;
using namespace std::chrono_literals;

HubOptions options() {
  HubOptions options;
  options.max_resume_messages = 20;
  options.max_resume_bytes = 4000;
  return options;
}

/// The parameters: whether a connection that resumes comes to the session's hub, or another one;
/// whether peers are let into rooms later.
class HubResumeTest : public ::testing::TestWithParam<std::tuple<bool, bool>> {
 protected:
  HubResumeTest() {
    ann.join(1);
    bob.join(0);
    ann.take_news();
    bob.take_news();
    ann.changes.clear();
  }

  std::size_t hub() const { return std::get<0>(GetParam()) ? 0 : 2; }
  void say_to_bob(std::string_view rest) {
    ann.say(R"({"to":")" + bob.id + R"(")" + std::string(rest) + "}");
  }

  HubSystem system{std::get<1>(GetParam()) ? kLate + std::size_t{3} : 3, options()};
  ResumingClient ann{system};
  ResumingClient bob{system};
};

TEST_P(HubResumeTest, WhatWasMissedComesOnceAndInOrderAndNobodySawALeave) {
  say_to_bob(R"(,"n":1)");
  EXPECT_THAT(bob.take_news(), ElementsAre(from(ann, bob, R"(,"n":1)")));
  const auto seq = bob.seq;
  say_to_bob(R"(,"n":2)");  // is not written any more
  bob.lose();
  say_to_bob(R"(,"n":3)");
  ann.say(R"({"type":"update","data":4})");
  const std::string id = bob.id;
  bob.resume(hub());
  EXPECT_THAT(bob.take_news(), ElementsAre(resumed(bob, seq, 3), from(ann, bob, R"(,"n":2)"),
                                           from(ann, bob, R"(,"n":3)")));
  EXPECT_EQ(bob.changes.back(), "peer_updated");
  EXPECT_EQ(bob.id, id);
  say_to_bob(R"(,"n":5)");
  bob.say(R"({"type":"update","data":6})");
  bob.say(R"({"to":")" + ann.id + R"(","n":7})");
  EXPECT_THAT(bob.take_news(), ElementsAre(from(ann, bob, R"(,"n":5)")));
  EXPECT_THAT(ann.take_news(), ElementsAre(from(bob, ann, R"(,"n":7)")));
  EXPECT_THAT(ann.changes, ElementsAre("updated", "peer_updated"));
}

TEST_P(HubResumeTest, ItGoesOnOverAnyNumberOfConnections) {
  std::vector<std::string> expected;
  for (int i = 0; i < 20; ++i) {
    const std::string rest = R"(,"n":)" + std::to_string(i);
    bob.lose();
    say_to_bob(rest);
    expected.push_back(from(ann, bob, rest));
    bob.resume(static_cast<std::size_t>(i % 3));
    const auto news = bob.take_news();
    ASSERT_EQ(news.size(), 2u) << i;
    EXPECT_EQ(news[1], expected.back());
  }
  EXPECT_THAT(ann.changes, IsEmpty());
  EXPECT_EQ(system.session_count(), 3u);
}

TEST_P(HubResumeTest, ANewConnectionTakesOverFromOneThatSeemsAlive) {
  const auto old = std::move(bob.connection);
  say_to_bob(R"(,"n":1)");
  bob.resume(hub());
  EXPECT_TRUE(old->transport.is_replaced);
  EXPECT_FALSE(old->session);
  EXPECT_EQ(bob.take_news().back(), from(ann, bob, R"(,"n":1)"));

  const auto second = std::move(bob.connection);
  bob.resume(1);
  EXPECT_TRUE(second->transport.is_replaced);
  EXPECT_FALSE(second->session);
  say_to_bob(R"(,"n":2)");
  EXPECT_EQ(bob.take_news().back(), from(ann, bob, R"(,"n":2)"));
  EXPECT_THAT(ann.changes, IsEmpty());
  EXPECT_EQ(system.session_count(), 3u);
}

TEST_P(HubResumeTest, AfterTheWindowItHasLeft) {
  bob.lose();
  system.advance(29'999ms);
  ann.read();
  EXPECT_THAT(ann.changes, IsEmpty());
  system.advance(1ms);
  ann.read();
  EXPECT_THAT(ann.changes, ElementsAre("peer_left"));
  bob.resume(hub());
  EXPECT_THAT(bob.take_news(), ElementsAre(failed("unknown")));
  bob.say(std::string(kJoin));
  ann.read();
  EXPECT_THAT(ann.changes, ElementsAre("peer_left", "peer_joined"));
}

TEST_P(HubResumeTest, TheWindowIsWholeIfTheHubHasSleptBefore) {
  system.sleep(60s);
  bob.lose();
  system.advance(29s);
  bob.resume(hub());
  EXPECT_THAT(bob.take_news(), ElementsAre(resumed(bob, bob.seq, 0)));
  EXPECT_THAT(ann.changes, IsEmpty());
}

TEST_P(HubResumeTest, TheWindowBeginsAnewWithEachLoss) {
  bob.lose();
  system.advance(20s);
  bob.resume(hub());
  system.advance(20s);
  bob.lose();
  system.advance(20s);
  bob.resume(hub());
  EXPECT_THAT(bob.take_news(), ElementsAre(resumed(bob, bob.seq, 0), resumed(bob, bob.seq, 0)));
  EXPECT_THAT(ann.changes, IsEmpty());
}

TEST_P(HubResumeTest, WhoLeavesCannotResume) {
  bob.lose();
  bob.resume(hub());
  bob.connection = nullptr;  // its session leaves
  ann.read();
  EXPECT_THAT(ann.changes, ElementsAre("peer_left"));
  bob.resume(hub());
  EXPECT_THAT(bob.take_news().back(), failed("unknown"));
}

TEST_P(HubResumeTest, OnlyTheSameUserWithTheKeyResumes) {
  bob.lose();
  ResumingClient eve(system, 2);
  eve.key = bob.key;
  eve.resume(hub());
  EXPECT_THAT(eve.take_news(), ElementsAre(failed("unknown")));
  ResumingClient guesser(system, 1);
  for (const std::string& key : {std::string(), std::string("x"), bob.id, ann.id,
                                 std::string("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")}) {
    guesser.key = key;
    guesser.resume(hub());
    EXPECT_THAT(guesser.take_news(), ElementsAre(failed("unknown"))) << key;
  }
  bob.resume(hub());
  EXPECT_THAT(bob.take_news(), ElementsAre(resumed(bob, bob.seq, 0)));
}

TEST_P(HubResumeTest, ACountThatCannotBeEndsTheSession) {
  bob.lose();
  ++bob.seq;
  bob.resume(hub());
  EXPECT_THAT(bob.take_news(), ElementsAre(failed("bad_seq")));
  ann.read();
  EXPECT_THAT(ann.changes, ElementsAre("peer_left"));
}

TEST_P(HubResumeTest, WhoMissedMoreThanIsKeptIsTold) {
  bob.connection->transport.is_ever_congested = false;
  for (int i = 0; i < 21; ++i) say_to_bob("");  // not read
  bob.lose();
  bob.resume(hub());
  EXPECT_THAT(bob.take_news(), ElementsAre(failed("missed_too_much")));
  ann.read();
  EXPECT_THAT(ann.changes, ElementsAre("peer_left"));
}

TEST_P(HubResumeTest, WhatWasReadNeedNotBeKept) {
  for (int i = 0; i < 100; ++i) {
    say_to_bob("");
    bob.read();
  }
  say_to_bob(R"(,"text":")" + std::string(4000, 'x') + '"');  // longer than all that is kept
  bob.read();
  bob.news.clear();
  bob.lose();
  bob.resume(hub());
  EXPECT_THAT(bob.take_news(), ElementsAre(resumed(bob, bob.seq, 0)));
}

TEST_P(HubResumeTest, MalformedRequestsAndLateOnesAreRefused) {
  ResumingClient carol(system);
  carol.connect(hub());
  for (const char* text :
       {R"({"type":"resume"})", R"({"type":"resume","key":7,"seq":0})",
        R"({"type":"resume","key":"x"})", R"({"type":"resume","key":"x","seq":-1})"}) {
    carol.say(text);
    const auto news = carol.take_news();
    ASSERT_EQ(news.size(), 1u) << text;
    EXPECT_THAT(news[0], StartsWith(R"({"type":"error","code":"bad_message")"));
  }
  carol.say(std::string(kJoin));
  carol.take_news();
  carol.say(R"({"type":"resume","key":")" + bob.key + R"(","seq":0})");
  EXPECT_THAT(carol.take_news().at(0), StartsWith(R"({"type":"error","code":"bad_message")"));
  bob.lose();
  bob.resume(hub());
  bob.take_news();
  bob.say(R"({"type":"resume","key":")" + bob.key + R"(","seq":0})");
  EXPECT_THAT(bob.take_news().at(0), StartsWith(R"({"type":"error","code":"bad_message")"));
}

TEST_P(HubResumeTest, AQueuedMessageIsDeliveredOnceItIsWritten) {
  bob.lose();
  system.advance(1500ms);
  say_to_bob(R"(,"msg_id":1)");
  EXPECT_THAT(ann.take_news(), ElementsAre(queued("1", bob.id, 29)));
  bob.connect(hub());
  bob.connection->send(R"({"type":"resume","key":")" + bob.key + R"(","seq":)" +
                       std::to_string(bob.seq) + "}");
  system.settle();
  EXPECT_THAT(ann.take_news(), IsEmpty());
  bob.read();
  EXPECT_THAT(ann.take_news(), ElementsAre(receipt("1", "delivered", bob.id)));
}

TEST_P(HubResumeTest, AMessageThatWasNotWrittenIsQueuedAgain) {
  for (int round = 0; round < 2; ++round) {
    const std::string number = std::to_string(round);
    say_to_bob(R"(,"msg_id":)" + number);
    EXPECT_THAT(ann.take_news(), IsEmpty());
    bob.lose();
    EXPECT_THAT(ann.take_news(), ElementsAre(queued(number, bob.id, 30)));
    // A connection that breaks before anything is written is told of once.
    bob.connect(hub());
    bob.connection->send(R"({"type":"resume","key":")" + bob.key + R"(","seq":)" +
                         std::to_string(bob.seq) + "}");
    system.settle();
    bob.lose();
    EXPECT_THAT(ann.take_news(), IsEmpty());
    bob.resume(hub());
    EXPECT_THAT(ann.take_news(), ElementsAre(receipt(number, "delivered", bob.id)));
    EXPECT_EQ(bob.take_news().back(), from(ann, bob, R"(,"msg_id":)" + number));
  }
}

TEST_P(HubResumeTest, AQueuedMessageExpiresIfThePeerDoesNotComeBackOrLeavesOrIsRefused) {
  bob.lose();
  say_to_bob(R"(,"msg_id":1)");
  ann.take_news();
  system.advance(30s);
  EXPECT_THAT(ann.take_news(), ElementsAre(receipt("1", "expired", bob.id)));

  bob.join(0);
  bob.lose();
  say_to_bob(R"(,"msg_id":2)");
  ann.take_news();
  bob.connect(hub());
  bob.connection->send(R"({"type":"resume","key":")" + bob.key + R"(","seq":)" +
                       std::to_string(bob.seq) + "}");
  system.settle();
  bob.connection = nullptr;
  EXPECT_THAT(ann.take_news(), ElementsAre(receipt("2", "expired", bob.id)));

  bob.join(0);
  bob.lose();
  say_to_bob(R"(,"msg_id":3)");
  ann.take_news();
  bob.seq += 100;
  bob.resume(hub());
  EXPECT_THAT(ann.take_news(), ElementsAre(receipt("3", "expired", bob.id)));
}

TEST_P(HubResumeTest, AReceiptThatItsSenderMissedComesWhenHeResumes) {
  say_to_bob(R"(,"msg_id":1)");
  ann.lose();
  bob.read();
  ann.resume(hub());
  EXPECT_EQ(ann.take_news().back(), receipt("1", "delivered", bob.id));
}

TEST_P(HubResumeTest, OneHalfOfWhatIsKeptIsForDirectedMessages) {
  bob.lose();
  for (int i = 0; i < 10; ++i) say_to_bob("");
  EXPECT_THAT(ann.take_news(), IsEmpty());
  say_to_bob(R"(,"msg_id":1)");
  EXPECT_THAT(ann.take_news(), ElementsAre(receipt("1", "busy", bob.id)));
  for (int i = 0; i < 5; ++i) ann.say(R"({"type":"update","data":1})");
  bob.changes.clear();
  bob.resume(hub());
  EXPECT_EQ(bob.take_news().size(), 11u);
  EXPECT_EQ(bob.changes.size(), 5u);

  bob.lose();
  say_to_bob(R"(,"msg_id":2,"text":")" + std::string(2000, 'x') + '"');
  EXPECT_THAT(ann.take_news(), ElementsAre(receipt("2", "busy", bob.id)));
}

TEST_P(HubResumeTest, ANewerOfferTakesThePlaceOfOneThatWaits) {
  const auto offer = [](int number) {
    const std::string text = std::to_string(number);
    return R"(,"type":"offer","msg_id":)" + text + R"(,"sdp":"a=ice-ufrag:u)" + text + "\\r\\n\"";
  };
  const auto candidate = [](int number, int ufrag) {
    return R"(,"type":"candidate","msg_id":)" + std::to_string(number) +
           R"(,"usernameFragment":"u)" + std::to_string(ufrag) + '"';
  };
  ResumingClient carol(system);
  carol.join(1);
  bob.lose();
  carol.say(R"({"to":")" + bob.id + R"(","type":"offer","msg_id":90})");
  say_to_bob(offer(1));
  say_to_bob(candidate(2, 1));
  say_to_bob(R"(,"type":"other","msg_id":3)");
  say_to_bob(candidate(4, 5));  // held until its offer comes
  ann.take_news();
  say_to_bob(offer(5));
  EXPECT_THAT(ann.take_news(), ::testing::UnorderedElementsAre(
                                   receipt("1", "expired", bob.id), receipt("2", "expired", bob.id),
                                   queued("5", bob.id, 30), queued("4", bob.id, 30)));
  bob.resume(hub());
  const auto news = bob.take_news();
  EXPECT_THAT(std::vector<std::string>(news.begin() + 1, news.end()),
              ElementsAre(from(carol, bob, R"(,"type":"offer","msg_id":90)"),
                          from(ann, bob, R"(,"type":"other","msg_id":3)"), from(ann, bob, offer(5)),
                          from(ann, bob, candidate(4, 5))));
  EXPECT_THAT(ann.take_news(),
              ElementsAre(receipt("3", "delivered", bob.id), receipt("5", "delivered", bob.id),
                          receipt("4", "delivered", bob.id)));
}

TEST_P(HubResumeTest, RefusalsOfTheHostAreCounted) {
  bob.lose();
  bob.resume(hub());
  bob.take_news();
  const auto seq = bob.seq;
  bob.connection->session.refuse(Errc::rate_limited);
  EXPECT_THAT(bob.take_news().at(0), StartsWith(R"({"type":"error","code":"rate_limited")"));
  EXPECT_EQ(bob.seq, seq + 1);
  bob.connection->session.receive(FrameKind::binary, "x");
  EXPECT_THAT(bob.take_news().at(0), StartsWith(R"({"type":"error","code":"bad_message")"));
  bob.lose();
  bob.resume(hub());
  EXPECT_THAT(bob.take_news(), ElementsAre(resumed(bob, seq + 2, 0)));
}

TEST_P(HubResumeTest, ARepeatedJoinTellsTheKeyAgainAndWhereTheCountStands) {
  say_to_bob("");
  bob.read();
  const auto seq = bob.seq;
  const std::string key = bob.key;
  bob.say(std::string(kJoin));
  EXPECT_EQ(bob.seq, seq + 1);
  EXPECT_EQ(bob.key, key);
  bob.lose();
  bob.resume(hub());
  bob.lose();
  bob.seq = seq;
  bob.resume(hub());
  EXPECT_THAT(bob.take_news().back(), StartsWith(R"({"type":"joined","room":"team")"));
}

TEST_P(HubResumeTest, ASessionWithoutARoomIsResumed) {
  ResumingClient carol(system);
  carol.join(0, R"({"type":"join","resume":true})");
  carol.take_news();
  carol.lose();
  ann.say(R"({"to":")" + carol.id + R"("})");
  carol.resume(hub());
  EXPECT_THAT(carol.take_news(), ElementsAre(resumed(carol, 0, 1), from(ann, carol, "")));
}

TEST_P(HubResumeTest, OneThatIsNotAskedForLeavesAtOnce) {
  ResumingClient carol(system);
  carol.join(0, R"({"type":"join","room":"team"})");
  EXPECT_THAT(carol.key, IsEmpty());
  carol.lose();
  ann.read();
  EXPECT_EQ(ann.changes.back(), "peer_left");
}

TEST_P(HubResumeTest, ItGoesOnWhileItIsResumed) {
  // Each message that bob gets makes ann send him one more.
  bob.lose();
  for (int i = 0; i < 3; ++i) say_to_bob(R"(,"n":)" + std::to_string(i));
  FakeTransport transport;
  Session session = system.hub(hub()).open_signaling(user(1), transport);
  int next = 3;
  transport.on_send = [&](const Frame&) {
    if (next == 10) return;
    ann.connection->send(R"({"to":")" + bob.id + R"(","n":)" + std::to_string(next++) + "}");
  };
  session.receive(FrameKind::text, R"({"type":"resume","key":")" + bob.key + R"(","seq":)" +
                                       std::to_string(bob.seq) + "}");
  system.settle();
  std::vector<std::string> expected{resumed(bob, bob.seq, 3)};
  for (int i = 0; i < 10; ++i) expected.push_back(from(ann, bob, R"(,"n":)" + std::to_string(i)));
  EXPECT_EQ(transport.texts(), expected);
}

TEST_P(HubResumeTest, AConnectionMayEndWhileItResumes) {
  bob.lose();
  for (int i = 0; i < 3; ++i) say_to_bob("");
  for (std::size_t message = 1; message <= 4; ++message) {
    auto client = std::make_unique<Client>();
    client->session = system.hub(hub()).open_signaling(user(1), client->transport);
    client->transport.on_send = [&](const Frame&) {
      if (client->transport.frames.size() == message) client->session.lose();
    };
    client->send(R"({"type":"resume","key":")" + bob.key + R"(","seq":)" + std::to_string(bob.seq) +
                 "}");
    system.settle();
    EXPECT_FALSE(client->session);
  }
  EXPECT_THAT(ann.changes, IsEmpty());
  auto client = std::make_unique<Client>();
  client->session = system.hub(hub()).open_signaling(user(1), client->transport);
  client->transport.on_send = [&](const Frame&) { client = nullptr; };
  client->send(R"({"type":"resume","key":")" + bob.key + R"(","seq":)" + std::to_string(bob.seq) +
               "}");
  system.settle();
  ann.read();
  EXPECT_THAT(ann.changes, ElementsAre("peer_left"));
}

INSTANTIATE_TEST_SUITE_P(Hubs, HubResumeTest,
                         ::testing::Combine(::testing::Bool(), ::testing::Bool()),
                         [](const auto& test) {
                           return std::string(std::get<0>(test.param) ? "SameHub" : "AnotherHub") +
                                  (std::get<1>(test.param) ? "Late" : "");
                         });

TEST(HubResumeLimitsTest, AHubWithoutAWindowOffersNothing) {
  HubOptions none;
  none.resume_window = 0ms;
  HubSystem system(1, none);
  ResumingClient ann(system);
  ann.join(0);
  EXPECT_THAT(ann.key, IsEmpty());
  ann.lose();
  EXPECT_EQ(system.session_count(), 0u);
}

TEST(HubResumeLimitsTest, OtherSessionsLeaveWhenTheyAreLost) {
  HubSystem system;
  auto voice = system.join_voice(0);
  auto notifications = system.open_notifications(0, 7);
  auto signaling = system.open_signaling(0);
  for (Client* client : {voice.get(), notifications.get(), signaling.get()}) {
    client->session.lose();
    EXPECT_FALSE(client->session);
  }
  EXPECT_EQ(system.session_count(), 0u);
}

TEST(HubResumeLimitsTest, SoManyWait) {
  HubOptions few;
  few.max_waiting_sessions = 2;
  HubSystem system(1, few);
  std::deque<ResumingClient> clients;
  for (int i = 0; i < 3; ++i) {
    clients.emplace_back(system).join(0);
    clients.back().read();
  }
  for (auto& client : clients) client.lose();
  EXPECT_EQ(system.session_count(), 2u);
  clients[0].resume(0);
  clients[0].lose();
  EXPECT_EQ(system.session_count(), 2u);
}

TEST(HubResumeLimitsTest, WhatIsKeptForAllIsBounded) {
  HubOptions small;
  small.max_resume_bytes_of_all = 10'000;
  HubSystem system(1, small);
  std::deque<ResumingClient> clients;
  for (int i = 0; i < 10; ++i) {
    clients.emplace_back(system).join(0, R"({"type":"join","resume":true})");
  }
  const auto fill = [&](ResumingClient& client) {
    client.say(R"({"to":")" + client.id + R"(","text":")" + std::string(3000, 'x') + "\"}");
  };
  for (auto& client : clients) fill(client);  // reads what it sent
  for (auto& client : clients) fill(client);
  std::size_t resumed = 0;
  for (auto& client : clients) {
    client.lose();
    client.seq -= 1;
    client.resume(0);
    const auto last = client.take_news().back();
    if (last == failed("missed_too_much")) {
      client.connection = nullptr;
    } else {
      ++resumed;
    }
  }
  EXPECT_GE(resumed, 1u);
  EXPECT_LE(resumed, 3u);
  clients.clear();
  ResumingClient next(system);  // their room is free again
  next.join(0, R"({"type":"join","resume":true})");
  fill(next);
  next.lose();
  next.seq -= 1;
  next.resume(0);
  EXPECT_NE(next.take_news().back(), failed("missed_too_much"));
}

}  // namespace
}  // namespace voicechan
