#include <iostream>
#include <map>
#include <utility>

#include "faults.hpp"
#include "flow.hpp"
#include "handshake.hpp"
#include "measurement.hpp"
#include "modes.hpp"
#include "monotonic.hpp"
#include "payload.hpp"

namespace voicechan::load {
namespace {

class Listener final : public Connection::Handler {
 public:
  explicit Listener(const Options& options)
      : options_(options),
        connection_(network_, *this, 0),
        measurement_(options.server_pid, network_.loop) {}

  Outcome run() {
    const std::string& room = options_.listen.room;
    if (connect_all(network_, options_.target,
                    {{&connection_, path_of_room(options_.path_template, room)}})) {
      std::cerr << "listening in " << room << std::endl;
      listen_for(options_.listen.warmup_seconds);
      measurement_.begin();
      is_measuring_ = true;
      listen_for(options_.duration_seconds);
      measurement_.end();
    }
    const bool is_too_old =
        options_.listen.max_age_ms > 0 && to_us(age_.max()) > options_.listen.max_age_ms * 1000;
    const bool is_violated = faults_.has_wrong_frames() || faults_.closed > 0 || is_too_old ||
                             age_.count() < options_.listen.min_frames;
    Outcome outcome{report(), is_violated, network_.loop.was_interrupted()};
    connection_.close(1000);
    return outcome;
  }

 private:
  void listen_for(double seconds) {
    const std::int64_t end = monotonic_ns() + to_ns(seconds);
    while (monotonic_ns() < end && connection_.is_open() && !network_.loop.was_interrupted()) {
      network_.loop.turn(end);
    }
  }

  void on_message(Connection&, Opcode, std::string_view payload, std::int64_t now) override {
    const auto stamp = find_stamp(payload);
    if (!stamp) {
      ++faults_.corrupted;
      return;
    }
    const auto room = rooms_.try_emplace(stamp->run, stamp->room).first->second;
    if (room != stamp->room) {
      ++faults_.foreign;
      return;
    }
    // Whoever comes later begins where he comes in.
    Flow& flow = flows_.try_emplace({stamp->run, stamp->speaker}, stamp->sequence).first->second;
    const Arrival arrival = flow.take(stamp->sequence);
    if (arrival == Arrival::duplicate) {
      ++faults_.duplicated;
      return;
    }
    if (arrival == Arrival::late) ++faults_.reordered;
    if (is_measuring_) age_.record(age_ns(*stamp, now));
  }

  void on_closed(Connection&) override { ++faults_.closed; }

  boost::json::object report() {
    for (const auto& flow : flows_) faults_.lost += flow.second.missing();
    boost::json::object result{{"mode", "listen"},
                               {"seconds", rounded(measurement_.seconds())},
                               {"received", age_.count()},
                               {"speakers", flows_.size()},
                               {"age_us", percentiles_us(age_)},
                               {"faults", faults_.to_json()}};
    if (faults_.closed > 0) {
      result["close_code"] = connection_.ending().code;
      result["close_reason"] = connection_.ending().reason;
    }
    result["generator"] = measurement_.generator();
    auto server = measurement_.server(age_.count(), "delivery");
    if (!server.empty()) result["server"] = std::move(server);
    return result;
  }

  const Options& options_;
  Network network_;
  Connection connection_;
  Measurement measurement_;
  std::map<std::uint32_t, std::uint32_t> rooms_;                   // of each run
  std::map<std::pair<std::uint32_t, std::uint32_t>, Flow> flows_;  // of each run and speaker
  Faults faults_;
  bool is_measuring_ = false;
  Histogram age_;
};

}  // namespace

Outcome run_listen(const Options& options) { return Listener(options).run(); }

}  // namespace voicechan::load
