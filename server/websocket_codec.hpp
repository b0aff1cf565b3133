#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "voicechan/frame.hpp"

namespace voicechan::server {

/// Close codes we send (RFC 6455, section 7.4, and the IANA registry).
enum class CloseCode : std::uint16_t {
  normal = 1000,
  going_away = 1001,
  protocol_error = 1002,
  bad_data = 1007,
  policy_violation = 1008,
  too_large = 1009,
  internal_error = 1011,
  try_again_later = 1013,
  credential_revoked = 4401,  // ours, as what follows
  kicked = 4403,
  resumed_elsewhere = 4409,
};

struct WebSocketLimits {
  std::size_t max_message_bytes = 1u << 20;
  /// Frames of one message, empty ones and those of a message being discarded included. A message
  /// of more fails with 1008: its shape is refused, not its size.
  std::size_t max_fragments = 1024;
};

/// What the codec does with a message above `max_message_bytes`.
enum class OversizePolicy {
  fail,     ///< fail with 1009
  discard,  ///< skip it without buffering or UTF-8 check, report it once at its end, go on
};

/// Reads RFC 6455 frames from a stream of bytes: websocketpp's hybi13 processor behind guards for
/// what it lets through; owns no socket. Server side only, no extensions. One thread at a time.
class WebSocketCodec {
 public:
  struct Event {
    enum class Type {
      need_more,  ///< all input taken
      message,    ///< `kind` and `payload`
      ping,       ///< `payload`, to be sent back in a pong
      pong,       ///< `payload`
      close,      ///< the peer closes: `code` (1005 if it named none), `payload` is its reason
      too_large,  ///< a message was skipped (OversizePolicy::discard)
      failed,     ///< protocol violation: `code` is the close code to send; nothing more is read
    };
    Type type = Type::need_more;
    FrameKind kind = FrameKind::binary;
    std::uint16_t code = 0;
    std::string payload;
  };

  /// `limits` must outlive the codec and not change.
  WebSocketCodec(const WebSocketLimits& limits, OversizePolicy policy);
  ~WebSocketCodec();
  WebSocketCodec(WebSocketCodec&&) noexcept;
  WebSocketCodec& operator=(WebSocketCodec&&) noexcept;

  /// Reads from the `size` bytes at `data` (unmasking them in place) up to the next event, and
  /// advances both past what it took. After `failed` or `close` it takes and ignores everything.
  Event next(std::uint8_t*& data, std::size_t& size);

  /// True while a message or frame has begun and is not complete (for a completion deadline).
  bool is_mid_message() const noexcept;

  /// Memory held for a message that is not complete, for the server's budget: at most 32 KiB plus
  /// twice what has arrived of it, whatever its frames announce.
  std::size_t held_bytes() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The most bytes that `encode_frame_header` writes.
inline constexpr std::size_t kMaxFrameHeaderBytes = 10;

/// The length of an unmasked data frame's header.
constexpr std::size_t frame_header_bytes(std::size_t payload_bytes) noexcept {
  return payload_bytes <= 125 ? 2 : payload_bytes <= 0xffff ? 4 : 10;
}

/// Writes the header of an unmasked, unfragmented data frame; returns its length.
std::size_t encode_frame_header(FrameKind kind, std::size_t payload_bytes,
                                std::uint8_t (&out)[kMaxFrameHeaderBytes]) noexcept;

/// Whole control frames. Payloads above 125 bytes are cut; a reason (UTF-8) above 123 bytes is cut
/// at a character's end.
std::string encode_ping(std::string_view payload);
std::string encode_pong(std::string_view payload);
std::string encode_close(CloseCode code, std::string_view reason);
/// Echoes a peer's close: with its code, or empty for 1005.
std::string encode_close_reply(std::uint16_t code);

/// The "101 Switching Protocols" response to a request whose head has been checked. `key` is the
/// value of Sec-WebSocket-Key (16 bytes in base64, see `is_valid_websocket_key`); `subprotocol` is
/// empty or one the client offered and we chose; left out if it is not an RFC 7230 token, so that
/// nothing can be smuggled into the response.
std::string encode_handshake(std::string_view key, std::string_view subprotocol);

/// True if `key` is base64 of exactly 16 bytes.
bool is_valid_websocket_key(std::string_view key) noexcept;

}  // namespace voicechan::server
