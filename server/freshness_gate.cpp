#include "freshness_gate.hpp"

#include <algorithm>

namespace voicechan::server {
namespace {

constexpr std::size_t kMaxPortionBytes = std::size_t{1} << 20;

using Seconds = std::chrono::duration<double>;

}  // namespace

bool FreshnessGate::check(MonotonicTime now, NetworkPath& path) noexcept {
  if (now - checked_at_ > kForgotten) {
    trial_end_ = now + kTrial;
    echo_interval_ = kLeastEchoInterval;
    goes_alone_ = path.round_trip().least > kNear;
  }
  checked_at_ = now;
  switch (state_) {
    case State::open:
      return check_open(now, path);
    case State::suspicious:
      return check_suspicious(now, path);
    case State::late:
      return check_late(now);
    case State::slow:
      return check_slow(now, path);
  }
  return true;
}

bool FreshnessGate::check_open(MonotonicTime now, NetworkPath& path) noexcept {
  if (!has_mark_) return true;
  if (echo_ == Echo::awaited && answers_ && is_echo_late(now)) {
    state_ = State::late;
    last_progress_ = now;
    return false;
  }
  const std::size_t unacknowledged = path.unacknowledged_bytes();
  if (unacknowledged <= written_ - mark_) {
    has_mark_ = false;
    goes_alone_ = false;
    check_after_ = now < trial_end_ ? MonotonicTime::duration::zero() : kCheckInterval;
    if (is_echo_due(now)) {
      echo_ = Echo::wanted;
      least_round_trip_ = path.round_trip().least;
    }
    return true;
  }
  const auto waited = now - marked_at_;
  const auto round_trip = path.round_trip();
  least_round_trip_ = round_trip.least;
  if (goes_alone_ && waited < least_round_trip_ + kLateAcknowledgement) return false;
  // On a path that is congested to be late is usual.
  const auto patience =
      std::max<MonotonicTime::duration>(least_round_trip_ + kCheckInterval, kLateAcknowledgement);
  check_after_ = std::max(check_after_, std::min(round_trip.usual, patience));
  if (waited < check_after_) return true;
  if (waited >= least_round_trip_ + kLateAcknowledgement) {
    begin_slow(unacknowledged, now);
    return false;
  }
  if (echo_ == Echo::awaited || is_burst(unacknowledged, waited)) return true;
  state_ = State::suspicious;
  under_way_ = unacknowledged;
  acknowledged_at_ = MonotonicTime::max();
  return false;
}

bool FreshnessGate::check_suspicious(MonotonicTime now, NetworkPath& path) noexcept {
  const std::size_t unacknowledged = path.unacknowledged_bytes();
  if (unacknowledged > 0) {
    const auto late_by = now - marked_at_ - least_round_trip_;
    if (late_by >= kLateEcho && echo_ == Echo::none) echo_ = Echo::wanted;
    if (late_by >= kLateAcknowledgement) begin_slow(unacknowledged, now);
    return false;
  }
  if (echo_ == Echo::none) {
    open();
    return true;
  }
  if (echo_ == Echo::heard) {
    if (now - marked_at_ < least_round_trip_ + kLateEcho) {
      open();
    } else {
      state_ = State::slow;
      quick_echoes_ = 0;
      end_portion(now);
    }
    return true;
  }
  acknowledged_at_ = std::min(acknowledged_at_, now);
  if (now - acknowledged_at_ < kEchoPatience) return false;
  state_ = State::open;  // should the echo come after all, `on_echo` knows what it means
  has_mark_ = false;
  return true;
}

bool FreshnessGate::check_late(MonotonicTime now) noexcept {
  if (now - last_progress_ < kKnownEchoPatience) return false;
  answers_ = false;
  open();
  return true;
}

bool FreshnessGate::check_slow(MonotonicTime now, NetworkPath& path) noexcept {
  if (under_way_ == 0) return true;
  const std::size_t unacknowledged = path.unacknowledged_bytes();
  if (unacknowledged < last_unacknowledged_) last_progress_ = now;
  last_unacknowledged_ = unacknowledged;
  if (unacknowledged > 0) return false;
  if (answers_ && echo_ != Echo::heard) {
    if (now - last_progress_ < kKnownEchoPatience) return false;
    answers_ = false;
  }
  end_portion(now);
  return true;
}

void FreshnessGate::open() noexcept {
  state_ = State::open;
  echo_ = Echo::none;
  has_mark_ = false;
}

void FreshnessGate::begin_slow(std::size_t under_way, MonotonicTime now) noexcept {
  state_ = State::slow;
  quick_echoes_ = 0;
  marked_at_ = last_progress_ = now;
  under_way_ = last_unacknowledged_ = under_way;
  is_backlog_ = true;
  if (echo_ != Echo::awaited) echo_ = Echo::wanted;
}

void FreshnessGate::end_portion(MonotonicTime now) noexcept {
  const auto took = now - marked_at_;
  // Before a portion the path is empty, so that it shows what the kernel's least round trip may
  // hide: that one may have been measured behind a queue.
  if (!is_backlog_) least_round_trip_ = std::min(least_round_trip_, took);
  const auto extra = took - least_round_trip_;
  const auto aim = std::max<MonotonicTime::duration>(kPortion - least_round_trip_, kPortion / 2);
  const double carried = Seconds(aim) / std::max(Seconds(extra), Seconds(0.001));
  portion_bytes_ = std::min(kMaxPortionBytes,
                            static_cast<std::size_t>(carried * static_cast<double>(under_way_)));
  if (!is_backlog_) {
    portion_bytes_ = std::min(portion_bytes_, 2 * under_way_);
  } else if (!is_burst(under_way_, extra)) {
    portion_bytes_ = 0;  // one frame: how long it takes is known then
  }
  is_backlog_ = false;
  under_way_ = 0;
  echo_ = Echo::none;
  quick_echoes_ = extra < kQuickEcho ? quick_echoes_ + 1 : 0;
  if (quick_echoes_ >= kQuickEchoes) open();
}

void FreshnessGate::mark_written(std::size_t bytes, MonotonicTime now) noexcept {
  if (state_ == State::slow) {
    if (under_way_ == 0) {
      marked_at_ = last_progress_ = now;
      if (answers_) echo_ = Echo::wanted;
    }
    under_way_ += bytes;
    last_unacknowledged_ += bytes;
  } else if (state_ == State::open) {
    has_mark_ = true;
    mark_ = written_;
    marked_at_ = now;
  }
}

void FreshnessGate::on_echo(MonotonicTime now) noexcept {
  if (echo_ != Echo::awaited) return;
  answers_ = true;
  echo_ = Echo::heard;
  if (state_ != State::open && state_ != State::late) return;
  const auto late_by = now - echo_requested_at_ - least_round_trip_;
  if (state_ == State::late || is_echo_late(now)) {
    // The peer has yet to read what was written after the ping: the next echo tells how fast it is.
    late_echoes_ = 0;
    begin_slow(std::max<std::size_t>(written_ - written_before_echo_, 1), now);
    return;
  }
  echo_ = Echo::none;
  late_echoes_ = late_by < kVeryLateEcho ? 0 : late_echoes_ + 1;
  echo_interval_ = late_by < kLateEcho
                       ? std::min<MonotonicTime::duration>(echo_interval_ * 2, kMostEchoInterval)
                       : kLeastEchoInterval;
}

bool FreshnessGate::is_echo_due(MonotonicTime now) const noexcept {
  if (echo_ != Echo::none || now < trial_end_) return false;
  return echo_requested_at_ < trial_end_ || now - echo_requested_at_ >= echo_interval_;
}

bool FreshnessGate::is_echo_late(MonotonicTime now) const noexcept {
  const auto took = now - echo_requested_at_;
  if (took < least_round_trip_ + kVeryLateEcho) return false;
  return late_echoes_ + 1 >= kLateEchoesOfABurst ||
         !is_burst(written_ - written_before_echo_, took);
}

bool FreshnessGate::is_burst(std::uint64_t bytes, MonotonicTime::duration time) noexcept {
  return static_cast<double>(bytes) > Seconds(time).count() * kVoiceBytesPerSecond;
}

}  // namespace voicechan::server
