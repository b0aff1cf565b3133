#include "websocket_codec.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <system_error>
#include <utility>
#include <websocketpp/common/network.hpp>
#include <websocketpp/extensions/permessage_deflate/disabled.hpp>
#include <websocketpp/frame.hpp>
#include <websocketpp/http/request.hpp>
#include <websocketpp/http/response.hpp>
#include <websocketpp/processors/hybi13.hpp>
#include <websocketpp/random/none.hpp>
#include <websocketpp/utf8_validator.hpp>

namespace voicechan::server {
namespace {

namespace frame = websocketpp::frame;
namespace opcode = websocketpp::frame::opcode;
using Opcode = opcode::value;

constexpr std::size_t kMaxControlBytes = 125;
constexpr std::size_t kMaxReasonBytes = kMaxControlBytes - 2;

/// A frame's payload is handed to the processor in pieces of this size, each as a frame of its own:
/// the processor reserves what a frame announces before any of it arrives.
constexpr std::size_t kPieceBytes = std::size_t{32} << 10;

/// What the processor needs of a message, without websocketpp's three further strings.
class Message {
 public:
  /// Points to a message without owning it; the processor asks for this shape.
  class ptr {
   public:
    ptr() = default;
    explicit ptr(Message* message) : message_(message) {}
    void reset() noexcept { message_ = nullptr; }
    explicit operator bool() const noexcept { return message_ != nullptr; }
    Message* operator->() const noexcept { return message_; }

   private:
    Message* message_ = nullptr;
  };

  std::string& get_raw_payload() noexcept { return payload_; }
  const std::string& get_raw_payload() const noexcept { return payload_; }
  Opcode get_opcode() const noexcept { return opcode_; }
  void set_opcode(Opcode value) noexcept { opcode_ = value; }

  // Asked for by the processor's compression and writing, of which nothing is used.
  bool get_fin() const noexcept { return true; }
  bool get_compressed() const noexcept { return false; }
  void set_compressed(bool) noexcept {}
  void set_header(const std::string&) noexcept {}
  void set_prepared(bool) noexcept {}

 private:
  std::string payload_;
  Opcode opcode_ = opcode::binary;
};

/// The processor's message manager: at most one data and one control message are in the making.
class MessageSlots {
 public:
  using ptr = MessageSlots*;

  Message::ptr get_message(Opcode op, std::size_t size) {
    Message& message = opcode::is_control(op) ? control_ : data_;
    message.set_opcode(op);
    message.get_raw_payload().clear();
    message.get_raw_payload().reserve(size);
    return Message::ptr(&message);
  }

  void release_data() noexcept { std::string().swap(data_.get_raw_payload()); }
  std::size_t data_capacity() const noexcept {
    const std::size_t capacity = data_.get_raw_payload().capacity();
    return capacity > std::string().capacity() ? capacity : 0;
  }

 private:
  Message data_;
  Message control_;
};

struct ProcessorConfig {
  using type = ProcessorConfig;
  using request_type = websocketpp::http::parser::request;
  using response_type = websocketpp::http::parser::response;
  using message_type = Message;
  using con_msg_manager_type = MessageSlots;
  using rng_type = websocketpp::random::none::int_generator<std::uint32_t>;
  struct permessage_deflate_config {};
  using permessage_deflate_type =
      websocketpp::extensions::permessage_deflate::disabled<permessage_deflate_config>;
  static constexpr bool enable_extensions = false;
  static constexpr std::size_t max_message_size = 0;  // set for each processor
};

/// The processor's byte order test keeps its result in an unguarded static: decided here, before
/// there are threads.
// NOLINTNEXTLINE(cert-err58-cpp): it does not throw
[[maybe_unused]] const std::uint64_t kByteOrderIsKnown = websocketpp::lib::net::_htonll(1);

/// Random masking keys are for sending, which the processor does not do here.
ProcessorConfig::rng_type unused_random;  // NOLINT(cert-err58-cpp): nor does it

/// It believes to be a client, which gets frames without masks: we unmask, by words, where the
/// processor takes a dozen instructions for each byte.
class Processor final : public websocketpp::processor::hybi13<ProcessorConfig> {
 public:
  explicit Processor(MessageSlots* slots) : hybi13(false, false, slots, unused_random) {}
};

/// A masking key that has been applied to `used` bytes (RFC 6455, section 5.3).
class Mask {
 public:
  Mask() = default;
  explicit Mask(const std::uint8_t* key) noexcept { std::copy_n(key, 4, key_.begin()); }

  void apply(std::uint8_t* data, std::size_t size) noexcept {
    std::uint64_t word;
    for (std::size_t i = 0; i < sizeof word; ++i) {
      reinterpret_cast<std::uint8_t*>(&word)[i] = key_[(used_ + i) % 4];
    }
    used_ = (used_ + size) % 4;
    std::size_t i = 0;
    for (; i + sizeof word <= size; i += sizeof word) {
      std::uint64_t masked;
      std::memcpy(&masked, data + i, sizeof masked);
      masked ^= word;
      std::memcpy(data + i, &masked, sizeof masked);
    }
    for (; i < size; ++i) data[i] ^= reinterpret_cast<const std::uint8_t*>(&word)[i % 4];
  }

 private:
  std::array<std::uint8_t, 4> key_{};
  std::size_t used_ = 0;
};

/// Collects the bytes of one frame header (RFC 6455, section 5.2).
class HeaderReader {
 public:
  /// Takes what the header still lacks. True once it is complete.
  bool take(std::uint8_t*& data, std::size_t& size) noexcept {
    while (read_ < needed()) {
      if (size == 0) return false;
      const std::size_t n = std::min(needed() - read_, size);
      std::copy_n(data, n, bytes_.begin() + static_cast<std::ptrdiff_t>(read_));
      read_ = static_cast<std::uint8_t>(read_ + n);
      data += n;
      size -= n;
    }
    return true;
  }

  void reset() noexcept { read_ = 0; }
  bool has_begun() const noexcept { return read_ > 0; }

  // Of a complete header.
  bool is_final() const noexcept { return (bytes_[0] & 0x80) != 0; }
  Opcode op() const noexcept { return static_cast<Opcode>(bytes_[0] & 0x0f); }
  bool is_control() const noexcept { return opcode::is_control(op()); }
  std::uint64_t payload_bytes() const noexcept {
    if (length_bytes() == 0) return short_length();
    std::uint64_t length = 0;
    for (std::size_t i = 2; i < 2 + length_bytes(); ++i) length = length << 8 | bytes_[i];
    return length;
  }
  Mask mask() const noexcept { return Mask(bytes_.data() + 2 + length_bytes()); }

  /// What can be said of a frame without its context. The processor refuses most of this too, but
  /// not a set top bit of the length, and calls a non-minimal length an internal error.
  bool is_well_formed() const noexcept {
    const std::uint64_t length = payload_bytes();
    const bool is_minimal = length_bytes() == 0   ? true
                            : length_bytes() == 2 ? length > kMaxControlBytes
                                                  : length > 0xffff;
    return (bytes_[0] & 0x70) == 0 && !opcode::reserved(op()) && is_masked() && is_minimal &&
           length >> 63 == 0 && (!is_control() || (is_final() && length <= kMaxControlBytes));
  }

 private:
  static constexpr std::size_t kMaxBytes = 14;

  std::uint8_t short_length() const noexcept { return bytes_[1] & 0x7f; }
  bool is_masked() const noexcept { return (bytes_[1] & 0x80) != 0; }
  std::size_t length_bytes() const noexcept {
    return short_length() == 127 ? 8 : short_length() == 126 ? 2 : 0;
  }
  std::size_t needed() const noexcept {
    return read_ < 2 ? 2 : 2 + length_bytes() + (is_masked() ? 4 : 0);
  }

  std::array<std::uint8_t, kMaxBytes> bytes_;
  std::uint8_t read_ = 0;
};

/// RFC 6455, section 7.4.1, with the codes that IANA has registered since (1012 to 1014).
bool is_legal_close_code(std::uint16_t code) noexcept {
  if (code >= 3000) return code < 5000;
  return code >= 1000 && code < 1015 && code != 1004 && code != 1005 && code != 1006;
}

bool is_token(std::string_view text) noexcept {
  return !text.empty() && std::none_of(text.begin(), text.end(), [](char c) {
    return websocketpp::http::is_not_token_char(static_cast<unsigned char>(c));
  });
}

std::string encode_control(Opcode op, std::string_view payload) {
  std::string bytes = frame::prepare_header(frame::basic_header(op, payload.size(), true, false),
                                            frame::extended_header(payload.size()));
  return bytes.append(payload);
}

/// Of `text`, what fits into `max_bytes` and does not end inside a character.
std::string_view cut_text(std::string_view text, std::size_t max_bytes) noexcept {
  if (text.size() <= max_bytes) return text;
  while (max_bytes > 0 && (static_cast<unsigned char>(text[max_bytes]) & 0xc0) == 0x80) --max_bytes;
  return text.substr(0, max_bytes);
}

}  // namespace

struct WebSocketCodec::Impl {
  using Type = Event::Type;

  Impl(const WebSocketLimits& limits, OversizePolicy policy) : limits_(&limits), policy_(policy) {
    start_processor();
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  Event next(std::uint8_t*& data, std::size_t& size) {
    while (!has_ended_) {
      if (!in_frame_) {
        if (!header_.take(data, size)) return {};
        if (const auto code = begin_frame()) return fail(*code);
      }
      if (const auto code = read_payload(data, size)) return fail(*code);
      if (payload_left_ > 0) return {};
      if (auto event = end_frame()) return std::move(*event);
    }
    data += size;
    size = 0;
    return {};
  }

  /// Looks at the header before the processor does; the code to fail with, if any.
  std::optional<CloseCode> begin_frame() {
    if (!header_.is_well_formed()) return CloseCode::protocol_error;
    in_frame_ = true;
    payload_left_ = header_.payload_bytes();
    mask_ = header_.mask();
    if (header_.is_control()) return std::nullopt;

    const bool continues = header_.op() == opcode::continuation;
    if (continues != in_message_) return CloseCode::protocol_error;
    if (!in_message_) {
      in_message_ = true;
      in_pieces_ = false;
      message_bytes_ = 0;
      frames_ = 0;
    }
    if (++frames_ > limits_->max_fragments) return CloseCode::policy_violation;
    if (is_discarding_) return std::nullopt;
    // Never a sum of two lengths: that is what wraps in the processor.
    if (payload_left_ > limits_->max_message_bytes - message_bytes_) {
      if (policy_ == OversizePolicy::fail) return CloseCode::too_large;
      is_discarding_ = true;
      slots_.release_data();
      start_processor();
      return std::nullopt;
    }
    message_bytes_ += static_cast<std::size_t>(payload_left_);
    return std::nullopt;
  }

  std::optional<CloseCode> read_payload(std::uint8_t*& data, std::size_t& size) {
    if (is_discarding_ && !header_.is_control()) {
      const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(payload_left_, size));
      data += n;
      size -= n;
      payload_left_ -= n;
      return std::nullopt;
    }
    do {
      if (piece_left_ == 0) {
        if (const auto code = begin_piece()) return code;
      }
      const std::size_t n = std::min(piece_left_, size);
      mask_.apply(data, n);
      if (const auto code = consume(data, n)) return code;
      data += n;
      size -= n;
      piece_left_ -= n;
      payload_left_ -= n;
    } while (payload_left_ > 0 && size > 0);
    return std::nullopt;
  }

  /// Gives the processor the header of the frame's next piece.
  std::optional<CloseCode> begin_piece() {
    const bool is_first = payload_left_ == header_.payload_bytes();
    const bool is_last = payload_left_ <= kPieceBytes;
    piece_left_ = is_last ? static_cast<std::size_t>(payload_left_) : kPieceBytes;
    const bool ends_message = is_last && header_.is_final();
    in_pieces_ = in_pieces_ || !ends_message;
    std::string bytes =
        frame::prepare_header(frame::basic_header(is_first ? header_.op() : opcode::continuation,
                                                  piece_left_, ends_message, false),
                              frame::extended_header(piece_left_));
    return consume(reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size());
  }

  std::optional<CloseCode> consume(std::uint8_t* data, std::size_t size) {
    std::error_code error;
    processor_->consume(data, size, error);
    if (!error) return std::nullopt;
    return static_cast<CloseCode>(websocketpp::processor::error::to_ws(error));
  }

  std::optional<Event> end_frame() {
    in_frame_ = false;
    header_.reset();
    if (header_.is_control()) return end_control();
    if (!header_.is_final()) return std::nullopt;

    in_message_ = false;
    if (std::exchange(is_discarding_, false)) return Event{Type::too_large, {}, 0, {}};
    const auto message = processor_->get_message();
    std::string& payload = message->get_raw_payload();
    const bool is_text = message->get_opcode() == opcode::text;
    // The processor checks the end of a text in the frame that began it only.
    if (is_text && in_pieces_ && !websocketpp::utf8_validator::validate(payload)) {
      return fail(CloseCode::bad_data);
    }
    return Event{Type::message, is_text ? FrameKind::text : FrameKind::binary, 0,
                 std::move(payload)};
  }

  Event end_control() {
    const auto message = processor_->get_message();
    Event event;
    event.payload = std::move(message->get_raw_payload());
    if (header_.op() == opcode::ping) {
      event.type = Type::ping;
    } else if (header_.op() == opcode::pong) {
      event.type = Type::pong;
    } else {
      return end_close(std::move(event.payload));
    }
    return event;
  }

  Event end_close(std::string payload) {
    std::uint16_t code = 1005;
    if (!payload.empty()) {
      if (payload.size() == 1) return fail(CloseCode::protocol_error);
      code = static_cast<std::uint16_t>(static_cast<unsigned char>(payload[0]) << 8 |
                                        static_cast<unsigned char>(payload[1]));
      if (!is_legal_close_code(code)) return fail(CloseCode::protocol_error);
      payload.erase(0, 2);
      if (!websocketpp::utf8_validator::validate(payload)) return fail(CloseCode::bad_data);
    }
    end();
    return Event{Type::close, {}, code, std::move(payload)};
  }

  Event fail(CloseCode code) {
    end();
    return Event{Type::failed, {}, static_cast<std::uint16_t>(code), {}};
  }

  void end() noexcept {
    has_ended_ = true;
    slots_.release_data();
  }

  void start_processor() {
    processor_.emplace(&slots_);
    processor_->set_max_message_size(limits_->max_message_bytes);
  }

  const WebSocketLimits* limits_;
  MessageSlots slots_;
  std::optional<Processor> processor_;
  std::uint64_t payload_left_ = 0;  // of the frame, not yet read
  std::size_t piece_left_ = 0;      // of the piece that the processor is reading
  std::size_t message_bytes_ = 0;   // announced so far by the message's frames
  std::size_t frames_ = 0;          // of the message
  HeaderReader header_;
  Mask mask_;
  OversizePolicy policy_;
  bool in_frame_ = false;       // the header is complete, the payload is not
  bool in_message_ = false;     // a data frame without FIN came, or is being read
  bool in_pieces_ = false;      // the processor got the message in more than one frame
  bool is_discarding_ = false;  // the message is too large and skipped
  bool has_ended_ = false;      // a close was read, or the codec failed
};

WebSocketCodec::WebSocketCodec(const WebSocketLimits& limits, OversizePolicy policy)
    : impl_(std::make_unique<Impl>(limits, policy)) {}
WebSocketCodec::~WebSocketCodec() = default;
WebSocketCodec::WebSocketCodec(WebSocketCodec&&) noexcept = default;
WebSocketCodec& WebSocketCodec::operator=(WebSocketCodec&&) noexcept = default;

WebSocketCodec::Event WebSocketCodec::next(std::uint8_t*& data, std::size_t& size) {
  return impl_->next(data, size);
}

bool WebSocketCodec::is_mid_message() const noexcept {
  return !impl_->has_ended_ && (impl_->header_.has_begun() || impl_->in_message_);
}

std::size_t WebSocketCodec::held_bytes() const noexcept { return impl_->slots_.data_capacity(); }

std::size_t encode_frame_header(FrameKind kind, std::size_t payload_bytes,
                                std::uint8_t (&out)[kMaxFrameHeaderBytes]) noexcept {
  // By hand: this is on the relay path, and websocketpp's way through three structures and a string
  // costs ten times as many instructions.
  out[0] =
      static_cast<std::uint8_t>(0x80 | (kind == FrameKind::text ? opcode::text : opcode::binary));
  const std::size_t length_bytes = frame_header_bytes(payload_bytes) - 2;
  out[1] = length_bytes == 0   ? static_cast<std::uint8_t>(payload_bytes)
           : length_bytes == 2 ? 126
                               : 127;
  for (std::size_t i = 0; i < length_bytes; ++i) {
    out[2 + i] = static_cast<std::uint8_t>(payload_bytes >> (8 * (length_bytes - 1 - i)));
  }
  return 2 + length_bytes;
}

std::string encode_ping(std::string_view payload) {
  return encode_control(opcode::ping, payload.substr(0, kMaxControlBytes));
}

std::string encode_pong(std::string_view payload) {
  return encode_control(opcode::pong, payload.substr(0, kMaxControlBytes));
}

std::string encode_close(CloseCode code, std::string_view reason) {
  const auto value = static_cast<std::uint16_t>(code);
  std::string payload{static_cast<char>(value >> 8), static_cast<char>(value & 0xff)};
  return encode_control(opcode::close, payload.append(cut_text(reason, kMaxReasonBytes)));
}

std::string encode_close_reply(std::uint16_t code) {
  if (code == 1005) return encode_control(opcode::close, {});
  return encode_close(static_cast<CloseCode>(code), {});
}

std::string encode_handshake(std::string_view key, std::string_view subprotocol) {
  ProcessorConfig::request_type request;
  request.append_header("Sec-WebSocket-Key", std::string(key));
  ProcessorConfig::response_type response;
  response.set_version("HTTP/1.1");
  response.set_status(websocketpp::http::status_code::switching_protocols);
  Processor(nullptr).process_handshake(
      request, is_token(subprotocol) ? std::string(subprotocol) : std::string(), response);
  return response.raw();
}

bool is_valid_websocket_key(std::string_view key) noexcept {
  const auto is_base64 = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '/';
  };
  return key.size() == 24 && key.substr(22) == "==" &&
         std::all_of(key.begin(), key.begin() + 22, is_base64);
}

}  // namespace voicechan::server
