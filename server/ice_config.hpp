#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace voicechan::server {

/// One of an RTCPeerConnection's `iceServers`: STUN without credentials, or TURN with either kind.
struct IceServer {
  std::vector<std::string> urls;
  std::string secret;  // shared with the TURN server; empty: the credentials are these
  std::string username;
  std::string credential;
};

/// The STUN and TURN servers that clients are to use, checked.
struct IceConfig {
  /// How long credentials by a secret are valid.
  std::chrono::seconds ttl{3600};
  std::vector<IceServer> servers;
};

/// Reads {"ttl": seconds, "ice_servers": […]}; or tells in one line what is wrong with it, without
/// a word of the text: there may be secrets in it. Pure.
std::variant<IceConfig, std::string> parse_ice_config(std::string_view text);

}  // namespace voicechan::server
