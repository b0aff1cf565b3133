#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "faults.hpp"
#include "flow.hpp"
#include "measurement.hpp"
#include "modes.hpp"
#include "monotonic.hpp"
#include "trip_message.hpp"

namespace voicechan::load {
namespace {

constexpr std::int64_t kJoinNs = 15 * kNanosPerSecond;
constexpr std::int64_t kQuietNs = 5 * kNanosPerSecond;
constexpr std::int64_t kDrainNs = kNanosPerSecond;

class Signaling final : public Connection::Handler {
 public:
  explicit Signaling(const Options& options)
      : options_(options),
        trips_(options.signaling),
        measurement_(options.server_pid, network_.loop),
        pairs_(trips_.pairs) {
    for (std::uint32_t i = 0; i < 2 * trips_.pairs; ++i) peers_.emplace_back(network_, *this, i);
  }

  Outcome run() {
    if (connect() && join()) {
      load();
      drain();
    }
    for (const Pair& pair : pairs_) faults_.lost += pair.sent - pair.done;
    Outcome outcome{report(), faults_.is_any(), network_.loop.was_interrupted()};
    for (Connection& peer : peers_) peer.close(1000);
    return outcome;
  }

 private:
  /// Peer 2i calls peer 2i + 1, which answers.
  struct Pair {
    std::string ids[2];
    std::optional<TripWriter> ping;
    std::optional<TripWriter> pong;
    Flow pings;
    Flow pongs;
    std::uint64_t sent = 0;
    std::uint64_t done = 0;
    std::uint32_t in_flight = 0;
    std::int64_t last_at = 0;  // something came back
  };
  using Type = TripMessage::Type;

  bool connect() {
    std::vector<Call> calls;
    calls.reserve(peers_.size());
    for (Connection& peer : peers_) calls.push_back({&peer, options_.path_template});
    return connect_all(network_, options_.target, calls);
  }

  bool join() {
    for (Connection& peer : peers_) {
      peer.send(Opcode::text, R"({"type":"join"})");
      peer.flush();
    }
    const std::int64_t end = monotonic_ns() + kJoinNs;
    while (joined_ < peers_.size()) {
      if (network_.loop.was_interrupted()) return false;
      if (monotonic_ns() >= end || faults_.is_any() || !errors_.empty()) {
        throw ConnectFailure("only " + std::to_string(joined_) + " peers could join");
      }
      network_.loop.turn(end);
    }
    for (Pair& pair : pairs_) {
      pair.ping.emplace("ping", pair.ids[1], trips_.message_bytes);
      pair.pong.emplace("pong", pair.ids[0], trips_.message_bytes);
    }
    return true;
  }

  void on_message(Connection& peer, Opcode kind, std::string_view payload,
                  std::int64_t now) override {
    Pair& pair = pairs_[peer.id() / 2];
    const bool is_caller = peer.id() % 2 == 0;
    const auto message = read_trip_message(payload);
    if (!message || kind != Opcode::text) {
      ++faults_.corrupted;
    } else if (message->type == Type::joined) {
      std::string& id = pair.ids[peer.id() % 2];
      if (id.empty()) ++joined_;
      id = message->id;
    } else if (message->type == Type::error) {
      ++errors_[message->code];
      end_trip(pair, now);
    } else if (check(pair, is_caller, *message)) {
      if (is_caller) {
        finish_trip(pair, *message, now);
      } else {
        peer.send(Opcode::text, pair.pong->write(message->number, message->sent_ns));
      }
    }
  }

  void on_closed(Connection& peer) override {
    if (faults_.closed++ == 0) first_ending_ = peer.ending();
  }

  /// Whether it is what this peer waits for.
  bool check(Pair& pair, bool is_caller, const TripMessage& message) {
    const auto wrong = [](std::uint64_t& counter) {
      ++counter;
      return false;
    };
    const std::size_t pad = is_caller ? pair.pong->pad_bytes() : pair.ping->pad_bytes();
    if (message.from != pair.ids[is_caller ? 1 : 0]) return wrong(faults_.foreign);
    if (message.type != (is_caller ? Type::pong : Type::ping)) return wrong(faults_.corrupted);
    if (message.number >= pair.sent || message.pad_bytes != pad) return wrong(faults_.corrupted);
    const Arrival arrival = (is_caller ? pair.pongs : pair.pings).take(message.number);
    if (arrival == Arrival::duplicate) return wrong(faults_.duplicated);
    if (arrival == Arrival::late) ++faults_.reordered;
    return true;
  }

  void finish_trip(Pair& pair, const TripMessage& message, std::int64_t now) {
    ++pair.done;
    if (is_measuring_) {
      ++trips_done_;
      latency_.record(now - message.sent_ns);
    }
    end_trip(pair, now);
  }

  void end_trip(Pair& pair, std::int64_t now) {
    pair.last_at = now;
    if (pair.in_flight > 0) --pair.in_flight;
    if (is_sending_ && trips_.trips_per_second <= 0) fill_window(pair);
  }

  void call(Pair& pair) {
    ++pair.in_flight;
    caller_of(pair).send(Opcode::text, pair.ping->write(pair.sent++, monotonic_ns()));
  }

  void fill_window(Pair& pair) {
    if (!caller_of(pair).is_open()) return;
    while (pair.in_flight < trips_.window) call(pair);
    caller_of(pair).flush();
  }

  Connection& caller_of(const Pair& pair) {
    return peers_[2 * static_cast<std::size_t>(&pair - pairs_.data())];
  }

  std::int64_t time_of(std::uint64_t trip) const {
    const double per_second = trips_.trips_per_second * static_cast<double>(pairs_.size());
    return start_ + to_ns(static_cast<double>(trip) / per_second);
  }

  void call_at_rate(std::int64_t now) {
    for (; time_of(next_trip_) <= now; ++next_trip_) {
      Pair& pair = pairs_[next_trip_ % pairs_.size()];
      if (pair.in_flight >= trips_.window || !caller_of(pair).is_open()) {
        ++held_back_;
        continue;
      }
      lateness_.record(monotonic_ns() - time_of(next_trip_));
      call(pair);
      caller_of(pair).flush();
    }
  }

  void give_up(std::int64_t now) {
    if (now < next_check_) return;
    next_check_ = now + kNanosPerSecond;
    for (Pair& pair : pairs_) {
      if (pair.in_flight == 0 || pair.last_at + kQuietNs > now) continue;
      pair.last_at = now;
      pair.in_flight = 0;
      if (trips_.trips_per_second <= 0) fill_window(pair);
    }
  }

  void load() {
    start_ = monotonic_ns();
    const std::int64_t warm = start_ + to_ns(trips_.warmup_seconds);
    const std::int64_t end = warm + to_ns(options_.duration_seconds);
    is_sending_ = true;
    next_check_ = start_ + kNanosPerSecond;
    const bool has_rate = trips_.trips_per_second > 0;
    for (Pair& pair : pairs_) {
      pair.last_at = start_;
      if (!has_rate) fill_window(pair);
    }
    for (;;) {
      const std::int64_t now = monotonic_ns();
      if (!is_measuring_ && now >= warm) {
        is_measuring_ = true;
        lateness_ = Histogram();
        measurement_.begin();
      }
      if (now >= end || network_.loop.was_interrupted() || faults_.closed == peers_.size()) break;
      if (has_rate) call_at_rate(now);
      give_up(now);
      network_.loop.turn(std::min(has_rate ? time_of(next_trip_) : end, end));
    }
    is_sending_ = false;
    if (is_measuring_) measurement_.end();
    is_measuring_ = false;
  }

  void drain() {
    const auto waits = [](const Pair& pair) { return pair.in_flight > 0; };
    const std::int64_t end = monotonic_ns() + kDrainNs;
    while (std::any_of(pairs_.begin(), pairs_.end(), waits) && monotonic_ns() < end) {
      network_.loop.turn(end);
    }
  }

  boost::json::object report() {
    boost::json::object errors;
    for (const auto& [code, count] : errors_) errors[code] = count;
    boost::json::object result{{"mode", "signaling"},
                               {"pairs", pairs_.size()},
                               {"seconds", rounded(measurement_.seconds())},
                               {"round_trips", trips_done_},
                               {"round_trips_per_s", rounded(measurement_.per_second(trips_done_))},
                               {"latency_us", percentiles_us(latency_)},
                               {"error_replies", std::move(errors)},
                               {"faults", faults_.to_json()}};
    if (faults_.closed > 0) {
      result["first_close_code"] = first_ending_.code;
      result["first_close_reason"] = first_ending_.reason;
    }
    boost::json::object generator = measurement_.generator();
    if (trips_.trips_per_second > 0) {
      generator["sent_late_p99_us"] = to_us(lateness_.percentile(99));
      generator["sent_late_max_us"] = to_us(lateness_.max());
      generator["held_back"] = held_back_;
    }
    result["generator"] = std::move(generator);
    boost::json::object server = measurement_.server(trips_done_, "round_trip");
    if (!server.empty()) result["server"] = std::move(server);
    return result;
  }

  const Options& options_;
  const SignalingOptions& trips_;
  Network network_;
  Measurement measurement_;
  std::deque<Connection> peers_;
  std::vector<Pair> pairs_;
  std::size_t joined_ = 0;
  Faults faults_;
  std::map<std::string, std::uint64_t> errors_;  // by code
  Ending first_ending_;
  Histogram latency_;
  Histogram lateness_;
  std::int64_t start_ = 0;
  std::int64_t next_check_ = 0;
  std::uint64_t next_trip_ = 0;
  std::uint64_t held_back_ = 0;
  std::uint64_t trips_done_ = 0;  // while measuring
  bool is_sending_ = false;
  bool is_measuring_ = false;
};

}  // namespace

Outcome run_signaling(const Options& options) { return Signaling(options).run(); }

}  // namespace voicechan::load
