#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "client_address.hpp"

namespace voicechan::server {

/// What the beginning of a connection says by the PROXY protocol (version 1 or 2).
struct ProxyHeader {
  enum class Status {
    need_more,
    malformed,
    complete,
  };
  Status status = Status::need_more;
  std::size_t size = 0;  ///< of a complete header; the client's own bytes follow
  /// Nothing if the proxy speaks for itself (a health check), or does not know.
  std::optional<ClientAddress> client;
};

/// A longer header is refused; one with everything that proxies add to it has some hundred bytes.
constexpr std::size_t kMaxProxyHeaderBytes = 4096;

/// Reads the header that `received` begins with. Needs all bytes of it in one piece; a wrong one is
/// recognised by its first wrong byte.
ProxyHeader parse_proxy_header(std::string_view received);

}  // namespace voicechan::server
