#include "voicechan/directory.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "fake_transport.hpp"
#include "in_process_presence.hpp"
#include "in_process_voice_presence.hpp"

namespace voicechan {
namespace {

class FakeClock final : public Clock {
 public:
  WallTime now() const noexcept override { return time; }
  WallTime time{std::chrono::seconds(1795341600)};
};

/// Notes what is published, and how many invitations were in the store then.
class FakeBackplane final : public Backplane {
 public:
  Result<std::unique_ptr<BackplanePort>> attach(BackplaneReceiver&,
                                                std::function<void()>) override {
    return Errc::too_many_hubs;
  }
  void publish(std::string_view group, const Frame& frame) override {
    groups.emplace_back(group);
    frames.push_back(frame);
  }
  Preparation prepare(std::string_view, std::function<void()>) override { return {}; }
  Presence& presence() noexcept override { return presence_; }
  VoicePresence& voice_presence() noexcept override { return voice_presence_; }
  std::vector<std::string> groups;
  std::vector<Frame> frames;

 private:
  InProcessPresence presence_{*this};
  InProcessVoicePresence voice_presence_{*this};
};

/// A store whose disk is full.
class FailingStore final : public Store {
 public:
  static constexpr Errc kError = Errc::store_unavailable;
  Result<Channel> create_channel(const ChannelName&, UserId, WallTime,
                                 std::size_t) noexcept override {
    return kError;
  }
  Result<Channel> get_channel(ChannelId) noexcept override { return kError; }
  Result<std::vector<Channel>> list_channels(ChannelId, std::size_t) noexcept override {
    return kError;
  }
  Result<IssuedInvitation> create_invitation(ChannelId, UserId, UserId, WallTime,
                                             std::size_t) noexcept override {
    return kError;
  }
  Result<std::vector<ReceivedInvitation>> list_invitations(UserId, InvitationId,
                                                           std::size_t) noexcept override {
    return kError;
  }
  Result<Identity> create_user(const Username&, const KeyDigest&) noexcept override {
    return kError;
  }
  Result<Identity> replace_user_key(const Username&, const KeyDigest&) noexcept override {
    return kError;
  }
  Result<Identity> remove_user(const Username&) noexcept override { return kError; }
  Result<std::vector<Identity>> list_users() noexcept override { return kError; }
  Result<Identity> get_user(UserId) noexcept override { return kError; }
  Result<Identity> get_user_by_name(const Username&) noexcept override { return kError; }
  Result<Identity> get_user_by_key(const KeyDigest&) noexcept override { return kError; }
  Result<RevokedToken> revoke_token(const TokenId&, WallTime, WallTime) noexcept override {
    return kError;
  }
  Result<bool> is_token_revoked(const TokenId&) noexcept override { return kError; }
  Result<std::vector<RevokedToken>> list_revoked_tokens() noexcept override { return kError; }
  Result<std::int64_t> count_revocations() noexcept override { return kError; }
};

class DirectoryTest : public ::testing::Test {
 protected:
  Identity add_user(std::string_view name) {
    KeyDigest key{};
    key[0] = next_key_++;
    return *store->create_user(*Username::parse(name), key);
  }
  static ChannelName name(std::string_view text) { return *ChannelName::parse(text); }

  std::unique_ptr<Store> store = make_memory_store();
  FakeBackplane backplane;
  FakeClock clock;
  Directory directory{*store, backplane, clock};
  Identity alice = add_user("alice");
  Identity bob = add_user("bob");

 private:
  std::uint8_t next_key_ = 1;
};

TEST_F(DirectoryTest, ChannelBelongsToItsCreatorAndHasTheTimeOfTheClock) {
  const auto channel = directory.create_channel(alice, name(" Team "));
  ASSERT_TRUE(channel);
  EXPECT_EQ(channel->name, "Team");
  EXPECT_EQ(channel->creator, alice.id);
  EXPECT_EQ(channel->created_at, clock.time);
  EXPECT_GT(channel->id.value, 0);
}

TEST_F(DirectoryTest, AUserCreatesNoMoreThanTheQuotas) {
  Directory bounded(*store, backplane, clock, {1, 2});
  const auto channel = bounded.create_channel(alice, name("Team"));
  ASSERT_TRUE(channel);
  EXPECT_EQ(bounded.create_channel(alice, name("Team")).error(), Errc::quota_exceeded);
  EXPECT_TRUE(bounded.create_channel(bob, name("Team")));
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(bounded.invite(alice, channel->id, bob.id));
  const auto published = backplane.frames.size();
  EXPECT_EQ(bounded.invite(alice, channel->id, bob.id).error(), Errc::quota_exceeded);
  EXPECT_EQ(backplane.frames.size(), published);
}

TEST_F(DirectoryTest, CreatedChannelCanBeFetchedByAnyUser) {
  const auto created = directory.create_channel(alice, name("Team"));
  const auto fetched = directory.get_channel(bob, created->id);
  ASSERT_TRUE(fetched);
  EXPECT_EQ(fetched->name, "Team");
  EXPECT_EQ(fetched->creator, alice.id);
}

TEST_F(DirectoryTest, UnknownChannelIsRefused) {
  EXPECT_EQ(directory.get_channel(alice, ChannelId{1}).error(), Errc::unknown_channel);
  EXPECT_EQ(directory.get_channel(alice, ChannelId{-1}).error(), Errc::unknown_channel);
}

TEST_F(DirectoryTest, TwoChannelsMayShareAName) {
  const auto first = directory.create_channel(alice, name("Team"));
  const auto second = directory.create_channel(bob, name("Team"));
  EXPECT_NE(first->id, second->id);
}

TEST_F(DirectoryTest, ListingHasAllChannelsInOrder) {
  for (const char* each : {"a", "b", "c"}) ASSERT_TRUE(directory.create_channel(alice, name(each)));
  const auto channels = directory.list_channels(bob);
  ASSERT_TRUE(channels);
  std::vector<std::string> names;
  for (const Channel& channel : *channels) names.push_back(channel.name);
  EXPECT_THAT(names, ::testing::ElementsAre("a", "b", "c"));
}

TEST_F(DirectoryTest, PageHasWhatComesAfterUpToItsLimit) {
  for (const char* each : {"a", "b", "c", "d"}) {
    ASSERT_TRUE(directory.create_channel(alice, name(each)));
  }
  const auto all = directory.list_channels(alice);
  const auto page = directory.list_channels(alice, {(*all)[0].id, 2});
  ASSERT_EQ(page->size(), 2u);
  EXPECT_EQ((*page)[0].name, "b");
  EXPECT_EQ((*page)[1].name, "c");
}

TEST_F(DirectoryTest, InvitationIsPendingAndHasTheTimeOfTheClock) {
  const auto channel = directory.create_channel(alice, name("Team"));
  const auto invitation = directory.invite(alice, channel->id, bob.id);
  ASSERT_TRUE(invitation);
  EXPECT_EQ(invitation->channel, channel->id);
  EXPECT_EQ(invitation->addressee, bob.id);
  EXPECT_EQ(invitation->inviter, alice.id);
  EXPECT_EQ(invitation->status, InvitationStatus::pending);
  EXPECT_EQ(invitation->created_at, clock.time);
}

TEST_F(DirectoryTest, InvitationIsPublishedOnceToTheAddressee) {
  const auto channel = directory.create_channel(alice, name("Team"));
  const auto invitation = directory.invite(alice, channel->id, bob.id);
  ASSERT_TRUE(invitation);
  ASSERT_THAT(backplane.groups,
              ::testing::ElementsAre("notifications_" + std::to_string(bob.id.value)));
  const auto message = parse_json(backplane.frames[0].bytes());
  EXPECT_EQ(message.at("type").as_string(), "invitation");
  EXPECT_EQ(message.at("id").as_int64(), invitation->id.value);
  EXPECT_EQ(message.at("voice_channel_name").as_string(), "Team");
  EXPECT_EQ(message.at("inviter_username").as_string(), "alice");
}

TEST_F(DirectoryTest, NoticesAreWhatWasPublishedTheOldestFirst) {
  const auto channel = directory.create_channel(alice, name("Team"));
  std::vector<InvitationId> ids;
  for (int i = 0; i < 4; ++i) ids.push_back(directory.invite(alice, channel->id, bob.id)->id);
  const auto notices = directory.list_notices(bob.id, ids[0], 2);
  ASSERT_TRUE(notices);
  ASSERT_EQ(notices->size(), 2u);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ((*notices)[i].id, ids[i + 2]);
    EXPECT_EQ((*notices)[i].created_at, clock.time);
    EXPECT_EQ((*notices)[i].frame.bytes(), backplane.frames[i + 2].bytes());
  }
  EXPECT_TRUE(directory.list_notices(alice.id, {}, 9)->empty());
}

TEST_F(DirectoryTest, InvitationIntoAnUnknownChannelIsRefusedAndNotPublished) {
  EXPECT_EQ(directory.invite(alice, ChannelId{99}, bob.id).error(), Errc::unknown_channel);
  EXPECT_TRUE(backplane.frames.empty());
}

TEST_F(DirectoryTest, InvitationOfAnUnknownUserIsRefusedAndNotPublished) {
  const auto channel = directory.create_channel(alice, name("Team"));
  EXPECT_EQ(directory.invite(alice, channel->id, UserId{99}).error(), Errc::unknown_user);
  EXPECT_TRUE(backplane.frames.empty());
}

TEST_F(DirectoryTest, ErrorsOfTheStorePassThroughAndNothingIsPublished) {
  FailingStore failing;
  Directory broken(failing, backplane, clock);
  EXPECT_EQ(broken.create_channel(alice, name("a")).error(), Errc::store_unavailable);
  EXPECT_EQ(broken.get_channel(alice, ChannelId{1}).error(), Errc::store_unavailable);
  EXPECT_EQ(broken.list_channels(alice).error(), Errc::store_unavailable);
  EXPECT_EQ(broken.invite(alice, ChannelId{1}, bob.id).error(), Errc::store_unavailable);
  EXPECT_TRUE(backplane.frames.empty());
}

TEST_F(DirectoryTest, InvitationReachesEveryDeviceOfTheAddressee) {
  HubSystem system(2);
  Directory connected(*store, system.backplane(), clock);
  const auto phone = system.open_notifications(0, bob.id.value);
  const auto laptop = system.open_notifications(1, bob.id.value);
  const auto other = system.open_notifications(1, alice.id.value);
  const auto channel = connected.create_channel(alice, name("Team"));
  ASSERT_TRUE(connected.invite(alice, channel->id, bob.id));
  system.settle();
  EXPECT_EQ(phone->texts().size(), 1u);
  EXPECT_EQ(laptop->texts().size(), 1u);
  EXPECT_TRUE(other->texts().empty());
}

}  // namespace
}  // namespace voicechan
