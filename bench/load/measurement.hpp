#pragma once

#include <sys/types.h>

#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>

#include "event_loop.hpp"
#include "process_usage.hpp"

namespace voicechan::load {

/// What happened between two moments to this program and, if it has a pid, to the server.
class Measurement {
 public:
  /// `server` is 0 if there is none. Begins at once.
  explicit Measurement(pid_t server, EventLoop& loop);

  /// The interval that counts begins here.
  void begin();
  void end();

  double seconds() const noexcept;
  double per_second(std::uint64_t count) const noexcept;

  /// How busy this program was, and how late.
  boost::json::object generator() const;
  /// The server's CPU time in all and per unit of work, and its memory; empty if it has no pid.
  boost::json::object server(std::uint64_t work, const char* per_unit) const;

 private:
  struct Moment {
    std::int64_t at_ns;
    ProcessUsage own;
    std::optional<ProcessUsage> server;
  };
  Moment take() const;

  pid_t server_;
  EventLoop& loop_;
  Moment start_;  // of the program
  Moment begin_;
  Moment end_;
  Histogram busy_;  // of the loop, from begin to end
};

}  // namespace voicechan::load
