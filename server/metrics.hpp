#pragma once

#include <memory>
#include <string>
#include <vector>

#include "key_guard.hpp"
#include "metered_store.hpp"
#include "voicechan/backplane.hpp"
#include "voicechan/redis_backplane.hpp"
#include "voicechan/redis_channel_layer.hpp"
#include "worker_counters.hpp"

namespace voicechan::server {

/// What `/metrics` shows, in the text format of Prometheus (version 0.0.4). The numbers of all
/// workers are added up when they are asked for. Thread-safe.
class Metrics {
 public:
  /// All of them must outlive it. `max_held_bytes` is of the process; `cluster` and
  /// `channel_layer` may be null.
  Metrics(std::vector<const WorkerCounters*> workers, const MeteredStore& store,
          const KeyGuard& key_guard, Backplane& backplane, std::size_t max_held_bytes,
          const RedisBackplane* cluster, const RedisChannelLayer* channel_layer);
  ~Metrics();

  static constexpr const char* kContentType = "text/plain; version=0.0.4; charset=utf-8";
  std::string render() const;

 private:
  class Collector;
  std::unique_ptr<Collector> collector_;
};

}  // namespace voicechan::server
