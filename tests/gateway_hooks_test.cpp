#include "gateway_hooks.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "backplane_test_hub.hpp"
#include "fake_transport.hpp"

// What joins the hubs of a process to others: what it is told, and what it stands for.

namespace voicechan {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// Keeps what it is handed. For one thread, but for what it is told of interest.
class TestGateway final : public GatewayReceiver {
 public:
  explicit TestGateway(InProcessBackplane& backplane)
      : port(gateway_hooks(backplane).attach_gateway(*this, [] {}).value()) {}

  void on_send_away(const SendTicket& ticket, const Frame& frame) noexcept override {
    away.emplace_back(ticket, frame.bytes());
  }
  void on_interest(std::string_view group, bool is_wanted) noexcept override {
    interest.push_back((is_wanted ? "+" : "-") + std::string(group));
  }
  void on_publish(std::string_view group, const Frame& frame) noexcept override {
    published.push_back(std::string(group) + ":" + frame.bytes());
  }
  Delivery on_send(const SendTicket&, const Frame&) noexcept override {
    return Delivery::unknown_peer;
  }
  void on_delivery(const SendTicket&, Delivery delivery) noexcept override {
    deliveries.push_back(delivery);
  }
  void on_entered(std::uint64_t, Result<Roster>) noexcept override { ADD_FAILURE(); }

  std::vector<std::pair<SendTicket, std::string>> away;
  std::vector<std::string> interest;
  std::vector<std::string> published;
  std::vector<Delivery> deliveries;
  std::unique_ptr<BackplanePort> port;
};

/// A peer of another node.
PeerId remote_id(std::uint8_t number) { return PeerId({0x9999, 3}, PeerId::Random{number}); }

class GatewayHooksTest : public ::testing::Test {
 protected:
  InProcessBackplane backplane{1};
  GatewayHooks& hooks = gateway_hooks(backplane);
  TestGateway gateway{backplane};
};

TEST_F(GatewayHooksTest, ItIsToldWhenTheFirstHubComesToAGroupAndTheLastOneGoes) {
  BackplaneTestHub a(backplane);
  BackplaneTestHub b(backplane);
  const auto own = gateway.port->subscribe("early");
  EXPECT_THAT(gateway.interest, IsEmpty());
  a.subscribe("early");
  a.subscribe("g");
  b.subscribe("g");
  EXPECT_THAT(std::exchange(gateway.interest, {}), ElementsAre("+early", "+g"));
  auto late = gateway.port->subscribe("g");
  a.unsubscribe("g");
  EXPECT_THAT(gateway.interest, IsEmpty());
  b.detach();
  late.reset();
  a.unsubscribe("early");
  EXPECT_THAT(std::exchange(gateway.interest, {}), ElementsAre("-g", "-early"));
  a.subscribe("g");
  EXPECT_THAT(gateway.interest, ElementsAre("+g"));
}

TEST_F(GatewayHooksTest, ItHearsHubsAndTheyHearIt) {
  BackplaneTestHub a(backplane);
  a.subscribe("g");
  const auto own = gateway.port->subscribe("g");
  a.publish("g", "from hub");
  a.port->flush();
  backplane.publish("g", Frame::control_text("from outside"));
  hooks.publish_to_hubs("g", Frame::control_text("to hubs"));
  own->publish(Frame::control_text("from gateway"));
  gateway.port->flush();
  gateway.port->poll();
  a.port->poll();
  EXPECT_THAT(gateway.published, ElementsAre("g:from hub", "g:from outside"));
  EXPECT_THAT(a.published, ElementsAre("g:from outside", "g:to hubs", "g:from gateway"));
}

TEST_F(GatewayHooksTest, MessagesToOtherNodesGoThroughItAndItAnswersWhenItKnows) {
  BackplaneTestHub a(backplane);
  const SendTicket first{a.make_peer(), remote_id(1), 5, 6};
  a.send(first, "1");
  a.send({a.make_peer(), remote_id(1)}, "2");
  a.port->flush();
  gateway.port->poll();
  gateway.port->flush();
  a.port->poll();
  EXPECT_THAT(a.deliveries, IsEmpty());
  ASSERT_EQ(gateway.away.size(), 2u);
  EXPECT_EQ(gateway.away[0].second, "1");
  EXPECT_EQ(gateway.away[0].first.to, remote_id(1));
  EXPECT_EQ(gateway.away[0].first.receipt, 5u);
  EXPECT_EQ(gateway.away[0].first.flight, 6u);
  EXPECT_EQ(gateway.away[1].second, "2");
  gateway.port->report(first, Delivery::queued);
  gateway.port->report(first, Delivery::delivered);
  a.port->poll();
  ASSERT_EQ(a.deliveries.size(), 2u);
  EXPECT_EQ(a.deliveries[0].second, Delivery::queued);
  EXPECT_EQ(a.deliveries[1].second, Delivery::delivered);
}

TEST_F(GatewayHooksTest, MessagesFromOtherNodesAreAnsweredAndReportedToIt) {
  BackplaneTestHub a(backplane);
  const SendTicket ticket{remote_id(1), a.make_peer(), 5};
  gateway.port->send(Frame::control_text("1"), ticket);
  gateway.port->flush();
  a.port->poll();
  a.port->flush();
  EXPECT_THAT(a.received_texts(), ElementsAre("1"));
  a.port->report(ticket, Delivery::delivered);
  gateway.port->poll();
  EXPECT_THAT(gateway.deliveries, ElementsAre(Delivery::queued, Delivery::delivered));
  a.detach();
  gateway.port->send(Frame::control_text("2"), ticket);
  gateway.port->flush();
  gateway.port->poll();
  EXPECT_THAT(gateway.deliveries,
              ElementsAre(Delivery::queued, Delivery::delivered, Delivery::unknown_peer));
}

TEST_F(GatewayHooksTest, WhatItLeavesUnansweredIsAnsweredWhenItGoes) {
  BackplaneTestHub a(backplane);
  a.send({a.make_peer(), remote_id(1)}, "waits for it");
  a.port->flush();
  a.send({a.make_peer(), remote_id(1)}, "under way");
  gateway.port = nullptr;
  a.send({a.make_peer(), remote_id(1)}, "after");
  a.port->report({remote_id(1), a.make_peer()}, Delivery::delivered);  // nobody is to know
  a.port->flush();
  a.port->poll();
  ASSERT_EQ(a.deliveries.size(), 3u);
  for (const auto& each : a.deliveries) EXPECT_EQ(each.second, Delivery::unknown_peer);
}

TEST_F(GatewayHooksTest, ARefusalComesToTheHub) {
  BackplaneTestHub a(backplane);
  hooks.refuse_pending(a.port->address(), 7, Errc::room_full);
  a.port->poll();
  ASSERT_EQ(a.entries.size(), 1u);
  EXPECT_EQ(a.entries[0].first, 7u);
  EXPECT_EQ(a.entries[0].second.error(), Errc::room_full);
}

TEST_F(GatewayHooksTest, AnEntryComesToTheHubBetweenTheChangesBeforeAndBehindIt) {
  BackplaneTestHub a(backplane);
  const RoomName room = room_name("team");
  a.subscribe(peer_group(room));
  const auto enter = [&](PeerId id) {
    (void)backplane.presence().enter(room, {id, user(1), "null", 0}, 10, 0);
  };
  enter(remote_id(1));
  std::size_t seen = 0;
  a.when_published = [&](const std::string&) {
    EXPECT_EQ(a.entries.size(), seen < 2 ? 0u : 1u);
    ++seen;
  };
  EXPECT_TRUE(hooks.enter_pending(room, {a.make_peer(), user(1), "null", 0}, 10, 7));
  enter(remote_id(2));
  a.port->poll();
  EXPECT_EQ(seen, 3u);
  ASSERT_EQ(a.entries.size(), 1u);
  EXPECT_EQ(a.entries[0].first, 7u);
  EXPECT_EQ(a.entries[0].second->revision, 2u);
  EXPECT_EQ(a.entries[0].second->peers.size(), 2u);
}

/// Real hubs, whose clients see peers and members of other nodes.
class MirrorsTest : public ::testing::Test {
 protected:
  MirrorsTest() {
    HubOptions options;
    options.max_room_peers = 2;
    options.max_room_members = 2;
    hub = Hub::attach(backplane, options).value();
    tick();
  }

  void tick() {
    gateway.port->flush();
    hub->tick(MonotonicTime(std::chrono::hours(1)));
    gateway.port->poll();
  }
  ClientPtr join_team() {
    auto client = std::make_unique<Client>();
    client->session = hub->open_signaling(user(1), client->transport);
    client->send(R"({"type":"join","room":"team"})");
    tick();
    return client;
  }
  static std::vector<std::string> take(Client& client) {
    return bytes_of(std::exchange(client.transport.frames, {}));
  }

  const RoomName team = room_name("team");
  InProcessBackplane backplane{1};
  TestGateway gateway{backplane};
  std::unique_ptr<Hub> hub;
};

TEST_F(MirrorsTest, APeerOfAnotherNodeComesChangesAndGoes) {
  const auto ann = join_team();
  take(*ann);
  Presence& presence = backplane.presence();
  const auto entered = presence.enter(team, {remote_id(1), user(8), R"({"n":1})", 77}, 1000, 0);
  ASSERT_TRUE(entered && *entered);
  presence.update(team, remote_id(1), R"({"n":2})");
  tick();
  const std::string id(remote_id(1).str());
  EXPECT_THAT(
      take(*ann),
      ElementsAre(R"({"type":"peer_joined","room":"team","revision":2,"peer":{"id":")" + id +
                      R"(","user_id":8,"username":"user8","data":{"n":1},)"
                      R"("polite":false}})",
                  R"({"type":"peer_updated","room":"team","revision":3,"id":")" + id +
                      R"(","data":{"n":2}})"));
  const auto carol = join_team();  // with the remote one the room is full
  EXPECT_THAT(take(*carol), ElementsAre(HasSubstr(R"("code":"room_full")")));
  ann->send(R"({"to":")" + id + R"(","type":"offer"})");
  tick();
  ASSERT_EQ(gateway.away.size(), 1u);
  presence.leave(team, remote_id(1));
  tick();
  EXPECT_THAT(take(*ann), ElementsAre(HasSubstr("peer_left")));
  const auto dora = join_team();
  EXPECT_THAT(take(*dora), ElementsAre(HasSubstr(R"("type":"joined")")));
}

// Two servers that did not hear each other meet: it was there before, but comes here only now.
TEST_F(MirrorsTest, WhoIsToldLateOfAnEarlierPeerIsThePoliteOne) {
  Presence& presence = backplane.presence();
  const auto enter = [&](std::uint8_t number, std::uint64_t order) {
    ASSERT_TRUE(presence.enter(team, {remote_id(number), user(8), "null", 0, order}, 1000, 0));
    tick();
  };
  enter(1, 1);
  const auto ann = join_team();  // as the second one
  take(*ann);
  enter(2, 1);
  enter(3, 3);
  const auto about = [](std::uint8_t number, bool is_polite) {
    return R"({"id":")" + std::string(remote_id(number).str()) +
           R"(","user_id":8,"username":"user8","data":null,"polite":)" +
           (is_polite ? "true}" : "false}");
  };
  const std::string late =
      R"({"type":"peer_joined","room":"team","revision":3,"peer":)" + about(2, true) + "}";
  const std::string usual =
      R"({"type":"peer_joined","room":"team","revision":4,"peer":)" + about(3, false) + "}";
  EXPECT_THAT(take(*ann), ElementsAre(late, usual));
  ann->send(R"({"type":"sync","revision":2})");
  EXPECT_THAT(
      take(*ann),
      ElementsAre(R"({"type":"synced","room":"team","revision":4,"same":false,"changes":[)" + late +
                  "," + usual + "]}"));
  ann->send(R"({"type":"sync","revision":0})");
  EXPECT_THAT(take(*ann),
              ElementsAre(R"({"type":"synced","room":"team","revision":4,"same":false,"peers":[)" +
                          about(1, true) + "," + about(2, true) + "," + about(3, false) + "]}"));
}

TEST_F(MirrorsTest, AVoiceMemberOfAnotherNodeComesSpeaksAndGoes) {
  Client ann;
  ann.session = hub->join_voice(user(1), team, ann.transport, VoiceProtocol::with_members).value();
  tick();
  take(ann);
  EXPECT_THAT(gateway.interest, ElementsAre("+voice_team", "+members_team"));
  const auto group = gateway.port->subscribe(voice_group(team));
  ASSERT_TRUE(group->try_add_member(VoicePresence::kNoLimit));
  const auto entry = backplane.voice_presence().enter(team, user(8), false);
  group->publish(Frame(FrameKind::binary, FrameClass::media, "audio", entry.since));
  group->publish(Frame(FrameKind::text, FrameClass::control, "text", entry.since));
  tick();
  const std::uint32_t number = voice_member_number(entry.since);
  EXPECT_THAT(take(ann), ElementsAre(HasSubstr(R"("type":"member_joined")"),
                                     std::string{0, 0, 0, static_cast<char>(number)} + "audio",
                                     R"({"type":"text","member":)" + std::to_string(number) +
                                         R"(,"text":"text"})"));
  Client bob;
  EXPECT_EQ(hub->join_voice(user(2), team, bob.transport).error(), Errc::room_full);
  group->publish(Frame(FrameKind::binary, FrameClass::media, "last", entry.since));
  gateway.port->flush();  // what he has said comes before his going
  backplane.voice_presence().leave("team", entry.since, false);
  group->remove_member();
  tick();
  EXPECT_THAT(take(ann), ElementsAre(HasSubstr("last"), HasSubstr("member_left")));
  bob.session = hub->join_voice(user(2), team, bob.transport).value();
  ann.session.leave();
  bob.session.leave();
  EXPECT_THAT(gateway.interest,
              ElementsAre("+voice_team", "+members_team", "-members_team", "-voice_team"));
}

// Peers come and go on their hub's thread, and are let in by another one.
TEST(PendingPresenceThreadsTest, NobodyIsLeftInARoomWhoHasLeft) {
  class Gate final : public LocalPeers {
   public:
    void on_wants_to_enter(const RoomName&, const Peer& peer) override {
      const MutexLock lock(mutex_);
      waiting_.push_back(peer.id);
    }
    void on_updated(const RoomName&, const PeerId&, std::string_view) override {}
    void on_left(const RoomName&, const PeerId&) noexcept override {}
    std::vector<PeerId> take() {
      const MutexLock lock(mutex_);
      return std::exchange(waiting_, {});
    }

   private:
    Mutex mutex_;
    std::vector<PeerId> waiting_ VOICECHAN_GUARDED_BY(mutex_);
  };

  constexpr int kEntries = 20'000;
  InProcessBackplane backplane(1);
  Gate gate;
  PendingPresence presence(backplane, gate);
  BackplaneTestHub hub(backplane);
  const RoomName room = room_name("team");
  std::atomic<bool> is_done{false};
  int entered = 0;
  std::thread gateway([&] {
    while (!is_done) {
      for (const PeerId& id : gate.take()) {
        if (presence.admit(room, id, 1) == PendingPresence::Admission::entered) ++entered;
      }
      std::this_thread::yield();
    }
  });
  for (std::uint64_t i = 0; i < kEntries; ++i) {
    const PeerId id = hub.make_peer();
    EXPECT_EQ(presence.enter(room, {id, user(1), "null", 0}, 1, i), std::nullopt);
    const std::size_t before = hub.entries.size();
    if (i % 2 == 0) {
      hub.run_until([&] { return hub.entries.size() > before; });
      EXPECT_EQ(hub.entries.back().first, i);
      EXPECT_TRUE(hub.entries.back().second);
    }
    presence.leave(room, id);
    hub.port->poll();
  }
  is_done = true;
  gateway.join();
  EXPECT_EQ(presence.totals().members, 0u);
  EXPECT_GE(entered, kEntries / 2);
}

}  // namespace
}  // namespace voicechan
