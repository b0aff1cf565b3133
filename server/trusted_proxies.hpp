#pragma once

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "client_address.hpp"

namespace voicechan::server {

/// A range of addresses. Immutable.
class Network {
 public:
  /// "192.0.2.0/24", "2001:db8::/32", or one address. Bits behind the prefix do not matter.
  static std::optional<Network> parse(std::string_view text);

  bool contains(const ClientAddress& address) const noexcept;

 private:
  Network(const ClientAddress& address, unsigned prefix_bits) noexcept
      : address_(address), prefix_bits_(prefix_bits) {}

  ClientAddress address_;
  unsigned prefix_bits_;  // of the 128 of an IPv6 address, IPv4-mapped ones included
};

/// An address as it stands in a header field, without port. Nothing for anything else.
std::optional<ClientAddress> parse_address(std::string_view text);

/// The proxies whose word about their clients is taken. Immutable once the server runs.
class TrustedProxies {
 public:
  void add(const Network& network) { networks_.push_back(network); }
  bool contains(const ClientAddress& address) const noexcept {
    return std::any_of(networks_.begin(), networks_.end(),
                       [&](const Network& network) { return network.contains(address); });
  }

 private:
  std::vector<Network> networks_;
};

}  // namespace voicechan::server
