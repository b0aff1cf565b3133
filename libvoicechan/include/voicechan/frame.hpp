#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace voicechan {

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
  static Frame media(std::string bytes) {
    return Frame(FrameKind::binary, FrameClass::media, std::move(bytes));
  }

  Frame(FrameKind kind, FrameClass frame_class, std::string bytes)
      : body_(std::make_shared<const Body>(Body{std::move(bytes), kind, frame_class})) {}

  FrameKind kind() const noexcept { return body_->kind; }
  FrameClass frame_class() const noexcept { return body_->frame_class; }
  const std::string& bytes() const noexcept { return body_->bytes; }
  std::size_t size() const noexcept { return body_->bytes.size(); }

 private:
  struct Body {
    std::string bytes;
    FrameKind kind;
    FrameClass frame_class;
  };

  std::shared_ptr<const Body> body_;
};

}  // namespace voicechan
