#pragma once

#include <string_view>
#include <variant>

namespace voicechan::server {

enum class IceUrlKind {
  stun,  ///< stun: or stuns: (RFC 7064)
  turn,  ///< turn: or turns: (RFC 7065)
};

/// What kind of server a URL names, or what is wrong with it. Stricter than the RFCs: the scheme is
/// in lower case, the host is a DNS name or an address, `transport` is udp or tcp: what browsers
/// take. Pure.
std::variant<IceUrlKind, std::string_view> check_ice_url(std::string_view url);

}  // namespace voicechan::server
