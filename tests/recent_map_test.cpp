#include "recent_map.hpp"

#include <gtest/gtest.h>

namespace voicechan::server {
namespace {

TEST(RecentMapTest, KeepsWhatIsPutIn) {
  RecentMap<int, int> map(10);
  EXPECT_EQ(map.find(1), nullptr);
  map.get(1) = 7;
  ASSERT_NE(map.find(1), nullptr);
  EXPECT_EQ(*map.find(1), 7);
  map.erase(1);
  EXPECT_EQ(map.find(1), nullptr);
}

TEST(RecentMapTest, NeverGrowsAboveItsSize) {
  RecentMap<int, int> map(100);
  for (int i = 0; i < 10'000; ++i) {
    map.get(i) = i;
    ASSERT_LE(map.size(), 100u);
  }
  EXPECT_NE(map.find(9'999), nullptr);
  EXPECT_NE(map.find(9'960), nullptr);
  EXPECT_EQ(map.find(0), nullptr);
}

TEST(RecentMapTest, KeepsWhatIsAskedFor) {
  RecentMap<int, int> map(100);
  map.get(-1) = 5;
  for (int i = 0; i < 10'000; ++i) {
    map.get(i);
    if (i % 40 == 0) {
      ASSERT_NE(map.find(-1), nullptr) << i;
      EXPECT_EQ(*map.find(-1), 5);
    }
  }
}

}  // namespace
}  // namespace voicechan::server
