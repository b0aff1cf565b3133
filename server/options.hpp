#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "forwarded.hpp"
#include "http_codec.hpp"
#include "inbound_meter.hpp"
#include "jwt_options.hpp"
#include "key_guard.hpp"
#include "origin_policy.hpp"
#include "trusted_proxies.hpp"
#include "user_counts.hpp"
#include "voicechan/directory.hpp"
#include "voicechan/hub.hpp"
#include "voicechan/outbox.hpp"
#include "websocket_codec.hpp"

namespace voicechan::server {

/// How long a connection may take for what; each passed deadline ends the connection.
struct Deadlines {
  std::chrono::milliseconds request_head{10'000};  // from accept, or from a request's first byte
  std::chrono::milliseconds request_body{30'000};  // from the end of the head
  std::chrono::milliseconds keep_alive{60'000};    // between two requests
  std::chrono::milliseconds write{10'000};         // without the peer taking a byte
  std::chrono::milliseconds message{30'000};  // from a WebSocket message's first byte to its last
  std::chrono::milliseconds ping_interval{25'000};  // silence before we ask whether the peer lives
  std::chrono::milliseconds ping_timeout{20'000};   // silence after that before we give up
  std::chrono::milliseconds close{5'000};           // for the closing handshake
};

/// The library does not pace, since a host has to be on time for it; our workers are.
inline HubOptions paced_hub_options() {
  HubOptions options;
  options.pacing_window = std::chrono::milliseconds(5);
  return options;
}

/// Far above what people make, and a bound for what a key that leaked can fill a disk with.
inline Quotas serving_quotas() {
  Quotas quotas;
  quotas.channels_per_user = 100'000;
  quotas.invitations_per_user = 1'000'000;
  return quotas;
}

/// Names of PEM files; both or none.
struct TlsFiles {
  std::string certificate;  // with the chain behind it
  std::string key;

  bool is_given() const noexcept { return !certificate.empty(); }
};

/// Everything that `serve` can be told.
struct ServerOptions {
  std::string listen_address = "127.0.0.1";
  std::uint16_t listen_port = 8000;  // 0: any free one
  std::string admin_address;         // where operators are listened for; empty: nowhere
  std::uint16_t admin_port = 0;
  unsigned workers = 0;  // 0: one per core
  unsigned blocking_threads = 64;
  std::size_t max_connections = 100'000;  // of the process
  /// Of one IPv4 address or IPv6 /64. High, since a whole office or a proxy is one address.
  std::size_t max_connections_per_address = 20'000;
  /// Connections that an address may make, per second and at once.
  double connections_per_second = 2'000;
  double connection_burst = 20'000;
  /// Accept a WebSocket's key as `?token=`. URLs land in logs of proxies, so off by default.
  bool allow_query_token = false;
  /// Requests that wait for a blocking thread; more are answered with 503.
  std::size_t max_waiting_requests = 10'000;
  /// What waits for slow clients, and what has arrived of incomplete requests and messages, of all
  /// connections together; each worker has its share.
  std::size_t max_held_bytes = std::size_t{1} << 30;
  TlsFiles tls;
  TrustedProxies trusted_proxies;
  ForwardedField forwarded_field = ForwardedField::x_forwarded_for;
  /// Connections begin with a header of the PROXY protocol; only those of trusted proxies are
  /// taken.
  bool proxy_protocol = false;
  HttpLimits http;
  WebSocketLimits websocket;
  InboundLimits inbound;
  UserLimits users;
  Quotas quotas = serving_quotas();
  KeyGuardLimits key_guard;
  OriginOptions origins;
  OutboxLimits outbox;
  JwtOptions jwt;
  /// So long a store may be away before those whom it confirmed are let in no more.
  std::chrono::milliseconds store_grace{600'000};
  /// A folder of web pages, shown at `/` (`StaticSite`). Empty: there are none.
  std::string www_directory;
  /// STUN and TURN servers for clients (`parse_ice_config`). Empty: there are none.
  std::string ice_file;
  /// The key of who may see every room's record (`OperatorKey`). Empty: nobody.
  std::string operator_key_file;
  HubOptions hub = paced_hub_options();
  Deadlines deadlines;
  /// From the first signal to the end of the process.
  std::chrono::milliseconds drain_timeout{4'000};
  /// How long WebSockets are closed one after the other in a drain. Nothing: as long as their
  /// number asks for.
  std::optional<std::chrono::milliseconds> drain_spread;
};

}  // namespace voicechan::server
