#pragma once

#include <string>
#include <vector>

#include "metered_store.hpp"
#include "service_phase.hpp"
#include "voicechan/redis_backplane.hpp"
#include "voicechan/redis_channel_layer.hpp"
#include "worker_counters.hpp"

namespace voicechan::server {

/// The body of `/health`. Asks neither a worker nor the store anything: both are shown as they were
/// a moment ago, so that it comes when they do not answer; but the first worker brings it to who
/// asked. Reads /proc. "status" is that of `/readyz`, or "degraded" if clients are served but the
/// store, a server of the bus or the channel layer is away. `cluster` and `channel_layer` may be
/// null.
std::string compose_health(ServicePhase phase, const std::vector<const WorkerCounters*>& workers,
                           const MeteredStore& store, const RedisBackplane* cluster,
                           const RedisChannelLayer* channel_layer, MonotonicTime now);

}  // namespace voicechan::server
