#pragma once

#include <boost/json/array.hpp>
#include <cstdint>
#include <deque>

#include "connection.hpp"
#include "histogram.hpp"
#include "relay_ledger.hpp"

namespace voicechan::load {

/// The members that read slowly or not at all, and what becomes of them.
class SlowReaders {
 public:
  /// `bytes_per_second` of each; 0 reads nothing.
  SlowReaders(double bytes_per_second, RelayLedger& ledger, Network& network)
      : bytes_per_second_(bytes_per_second), ledger_(ledger), network_(network) {}

  /// The connection is open and reads slowly from now on.
  void add(Connection& connection);

  void start(std::int64_t now);
  /// When `read` has something to do next.
  std::int64_t next_due() const noexcept;
  void read(std::int64_t now);

  /// Reads what has come, without a limit, to learn of close frames.
  void drain();

  void on_message(Connection& connection, Opcode kind, std::string_view payload, std::int64_t now);

  /// Something other than loss went wrong.
  bool has_wrong_frames() const noexcept;
  boost::json::array to_json() const;

 private:
  struct Reader {
    Connection* connection;
    double budget_bytes = 0;
    std::uint64_t received = 0;
    std::uint64_t drained = 0;
    Faults faults;
    Histogram age;
  };

  double bytes_per_second_;
  RelayLedger& ledger_;
  Network& network_;
  std::deque<Reader> readers_;
  std::int64_t start_ = 0;
  std::int64_t last_read_ = 0;
  bool is_draining_ = false;
};

}  // namespace voicechan::load
