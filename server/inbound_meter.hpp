#pragma once

#include <algorithm>
#include <cstddef>

#include "token_rate.hpp"

namespace voicechan::server {

/// What one WebSocket may send. A rate of 0 allows everything.
struct InboundLimits {
  double messages_per_second = 50'000;
  double message_burst = 500'000;
  double bytes_per_second = 256.0 * (1 << 20);
  double byte_burst = 2048.0 * (1 << 20);
  /// Pings and pongs, per second and at once.
  double control_frames_per_second = 500;
};

/// The same as rates, made once for many connections. Immutable.
struct InboundRates {
  // Refused messages are borne for as long as it would take to send so many at the rate.
  static constexpr double kPatienceSeconds = 30;

  explicit InboundRates(const InboundLimits& limits) noexcept
      : messages(limits.messages_per_second, limits.message_burst),
        bytes(limits.bytes_per_second, limits.byte_burst),
        refused_messages(
            limits.messages_per_second,
            std::max(limits.message_burst, limits.messages_per_second * kPatienceSeconds)),
        refused_bytes(limits.bytes_per_second,
                      std::max(limits.byte_burst, limits.bytes_per_second * kPatienceSeconds)),
        control_frames(limits.control_frames_per_second, limits.control_frames_per_second) {}

  TokenRate messages;
  TokenRate bytes;
  TokenRate refused_messages;
  TokenRate refused_bytes;
  TokenRate control_frames;
};

/// What one WebSocket has sent lately. One thread at a time.
class InboundMeter {
 public:
  enum class Verdict {
    take,
    refuse,        ///< too fast; this message is not processed
    refuse_again,  ///< the same, and the client has been told not long ago
    close,         ///< too fast, and being told did not help
  };

  Verdict on_message(const InboundRates& rates, std::size_t bytes, MonotonicTime now) noexcept {
    const MonotonicTime before = messages_;
    if (!rates.messages.take(messages_, 1, now)) {
      return on_refused(rates.refused_messages, 1, now);
    }
    const auto size = static_cast<double>(bytes);
    if (rates.bytes.take(bytes_, size, now)) return Verdict::take;
    messages_ = before;
    return on_refused(rates.refused_bytes, size, now);
  }

  /// False if there are too many.
  bool on_control_frame(const InboundRates& rates, MonotonicTime now) noexcept {
    return rates.control_frames.take(control_frames_, 1, now);
  }

 private:
  Verdict on_refused(const TokenRate& rate, double tokens, MonotonicTime now) noexcept {
    const bool is_first = refused_ <= now;
    if (!rate.take(refused_, tokens, now)) return Verdict::close;
    return is_first ? Verdict::refuse : Verdict::refuse_again;
  }

  MonotonicTime messages_{};
  MonotonicTime bytes_{};
  MonotonicTime refused_{};
  MonotonicTime control_frames_{};
};

}  // namespace voicechan::server
