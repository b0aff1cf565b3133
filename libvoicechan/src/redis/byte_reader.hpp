#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace voicechan::redis {

/// Appends an unsigned number, little-endian.
template <class Number>
void put_number(std::string& out, Number number) {
  for (std::size_t i = 0; i < sizeof number; ++i) {
    out.push_back(static_cast<char>(number >> (8 * i) & 0xFF));
  }
}

/// Appends a text behind its size, which `Size` holds.
template <class Size>
void put_text(std::string& out, std::string_view text) {
  put_number(out, static_cast<Size>(text.size()));
  out.append(text);
}

/// Takes numbers and texts off bytes that another node sent. What is not there reads as zero or
/// empty, and the reader has failed from then on.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) noexcept : bytes_(bytes) {}

  template <class Number>
  Number take() {
    const std::string_view bytes = take_bytes(sizeof(Number));
    std::uint64_t number = 0;
    for (std::size_t i = bytes.size(); i > 0; --i) {
      number = number << 8 | static_cast<unsigned char>(bytes[i - 1]);
    }
    return static_cast<Number>(number);
  }

  std::string_view take_bytes(std::size_t size) {
    if (size > bytes_.size()) {
      fail();
      return {};
    }
    const std::string_view taken = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return taken;
  }

  template <class Size>
  std::string_view take_text(std::size_t max) {
    const auto size = take<Size>();
    if (size > max) fail();
    return take_bytes(size);
  }

  std::string_view take_rest() { return take_bytes(bytes_.size()); }

  bool is_good() const noexcept { return is_good_; }
  void fail() noexcept {
    is_good_ = false;
    bytes_ = {};
  }

 private:
  std::string_view bytes_;
  bool is_good_ = true;
};

}  // namespace voicechan::redis
