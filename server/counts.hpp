#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <unordered_map>

#include "voicechan/mutex.hpp"

namespace voicechan::server {

/// Counts by key over all threads. A key whose count is zero takes no memory. For what comes and
/// goes with connections, not for what happens with each message. Thread-safe.
template <class Key, class Hash = std::hash<Key>>
class Counts {
 public:
  /// Counts one more for `key`, unless there are `max` already: then false.
  [[nodiscard]] bool try_add(const Key& key, std::size_t max) {
    Shard& shard = shard_of(key);
    const MutexLock lock(shard.mutex);
    const auto place = shard.counts.try_emplace(key, 0).first;
    if (place->second >= max) {
      if (place->second == 0) shard.counts.erase(place);
      return false;
    }
    ++place->second;
    return true;
  }

  /// Takes back one that was added.
  void remove(const Key& key) noexcept {
    Shard& shard = shard_of(key);
    const MutexLock lock(shard.mutex);
    const auto place = shard.counts.find(key);
    if (place != shard.counts.end() && --place->second == 0) shard.counts.erase(place);
  }

  /// The keys that are counted now.
  std::size_t key_count() {
    std::size_t count = 0;
    for (Shard& shard : shards_) {
      const MutexLock lock(shard.mutex);
      count += shard.counts.size();
    }
    return count;
  }

 private:
  struct Shard {
    Mutex mutex;
    std::unordered_map<Key, std::size_t, Hash> counts VOICECHAN_GUARDED_BY(mutex);
  };

  Shard& shard_of(const Key& key) noexcept { return shards_[Hash{}(key) % shards_.size()]; }

  std::array<Shard, 16> shards_;
};

}  // namespace voicechan::server
