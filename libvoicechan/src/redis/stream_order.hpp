#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>

namespace voicechan::redis {

/// Messages of one publisher to one topic, as they come by several instances: hands each on once,
/// in order. A hole in what comes by one instance is a loss. A hole where the publisher has changed
/// to another instance may be on its way by the former one: it is waited for, `kHold` at most.
class StreamOrder {
 public:
  using Clock = std::chrono::steady_clock;

  static constexpr std::chrono::milliseconds kHold{20};
  static constexpr std::size_t kMaxHeld = 256;
  static constexpr std::size_t kMaxHeldBytes = std::size_t{4} << 20;

  /// `deliver(bytes, has_hole)` is called for whatever is due; `has_hole`: messages before this one
  /// were lost. False: it was there already.
  template <class Deliver>
  bool accept(std::size_t instance, std::uint64_t number, bool is_first, std::string&& bytes,
              Clock::time_point now, Deliver&& deliver) {
    last_use_ = now;
    const bool is_new = next_ == 0;
    if (!is_new && number < next_) return false;
    if (is_new || is_first || number == next_) {
      if (is_first) release(deliver);
      if (number < next_) return false;
      take(instance, number);
      deliver(std::move(bytes), false);
      release_consecutive(deliver);
      return true;
    }
    if (instance == instance_ && held_.empty()) {
      take(instance, number);
      deliver(std::move(bytes), true);
      return true;
    }
    if (held_.empty()) deadline_ = now + kHold;
    const std::size_t size = bytes.size();
    const bool is_held = held_.emplace(number, Held{instance, std::move(bytes)}).second;
    if (is_held) held_bytes_ += size;
    if (held_.size() > kMaxHeld || held_bytes_ > kMaxHeldBytes) release(deliver);
    return is_held;
  }

  bool is_holding() const noexcept { return !held_.empty(); }

  /// Gives up waiting if it is time to.
  template <class Deliver>
  void tick(Clock::time_point now, Deliver&& deliver) {
    if (!held_.empty() && now >= deadline_) release(deliver);
  }

  /// Hands on what it holds, whatever is missing.
  template <class Deliver>
  void give_up(Deliver&& deliver) {
    release(deliver);
  }

  Clock::time_point last_use() const noexcept { return last_use_; }

 private:
  struct Held {
    std::size_t instance;
    std::string bytes;
  };

  void take(std::size_t instance, std::uint64_t number) {
    instance_ = instance;
    next_ = number + 1;
  }

  template <class Deliver>
  void release_consecutive(Deliver&& deliver) {
    while (!held_.empty() && held_.begin()->first <= next_) release_one(deliver);
  }

  template <class Deliver>
  void release(Deliver&& deliver) {
    while (!held_.empty()) release_one(deliver);
  }

  template <class Deliver>
  void release_one(Deliver&& deliver) {
    const auto node = held_.extract(held_.begin());
    held_bytes_ -= node.mapped().bytes.size();
    if (node.key() < next_) return;
    const bool has_hole = node.key() != next_;
    take(node.mapped().instance, node.key());
    deliver(std::move(node.mapped().bytes), has_hole);
  }

  std::uint64_t next_ = 0;  // 0: nothing came yet
  std::size_t instance_ = 0;
  std::map<std::uint64_t, Held> held_;
  std::size_t held_bytes_ = 0;
  Clock::time_point deadline_;
  Clock::time_point last_use_;
};

}  // namespace voicechan::redis
