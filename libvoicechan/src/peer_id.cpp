#include "voicechan/peer_id.hpp"

namespace voicechan {
namespace {

// Binary layout, big-endian: 6 bytes node, 2 bytes hub, 16 bytes random; 24 bytes are exactly 32
// base64url characters, so there is one spelling of every id.
constexpr std::size_t kBinaryBytes = 24;
constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

int digit_value(char c) noexcept {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '-') return 62;
  if (c == '_') return 63;
  return -1;
}

}  // namespace

PeerId::PeerId(HubAddress address, const Random& random) noexcept {
  std::array<std::uint8_t, kBinaryBytes> binary;
  for (std::size_t i = 0; i < 6; ++i) {
    binary[i] = static_cast<std::uint8_t>(address.node >> (8 * (5 - i)));
  }
  binary[6] = static_cast<std::uint8_t>(address.hub >> 8);
  binary[7] = static_cast<std::uint8_t>(address.hub);
  for (std::size_t i = 0; i < random.size(); ++i) binary[8 + i] = random[i];

  for (std::size_t in = 0, out = 0; in < kBinaryBytes; in += 3, out += 4) {
    const std::uint32_t group = static_cast<std::uint32_t>(binary[in]) << 16 |
                                static_cast<std::uint32_t>(binary[in + 1]) << 8 | binary[in + 2];
    for (std::size_t i = 0; i < 4; ++i) text_[out + i] = kAlphabet[(group >> (18 - 6 * i)) & 63];
  }
}

std::optional<PeerId> PeerId::parse(std::string_view text) noexcept {
  if (text.size() != kLength) return std::nullopt;
  PeerId id;
  for (std::size_t i = 0; i < kLength; ++i) {
    if (digit_value(text[i]) < 0) return std::nullopt;
    id.text_[i] = text[i];
  }
  return id;
}

HubAddress PeerId::address() const noexcept {
  // 48 bits of node are the first 8 characters; the hub's 16 bits are in the next three.
  HubAddress address;
  for (std::size_t i = 0; i < 8; ++i) {
    address.node = address.node << 6 | static_cast<std::uint64_t>(digit_value(text_[i]));
  }
  std::uint32_t bits = 0;
  for (std::size_t i = 8; i < 11; ++i) {
    bits = bits << 6 | static_cast<std::uint32_t>(digit_value(text_[i]));
  }
  address.hub = static_cast<std::uint16_t>(bits >> 2);
  return address;
}

}  // namespace voicechan
