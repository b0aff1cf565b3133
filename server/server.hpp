#pragma once

#include <asio/ip/tcp.hpp>
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "admin_api.hpp"
#include "authenticator.hpp"
#include "blocking_pool.hpp"
#include "connection_counts.hpp"
#include "credential_watch.hpp"
#include "ice_servers.hpp"
#include "key_guard.hpp"
#include "metered_store.hpp"
#include "missed_invitations.hpp"
#include "operator_key.hpp"
#include "options.hpp"
#include "origin_policy.hpp"
#include "rest_api.hpp"
#include "room_traces.hpp"
#include "service_phase.hpp"
#include "static_site.hpp"
#include "tls.hpp"
#include "user_counts.hpp"
#include "voicechan/backplane.hpp"
#include "voicechan/directory.hpp"
#include "voicechan/flight_recorder.hpp"
#include "voicechan/store.hpp"
#include "worker.hpp"

namespace voicechan::server {

/// The whole server around a store: workers on threads of their own, a blocking pool, and what
/// joins them. One thread at a time (the one that made it).
class Server {
 public:
  /// Binds the address and starts to serve. `store` must outlive the server. Throws
  /// std::system_error if the address cannot be had, TlsContext::Error if the certificate cannot be
  /// used, std::runtime_error if the keys of JWTs, the ICE servers, the operator's key or the web
  /// pages cannot. `backplane` joins the workers, and may join them to those of other processes;
  /// if it is null, it is one of this process.
  Server(ServerOptions options, Store& store, std::unique_ptr<Backplane> backplane = nullptr);
  /// As `end`.
  ~Server();

  /// Where it listens; tells the port that port 0 became.
  asio::ip::tcp::endpoint endpoint() const { return endpoint_; }
  /// The same for operators, if they are listened for.
  std::optional<asio::ip::tcp::endpoint> admin_endpoint() const { return admin_endpoint_; }

  /// Reads the certificate and its key again, for connections to come; throws TlsContext::Error and
  /// goes on with the present one if that fails. Does nothing without TLS.
  void reload_tls();

  /// Takes the server out of service: not ready, no new WebSockets; those there stay.
  void withdraw();
  /// Ends in an orderly way: not ready, refuses connections and WebSockets, closes WebSockets with
  /// 1001, finishes requests. `on_end` is called when nothing is left, by a worker's thread and
  /// once; not after `resume`, unless that came at the same time. `end` is to follow.
  void drain(std::function<void()> on_end);
  /// Serves again, after `withdraw` or `drain`. What is left by then stays.
  void resume();
  /// Cuts what is left. Returns when all threads have ended. Idempotent.
  void end();

  /// Drains for `ServerOptions::drain_timeout` at most and ends.
  void stop();

 private:
  const ServerOptions options_;
  std::atomic<ServicePhase> phase_{ServicePhase::serving};
  MeteredStore store_;
  const std::unique_ptr<Backplane> backplane_;
  Directory directory_;
  std::unique_ptr<IceServers> ice_servers_;  // if there are some
  FlightRecorder flight_recorder_;
  std::unique_ptr<OperatorKey> operator_key_;  // if there is one
  RoomTraces traces_;
  std::unique_ptr<JwtVerifier> jwt_;  // if there are JWTs
  Authenticator authenticator_;
  KeyGuard key_guard_;
  ConnectionCounts connection_counts_;
  AddressRate connection_rate_;
  UserCounts user_counts_;
  const OriginPolicy origins_;
  std::unique_ptr<const StaticSite> site_;  // if there is one
  RestApi rest_api_;
  BlockingPool pool_;
  BlockingPool listing_pool_;
  BlockingPool write_pool_;
  std::unique_ptr<AdminApi> admin_api_;  // if operators are listened for
  std::unique_ptr<BlockingPool> admin_pool_;
  std::unique_ptr<BlockingPool> status_pool_;
  std::unique_ptr<MissedInvitations> missed_invitations_;  // null: the backplane loses nothing
  std::vector<std::unique_ptr<Worker>> workers_;
  asio::ip::tcp::endpoint endpoint_;
  std::optional<asio::ip::tcp::endpoint> admin_endpoint_;
  std::vector<std::thread> threads_;
  std::unique_ptr<CredentialWatch> watch_;
};

}  // namespace voicechan::server
