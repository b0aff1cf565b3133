#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <limits>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "voicechan/store.hpp"

// What store.hpp promises, for every implementation. A test file instantiates it with
//   INSTANTIATE_TEST_SUITE_P(Memory, StoreConformanceTest,
//                            ::testing::Values(StoreFactory{…}),
//                            ::testing::PrintToStringParamName());

namespace voicechan {

struct StoreFactory {
  std::string name;
  /// A new, empty store; what it needs goes away with it.
  std::function<std::shared_ptr<Store>()> make;
};

inline void PrintTo(const StoreFactory& factory, std::ostream* out) { *out << factory.name; }

inline ChannelName channel_name(std::string_view text) {
  auto name = ChannelName::parse(text);
  EXPECT_TRUE(name) << text;
  return *std::move(name);
}

inline Username username(std::string_view text) {
  auto name = Username::parse(text);
  EXPECT_TRUE(name) << text;
  return *std::move(name);
}

/// The digest of some key; another `number` is another key.
inline KeyDigest digest(int number) {
  KeyDigest key;
  key.fill(0xA0);
  std::memcpy(key.data(), &number, sizeof(number));
  return key;
}

inline std::string repeated(std::string_view text, int times) {
  std::string result;
  for (int i = 0; i < times; ++i) result += text;
  return result;
}

inline std::vector<std::int64_t> ids_of(const std::vector<Channel>& channels) {
  std::vector<std::int64_t> ids;
  for (const auto& channel : channels) ids.push_back(channel.id.value);
  return ids;
}

/// Runs `work(thread)` on several threads at once and waits for all.
inline void on_threads(int count, const std::function<void(int)>& work) {
  std::vector<std::thread> threads;
  for (int thread = 0; thread < count; ++thread) threads.emplace_back(work, thread);
  for (auto& thread : threads) thread.join();
}

class StoreConformanceTest : public ::testing::TestWithParam<StoreFactory> {
 protected:
  static constexpr WallTime kTime{std::chrono::microseconds{1'795'341'600'123'456}};
  static constexpr std::size_t kAll = std::numeric_limits<std::size_t>::max();

  Store& store() { return *store_; }

  Channel create_channel(std::string_view name = "general") {
    return store_->create_channel(channel_name(name), UserId{7}, kTime).value();
  }
  Identity create_user(std::string_view name, int key) {
    return store_->create_user(username(name), digest(key)).value();
  }
  RevokedToken revoke(std::string_view id, WallTime until = kTime, WallTime now = kTime) {
    return store_->revoke_token(*TokenId::parse(id), until, now).value();
  }
  bool is_revoked(std::string_view id) {
    return store_->is_token_revoked(*TokenId::parse(id)).value();
  }
  std::vector<std::int64_t> list_ids(std::int64_t after, std::size_t limit) {
    return ids_of(store_->list_channels(ChannelId{after}, limit).value());
  }

 private:
  std::shared_ptr<Store> store_ = GetParam().make();
};

TEST_P(StoreConformanceTest, CreatedChannelIsReturnedWithWhatWasGiven) {
  const auto channel = store().create_channel(channel_name("general"), UserId{7}, kTime);
  ASSERT_TRUE(channel);
  EXPECT_GT(channel->id.value, 0);
  EXPECT_EQ(channel->name, "general");
  EXPECT_EQ(channel->creator, UserId{7});
  EXPECT_EQ(channel->created_at, kTime);
}

TEST_P(StoreConformanceTest, CreatedChannelIsFoundAgainWithEveryField) {
  const Channel created = create_channel("general");
  const auto found = store().get_channel(created.id);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->id, created.id);
  EXPECT_EQ(found->name, "general");
  EXPECT_EQ(found->creator, UserId{7});
  EXPECT_EQ(found->created_at, kTime);
}

TEST_P(StoreConformanceTest, TimesOfAllSortsAreKeptToTheMicrosecond) {
  for (const std::int64_t count : {std::int64_t{0}, std::int64_t{-1}, std::int64_t{1},
                                   std::int64_t{253'402'300'799'999'999}}) {
    const WallTime time{std::chrono::microseconds{count}};
    const auto created = store().create_channel(channel_name("general"), UserId{7}, time);
    ASSERT_TRUE(created);
    EXPECT_EQ(store().get_channel(created->id)->created_at, time);
  }
}

TEST_P(StoreConformanceTest, ChannelIdsAscend) {
  const auto first = create_channel().id;
  const auto second = create_channel().id;
  const auto third = create_channel().id;
  EXPECT_LT(first, second);
  EXPECT_LT(second, third);
}

TEST_P(StoreConformanceTest, TwoChannelsMayShareAName) {
  const auto first = create_channel("general").id;
  const auto second = create_channel("general").id;
  EXPECT_NE(first, second);
  EXPECT_EQ(store().get_channel(first)->name, store().get_channel(second)->name);
}

TEST_P(StoreConformanceTest, ChannelNamesAreKeptByteForByte) {
  const std::vector<std::string> names = {
      "Загальна кімната «Ґанок»",
      "👩‍👩‍👧‍👦 family 🇺🇦",
      "e\u0301 is not \u00e9",
      "'); DROP TABLE channels; --",
      R"("double" 'single' `back` \ % _ ? ?1 :name @x $y)",
      "General",
      "general",
      "x",
      "123",
      "1e3",
      "NULL",
      repeated("x", 255),
      repeated("ї", 255),
      repeated("🎧", 255),
  };
  for (const auto& name : names) {
    const Channel created = create_channel(name);
    EXPECT_EQ(created.name, name);
    EXPECT_EQ(store().get_channel(created.id)->name, name);
  }
  const auto channels = store().list_channels(ChannelId{}, kAll);
  ASSERT_TRUE(channels);
  std::vector<std::string> listed;
  for (const auto& channel : *channels) listed.push_back(channel.name);
  EXPECT_EQ(listed, names);
}

TEST_P(StoreConformanceTest, IdThatNoChannelHasIsUnknown) {
  const auto id = create_channel().id.value;
  for (const std::int64_t other :
       {id + 1, std::int64_t{0}, std::int64_t{-1}, std::numeric_limits<std::int64_t>::max(),
        std::numeric_limits<std::int64_t>::min()}) {
    EXPECT_EQ(store().get_channel(ChannelId{other}).error(), Errc::unknown_channel) << other;
  }
}

TEST_P(StoreConformanceTest, ListOfAnEmptyStoreIsEmpty) {
  const auto channels = store().list_channels(ChannelId{}, kAll);
  ASSERT_TRUE(channels);
  EXPECT_TRUE(channels->empty());
}

TEST_P(StoreConformanceTest, ListHasEveryFieldOfAChannel) {
  const Channel created = create_channel("general");
  const auto channels = store().list_channels(ChannelId{}, kAll);
  ASSERT_TRUE(channels);
  ASSERT_EQ(channels->size(), 1u);
  EXPECT_EQ(channels->front().id, created.id);
  EXPECT_EQ(channels->front().name, "general");
  EXPECT_EQ(channels->front().creator, UserId{7});
  EXPECT_EQ(channels->front().created_at, kTime);
}

TEST_P(StoreConformanceTest, ListStartsAfterAnIdAndStopsAtTheLimit) {
  std::vector<std::int64_t> ids;
  for (int i = 0; i < 5; ++i) ids.push_back(create_channel().id.value);

  using Ids = std::vector<std::int64_t>;
  EXPECT_EQ(list_ids(0, kAll), ids);
  EXPECT_EQ(list_ids(0, 5), ids);
  EXPECT_EQ(list_ids(0, 2), Ids(ids.begin(), ids.begin() + 2));
  EXPECT_EQ(list_ids(ids[1], 2), Ids(ids.begin() + 2, ids.begin() + 4));
  EXPECT_EQ(list_ids(ids[3], 2), Ids(ids.begin() + 4, ids.end()));
  EXPECT_EQ(list_ids(ids[4], 2), Ids());
  EXPECT_EQ(list_ids(0, 0), Ids());
  EXPECT_EQ(list_ids(std::numeric_limits<std::int64_t>::max(), kAll), Ids());
  EXPECT_EQ(list_ids(std::numeric_limits<std::int64_t>::min(), kAll), ids);
}

TEST_P(StoreConformanceTest, InvitationIsReturnedWithTheNameOfItsChannel) {
  const Channel channel = create_channel("Загальна кімната");
  const Identity user = create_user("olena", 1);
  const auto issued = store().create_invitation(channel.id, user.id, UserId{9}, kTime);
  ASSERT_TRUE(issued);
  EXPECT_GT(issued->invitation.id.value, 0);
  EXPECT_EQ(issued->invitation.channel, channel.id);
  EXPECT_EQ(issued->invitation.addressee, user.id);
  EXPECT_EQ(issued->invitation.inviter, UserId{9});
  EXPECT_EQ(issued->invitation.status, InvitationStatus::pending);
  EXPECT_EQ(issued->invitation.created_at, kTime);
  EXPECT_EQ(issued->channel_name, "Загальна кімната");
}

TEST_P(StoreConformanceTest, InvitationIdsAscendAlsoForTheSameAddressee) {
  const auto channel = create_channel().id;
  const auto user = create_user("olena", 1).id;
  const auto first = store().create_invitation(channel, user, user, kTime);
  const auto second = store().create_invitation(channel, user, user, kTime);
  ASSERT_TRUE(first);
  ASSERT_TRUE(second);
  EXPECT_LT(first->invitation.id, second->invitation.id);
}

TEST_P(StoreConformanceTest, InvitationIntoAnUnknownChannelIsRefused) {
  const auto user = create_user("olena", 1).id;
  EXPECT_EQ(store().create_invitation(ChannelId{99}, user, user, kTime).error(),
            Errc::unknown_channel);
}

TEST_P(StoreConformanceTest, InvitationOfAnUnknownUserIsRefused) {
  const auto channel = create_channel().id;
  EXPECT_EQ(store().create_invitation(channel, UserId{99}, UserId{1}, kTime).error(),
            Errc::unknown_user);
}

TEST_P(StoreConformanceTest, UnknownChannelIsReportedBeforeUnknownUser) {
  EXPECT_EQ(store().create_invitation(ChannelId{99}, UserId{99}, UserId{1}, kTime).error(),
            Errc::unknown_channel);
}

TEST_P(StoreConformanceTest, InvitationOfARemovedUserIsRefused) {
  const auto channel = create_channel().id;
  const auto user = create_user("olena", 1).id;
  ASSERT_TRUE(store().remove_user(username("olena")));
  EXPECT_EQ(store().create_invitation(channel, user, user, kTime).error(), Errc::unknown_user);
}

TEST_P(StoreConformanceTest, InvitationsAreListedForTheirAddresseeWithAllThatANotificationShows) {
  const Channel channel = create_channel("Загальна кімната");
  const Identity olena = create_user("olena", 1);
  const Identity taras = create_user("Тарас", 2);
  const auto issued = store().create_invitation(channel.id, olena.id, taras.id, kTime);
  ASSERT_TRUE(issued);
  const auto list = store().list_invitations(olena.id, InvitationId{}, kAll);
  ASSERT_TRUE(list);
  ASSERT_EQ(list->size(), 1u);
  const ReceivedInvitation& received = list->front();
  EXPECT_EQ(received.invitation.id, issued->invitation.id);
  EXPECT_EQ(received.invitation.channel, channel.id);
  EXPECT_EQ(received.invitation.addressee, olena.id);
  EXPECT_EQ(received.invitation.inviter, taras.id);
  EXPECT_EQ(received.invitation.status, InvitationStatus::pending);
  EXPECT_EQ(received.invitation.created_at, kTime);
  EXPECT_EQ(received.channel_name, "Загальна кімната");
  EXPECT_EQ(received.inviter_username, "Тарас");
  EXPECT_TRUE(store().list_invitations(taras.id, InvitationId{}, kAll)->empty());
}

TEST_P(StoreConformanceTest, TheNewestInvitationsAreListedFirstDownToAnIdAndToTheLimit) {
  const auto channel = create_channel().id;
  const auto olena = create_user("olena", 1).id;
  const auto taras = create_user("taras", 2).id;
  std::vector<std::int64_t> ids;
  for (int i = 0; i < 5; ++i) {
    ids.push_back(store().create_invitation(channel, olena, taras, kTime)->invitation.id.value);
    ASSERT_TRUE(store().create_invitation(channel, taras, olena, kTime));
  }
  const auto list = [&](UserId user, std::int64_t after, std::size_t limit) {
    std::vector<std::int64_t> found;
    const auto listed = store().list_invitations(user, InvitationId{after}, limit);
    EXPECT_TRUE(listed);
    for (const auto& each : *listed) found.push_back(each.invitation.id.value);
    return found;
  };
  using Ids = std::vector<std::int64_t>;
  EXPECT_EQ(list(olena, 0, kAll), Ids(ids.rbegin(), ids.rend()));
  EXPECT_EQ(list(olena, 0, 2), Ids(ids.rbegin(), ids.rbegin() + 2));
  EXPECT_EQ(list(olena, ids[2], kAll), Ids(ids.rbegin(), ids.rbegin() + 2));
  EXPECT_EQ(list(olena, ids[2], 1), Ids({ids[4]}));
  EXPECT_EQ(list(olena, ids[4], kAll), Ids());
  EXPECT_EQ(list(olena, 0, 0), Ids());
  EXPECT_EQ(list(olena, std::numeric_limits<std::int64_t>::max(), kAll), Ids());
  EXPECT_EQ(list(olena, std::numeric_limits<std::int64_t>::min(), 1), Ids({ids[4]}));
  for (const std::int64_t nobody : {std::int64_t{0}, std::int64_t{-1}, std::int64_t{99},
                                    std::numeric_limits<std::int64_t>::max()}) {
    EXPECT_EQ(list(UserId{nobody}, 0, kAll), Ids());
  }
}

TEST_P(StoreConformanceTest, AListedInvitationOfARemovedInviterHasNoUsername) {
  const auto channel = create_channel().id;
  const auto olena = create_user("olena", 1).id;
  const auto taras = create_user("taras", 2).id;
  ASSERT_TRUE(store().create_invitation(channel, olena, taras, kTime));
  ASSERT_TRUE(store().remove_user(username("taras")));
  const auto list = store().list_invitations(olena, InvitationId{}, kAll);
  ASSERT_TRUE(list);
  ASSERT_EQ(list->size(), 1u);
  EXPECT_EQ(list->front().invitation.inviter, taras);
  EXPECT_EQ(list->front().inviter_username, "");
}

TEST_P(StoreConformanceTest, ListsOfManyInvitationsAreWhole) {
  constexpr std::size_t kMany = 2500;
  const auto channel = create_channel().id;
  const auto user = create_user("olena", 1).id;
  on_threads(8, [&](int thread) {
    for (std::size_t i = static_cast<std::size_t>(thread); i < kMany; i += 8) {
      ASSERT_TRUE(store().create_invitation(channel, user, user, kTime));
    }
  });
  const auto list = store().list_invitations(user, InvitationId{}, kAll);
  ASSERT_TRUE(list);
  ASSERT_EQ(list->size(), kMany);
  for (std::size_t i = 1; i < kMany; ++i) {
    ASSERT_LT((*list)[i].invitation.id, (*list)[i - 1].invitation.id);
  }
}

TEST_P(StoreConformanceTest, AQuotaBoundsTheChannelsOfTheirCreatorOnly) {
  const auto create = [&](std::int64_t creator, std::size_t quota) {
    return store().create_channel(channel_name("x"), UserId{creator}, kTime, quota).error();
  };
  EXPECT_EQ(create(7, 0), Errc::quota_exceeded);
  EXPECT_FALSE(create(7, 2));
  EXPECT_FALSE(create(7, 2));
  EXPECT_EQ(create(7, 2), Errc::quota_exceeded);
  EXPECT_FALSE(create(8, 2));
  EXPECT_FALSE(create(7, 3));
  EXPECT_FALSE(create(7, kNoQuota));
  EXPECT_EQ(list_ids(0, kAll).size(), 5u);
}

TEST_P(StoreConformanceTest, AQuotaBoundsTheInvitationsOfTheirInviterOnly) {
  const auto channel = create_channel().id;
  const auto user = create_user("olena", 1).id;
  const auto invite = [&](std::int64_t inviter, std::size_t quota) {
    return store().create_invitation(channel, user, UserId{inviter}, kTime, quota).error();
  };
  EXPECT_EQ(invite(7, 0), Errc::quota_exceeded);
  EXPECT_FALSE(invite(7, 1));
  EXPECT_EQ(invite(7, 1), Errc::quota_exceeded);
  EXPECT_FALSE(invite(8, 1));
  EXPECT_FALSE(invite(7, 2));
}

TEST_P(StoreConformanceTest, AQuotaHoldsWhenManyThreadsCreateAtOnce) {
  std::atomic<int> created{0};
  on_threads(8, [&](int) {
    for (int i = 0; i < 20; ++i) {
      if (store().create_channel(channel_name("x"), UserId{7}, kTime, 50)) ++created;
    }
  });
  EXPECT_EQ(created, 50);
  EXPECT_EQ(list_ids(0, kAll).size(), 50u);
}

TEST_P(StoreConformanceTest, CreatedUserIsFoundByIdByKeyAndByName) {
  const auto created = store().create_user(username("olena"), digest(1));
  ASSERT_TRUE(created);
  EXPECT_GT(created->id.value, 0);
  EXPECT_EQ(created->username, "olena");
  for (const auto& found : {store().get_user(created->id), store().get_user_by_key(digest(1)),
                            store().get_user_by_name(username("olena"))}) {
    ASSERT_TRUE(found);
    EXPECT_EQ(found->id, created->id);
    EXPECT_EQ(found->username, "olena");
  }
}

TEST_P(StoreConformanceTest, TakenUsernameIsRefusedAndItsOwnerKept) {
  const auto owner = create_user("olena", 1).id;
  EXPECT_EQ(store().create_user(username("olena"), digest(2)).error(), Errc::user_exists);
  EXPECT_EQ(store().get_user_by_key(digest(1))->id, owner);
  EXPECT_EQ(store().get_user_by_key(digest(2)).error(), Errc::unknown_user);
}

TEST_P(StoreConformanceTest, KeyOfAnotherUserIsRefusedAndItsOwnerKept) {
  const auto owner = create_user("olena", 1).id;
  create_user("taras", 2);
  EXPECT_EQ(store().create_user(username("ivan"), digest(1)).error(), Errc::user_exists);
  EXPECT_EQ(store().replace_user_key(username("taras"), digest(1)).error(), Errc::user_exists);
  EXPECT_EQ(store().get_user_by_key(digest(1))->id, owner);
  EXPECT_EQ(store().get_user_by_key(digest(2))->username, "taras");
  EXPECT_EQ(store().list_users()->size(), 2u);
}

TEST_P(StoreConformanceTest, UsernamesAreComparedAndKeptByteForByte) {
  const std::vector<std::string> names = {
      "Olena",  "olena", "олена",           "ОЛЕНА",           "🎧", "\u00e9", "e\u0301", "42",
      "O'Neil", "a%",    "';DROP/**/users", repeated("ї", 150)};
  int key = 0;
  for (const auto& name : names) {
    const auto created = store().create_user(username(name), digest(++key));
    ASSERT_TRUE(created) << name;
    EXPECT_EQ(created->username, name);
    EXPECT_EQ(store().get_user_by_key(digest(key))->username, name);
  }
  const auto users = store().list_users();
  ASSERT_TRUE(users);
  std::vector<std::string> listed;
  for (const auto& user : *users) listed.push_back(user.username);
  EXPECT_EQ(listed, names);
}

TEST_P(StoreConformanceTest, EveryByteOfAKeyCounts) {
  KeyDigest zeros{};
  ASSERT_TRUE(store().create_user(username("zeros"), zeros));
  for (std::size_t i = 0; i < zeros.size(); ++i) {
    KeyDigest other = zeros;
    other[i] = 1;
    EXPECT_EQ(store().get_user_by_key(other).error(), Errc::unknown_user) << i;
  }
  EXPECT_EQ(store().get_user_by_key(zeros)->username, "zeros");
}

TEST_P(StoreConformanceTest, UnknownUsersAreUnknown) {
  create_user("olena", 1);
  EXPECT_EQ(store().get_user(UserId{99}).error(), Errc::unknown_user);
  EXPECT_EQ(store().get_user(UserId{0}).error(), Errc::unknown_user);
  EXPECT_EQ(store().get_user_by_name(username("taras")).error(), Errc::unknown_user);
  EXPECT_EQ(store().get_user_by_name(username("Olena")).error(), Errc::unknown_user);
  EXPECT_EQ(store().get_user_by_key(digest(2)).error(), Errc::unknown_user);
  EXPECT_EQ(store().replace_user_key(username("taras"), digest(2)).error(), Errc::unknown_user);
  EXPECT_EQ(store().remove_user(username("taras")).error(), Errc::unknown_user);
}

TEST_P(StoreConformanceTest, ReplacedKeyFindsNobodyAndTheNewOneItsUser) {
  const auto user = create_user("olena", 1).id;
  const auto replaced = store().replace_user_key(username("olena"), digest(2));
  ASSERT_TRUE(replaced);
  EXPECT_EQ(replaced->id, user);
  EXPECT_EQ(replaced->username, "olena");
  EXPECT_EQ(store().get_user_by_key(digest(1)).error(), Errc::unknown_user);
  EXPECT_EQ(store().get_user_by_key(digest(2))->id, user);
}

TEST_P(StoreConformanceTest, KeyMayBeReplacedByItself) {
  const auto user = create_user("olena", 1).id;
  EXPECT_TRUE(store().replace_user_key(username("olena"), digest(1)));
  EXPECT_EQ(store().get_user_by_key(digest(1))->id, user);
}

TEST_P(StoreConformanceTest, ReplacedKeyIsFreeForAnotherUser) {
  create_user("olena", 1);
  ASSERT_TRUE(store().replace_user_key(username("olena"), digest(2)));
  const auto taras = create_user("taras", 1).id;
  EXPECT_EQ(store().get_user_by_key(digest(1))->id, taras);
}

TEST_P(StoreConformanceTest, RemovedUserAndHisKeyAreGone) {
  const auto created = create_user("olena", 1);
  const auto removed = store().remove_user(username("olena"));
  ASSERT_TRUE(removed);
  EXPECT_EQ(removed->id, created.id);
  EXPECT_EQ(removed->username, "olena");
  EXPECT_EQ(store().get_user(created.id).error(), Errc::unknown_user);
  EXPECT_EQ(store().get_user_by_name(username("olena")).error(), Errc::unknown_user);
  EXPECT_EQ(store().get_user_by_key(digest(1)).error(), Errc::unknown_user);
  EXPECT_TRUE(store().list_users()->empty());
  EXPECT_EQ(store().remove_user(username("olena")).error(), Errc::unknown_user);
}

TEST_P(StoreConformanceTest, IdOfARemovedUserIsNeverGivenAgain) {
  const auto first = create_user("olena", 1).id;
  ASSERT_TRUE(store().remove_user(username("olena")));
  const auto second = create_user("olena", 1).id;
  EXPECT_LT(first, second);
  EXPECT_EQ(store().get_user_by_key(digest(1))->id, second);
}

TEST_P(StoreConformanceTest, ChannelsOfARemovedUserStay) {
  const auto user = create_user("olena", 1).id;
  const auto channel = store().create_channel(channel_name("general"), user, kTime);
  ASSERT_TRUE(channel);
  ASSERT_TRUE(store().remove_user(username("olena")));
  const auto found = store().get_channel(channel->id);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->creator, user);
}

TEST_P(StoreConformanceTest, RefusedUserDoesNotKeepHisNameOrKeyOccupied) {
  create_user("olena", 1);
  ASSERT_EQ(store().create_user(username("olena"), digest(2)).error(), Errc::user_exists);
  ASSERT_EQ(store().create_user(username("taras"), digest(1)).error(), Errc::user_exists);
  EXPECT_TRUE(store().create_user(username("taras"), digest(2)));
}

TEST_P(StoreConformanceTest, UsersAreListedByAscendingId) {
  EXPECT_TRUE(store().list_users()->empty());
  const auto taras = create_user("taras", 1).id;
  const auto olena = create_user("olena", 2).id;
  const auto ivan = create_user("ivan", 3).id;
  ASSERT_TRUE(store().remove_user(username("olena")));
  const auto olena_again = create_user("olena", 4).id;

  const auto users = store().list_users();
  ASSERT_TRUE(users);
  std::vector<UserId> listed;
  for (const auto& user : *users) listed.push_back(user.id);
  EXPECT_EQ(listed, (std::vector<UserId>{taras, ivan, olena_again}));
  EXPECT_LT(olena, ivan);
}

TEST_P(StoreConformanceTest, RevokedTokenIsFoundByItsExactIdOnly) {
  EXPECT_FALSE(is_revoked("a"));
  revoke("a");
  EXPECT_TRUE(is_revoked("a"));
  EXPECT_FALSE(is_revoked("A"));
  EXPECT_FALSE(is_revoked("a "));
  EXPECT_FALSE(is_revoked("b"));
}

TEST_P(StoreConformanceTest, RevokedTokensAreListedByIdWithTheirTime) {
  EXPECT_TRUE(store().list_revoked_tokens()->empty());
  revoke("жетон", kTime + std::chrono::microseconds(1));
  revoke("b");
  revoke("a");
  const auto tokens = store().list_revoked_tokens();
  ASSERT_TRUE(tokens);
  ASSERT_EQ(tokens->size(), 3u);
  EXPECT_EQ((*tokens)[0].id, "a");
  EXPECT_EQ((*tokens)[1].id, "b");
  EXPECT_EQ((*tokens)[2].id, "жетон");
  EXPECT_EQ((*tokens)[2].until, kTime + std::chrono::microseconds(1));
}

TEST_P(StoreConformanceTest, TokenThatIsRevokedTwiceStaysRevokedForTheLongerTime) {
  using std::chrono::hours;
  EXPECT_EQ(revoke("a", kTime + hours(2)).until, kTime + hours(2));
  EXPECT_EQ(revoke("a", kTime + hours(1)).until, kTime + hours(2));
  EXPECT_EQ(revoke("a", kTime + hours(3)).until, kTime + hours(3));
  EXPECT_EQ(store().list_revoked_tokens()->size(), 1u);
  EXPECT_EQ(store().list_revoked_tokens()->front().until, kTime + hours(3));
}

TEST_P(StoreConformanceTest, TokensWhoseTimeHasPassedByTheGraceAreForgotten) {
  const auto later = kTime + kRevokedTokenGrace;
  revoke("past", kTime - std::chrono::microseconds(1));
  revoke("in grace", kTime);
  revoke("lasting", later);
  EXPECT_TRUE(is_revoked("past"));
  revoke("new", later, later);
  EXPECT_FALSE(is_revoked("past"));
  EXPECT_TRUE(is_revoked("in grace"));
  EXPECT_TRUE(is_revoked("lasting"));
  EXPECT_TRUE(is_revoked("new"));
}

TEST_P(StoreConformanceTest, EveryRevocationIsCountedAndNothingElse) {
  auto last = store().count_revocations().value();
  const auto has_grown = [&] {
    const auto count = store().count_revocations().value();
    return std::exchange(last, count) < count;
  };
  create_channel();
  create_user("olena", 1);
  create_user("taras", 2);
  ASSERT_FALSE(store().remove_user(username("nobody")));
  ASSERT_FALSE(store().replace_user_key(username("nobody"), digest(3)));
  EXPECT_FALSE(has_grown());
  ASSERT_TRUE(store().replace_user_key(username("olena"), digest(3)));
  EXPECT_TRUE(has_grown());
  ASSERT_TRUE(store().remove_user(username("taras")));
  EXPECT_TRUE(has_grown());
  revoke("a");
  EXPECT_TRUE(has_grown());
  ASSERT_TRUE(store().get_user_by_key(digest(3)));
  EXPECT_FALSE(has_grown());
}

TEST_P(StoreConformanceTest, ChannelsOfManyThreadsGetDistinctIdsAndAreAllThere) {
  constexpr int kThreads = 8;
  constexpr int kEach = 100;
  std::vector<std::vector<Channel>> created(kThreads);
  on_threads(kThreads, [&](int thread) {
    for (int i = 0; i < kEach; ++i) {
      auto channel =
          store().create_channel(channel_name(std::to_string(thread) + "/" + std::to_string(i)),
                                 UserId{thread + 1}, kTime);
      if (channel) created[static_cast<std::size_t>(thread)].push_back(*std::move(channel));
    }
  });

  std::set<std::int64_t> ids;
  for (const auto& of_thread : created) {
    ASSERT_EQ(of_thread.size(), std::size_t{kEach});
    const auto of_thread_ids = ids_of(of_thread);
    EXPECT_TRUE(std::is_sorted(of_thread_ids.begin(), of_thread_ids.end()));
    ids.insert(of_thread_ids.begin(), of_thread_ids.end());
    for (const auto& channel : of_thread) {
      const auto found = store().get_channel(channel.id);
      ASSERT_TRUE(found);
      EXPECT_EQ(found->name, channel.name);
      EXPECT_EQ(found->creator, channel.creator);
    }
  }
  EXPECT_EQ(ids.size(), std::size_t{kThreads * kEach});
  EXPECT_EQ(list_ids(0, kAll), std::vector<std::int64_t>(ids.begin(), ids.end()));
}

TEST_P(StoreConformanceTest, OneOfManyThreadsGetsAUsername) {
  constexpr int kThreads = 8;
  constexpr int kRounds = 20;
  for (int round = 0; round < kRounds; ++round) {
    const auto name = username("user" + std::to_string(round));
    std::vector<int> won(kThreads);
    on_threads(kThreads, [&](int thread) {
      const auto created = store().create_user(name, digest(round * kThreads + thread));
      won[static_cast<std::size_t>(thread)] = created ? 1 : 0;
      if (!created) {
        EXPECT_EQ(created.error(), Errc::user_exists);
      }
    });
    ASSERT_EQ(std::count(won.begin(), won.end(), 1), 1);
    const int winner = static_cast<int>(std::find(won.begin(), won.end(), 1) - won.begin());
    EXPECT_EQ(store().get_user_by_key(digest(round * kThreads + winner))->username, name.str());
  }
  EXPECT_EQ(store().list_users()->size(), std::size_t{kRounds});
}

TEST_P(StoreConformanceTest, RefusedWritesDoNotSpoilOthersAtTheSameTime) {
  const auto channel = create_channel().id;
  const auto user = create_user("olena", 1).id;
  constexpr int kEach = 50;
  std::vector<int> good(8);
  on_threads(8, [&](int thread) {
    for (int i = 0; i < kEach; ++i) {
      bool is_as_expected = false;
      switch (thread % 4) {
        case 0:
          is_as_expected = store().create_channel(channel_name("x"), user, kTime).has_value();
          break;
        case 1:
          is_as_expected = store().create_invitation(channel, user, user, kTime).has_value();
          break;
        case 2:
          is_as_expected = store().create_invitation(ChannelId{9999}, user, user, kTime).error() ==
                           Errc::unknown_channel;
          break;
        case 3:
          is_as_expected =
              store().create_user(username("olena"), digest(2)).error() == Errc::user_exists;
          break;
      }
      good[static_cast<std::size_t>(thread)] += is_as_expected ? 1 : 0;
    }
  });
  EXPECT_THAT(good, ::testing::Each(kEach));
  EXPECT_EQ(list_ids(channel.value, kAll).size(), std::size_t{2 * kEach});
}

TEST_P(StoreConformanceTest, EveryThreadReadsItsOwnWritesWhileOthersWrite) {
  std::vector<int> seen(8);
  on_threads(8, [&](int thread) {
    for (int i = 0; i < 50; ++i) {
      const int key = thread * 1000 + i;
      const auto user = store().create_user(username("user" + std::to_string(key)), digest(key));
      const auto found = store().get_user_by_key(digest(key));
      if (user && found && found->id == user->id) ++seen[static_cast<std::size_t>(thread)];
    }
  });
  EXPECT_THAT(seen, ::testing::Each(50));
}

}  // namespace voicechan
