#include "user_counts.hpp"

#include <gtest/gtest.h>

namespace voicechan::server {
namespace {

TEST(UserCountsTest, AUserHasSoManyWebSocketsAndAnotherHasHisOwn) {
  UserLimits limits;
  limits.max_websockets = 2;
  UserCounts counts(limits);
  auto first = counts.try_add(UserId{1}, false);
  const auto second = counts.try_add(UserId{1}, true);
  ASSERT_TRUE(first && second);
  EXPECT_FALSE(counts.try_add(UserId{1}, false));
  EXPECT_TRUE(counts.try_add(UserId{2}, false));
  first.reset();
  EXPECT_TRUE(counts.try_add(UserId{1}, false));
}

TEST(UserCountsTest, SignalingIdsAreCountedApart) {
  UserLimits limits;
  limits.max_websockets = 2;
  limits.max_signaling_ids = 1;
  UserCounts counts(limits);
  auto signaling = counts.try_add(UserId{1}, true);
  ASSERT_TRUE(signaling);
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(counts.try_add(UserId{1}, true));
  EXPECT_TRUE(counts.try_add(UserId{1}, false));
  signaling.reset();
  EXPECT_TRUE(counts.try_add(UserId{1}, true));
}

}  // namespace
}  // namespace voicechan::server
