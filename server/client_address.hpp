#pragma once

#include <array>
#include <asio/ip/address.hpp>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

namespace voicechan::server {

/// The IP address of a client, without port. An IPv4 address that came as an IPv4-mapped IPv6 one
/// is the same address. Immutable.
class ClientAddress {
 public:
  ClientAddress() = default;  // "::"
  explicit ClientAddress(const asio::ip::address& address)
      : bytes_(address.is_v4() ? make_address_v6(asio::ip::v4_mapped, address.to_v4()).to_bytes()
                               : address.to_v6().to_bytes()) {}

  /// "192.0.2.7" or "2001:db8::7"
  std::string str() const {
    const asio::ip::address_v6 address(bytes_);
    if (!address.is_v4_mapped()) return address.to_string();
    return make_address_v4(asio::ip::v4_mapped, address).to_string();
  }

  /// As an IPv6 address, IPv4-mapped for an IPv4 one.
  const std::array<std::uint8_t, 16>& bytes() const noexcept { return bytes_; }

  /// What counts as one client: an IPv4 address, or the /64 of an IPv6 one, of which a client has
  /// every address.
  ClientAddress network() const {
    ClientAddress network = *this;
    if (!asio::ip::address_v6(bytes_).is_v4_mapped()) {
      std::memset(network.bytes_.data() + 8, 0, 8);
    }
    return network;
  }

  friend bool operator==(const ClientAddress& a, const ClientAddress& b) noexcept {
    return a.bytes_ == b.bytes_;
  }
  friend bool operator!=(const ClientAddress& a, const ClientAddress& b) noexcept {
    return !(a == b);
  }

  struct Hash {
    std::size_t operator()(const ClientAddress& address) const noexcept {
      std::uint64_t high;
      std::uint64_t low;
      std::memcpy(&high, address.bytes_.data(), 8);
      std::memcpy(&low, address.bytes_.data() + 8, 8);
      // The odd constant spreads neighbouring addresses over all bits.
      const std::uint64_t mixed = (high ^ (low << 32 | low >> 32)) * 0x9E37'79B9'7F4A'7C15;
      return mixed ^ mixed >> 32;
    }
  };

 private:
  std::array<std::uint8_t, 16> bytes_{};
};

}  // namespace voicechan::server
