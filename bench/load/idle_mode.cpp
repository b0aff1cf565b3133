#include <algorithm>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "handshake.hpp"
#include "measurement.hpp"
#include "modes.hpp"
#include "monotonic.hpp"

namespace voicechan::load {
namespace {

constexpr std::uint32_t kRoomsAtOnce = 64;
constexpr std::int64_t kBurstQuietNs = 2 * kNanosPerSecond;

class Idle final : public Connection::Handler {
 public:
  explicit Idle(const Options& options) : options_(options), idle_(options.idle) {
    for (std::uint32_t i = 0; i < idle_.connections; ++i)
      connections_.emplace_back(network_, *this, i);
  }

  Outcome run() {
    report_["mode"] = "idle";
    report_["connections"] = idle_.connections;
    note_memory("rss_kib_before_connecting");
    const std::int64_t start = monotonic_ns();
    if (connect()) {
      report_["connecting_s"] = rounded(to_seconds(monotonic_ns() - start));
      wait(idle_.settle_seconds);
      note_memory("rss_kib_connected");
      if (idle_.burst > 0) burst();
      Measurement measurement(options_.server_pid, network_.loop);
      measurement.begin();
      wait(options_.duration_seconds);
      measurement.end();
      note_memory("rss_kib_end");
      report_["generator"] = measurement.generator();
      const auto server = measurement.server(0, "connection");
      if (const auto* cpu = server.if_contains("cpu_percent")) report_["server_cpu_percent"] = *cpu;
    }
    note_per_connection();
    report_["closed"] = closed_;
    if (closed_ > 0) {
      report_["first_close_code"] = first_ending_.code;
      report_["first_close_reason"] = first_ending_.reason;
    }
    for (Connection& connection : connections_) connection.close(1000);
    return {std::move(report_), closed_ > 0 || lost_ > 0, network_.loop.was_interrupted()};
  }

 private:
  void on_message(Connection&, Opcode, std::string_view payload, std::int64_t) override {
    if (payload.size() == idle_.burst_bytes) ++received_;
  }

  void on_closed(Connection& connection) override {
    if (closed_++ == 0) first_ending_ = connection.ending();
  }

  bool connect() {
    std::vector<Call> calls;
    calls.reserve(connections_.size());
    for (Connection& connection : connections_) {
      const std::string room = idle_.room_prefix + std::to_string(connection.id() / idle_.members);
      calls.push_back({&connection, path_of_room(options_.path_template, room)});
    }
    return connect_all(network_, options_.target, calls);
  }

  void wait(double seconds) {
    const std::int64_t end = monotonic_ns() + to_ns(seconds);
    while (monotonic_ns() < end && !network_.loop.was_interrupted()) network_.loop.turn(end);
  }

  /// Some rooms at a time: this is about the memory that stays, not about the peak.
  void burst() {
    const std::string message(idle_.burst_bytes, 'b');
    std::uint64_t expected = 0;
    std::uint32_t in_batch = 0;
    for (std::uint32_t first = 0; first < idle_.connections; first += idle_.members) {
      const std::uint32_t here = std::min(idle_.members, idle_.connections - first);
      for (std::uint32_t i = 0; i < idle_.burst; ++i)
        connections_[first].send(Opcode::binary, message);
      connections_[first].flush();
      expected += std::uint64_t{idle_.burst} * (here - 1);
      const bool is_last = first + here == idle_.connections;
      if (++in_batch % kRoomsAtOnce == 0 || is_last) await_burst(expected);
    }
    lost_ = expected - std::min(expected, received_);
    report_["burst_lost"] = lost_;
    note_memory("rss_kib_after_burst");
    wait(idle_.settle_seconds);
  }

  void await_burst(std::uint64_t expected) {
    std::int64_t last = monotonic_ns();
    while (received_ < expected && !network_.loop.was_interrupted()) {
      const std::uint64_t before = received_;
      network_.loop.turn(last + kBurstQuietNs);
      const std::int64_t now = monotonic_ns();
      if (received_ != before) last = now;
      if (now >= last + kBurstQuietNs) return;
    }
  }

  void note_memory(const char* name) {
    if (options_.server_pid == 0) return;
    if (const auto usage = find_process_usage(options_.server_pid)) report_[name] = usage->rss_kib;
  }

  void note_per_connection() {
    const auto per_connection = [this](const char* later, const char* name) {
      const auto* after = report_.if_contains(later);
      const auto* before = report_.if_contains("rss_kib_before_connecting");
      if (after == nullptr || before == nullptr) return;
      const double kib = static_cast<double>(after->get_int64() - before->get_int64());
      report_[name] = rounded(kib * 1024 / static_cast<double>(idle_.connections));
    };
    per_connection("rss_kib_connected", "rss_bytes_per_connection");
    per_connection("rss_kib_end", "rss_bytes_per_connection_end");
  }

  const Options& options_;
  const IdleOptions& idle_;
  Network network_;
  std::deque<Connection> connections_;
  std::uint64_t received_ = 0;
  std::uint64_t lost_ = 0;
  std::uint64_t closed_ = 0;
  Ending first_ending_;
  boost::json::object report_{{"mode", "idle"}};
};

}  // namespace

Outcome run_idle(const Options& options) { return Idle(options).run(); }

}  // namespace voicechan::load
