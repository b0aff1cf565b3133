#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "connection.hpp"
#include "voicechan/clock.hpp"
#include "worker_counters.hpp"

namespace voicechan::server {

/// Measures how long audio takes through one worker, by one message in `kEvery`: from the turn in
/// which it arrived to the write after which nothing waits for the listener, who is the last that
/// gets it in that turn. The others cost a few instructions. One thread at a time.
class LatencySampler {
 public:
  static constexpr std::uint64_t kEvery = 64;

  explicit LatencySampler(DurationHistogram<Tally>& histogram) noexcept : histogram_(&histogram) {}

  /// A binary message for a voice room has arrived.
  void on_media(std::string_view payload, MonotonicTime now) {
    // An empty one cannot be told from others.
    if (++received_ >= kEvery && !is_active_ && !payload.empty()) begin(payload, now);
  }

  /// A message is being followed.
  bool is_active() const noexcept { return is_active_; }
  /// Before all of these are flushed.
  void find_listener(const std::vector<Connection*>& dirty, MonotonicTime now);
  /// After that.
  void look_at_listener();

 private:
  void begin(std::string_view payload, MonotonicTime now);
  bool is_followed(const Frame& frame) const noexcept;

  DurationHistogram<Tally>* const histogram_;
  std::uint64_t received_ = kEvery - 1;  // since one was begun to be followed
  bool is_active_ = false;
  std::size_t size_ = 0;  // of the message
  std::string end_;       // its last bytes
  MonotonicTime arrived_{};
  std::weak_ptr<Connection> listener_;  // once it waits for one
  bool has_listener_ = false;
  std::uint64_t drops_ = 0;  // of the listener until then
};

}  // namespace voicechan::server
