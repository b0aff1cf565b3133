#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "voicechan/sqlite_store.hpp"

// How many changes a second does the SQLite store make durable, and what does finding a user by his
// key cost, which every request pays?
//
// BM_DurableCreate: items/s is acknowledged `create_channel` calls a second with that many threads
// calling; each has been synced to the disk when its call returned. One thread shows the disk's
// sync, more threads show how far a group of writes shares it. The bar of 10,000 creates/s over
// HTTP with 64 clients cannot be reached if this is not well above it.
//
// The file lies in $TMPDIR, or else in the current directory: that must be on a disk (a tmpfs syncs
// for nothing).

namespace voicechan {
namespace {

namespace fs = std::filesystem;

constexpr int kUsers = 1024;
constexpr int kUsersPerThread = 16;

KeyDigest key_of(int user) {
  KeyDigest digest{};
  for (std::size_t i = 0; i < sizeof(user); ++i) {
    digest[i] = static_cast<std::uint8_t>(user >> (8 * i));
  }
  return digest;
}

/// A store with `kUsers` users in a directory of its own.
class TemporaryStore {
 public:
  TemporaryStore() {
    const char* parent = std::getenv("TMPDIR");
    directory_ = (parent != nullptr ? fs::path(parent) : fs::current_path()) / "store_bench.XXXXXX";
    if (mkdtemp(directory_.data()) == nullptr) {
      std::perror(directory_.c_str());
      std::exit(1);
    }
    store_ = open_sqlite_store(directory_ + "/voicechan.db").value();
    std::vector<std::thread> threads;
    for (int first = 0; first < kUsers; first += kUsersPerThread) {
      threads.emplace_back([this, first] { create_users(first); });
    }
    for (auto& thread : threads) thread.join();
  }
  ~TemporaryStore() {
    store_.reset();
    fs::remove_all(directory_);
  }
  TemporaryStore(const TemporaryStore&) = delete;
  TemporaryStore& operator=(const TemporaryStore&) = delete;

  Store& operator*() const { return *store_; }

 private:
  void create_users(int first) const {
    for (int user = first; user < first + kUsersPerThread; ++user) {
      const auto name = Username::parse("user" + std::to_string(user));
      if (!store_->create_user(*name, key_of(user))) std::exit(1);
    }
  }

  std::string directory_;
  std::unique_ptr<Store> store_;
};

std::unique_ptr<TemporaryStore> g_store;

void set_up(const benchmark::State&) { g_store = std::make_unique<TemporaryStore>(); }
void tear_down(const benchmark::State&) { g_store.reset(); }

void BM_DurableCreate(benchmark::State& state) {
  const auto name = ChannelName::parse("Загальна кімната");
  for (auto _ : state) {
    if (!(**g_store).create_channel(*name, UserId{1}, WallTime{})) {
      state.SkipWithError("a create has failed");
      break;
    }
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_DurableCreate)
    ->Setup(set_up)
    ->Teardown(tear_down)
    ->Threads(1)
    ->Threads(8)
    ->Threads(32)
    ->Threads(64)
    ->UseRealTime();

void BM_GetUserByKey(benchmark::State& state) {
  int user = state.thread_index();
  for (auto _ : state) {
    if (!(**g_store).get_user_by_key(key_of(user))) {
      state.SkipWithError("a user was not found");
      break;
    }
    user = (user + 1) % kUsers;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_GetUserByKey)
    ->Setup(set_up)
    ->Teardown(tear_down)
    ->Threads(1)
    ->Threads(8)
    ->UseRealTime();

}  // namespace
}  // namespace voicechan

BENCHMARK_MAIN();
