#include "dial.hpp"

#include <algorithm>
#include <cstddef>

#include "handshake.hpp"
#include "monotonic.hpp"

namespace voicechan::load {
namespace {

constexpr std::size_t kMaxPending = 128;  // less than any usual listen backlog
constexpr std::int64_t kTimeoutNs = 15 * kNanosPerSecond;

const Destination& destination_of(const Target& target, std::size_t number) {
  return target.destinations[number % target.destinations.size()];
}

void begin(const Target& target, const Call& call, std::size_t number) {
  const Destination& to = destination_of(target, number);
  const std::string key = target.keys.empty() ? "" : target.keys[number % target.keys.size()];
  const Endpoint* source =
      target.sources.empty() ? nullptr : &target.sources[number % target.sources.size()];
  call.connection->connect(to.endpoint, source, handshake_request(to.host, call.path, key),
                           call.receive_buffer);
}

[[noreturn]] void fail(const Destination& to, const Call& call, const std::string& why) {
  throw ConnectFailure("cannot connect to " + to.host + call.path + ": " + why);
}

}  // namespace

bool connect_all(Network& network, const Target& target, const std::vector<Call>& calls) {
  struct Pending {
    std::size_t number;
    std::int64_t deadline;
  };
  std::vector<Pending> pending;
  const std::int64_t start = monotonic_ns();
  const auto due = [&](std::size_t number) {
    return start + to_ns(static_cast<double>(number) / target.connections_per_second);
  };
  std::size_t begun = 0;
  while (begun < calls.size() || !pending.empty()) {
    if (network.loop.was_interrupted()) return false;
    const std::int64_t now = monotonic_ns();
    while (begun < calls.size() && pending.size() < kMaxPending && due(begun) <= now) {
      begin(target, calls[begun], begun);
      pending.push_back({begun, now + kTimeoutNs});
      ++begun;
    }
    const bool may_begin = begun < calls.size() && pending.size() < kMaxPending;
    network.loop.turn(may_begin ? due(begun) : now + kTimeoutNs);
    const auto is_done = [&](const Pending& one) {
      const Call& call = calls[one.number];
      const Destination& to = destination_of(target, one.number);
      const Connection& connection = *call.connection;
      if (connection.is_open()) return true;
      if (connection.state() == Connection::State::closed) {
        fail(to, call, connection.ending().reason);
      }
      if (one.deadline <= now) fail(to, call, "no answer in time");
      return false;
    };
    pending.erase(std::remove_if(pending.begin(), pending.end(), is_done), pending.end());
  }
  return true;
}

}  // namespace voicechan::load
