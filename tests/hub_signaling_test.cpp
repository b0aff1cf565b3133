#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "fake_transport.hpp"

// Signaling: join, routing, and every refusal; on one hub and across several.

namespace voicechan {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const std::string kJoin = R"({"type":"join"})";

std::string message_to(std::string_view id, std::string_view rest = R"("type":"offer")") {
  return R"({"to":")" + std::string(id) + "\"," + std::string(rest) + "}";
}

/// Takes the only frame that `client` got; checks that it is an error reply and returns its code.
std::string take_error(Client& client, std::string_view expected_to = {}) {
  EXPECT_EQ(client.transport.frames.size(), 1u);
  if (client.transport.frames.empty()) return "silence";
  const Frame frame = client.transport.frames.front();
  client.transport.frames.clear();
  EXPECT_EQ(frame.kind(), FrameKind::text);
  EXPECT_EQ(frame.frame_class(), FrameClass::control);
  const auto reply = parse_json(frame.bytes()).as_object();
  EXPECT_EQ(reply.at("type").as_string(), "error");
  EXPECT_FALSE(reply.at("detail").as_string().empty());
  EXPECT_EQ(reply.contains("to"), !expected_to.empty()) << frame.bytes();
  if (!expected_to.empty()) {
    EXPECT_EQ(std::string(reply.at("to").as_string()), expected_to);
  }
  return reply.at("code").as_string().c_str();
}

class HubSignalingTest : public HubSystemTest {
 protected:
  std::pair<ClientPtr, std::string> join(std::size_t hub) { return system.join_signaling(hub); }
};

TEST_P(HubSignalingTest, JoinIsAnsweredWithAnId) {
  const auto client = system.open_signaling(0);
  system.send(*client, kJoin);
  ASSERT_EQ(client->texts().size(), 1u);
  const auto reply = parse_json(client->texts()[0]).as_object();
  EXPECT_EQ(reply.size(), 2u);
  EXPECT_EQ(reply.at("type").as_string(), "joined");
  EXPECT_EQ(reply.at("id").as_string().size(), PeerId::kLength);
  EXPECT_EQ(client->transport.frames[0].kind(), FrameKind::text);
}

TEST_P(HubSignalingTest, JoinIsAnsweredBeforeTheCallReturns) {
  const auto client = system.open_signaling(0);
  client->send(kJoin);
  EXPECT_EQ(client->texts().size(), 1u);
}

TEST_P(HubSignalingTest, JoinMayHaveOtherMembersAndSpelling) {
  const auto client = system.open_signaling(0);
  system.send(*client, " {\"room\":{\"a\":1}, \"t\\u0079pe\" : \"j\\u006Fin\"}\n");
  ASSERT_EQ(client->texts().size(), 1u);
  EXPECT_EQ(parse_json(client->texts()[0]).at("type").as_string(), "joined");
}

TEST_P(HubSignalingTest, JoinMayHaveANullTo) {
  const auto client = system.open_signaling(0);
  system.send(*client, R"({"type":"join","to":null})");
  ASSERT_EQ(client->texts().size(), 1u);
  EXPECT_EQ(parse_json(client->texts()[0]).at("type").as_string(), "joined");
}

TEST_P(HubSignalingTest, JoiningTwiceGivesTheSameId) {
  const auto [client, id] = join(1);
  system.send(*client, kJoin);
  ASSERT_EQ(client->texts().size(), 1u);
  EXPECT_EQ(parse_json(client->texts()[0]).at("id").as_string(), id.c_str());
}

TEST_P(HubSignalingTest, EveryPeerHasAnIdOfItsOwn) {
  std::set<std::string> ids;
  std::vector<ClientPtr> clients;
  for (std::size_t i = 0; i < 300; ++i) {
    auto [client, id] = join(i);
    EXPECT_TRUE(ids.insert(id).second);
    clients.push_back(std::move(client));
  }
}

TEST_P(HubSignalingTest, NewConnectionGetsANewId) {
  auto [client, id] = join(0);
  client.reset();
  EXPECT_NE(join(0).second, id);
}

TEST_P(HubSignalingTest, MessageArrivesWithFromAndNothingElseChanged) {
  const auto [alice, alice_id] = join(0);
  const auto [bob, bob_id] = join(1);
  const std::string rest =
      R"("type":"offer","sdp":"v=0\r\no=\u2028 🎙","n":[1.10,1E5,-0,12345678901234567890123])";
  system.send(*alice, message_to(bob_id, rest));
  EXPECT_THAT(bob->texts(),
              ElementsAre(R"({"from":")" + alice_id + R"(","to":")" + bob_id + "\"," + rest + "}"));
  EXPECT_THAT(alice->texts(), IsEmpty());
}

TEST_P(HubSignalingTest, MessageIsForwardedAsControlText) {
  const auto [alice, alice_id] = join(0);
  const auto [bob, bob_id] = join(1);
  system.send(*alice, message_to(bob_id));
  ASSERT_EQ(bob->transport.frames.size(), 1u);
  EXPECT_EQ(bob->transport.frames[0].kind(), FrameKind::text);
  EXPECT_EQ(bob->transport.frames[0].frame_class(), FrameClass::control);
}

TEST_P(HubSignalingTest, OnlyTheAddresseeGetsIt) {
  const auto [alice, alice_id] = join(0);
  const auto [bob, bob_id] = join(1);
  const auto [carol, carol_id] = join(1);
  const auto voice = system.join_voice(1);
  system.send(*alice, message_to(bob_id));
  EXPECT_EQ(bob->texts().size(), 1u);
  EXPECT_THAT(carol->texts(), IsEmpty());
  EXPECT_THAT(voice->texts(), IsEmpty());
}

TEST_P(HubSignalingTest, FromOfTheSenderIsReplaced) {
  const auto [alice, alice_id] = join(0);
  const auto [bob, bob_id] = join(1);
  system.send(*alice, message_to(bob_id, R"("from":")" + bob_id + R"(","fr\u006fm":1)"));
  ASSERT_EQ(bob->texts().size(), 1u);
  EXPECT_EQ(bob->texts()[0], R"({"from":")" + alice_id + R"(","to":")" + bob_id + R"("})");
}

TEST_P(HubSignalingTest, AnyTypeIsForwarded) {
  const auto [alice, alice_id] = join(0);
  const auto [bob, bob_id] = join(1);
  for (const char* rest :
       {R"("type":"join")", R"("type":5)", R"("type":null)", R"("a":1)", R"("type":"error")"}) {
    system.send(*alice, message_to(bob_id, rest));
  }
  EXPECT_EQ(bob->texts().size(), 5u);
  EXPECT_THAT(alice->texts(), IsEmpty());
}

TEST_P(HubSignalingTest, PeersAnswerEachOther) {
  const auto [alice, alice_id] = join(0);
  const auto [bob, bob_id] = join(1);
  system.send(*alice, message_to(bob_id));
  const std::string from = parse_json(bob->texts().at(0)).at("from").as_string().c_str();
  system.send(*bob, message_to(from, R"("type":"answer")"));
  ASSERT_EQ(alice->texts().size(), 1u);
  EXPECT_EQ(parse_json(alice->texts()[0]).at("from").as_string(), bob_id.c_str());
}

TEST_P(HubSignalingTest, MessageToOneselfArrives) {
  const auto [alice, id] = join(1);
  system.send(*alice, message_to(id));
  ASSERT_EQ(alice->texts().size(), 1u);
  EXPECT_EQ(parse_json(alice->texts()[0]).at("from").as_string(), id.c_str());
}

TEST_P(HubSignalingTest, OrderBetweenTwoPeersIsKept) {
  const auto [alice, alice_id] = join(0);
  const auto [bob, bob_id] = join(1);
  for (int i = 0; i < 100; ++i) {
    alice->send(message_to(bob_id, R"("n":)" + std::to_string(i)));
    if (i % 7 == 0) system.settle();
  }
  system.settle();
  ASSERT_EQ(bob->texts().size(), 100u);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(parse_json(bob->texts()[static_cast<std::size_t>(i)]).at("n").as_int64(), i);
  }
}

TEST_P(HubSignalingTest, IdGoesWithItsConnection) {
  const auto [alice, alice_id] = join(0);
  auto [bob, bob_id] = join(1);
  bob.reset();
  system.send(*alice, message_to(bob_id));
  EXPECT_EQ(take_error(*alice, bob_id), "unknown_peer");
}

TEST_P(HubSignalingTest, UnknownIdsAreRefused) {
  const auto [alice, alice_id] = join(0);
  std::string one_off = alice_id;
  one_off.back() = one_off.back() == 'A' ? 'B' : 'A';
  std::string other_node = alice_id;
  other_node.front() = other_node.front() == 'A' ? 'B' : 'A';
  for (const std::string& id :
       {std::string("bob"), one_off, other_node, alice_id + "A", alice_id.substr(1),
        std::string(32, 'A'), std::string(32, '_'), std::string("\xD0\x91\xD0\xBE\xD0\xB1")}) {
    system.send(*alice, message_to(id));
    EXPECT_EQ(take_error(*alice, id), "unknown_peer") << id;
  }
}

TEST_P(HubSignalingTest, EmptyIdIsUnknownAndQuotedBack) {
  const auto [alice, alice_id] = join(0);
  system.send(*alice, message_to(""));
  ASSERT_EQ(alice->texts().size(), 1u);
  const auto reply = parse_json(alice->texts()[0]);
  EXPECT_EQ(reply.at("code").as_string(), "unknown_peer");
  EXPECT_EQ(reply.at("to").as_string(), "");
}

TEST(HubsSignalingTest, PeerOfAHubThatHasGoneIsUnknown) {
  HubSystem system(2);
  const auto [alice, alice_id] = system.join_signaling(0);
  const auto [bob, bob_id] = system.join_signaling(1);
  system.owned_hub(1).reset();
  system.send(*alice, message_to(bob_id));
  EXPECT_EQ(take_error(*alice, bob_id), "unknown_peer");
}

TEST_P(HubSignalingTest, ConnectionWithoutJoinCannotBeReached) {
  const auto [alice, alice_id] = join(0);
  const auto silent = system.open_signaling(1);
  system.send(*alice, message_to("bob"));
  EXPECT_THAT(silent->texts(), IsEmpty());
}

TEST_P(HubSignalingTest, CongestedPeerIsBusy) {
  const auto [alice, alice_id] = join(0);
  const auto [bob, bob_id] = join(1);
  bob->transport.congested = true;
  system.send(*alice, message_to(bob_id));
  EXPECT_EQ(take_error(*alice, bob_id), "peer_busy");
  EXPECT_THAT(bob->texts(), IsEmpty());
}

TEST_P(HubSignalingTest, PeerIsReachedAgainOnceItsCongestionEnds) {
  const auto [alice, alice_id] = join(0);
  const auto [bob, bob_id] = join(1);
  bob->transport.congested = true;
  system.send(*alice, message_to(bob_id));
  EXPECT_EQ(take_error(*alice, bob_id), "peer_busy");
  bob->transport.congested = false;
  system.send(*alice, message_to(bob_id));
  EXPECT_EQ(bob->texts().size(), 1u);
}

TEST_P(HubSignalingTest, CongestedSenderIsAnsweredAllTheSame) {
  const auto [alice, alice_id] = join(0);
  alice->transport.congested = true;
  system.send(*alice, message_to("bob"));
  EXPECT_EQ(take_error(*alice, "bob"), "unknown_peer");
}

TEST_P(HubSignalingTest, AnythingBeforeJoinIsRefused) {
  const auto [bob, bob_id] = join(1);
  const auto alice = system.open_signaling(0);
  system.send(*alice, message_to(bob_id));
  EXPECT_EQ(take_error(*alice, bob_id), "not_joined");
  for (const char* text : {"{}", R"({"type":"offer"})", R"({"type":"JOIN"})", R"({"type":5})",
                           R"({"to":5})", R"({"a":{"type":"join"}})"}) {
    system.send(*alice, text);
    EXPECT_EQ(take_error(*alice), "not_joined") << text;
  }
  EXPECT_THAT(bob->texts(), IsEmpty());
}

TEST_P(HubSignalingTest, WhatIsNoJsonObjectIsBadEvenBeforeJoin) {
  const auto alice = system.open_signaling(0);
  for (const char* text :
       {"", "hello", "[]", "5", "null", "{", R"({"type":"join"}x)", "{\"\xFF\":1}"}) {
    system.send(*alice, text);
    EXPECT_EQ(take_error(*alice), "bad_message") << text;
  }
}

TEST_P(HubSignalingTest, BinaryFrameIsBadWhateverItHolds) {
  const auto alice = system.open_signaling(0);
  alice->session.receive(FrameKind::binary, kJoin);
  system.settle();
  EXPECT_EQ(take_error(*alice), "bad_message");
}

TEST_P(HubSignalingTest, MessageWithoutUsableToIsBad) {
  const auto [alice, alice_id] = join(0);
  for (const char* text : {"{}", R"({"type":"offer"})", R"({"to":5})", R"({"to":null})",
                           R"({"to":["x"],"type":"join"})", R"({"to":"\ud800"})"}) {
    system.send(*alice, text);
    EXPECT_EQ(take_error(*alice), "bad_message") << text;
  }
}

TEST_P(HubSignalingTest, ConnectionWorksOnAfterErrors) {
  const auto [alice, alice_id] = join(0);
  const auto [bob, bob_id] = join(1);
  system.send(*alice, "hello");
  system.send(*alice, message_to("nobody"));
  alice->transport.frames.clear();
  system.send(*alice, message_to(bob_id));
  EXPECT_EQ(bob->texts().size(), 1u);
  EXPECT_THAT(alice->texts(), IsEmpty());
}

TEST_P(HubSignalingTest, MessageTheHostDidNotBufferIsTooLarge) {
  const auto alice = system.open_signaling(0);
  alice->session.refuse(Errc::too_large);
  EXPECT_EQ(take_error(*alice), "too_large");
}

TEST_P(HubSignalingTest, SenderWhoHasGoneMissesHisAnswerWithoutHarm) {
  auto [alice, alice_id] = join(0);
  const auto [bob, bob_id] = join(1);
  bob->transport.congested = true;
  alice->send(message_to(bob_id));
  alice.reset();
  system.settle();
  EXPECT_EQ(system.session_count(), 1u);
}

TEST_P(HubSignalingTest, ManyMessagesAreAllAnsweredOrDelivered) {
  const auto [alice, alice_id] = join(0);
  auto [bob, bob_id] = join(1);
  const auto [carol, carol_id] = join(2);
  for (int i = 0; i < 300; ++i) {
    alice->send(message_to(i % 3 == 0 ? bob_id : i % 3 == 1 ? carol_id : "nobody"));
    if (i == 150) bob.reset();
    if (i % 11 == 0) system.settle();
  }
  system.settle();
  EXPECT_EQ(carol->texts().size(), 100u);
  EXPECT_GE(alice->texts().size(), 100u + 49u);
}

INSTANTIATE_TEST_SUITE_P(Hubs, HubSignalingTest, ::testing::Values(1, 2, 3, kLate + 1, kLate + 3),
                         hub_count_name);

class HubLimitsTest : public ::testing::Test {
 protected:
  static HubOptions options() {
    HubOptions options;
    options.max_signaling_bytes = 100;
    options.max_json_depth = 3;
    options.signaling_messages_per_second = 2;
    options.signaling_burst = 4;
    return options;
  }

  HubSystem system{1, options()};
};

TEST_F(HubLimitsTest, MessageOfTheGreatestSizeIsTaken) {
  const auto alice = system.open_signaling(0);
  system.send(*alice, kJoin + std::string(100 - kJoin.size(), ' '));
  EXPECT_EQ(parse_json(alice->texts().at(0)).at("type").as_string(), "joined");
}

TEST_F(HubLimitsTest, LongerMessageIsTooLargeWhateverItIs) {
  const auto alice = system.open_signaling(0);
  system.send(*alice, std::string(101, 'x'));
  EXPECT_EQ(take_error(*alice), "too_large");
  alice->session.receive(FrameKind::binary, std::string(101, 'x'));
  EXPECT_EQ(take_error(*alice), "too_large");
}

TEST_F(HubLimitsTest, DeeperMessageIsBad) {
  const auto alice = system.open_signaling(0);
  system.send(*alice, R"({"type":"join","a":[[]]})");
  EXPECT_EQ(parse_json(alice->texts().at(0)).at("type").as_string(), "joined");
  alice->transport.frames.clear();
  system.send(*alice, R"({"type":"join","a":[[[]]]})");
  EXPECT_EQ(take_error(*alice), "bad_message");
}

TEST_F(HubLimitsTest, MessagesBeyondTheBurstAreLimitedWhateverTheyAre) {
  const auto alice = system.open_signaling(0);
  for (int i = 0; i < 4; ++i) system.send(*alice, "no json");
  alice->transport.frames.clear();
  for (const std::string& text : {kJoin, std::string("x"), std::string(1000, 'x')}) {
    system.send(*alice, text);
    EXPECT_EQ(take_error(*alice), "rate_limited");
  }
}

TEST_F(HubLimitsTest, LimitedMessageIsNotProcessed) {
  const auto [alice, id] = system.join_signaling(0);
  for (int i = 0; i < 3; ++i) alice->send("x");
  alice->transport.frames.clear();
  alice->send(message_to(id));
  EXPECT_EQ(take_error(*alice), "rate_limited");
}

TEST_F(HubLimitsTest, SessionMaySendAgainAfterAWhile) {
  const auto alice = system.open_signaling(0);
  for (int i = 0; i < 4; ++i) alice->send("x");
  system.advance(std::chrono::milliseconds(499));
  alice->transport.frames.clear();
  alice->send("x");
  EXPECT_EQ(take_error(*alice), "rate_limited");
  system.advance(std::chrono::milliseconds(1));
  alice->send("x");
  EXPECT_EQ(take_error(*alice), "bad_message");
  alice->send("x");
  EXPECT_EQ(take_error(*alice), "rate_limited");
}

TEST_F(HubLimitsTest, OneSessionDoesNotUseUpTheRateOfAnother) {
  const auto alice = system.open_signaling(0);
  const auto bob = system.open_signaling(0);
  for (int i = 0; i < 100; ++i) alice->send("x");
  bob->send("x");
  EXPECT_EQ(take_error(*bob), "bad_message");
}

TEST_F(HubLimitsTest, VoiceAndReceivingAreNotLimited) {
  const auto alice = system.join_voice(0);
  const auto bob = system.join_voice(0);
  for (int i = 0; i < 100; ++i) alice->send(std::string(1000, 'x'));
  EXPECT_EQ(bob->texts().size(), 100u);
}

TEST(HubOptionsTest, RateOfZeroIsNoLimit) {
  HubOptions options;
  options.signaling_messages_per_second = 0;
  options.signaling_burst = 0;
  HubSystem system(1, options);
  const auto [alice, id] = system.join_signaling(0);
  for (int i = 0; i < 1000; ++i) alice->send(message_to(id));
  EXPECT_EQ(parse_json(alice->texts().back()).at("type").as_string(), "offer");
}

}  // namespace
}  // namespace voicechan
