#pragma once

#include <chrono>
#include <string>

#include "voicechan/clock.hpp"

namespace voicechan {

/// What a user is told of STUN and TURN servers.
struct IceOffer {
  /// A JSON array, as an RTCPeerConnection's `iceServers`.
  std::string servers;
  /// When its credentials end: `ttl` from now.
  WallTime expires_at;
  std::chrono::seconds ttl;
};

}  // namespace voicechan
