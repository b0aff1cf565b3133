#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "voicechan/clock.hpp"
#include "voicechan/export.hpp"
#include "voicechan/frame.hpp"
#include "voicechan/memory_budget.hpp"

namespace voicechan {

/// Bounds of what may wait for one slow receiver. A frame counts as its payload and
/// `Outbox::kFrameOverhead`, so that a flood of empty frames is bounded too.
struct OutboxLimits {
  /// Control bytes that may wait; one frame alone is always taken.
  std::size_t max_control_bytes = 16u << 20;
  /// Above this many control bytes the receiver counts as congested (`peer_busy`).
  std::size_t congested_bytes = 4u << 20;
  /// Media bytes that may wait; one frame alone is always taken. Over it the speaker of whom most
  /// bytes wait loses his oldest frame.
  std::size_t max_media_bytes = 4u << 20;
  /// Media that waited longer is dropped, not sent.
  std::chrono::milliseconds max_media_age{200};
  /// Shared with other outboxes, if given: no queue holds more than it leaves free, and above a
  /// quarter of that the receiver counts as congested. A frame counts for each receiver that it
  /// waits for, also when they share its bytes.
  MemoryBudget* budget = nullptr;
};

/// Why media was dropped.
enum class DropReason : std::uint8_t {
  too_old,  ///< it waited longer than `max_media_age`
  no_room,  ///< `max_media_bytes` waited already
};

/// Media frames dropped, and their payload bytes.
struct Drops {
  std::uint64_t frames = 0;
  std::uint64_t bytes = 0;
};

/// Learns what outboxes drop; implemented by the host. Called by an outbox out of its methods; must
/// not call it.
class VOICECHAN_API OutboxObserver {
 public:
  /// `drops` have just been dropped, for one reason.
  virtual void on_drop(DropReason reason, const Drops& drops) noexcept = 0;

 protected:
  ~OutboxObserver() = default;
};

/// What has not been written to one session yet: a bounded queue in sending order. Control and
/// media share one order, so that a sender's text and audio never overtake each other. Pure logic;
/// any transport can use it. One thread at a time.
class VOICECHAN_API Outbox {
 public:
  /// What keeping a frame costs beside its payload: about its place here and the frame's own block.
  static constexpr std::size_t kFrameOverhead = 64;

  /// `limits` (shared by all of a host's sessions) and `observer` must outlive the outbox.
  explicit Outbox(const OutboxLimits& limits, OutboxObserver* observer = nullptr) noexcept
      : observer_(observer), limits_(&limits) {}
  Outbox(const Outbox&) = delete;
  Outbox& operator=(const Outbox&) = delete;
  ~Outbox() { give_back(control_bytes_ + media_bytes_); }

  /// Queues a frame. False if control bytes pass their bound: the frame was not taken, and the
  /// session is to be closed as too slow. Media never fails; it may cost older media its place, or
  /// be dropped itself where the budget has no room.
  [[nodiscard]] bool push(const Frame& frame, MonotonicTime now) {
    MemoryBudget* const budget = limits_->budget;
    const std::size_t bytes = cost(frame);
    if (is_empty() && (budget == nullptr || bytes <= budget->free_bytes())) {
      oldest_media_ = now;
    } else if (const Admission admission = make_room(frame, now); admission != Admission::queued) {
      return admission == Admission::dropped;
    }
    items_.push_back({frame, now});
    (is_media(frame) ? media_bytes_ : control_bytes_) += bytes;
    if (budget != nullptr) budget->take(bytes);
    return true;
  }

  /// Drops media that has waited longer than `max_media_age`.
  void drop_stale(MonotonicTime now);
  /// Drops the oldest media until no more than `bytes` (payloads) waits, but never the newest
  /// frame: for a host that knows what its socket can carry in time.
  void keep_newest_media(std::size_t bytes);

  bool is_empty() const noexcept { return head_ == items_.size(); }
  bool has_media() const noexcept { return media_bytes_ > 0; }
  bool is_congested() const noexcept {
    return control_bytes_ > limits_->congested_bytes ||
           (limits_->budget != nullptr && control_bytes_ > limits_->budget->free_bytes() / 4);
  }
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

  /// Removes the first `count` frames after they have been written.
  void pop_front(std::size_t count = 1) noexcept;

  /// Removes all frames after they have been written.
  void pop_all() noexcept {
    items_.clear();
    give_back(control_bytes_ + media_bytes_);
    control_bytes_ = media_bytes_ = head_ = 0;
    front_is_pinned_ = false;
    if (items_.capacity() > kKeptPlaces) shrink_to_fit();
  }

  /// Gives back memory that an empty outbox keeps for the next frames.
  void shrink_to_fit() noexcept;

  /// As of the limits; may be null.
  MemoryBudget* budget() const noexcept { return limits_->budget; }

  /// Since construction.
  const Drops& drops() const noexcept { return drops_; }

 private:
  // An emptied queue that had to grow beyond this gives its memory back.
  static constexpr std::size_t kKeptPlaces = 32;

  struct Item {
    Frame frame;
    MonotonicTime queued_at;
  };

  static bool is_media(const Frame& frame) noexcept {
    return frame.frame_class() == FrameClass::media;
  }
  static std::size_t cost(const Frame& frame) noexcept { return frame.size() + kFrameOverhead; }

  enum class Admission : std::uint8_t { queued, dropped, refused };

  Admission make_room(const Frame& frame, MonotonicTime now);
  /// Drops media until `newest` and what stays have no more than about `max_bytes`.
  void drop_for(const Frame& newest, std::size_t max_bytes);
  void give_back(std::size_t bytes) noexcept {
    if (limits_->budget != nullptr) limits_->budget->give_back(bytes);
  }
  std::size_t first_droppable() const noexcept { return head_ + (front_is_pinned_ ? 1 : 0); }
  /// Drops the media in `[first_droppable(), end)` that `is_unwanted`, asked in queue order.
  template <class Predicate>
  void drop_media(std::size_t end, DropReason reason, Predicate is_unwanted);
  void count_drops(DropReason reason, const Drops& dropped);
  void count_out(const Frame& frame) noexcept;
  void reclaim_places() noexcept;

  OutboxObserver* observer_;
  Drops drops_;
  bool front_is_pinned_ = false;
  // What every delivery touches stands together, at the end.
  const OutboxLimits* limits_;
  std::vector<Item> items_;  // [0, head_) are sent already
  std::size_t head_ = 0;
  std::size_t control_bytes_ = 0;  // with overhead, as in the limits
  std::size_t media_bytes_ = 0;    // the same
  // No media that can be dropped was queued before.
  MonotonicTime oldest_media_ = MonotonicTime::max();
};

}  // namespace voicechan
