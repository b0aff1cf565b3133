#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "backplane_test_hub.hpp"
#include "fake_transport.hpp"

// Signaling rooms: the roster in the answer to a join, and the changes that follow it.

namespace voicechan {
namespace {

namespace json = boost::json;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::string join_text(std::string_view room, std::string_view rest = "") {
  return R"({"type":"join","room":")" + std::string(room) + '"' + std::string(rest) + "}";
}

/// A client's own account of its room, built from what it is sent and from nothing else.
struct Member {
  explicit Member(ClientPtr connection) : client(std::move(connection)) {}

  ClientPtr client;
  std::string id;
  std::uint64_t revision = 0;
  std::map<std::string, std::string> peers;  // data by id
  std::vector<std::string> replies;          // what is no account of the roster
  bool is_gapless = true;

  void read() {
    const auto frames = std::exchange(client->transport.frames, {});
    for (const Frame& frame : frames) read(parse_json(frame.bytes()).as_object());
  }

  void read(const json::object& message) {
    const std::string type = message.at("type").as_string().c_str();
    if (type == "joined") {
      id = message.at("id").as_string().c_str();
      revision = message.at("revision").to_number<std::uint64_t>();
      peers.clear();
      for (const auto& peer : message.at("peers").as_array()) add(peer.as_object());
      return;
    }
    if (type == "error" || type == "synced" || type == "left") {
      replies.push_back(json::serialize(message));
      return;
    }
    const auto next = message.at("revision").to_number<std::uint64_t>();
    is_gapless = is_gapless && next == revision + 1;
    revision = next;
    if (type == "peer_joined") add(message.at("peer").as_object());
    if (type == "peer_updated") {
      peers.at(message.at("id").as_string().c_str()) = json::serialize(message.at("data"));
    }
    if (type == "peer_left") {
      EXPECT_EQ(peers.erase(message.at("id").as_string().c_str()), 1u);
    }
  }

  void add(const json::object& peer) {
    const bool is_new =
        peers.emplace(peer.at("id").as_string().c_str(), json::serialize(peer.at("data"))).second;
    EXPECT_TRUE(is_new) << "joined twice";
  }
};

HubOptions without_rate() {
  HubOptions options;
  options.room_changes_per_second = 0;
  return options;
}

class HubPeerRoomsTest : public ::testing::TestWithParam<int> {
 protected:
  HubSystem system{static_cast<std::size_t>(GetParam()), without_rate()};

  Member join(std::size_t hub, std::string_view room, std::string_view rest = "") {
    Member member{system.open_signaling(hub)};
    system.send(*member.client, join_text(room, rest));
    member.read();
    return member;
  }

  std::string error_of(Client& client, std::string text) {
    client.transport.frames.clear();
    system.send(client, std::move(text));
    if (client.transport.frames.size() != 1) return "no single answer";
    const auto reply = parse_json(client.texts()[0]).as_object();
    client.transport.frames.clear();
    return reply.contains("code") ? reply.at("code").as_string().c_str() : "no error";
  }
};

TEST_P(HubPeerRoomsTest, TheFirstOneGetsAnEmptyRoster) {
  const auto client = system.open_signaling(0);
  system.send(*client, join_text("team", R"(,"data":{"name":"Ann"})"));
  ASSERT_EQ(client->texts().size(), 1u);
  const auto reply = parse_json(client->texts()[0]).as_object();
  EXPECT_EQ(reply.size(), 5u);
  EXPECT_EQ(reply.at("type").as_string(), "joined");
  EXPECT_EQ(reply.at("room").as_string(), "team");
  EXPECT_EQ(reply.at("id").as_string().size(), PeerId::kLength);
  EXPECT_EQ(reply.at("revision"), 1);
  EXPECT_TRUE(reply.at("peers").as_array().empty());
}

TEST_P(HubPeerRoomsTest, ANewcomerSeesWhoIsThereAndTheyAreTold) {
  const auto ann = system.open_signaling(0);
  system.send(*ann, join_text("team", R"(, "data" : {"n":1.50, "s":"\u00e9"})"));
  const std::string ann_id = parse_json(ann->texts()[0]).at("id").as_string().c_str();
  ann->transport.frames.clear();
  const auto bob = system.open_signaling(1);
  system.send(*bob, join_text("team"));
  const std::string bob_id = parse_json(bob->texts()[0]).at("id").as_string().c_str();

  EXPECT_THAT(bob->texts(),
              ElementsAre(R"({"type":"joined","room":"team","revision":2,"id":")" + bob_id +
                          R"(","peers":[{"id":")" + ann_id +
                          R"(","user_id":1,"username":"user1","data":{"n":1.50, "s":"\u00e9"},)"
                          R"("polite":true}]})"));
  EXPECT_THAT(
      ann->texts(),
      ElementsAre(R"({"type":"peer_joined","room":"team","revision":2,"peer":{"id":")" + bob_id +
                  R"(","user_id":1,"username":"user1","data":null,"polite":false}})"));
}

TEST_P(HubPeerRoomsTest, LeavingIsToldOnceHoweverItHappens) {
  for (const bool by_message : {false, true}) {
    auto ann = join(0, "team");
    auto bob = join(1, "team");
    ann.read();
    if (by_message) {
      system.send(*bob.client, R"({"type":"leave"})");
      bob.read();
      EXPECT_THAT(bob.replies, ElementsAre(R"({"type":"left","room":"team"})"));
    } else {
      bob.client->session.leave();
      system.settle();
    }
    EXPECT_THAT(ann.client->texts(),
                ElementsAre(R"({"type":"peer_left","room":"team","revision":)" +
                            std::to_string(ann.revision + 1) + R"(,"id":")" + bob.id + "\"}"));
    bob.client = nullptr;
    system.settle();
    EXPECT_EQ(ann.client->transport.frames.size(), 1u);
  }
}

TEST_P(HubPeerRoomsTest, AnUpdateIsToldToOthersAndConfirmedInOrder) {
  auto ann = join(0, "team");
  auto bob = join(1, "team");
  ann.read();
  system.send(*bob.client, R"({"type":"update","data":{"muted":true}})");
  EXPECT_THAT(ann.client->texts(),
              ElementsAre(R"({"type":"peer_updated","room":"team","revision":3,"id":")" + bob.id +
                          R"(","data":{"muted":true}})"));
  EXPECT_THAT(bob.client->texts(), ElementsAre(R"({"type":"updated","room":"team","revision":3})"));
  ann.read();
  const auto carol = join(0, "team");
  EXPECT_EQ(carol.peers.at(bob.id), R"({"muted":true})");
}

TEST_P(HubPeerRoomsTest, RoomsAreApart) {
  auto ann = join(0, "team");
  const auto bob = join(1, "other");
  EXPECT_TRUE(bob.peers.empty());
  EXPECT_THAT(ann.client->texts(), IsEmpty());
  const auto plain = system.join_signaling(1);
  EXPECT_THAT(ann.client->texts(), IsEmpty());
}

TEST_P(HubPeerRoomsTest, JoiningAnotherRoomMovesAPeerAndItKeepsItsId) {
  auto ann = join(0, "team");
  auto bob = join(1, "team");
  ann.read();
  const std::string id = bob.id;
  system.send(*bob.client, join_text("other"));
  bob.read();
  EXPECT_EQ(bob.id, id);
  EXPECT_TRUE(bob.peers.empty());
  ann.read();
  EXPECT_TRUE(ann.peers.empty());
}

TEST_P(HubPeerRoomsTest, JoiningTheSameRoomAgainShowsTheRosterAndKeepsThePlace) {
  auto ann = join(0, "team");
  auto bob = join(1, "team", R"(,"data":1)");
  ann.read();
  system.send(*ann.client, join_text("team", R"(,"data":2)"));
  bob.read();
  EXPECT_EQ(bob.peers.at(ann.id), "2");
  EXPECT_TRUE(bob.is_gapless);
  ASSERT_EQ(ann.client->texts().size(), 1u);  // confirms the update, too
  const auto reply = parse_json(ann.client->texts()[0]).as_object();
  EXPECT_EQ(reply.at("revision"), 3);
  // Who came first stays the impolite one.
  EXPECT_FALSE(reply.at("peers").as_array().at(0).at("polite").as_bool());
}

TEST_P(HubPeerRoomsTest, ThePolitenessOfEachPairIsSeenAlikeByBoth) {
  std::vector<Member> members;
  for (std::size_t i = 0; i < 5; ++i) members.push_back(join(i, "team"));
  std::map<std::pair<std::string, std::string>, bool> is_polite;  // by reader and peer
  for (Member& member : members) {
    system.send(*member.client, R"({"type":"sync","revision":999})");  // answered in full
    const auto reply = parse_json(member.client->texts().back());
    for (const auto& peer : reply.at("peers").as_array()) {
      is_polite[{member.id, peer.at("id").as_string().c_str()}] = peer.at("polite").as_bool();
    }
  }
  EXPECT_EQ(is_polite.size(), 20u);
  for (const auto& [pair, polite] : is_polite) {
    EXPECT_NE(polite, is_polite.at({pair.second, pair.first}));
  }
}

TEST_P(HubPeerRoomsTest, SyncSaysSameOrWhatChanged) {
  auto ann = join(0, "team");
  auto bob = join(1, "team");
  ann.read();
  system.send(*ann.client, R"({"type":"sync","revision":2})");
  ann.read();
  EXPECT_THAT(ann.replies,
              ElementsAre(R"({"type":"synced","room":"team","revision":2,"same":true})"));
  ann.replies.clear();
  bob.client = nullptr;
  system.settle();
  system.send(*ann.client, R"({"type":"sync","revision":1})");
  ann.read();
  ASSERT_EQ(ann.replies.size(), 1u);
  const auto reply = parse_json(ann.replies[0]).as_object();
  EXPECT_EQ(reply.at("revision"), 3);
  EXPECT_FALSE(reply.at("same").as_bool());
  const auto& changes = reply.at("changes").as_array();
  ASSERT_EQ(changes.size(), 2u);
  EXPECT_EQ(changes[0].at("type").as_string(), "peer_joined");
  EXPECT_EQ(changes[1].at("type").as_string(), "peer_left");
}

TEST_P(HubPeerRoomsTest, SyncShowsAllPeersOnceChangesAreForgotten) {
  auto ann = join(0, "team");
  auto bob = join(1, "team");
  for (int i = 0; i < 200; ++i) system.send(*bob.client, R"({"type":"update","data":7})");
  ann.client->transport.frames.clear();
  system.send(*ann.client, R"({"type":"sync","revision":1})");
  const auto reply = parse_json(ann.client->texts().at(0)).as_object();
  EXPECT_EQ(reply.at("revision"), 202);
  EXPECT_FALSE(reply.contains("changes"));
  ASSERT_EQ(reply.at("peers").as_array().size(), 1u);
  EXPECT_EQ(reply.at("peers").as_array()[0].at("data"), 7);
}

TEST_P(HubPeerRoomsTest, SyncShowsAllPeersToOneWhoCameLaterThanHeAsksAbout) {
  auto ann = join(0, "team");
  auto bob = join(1, "team");
  system.send(*ann.client, R"({"type":"leave"})");
  system.send(*ann.client, join_text("team"));  // at revision 4, and polite now
  ann.client->transport.frames.clear();
  for (const char* revision : {"1", "2", "3"}) {
    system.send(*ann.client, R"({"type":"sync","revision":)" + std::string(revision) + "}");
    const auto reply = parse_json(ann.client->texts().at(0)).as_object();
    ann.client->transport.frames.clear();
    EXPECT_EQ(reply.at("revision"), 4);
    ASSERT_TRUE(reply.contains("peers")) << revision;
    ASSERT_EQ(reply.at("peers").as_array().size(), 1u);
    EXPECT_TRUE(reply.at("peers").as_array()[0].at("polite").as_bool());
  }
  system.send(*ann.client, R"({"type":"sync","revision":4})");
  EXPECT_TRUE(parse_json(ann.client->texts().at(0)).at("same").as_bool());
}

TEST_P(HubPeerRoomsTest, WhatASyncHasShownIsNotToldAgain) {
  auto ann = join(0, "team");
  auto bob = system.open_signaling(1);
  bob->send(join_text("team"));
  system.let_in();  // the change is under way
  ann.client->send(R"({"type":"sync","revision":1})");
  system.settle();
  ASSERT_EQ(ann.client->texts().size(), 1u);
  EXPECT_EQ(parse_json(ann.client->texts()[0]).at("changes").as_array().size(), 1u);
}

TEST_P(HubPeerRoomsTest, OfManyWhoComeAtOnceEachKnowsAll) {
  std::vector<Member> members;
  for (std::size_t i = 0; i < 12; ++i) {
    members.emplace_back(system.open_signaling(i));
    members.back().client->send(join_text("team"));  // none has heard of another yet
  }
  system.settle();
  for (Member& member : members) {
    member.read();
    EXPECT_TRUE(member.is_gapless);
    EXPECT_EQ(member.peers.size(), 11u);
    EXPECT_EQ(member.revision, 12u);
  }
}

TEST_P(HubPeerRoomsTest, BadRequestsAreAnsweredAndChangeNothing) {
  auto ann = join(0, "team");
  auto bob = join(1, "team");
  ann.read();
  EXPECT_EQ(error_of(*bob.client, join_text("")), "bad_message");
  EXPECT_EQ(error_of(*bob.client, join_text("a/b")), "bad_message");
  EXPECT_EQ(error_of(*bob.client, R"({"type":"update"})"), "bad_message");
  const std::string large(HubOptions().max_peer_data_bytes - 1, 'x');
  EXPECT_EQ(error_of(*bob.client, R"({"type":"update","data":")" + large + "\"}"), "too_large");
  EXPECT_EQ(error_of(*bob.client, join_text("other", R"(,"data":")" + large + '"')), "too_large");
  for (const char* revision : {"-1", "1.0", "\"1\"", "null", "99999999999999999999"}) {
    EXPECT_EQ(error_of(*bob.client, R"({"type":"sync","revision":)" + std::string(revision) + "}"),
              "bad_message");
  }
  EXPECT_EQ(error_of(*bob.client, R"({"type":"sync"})"), "bad_message");
  EXPECT_THAT(ann.client->texts(), IsEmpty());
}

TEST_P(HubPeerRoomsTest, WhoIsInNoRoomGetsTheAnswersOfPlainSignaling) {
  const auto [plain, id] = system.join_signaling(0);
  for (const char* type : {"update", "sync", "leave"}) {
    const std::string text = R"({"type":")" + std::string(type) + R"(","revision":0,"data":1})";
    EXPECT_EQ(error_of(*plain, text), "bad_message");
    EXPECT_EQ(error_of(*system.open_signaling(1), text), "not_joined");
  }
}

TEST_P(HubPeerRoomsTest, MessagesWithARecipientAreForwardedWhateverTheirType) {
  auto ann = join(0, "team");
  auto bob = join(1, "team");
  ann.read();
  system.send(*bob.client, R"({"type":"update","to":")" + ann.id + R"("})");
  EXPECT_THAT(ann.client->texts(), ElementsAre(R"({"from":")" + bob.id +
                                               R"(","type":"update","to":")" + ann.id + "\"}"));
}

INSTANTIATE_TEST_SUITE_P(Hubs, HubPeerRoomsTest, ::testing::Values(1, 3, kLate + 1, kLate + 3),
                         hub_count_name);

TEST(HubPeerRoomsLimitTest, ARoomTakesNoMorePeersThanItMay) {
  HubOptions options;
  options.max_room_peers = 2;
  HubSystem system(3, options);
  const auto join = [&](std::size_t hub) {
    auto client = system.open_signaling(hub);
    system.send(*client, join_text("team"));
    const auto reply = parse_json(client->texts().at(0)).as_object();
    client->transport.frames.clear();
    return std::pair(std::move(client), json::serialize(reply.at("type")));
  };
  const auto first = join(0);
  auto second = join(1);
  const auto third = join(2);
  EXPECT_EQ(third.second, R"("error")");
  EXPECT_EQ(first.first->transport.frames.size(), 1u);  // of the second
  second.first = nullptr;
  system.settle();
  system.send(*third.first, join_text("team"));
  EXPECT_EQ(parse_json(third.first->texts().at(0)).at("type").as_string(), "joined");
}

TEST(HubPeerRoomsLimitTest, OneWhoCannotMoveStaysWhereHeIs) {
  HubOptions options;
  options.max_room_peers = 2;
  HubSystem system(2, options);
  std::vector<Member> members;
  for (const char* room : {"full", "full", "team", "team"}) {
    members.emplace_back(system.open_signaling(members.size()));
    system.send(*members.back().client, join_text(room));
    for (Member& member : members) member.read();
  }
  system.send(*members[2].client, join_text("full"));
  EXPECT_EQ(parse_json(members[2].client->texts().at(0)).at("code"), "room_full");
  EXPECT_THAT(members[3].client->texts(), IsEmpty());
  system.send(*members[2].client, R"({"type":"update","data":1})");
  members[3].read();
  EXPECT_EQ(members[3].peers.at(members[2].id), "1");
}

TEST(HubPeerRoomsLimitTest, AFullRoomChangesNothingForWhoWantedToEnter) {
  HubOptions options;
  options.max_room_peers = 0;
  HubSystem system(1, options);
  const auto [plain, id] = system.join_signaling(0);
  const auto fresh = system.open_signaling(0);
  for (Client* client : {plain.get(), fresh.get()}) {
    system.send(*client, join_text("full", R"(,"receipts":true)"));
    EXPECT_EQ(parse_json(client->texts().at(0)).at("code"), "room_full");
    system.send(*client, R"({"type":"hello","msg_id":1,"to":"nobody"})");
  }
  EXPECT_EQ(parse_json(plain->texts().at(1)).at("type"), "error");  // and no receipt
  EXPECT_EQ(parse_json(fresh->texts().at(1)).at("code"), "not_joined");
}

TEST(HubPeerRoomsLimitTest, IceServersOfTheHostAreInTheAnswer) {
  HubOptions options;
  options.ice_servers = [](UserId id) {
    return IceOffer{"[" + std::to_string(id.value) + "]", {}, std::chrono::seconds(100)};
  };
  HubSystem system(1, options);
  const auto client = system.open_signaling(0);
  system.send(*client, join_text("team"));
  const auto reply = parse_json(client->texts().at(0)).as_object();
  EXPECT_EQ(json::serialize(reply.at("ice_servers")), "[1]");
  EXPECT_EQ(reply.at("ice_ttl"), 100);
}

TEST(HubPeerRoomsLimitTest, IceServersAreToldAgainBeforeTheyEnd) {
  HubOptions options;
  options.ice_servers = [](UserId) { return IceOffer{"[]", {}, std::chrono::seconds(100)}; };
  HubSystem system(2, options);
  std::vector<ClientPtr> clients;
  for (std::size_t i = 0; i < 4; ++i) {
    clients.push_back(system.open_signaling(i));
    system.send(*clients.back(), join_text("team"));
  }
  system.send(*clients[0], join_text("other"));              // does not get them twice
  system.send(*clients[1], R"({"type":"leave"})");           // not at all
  clients[2]->transport.on_send = [&](const Frame& frame) {  // ends while it is told
    if (frame.bytes().find("ice_ttl") != std::string::npos) clients[2] = nullptr;
  };
  for (const auto& client : clients) client->transport.frames.clear();
  system.advance(std::chrono::seconds(74));
  EXPECT_THAT(clients[0]->texts(), IsEmpty());
  for (int time = 1; time <= 2; ++time) {
    system.advance(std::chrono::seconds(75));
    EXPECT_THAT(clients[0]->texts(),
                ElementsAre(R"({"type":"ice_servers","ice_servers":[],"ice_ttl":100})"));
    EXPECT_THAT(clients[1]->texts(), IsEmpty());
    EXPECT_EQ(clients[2], nullptr);
    clients[0]->transport.frames.clear();
  }
}

TEST(HubPeerRoomsLimitTest, APeerWhoseIceServersAreNotKnownIsInTheRoomAndToldLater) {
  bool is_known = false;
  HubOptions options;
  options.ice_servers = [&](UserId) {
    if (!is_known) throw std::runtime_error("not known");
    return IceOffer{"[]", {}, std::chrono::seconds(100)};
  };
  HubSystem system(1, options);
  const auto client = system.open_signaling(0);
  system.send(*client, join_text("team"));
  const auto reply = parse_json(client->texts().at(0)).as_object();
  EXPECT_EQ(reply.at("type"), "joined");
  EXPECT_FALSE(reply.contains("ice_servers"));
  client->transport.frames.clear();
  is_known = true;
  system.advance(std::chrono::seconds(59));
  EXPECT_THAT(client->texts(), IsEmpty());
  system.advance(std::chrono::seconds(1));
  EXPECT_THAT(client->texts(),
              ElementsAre(R"({"type":"ice_servers","ice_servers":[],"ice_ttl":100})"));
}

TEST(HubPeerRoomsLimitTest, OneWhoseIceServersAreNotKnownKeepsNobodyElseFromHisTurn) {
  int failures = 0;
  HubOptions options;
  options.ice_servers = [&](UserId) {
    if (failures-- > 0) throw std::runtime_error("not known");
    return IceOffer{"[]", {}, std::chrono::seconds(100)};
  };
  HubSystem system(2, options);
  const auto first = system.open_signaling(0);
  const auto second = system.open_signaling(0);
  for (Client* client : {first.get(), second.get()}) system.send(*client, join_text("team"));
  const auto [other, id] = system.join_signaling(1);
  for (Client* client : {first.get(), second.get()}) client->transport.frames.clear();
  failures = 1;
  first->send(R"({"type":"hello","to":")" + id + "\"}");  // goes out at the end of the turn
  system.advance(std::chrono::seconds(75));
  EXPECT_THAT(first->texts(), IsEmpty());
  EXPECT_EQ(second->texts().size(), 1u);
  EXPECT_EQ(other->texts().size(), 1u);
  system.advance(std::chrono::seconds(60));
  EXPECT_EQ(first->texts().size(), 1u);
}

TEST(HubPeerRoomsLimitTest, ChangesBeyondTheBurstAreRefusedAndToldToNobody) {
  HubOptions options;
  options.room_changes_per_second = 2;
  options.room_changes_burst = 4;
  const std::string update = R"({"type":"update","data":1})";
  const std::string sync = R"({"type":"sync","revision":0})";
  for (const std::string& text : {update, sync, join_text("team"), join_text("other")}) {
    HubSystem system(2, options);
    Member ann{system.open_signaling(0)};
    Member bob{system.open_signaling(1)};
    for (Member* member : {&ann, &bob}) system.send(*member->client, join_text("team"));
    for (int i = 0; i < 3; ++i) system.send(*bob.client, update);
    for (Member* member : {&ann, &bob}) member->client->transport.frames.clear();

    system.send(*bob.client, text);
    ASSERT_EQ(bob.client->texts().size(), 1u) << text;
    EXPECT_EQ(parse_json(bob.client->texts()[0]).at("code"), "rate_limited") << text;
    EXPECT_THAT(ann.client->texts(), IsEmpty()) << text;
    system.advance(std::chrono::milliseconds(500));
    system.send(*bob.client, text);
    EXPECT_NE(parse_json(bob.client->texts().at(1)).at("type"), "error") << text;
  }
}

TEST(HubPeerRoomsLimitTest, ToLeaveIsAllowedWhateverHasBeen) {
  HubOptions options;
  options.room_changes_per_second = 1;
  options.room_changes_burst = 1;
  HubSystem system(1, options);
  Member ann{system.open_signaling(0)};
  for (int i = 0; i < 3; ++i) system.send(*ann.client, join_text("team"));
  ann.client->transport.frames.clear();
  system.send(*ann.client, R"({"type":"leave"})");
  EXPECT_THAT(ann.client->texts(), ElementsAre(R"({"type":"left","room":"team"})"));
}

TEST(HubPeerRoomsLifetimeTest, WhatIsUnderWayOfARoomThatHasEndedIsNotToldInTheNextOne) {
  HubSystem system(2);
  BackplaneTestHub interested(system.backplane());  // still is when the room ends
  interested.subscribe(peer_group(room_name("team")));
  auto ann = system.open_signaling(0);
  auto bob = system.open_signaling(1);
  for (auto* each : {&ann, &bob}) system.send(**each, join_text("team"));
  bob->session.leave();
  ann->session.leave();
  Member next{system.open_signaling(0)};
  next.client->send(join_text("team"));
  Member other{system.open_signaling(1)};
  other.client->send(join_text("team"));
  system.settle();
  EXPECT_EQ(next.client->transport.frames.size(), 2u);  // joined, and the other one
  next.read();
  EXPECT_TRUE(next.is_gapless);
  EXPECT_EQ(next.peers.size(), 1u);
}

TEST(HubPeerRoomsReentrancyTest, APeerMayTakeAnotherAwayWhileAChangeIsTold) {
  HubSystem system(1);
  auto first = system.open_signaling(0);
  auto second = system.open_signaling(0);
  for (auto* each : {&first, &second}) system.send(**each, join_text("team"));
  for (auto* each : {&first, &second}) {
    auto& other = each == &first ? second : first;
    (*each)->transport.on_send = [&](const Frame&) {
      if (other != nullptr) other->session.leave();
    };
  }
  auto third = system.open_signaling(0);
  system.send(*third, join_text("team"));
  EXPECT_EQ(system.session_count(), 2u);
  third = nullptr;
  system.settle();
  EXPECT_EQ(system.session_count(), 1u);
}

TEST(HubPeerRoomsRandomTest, AccountsOfAllMembersAgreeAfterAnyHistory) {
  std::mt19937 random(7);  // NOLINT: the same history each time
  HubSystem system(3, without_rate());
  std::vector<Member> members;
  for (int step = 0; step < 4000; ++step) {
    const auto pick = [&](std::size_t n) { return static_cast<std::size_t>(random()) % n; };
    const std::size_t action = pick(10);
    if (members.size() < 3 || (action < 3 && members.size() < 25)) {
      members.emplace_back(system.open_signaling(pick(3)));
      members.back().client->send(join_text("team", R"(,"data":)" + std::to_string(step)));
    } else if (action < 6) {
      members.erase(members.begin() + static_cast<std::ptrdiff_t>(pick(members.size())));
    } else {
      members[pick(members.size())].client->send(R"({"type":"update","data":)" +
                                                 std::to_string(step) + "}");
    }
    if (pick(3) != 0) continue;
    system.settle();
    std::map<std::string, std::string> all;
    for (Member& member : members) {
      member.read();
      ASSERT_TRUE(member.is_gapless);
      ASSERT_EQ(member.revision, members.front().revision);
    }
    for (const Member& member : members) {
      ASSERT_EQ(member.peers.size(), members.size() - 1);
      for (const auto& [id, data] : member.peers) {
        ASSERT_EQ(all.emplace(id, data).first->second, data);
      }
    }
  }
}

}  // namespace
}  // namespace voicechan
