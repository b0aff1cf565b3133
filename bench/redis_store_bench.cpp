#include <benchmark/benchmark.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "redis_process.hpp"
#include "voicechan/redis_store.hpp"

// How many changes a second does a store in Redis make durable, what does finding a user by his key
// cost, which every request pays, and is one connection for all threads the right number?
//
// BM_DurableCreate/c: items/s is acknowledged `create_channel` calls a second over c connections
// (stores) that the threads share; with `appendfsync always`, each has been synced to the disk when
// its call returned.
//
// Data lie in $TMPDIR, or else in /tmp: that must be on a disk.

namespace voicechan {
namespace {

struct Stores {
  RedisProcess redis;
  std::vector<std::unique_ptr<Store>> all;
};

std::unique_ptr<Stores> g_stores;
constexpr KeyDigest kKey{1, 2, 3};

void set_up(const benchmark::State& state) {
  g_stores = std::make_unique<Stores>();
  for (std::int64_t i = 0; i < state.range(0); ++i) {
    RedisStoreOptions options;
    options.url = g_stores->redis.url();
    g_stores->all.push_back(open_redis_store(options).store);
  }
  (void)g_stores->all.front()->create_user(*Username::parse("olena"), kKey);
}
void tear_down(const benchmark::State&) { g_stores.reset(); }

Store& store_of(const benchmark::State& state) {
  return *g_stores->all[static_cast<std::size_t>(state.thread_index()) % g_stores->all.size()];
}

void BM_DurableCreate(benchmark::State& state) {
  const auto name = ChannelName::parse("Загальна кімната");
  for (auto _ : state) {
    if (!store_of(state).create_channel(*name, UserId{1}, WallTime{})) {
      state.SkipWithError("a create has failed");
      break;
    }
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_DurableCreate)
    ->Setup(set_up)
    ->Teardown(tear_down)
    ->Arg(1)
    ->Threads(1)
    ->Threads(8)
    ->Threads(64)
    ->UseRealTime();
BENCHMARK(BM_DurableCreate)
    ->Setup(set_up)
    ->Teardown(tear_down)
    ->Arg(4)
    ->Arg(16)
    ->Arg(64)
    ->Threads(64)
    ->UseRealTime();

void BM_GetUserByKey(benchmark::State& state) {
  for (auto _ : state) {
    if (!store_of(state).get_user_by_key(kKey)) {
      state.SkipWithError("a user was not found");
      break;
    }
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_GetUserByKey)
    ->Setup(set_up)
    ->Teardown(tear_down)
    ->Arg(1)
    ->Threads(1)
    ->Threads(8)
    ->UseRealTime();

}  // namespace
}  // namespace voicechan

BENCHMARK_MAIN();
