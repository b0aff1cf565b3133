#include "slow_readers.hpp"

#include <algorithm>
#include <limits>

#include "monotonic.hpp"
#include "report.hpp"

namespace voicechan::load {
namespace {

constexpr std::int64_t kTickNs = kNanosPerSecond / 100;
constexpr std::size_t kMaxReadBytes = 64 * 1024;
constexpr std::int64_t kDrainNs = 2 * kNanosPerSecond;
constexpr std::int64_t kQuietNs = kNanosPerSecond / 10;

}  // namespace

void SlowReaders::add(Connection& connection) {
  connection.stop_reading();
  readers_.emplace_back();
  readers_.back().connection = &connection;
}

void SlowReaders::start(std::int64_t now) { start_ = last_read_ = now; }

std::int64_t SlowReaders::next_due() const noexcept {
  const bool never = readers_.empty() || bytes_per_second_ <= 0;
  return never ? std::numeric_limits<std::int64_t>::max() : last_read_ + kTickNs;
}

void SlowReaders::read(std::int64_t now) {
  if (now < next_due()) return;
  const double earned = bytes_per_second_ * to_seconds(now - last_read_);
  last_read_ = now;
  for (Reader& reader : readers_) {
    reader.budget_bytes = std::min(reader.budget_bytes + earned, bytes_per_second_ + 1);
    while (reader.budget_bytes >= 1) {
      const auto max = std::min(static_cast<std::size_t>(reader.budget_bytes), kMaxReadBytes);
      const std::size_t got = reader.connection->read(max);
      reader.budget_bytes -= static_cast<double>(got);
      if (got < max) break;
    }
  }
}

void SlowReaders::drain() {
  is_draining_ = true;
  const std::int64_t end = monotonic_ns() + kDrainNs;
  std::int64_t last = monotonic_ns();
  while (!readers_.empty()) {
    for (Reader& reader : readers_) {
      while (reader.connection->read(kMaxReadBytes) > 0 && monotonic_ns() < end) {
        last = monotonic_ns();
      }
    }
    const std::int64_t now = monotonic_ns();
    if (now >= end || now >= last + kQuietNs) return;
    network_.loop.turn(now + kTickNs);
  }
}

void SlowReaders::on_message(Connection& connection, Opcode kind, std::string_view payload,
                             std::int64_t now) {
  const auto reader = std::find_if(readers_.begin(), readers_.end(), [&](const Reader& one) {
    return one.connection == &connection;
  });
  if (reader == readers_.end()) return;
  const auto stamp = ledger_.take(connection.id(), kind, payload, reader->faults);
  if (!stamp) return;
  ++reader->received;
  if (is_draining_) {
    ++reader->drained;
  } else {
    reader->age.record(age_ns(*stamp, now));
  }
}

bool SlowReaders::has_wrong_frames() const noexcept {
  return std::any_of(readers_.begin(), readers_.end(),
                     [](const Reader& reader) { return reader.faults.has_wrong_frames(); });
}

boost::json::array SlowReaders::to_json() const {
  boost::json::array result;
  for (const Reader& reader : readers_) {
    const Connection& connection = *reader.connection;
    boost::json::object one{{"member", connection.id()},
                            {"received", reader.received},
                            {"of_these_read_at_the_end", reader.drained},
                            {"age_p99_us", to_us(reader.age.percentile(99))},
                            {"age_max_us", to_us(reader.age.max())}};
    Faults faults = reader.faults;
    faults.lost = ledger_.gaps(connection.id());
    const bool is_closed = !connection.is_open();
    faults.closed = is_closed ? 1 : 0;
    for (const auto& fault : faults.to_json()) one.insert(fault);
    if (is_closed) {
      one["closed_noticed_after_s"] = rounded(to_seconds(connection.ending().at_ns - start_));
      one["close_code"] = connection.ending().code;
      one["close_reason"] = connection.ending().reason;
    }
    result.push_back(std::move(one));
  }
  return result;
}

}  // namespace voicechan::load
