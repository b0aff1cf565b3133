#pragma once

#include <sys/socket.h>

#include <optional>
#include <string>

namespace voicechan::load {

/// An address and port that sockets understand.
struct Endpoint {
  sockaddr_storage address{};
  socklen_t size = 0;
};

/// "127.0.0.1:8000", "[::1]:8000" or "host:8000"; a name is looked up.
std::optional<Endpoint> find_endpoint(const std::string& text);

/// A numeric address, to bind to, with any port.
std::optional<Endpoint> find_local_address(const std::string& text);

}  // namespace voicechan::load
