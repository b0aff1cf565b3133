#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "router.hpp"

namespace voicechan::server {

/// A number that one thread changes and any thread reads. Not a read-modify-write, so that it costs
/// the writer what a plain number does.
class Tally {
 public:
  void add(std::uint64_t more = 1) noexcept { set(value() + more); }
  void subtract(std::uint64_t less = 1) noexcept { set(value() - less); }
  void set(std::uint64_t value) noexcept { value_.store(value, std::memory_order_relaxed); }
  std::uint64_t value() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

/// The same for several writers, for what is seldom.
class SharedTally {
 public:
  void add(std::uint64_t more = 1) noexcept { value_.fetch_add(more, std::memory_order_relaxed); }
  std::uint64_t value() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

/// How often something took how long. As thread-safe as `Counter`.
template <class Counter>
class DurationHistogram {
 public:
  using Duration = std::chrono::nanoseconds;

  /// The upper bounds of the buckets; one more is for what took longer.
  static constexpr std::array<std::chrono::microseconds, 14> kBounds = {
      std::chrono::microseconds(100),       std::chrono::microseconds(250),
      std::chrono::microseconds(500),       std::chrono::microseconds(1'000),
      std::chrono::microseconds(2'500),     std::chrono::microseconds(5'000),
      std::chrono::microseconds(10'000),    std::chrono::microseconds(25'000),
      std::chrono::microseconds(50'000),    std::chrono::microseconds(100'000),
      std::chrono::microseconds(250'000),   std::chrono::microseconds(500'000),
      std::chrono::microseconds(1'000'000), std::chrono::microseconds(5'000'000)};

  void record(Duration taken) noexcept {
    const Duration duration = std::max(taken, Duration::zero());
    std::size_t bucket = 0;
    while (bucket < kBounds.size() && duration > kBounds[bucket]) ++bucket;
    buckets_[bucket].add();
    nanoseconds_.add(static_cast<std::uint64_t>(duration.count()));
  }

  std::uint64_t in_bucket(std::size_t bucket) const noexcept { return buckets_[bucket].value(); }
  bool is_empty() const noexcept {
    return std::all_of(buckets_.begin(), buckets_.end(),
                       [](const Counter& bucket) { return bucket.value() == 0; });
  }
  double sum_in_seconds() const noexcept { return static_cast<double>(nanoseconds_.value()) / 1e9; }

 private:
  std::array<Counter, kBounds.size() + 1> buckets_;
  Counter nanoseconds_;
};

/// What connections are counted by.
enum class ProtocolKind : std::uint8_t { http, voice, signaling, notifications };
inline constexpr std::size_t kProtocolKinds = 4;
inline constexpr std::array<const char*, kProtocolKinds> kProtocolNames = {
    "http", "voice", "signaling", "notifications"};

constexpr ProtocolKind protocol_of(Endpoint endpoint) noexcept {
  return endpoint == Endpoint::voice_socket           ? ProtocolKind::voice
         : endpoint == Endpoint::signaling_socket     ? ProtocolKind::signaling
         : endpoint == Endpoint::notifications_socket ? ProtocolKind::notifications
                                                      : ProtocolKind::http;
}

/// Close codes that are counted by themselves; clients may send any other. 1005: the client named
/// none, 1006: the connection ended without a close frame.
inline constexpr std::array<std::uint16_t, 14> kCountedCloseCodes = {
    1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1011, 1013, 4401, 4403, 4409};

/// What one worker has done. Written by its thread, read by any.
struct WorkerCounters {
  static constexpr std::size_t kKinds = 2;            // text, binary
  static constexpr std::size_t kResponseClasses = 6;  // by the status' first digit
  static constexpr std::size_t kRefusals = 3;         // as ConnectionCounts::Refusal
  static constexpr std::size_t kDropReasons = 2;      // as DropReason

  std::array<Tally, kProtocolKinds> connections;  // there are now
  Tally accepted;
  std::array<Tally, kRefusals> refused;
  std::array<Tally, kResponseClasses> responses;
  std::array<std::array<Tally, kKinds>, kProtocolKinds> messages;  // received
  Tally received_bytes;
  Tally sent_bytes;
  Tally deliveries;
  std::array<Tally, kDropReasons> dropped_frames;
  std::array<Tally, kCountedCloseCodes.size() + 1> closes;  // the last one: of other codes
  Tally resumes;
  Tally held_bytes;
  Tally lag_nanoseconds;  // the last one of loop_lag
  Tally last_timer;       // the time of that, as a MonotonicTime
  DurationHistogram<Tally> loop_lag;
  DurationHistogram<Tally> delivery_latency;

  void count_close(std::uint16_t code) noexcept {
    const auto* const place = std::find(kCountedCloseCodes.begin(), kCountedCloseCodes.end(), code);
    closes[static_cast<std::size_t>(place - kCountedCloseCodes.begin())].add();
  }
  void count_response(unsigned status) noexcept {
    responses[std::min<std::size_t>(status / 100, kResponseClasses - 1)].add();
  }
};

}  // namespace voicechan::server
