#pragma once

#include <string>
#include <vector>

#include "metered_store.hpp"
#include "service_phase.hpp"
#include "worker_counters.hpp"

namespace voicechan::server {

/// The body of `/health`. Asks neither a worker nor the store anything: both are shown as they were
/// a moment ago, so that it comes when they do not answer; but the first worker brings it to who
/// asked. Reads /proc.
std::string compose_health(ServicePhase phase, const std::vector<const WorkerCounters*>& workers,
                           const MeteredStore& store, MonotonicTime now);

}  // namespace voicechan::server
