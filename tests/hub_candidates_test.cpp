#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "candidate_hold.hpp"
#include "fake_transport.hpp"

// Candidates in a room wait for the offer or answer that they belong to.

namespace voicechan {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

struct Peer {
  ClientPtr client;
  std::string id;
};

class HubCandidatesTest : public HubSystemTest {
 protected:
  Peer join(std::size_t hub, std::string_view text = R"({"type":"join","room":"team"})") {
    Peer peer{system.open_signaling(hub), {}};
    system.send(*peer.client, std::string(text));
    peer.id = parse_json(peer.client->texts().at(0)).at("id").as_string().c_str();
    ann_gets();
    peer.client->transport.frames.clear();
    return peer;
  }

  static std::string message(std::string_view type, int number, const std::string& to) {
    return R"({"type":")" + std::string(type) + R"(","to":")" + to + R"(","msg_id":)" +
           std::to_string(number) + "}";
  }
  void send(std::string_view type, int number, const std::string& to) {
    system.send(*ann.client, message(type, number, to));
  }

  /// No other hub has heard of it yet.
  void leave_and_come_again(const Peer& peer) {
    peer.client->send(R"({"type":"leave"})");
    peer.client->send(R"({"type":"join","room":"team"})");
    system.let_in();
  }

  /// The numbers of the messages that a client has got; of receipts with their status.
  static std::vector<std::string> take(Client& client) {
    std::vector<std::string> got;
    for (const auto& text : client.texts()) {
      const auto message = parse_json(text).as_object();
      if (!message.contains("msg_id")) continue;
      got.push_back(std::to_string(message.at("msg_id").as_int64()));
      if (message.at("type") == "receipt") {
        got.back() += std::string(" ") + message.at("status").as_string().c_str();
      }
    }
    client.transport.frames.clear();
    return got;
  }
  std::vector<std::string> ann_gets() {
    return ann.client == nullptr ? std::vector<std::string>() : take(*ann.client);
  }

  Peer ann{};
  void SetUp() override { ann = join(0); }
};

TEST_P(HubCandidatesTest, CandidatesFollowTheOfferOrAnswerInOrder) {
  for (const char* description : {"offer", "answer"}) {
    const Peer bob = join(1);
    send("candidate", 1, bob.id);
    send("candidate", 2, bob.id);
    EXPECT_THAT(bob.client->texts(), IsEmpty());
    EXPECT_THAT(ann_gets(), IsEmpty());
    send(description, 3, bob.id);
    send("candidate", 4, bob.id);
    EXPECT_THAT(take(*bob.client), ElementsAre("3", "1", "2", "4"));
    EXPECT_THAT(ann_gets(),
                ElementsAre("3 delivered", "1 delivered", "2 delivered", "4 delivered"));
  }
}

TEST_P(HubCandidatesTest, CandidatesWaitForTheDescriptionThatTheyBelongTo) {
  const Peer bob = join(1);
  const auto send_with = [&](std::string_view type, int number, const std::string& rest) {
    system.send(*ann.client, R"({"type":")" + std::string(type) + R"(","to":")" + bob.id +
                                 R"(","msg_id":)" + std::to_string(number) + "," + rest + "}");
  };
  send_with("candidate", 1,
            R"("candidate":{"candidate":"candidate:1 1 udp 1 h 9 typ host ufrag a\/1"})");
  send_with("candidate", 2, R"("candidate":{"usernameFragment" : "b2"})");
  send_with("offer", 3, R"("sdp":"v=0\r\na=ice-ufrag:a/1\r\na=ice-pwd:x\r\n")");
  EXPECT_THAT(take(*bob.client), ElementsAre("3", "1"));
  send_with("candidate", 4, R"("candidate":{"usernameFragment":"b2"})");
  send_with("candidate", 5, R"("candidate":{"usernameFragment":null})");
  send_with("candidate", 6, R"("candidate":{"usernameFragment":"a\/1"})");
  EXPECT_THAT(take(*bob.client), ElementsAre("5", "6"));
  // The offer was rolled back, say: the answer is another description.
  send_with("answer", 7, R"("sdp":"a=ice-ufrag:b2\r\na=ice-ufrag:b2\r\n")");
  send_with("candidate", 8, R"("candidate":{"usernameFragment":"a/1"})");
  send_with("candidate", 9, R"("candidate":{"usernameFragment":"b2"})");
  EXPECT_THAT(take(*bob.client), ElementsAre("7", "2", "4", "8", "9"));
}

TEST_P(HubCandidatesTest, ADescriptionThatABusyPeerDidNotGetLetsNothingPass) {
  const Peer bob = join(0);  // on ann's hub, which knows at once what became of it
  send("candidate", 1, bob.id);
  bob.client->transport.congested = true;
  send("offer", 2, bob.id);
  EXPECT_THAT(ann_gets(), ElementsAre("2 busy"));
  bob.client->transport.congested = false;
  send("candidate", 3, bob.id);
  EXPECT_THAT(take(*bob.client), IsEmpty());
  EXPECT_THAT(ann_gets(), IsEmpty());
  send("offer", 4, bob.id);
  EXPECT_THAT(take(*bob.client), ElementsAre("4", "1", "3"));
}

TEST_P(HubCandidatesTest, OtherTypesAndOtherPeersAreNotHeldUp) {
  const Peer bob = join(1);
  const Peer carol = join(2);
  send("candidate", 1, bob.id);
  send("hello", 2, bob.id);
  send("offer", 3, carol.id);
  EXPECT_THAT(take(*bob.client), ElementsAre("2"));
  EXPECT_THAT(take(*carol.client), ElementsAre("3"));
}

TEST_P(HubCandidatesTest, APeerThatLeavesAnswersForWhatWasHeld) {
  Peer bob = join(1);
  send("candidate", 1, bob.id);
  bob.client = nullptr;
  system.settle();
  EXPECT_THAT(ann_gets(), ElementsAre("1 gone"));
  send("candidate", 2, bob.id);
  EXPECT_THAT(ann_gets(), ElementsAre("2 unknown"));
}

// What hub 0 is told of bob's leaving comes when he is there again.
TEST_P(HubCandidatesTest, OneWhoLeftAndCameAgainKeepsWhatHeHasGotSince) {
  const Peer bob = join(1);
  leave_and_come_again(bob);
  ann.client->send(message("offer", 1, bob.id));
  system.settle();
  send("candidate", 2, bob.id);
  EXPECT_THAT(take(*bob.client), ElementsAre("1", "2"));
}

TEST_P(HubCandidatesTest, OneWhoLeftAndCameAgainHasGotNothingBefore) {
  const Peer bob = join(1);
  send("offer", 1, bob.id);
  send("candidate", 2, bob.id);
  EXPECT_THAT(take(*bob.client), ElementsAre("1", "2"));
  ann_gets();
  leave_and_come_again(bob);
  ann.client->send(message("candidate", 3, bob.id));
  system.settle();
  EXPECT_THAT(take(*bob.client), IsEmpty());
  EXPECT_THAT(ann_gets(), IsEmpty());
  send("offer", 4, bob.id);
  EXPECT_THAT(take(*bob.client), ElementsAre("4", "3"));
}

TEST_P(HubCandidatesTest, WhatWasHeldForOneWhoLeftIsNotForHimWhenHeComesAgain) {
  const Peer bob = join(1);
  send("candidate", 1, bob.id);
  leave_and_come_again(bob);
  ann.client->send(message("candidate", 2, bob.id));
  ann.client->send(message("offer", 3, bob.id));
  system.settle();
  EXPECT_THAT(take(*bob.client), ElementsAre("3", "2"));
  EXPECT_THAT(ann_gets(), UnorderedElementsAre("1 gone", "2 delivered", "3 delivered"));
}

TEST_P(HubCandidatesTest, OneWhoGoesToAnotherRoomIsToldOfWhatWasHeld) {
  const Peer bob = join(1);
  send("candidate", 1, bob.id);
  system.send(*ann.client, R"({"type":"join","room":"other"})");
  EXPECT_THAT(ann_gets(), ElementsAre("1 gone"));
  EXPECT_THAT(take(*bob.client), IsEmpty());
}

TEST_P(HubCandidatesTest, WithoutARoomNothingIsHeld) {
  const Peer plain = join(1, R"({"type":"join"})");
  send("candidate", 1, plain.id);
  EXPECT_THAT(take(*plain.client), ElementsAre("1"));
  system.send(*plain.client, R"({"type":"candidate","msg_id":2,"to":")" + ann.id + "\"}");
  EXPECT_THAT(ann_gets(), ElementsAre("1 delivered", "2"));
}

TEST_P(HubCandidatesTest, NoMoreAreHeldThanMayBe) {
  const Peer bob = join(1);
  const int max = CandidateHold::kMaxCandidates;
  for (int i = 0; i <= max; ++i) send("candidate", i, bob.id);
  EXPECT_THAT(ann_gets(), ElementsAre(std::to_string(max) + " busy"));
  send("offer", 1000, bob.id);
  EXPECT_THAT(take(*bob.client), SizeIs(max + 1));
}

TEST_P(HubCandidatesTest, TheirBytesAreBoundedOverAllPeers) {
  const Peer bob = join(1);
  const Peer carol = join(2);
  const std::string half(CandidateHold::kMaxBytes / 2 - 200, 'x');
  const auto send_half = [&](const Peer& to) {
    system.send(*ann.client, R"({"type":"candidate","x":")" + half + R"(","to":")" + to.id + "\"}");
  };
  send_half(bob);
  send_half(carol);
  EXPECT_THAT(ann.client->texts(), IsEmpty());
  send_half(carol);
  ASSERT_THAT(ann.client->texts(), SizeIs(1));
  EXPECT_EQ(parse_json(ann.client->texts()[0]).at("code"), "peer_busy");
  send("offer", 1, bob.id);
  ann.client->transport.frames.clear();
  send_half(carol);
  EXPECT_THAT(ann.client->texts(), IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(Hubs, HubCandidatesTest, ::testing::Values(1, 3, kLate + 1, kLate + 3),
                         hub_count_name);

}  // namespace
}  // namespace voicechan
