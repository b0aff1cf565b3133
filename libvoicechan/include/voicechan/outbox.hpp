#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "voicechan/clock.hpp"
#include "voicechan/frame.hpp"

namespace voicechan {

/// Bounds of what may wait for one slow receiver. A frame counts as its payload and
/// `Outbox::kFrameOverhead`, so that a flood of empty frames is bounded too.
struct OutboxLimits {
  /// Control bytes that may wait; one frame alone is always taken.
  std::size_t max_control_bytes = 16u << 20;
  /// Above this many control bytes the receiver counts as congested (`peer_busy`).
  std::size_t congested_bytes = 4u << 20;
  /// Media bytes that may wait; over it the oldest media goes first.
  std::size_t max_media_bytes = 16u << 20;
  /// Media that waited longer is dropped, not sent.
  std::chrono::milliseconds max_media_age{2000};
};

/// What has not been written to one session yet: a bounded queue in sending order. Control and
/// media share one order, so that a sender's text and audio never overtake each other. Pure logic;
/// any transport can use it. One thread at a time.
class Outbox {
 public:
  /// What keeping a frame costs beside its payload: about its place here and the frame's own block.
  static constexpr std::size_t kFrameOverhead = 64;

  /// Media frames dropped since construction, and their payload bytes.
  struct Drops {
    std::uint64_t frames = 0;
    std::uint64_t bytes = 0;
  };

  /// `limits` must outlive the outbox (it is shared by all of a host's sessions).
  explicit Outbox(const OutboxLimits& limits) noexcept : limits_(&limits) {}

  /// Queues a frame. False if control bytes pass their bound: the frame was not taken, and the
  /// session is to be closed as too slow. Media never fails; it may cost older media its place.
  [[nodiscard]] bool push(const Frame& frame, MonotonicTime now);

  /// Drops media that has become too old to send.
  void drop_stale(MonotonicTime now);

  bool is_empty() const noexcept { return head_ == items_.size(); }
  bool is_congested() const noexcept { return control_bytes_ > limits_->congested_bytes; }
  std::size_t size() const noexcept { return items_.size() - head_; }
  /// Payload bytes waiting, both classes.
  std::size_t bytes() const noexcept {
    return control_bytes_ + media_bytes_ - size() * kFrameOverhead;
  }

  /// The frame that is `index` places behind the next one to send; `index < size()`.
  const Frame& frame(std::size_t index) const noexcept { return items_[head_ + index].frame; }

  /// Says that the front frame is partly on the wire: it is not dropped any more.
  void pin_front() noexcept { front_is_pinned_ = true; }

  /// Removes all frames but a pinned front one; for a session that is being closed.
  void discard_unsent() noexcept;

  /// Removes the front frame after it has been written.
  void pop_front() noexcept;

  const Drops& drops() const noexcept { return drops_; }

 private:
  struct Item {
    Frame frame;
    MonotonicTime queued_at;
  };

  /// Drops media from the front on while `is_unwanted(item)`; keeps the order of the rest.
  template <class Predicate>
  void drop_media_while(Predicate is_unwanted);
  void count_out(const Frame& frame) noexcept;
  void reclaim_places() noexcept;

  const OutboxLimits* limits_;
  std::vector<Item> items_;  // [0, head_) are sent already
  std::size_t head_ = 0;
  std::size_t control_bytes_ = 0;  // with overhead, as in the limits
  std::size_t media_bytes_ = 0;    // the same
  // No media that can be dropped was queued before.
  MonotonicTime oldest_media_ = MonotonicTime::max();
  Drops drops_;
  bool front_is_pinned_ = false;
};

}  // namespace voicechan
