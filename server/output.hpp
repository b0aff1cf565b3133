#pragma once

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "voicechan/outbox.hpp"
#include "websocket_codec.hpp"

namespace voicechan::server {

/// Everything that one connection has yet to write, in the order in which it goes out: raw bytes
/// (HTTP responses, handshake, pongs), data frames from the outbox, and at the very end a close
/// frame. A frame that has begun is never cut by anything. Owns no socket. One thread at a time.
class Output {
 public:
  /// `limits` must outlive the output.
  explicit Output(const OutboxLimits& limits) noexcept : outbox_(limits) {}

  /// Queues a data frame; its WebSocket header is written in front of it. False if too much control
  /// waits already (see `Outbox::push`).
  [[nodiscard]] bool push(const Frame& frame, MonotonicTime now) {
    return outbox_.push(frame, now);
  }

  /// Queues bytes to go out as they are, in front of data frames that have not begun.
  void write(std::string bytes);

  /// Queues bytes to go out after all else; nothing can be queued behind them.
  void write_last(std::string bytes);

  /// Drops all data frames that have not begun.
  void discard_unsent() { outbox_.discard_unsent(); }

  void drop_stale(MonotonicTime now) { outbox_.drop_stale(now); }

  bool is_empty() const noexcept { return raw_.empty() && outbox_.is_empty() && last_.empty(); }
  bool has_raw() const noexcept { return !raw_.empty(); }
  bool is_congested() const noexcept { return outbox_.is_congested(); }
  const Outbox& outbox() const noexcept { return outbox_; }

  /// Memory for what `gather` lays out: places of bytes, and the frame headers among them.
  struct Gathering {
    static constexpr std::size_t kMaxFrames = 64;
    std::array<iovec, 2 * kMaxFrames + 2> buffers;
    std::size_t count = 0;
    std::array<std::uint8_t[kMaxFrameHeaderBytes], kMaxFrames> headers;
  };

  /// Lays out the next bytes to write for one `sendmsg`; returns how many there are. They stay
  /// where they are until the next call of this object.
  std::size_t gather(Gathering& gathering) const;

  /// Takes note that the first `bytes` of what was gathered have been written.
  void consume(std::size_t bytes);

 private:
  std::size_t front_bytes() const noexcept;

  std::string raw_;              // ahead of the outbox, or behind its front frame if that has begun
  std::size_t raw_written_ = 0;  // of raw_
  std::size_t front_written_ = 0;  // of the outbox's front frame, header included
  Outbox outbox_;
  std::string last_;  // behind the outbox
};

}  // namespace voicechan::server
