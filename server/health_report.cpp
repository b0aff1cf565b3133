#include "health_report.hpp"

#include <boost/json.hpp>
#include <chrono>

#include "health.hpp"
#include "process_usage.hpp"

namespace voicechan::server {
namespace {

namespace json = boost::json;

using Seconds = std::chrono::duration<double>;

// It is asked four times a second, and waits for a lock of another process no longer than this.
constexpr std::chrono::seconds kOldestProbe{10};

json::array show_workers(const std::vector<const WorkerCounters*>& workers, MonotonicTime now) {
  json::array shown;
  for (const WorkerCounters* worker : workers) {
    const auto lag = std::chrono::nanoseconds(worker->lag_nanoseconds.value());
    const auto ticked = MonotonicTime(MonotonicTime::duration(worker->last_timer.value()));
    shown.push_back(
        json::object{{"loop_lag_seconds", Seconds(lag).count()},
                     {"last_timer_seconds_ago", Seconds(std::max(now, ticked) - ticked).count()}});
  }
  return shown;
}

json::object show_connections(const std::vector<const WorkerCounters*>& workers) {
  json::object shown;
  for (std::size_t i = 0; i < kProtocolKinds; ++i) {
    std::uint64_t count = 0;
    for (const WorkerCounters* worker : workers) count += worker->connections[i].value();
    shown[kProtocolNames[i]] = count;
  }
  return shown;
}

bool is_reachable(const MeteredStore& store, MonotonicTime now) {
  const MeteredStore::Probe probe = store.last_probe();
  return probe.has_succeeded && now - probe.at < kOldestProbe;
}

json::object show_bus(const RedisBackplaneStatus& status) {
  json::array problems;
  for (const std::string& problem : status.problems) problems.emplace_back(problem);
  return {{"reachable", status.is_bus_reachable},
          {"problems", std::move(problems)},
          {"groups", status.groups}};
}

json::object show_channel_layer(const RedisChannelLayerStatus& status) {
  return {{"reachable", status.problem.empty()},
          {"problem", status.problem},
          {"groups", status.groups}};
}

json::object show_database(const MeteredStore& store, MonotonicTime now) {
  const MeteredStore::Probe probe = store.last_probe();
  json::object failures;
  for (std::size_t i = 0; i < MeteredStore::kFailures; ++i) {
    const auto failure = static_cast<MeteredStore::Failure>(i);
    const std::string_view name = MeteredStore::name_of(failure);
    failures[{name.data(), name.size()}] = store.failures(failure);
  }
  return {{"reachable", is_reachable(store, now)},
          {"latency_seconds", Seconds(probe.latency).count()},
          {"failures", std::move(failures)}};
}

}  // namespace

std::string compose_health(ServicePhase phase, const std::vector<const WorkerCounters*>& workers,
                           const MeteredStore& store, const RedisBackplane* cluster,
                           const RedisChannelLayer* channel_layer, MonotonicTime now) {
  const ProcessUsage usage = read_process_usage();
  const Seconds wall_clock = std::chrono::system_clock::now().time_since_epoch();
  const std::size_t open = std::min(usage.open_descriptors, usage.max_descriptors);
  std::string_view status = status_of(phase);
  json::value bus;
  bool is_well = is_reachable(store, now);
  if (cluster != nullptr) {
    const RedisBackplaneStatus seen = cluster->status();
    is_well = is_well && seen.is_bus_reachable && seen.problems.empty();
    bus = show_bus(seen);
  }
  json::value layer;
  if (channel_layer != nullptr) {
    const RedisChannelLayerStatus seen = channel_layer->status();
    is_well = is_well && seen.problem.empty();
    layer = show_channel_layer(seen);
  }
  if (is_ready(phase) && !is_well) status = "degraded";
  return json::serialize(json::object{
      {"status", json::string_view(status.data(), status.size())},
      {"version", VOICECHAN_VERSION},
      {"uptime_seconds", wall_clock.count() - usage.start_seconds},
      {"workers", show_workers(workers, now)},
      {"connections", show_connections(workers)},
      {"database", show_database(store, now)},
      {"bus", std::move(bus)},
      {"channel_layer", std::move(layer)},
      {"descriptors", json::object{{"open", open}, {"free", usage.max_descriptors - open}}},
      {"resident_bytes", usage.resident_bytes}});
}

}  // namespace voicechan::server
