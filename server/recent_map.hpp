#pragma once

#include <algorithm>
#include <cstddef>
#include <unordered_map>
#include <utility>

namespace voicechan::server {

/// A map that holds at most about `max_size` keys and forgets those that were not asked for
/// longest, half of them at once: what strangers put in cannot make it grow, and no operation scans
/// it. One thread at a time.
template <class Key, class Value, class Hash = std::hash<Key>>
class RecentMap {
 public:
  explicit RecentMap(std::size_t max_size) : max_newer_(std::max<std::size_t>(1, max_size / 2)) {}

  /// The value of `key`, or null. It stays where it is until the next call.
  Value* find(const Key& key) {
    const auto place = newer_.find(key);
    if (place != newer_.end()) return &place->second;
    const auto old = older_.find(key);
    if (old == older_.end()) return nullptr;
    Value value = std::move(old->second);
    older_.erase(old);
    return &insert(key, std::move(value));
  }

  /// The value of `key`, a default one if it is new.
  Value& get(const Key& key) {
    Value* const found = find(key);
    return found != nullptr ? *found : insert(key, Value{});
  }

  void erase(const Key& key) {
    newer_.erase(key);
    older_.erase(key);
  }

  std::size_t size() const noexcept { return newer_.size() + older_.size(); }

 private:
  Value& insert(const Key& key, Value value) {
    if (newer_.size() >= max_newer_) {
      older_ = std::move(newer_);
      newer_.clear();
    }
    return newer_[key] = std::move(value);
  }

  std::size_t max_newer_;
  std::unordered_map<Key, Value, Hash> newer_;
  std::unordered_map<Key, Value, Hash> older_;
};

}  // namespace voicechan::server
