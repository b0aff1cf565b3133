#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "redis/envelope.hpp"
#include "redis/lease_view.hpp"
#include "redis_hubs_fixture.hpp"

// Nodes that are killed or paused: what the others see of it, and when.

namespace voicechan {
namespace {

using redis::LeaseView;
using redis::RedisServer;
using std::chrono::milliseconds;
using std::chrono::steady_clock;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class LeaseViewTest : public ::testing::Test {
 protected:
  LeaseView::Verdict renew(const std::vector<std::uint64_t>& leases, bool was_alive = true) {
    now += LeaseView::kRenewal;
    return view.on_renewed(was_alive, leases, known, heard, now);
  }
  void become_steady(const std::vector<std::uint64_t>& leases) {
    for (int i = 0; i < 8; ++i) EXPECT_THAT(renew(leases).dead, IsEmpty());
  }

  LeaseView view;
  MonotonicTime now{};
  std::set<std::uint64_t> known{2, 3};
  std::set<std::uint64_t> heard;
};

TEST_F(LeaseViewTest, NodeThatLosesItsLeaseIsDeadAtOnce) {
  become_steady({1, 2, 3});
  EXPECT_THAT(renew({1, 3}).dead, ElementsAre(2u));
}

TEST_F(LeaseViewTest, WhoeverHadALeaseAndHasNoneHasVanishedOnce) {
  EXPECT_THAT(renew({1, 2, 9}, false).vanished, IsEmpty());
  EXPECT_THAT(renew({1, 2}).vanished, ElementsAre(9u)) << "a node that is not known, too";
  EXPECT_THAT(renew({1}).vanished, ElementsAre(2u));
  EXPECT_THAT(renew({1}).vanished, IsEmpty());
}

TEST_F(LeaseViewTest, NodeWhoseLeaseWasSeenIsDeadWhenItIsGoneEvenSoonAfterTheStart) {
  EXPECT_THAT(renew({1, 2}, false).dead, IsEmpty());
  EXPECT_THAT(renew({1}).dead, ElementsAre(2u)) << "3 may be about to get its lease";
  EXPECT_THAT(renew({1}).dead, IsEmpty());
}

TEST_F(LeaseViewTest, NodeIsNotDeadWhoseLeaseRanOutWhileTheStoreWasSlow) {
  EXPECT_THAT(renew({1, 2, 3}, false).dead, IsEmpty());
  now += LeaseView::kSlow - LeaseView::kRenewal;
  EXPECT_THAT(renew({1}).dead, IsEmpty());
  EXPECT_THAT(renew({1, 2, 3}).dead, IsEmpty());
}

TEST_F(LeaseViewTest, NodeIsNotDeadWhoseLeaseWasSeenBeforeAnOutage) {
  EXPECT_THAT(renew({1, 2, 3}, false).dead, IsEmpty());
  view.on_failed();
  for (int i = 0; i < 6; ++i) EXPECT_THAT(renew({1}).dead, IsEmpty());
}

TEST_F(LeaseViewTest, NodeThatIsNotKnownIsNobodysBusiness) {
  become_steady({1, 2, 3, 4});
  EXPECT_THAT(renew({1, 2, 3}).dead, IsEmpty());
}

TEST_F(LeaseViewTest, NodeThatHasNoLeaseYetHasTimeToGetOne) {
  become_steady({1, 2, 3});
  known.insert(4);
  EXPECT_THAT(renew({1, 2, 3}).dead, IsEmpty());
  EXPECT_THAT(renew({1, 2, 3}).dead, IsEmpty());
  EXPECT_THAT(renew({1, 2, 3, 4}).dead, IsEmpty());
  known.insert(5);
  for (int i = 0; i < 3; ++i) EXPECT_THAT(renew({1, 2, 3, 4}).dead, IsEmpty());
  EXPECT_THAT(renew({1, 2, 3, 4}).dead, ElementsAre(5u));
}

TEST_F(LeaseViewTest, NobodyIsDeadAfterAnOutageOfTheStoreUntilAllHadTimeToComeBack) {
  become_steady({1, 2, 3});
  view.on_failed();
  for (int i = 0; i < 6; ++i) EXPECT_THAT(renew({1}).dead, IsEmpty());
  EXPECT_THAT(renew({1, 3}).dead, ElementsAre(2u));
}

TEST_F(LeaseViewTest, NodeThatIsHeardIsNotDeadForWantOfALease) {
  become_steady({1, 2, 3});
  heard = {2};
  for (int i = 0; i < 20; ++i) {
    const auto verdict = renew({1, 3});
    EXPECT_THAT(verdict.dead, IsEmpty());
    EXPECT_THAT(verdict.missing, ElementsAre(2u));
  }
  heard = {};
  for (int i = 0; i < 2; ++i) EXPECT_THAT(renew({1, 3}).dead, IsEmpty());
  EXPECT_THAT(renew({1, 3}).dead, ElementsAre(2u)) << "it has been silent for as long as a lease";
}

TEST_F(LeaseViewTest, NodeThatIsHeardAfterAnOutageIsNotDeadEither) {
  become_steady({1, 2, 3});
  view.on_failed();
  heard = {2};
  for (int i = 0; i < 6; ++i) EXPECT_THAT(renew({1}).missing, ElementsAre(2u, 3u));
  EXPECT_THAT(renew({1}).dead, ElementsAre(3u));
  known.erase(3);
  for (int i = 0; i < 20; ++i) EXPECT_THAT(renew({1}).dead, IsEmpty());
}

TEST_F(LeaseViewTest, PausedNodeNeedsANewEpochAndJudgesNobody) {
  EXPECT_FALSE(renew({1}, false).needs_new_epoch) << "the first lease";
  become_steady({1, 2, 3});
  now += std::chrono::seconds(10);
  const auto verdict = renew({1}, false);
  EXPECT_TRUE(verdict.needs_new_epoch);
  EXPECT_THAT(verdict.dead, IsEmpty());
  EXPECT_FALSE(renew({1}, false).needs_new_epoch) << "the first lease under the new one";
  EXPECT_FALSE(renew({1}).needs_new_epoch);
  EXPECT_TRUE(renew({1}, false).needs_new_epoch);
}

TEST_F(LeaseViewTest, WhoHadNoLeaseMayBeGivenUpByWhoeverHasKeptHisOwn) {
  const std::uint64_t other = redis::make_origin(2, 0);
  const std::uint64_t again = redis::make_origin(2, 1);
  known = {2};
  become_steady({1, other});
  EXPECT_TRUE(renew({other}, false).may_be_given_up);
  EXPECT_FALSE(renew({redis::make_origin(1, 1), other}, false).may_be_given_up);
  view.on_failed();
  EXPECT_FALSE(renew({}, false).may_be_given_up) << "the store was away, and this is the first one";
  EXPECT_FALSE(renew({redis::make_origin(1, 2)}, false).may_be_given_up);
  EXPECT_FALSE(renew({redis::make_origin(1, 2), other}).may_be_given_up) << "nothing has happened";
  EXPECT_FALSE(renew({again}, false).may_be_given_up) << "it had none either";
}

TEST_F(LeaseViewTest, NobodyIsGivenUpByARenewalThatLeavesLeasesWhereTheyAre) {
  EXPECT_FALSE(view.may_judge(now)) << "the first one";
  become_steady({1, 2, 3});
  EXPECT_TRUE(view.may_judge(now + LeaseView::kRenewal));
  EXPECT_FALSE(view.may_judge(now + LeaseView::kSlow)) << "the store may have been away";
  now += LeaseView::kRenewal;
  EXPECT_THAT(view.on_renewed(true, {1, 3}, known, heard, now, false).dead, IsEmpty());
  EXPECT_THAT(renew({1}).dead, ElementsAre(2u, 3u));
  view.on_failed();
  EXPECT_FALSE(view.may_judge(now));
}

TEST_F(LeaseViewTest, WhoseOwnLeaseIsGoneTakesNobodyForDead) {
  become_steady({1, 2, 3});
  const auto verdict = renew({}, false);  // the store has lost all that it had
  EXPECT_TRUE(verdict.needs_new_epoch);
  EXPECT_THAT(verdict.dead, IsEmpty());
}

/// `redis_node_process`, with a peer in a room.
class NodeProcess {
 public:
  NodeProcess(const RedisServer& bus, const RedisServer& store, const std::string& room) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
    const std::string bus_url = url_of(bus);
    const std::string store_url = url_of(store);
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ == 0) {
      (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::dup2(ends[1], STDOUT_FILENO);
      if (::getppid() == parent) {
        ::execl(REDIS_NODE_PROCESS, REDIS_NODE_PROCESS, bus_url.c_str(), store_url.c_str(),
                room.c_str(), static_cast<char*>(nullptr));
      }
      ::_exit(127);
    }
    ::close(ends[1]);
    std::string line;
    char next = 0;
    while (::read(ends[0], &next, 1) == 1 && next != '\n') line += next;
    output_ = ends[0];  // open as long as the process writes
    if (line.empty()) throw std::runtime_error("the node's process has ended");
    id = std::string(parse_json(line).at("id").as_string());
  }
  ~NodeProcess() {
    kill();
    ::close(output_);
  }
  NodeProcess(const NodeProcess&) = delete;
  NodeProcess& operator=(const NodeProcess&) = delete;

  void kill() {
    if (pid_ <= 0) return;
    signal(SIGKILL);
    (void)::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }
  void signal(int number) { (void)::kill(pid_, number); }

  std::string id;

 private:
  pid_t pid_ = -1;
  int output_ = -1;
};

std::size_t count(const std::vector<std::string>& texts, const std::string& type,
                  const std::string& id) {
  std::size_t found = 0;
  for (const std::string& text : texts) {
    const bool is_it =
        text.find('"' + type + '"') != std::string::npos && text.find(id) != std::string::npos;
    found += is_it ? 1 : 0;
  }
  return found;
}

TEST(RedisLeaseTest, KilledNodesPeersAreGoneAndAPausedOnesComeBackOnce) {
  const RedisServer bus;
  const RedisServer store;
  HubNode here({&bus}, &store);
  HubNode other({&bus}, &store);
  const std::vector<HubNode*> nodes{&here, &other};
  const auto client = here.enter(1, "r");
  NodeProcess killed(bus, store, "r");
  NodeProcess paused(bus, store, "r");
  const auto witness = other.enter(2, "r");
  ASSERT_TRUE(
      drive(nodes, [&] { return here.roster("r").size() == 4 && other.roster("r").size() == 4; }));
  const auto has = [](HubNode& node, const std::string& id) {
    const auto roster = node.roster("r");
    return std::any_of(roster.begin(), roster.end(),
                       [&](const std::string& each) { return each.substr(0, 32) == id; });
  };
  drive_for(nodes, LeaseView::kSteady + LeaseView::kRenewal);

  client->transport.frames.clear();
  killed.kill();
  paused.signal(SIGSTOP);
  const auto began = steady_clock::now();
  client->send(R"({"type":"offer","to":")" + killed.id + R"(","msg_id":"m"})");
  ASSERT_TRUE(
      drive(nodes, [&] { return last_text(*client).find("receipt") != std::string::npos; }));
  EXPECT_LE(steady_clock::now() - began, milliseconds(50)) << "a message to a node that was killed";
  EXPECT_NE(last_text(*client).find("unknown"), std::string::npos);
  client->send(R"({"type":"offer","to":")" + paused.id + R"(","msg_id":"n"})");
  ASSERT_TRUE(drive(nodes, [&] { return last_text(*client).find("\"n\"") != std::string::npos; }));
  EXPECT_LE(steady_clock::now() - began, milliseconds(2500)) << "a message to a paused one";

  ASSERT_TRUE(drive(nodes, [&] { return !has(here, killed.id) && !has(other, killed.id); }));
  EXPECT_LE(steady_clock::now() - began, milliseconds(8200));
  ASSERT_TRUE(drive(nodes, [&] { return !has(here, paused.id) && !has(other, paused.id); }));
  std::this_thread::sleep_until(began + std::chrono::seconds(10));
  paused.signal(SIGCONT);
  ASSERT_TRUE(drive(nodes, [&] { return has(here, paused.id) && has(other, paused.id); }));
  drive_for(nodes, milliseconds(3000));
  EXPECT_EQ(here.roster("r").size(), 3u);
  EXPECT_EQ(here.roster("r"), other.roster("r"));
  EXPECT_EQ(count(client->texts(), "peer_left", killed.id), 1u);
  EXPECT_EQ(count(client->texts(), "peer_left", paused.id), 1u);
  EXPECT_EQ(count(client->texts(), "peer_joined", paused.id), 1u);
  EXPECT_TRUE(here.backplane->status().problems.empty());
}

TEST(RedisLeaseTest, NodeThatHasLostOnlyItsWayToTheStoreStays) {
  const RedisServer bus;
  const RedisServer store;
  const RedisServer elsewhere;  // where nobody sees its lease
  HubNode here({&bus}, &store);
  HubNode there({&bus}, &elsewhere);
  const std::vector<HubNode*> nodes{&here, &there};
  const auto client = here.enter(1, "r");
  const auto peer = there.enter(2, "r");
  ASSERT_TRUE(
      drive(nodes, [&] { return here.roster("r").size() == 2 && there.roster("r").size() == 2; }));
  const std::string lease =
      elsewhere.command({"ZRANGE", "vc:nodes", "0", "-1"}).elements.at(0).text;
  const auto seconds = std::stoll(store.command({"TIME"}).elements.at(0).text);
  const auto end = std::to_string(seconds * 1000 + LeaseView::kLease.count());
  store.command({"ZADD", "vc:nodes", end, lease});  // seen once, and not again
  drive_for(nodes, LeaseView::kSteady + LeaseView::kLease + LeaseView::kRenewal);
  EXPECT_EQ(count(client->texts(), "peer_left", id_of(*peer)), 0u);
  EXPECT_EQ(count(peer->texts(), "peer_left", id_of(*client)), 0u);
  EXPECT_EQ(here.roster("r").size(), 2u);
}

TEST(RedisLeaseTest, NodeThatGoesInOrderIsGoneAtOnce) {
  const RedisServer bus;
  const RedisServer store;
  HubNode here({&bus}, &store);
  const auto client = here.enter(1, "r");
  {
    HubNode other({&bus}, &store);
    const auto passing = other.enter(2, "r");
    ASSERT_TRUE(drive({&here, &other}, [&] { return here.roster("r").size() == 2; }));
  }
  EXPECT_TRUE(drive(
      {&here}, [&] { return here.roster("r").size() == 1; }, milliseconds(500)));
}

}  // namespace
}  // namespace voicechan
