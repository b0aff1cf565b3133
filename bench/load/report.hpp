#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <ostream>

#include "histogram.hpp"

namespace voicechan::load {

/// What a mode found out.
struct Outcome {
  boost::json::object report;
  bool is_violated = false;  // something was lost, doubled, out of order, closed, …
  bool was_interrupted = false;
};

/// To three decimals.
double rounded(double value) noexcept;
/// Nanoseconds as microseconds, to three decimals.
double to_us(std::int64_t ns) noexcept;

/// p50, p90, p99, p99.9 and max in microseconds.
boost::json::object percentiles_us(const Histogram& histogram);

/// One line a member; an object or array gets lines of its own below its name.
void print_text(std::ostream& out, const boost::json::object& report);

void print_json(std::ostream& out, const boost::json::object& report);

}  // namespace voicechan::load
