#include "limit_options.hpp"

#include <cmath>
#include <cstdint>
#include <sstream>

namespace voicechan::server {
namespace {

// Boost.JSON destroys nested values by recursion.
constexpr std::size_t kMaxJsonDepth = 1000;

/// Options that take seconds, with a fraction, and are kept in milliseconds.
void add_seconds(CLI::App& app, const char* name, std::chrono::milliseconds& value, double min,
                 const char* help) {
  const auto text = std::to_string(static_cast<double>(value.count()) / 1000);
  app.add_option_function<double>(
         name,
         [&value](double seconds) {
           value = std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000));
         },
         help)
      ->check(between(min, 86'400))
      ->type_name("SECONDS")
      ->default_str(text.substr(0, text.find('.') + 2));
}

/// Without an exponent, which a reader would have to decode.
std::string plain(double value) {
  std::ostringstream text;
  text.precision(0);
  text << std::fixed << value;
  return text.str();
}

}  // namespace

void add_limit_options(CLI::App& serve, ServerOptions& options) {
  const std::string limits = "Limits";
  const auto add_size = [&](const char* name, std::size_t& value, const char* help,
                            std::size_t max = std::size_t{1} << 30) {
    serve.add_option(name, value, help)
        ->check(CLI::Range(std::size_t{1}, max))
        ->type_name("N")
        ->group(limits)
        ->capture_default_str();
  };
  add_size("--max-connections", options.max_connections, "Connections in total (503)");
  add_size("--max-connections-per-address", options.max_connections_per_address,
           "Connections of one IPv4 address or IPv6 /64 (429)");
  add_size("--max-websockets-per-user", options.users.max_websockets,
           "WebSockets of one user (429)");
  add_size("--max-signaling-ids-per-user", options.users.max_signaling_ids,
           "Signaling WebSockets of one user (429)");
  add_size("--max-room-members", options.hub.max_room_members, "Members of a voice room (409)");
  add_size("--max-room-peers", options.hub.max_room_peers, "Peers of a signaling room (room_full)");
  add_size("--max-peer-data-bytes", options.hub.max_peer_data_bytes,
           "What a peer says about itself in a room (too_large)");
  add_size("--max-resume-messages", options.hub.max_resume_messages,
           "Messages kept for a signaling peer that may resume (missed_too_much)");
  add_size("--max-resume-bytes", options.hub.max_resume_bytes, "Bytes in them, together");
  add_size("--max-message-bytes", options.websocket.max_message_bytes,
           "A longer WebSocket message is refused: 1009, or too_large on the signaling socket");
  add_size("--max-signaling-bytes", options.hub.max_signaling_bytes,
           "A longer signaling message is answered with too_large");
  add_size("--max-fragments", options.websocket.max_fragments, "Frames of one WebSocket message");
  add_size("--max-json-depth", options.hub.max_json_depth,
           "Nesting of a signaling message (bad_message) or of a body (400)", kMaxJsonDepth);
  add_size("--max-body-bytes", options.http.max_body_bytes, "Body of a request (413)");
  add_size("--max-header-bytes", options.http.max_header_bytes, "Header fields, together (431)");
  add_size("--max-header-count", options.http.max_header_count, "Header fields of a request (431)");
  add_size("--max-target-bytes", options.http.max_target_bytes, "URL of a request (414)");
  add_size("--max-waiting-requests", options.max_waiting_requests,
           "Requests waiting for a blocking thread (503)");
  add_size("--max-held-bytes", options.max_held_bytes,
           "Waiting for slow clients, and arrived of incomplete requests and messages, of all "
           "connections together (1013, 503, or the end)",
           std::size_t{1} << 50);
  add_size("--max-queued-control-bytes", options.outbox.max_control_bytes,
           "Text waiting for one slow client before it is closed (1013)");
  add_size("--busy-queued-bytes", options.outbox.congested_bytes,
           "Text waiting for one slow peer before senders get peer_busy");
  add_size("--max-queued-media-bytes", options.outbox.max_media_bytes,
           "Audio waiting for one slow client before the oldest is dropped");

  const auto add_quota = [&](const char* name, std::size_t& value, const char* help) {
    serve.add_option(name, value, help)
        ->check(CLI::Range(std::size_t{0}, std::size_t{1} << 50))
        ->type_name("N")
        ->group(limits)
        ->capture_default_str();
  };
  add_quota("--max-channels-per-user", options.quotas.channels_per_user,
            "Voice channels that one user may create in all (403)");
  add_quota("--max-invitations-per-user", options.quotas.invitations_per_user,
            "Invitations that one user may create in all (403)");

  const auto add_rate = [&](const char* name, double& value, double min, const char* help) {
    serve.add_option(name, value, help)
        ->check(between(min, 1e12))
        ->type_name("N")
        ->group(limits)
        ->default_str(plain(value));
  };
  add_rate("--connection-rate", options.connections_per_second, 0,
           "New connections of an address per second; 0: any (429, before TLS)");
  add_rate("--connection-burst", options.connection_burst, 1,
           "New connections of an address that may come at once");
  InboundLimits& inbound = options.inbound;
  add_rate("--message-rate", inbound.messages_per_second, 0,
           "Messages of a WebSocket per second; 0: any (rate_limited, then 1008)");
  add_rate("--message-burst", inbound.message_burst, 1, "Messages that may come at once");
  add_rate("--byte-rate", inbound.bytes_per_second, 0,
           "Bytes in its messages per second; 0: any (rate_limited, then 1008)");
  add_rate("--byte-burst", inbound.byte_burst, 1, "Bytes that may come at once");
  add_rate("--max-control-frames", inbound.control_frames_per_second, 0,
           "Pings and pongs of a WebSocket per second; 0: any (1008)");
  add_rate("--signaling-rate", options.hub.signaling_messages_per_second, 0,
           "The same of a signaling WebSocket; 0: any (rate_limited, then 1008)");
  add_rate("--signaling-burst", options.hub.signaling_burst, 1,
           "Signaling messages that may come at once");
  add_rate("--room-change-rate", options.hub.room_changes_per_second, 0,
           "Joins, updates and syncs of rooms, of a signaling WebSocket per second; 0: any "
           "(rate_limited)");
  add_rate("--room-change-burst", options.hub.room_changes_burst, 1,
           "Joins, updates and syncs that may come at once");
  add_rate("--request-rate", options.users.requests_per_second, 0,
           "REST requests of a user per second; 0: any (429)");
  add_rate("--request-burst", options.users.request_burst, 1,
           "REST requests of a user that may come at once");
  add_rate("--wrong-key-rate", options.key_guard.failures_per_second, 0,
           "Wrong keys of an address per second; 0: any (429, not looked up)");
  add_rate("--wrong-key-burst", options.key_guard.failure_burst, 1,
           "Wrong keys of an address that may come at once");

  Deadlines& deadlines = options.deadlines;
  const auto add_deadline = [&](const char* name, std::chrono::milliseconds& value,
                                const char* help) {
    add_seconds(serve, name, value, 0.05, help);
    serve.get_option(name)->group("Deadlines");
  };
  add_deadline("--handshake-timeout", deadlines.request_head, "For the head of a request");
  add_deadline("--body-timeout", deadlines.request_body, "For the body of a request");
  add_deadline("--idle-timeout", deadlines.keep_alive, "Between two requests of a connection");
  add_deadline("--write-timeout", deadlines.write, "For a client to take any byte");
  add_deadline("--message-timeout", deadlines.message, "For a WebSocket message to be completed");
  add_deadline("--ping-interval", deadlines.ping_interval, "Silence before a WebSocket is pinged");
  add_deadline("--ping-timeout", deadlines.ping_timeout, "Silence after that before it is cut");
  add_deadline("--close-timeout", deadlines.close, "For a WebSocket's close to be answered");
  add_seconds(serve, "--resume-window", options.hub.resume_window, 0,
              "For a signaling peer that broke off to resume; 0: nobody can");
  serve.get_option("--resume-window")->group("Deadlines");
  add_seconds(serve, "--store-grace", options.store_grace, 0,
              "Who was let in before is let in again while the store is away; 0: nobody is");
  serve.get_option("--store-grace")->group("Deadlines");
  add_deadline("--drain-timeout", options.drain_timeout,
               "For everything to end after SIGTERM; what is left is cut");
  serve
      .add_option_function<double>(
          "--drain-spread",
          [&options](double spread) {
            options.drain_spread = std::chrono::milliseconds(std::lround(spread * 1000));
          },
          "After SIGTERM, WebSockets are closed one after the other for so long; 0: all at once")
      ->check(between(0, 86'400))
      ->type_name("SECONDS")
      ->group("Deadlines")
      ->default_str("0.001 for each, 2 at most");
  add_deadline("--max-media-age", options.outbox.max_media_age,
               "Audio that waited longer for a slow client is dropped");
  serve
      .add_option_function<std::int64_t>(
          "--pacing-window",
          [&options](std::int64_t window) {
            options.hub.pacing_window = std::chrono::milliseconds(window);
          },
          "While several speak in a room, a listener is written to once in this time; 0: at once")
      ->check(CLI::Range(0, 1000))
      ->type_name("MILLISECONDS")
      ->group("Deadlines")
      ->default_str(std::to_string(options.hub.pacing_window.count()));
}

}  // namespace voicechan::server
