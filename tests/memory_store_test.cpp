#include "store_conformance.hpp"

namespace voicechan {
namespace {

INSTANTIATE_TEST_SUITE_P(Memory, StoreConformanceTest,
                         ::testing::Values(StoreFactory{"MemoryStore", make_memory_store}),
                         ::testing::PrintToStringParamName());

TEST(MemoryStoreTest, StoresShareNothing) {
  const auto first = make_memory_store();
  const auto second = make_memory_store();
  ASSERT_TRUE(first->create_channel(channel_name("general"), UserId{1}, WallTime{}));
  EXPECT_TRUE(second->list_channels(ChannelId{}, 10)->empty());
}

}  // namespace
}  // namespace voicechan
