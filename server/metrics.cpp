#include "metrics.hpp"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <array>
#include <functional>
#include <limits>
#include <string_view>
#include <utility>

#include "process_usage.hpp"

namespace voicechan::server {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

constexpr std::array<const char*, WorkerCounters::kKinds> kMessageKinds = {"text", "binary"};
constexpr std::array<const char*, WorkerCounters::kRefusals> kRefusals = {"full", "address_full",
                                                                          "too_often"};
constexpr std::array<const char*, WorkerCounters::kDropReasons> kDropReasons = {"stale",
                                                                                "overflow"};
constexpr std::array<const char*, WorkerCounters::kResponseClasses> kResponseClasses = {
    "0xx", "1xx", "2xx", "3xx", "4xx", "5xx"};

/// Fills one family after the other.
class Families {
 public:
  Families& counter(const char* name, const char* help) {
    return begin(name, help, MetricType::Counter);
  }
  Families& gauge(const char* name, const char* help) {
    return begin(name, help, MetricType::Gauge);
  }
  Families& histogram(const char* name, const char* help) {
    return begin(name, help, MetricType::Histogram);
  }

  Families& add(double value, Labels labels = {}) {
    MetricFamily& family = all_.back();
    ClientMetric metric;
    metric.label = std::move(labels);
    (family.type == MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
    family.metric.push_back(std::move(metric));
    return *this;
  }
  Families& add(std::uint64_t value, Labels labels = {}) {
    return add(static_cast<double>(value), std::move(labels));
  }

  template <class Counter>
  Families& add(const DurationHistogram<Counter>& source, Labels labels = {}) {
    ClientMetric metric;
    metric.label = std::move(labels);
    auto& target = metric.histogram;
    const auto& bounds = source.kBounds;
    for (std::size_t i = 0; i <= bounds.size(); ++i) {
      target.sample_count += source.in_bucket(i);
      const double bound = i < bounds.size() ? std::chrono::duration<double>(bounds[i]).count()
                                             : std::numeric_limits<double>::infinity();
      target.bucket.push_back({target.sample_count, bound});
    }
    target.sample_sum = source.sum_in_seconds();
    all_.back().metric.push_back(std::move(metric));
    return *this;
  }

  std::vector<MetricFamily> take() { return std::move(all_); }

 private:
  Families& begin(const char* name, const char* help, MetricType type) {
    all_.push_back({name, help, type, {}});
    return *this;
  }

  std::vector<MetricFamily> all_;
};

std::string label_of_close(std::size_t index) {
  return index < kCountedCloseCodes.size() ? std::to_string(kCountedCloseCodes[index]) : "other";
}

class Collector {
 public:
  explicit Collector(const MetricSources& sources) : sources_(sources) {}

  std::vector<MetricFamily> collect() const {
    Families families;
    collect_connections(families);
    collect_rooms(families);
    collect_traffic(families);
    collect_delays(families);
    collect_credentials_and_store(families);
    if (sources_.cluster != nullptr) collect_bus(families, sources_.cluster->status());
    if (sources_.channel_layer != nullptr) {
      collect_channel_layer(families, sources_.channel_layer->status());
    }
    collect_process(families);
    return families.take();
  }

 private:
  template <class Get>
  std::uint64_t sum(Get get) const {
    std::uint64_t total = 0;
    for (const WorkerCounters* worker : sources_.workers) total += get(*worker).value();
    return total;
  }

  void collect_connections(Families& families) const {
    using Counters = const WorkerCounters&;
    families.gauge("voicechan_connections", "Connections that there are, by what they speak.");
    for (std::size_t i = 0; i < kProtocolKinds; ++i) {
      families.add(sum([i](Counters all) -> auto& { return all.connections[i]; }),
                   {{"protocol", kProtocolNames[i]}});
    }
    families.counter("voicechan_connections_accepted_total", "Connections that were taken on.")
        .add(sum([](Counters all) -> auto& { return all.accepted; }));
    families.counter("voicechan_connections_refused_total",
                     "Connections refused for a limit: of the process (full), of an address "
                     "(address_full; through an HTTP proxy: requests), or of how often an "
                     "address connects (too_often).");
    for (std::size_t i = 0; i < kRefusals.size(); ++i) {
      families.add(sum([i](Counters all) -> auto& { return all.refused[i]; }),
                   {{"reason", kRefusals[i]}});
    }
    families.counter("voicechan_http_responses_total",
                     "Responses to HTTP requests, by class of status.");
    for (std::size_t i = 2; i < kResponseClasses.size(); ++i) {
      families.add(sum([i](Counters all) -> auto& { return all.responses[i]; }),
                   {{"code", kResponseClasses[i]}});
    }
    families.counter("voicechan_websocket_closes_total",
                     "WebSockets that ended, by close code; 1005: the client named none, 1006: "
                     "without a close frame.");
    for (std::size_t i = 0; i <= kCountedCloseCodes.size(); ++i) {
      families.add(sum([i](Counters all) -> auto& { return all.closes[i]; }),
                   {{"code", label_of_close(i)}});
    }
    families
        .counter("voicechan_signaling_resumes_total",
                 "Signaling sessions that went on over another connection.")
        .add(sum([](Counters all) -> auto& { return all.resumes; }));
  }

  void collect_rooms(Families& families) const {
    const RoomTotals voice = sources_.backplane.voice_presence().totals();
    const RoomTotals signaling = sources_.backplane.presence().totals();
    families.gauge("voicechan_rooms", "Rooms that somebody is in.")
        .add(std::uint64_t{voice.rooms}, {{"kind", "voice"}})
        .add(std::uint64_t{signaling.rooms}, {{"kind", "signaling"}});
    families.gauge("voicechan_room_members", "Who is in these rooms, all together.")
        .add(std::uint64_t{voice.members}, {{"kind", "voice"}})
        .add(std::uint64_t{signaling.members}, {{"kind", "signaling"}});
  }

  void collect_traffic(Families& families) const {
    using Counters = const WorkerCounters&;
    families.counter("voicechan_messages_received_total", "WebSocket messages that clients sent.");
    for (std::size_t i = 1; i < kProtocolKinds; ++i) {  // HTTP has none
      for (std::size_t kind = 0; kind < kMessageKinds.size(); ++kind) {
        families.add(sum([ i, kind ](Counters all) -> auto& { return all.messages[i][kind]; }),
                     {{"protocol", kProtocolNames[i]}, {"type", kMessageKinds[kind]}});
      }
    }
    families
        .counter("voicechan_deliveries_total",
                 "WebSocket messages queued for clients; some may be dropped later.")
        .add(sum([](Counters all) -> auto& { return all.deliveries; }));
    families.counter("voicechan_dropped_frames_total",
                     "Audio frames dropped for slow listeners: too old (stale) or too many "
                     "waiting (overflow).");
    for (std::size_t i = 0; i < kDropReasons.size(); ++i) {
      families.add(sum([i](Counters all) -> auto& { return all.dropped_frames[i]; }),
                   {{"reason", kDropReasons[i]}});
    }
    families.counter("voicechan_received_bytes_total", "Bytes read from sockets.").add(sum([
    ](Counters all) -> auto& { return all.received_bytes; }));
    families.counter("voicechan_sent_bytes_total", "Bytes written to sockets.").add(sum([
    ](Counters all) -> auto& { return all.sent_bytes; }));
    families
        .gauge("voicechan_held_bytes",
               "Bytes that wait for clients to read, or that have arrived of what is not "
               "complete.")
        .add(sum([](Counters all) -> auto& { return all.held_bytes; }));
    families.gauge("voicechan_max_held_bytes", "The bound of voicechan_held_bytes.")
        .add(std::uint64_t{sources_.max_held_bytes});
  }

  void collect_delays(Families& families) const {
    families.histogram("voicechan_delivery_latency_seconds",
                       "From the arrival of an audio message until nothing waits for one of its "
                       "listeners on the same worker; one message of 64.");
    for (std::size_t i = 0; i < sources_.workers.size(); ++i) {
      families.add(sources_.workers[i]->delivery_latency, {{"worker", std::to_string(i)}});
    }
    families.histogram("voicechan_loop_lag_seconds",
                       "How late a worker's event loop comes to a timer.");
    for (std::size_t i = 0; i < sources_.workers.size(); ++i) {
      families.add(sources_.workers[i]->loop_lag, {{"worker", std::to_string(i)}});
    }
  }

  void collect_credentials_and_store(Families& families) const {
    families.counter("voicechan_auth_failures_total",
                     "Credentials refused, and requests without one.");
    sources_.key_guard.for_each_failure([&](std::string_view reason, std::uint64_t count) {
      families.add(count, {{"reason", std::string(reason)}});
    });
    families.histogram("voicechan_store_latency_seconds",
                       "How long the operations of the database took that there were.");
    for (std::size_t i = 0; i < MeteredStore::kOperations; ++i) {
      const auto operation = static_cast<MeteredStore::Operation>(i);
      // Some are of the command line only.
      if (sources_.store.latency(operation).is_empty()) continue;
      families.add(sources_.store.latency(operation),
                   {{"operation", std::string(MeteredStore::name_of(operation))}});
    }
    families.counter("voicechan_store_failures_total",
                     "Operations that the database could not do: it is full or not there "
                     "(unavailable), another process has it locked, or it is corrupt.");
    for (std::size_t i = 0; i < MeteredStore::kFailures; ++i) {
      const auto failure = static_cast<MeteredStore::Failure>(i);
      families.add(sources_.store.failures(failure),
                   {{"reason", std::string(MeteredStore::name_of(failure))}});
    }
  }

  static void collect_bus(Families& families, const RedisBackplaneStatus& bus) {
    families.gauge("voicechan_bus_up", "1: what this server says comes to the others.")
        .add(std::uint64_t{bus.is_bus_reachable ? 1U : 0U});
    families
        .gauge("voicechan_bus_problems",
               "Servers of the bus, and that of the leases, that are away.")
        .add(std::uint64_t{bus.problems.size()});
    families
        .gauge("voicechan_bus_groups", "Rooms and users that this server listens to the bus for.")
        .add(bus.groups);
    families
        .counter("voicechan_bus_messages_total", "Messages to the bus and from it, own echoes too.")
        .add(bus.published, {{"direction", "out"}})
        .add(bus.received, {{"direction", "in"}});
    families
        .counter("voicechan_bus_dropped_frames_total",
                 "Audio for other servers that could not be sent in time (unsent), and of others "
                 "that came too late (late).")
        .add(bus.dropped_media, {{"reason", "unsent"}})
        .add(bus.late_frames, {{"reason", "late"}});
    families
        .counter(
            "voicechan_bus_refused_messages_total",
            "Messages from the bus of a later version (unknown) or of somebody else (malformed).")
        .add(bus.unknown_messages, {{"reason", "unknown"}})
        .add(bus.malformed_messages, {{"reason", "malformed"}});
  }

  static void collect_channel_layer(Families& families, const RedisChannelLayerStatus& layer) {
    families.gauge("voicechan_channel_layer_up", "1: Redis has the channel layer of Django.")
        .add(std::uint64_t{layer.problem.empty() ? 1U : 0U});
    families
        .gauge("voicechan_channel_layer_groups",
               "Rooms and users that this server listens to the channel layer for.")
        .add(layer.groups);
    families
        .counter("voicechan_channel_layer_events_total",
                 "Events to the channel layer, and from it those that were passed on.")
        .add(layer.sent, {{"direction", "out"}})
        .add(layer.received, {{"direction", "in"}});
    families
        .counter("voicechan_channel_layer_dropped_total",
                 "Messages to rooms that the channel layer was not told (unsent), and events from "
                 "it that were not understood (ignored).")
        .add(layer.dropped, {{"reason", "unsent"}})
        .add(layer.ignored, {{"reason", "ignored"}});
  }

  static void collect_process(Families& families) {
    const ProcessUsage usage = read_process_usage();
    families.gauge("voicechan_build_info", "1; the label is what counts.")
        .add(1.0, {{"version", VOICECHAN_VERSION}});
    families.gauge("process_start_time_seconds", "When the process started, in Unix time.")
        .add(usage.start_seconds);
    families.counter("process_cpu_seconds_total", "CPU time of user and system.")
        .add(usage.cpu_seconds);
    families.gauge("process_resident_memory_bytes", "Resident memory.")
        .add(std::uint64_t{usage.resident_bytes});
    families.gauge("process_open_fds", "Open file descriptors.")
        .add(std::uint64_t{usage.open_descriptors});
    families.gauge("process_max_fds", "File descriptors that there may be.")
        .add(std::uint64_t{usage.max_descriptors});
  }

  const MetricSources& sources_;
};

}  // namespace

std::string render_metrics(const MetricSources& sources) {
  return prometheus::TextSerializer().Serialize(Collector(sources).collect());
}

}  // namespace voicechan::server
