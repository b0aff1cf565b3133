#pragma once

#include <optional>
#include <string>

#include "authenticator.hpp"
#include "client_address.hpp"
#include "fault_log.hpp"
#include "http_codec.hpp"
#include "ice_servers.hpp"
#include "key_guard.hpp"
#include "room_traces.hpp"
#include "router.hpp"
#include "user_counts.hpp"
#include "voicechan/directory.hpp"
#include "voicechan/voice_presence.hpp"

namespace voicechan::server {

/// What can be answered from a request's head alone, without asking who it is and without the
/// store: OPTIONS, wrong methods (405), missing length (411), wrong media type (415), and the
/// documents of the interface. Nothing if the request goes on to `RestApi` or to a WebSocket
/// handshake.
std::optional<HttpResponse> answer_early(const HttpRequest& request, const Route& route);

/// The answer to OPTIONS: 200 with `Allow`.
HttpResponse make_options_response(std::string_view allow);

/// 401 with WWW-Authenticate; to a credential that came and was refused it says why (RFC 6750).
HttpResponse make_unauthorized_response(std::error_code refusal);

/// 503 with Retry-After: not now.
HttpResponse make_unavailable_response(std::string_view detail);

/// 429 with Retry-After: less of it, please.
HttpResponse make_too_many_response(std::string_view detail);

/// The answer to a request that cannot be served: 401 for a refused credential, 503 for a store
/// that cannot serve now.
HttpResponse make_failure_response(std::error_code error);

/// The REST endpoints: turns requests into calls of the Directory, and results into responses.
/// Thread-safe. May block.
class RestApi {
 public:
  /// All of them must outlive it. A body nested deeper than `max_json_depth` is refused. Without
  /// `ice_servers`, and without `traces`, there are none.
  RestApi(Directory& directory, Store& store, Authenticator& authenticator, KeyGuard& key_guard,
          UserCounts& user_counts, const VoicePresence& voice_presence, std::size_t max_json_depth,
          const IceServers* ice_servers = nullptr, const RoomTraces* traces = nullptr) noexcept
      : directory_(&directory),
        store_(&store),
        authenticator_(&authenticator),
        key_guard_(&key_guard),
        user_counts_(&user_counts),
        voice_presence_(&voice_presence),
        max_json_depth_(max_json_depth),
        ice_servers_(ice_servers),
        traces_(traces) {}

  /// Answers a request of the client at `address` to a REST endpoint that `answer_early` let pass.
  /// Nothing if that takes a new user and there may be none here: ask again where there may.
  std::optional<HttpResponse> handle(const HttpRequest& request, const Route& route,
                                     const ClientAddress& address, NewUsers new_users);

  /// As `make_failure_response`; a store that does not serve is logged, once in a while.
  HttpResponse fail(std::error_code error);

 private:
  HttpResponse answer(const Identity& user, const HttpRequest& request, const Route& route);
  HttpResponse list_channels(const Identity& user, const Route& route);
  HttpResponse create_channel(const Identity& user, const std::string& body);
  HttpResponse get_channel(const Identity& user, ChannelId id);
  HttpResponse list_members(const Identity& user, const Route& route);
  HttpResponse invite(const Identity& user, const std::string& body);
  HttpResponse list_ice_servers(const Identity& user);
  HttpResponse show_trace(const Identity& user, const RoomName& room);

  Directory* directory_;
  Store* store_;
  Authenticator* authenticator_;
  KeyGuard* key_guard_;
  UserCounts* user_counts_;
  const VoicePresence* voice_presence_;
  std::size_t max_json_depth_;
  const IceServers* ice_servers_;
  const RoomTraces* traces_;
  FaultLog fault_log_;
};

}  // namespace voicechan::server
