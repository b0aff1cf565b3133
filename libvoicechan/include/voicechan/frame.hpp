#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace voicechan {

/// The two kinds of WebSocket messages.
enum class FrameKind : std::uint8_t { text, binary };

/// What may happen to a frame when its receiver is slow: `control` is never dropped, `media` is
/// dropped oldest first once it is stale.
enum class FrameClass : std::uint8_t { control, media };

/// One immutable message, shared by all who are to receive it: copying a Frame copies a reference,
/// never the bytes. Immutable; may be shared between threads.
class Frame {
 public:
  /// Takes the bytes over. `text` must be well-formed UTF-8.
  static Frame control_text(std::string text) {
    return Frame(FrameKind::text, FrameClass::control, std::move(text));
  }
  /// Takes the bytes over: audio, or whatever else may be dropped once it is stale.
  static Frame media(std::string bytes, std::uint64_t source = 0) {
    return Frame(FrameKind::binary, FrameClass::media, std::move(bytes), source);
  }

  Frame(FrameKind kind, FrameClass frame_class, std::string bytes, std::uint64_t source = 0)
      : body_(std::make_shared<const Body>(Body{std::move(bytes), source, kind, frame_class})) {}

  FrameKind kind() const noexcept { return body_->kind; }
  FrameClass frame_class() const noexcept { return body_->frame_class; }
  const std::string& bytes() const noexcept { return body_->bytes; }
  std::size_t size() const noexcept { return body_->bytes.size(); }
  /// Who speaks: the same number for all that one session sends to a room, another one for every
  /// other session. 0: unknown. Tells speakers apart where some audio must go (`Outbox`).
  std::uint64_t source() const noexcept { return body_->source; }

  /// True if both are references to the same message.
  bool is_same(const Frame& other) const noexcept { return body_ == other.body_; }

 private:
  struct Body {
    std::string bytes;
    std::uint64_t source;
    FrameKind kind;
    FrameClass frame_class;
  };

  std::shared_ptr<const Body> body_;
};

}  // namespace voicechan
