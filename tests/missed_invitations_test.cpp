#include "missed_invitations.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "fake_transport.hpp"
#include "forwarding_backplane.hpp"
#include "forwarding_store.hpp"
#include "notification_feed.hpp"
#include "server_fixture.hpp"
#include "settable_clock.hpp"

// What notifications sockets are told later. With servers and Redis as they are:
// blackbox/test_missed_notifications.py.

namespace voicechan::server {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::StartsWith;

constexpr WallTime kOpened{seconds{1'795'341'600}};

InvitationNotice notice(std::int64_t id, WallTime created_at = kOpened) {
  return {InvitationId{id}, created_at,
          Frame::control_text(R"({"type":"invitation","id":)" + std::to_string(id) +
                              R"(,"status":"pending"})")};
}

class NotificationFeedTest : public ::testing::Test {
 protected:
  std::unique_ptr<NotificationFeed> make(std::optional<InvitationId> since = {}) {
    return std::make_unique<NotificationFeed>(
        out, UserId{7}, NotificationFeed::Begin{since, kOpened}, feeds, std::nullopt);
  }
  /// Their ids; 0 for what is no invitation.
  std::vector<std::int64_t> sent() const {
    std::vector<std::int64_t> ids;
    for (const Frame& frame : out.frames) {
      ids.push_back(find_invitation(frame).value_or(InvitationId{}).value);
    }
    return ids;
  }

  NotificationFeeds feeds;
  FakeTransport out;
};

TEST_F(NotificationFeedTest, WhatIsPublishedWaitsForWhatWasMissedAndNothingComesTwice) {
  const auto feed = make(InvitationId{3});
  feed->hold();
  feed->send(notice(6).frame);
  feed->send(notice(7).frame);
  EXPECT_THAT(sent(), IsEmpty());
  feed->add_missed({notice(3), notice(4), notice(5), notice(6)});
  EXPECT_THAT(sent(), ElementsAre(4, 5, 6, 0, 7));
  EXPECT_EQ(out.frames[3].bytes(), R"({"type":"caught_up","since":6})");
  feed->send(notice(5).frame);
  feed->send(notice(8).frame);
  EXPECT_THAT(sent(), ElementsAre(4, 5, 6, 0, 7, 8));
}

TEST_F(NotificationFeedTest, WhatWasPublishedIsNotTakenFromTheStoreAgain) {
  const auto feed = make();
  feed->send(notice(2).frame);
  feeds.add_missed_meanwhile(UserId{7}, {notice(1), notice(2), notice(3)});
  feeds.add_missed_meanwhile(UserId{7}, {notice(1), notice(2), notice(3)});
  feeds.add_missed_meanwhile(UserId{8}, {notice(4)});
  EXPECT_THAT(sent(), ElementsAre(2, 1, 3));
}

TEST_F(NotificationFeedTest, OneThatWasOpenedLaterIsNotToldOfWhatWasBefore) {
  const auto feed = make();
  feed->add_missed_meanwhile({notice(1, kOpened - kClockMargin - seconds(1)),
                              notice(2, kOpened - kClockMargin), notice(3)});
  EXPECT_THAT(sent(), ElementsAre(2, 3));
}

TEST_F(NotificationFeedTest, WhatIsMissedMeanwhileWaitsToo) {
  const auto feed = make(InvitationId{0});
  feed->hold();
  feed->add_missed_meanwhile({notice(2), notice(3)});
  feed->send(notice(4).frame);
  EXPECT_THAT(sent(), IsEmpty());
  feed->add_missed({notice(1), notice(2)});
  EXPECT_THAT(sent(), ElementsAre(1, 2, 0, 3, 4));
}

TEST_F(NotificationFeedTest, WhatTheStoreSaysInOtherWordsMeanwhileComesOnce) {
  const auto feed = make(InvitationId{0});
  feed->hold();
  feed->send(Frame::control_text(R"({"type":"invitation","id":1,"inviter_username":"ann"})"));
  feed->add_missed_meanwhile({notice(1)});
  feed->add_missed({});
  EXPECT_THAT(sent(), ElementsAre(0, 1));
}

/// The mark is for all up to it: also for what was stored since, and did not come by the bus.
TEST_F(NotificationFeedTest, SinceNowIsWhatWasMadeSinceThen) {
  const auto feed = make();
  feed->hold();
  feed->add_missed({notice(1, kOpened - std::chrono::microseconds(1)), notice(2)});
  EXPECT_THAT(sent(), ElementsAre(2, 0));
  EXPECT_EQ(out.frames[1].bytes(), R"({"type":"caught_up","since":2})");
}

TEST_F(NotificationFeedTest, OtherNotificationsComeAsOftenAsTheyAreSent) {
  const auto feed = make();
  const Frame reminder = Frame::control_text(R"({"type":"reminder"})");
  const Frame changed = Frame::control_text(R"({"type":"invitation","id":1,"status":"accepted"})");
  for (const Frame& frame : {reminder, reminder, notice(1).frame, changed, notice(1).frame}) {
    feed->send(frame);
  }
  EXPECT_THAT(sent(), ElementsAre(0, 0, 1, 1));
}

TEST_F(NotificationFeedTest, WhateverAListingHasIsKnownIfItWasSent) {
  const auto feed = make();
  constexpr std::int64_t kMany = 5000;
  for (std::int64_t id = kMany; id > 0; --id) feed->send(notice(id).frame);
  std::vector<InvitationNotice> newest;
  for (std::int64_t id = kMany - kMaxMissedInvitations + 1; id <= kMany; ++id) {
    newest.push_back(notice(id));
  }
  feed->add_missed_meanwhile(newest);
  EXPECT_EQ(out.frames.size(), static_cast<std::size_t>(kMany));
}

TEST_F(NotificationFeedTest, TooManyThatWaitGoOnAtOnce) {
  const auto feed = make(InvitationId{0});
  feed->hold();
  for (std::int64_t id = 1; id <= 1200; ++id) feed->send(notice(id).frame);
  EXPECT_EQ(out.frames.size(), 200u);
  feed->add_missed({});
  EXPECT_EQ(out.frames.size(), 1201u);
}

TEST_F(NotificationFeedTest, SinceIsAnIdOrNow) {
  const auto parse = [](std::string_view text) {
    NotificationFeed::Begin begin;
    return NotificationFeed::parse_since(text, begin) ? begin.since.value_or(InvitationId{-2}).value
                                                      : -1;
  };
  EXPECT_EQ(parse("0"), 0);
  EXPECT_EQ(parse("41"), 41);
  EXPECT_EQ(parse("99999999999999999999"), INT64_MAX);
  EXPECT_EQ(parse("now"), -2);
  for (const char* wrong : {"", "-1", "+1", " 1", "1.0", "1e3", "Now", "now "}) {
    EXPECT_EQ(parse(wrong), -1) << wrong;
  }
}

TEST_F(NotificationFeedTest, NothingFollowsItsEnd) {
  auto feed = make(InvitationId{0});
  feed->hold();
  feed->send(notice(2).frame);
  feed->end();
  feed->add_missed({notice(1)});
  feed = nullptr;
  feeds.add_missed_meanwhile(UserId{7}, {notice(3)});
  EXPECT_THAT(sent(), IsEmpty());
}

/// Says of groups that something was missed in them, when the test says so.
class GappyBackplane final : public ForwardingBackplane {
 public:
  bool watch_gaps(std::function<void(std::string_view group)> on_gap) override {
    on_gap_ = std::move(on_gap);
    return true;
  }

  void tell_gap(const std::string& group) { on_gap_(group); }

 private:
  std::function<void(std::string_view)> on_gap_;
};

/// Another one whose lists fail when they are told to, and count how many are made at once.
class WatchedStore final : public ForwardingStore {
 public:
  using ForwardingStore::ForwardingStore;

  Result<std::vector<ReceivedInvitation>> list_invitations(UserId user, InvitationId after,
                                                           std::size_t limit) noexcept override {
    ++lists;
    if (fails) return Errc::store_unavailable;
    if (user.value == unreadable) return Errc::store_corrupt;
    const int now = ++under_way;
    int most = most_at_once;
    while (now > most && !most_at_once.compare_exchange_weak(most, now)) {
    }
    auto list = ForwardingStore::list_invitations(user, after, limit);
    --under_way;
    return list;
  }

  std::atomic<bool> fails{false};
  std::atomic<std::int64_t> unreadable{0};  // a user
  std::atomic<int> lists{0};
  std::atomic<int> under_way{0};
  std::atomic<int> most_at_once{0};
};

class MissedInvitationsTest : public ::testing::Test {
 protected:
  MissedInvitationsTest() {
    EXPECT_TRUE(store.create_user(*Username::parse("alice"), KeyDigest{}));
    channel = as_store.create_channel(*ChannelName::parse("general"), UserId{1}, clock.now())->id;
    missed->start([this](UserId user, const MissedInvitations::Notices& notices) {
      const std::lock_guard lock(mutex);
      for (const auto& each : *notices) delivered.emplace_back(user.value, each.id.value);
      changed.notify_all();
    });
  }

  void add_users(int count) {
    for (int i = 0; i < count; ++i) {
      KeyDigest key{};
      key[0] = static_cast<std::uint8_t>(i + 1);
      key[1] = static_cast<std::uint8_t>((i + 1) >> 8);
      ASSERT_TRUE(store.create_user(*Username::parse("user" + std::to_string(i)), key));
    }
  }
  std::int64_t invite(std::int64_t user) {
    return as_store.create_invitation(channel, UserId{user}, UserId{1}, clock.now())
        ->invitation.id.value;
  }
  static std::string group(std::int64_t user) { return notification_group(UserId{user}); }

  using Delivered = std::vector<std::pair<std::int64_t, std::int64_t>>;
  Delivered wait_for(std::size_t count) {
    std::unique_lock lock(mutex);
    EXPECT_TRUE(changed.wait_for(lock, seconds(20), [&] { return delivered.size() >= count; }));
    return delivered;
  }

  SettableClock clock;
  WatchedStore store{make_memory_store()};
  Store& as_store{store};
  GappyBackplane backplane;
  Directory directory{store, backplane, clock};
  ChannelId channel;
  std::mutex mutex;
  std::condition_variable changed;
  Delivered delivered;
  std::unique_ptr<MissedInvitations> missed = MissedInvitations::watch(backplane, directory, clock);
};

TEST_F(MissedInvitationsTest, ThereIsNoneWhereNothingIsLost) {
  InProcessBackplane local(1);
  EXPECT_EQ(MissedInvitations::watch(local, directory, clock), nullptr);
}

TEST_F(MissedInvitationsTest, WhatCameSinceASocketWasThereIsDelivered) {
  invite(1);
  clock.advance(seconds(60));
  const auto socket = missed->add_socket(UserId{1});
  clock.advance(seconds(60));
  const auto first = invite(1);
  const auto second = invite(1);
  clock.advance(seconds(60));
  backplane.tell_gap(group(1));
  EXPECT_THAT(wait_for(2), ElementsAre(std::pair(1, first), std::pair(1, second)));
  clock.advance(seconds(60));
  const auto third = invite(1);
  backplane.tell_gap(group(1));
  EXPECT_THAT(wait_for(3),
              ElementsAre(std::pair(1, first), std::pair(1, second), std::pair(1, third)));
}

TEST_F(MissedInvitationsTest, UsersWithoutSocketsAndOtherGroupsAreNotLookedFor) {
  add_users(2);
  { const auto gone = missed->add_socket(UserId{2}); }
  const auto socket = missed->add_socket(UserId{3});
  for (const char* other : {"notifications_", "notifications_x", "notifications_3x", "voice_3"}) {
    backplane.tell_gap(other);
  }
  backplane.tell_gap(group(1));
  backplane.tell_gap(group(2));
  invite(3);
  backplane.tell_gap(group(3));
  wait_for(1);
  EXPECT_EQ(store.lists, 1);
}

TEST_F(MissedInvitationsTest, NoMoreThanTheNewestAreDelivered) {
  const auto socket = missed->add_socket(UserId{1});
  for (int i = 0; i < 150; ++i) invite(1);
  backplane.tell_gap(group(1));
  const auto all = wait_for(kMaxMissedInvitations);
  ASSERT_EQ(all.size(), kMaxMissedInvitations);
  EXPECT_EQ(all.front().second, 51);
  EXPECT_EQ(all.back().second, 150);
}

TEST_F(MissedInvitationsTest, AStoreThatIsAwayIsAskedAgain) {
  const auto socket = missed->add_socket(UserId{1});
  const auto id = invite(1);
  store.fails = true;
  backplane.tell_gap(group(1));
  while (store.lists == 0) std::this_thread::yield();
  store.fails = false;
  EXPECT_THAT(wait_for(1), ElementsAre(std::pair(1, id)));
}

TEST_F(MissedInvitationsTest, OneWhoseInvitationsCannotBeReadKeepsNobodyElseWaiting) {
  add_users(2);
  std::vector<MissedInvitations::Socket> sockets;
  for (std::int64_t user = 1; user <= 3; ++user)
    sockets.push_back(missed->add_socket(UserId{user}));
  store.unreadable = 1;
  backplane.tell_gap(group(1));
  while (store.lists == 0) std::this_thread::yield();
  const auto second = invite(2);
  const auto third = invite(3);
  backplane.tell_gap(group(2));
  backplane.tell_gap(group(3));
  EXPECT_THAT(wait_for(2), ElementsAre(std::pair(2, second), std::pair(3, third)));
}

TEST_F(MissedInvitationsTest, ManyUsersAreLookedForOneAfterTheOther) {
  constexpr int kMany = 1000;
  add_users(kMany);
  std::vector<MissedInvitations::Socket> sockets;
  for (std::int64_t user = 2; user < 2 + kMany; ++user) {
    sockets.push_back(missed->add_socket(UserId{user}));
    invite(user);
  }
  for (int twice = 0; twice < 2; ++twice) {
    for (std::int64_t user = 2; user < 2 + kMany; ++user) backplane.tell_gap(group(user));
  }
  EXPECT_GE(wait_for(kMany).size(), static_cast<std::size_t>(kMany));
  EXPECT_EQ(store.most_at_once, 1);
}

class MissedInvitationsServerTest : public ServerFixture {
 protected:
  MissedInvitationsServerTest() {
    auto store = std::make_unique<WatchedStore>(std::move(store_));
    watched_ = store.get();
    store_ = std::move(store);
    channel_ = store_->create_channel(*ChannelName::parse("x"), UserId{1}, {})->id;
    auto backplane = std::make_unique<GappyBackplane>();
    backplane_ = backplane.get();
    server_ = std::make_unique<Server>(options_, *store_, std::move(backplane));
  }

  InvitationId invite() {
    return store_->create_invitation(channel_, UserId{1}, UserId{1}, system_clock().now())
        ->invitation.id;
  }
  static std::string beginning_of(InvitationId id) {
    return R"({"type":"invitation","id":)" + std::to_string(id.value) + ',';
  }

  WatchedStore* watched_;
  GappyBackplane* backplane_;
  ChannelId channel_;
};

TEST_F(MissedInvitationsServerTest, AClientWhoCannotBeToldIsToComeAgain) {
  const auto id = invite();
  watched_->fails = true;
  SocketClient client = open_websocket("/ws/notifications/?since=0");
  EXPECT_EQ(client.read_frame(),
            std::pair(std::uint8_t{0x88}, std::string("\x03\xf5the store cannot be read now")));
  watched_->fails = false;
  SocketClient again = open_websocket("/ws/notifications/?since=0");
  EXPECT_THAT(again.read_frame().second, StartsWith(beginning_of(id)));
}

TEST_F(MissedInvitationsServerTest, AnOpenSocketIsToldWhatWasNotPublished) {
  SocketClient client = open_websocket("/ws/notifications/");
  const auto first = invite();
  const auto second = invite();
  for (int i = 0; i < 3; ++i) backplane_->tell_gap(notification_group(UserId{1}));
  EXPECT_THAT(client.read_frame().second, StartsWith(beginning_of(first)));
  EXPECT_THAT(client.read_frame().second, StartsWith(beginning_of(second)));
  const auto third = invite();
  backplane_->tell_gap(notification_group(UserId{1}));
  EXPECT_THAT(client.read_frame().second, StartsWith(beginning_of(third)));
}

}  // namespace
}  // namespace voicechan::server
