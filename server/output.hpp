#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "voicechan/outbox.hpp"

namespace voicechan::server {

/// Memory in which one `Output` after the other lays out its next write. The listeners of a room
/// mostly have the same frames waiting: then what was laid out for the last one serves the next one
/// as it is. One thread at a time.
class WireBuffer {
 public:
  static constexpr std::size_t kBytes = std::size_t{64} << 10;

  /// Lets go of the frames that it remembers; to be called before they could have changed hands.
  void forget() noexcept { frames_.clear(); }

 private:
  friend class Output;
  std::size_t space() const noexcept { return kBytes - bytes_.size(); }

  std::string bytes_;
  // If not empty: `bytes_` are these frames, and nothing else waits in the output that gathered
  // last.
  std::vector<Frame> frames_;
};

/// Everything that one connection has yet to write, in the order in which it goes out: raw bytes
/// (HTTP responses, handshake, pongs), data frames from the outbox, and at the very end a close
/// frame. A frame that has begun is never cut by anything. Owns no socket. One thread at a time.
class Output {
 public:
  /// `limits`, its budget and `observer` must outlive the output.
  explicit Output(const OutboxLimits& limits, OutboxObserver* observer = nullptr) noexcept
      : outbox_(limits, observer) {}

  /// Queues a data frame; its WebSocket header is written in front of it. False if too much control
  /// waits already (see `Outbox::push`).
  [[nodiscard]] bool push(const Frame& frame, MonotonicTime now) {
    return outbox_.push(frame, now);
  }

  /// Queues bytes to go out as they are, in front of data frames that have not begun. False if the
  /// budget has no room for them.
  [[nodiscard]] bool write(std::string bytes);

  /// Queues bytes to go out after all else; nothing can be queued behind them.
  void write_last(std::string bytes);

  /// Drops all data frames that have not begun.
  void discard_unsent() { outbox_.discard_unsent(); }

  void drop_stale(MonotonicTime now) { outbox_.drop_stale(now); }
  void keep_newest_media(std::size_t bytes) { outbox_.keep_newest_media(bytes); }

  bool is_empty() const noexcept { return outbox_.is_empty() && raw_ == nullptr; }
  bool has_raw() const noexcept { return raw_ != nullptr && !raw_->first.empty(); }
  bool has_last() const noexcept { return raw_ != nullptr && !raw_->last.empty(); }
  bool is_congested() const noexcept { return outbox_.is_congested(); }
  const Outbox& outbox() const noexcept { return outbox_; }
  /// In the midst of what every delivery touches.
  const void* hot_memory() const noexcept { return &front_written_; }

  /// The next bytes to write, empty if there are none; more may follow when they are written. They
  /// stay where they are until the next call of this object or use of `wire`.
  std::string_view gather(WireBuffer& wire) const {
    return holds_frames_of(wire) ? wire.bytes_ : lay_out(wire, outbox_.size());
  }

  /// The same without frames that have not begun.
  std::string_view gather_begun(WireBuffer& wire) const {
    return lay_out(wire, front_written_ > 0 ? 1 : 0);
  }

  /// Takes note that the first `bytes` of what was just gathered into `wire` have been written.
  void consume(std::size_t bytes, const WireBuffer& wire) noexcept {
    if (!wire.frames_.empty() && bytes == wire.bytes_.size()) {
      outbox_.pop_all();
    } else {
      consume_some(bytes);
    }
  }

  /// Gives back memory that an empty output keeps for what comes next.
  void shrink_to_fit() noexcept { outbox_.shrink_to_fit(); }

 private:
  /// What goes out as it is. Seldom there, so that a delivery does not touch it.
  struct Raw {
    std::string first;      // ahead of the outbox, or behind its front frame if that has begun
    std::size_t taken = 0;  // written, of first
    std::string last;       // behind the outbox; short, and not counted in the budget
    std::optional<MemoryBudget::Share> share;
  };

  /// True if the bytes of `wire` are just what is to be written.
  bool holds_frames_of(const WireBuffer& wire) const noexcept {
    const std::size_t count = wire.frames_.size();
    if (count != outbox_.size() || count == 0) return false;
    if (front_written_ > 0 || raw_ != nullptr) return false;
    for (std::size_t i = 0; i < count; ++i) {
      if (!wire.frames_[i].is_same(outbox_.frame(i))) return false;
    }
    return true;
  }
  std::string_view lay_out(WireBuffer& wire, std::size_t frame_count) const;
  void consume_some(std::size_t bytes) noexcept;
  Raw& raw();
  void take_first(std::size_t& bytes) noexcept;

  Outbox outbox_;
  std::size_t front_written_ = 0;  // of the outbox's front frame, header included
  std::unique_ptr<Raw> raw_;       // null: nothing of it waits
};

}  // namespace voicechan::server
