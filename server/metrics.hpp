#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "key_guard.hpp"
#include "metered_store.hpp"
#include "voicechan/backplane.hpp"
#include "voicechan/redis_backplane.hpp"
#include "voicechan/redis_channel_layer.hpp"
#include "worker_counters.hpp"

namespace voicechan::server {

/// Where the numbers of `/metrics` are; all of it is thread-safe.
struct MetricSources {
  std::vector<const WorkerCounters*> workers;  // are added up
  const MeteredStore& store;
  const KeyGuard& key_guard;
  Backplane& backplane;
  std::size_t max_held_bytes;              // of the process
  const RedisBackplane* cluster;           // null: this process is alone
  const RedisChannelLayer* channel_layer;  // null: there is none
};

inline constexpr const char* kMetricsContentType = "text/plain; version=0.0.4; charset=utf-8";

/// What `/metrics` shows, in the text format of Prometheus (version 0.0.4).
std::string render_metrics(const MetricSources& sources);

}  // namespace voicechan::server
