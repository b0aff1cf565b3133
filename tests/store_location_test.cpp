#include "store_location.hpp"

#include <gtest/gtest.h>

namespace voicechan::server {
namespace {

TEST(StoreLocationTest, IsAFileOrAUrl) {
  const auto file = read_store_location("sqlite:a b.db");
  EXPECT_FALSE(file.is_redis());
  EXPECT_EQ(file.database, "a b.db");
  EXPECT_EQ(file.display(), "database a b.db");
  const auto redis = read_store_location("redis://me:sesame@[::1]:1234/2");
  EXPECT_TRUE(redis.is_redis());
  EXPECT_EQ(redis.display(), "store redis://[::1]:1234/2");
}

TEST(StoreLocationTest, SaysWhatIsWrongWithAnythingElse) {
  for (const char* good : {"sqlite:x", "redis://x", "rediss://u:p@x:1/2?ca=f"}) {
    EXPECT_EQ(check_store_location(good), "") << good;
  }
  EXPECT_EQ(check_store_location("sqlite:"), "after sqlite: there must be a file");
  for (const char* bad : {"", "x", "postgres:x", "redis:", "redis://:sesame@x:y", "sqlite"}) {
    const std::string problem = check_store_location(bad);
    EXPECT_NE(problem, "") << bad;
    EXPECT_EQ(problem.find("sesame"), std::string::npos);
  }
}

TEST(StoreLocationTest, APasswordIsReplacedWhereverItIs) {
  EXPECT_EQ(without_password("redis://host"), "redis://host");
  EXPECT_EQ(without_password("redis://:a@host:1/2"), "redis://:***@host:1/2");
  EXPECT_EQ(without_password("rediss://me:a:@/b@host?ca=x@y"), "rediss://me:***@host?ca=x@y");
  EXPECT_EQ(without_password("redis://me:@host"), "redis://me:@host");
}

}  // namespace
}  // namespace voicechan::server
