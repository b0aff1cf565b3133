#include <algorithm>
#include <deque>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "handshake.hpp"
#include "measurement.hpp"
#include "modes.hpp"
#include "monotonic.hpp"
#include "relay_ledger.hpp"
#include "slow_readers.hpp"
#include "speakers.hpp"

namespace voicechan::load {
namespace {

RelayShape shape_of(const RelayOptions& options) {
  return {options.rooms, options.members,     options.speakers,
          options.slow,  options.frame_bytes, options.is_text ? Opcode::text : Opcode::binary};
}

class Relay final : public Connection::Handler {
 public:
  explicit Relay(const Options& options)
      : options_(options),
        shape_(shape_of(options.relay)),
        ledger_(shape_, std::random_device{}()),
        slow_(options.relay.slow_bytes_per_second, ledger_, network_),
        measurement_(options.server_pid, network_.loop) {
    for (std::uint32_t i = 0; i < shape_.all_members(); ++i)
      members_.emplace_back(network_, *this, i);
    speakers_.emplace(
        Pace{options.relay.frames_per_second, options.relay.window, options.relay.is_in_phase},
        ledger_, members_);
  }

  Outcome run() {
    if (connect()) {
      load();
      drain();
    }
    for (std::uint32_t i = 0; i < shape_.all_members(); ++i) count_loss(i);
    Outcome outcome{report(), faults_.is_any() || slow_.has_wrong_frames(),
                    network_.loop.was_interrupted()};
    for (Connection& member : members_) member.close(1000);
    return outcome;
  }

 private:
  void on_message(Connection& connection, Opcode kind, std::string_view payload,
                  std::int64_t now) override {
    if (shape_.is_slow(connection.id())) return slow_.on_message(connection, kind, payload, now);
    const auto stamp = ledger_.take(connection.id(), kind, payload, faults_);
    if (!stamp) return;
    ++arrived_;
    if (is_measuring_) {
      ++deliveries_;
      bytes_ += payload.size();
      latency_.record(age_ns(*stamp, now));
    }
    speakers_->on_delivered(*stamp);
  }

  void on_closed(Connection& connection) override {
    if (shape_.is_slow(connection.id())) return;
    ++faults_.closed;
    if (faults_.closed == 1) first_ending_ = connection.ending();
  }

  bool connect() {
    std::vector<Call> calls;
    calls.reserve(members_.size());
    for (Connection& member : members_) {
      const std::string room =
          options_.relay.room_prefix + std::to_string(shape_.room_of(member.id()));
      calls.push_back({&member, path_of_room(options_.path_template, room),
                       shape_.is_slow(member.id()) ? options_.relay.slow_receive_buffer : 0});
    }
    if (!connect_all(network_, options_.target, calls)) return false;
    for (Connection& member : members_) {
      if (shape_.is_slow(member.id())) slow_.add(member);
    }
    return true;
  }

  bool is_anybody_here() const {
    return faults_.closed < std::uint64_t{shape_.all_members()} - shape_.slow;
  }

  void load() {
    const std::int64_t start = monotonic_ns();
    const std::int64_t warm = start + to_ns(options_.relay.warmup_seconds);
    const std::int64_t end = warm + to_ns(options_.duration_seconds);
    speakers_->start(start);
    slow_.start(start);
    for (;;) {
      const std::int64_t now = monotonic_ns();
      if (!is_measuring_ && now >= warm) begin_measuring();
      if (now >= end || network_.loop.was_interrupted() || !is_anybody_here()) break;
      slow_.read(now);
      speakers_->speak(now);
      network_.loop.turn(std::min({speakers_->next_due(), slow_.next_due(), end}));
    }
    if (!is_measuring_) return;
    is_measuring_ = false;
    sent_ = ledger_.sent() - sent_;
    measurement_.end();
  }

  void begin_measuring() {
    is_measuring_ = true;
    sent_ = ledger_.sent();
    speakers_->lateness() = Histogram();
    measurement_.begin();
  }

  /// Waits for what is on its way.
  void drain() {
    const std::int64_t quiet = to_ns(options_.relay.drain_seconds);
    const std::int64_t end = monotonic_ns() + 10 * quiet;
    std::int64_t last = monotonic_ns();
    while (ledger_.outstanding() > 0 && is_anybody_here()) {
      const std::uint64_t arrived = arrived_;
      const std::int64_t now = monotonic_ns();
      if (now >= end || now >= last + quiet) break;
      slow_.read(now);
      network_.loop.turn(std::min({last + quiet, slow_.next_due(), end}));
      if (arrived_ != arrived) last = monotonic_ns();
    }
    slow_.drain();
  }

  /// Who was closed did not lose what came later, and nobody lost what he did not get out.
  void count_loss(std::uint32_t member) {
    if (shape_.is_slow(member)) return;
    faults_.lost += members_[member].is_open()
                        ? ledger_.lost(member, [this](auto i) { return members_[i].is_open(); })
                        : ledger_.gaps(member);
  }

  boost::json::object report() {
    boost::json::object result{
        {"mode", "relay"},
        {"connections", shape_.all_members()},
        {"seconds", rounded(measurement_.seconds())},
        {"deliveries", deliveries_},
        {"deliveries_per_s", rounded(measurement_.per_second(deliveries_))},
        {"frames_in_per_s", rounded(measurement_.per_second(sent_))},
        {"delivered_mb_per_s", rounded(measurement_.per_second(bytes_) / 1e6)},
        {"latency_us", percentiles_us(latency_)},
        {"faults", faults_.to_json()}};
    if (faults_.closed > 0) {
      result["first_close_code"] = first_ending_.code;
      result["first_close_reason"] = first_ending_.reason;
    }
    if (shape_.slow > 0) result["slow_reader"] = slow_.to_json();
    boost::json::object generator = measurement_.generator();
    if (options_.relay.window == 0) {
      generator["sent_late_p99_us"] = to_us(speakers_->lateness().percentile(99));
      generator["sent_late_max_us"] = to_us(speakers_->lateness().max());
      generator["held_back"] = speakers_->held_back();
    } else {
      generator["given_up"] = speakers_->given_up();
    }
    result["generator"] = std::move(generator);
    boost::json::object server = measurement_.server(deliveries_, "delivery");
    if (!server.empty()) result["server"] = std::move(server);
    return result;
  }

  const Options& options_;
  const RelayShape shape_;
  Network network_;
  RelayLedger ledger_;
  SlowReaders slow_;
  Measurement measurement_;
  std::deque<Connection> members_;
  std::optional<Speakers> speakers_;
  Faults faults_;
  Ending first_ending_;
  Histogram latency_;
  std::uint64_t arrived_ = 0;
  bool is_measuring_ = false;
  std::uint64_t deliveries_ = 0;  // these three while measuring
  std::uint64_t bytes_ = 0;
  std::uint64_t sent_ = 0;
};

}  // namespace

Outcome run_relay(const Options& options) { return Relay(options).run(); }

}  // namespace voicechan::load
