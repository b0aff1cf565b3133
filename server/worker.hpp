#pragma once

#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

#include "address_rate.hpp"
#include "blocking_pool.hpp"
#include "connection.hpp"
#include "connection_counts.hpp"
#include "deadline_wheel.hpp"
#include "drain.hpp"
#include "drop_log.hpp"
#include "ice_servers.hpp"
#include "inbound_meter.hpp"
#include "key_guard.hpp"
#include "latency_sampler.hpp"
#include "listener.hpp"
#include "notification_feed.hpp"
#include "options.hpp"
#include "origin_policy.hpp"
#include "posted.hpp"
#include "rest_api.hpp"
#include "service_phase.hpp"
#include "session_view.hpp"
#include "stall_guard.hpp"
#include "static_site.hpp"
#include "tls.hpp"
#include "user_counts.hpp"
#include "voicechan/flight_recorder.hpp"
#include "voicechan/hub.hpp"
#include "worker_counters.hpp"

namespace voicechan::server {

class AdminApi;

/// What all workers share; each member is thread-safe or immutable.
struct SharedServices {
  const ServerOptions& options;
  Backplane& backplane;
  const Directory& directory;
  MissedInvitations* missed_invitations;  // null: the backplane loses nothing
  RestApi& rest_api;
  const IceServers* ice_servers;  // null: there are none
  FlightRecorder& flight_recorder;
  Authenticator& authenticator;
  BlockingPool& pool;          // what reads
  BlockingPool& listing_pool;  // what reads much
  BlockingPool& write_pool;    // what may wait for the disk, or for another process' lock
  ConnectionCounts& connection_counts;
  AddressRate& connection_rate;
  UserCounts& user_counts;
  KeyGuard& key_guard;
  const OriginPolicy& origins;
  const StaticSite* site;  // null: there is none
  const std::atomic<ServicePhase>& phase;
  unsigned worker_count;
  AdminApi* admin_api;       // null, as what follows, where nobody listens for operators
  BlockingPool* admin_pool;  // for them, so that they are served when clients are too many
  BlockingPool*
      status_pool;  // for /metrics and /health: whatever waits for the store in admin_pool
};

/// One thread's share of the server: an event loop, a Hub, a listener and the connections that it
/// accepted. A loop turn handles what is ready, then lets the hub exchange frames with the others,
/// then writes once for each connection that has something waiting. One thread at a time, but for
/// `post` and the requests.
class Worker {
 public:
  /// `services` must outlive the worker. Throws std::system_error if the backplane is full or the
  /// address cannot be bound.
  /// Connections speak TLS if `tls` is given.
  Worker(const SharedServices& services, const asio::ip::tcp::endpoint& endpoint,
         std::shared_ptr<const TlsContext> tls = nullptr);
  ~Worker();

  asio::ip::tcp::endpoint local_endpoint() const { return listener_.local_endpoint(); }

  /// Listens for operators, too (`AdminApi`); returns where. To be called before `run`.
  asio::ip::tcp::endpoint listen_for_operators(const asio::ip::tcp::endpoint& endpoint);

  /// Runs the loop until `request_end`.
  void run();

  /// The phase has become `draining`: closes WebSockets one after the other and lets requests be
  /// finished; tells `drain` when nothing is left. From any thread.
  void request_drain(std::shared_ptr<Drain> drain);
  /// The phase has become `serving` again: keeps what is left. From any thread.
  void request_resume();
  /// The phase has become `ended`: cuts what is left. From any thread.
  void request_end();

  /// Connections to come use another certificate. From any thread.
  void replace_tls(std::shared_ptr<const TlsContext> tls);

  /// Closes the WebSockets whose credentials have been revoked. From any thread.
  void request_close_of_revoked();

  /// What may have been missed, for the user's notifications sockets here. From any thread.
  void deliver_missed(UserId user, const MissedInvitations::Notices& notices) {
    post([this, user, notices] { notification_feeds_.add_missed_meanwhile(user, *notices); });
  }

  /// WebSockets with a number above `after` that match, by number, `limit` of them at most.
  std::vector<SessionView> list_sessions(std::uint64_t after, std::size_t limit,
                                         const SessionFilter& filter);
  /// Closes a WebSocket with 4403 and gives what it was; nothing if none has this number.
  std::optional<SessionView> kick_session(std::uint64_t serial);
  /// For a new one. Never 0.
  std::uint64_t next_session_serial() noexcept { return ++last_session_serial_; }

  /// Has the worker's thread run `action` soon. From any thread.
  template <class Action>
  void post(Action action) {
    asio::post(io_, Posted<Action>{std::move(action)});
  }

  /// Runs `job` on a pool, if `connection` still exists then, and `done(result)` on this worker's
  /// thread, if it is open then. False if the pool is overloaded.
  template <class Job, class Done>
  [[nodiscard]] bool run_blocking(BlockingPool& pool, Connection& connection, Job job, Done done) {
    return pool.post([this, weak = connection.weak_from_this(), job = std::move(job),
                      done = std::move(done)]() mutable {
      if (weak.expired()) return;
      post([weak = std::move(weak), result = job(), done = std::move(done)]() mutable {
        const auto alive = weak.lock();
        if (alive) alive->run_if_open([&] { done(std::move(result)); });
      });
    });
  }

  ServicePhase phase() const noexcept { return services_.phase.load(std::memory_order_relaxed); }

  /// The time of this turn.
  MonotonicTime now() noexcept {
    if (!is_in_turn_) begin_turn();
    return now_;
  }
  /// The present second as an HTTP date.
  std::string_view http_date();

  const SharedServices& services() const noexcept { return services_; }
  const ServerOptions& options() const noexcept { return services_.options; }
  const InboundRates& inbound_rates(bool is_signaling) const noexcept {
    return is_signaling ? signaling_rates_ : inbound_rates_;
  }
  Hub& hub() noexcept { return *hub_; }
  NotificationFeeds& notification_feeds() noexcept { return notification_feeds_; }
  DeadlineWheel& wheel() noexcept { return wheel_; }
  /// Has a connection speak HTTP, through TLS if that is on; `unread` has arrived already.
  void serve(Connection& connection, std::string unread);

  /// Where every connection of this worker reads to, one at a time.
  std::vector<std::uint8_t>& read_buffer() noexcept { return read_buffer_; }

  /// Where every connection of this worker decrypts to what it has read; empty without TLS.
  std::vector<std::uint8_t>& plaintext_buffer() noexcept { return plaintext_buffer_; }

  /// What all connections of this worker may hold together.
  MemoryBudget& budget() noexcept { return budget_; }
  const OutboxLimits& outbox_limits() const noexcept { return outbox_limits_; }

  /// Where every connection of this worker lays out what it writes.
  WireBuffer& wire() noexcept { return wire_; }
  DropLog& drop_log() noexcept { return drop_log_; }

  /// Changed by this worker's thread only, read by any.
  WorkerCounters& counters() noexcept { return counters_; }
  const WorkerCounters& counters() const noexcept { return counters_; }
  void count_refusal(ConnectionCounts::Refusal reason) noexcept {
    counters_.refused[static_cast<std::size_t>(reason)].add();
  }
  LatencySampler& latency_sampler() noexcept { return latency_sampler_; }
  /// A frame has been queued for one connection; so many bytes were sent. On every delivery's way:
  /// the counters get them later.
  void count_delivery() noexcept { ++deliveries_; }
  void count_sent(std::size_t bytes) noexcept { sent_bytes_ += bytes; }

  void add_dirty(Connection& connection) { dirty_.push_back(&connection); }
  /// Has the connection looked at again in some milliseconds.
  void add_held_back(std::shared_ptr<Connection> connection);
  /// Lets go of a closed connection at the end of the turn.
  void retire(Connection& connection);

 private:
  void begin_turn() noexcept;
  /// `has_more`: perhaps not all that was ready has been handled.
  void end_turn(bool has_more);
  void adopt_operator(asio::ip::tcp::socket socket, const ClientAddress& address);
  void adopt(asio::ip::tcp::socket socket, const ClientAddress& address);
  std::variant<ConnectionCounts::Place, ConnectionCounts::Refusal> take_place(
      const ClientAddress& address);
  void refuse(asio::ip::tcp::socket socket, const ClientAddress& address,
              ConnectionCounts::Refusal reason);
  std::unique_ptr<TlsStream> make_tls() const;
  void drain(std::shared_ptr<Drain> drain);
  void resume();
  void go_on_draining();
  bool has_anything_left() const;
  void cut_what_is_left();
  void close_revoked();
  void arm_timer();
  void publish_counts();
  void recheck_held_back();
  void arm_next_turn(MonotonicTime deadline);

  SharedServices services_;
  WorkerCounters counters_;
  LatencySampler latency_sampler_;
  std::uint64_t last_session_serial_ = 0;
  std::uint64_t deliveries_ = 0;
  std::uint64_t sent_bytes_ = 0;
  const std::size_t max_held_bytes_;
  MemoryBudget budget_;
  const OutboxLimits outbox_limits_;
  const InboundRates inbound_rates_;
  const InboundRates signaling_rates_;
  asio::io_context io_;
  DeadlineWheel wheel_;
  StallGuard stall_guard_;
  std::unique_ptr<Hub> hub_;
  asio::steady_timer timer_;
  asio::steady_timer next_turn_timer_;
  asio::steady_timer drain_timer_;
  MonotonicTime next_turn_at_ = MonotonicTime::max();  // what next_turn_timer_ is set to
  std::vector<std::uint8_t> read_buffer_;
  std::shared_ptr<const TlsContext> tls_;
  std::vector<std::uint8_t> plaintext_buffer_;
  WireBuffer wire_;
  DropLog drop_log_;
  ConnectionCounts operator_counts_;
  NotificationFeeds notification_feeds_;
  std::unordered_set<std::shared_ptr<Connection>> connections_;
  std::vector<Connection*> dirty_;
  std::vector<std::shared_ptr<Connection>> held_back_;  // some are closed by now
  MonotonicTime held_back_until_ = MonotonicTime::max();
  std::vector<std::shared_ptr<Connection>> retired_;
  Listener listener_;
  std::optional<Listener> operator_listener_;
  MonotonicTime now_{};
  MonotonicTime turn_ended_{};    // the last one
  std::shared_ptr<Drain> drain_;  // while there is one that is not done
  CloseSchedule schedule_;
  std::vector<std::weak_ptr<Connection>> to_close_;  // of the drain
  std::size_t told_ = 0;                             // of to_close_
  std::int64_t date_second_ = -1;
  std::string date_;
  bool is_in_turn_ = false;
  bool is_ending_ = false;
  bool is_full_ = false;  // has been logged
};

}  // namespace voicechan::server
