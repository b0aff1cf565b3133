#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

#include "voicechan/export.hpp"

namespace voicechan {

/// Which hub of which node: the part of a signaling id that routes it.
struct HubAddress {
  /// Random per start of a node (48 bits used), so that ids of an earlier start are unknown.
  std::uint64_t node = 0;
  std::uint16_t hub = 0;

  friend bool operator==(const HubAddress& a, const HubAddress& b) {
    return a.node == b.node && a.hub == b.hub;
  }
};

/// A peer's signaling id: 32 characters of base64url, opaque to clients. It holds the address of
/// the hub that owns the peer, so that a directed message needs no lookup, and 128 random bits, so
/// that it cannot be guessed. Immutable value.
class VOICECHAN_API PeerId {
 public:
  static constexpr std::size_t kLength = 32;
  using Random = std::array<std::uint8_t, 16>;

  PeerId(HubAddress address, const Random& random) noexcept;

  /// Nothing if `text` was not made by a PeerId.
  static std::optional<PeerId> parse(std::string_view text) noexcept;

  HubAddress address() const noexcept;
  std::string_view str() const noexcept { return {text_.data(), text_.size()}; }

  friend bool operator==(const PeerId& a, const PeerId& b) { return a.text_ == b.text_; }

 private:
  PeerId() = default;
  std::array<char, kLength> text_;
};

}  // namespace voicechan

template <>
struct std::hash<voicechan::PeerId> {
  std::size_t operator()(const voicechan::PeerId& id) const noexcept {
    return std::hash<std::string_view>()(id.str());
  }
};
