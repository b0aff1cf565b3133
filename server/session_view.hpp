#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "client_address.hpp"
#include "voicechan/ids.hpp"

namespace voicechan::server {

/// What operators see of a WebSocket.
struct SessionView {
  std::uint64_t serial = 0;  // of its worker
  UserId user;
  std::string_view kind;  // "voice", "signaling" or "notifications"
  std::string room;       // empty: in none
  ClientAddress address;
  std::chrono::duration<double> age{0};
  std::size_t waiting_bytes = 0;  // for the client to read
};

/// Which ones; what is not given may be anything.
struct SessionFilter {
  std::optional<UserId> user;
  std::optional<std::string> room;

  bool matches(const SessionView& view) const {
    return (!user || view.user == *user) && (!room || view.room == *room);
  }
};

}  // namespace voicechan::server
