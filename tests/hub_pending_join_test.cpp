#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fake_transport.hpp"

// Joins that are answered later: what may happen to a session, its client and those who know it
// meanwhile. That it makes no difference otherwise is shown by the tests of hubs with `kLate`.

namespace voicechan {
namespace {

namespace json = boost::json;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

constexpr std::string_view kLeave = R"({"type":"leave"})";
constexpr std::string_view kSync = R"({"type":"sync","revision":0})";

std::string join_text(std::string_view room, std::string_view rest = "") {
  return R"({"type":"join","room":")" + std::string(room) + '"' + std::string(rest) + "}";
}

HubOptions without_rate() {
  HubOptions options;
  options.signaling_messages_per_second = 0;
  options.room_changes_per_second = 0;
  return options;
}

class HubPendingJoinTest : public ::testing::Test {
 protected:
  ClientPtr open(std::size_t hub = 0, std::int64_t user_id = 1) {
    auto client = std::make_unique<Client>();
    client->session = system.hub(hub).open_signaling(user(user_id), client->transport);
    return client;
  }
  /// One who is in a room.
  ClientPtr join(std::size_t hub, std::string_view room = "team", std::string_view rest = "") {
    auto client = open(hub);
    system.send(*client, join_text(room, rest));
    return client;
  }
  /// One who wants to be.
  ClientPtr ask_to_join(std::size_t hub, std::string_view room = "team",
                        std::string_view rest = "") {
    auto client = open(hub);
    client->send(join_text(room, rest));
    system.tick();
    EXPECT_THAT(client->texts(), IsEmpty());
    return client;
  }

  std::string id_of(const Client& client) {
    for (const auto& text : client.texts()) {
      const auto message = parse_json(text).as_object();
      if (message.at("type") == "joined") return message.at("id").as_string().c_str();
    }
    return {};
  }

  /// What has come since the last call: the types, of errors the codes, of others `n`.
  static std::vector<std::string> take(Client& client) {
    std::vector<std::string> result;
    for (const Frame& frame : std::exchange(client.transport.frames, {})) {
      const auto message = parse_json(frame.bytes()).as_object();
      if (const auto* code = message.if_contains("code")) {
        result.emplace_back(code->as_string().c_str());
      } else if (const auto* status = message.if_contains("status")) {
        result.emplace_back(status->as_string().c_str());
      } else if (const auto* type = message.if_contains("type")) {
        result.emplace_back(type->as_string().c_str());
      } else {
        result.push_back(json::serialize(message.at("n")));
      }
    }
    return result;
  }

  static std::string to(std::string_view id, int n, std::string_view rest = "") {
    return R"({"to":")" + std::string(id) + R"(","n":)" + std::to_string(n) + std::string(rest) +
           "}";
  }

  std::size_t peers_in(std::string_view room) {
    return system.backplane().presence().roster(room_name(room)).peers.size();
  }
  LateBackplane& late() { return system.late(); }
  /// Lets the next one in, which is there to be.
  void admit() { EXPECT_EQ(late().admit(), LateBackplane::Admission::entered); }

  HubSystem system{kLate + std::size_t{2}, without_rate()};
};

TEST_F(HubPendingJoinTest, TheAnswerComesWithTheEntryAndChangesComeBehindIt) {
  const auto ann = join(0);
  const auto bob = ask_to_join(1);
  const auto carol = ask_to_join(1);
  EXPECT_EQ(peers_in("team"), 1u);
  ann->send(R"({"type":"update","data":1})");  // before: is in the roster and not told
  admit();
  ann->send(R"({"type":"update","data":2})");
  admit();
  system.tick();
  EXPECT_THAT(take(*bob), ElementsAre("joined", "peer_updated", "peer_joined"));
  EXPECT_THAT(take(*carol), ElementsAre("joined"));
  EXPECT_THAT(take(*ann),
              ElementsAre("joined", "updated", "peer_joined", "updated", "peer_joined"));
}

TEST_F(HubPendingJoinTest, WhatTheClientSaysIsHandledInOrderBehindTheAnswer) {
  const auto ann = join(0);
  const std::string ann_id = id_of(*ann);
  take(*ann);
  const auto bob = ask_to_join(1);
  bob->send(to(ann_id, 1));
  bob->send(R"({"type":"update","data":{}})");
  bob->send("no JSON");
  bob->send(std::string(kSync));
  bob->session.receive(FrameKind::binary, "x");
  bob->send(to(ann_id, 2));
  bob->send(std::string(kLeave));
  bob->send(join_text("team"));
  system.tick();
  EXPECT_THAT(bob->texts(), IsEmpty());
  admit();
  system.tick();
  EXPECT_THAT(take(*bob), ElementsAre("joined", "bad_message", "synced", "bad_message", "left"));
  EXPECT_THAT(take(*ann),
              UnorderedElementsAre("peer_joined", "peer_updated", "1", "2", "peer_left"));
  bob->send(to(ann_id, 3));  // behind the other join
  system.tick();
  EXPECT_THAT(take(*ann), IsEmpty());
  admit();
  system.tick();
  EXPECT_THAT(take(*bob), ElementsAre("joined"));
  EXPECT_THAT(take(*ann), ElementsAre("peer_joined", "3"));
}

TEST_F(HubPendingJoinTest, JoinsOfOneClientAreAnsweredInOrder) {
  const auto ann = ask_to_join(0, "a");
  ann->send(join_text("b"));
  ann->send(join_text("b"));
  ann->send(join_text("c"));
  EXPECT_EQ(late().waiting_count(), 1u);
  for (const std::string room : {"a", "b", "c"}) {
    EXPECT_EQ(peers_in(room), 0u);
    admit();
    system.tick();
    EXPECT_EQ(ann->session.room(), room);
    EXPECT_EQ(peers_in(room), 1u);
  }
  EXPECT_THAT(take(*ann), ElementsAre("joined", "joined", "joined", "joined"));
  EXPECT_EQ(peers_in("a") + peers_in("b"), 0u);
  EXPECT_THAT(late().told, ElementsAre("enter a", "enter b", "leave a", "enter c", "leave b"));
}

TEST_F(HubPendingJoinTest, OneWhoMovesStaysUntilHeIsInTheOtherRoom) {
  const auto ann = join(0, "a");
  const auto bob = join(1, "a");
  take(*ann);
  take(*bob);
  bob->send(join_text("b"));
  ann->send(R"({"type":"update","data":1})");
  system.tick();
  EXPECT_EQ(bob->session.room(), "a");
  EXPECT_THAT(take(*bob), ElementsAre("peer_updated"));
  EXPECT_THAT(take(*ann), ElementsAre("updated"));
  admit();
  system.tick();
  EXPECT_EQ(bob->session.room(), "b");
  EXPECT_THAT(take(*bob), ElementsAre("joined"));
  EXPECT_THAT(take(*ann), ElementsAre("peer_left"));
}

TEST_F(HubPendingJoinTest, OneWhoIsNotLetInKeepsWhatHeHas) {
  const auto ann = join(0, "a");
  take(*ann);
  ann->send(join_text("b"));
  ann->send(std::string(kSync));
  late().refuse(Errc::room_full);
  system.tick();
  EXPECT_THAT(take(*ann), ElementsAre("room_full", "synced"));
  EXPECT_EQ(ann->session.room(), "a");
  EXPECT_EQ(peers_in("b"), 0u);
}

TEST_F(HubPendingJoinTest, OneWhoEndsWhileTheRefusalIsUnderWayIsJustGone) {
  auto ann = ask_to_join(1);
  late().refuse(Errc::room_full);
  ann = nullptr;
  system.settle();
  EXPECT_EQ(peers_in("team"), 0u);
}

TEST_F(HubPendingJoinTest, AFirstJoinThatIsRefusedLeavesNoId) {
  const auto bob = ask_to_join(1);
  const std::string bob_id(late().waiting_peer().str());
  const auto ann = join(0, "other");  // bob's place is taken first
  take(*ann);
  take(*bob);
  EXPECT_EQ(bob->session.room(), "team");

  const auto carol = ask_to_join(1);
  const std::string carol_id(late().waiting_peer().str());
  ann->send(to(carol_id, 1, R"(,"msg_id":"m")"));
  ann->send(to(carol_id, 2));
  carol->send(std::string(kSync));
  system.tick();
  EXPECT_THAT(take(*ann), IsEmpty());
  late().refuse(Errc::room_full);
  system.tick();
  EXPECT_THAT(take(*carol), ElementsAre("room_full", "not_joined"));
  EXPECT_THAT(take(*ann), ElementsAre("unknown", "unknown_peer"));
  system.send(*carol, join_text("team"));
  EXPECT_NE(id_of(*carol), carol_id);
}

TEST_F(HubPendingJoinTest, AFullRoomIsFullWhenHeWouldEnter) {
  HubOptions options = without_rate();
  options.max_room_peers = 1;
  HubSystem small(kLate + std::size_t{1}, options);
  auto ann = small.open_signaling(0);
  auto bob = small.open_signaling(0);
  ann->send(join_text("team"));
  bob->send(join_text("team"));
  EXPECT_EQ(small.late().admit(), LateBackplane::Admission::entered);
  EXPECT_EQ(small.late().admit(), LateBackplane::Admission::room_full);
  small.tick();
  EXPECT_THAT(take(*ann), ElementsAre("joined"));
  EXPECT_THAT(take(*bob), ElementsAre("room_full"));
  EXPECT_THAT(small.late().told, ElementsAre("enter team", "enter team"));
}

// A remote peer, or one of another hub, may have heard of the entry before this hub.
TEST_F(HubPendingJoinTest, WhatOthersSendComesBehindTheAnswer) {
  const auto ann = join(0);
  take(*ann);
  const auto bob = ask_to_join(1);
  const std::string bob_id(late().waiting_peer().str());
  ann->send(to(bob_id, 1, R"(,"msg_id":"m")"));
  ann->send(to(bob_id, 2));
  system.tick();
  EXPECT_THAT(take(*ann), IsEmpty());
  EXPECT_THAT(take(*bob), IsEmpty());
  admit();
  system.tick();
  EXPECT_THAT(take(*bob), ElementsAre("joined", "1", "2"));
  EXPECT_THAT(take(*ann), ElementsAre("peer_joined", "delivered"));
}

TEST_F(HubPendingJoinTest, OneWhoEndsBeforeTheEntryDoesNotEnter) {
  for (const bool is_lost : {false, true}) {
    auto ann = ask_to_join(0, "team", R"(,"resume":true)");
    ann->send(join_text("other"));
    if (is_lost) {
      ann->session.lose();
    } else {
      ann->session.leave();
    }
    EXPECT_EQ(late().admit(), LateBackplane::Admission::gone);
    system.settle();
    EXPECT_EQ(peers_in("team"), 0u);
    EXPECT_THAT(ann->texts(), IsEmpty());
    EXPECT_THAT(std::exchange(late().told, {}), ElementsAre("enter team", "leave team"));
  }
  EXPECT_EQ(system.session_count(), 0u);
}

TEST_F(HubPendingJoinTest, OneWhoEndsWhileTheAnswerIsUnderWayHasLeft) {
  const auto ann = join(0);
  take(*ann);
  auto bob = ask_to_join(1);
  admit();
  bob = nullptr;
  system.settle();
  EXPECT_EQ(peers_in("team"), 1u);
  EXPECT_THAT(take(*ann), ElementsAre("peer_joined", "peer_left"));
  EXPECT_THAT(late().told, ElementsAre("enter team", "enter team", "leave team"));
}

TEST_F(HubPendingJoinTest, OneWhoEndsIsNotLeftInTheRoomThatHeWasLeaving) {
  const auto ann = join(0, "a");
  ann->send(join_text("b"));
  ann->session.leave();
  system.settle();
  EXPECT_EQ(peers_in("a") + peers_in("b"), 0u);
}

TEST_F(HubPendingJoinTest, ThoseWhoWroteToOneWhoEndsAreTold) {
  const auto ann = join(0);
  take(*ann);
  auto bob = ask_to_join(1);
  const std::string bob_id(late().waiting_peer().str());
  ann->send(to(bob_id, 1, R"(,"msg_id":"m")"));
  ann->send(to(bob_id, 2));
  system.tick();
  bob = nullptr;
  system.tick();
  EXPECT_THAT(take(*ann), ElementsAre("gone", "unknown_peer"));
}

TEST_F(HubPendingJoinTest, AHubThatEndsLeavesNobody) {
  const auto ann = join(0);
  take(*ann);
  auto bob = ask_to_join(1);
  auto carol = ask_to_join(1);
  admit();
  system.owned_hub(1) = nullptr;
  EXPECT_EQ(late().admit(), LateBackplane::Admission::gone);
  system.settle();
  EXPECT_EQ(peers_in("team"), 1u);
  EXPECT_THAT(take(*ann), ElementsAre("peer_joined", "peer_left"));
}

TEST_F(HubPendingJoinTest, ASessionThatWaitsToBeResumedEntersMeanwhile) {
  for (const std::size_t hub : {0, 1}) {
    const auto bob = join(1, "team");
    auto ann = open(0, 7);
    system.send(*ann, join_text("a", R"(,"resume":true)"));
    const auto joined = parse_json(ann->texts().at(0)).as_object();
    const std::string key = joined.at("resume").at("key").as_string().c_str();
    ann->send(join_text("team"));
    ann->send(to(id_of(*bob), 1));
    ann->session.lose();
    take(*bob);
    admit();
    system.tick();
    EXPECT_THAT(take(*bob), ElementsAre("peer_joined", "1"));
    ann = open(hub, 7);
    system.send(*ann, R"({"type":"resume","key":")" + key + R"(","seq":0})");
    EXPECT_THAT(take(*ann), ElementsAre("resumed", "joined"));
    ann->session.leave();
    system.settle();
    EXPECT_EQ(peers_in("team"), 1u);
  }
}

TEST_F(HubPendingJoinTest, ASessionIsResumedWhileItWaitsToEnter) {
  for (const std::size_t hub : {0, 1}) {
    auto ann = open(0, 7);
    system.send(*ann, join_text("a", R"(,"resume":true)"));
    const auto joined = parse_json(ann->texts().at(0)).as_object();
    const std::string key = joined.at("resume").at("key").as_string().c_str();
    ann->send(join_text("team"));
    ann->send(std::string(kSync));
    ann->session.lose();
    ann = open(hub, 7);
    ann->send(R"({"type":"resume","key":")" + key + R"(","seq":0})");
    system.tick();
    ann->send(std::string(kLeave));
    system.tick();
    EXPECT_THAT(take(*ann), ElementsAre("resumed"));
    admit();
    system.tick();
    EXPECT_THAT(take(*ann), ElementsAre("joined", "synced", "left"));
    ann->session.leave();
    system.settle();
    EXPECT_EQ(peers_in("team") + peers_in("a"), 0u);
  }
}

TEST_F(HubPendingJoinTest, AResumeThatFailsTakesThePendingOneOut) {
  auto ann = open(0, 7);
  system.send(*ann, join_text("a", R"(,"resume":true)"));
  const auto joined = parse_json(ann->texts().at(0)).as_object();
  const std::string key = joined.at("resume").at("key").as_string().c_str();
  ann->send(join_text("team"));
  ann->session.lose();
  ann = open(0, 7);
  ann->send(R"({"type":"resume","key":")" + key + R"(","seq":99})");
  EXPECT_EQ(late().admit(), LateBackplane::Admission::gone);
  system.settle();
  EXPECT_THAT(take(*ann), ElementsAre("resume_failed"));
  EXPECT_EQ(peers_in("team") + peers_in("a"), 0u);
}

// A client that says all at once: the join is refused, and it goes on with its old session.
TEST_F(HubPendingJoinTest, WhatIsSaidBehindAResumeIsForTheResumedSession) {
  for (const std::size_t hub : {0, 1}) {
    auto ann = open(0, 7);
    system.send(*ann, join_text("a", R"(,"resume":true)"));
    const auto joined = parse_json(ann->texts().at(0)).as_object();
    const std::string key = joined.at("resume").at("key").as_string().c_str();
    ann->session.lose();
    ann = open(hub, 7);
    ann->send(join_text("team"));
    ann->send(R"({"type":"resume","key":")" + key + R"(","seq":0})");
    ann->send(std::string(kSync));
    ann->send(join_text("b"));
    ann->send(std::string(kLeave));
    late().refuse(Errc::room_full);
    system.tick();
    EXPECT_THAT(take(*ann), ElementsAre("room_full", "resumed", "synced"));
    admit();
    system.tick();
    EXPECT_THAT(take(*ann), ElementsAre("joined", "left"));
    ann->session.leave();
    system.settle();
  }
  EXPECT_EQ(system.session_count(), 0u);
}

TEST_F(HubPendingJoinTest, NoMoreIsKeptThanThereIsRoomFor) {
  const auto bob = join(1);
  const std::string bob_id = id_of(*bob);
  const auto ann = ask_to_join(0);
  const std::string ann_id(late().waiting_peer().str());
  take(*bob);
  for (int i = 0; i < 257; ++i) ann->send(to(bob_id, i));
  for (int i = 0; i < 257; ++i) bob->send(to(ann_id, i));
  system.tick();
  EXPECT_THAT(take(*ann), ElementsAre("rate_limited"));
  EXPECT_THAT(take(*bob), ElementsAre("peer_busy"));
  admit();
  system.tick();
  EXPECT_THAT(take(*ann), SizeIs(1 + 256));
  EXPECT_THAT(take(*bob), SizeIs(1 + 256));

  ann->send(join_text("other"));
  const std::string large(200'000, 'x');
  for (int i = 0; i < 2; ++i) ann->send(to(bob_id, i, R"(,"x":")" + large + "\""));
  system.tick();
  EXPECT_THAT(take(*ann), ElementsAre("rate_limited"));
  admit();
  system.tick();
  EXPECT_THAT(take(*ann), ElementsAre("joined"));
  EXPECT_THAT(take(*bob), ElementsAre("peer_left", "0"));
}

TEST_F(HubPendingJoinTest, MessagesCountWhenTheyCome) {
  HubOptions options;
  options.signaling_messages_per_second = 1;
  options.signaling_burst = 3;
  HubSystem slow(kLate + std::size_t{1}, options);
  const auto ann = slow.open_signaling(0);
  ann->send(join_text("team"));
  for (int i = 0; i < 3; ++i) ann->send(std::string(kSync));
  EXPECT_THAT(take(*ann), ElementsAre("rate_limited"));
  slow.settle();
  EXPECT_THAT(take(*ann), ElementsAre("joined", "synced", "synced"));
}

TEST_F(HubPendingJoinTest, ATransportMayEndTheSessionAtAnyMessage) {
  for (int end_at = 1; end_at <= 4; ++end_at) {
    const auto bob = join(1);
    auto ann = ask_to_join(0, "team", R"(,"resume":true)");
    const std::string ann_id(late().waiting_peer().str());
    bob->send(to(ann_id, 1));
    ann->send(std::string(kSync));
    ann->send(join_text("other"));
    ann->send(std::string(kSync));
    system.tick();
    int count = 0;
    ann->transport.on_send = [&](const Frame&) {
      if (++count == end_at) ann = nullptr;
    };
    system.settle();
    EXPECT_EQ(ann, nullptr);
    EXPECT_EQ(count, end_at);
    EXPECT_EQ(peers_in("team"), 1u);
    EXPECT_EQ(peers_in("other"), 0u);
  }
}

TEST_F(HubPendingJoinTest, WhatATransportSaysMeanwhileComesBehindWhatWasKept) {
  const auto bob = join(1);
  const std::string bob_id = id_of(*bob);
  take(*bob);
  const auto ann = ask_to_join(0);
  ann->send(to(bob_id, 1));
  ann->transport.on_send = [&](const Frame&) { ann->send(to(bob_id, 2)); };
  admit();
  system.tick();
  EXPECT_THAT(take(*bob), ElementsAre("peer_joined", "1", "2"));
}

}  // namespace
}  // namespace voicechan
