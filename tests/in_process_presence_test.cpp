#include "in_process_presence.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "fake_transport.hpp"

namespace voicechan {
namespace {

using Kind = RosterChange::Kind;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::size_t kNoLimit = 1000;

PeerId peer_id(std::uint8_t number) { return PeerId({1, 0}, PeerId::Random{number}); }

Peer peer(std::uint8_t number, std::string data = "null") {
  return {peer_id(number), user(number), std::move(data), 0};
}

std::vector<std::string> ids_of(const Roster& roster) {
  std::vector<std::string> ids;
  for (const auto& each : roster.peers) ids.emplace_back(each->id.str());
  return ids;
}
std::string id_text(std::uint8_t number) { return std::string(peer_id(number).str()); }

std::vector<std::uint64_t> revisions_of(const std::vector<RosterChange>& changes) {
  std::vector<std::uint64_t> revisions;
  for (const RosterChange& change : changes) revisions.push_back(change.revision);
  return revisions;
}

/// A presence on a real backplane, and a subscriber to the group of the room "team".
class InProcessPresenceTest : public ::testing::Test, private BackplaneReceiver {
 protected:
  InProcessPresenceTest() : port_(backplane_.attach(*this, [] {}).value()) {
    subscription_ = port_->subscribe(peer_group(team_));
  }

  Presence& presence() { return backplane_.presence(); }
  std::uint64_t revision() { return presence().roster(team_).revision; }
  Result<Roster> enter(const RoomName& room, Peer who, std::size_t max) {
    return presence().enter(room, std::move(who), max, 0).value();
  }
  std::uint64_t enter(std::uint8_t number, std::string data = "null") {
    return enter(team_, peer(number, std::move(data)), kNoLimit)->revision;
  }

  /// What has been published since the last call.
  std::vector<RosterChange> read_published() {
    port_->poll();
    return std::exchange(published_, {});
  }

  const RoomName team_ = room_name("team");
  const RoomName other_ = room_name("other");

 private:
  void on_publish(std::string_view group, const Frame& frame) noexcept override {
    EXPECT_EQ(group, peer_group(team_));
    const auto change = RosterChange::from_frame(frame);
    ASSERT_TRUE(change);
    published_.push_back(*change);
  }
  Delivery on_send(const SendTicket&, const Frame&) noexcept override {
    return Delivery::unknown_peer;
  }
  void on_delivery(const SendTicket&, Delivery) noexcept override {}
  void on_entered(std::uint64_t, Result<Roster>) noexcept override {}

  InProcessBackplane backplane_{1};
  std::vector<RosterChange> published_;
  std::unique_ptr<BackplanePort> port_;
  std::unique_ptr<Subscription> subscription_;
};

TEST_F(InProcessPresenceTest, FirstPeerIsInTheRosterThatItGets) {
  const auto roster = enter(team_, peer(1, R"({"a":1})"), kNoLimit);
  ASSERT_TRUE(roster);
  EXPECT_EQ(roster->revision, 1u);
  ASSERT_EQ(roster->peers.size(), 1u);
  EXPECT_EQ(roster->peers[0]->id, peer_id(1));
  EXPECT_EQ(roster->peers[0]->user.username, "user1");
  EXPECT_EQ(roster->peers[0]->data, R"({"a":1})");
  EXPECT_EQ(roster->peers[0]->since, 1u);
}

TEST_F(InProcessPresenceTest, PeersAreInTheOrderOfComingWhateverTheirIds) {
  enter(9);
  enter(2);
  enter(5);
  presence().update(team_, peer_id(9), "1");
  EXPECT_THAT(ids_of(presence().roster(team_)), ElementsAre(id_text(9), id_text(2), id_text(5)));
}

TEST_F(InProcessPresenceTest, EveryChangeIsPublishedOnceWithTheNextRevision) {
  enter(1);
  enter(2);
  presence().update(team_, peer_id(1), R"("away")");
  presence().leave(team_, peer_id(2));

  const auto published = read_published();
  ASSERT_THAT(revisions_of(published), ElementsAre(1, 2, 3, 4));
  const std::vector<Kind> kinds{Kind::joined, Kind::joined, Kind::updated, Kind::left};
  const std::vector<std::uint64_t> sinces{1, 2, 1, 2};
  const std::vector<std::string> types{"peer_joined", "peer_joined", "peer_updated", "peer_left"};
  for (std::size_t i = 0; i < published.size(); ++i) {
    EXPECT_EQ(published[i].kind, kinds[i]) << i;
    EXPECT_EQ(published[i].since, sinces[i]) << i;
    EXPECT_EQ(published[i].order, sinces[i]) << i;
    EXPECT_EQ(published[i].peer, peer_id(static_cast<std::uint8_t>(sinces[i]))) << i;
    const auto message = parse_json(published[i].text).as_object();
    EXPECT_EQ(message.at("type").as_string(), types[i]) << i;
    EXPECT_EQ(message.at("revision").to_number<std::uint64_t>(), i + 1);
  }
}

TEST_F(InProcessPresenceTest, UpdateKeepsWhenThePeerCame) {
  enter(1);
  enter(2, "1");
  presence().update(team_, peer_id(2), "2");
  const Roster roster = presence().roster(team_);
  EXPECT_EQ(roster.revision, 3u);
  EXPECT_EQ(roster.peers.at(1)->data, "2");
  EXPECT_EQ(roster.peers.at(1)->since, 2u);
  EXPECT_EQ(roster.peers.at(1)->user.id, UserId{2});
}

TEST_F(InProcessPresenceTest, RosterThatWasGivenDoesNotChange) {
  enter(1);
  const auto roster = enter(team_, peer(2, "1"), kNoLimit);
  presence().update(team_, peer_id(2), "2");
  presence().leave(team_, peer_id(1));
  EXPECT_THAT(ids_of(*roster), ElementsAre(id_text(1), id_text(2)));
  EXPECT_EQ(roster->peers[1]->data, "1");
}

TEST_F(InProcessPresenceTest, FullRoomRefusesAndStaysAsItIs) {
  enter(1);
  enter(2);
  read_published();
  EXPECT_EQ(enter(team_, peer(3), 2).error(), Errc::room_full);
  EXPECT_EQ(revision(), 2u);
  EXPECT_FALSE(presence().find_since(team_, peer_id(3)));
  EXPECT_THAT(read_published(), IsEmpty());

  presence().leave(team_, peer_id(1));
  EXPECT_TRUE(enter(team_, peer(3), 2));
}

TEST_F(InProcessPresenceTest, RefusedFirstPeerLeavesNoRoomBehind) {
  EXPECT_EQ(enter(team_, peer(1), 0).error(), Errc::room_full);
  EXPECT_EQ(revision(), 0u);
  EXPECT_EQ(enter(1), 1u);
}

TEST_F(InProcessPresenceTest, PeerThatComesAgainCameAtAnotherRevision) {
  enter(1);
  enter(2);
  presence().leave(team_, peer_id(1));
  enter(1);
  EXPECT_EQ(presence().find_since(team_, peer_id(1)), 4u);
  EXPECT_EQ(presence().find_since(team_, peer_id(2)), 2u);
  EXPECT_THAT(ids_of(presence().roster(team_)), ElementsAre(id_text(2), id_text(1)));
}

TEST_F(InProcessPresenceTest, OnlyThoseWhoAreInTheRoomAreFound) {
  EXPECT_FALSE(presence().find_since(team_, peer_id(1)));
  enter(1);
  enter(2);
  EXPECT_FALSE(presence().find_since(team_, peer_id(3)));
  EXPECT_FALSE(presence().find_since(other_, peer_id(1)));
  presence().leave(team_, peer_id(1));
  EXPECT_FALSE(presence().find_since(team_, peer_id(1)));
  presence().leave(team_, peer_id(2));
  EXPECT_FALSE(presence().find_since(team_, peer_id(2)));
}

TEST_F(InProcessPresenceTest, RoomsCountTheirChangesByThemselves) {
  enter(1);
  enter(2);
  EXPECT_EQ(enter(other_, peer(1), 1)->revision, 1u);
  presence().leave(other_, peer_id(1));
  EXPECT_EQ(presence().find_since(team_, peer_id(1)), 1u);
  EXPECT_EQ(revision(), 2u);
  EXPECT_EQ(read_published().size(), 2u);  // nothing of the other room
}

TEST_F(InProcessPresenceTest, RoomWithoutPeersIsAtRevisionZero) {
  enter(1);
  read_published();
  presence().leave(team_, peer_id(1));
  EXPECT_EQ(revision(), 0u);
  EXPECT_THAT(presence().roster(team_).peers, IsEmpty());
  EXPECT_THAT(read_published(), IsEmpty());  // there is nobody to tell
}

// A change of the room before may still be on its way to a hub, which must not take it for one of
// the new room.
TEST_F(InProcessPresenceTest, RevisionsOfANewRoomAreAboveThoseOfAllThatEnded) {
  enter(1);
  for (int i = 0; i < 5; ++i) presence().update(team_, peer_id(1), "1");
  presence().leave(team_, peer_id(1));
  EXPECT_GT(enter(1), 6u);
  EXPECT_GT(enter(other_, peer(1), 1)->revision, 6u);
}

TEST_F(InProcessPresenceTest, ChangesSinceLeadFromARevisionToThePresentOne) {
  for (std::uint8_t i = 1; i <= 4; ++i) enter(i);
  presence().leave(team_, peer_id(2));
  const auto published = read_published();
  for (std::uint64_t from = 0; from <= 5; ++from) {
    const auto changes = presence().changes_since(team_, from);
    ASSERT_TRUE(changes) << from;
    ASSERT_EQ(changes->size(), 5 - from);
    for (std::size_t i = 0; i < changes->size(); ++i)
      EXPECT_EQ((*changes)[i].text, published[from + i].text);
  }
}

TEST_F(InProcessPresenceTest, RevisionThatHasNotBeenIsNotKnown) {
  EXPECT_THAT(presence().changes_since(team_, 0), ::testing::Optional(IsEmpty()));
  EXPECT_FALSE(presence().changes_since(team_, 1));
  enter(1);
  EXPECT_FALSE(presence().changes_since(team_, 2));
  presence().leave(team_, peer_id(1));
  EXPECT_FALSE(presence().changes_since(team_, 1));
}

TEST_F(InProcessPresenceTest, SoManyChangesAreRememberedAndNoMore) {
  enter(1);
  for (std::size_t i = 0; i < InProcessPresence::kMaxChanges; ++i)
    presence().update(team_, peer_id(1), "1");
  const auto all = presence().changes_since(team_, 1);
  ASSERT_TRUE(all);
  EXPECT_EQ(all->size(), InProcessPresence::kMaxChanges);
  EXPECT_FALSE(presence().changes_since(team_, 0));
}

TEST_F(InProcessPresenceTest, RememberedChangesAreBoundedByTheirBytes) {
  enter(1);
  const std::string data = '"' + std::string(InProcessPresence::kMaxChangeBytes / 4, 'x') + '"';
  for (int i = 0; i < 10; ++i) presence().update(team_, peer_id(1), data);
  EXPECT_EQ(presence().changes_since(team_, revision() - 3)->size(), 3u);
  EXPECT_FALSE(presence().changes_since(team_, revision() - 4));  // heads count, too

  presence().update(team_, peer_id(1), data + data + data + data);  // alone too long to be kept
  EXPECT_FALSE(presence().changes_since(team_, revision() - 1));
  EXPECT_THAT(presence().changes_since(team_, revision()), ::testing::Optional(IsEmpty()));
  presence().update(team_, peer_id(1), "1");
  EXPECT_EQ(presence().changes_since(team_, revision() - 1)->size(), 1u);
}

TEST_F(InProcessPresenceTest, PeersOfOtherServersAreInTheOrderOfComingThere) {
  enter(2);
  enter(1);
  Peer earlier = peer(3);
  earlier.order = 1;
  ASSERT_TRUE(enter(team_, earlier, kNoLimit));
  const Roster roster = presence().roster(team_);
  EXPECT_THAT(ids_of(roster), ElementsAre(id_text(2), id_text(3), id_text(1)));
  EXPECT_EQ(roster.peers[1]->since, 3u);
  EXPECT_EQ(presence().find_since(team_, peer_id(3)), 3u);
}

TEST_F(InProcessPresenceTest, AnOrderFromElsewhereIsKeptAndToldWithEachChange) {
  enter(1);
  Peer other = peer(2);
  other.order = 77;
  EXPECT_EQ(enter(team_, other, kNoLimit)->peers.back()->order, 77u);
  presence().update(team_, peer_id(2), "1");
  EXPECT_EQ(presence().roster(team_).peers.back()->order, 77u);
  presence().leave(team_, peer_id(2));
  std::vector<std::uint64_t> orders;
  for (const RosterChange& change : read_published()) orders.push_back(change.order);
  EXPECT_THAT(orders, ElementsAre(1u, 77u, 77u, 77u));
}

TEST(StayTest, OfTwoExactlyOneCameLater) {
  const Stay first{1, peer_id(9)};
  const Stay second{2, peer_id(1)};
  const Stay beside{2, peer_id(2)};
  EXPECT_TRUE(came_after(second, first));
  EXPECT_FALSE(came_after(first, second));
  EXPECT_NE(came_after(second, beside), came_after(beside, second));
  EXPECT_FALSE(came_after(first, first));
}

TEST_F(InProcessPresenceTest, ChangesOfManyThreadsComeInOneOrderThatLeadsToTheRoster) {
  enter(100);  // keeps the room
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([this, thread] {
      for (int round = 0; round < 100; ++round) {
        const auto number = static_cast<std::uint8_t>(1 + thread);
        EXPECT_TRUE(enter(team_, peer(number), kNoLimit));
        presence().update(team_, peer_id(number), std::to_string(round));
        if (round < 99) presence().leave(team_, peer_id(number));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();

  std::map<std::uint64_t, std::string> by_since;
  std::uint64_t last = 0;
  for (const RosterChange& change : read_published()) {
    ASSERT_EQ(change.revision, last + 1);
    last = change.revision;
    switch (change.kind) {
      case Kind::joined:
        EXPECT_EQ(change.since, change.revision);
        [[fallthrough]];
      case Kind::updated:
        by_since[change.since] = change.peer.str();
        break;
      case Kind::left:
        EXPECT_EQ(by_since.erase(change.since), 1u);
        break;
    }
  }
  const Roster roster = presence().roster(team_);
  EXPECT_EQ(roster.revision, last);
  ASSERT_EQ(roster.peers.size(), 5u);
  std::vector<std::string> followed;
  for (const auto& [since, id] : by_since) followed.push_back(id);
  EXPECT_EQ(ids_of(roster), followed);
}

}  // namespace
}  // namespace voicechan
