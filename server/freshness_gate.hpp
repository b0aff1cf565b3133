#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "voicechan/clock.hpp"

namespace voicechan::server {

/// What the kernel knows of the way to a connection's peer.
class NetworkPath {
 public:
  /// Bytes that were written and that the peer's kernel has not acknowledged.
  virtual std::size_t unacknowledged_bytes() noexcept = 0;
  struct RoundTrip {
    MonotonicTime::duration least;  ///< ever seen
    MonotonicTime::duration usual;  ///< most acknowledgements take no longer
  };
  virtual RoundTrip round_trip() noexcept = 0;

 protected:
  ~NetworkPath() = default;
};

/// Keeps audio out of a socket in which it would grow old: what the kernel has taken can not be
/// dropped any more, and seconds of it may lie before a narrow link, or before a client that reads
/// slowly.
///
/// The gate is open as long as the peer's kernel acknowledges in time, which one system call in
/// `kCheckInterval` tells; in `kTrial`, while nothing is known of the path, one before each write.
/// Of a single write nothing is asked before its acknowledgement is late for sure.
/// If an acknowledgement is late, media is held back; if it stays away, the peer is asked for an
/// echo (a ping). It is asked now and then in any case, since its kernel may take what nobody
/// reads. An echo that is late means that the path or the peer is slow: media is
/// held back until it comes, and from then on one portion at a time is let through, no larger than
/// what was seen to arrive in `kPortion`, and the next one on the echo of the last. A peer that has
/// never answered, but whose kernel takes everything, gets everything. Pure logic. One thread at a
/// time.
class FreshnessGate {
 public:
  static constexpr std::chrono::milliseconds kCheckInterval{100};
  /// From the first media on, and from the first after a silence of `kForgotten`.
  static constexpr std::chrono::milliseconds kTrial{1000};
  static constexpr std::chrono::milliseconds kForgotten{10'000};
  /// Where the least round trip seems longer, it may have been measured behind a queue: then the
  /// first media of a trial goes alone, and the kernel measures again.
  static constexpr std::chrono::milliseconds kNear{50};
  /// An acknowledgement that takes so much longer than the least round trip makes us ask for an
  /// echo, and one that takes longer is late. Most kernels acknowledge after 40 ms what nobody
  /// reads.
  static constexpr std::chrono::milliseconds kLateEcho{50};
  /// So late an acknowledgement is, for sure: a kernel may put it off for 200 ms (Linux).
  static constexpr std::chrono::milliseconds kLateAcknowledgement{220};
  /// The first echo is asked for after the trial. The next one follows after the lesser interval,
  /// which doubles up to the greater one as long as echoes come without delay: so old may audio
  /// become before a peer is found out that ceases to read.
  static constexpr std::chrono::milliseconds kLeastEchoInterval{500};
  static constexpr std::chrono::milliseconds kMostEchoInterval{4000};
  /// The same as `kLateEcho` for these: a peer that is busy for a moment is not slow.
  static constexpr std::chrono::milliseconds kVeryLateEcho{200};
  /// So many late echoes in succession are no matter of a burst any more.
  static constexpr int kLateEchoesOfABurst = 3;
  /// For an echo after the acknowledgement, of a peer not known to answer.
  static constexpr std::chrono::milliseconds kEchoPatience{60};
  /// The same of one that has answered before: what is still to be read then would take so long.
  static constexpr std::chrono::milliseconds kKnownEchoPatience{10'000};
  /// More than one uncompressed voice (16 kHz, 16 bits) is a burst: that is for the socket to hold.
  static constexpr double kVoiceBytesPerSecond = 32'000;
  static constexpr std::chrono::milliseconds kPortion{100};
  /// The path is not slow any more when so many echoes in succession came within `kQuickEcho`.
  static constexpr int kQuickEchoes = 5;
  static constexpr std::chrono::milliseconds kQuickEcho{30};

  /// True if media may be written now; if not, it is to be asked again in some milliseconds.
  bool may_write(MonotonicTime now, NetworkPath& path) noexcept {
    return is_open_until_check(now) || check(now, path);
  }
  /// True if `may_write` would not look at the path.
  bool is_open_until_check(MonotonicTime now) const noexcept {
    if (state_ != State::open || !has_mark_) return false;
    const auto waited = now - marked_at_;
    if (waited < check_after_) return true;
    return written_ == mark_ && now >= trial_end_ && waited < kLateAcknowledgement;
  }

  /// Of media that waits, so much is worth writing now; the newest frame alone always is.
  std::size_t portion_bytes() const noexcept { return portion_bytes_; }

  /// Takes note of what was written, media or not.
  void on_written(std::size_t bytes, MonotonicTime now) noexcept {
    written_ += bytes;
    if (state_ != State::open || !has_mark_) mark_written(bytes, now);
  }

  /// Sure that the path or the peer is slow; while media is held back on a suspicion, it is not.
  bool is_slow() const noexcept { return state_ >= State::late; }
  /// While slow: when the peer last took something.
  MonotonicTime last_progress() const noexcept { return last_progress_; }

  /// True if what is written next is a portion that a ping will follow.
  bool expects_echo() const noexcept {
    return state_ == State::slow && answers_ && under_way_ == 0;
  }
  /// A ping has asked for an echo that has not come yet.
  bool awaits_echo() const noexcept { return echo_ == Echo::awaited; }
  /// True if a ping should follow what has been written; `on_echo` is due when it is answered.
  bool wants_echo() const noexcept { return echo_ == Echo::wanted; }
  void on_echo_requested(MonotonicTime now) noexcept {
    echo_ = Echo::awaited;
    echo_requested_at_ = now;
    written_before_echo_ = written_;
  }
  void on_echo(MonotonicTime now) noexcept;

 private:
  enum class State : std::uint8_t {
    open,
    suspicious,  ///< an acknowledgement may be late
    late,        ///< an echo is; when it comes, the next one shows how slow the peer is
    slow,
  };
  enum class Echo : std::uint8_t { none, wanted, awaited, heard };

  bool check(MonotonicTime now, NetworkPath& path) noexcept;
  bool check_open(MonotonicTime now, NetworkPath& path) noexcept;
  bool check_suspicious(MonotonicTime now, NetworkPath& path) noexcept;
  bool check_late(MonotonicTime now) noexcept;
  bool check_slow(MonotonicTime now, NetworkPath& path) noexcept;
  bool is_echo_due(MonotonicTime now) const noexcept;
  bool is_echo_late(MonotonicTime now) const noexcept;
  static bool is_burst(std::uint64_t bytes, MonotonicTime::duration time) noexcept;
  void mark_written(std::size_t bytes, MonotonicTime now) noexcept;
  void open() noexcept;
  void begin_slow(std::size_t under_way, MonotonicTime now) noexcept;
  void end_portion(MonotonicTime now) noexcept;

  // What every delivery touches stands together.
  std::uint64_t written_ = 0;
  // Open: the bytes up to mark_ were written at marked_at_ or before, and it is not known whether
  // they have arrived. Otherwise: when the under_way_ bytes were written.
  std::uint64_t mark_ = 0;
  MonotonicTime marked_at_{};
  MonotonicTime::duration check_after_{};
  State state_ = State::open;
  Echo echo_ = Echo::none;
  bool has_mark_ = false;
  bool goes_alone_ = false;  // the first frame of a trial
  bool is_backlog_ = false;  // under way is what was written before the path was known to be slow
  bool answers_ = false;     // echoes, as it has shown
  int quick_echoes_ = 0;     // in succession, while slow
  int late_echoes_ = 0;      // in succession, while not
  MonotonicTime checked_at_{};
  MonotonicTime trial_end_{};
  MonotonicTime echo_requested_at_{};
  MonotonicTime::duration echo_interval_{};
  std::uint64_t written_before_echo_ = 0;
  MonotonicTime acknowledged_at_{};  // suspicious: when all was; max(): not yet
  MonotonicTime last_progress_{};
  MonotonicTime::duration least_round_trip_{};
  std::size_t portion_bytes_ = 0;
  std::size_t under_way_ = 0;
  std::size_t last_unacknowledged_ = 0;
};

}  // namespace voicechan::server
