#include "worker.hpp"

#include <algorithm>
#include <chrono>
#include <exception>
#include <system_error>
#include <utility>

#include "health.hpp"
#include "http_session.hpp"
#include "proxy_session.hpp"
#include "spdlog/spdlog.h"

namespace voicechan::server {
namespace {

// Handlers of one turn. More means fewer writes for the same frames; fewer means that what the
// first handler queued leaves earlier.
constexpr int kHandlersPerTurn = 64;
// Who slept before his turn mostly finds one thing to do. To ask the kernel for more would cost a
// system call; if there is more, the next turn follows at once and handles all of it.
constexpr std::chrono::microseconds kShortestSleep{100};
constexpr std::size_t kReadBufferBytes = 64 * 1024;
// How soon a connection that holds media back is looked at again; half of what a frame lasts.
constexpr std::chrono::milliseconds kHoldBack{10};
constexpr std::chrono::milliseconds kDrainStep{10};
// Connections of operators, beside those of clients.
constexpr std::size_t kMaxOperators = 32;

/// How long WebSockets are told to go. If nobody said so: a thousand a second is no burden for
/// those who take them on, and those who want to stop a server do not want to wait.
MonotonicTime::duration drain_spread(const ServerOptions& options, std::size_t websockets) {
  constexpr std::chrono::milliseconds kLongest{2000};
  if (options.drain_spread) return *options.drain_spread;
  return std::min({std::chrono::milliseconds(websockets), kLongest, options.drain_timeout / 2});
}

std::unique_ptr<Hub> attach_hub(const SharedServices& services, std::function<void()> wake) {
  HubOptions options = services.options.hub;
  options.signaling_messages_per_second = 0;  // counted by the connection, which can be closed
  options.flight_recorder = &services.flight_recorder;
  if (services.ice_servers != nullptr) {
    options.ice_servers = [servers = services.ice_servers](UserId user) {
      try {
        return servers->make_offer(user);
      } catch (const std::exception& error) {
        spdlog::error("peers are told no ICE servers: {}", error.what());
        throw;
      }
    };
  }
  auto hub = Hub::attach(services.backplane, options, std::move(wake));
  if (!hub) throw std::system_error(hub.error());
  return std::move(*hub);
}

OutboxLimits limits_within(const ServerOptions& options, MemoryBudget& budget) {
  OutboxLimits limits = options.outbox;
  limits.budget = &budget;
  return limits;
}

InboundRates signaling_rates(const ServerOptions& options) {
  InboundLimits limits = options.inbound;
  limits.messages_per_second = options.hub.signaling_messages_per_second;
  limits.message_burst = options.hub.signaling_burst;
  return InboundRates(limits);
}

}  // namespace

Worker::Worker(const SharedServices& services, const asio::ip::tcp::endpoint& endpoint,
               std::shared_ptr<const TlsContext> tls)
    : services_(services),
      latency_sampler_(counters_.delivery_latency),
      max_held_bytes_(services.options.max_held_bytes / services.worker_count),
      budget_(max_held_bytes_),
      outbox_limits_(limits_within(services.options, budget_)),
      inbound_rates_(services.options.inbound),
      signaling_rates_(signaling_rates(services.options)),
      io_(1),
      wheel_(std::chrono::steady_clock::now()),
      hub_(attach_hub(services, [this] { post([] {}); })),
      timer_(io_),
      next_turn_timer_(io_),
      drain_timer_(io_),
      read_buffer_(kReadBufferBytes),
      tls_(std::move(tls)),
      plaintext_buffer_(tls_ == nullptr ? 0 : kReadBufferBytes + TlsStream::kMaxCarriedBytes),
      drop_log_(&counters_.dropped_frames),
      operator_counts_(kMaxOperators, kMaxOperators),
      listener_(io_, endpoint, [this](asio::ip::tcp::socket socket, const ClientAddress& address) {
        adopt(std::move(socket), address);
      }) {}

Worker::~Worker() {
  dirty_.clear();
  held_back_.clear();
  retired_.clear();
  connections_.clear();
}

asio::ip::tcp::endpoint Worker::listen_for_operators(const asio::ip::tcp::endpoint& endpoint) {
  operator_listener_.emplace(io_, endpoint,
                             [this](asio::ip::tcp::socket socket, const ClientAddress& address) {
                               adopt_operator(std::move(socket), address);
                             });
  return operator_listener_->local_endpoint();
}

void Worker::run() {
  counters_.last_timer.set(
      static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count()));
  listener_.start();
  if (operator_listener_) operator_listener_->start();
  arm_timer();
  while (!is_ending_) {
    try {
      io_.run_one();
      int handled = 1;
      const bool has_slept = std::chrono::steady_clock::now() - turn_ended_ > kShortestSleep;
      while (!has_slept && handled < kHandlersPerTurn && io_.poll_one() > 0) ++handled;
      end_turn(has_slept || handled == kHandlersPerTurn);
    } catch (const std::exception& error) {
      // Connections guard themselves; what comes here is about the worker itself.
      spdlog::error("a worker's event handler failed: {}", error.what());
    }
  }
  cut_what_is_left();
  timer_.cancel();
  next_turn_timer_.cancel();
  drain_timer_.cancel();
  io_.poll();  // lets handlers of what was cut go
  end_turn(false);
}

void Worker::begin_turn() noexcept {
  is_in_turn_ = true;
  now_ = std::chrono::steady_clock::now();
}

void Worker::end_turn(bool has_more) {
  begin_turn();
  if (stall_guard_.may_judge(now_, has_more)) wheel_.advance(now_);
  const MonotonicTime next_tick = hub_->tick(now_);
  recheck_held_back();
  if (latency_sampler_.is_active()) latency_sampler_.find_listener(dirty_, now_);
  for (std::size_t i = 0; i < dirty_.size(); ++i) {
    if (i + 2 < dirty_.size()) dirty_[i + 2]->fetch_for_flush();
    dirty_[i]->flush();
  }
  dirty_.clear();
  if (latency_sampler_.is_active()) latency_sampler_.look_at_listener();
  arm_next_turn(std::min(next_tick, held_back_until_));
  wire_.forget();
  drop_log_.report(now_);
  retired_.clear();
  is_in_turn_ = false;
  turn_ended_ = std::chrono::steady_clock::now();
}

std::string_view Worker::http_date() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const std::int64_t second = std::chrono::duration_cast<std::chrono::seconds>(now).count();
  if (second != date_second_) {
    date_second_ = second;
    date_ = format_http_date(second);
  }
  return date_;
}

void Worker::adopt(asio::ip::tcp::socket socket, const ClientAddress& address) {
  if (options().proxy_protocol && !options().trusted_proxies.contains(address)) {
    spdlog::debug("{} is no trusted proxy and is refused", address.str());
    return;
  }
  auto place = take_place(address);
  if (const auto* reason = std::get_if<ConnectionCounts::Refusal>(&place)) {
    count_refusal(*reason);
    return refuse(std::move(socket), address, *reason);
  }
  auto connection = std::make_shared<Connection>(
      *this, std::move(socket), std::get<ConnectionCounts::Place>(std::move(place)));
  if (!connection->is_for_probes()) counters_.accepted.add();
  connection->set_late(!admits_connections(phase()));
  std::unique_ptr<Protocol> protocol;
  std::unique_ptr<TlsStream> tls;
  if (options().proxy_protocol) {
    protocol = std::make_unique<ProxySession>(*connection);
  } else {
    protocol = std::make_unique<HttpSession>(*connection);
    tls = make_tls();
  }
  connections_.insert(connection);  // what is in there has a protocol
  connection->start(std::move(protocol), std::move(tls));
}

void Worker::adopt_operator(asio::ip::tcp::socket socket, const ClientAddress& address) {
  auto place = operator_counts_.try_add(address);
  if (const auto* reason = std::get_if<ConnectionCounts::Refusal>(&place)) {
    return refuse(std::move(socket), address, *reason);
  }
  auto connection = std::make_shared<Connection>(
      *this, std::move(socket), std::get<ConnectionCounts::Place>(std::move(place)));
  connection->set_for_operators();
  connection->set_late(true);  // nobody waits for its end
  auto protocol = std::make_unique<HttpSession>(*connection, HttpSession::For::operators);
  connections_.insert(connection);
  connection->start(std::move(protocol));
}

void Worker::serve(Connection& connection, std::string unread) {
  connection.replace_protocol(std::make_unique<HttpSession>(connection), make_tls(),
                              std::move(unread));
}

std::unique_ptr<TlsStream> Worker::make_tls() const {
  return tls_ == nullptr ? nullptr : std::make_unique<TlsStream>(*tls_);
}

std::variant<ConnectionCounts::Place, ConnectionCounts::Refusal> Worker::take_place(
    const ClientAddress& address) {
  using Refusal = ConnectionCounts::Refusal;
  ConnectionCounts& counts = services_.connection_counts;
  // A trusted proxy makes the connections of many.
  const bool is_proxy = options().trusted_proxies.contains(address);
  if (!is_proxy && !services_.connection_rate.take(address.network(), now())) {
    return Refusal::too_often;
  }
  auto place = counts.try_add(address);
  const auto* const refusal = std::get_if<Refusal>(&place);
  if (refusal == nullptr) {
    is_full_ = false;
  } else if (*refusal == Refusal::full) {
    if (!std::exchange(is_full_, true)) {
      spdlog::warn("there are {} connections: more are refused", counts.max_in_total());
    }
    if (auto for_probe = counts.try_add_for_probes(address)) return *std::move(for_probe);
  }
  return place;
}

void Worker::refuse(asio::ip::tcp::socket socket, const ClientAddress& address,
                    ConnectionCounts::Refusal reason) {
  asio::error_code ignored;
  const int descriptor = socket.release(ignored);
  switch (reason) {
    case ConnectionCounts::Refusal::full:
      return Listener::refuse(descriptor, make_unavailable_response("Too many connections."));
    case ConnectionCounts::Refusal::address_full:
      spdlog::debug("{} has too many connections", address.str());
      return Listener::refuse(descriptor,
                              make_too_many_response("Too many connections of this address."));
    case ConnectionCounts::Refusal::too_often:
      spdlog::debug("{} connects too often", address.str());
      return Listener::refuse(descriptor,
                              make_too_many_response("This address connects too often."));
  }
}

void Worker::retire(Connection& connection) {
  const auto place = connections_.find(connection.shared_from_this());
  if (place == connections_.end()) return;
  retired_.push_back(*place);
  connections_.erase(place);
}

void Worker::arm_timer() {
  timer_.expires_after(DeadlineWheel::kGranularity);
  timer_.async_wait([this](asio::error_code error) {
    if (error) return;
    const MonotonicTime ticked = std::chrono::steady_clock::now();
    const auto lag = ticked - timer_.expiry();
    counters_.last_timer.set(static_cast<std::uint64_t>(ticked.time_since_epoch().count()));
    counters_.loop_lag.record(lag);
    counters_.lag_nanoseconds.set(static_cast<std::uint64_t>(std::max(lag, lag.zero()).count()));
    publish_counts();
    arm_timer();
  });
}

void Worker::publish_counts() {
  counters_.deliveries.set(deliveries_);
  counters_.sent_bytes.set(sent_bytes_);
  counters_.held_bytes.set(max_held_bytes_ - budget_.free_bytes());
  counters_.resumes.set(hub_->resume_count());
}

void Worker::add_held_back(std::shared_ptr<Connection> connection) {
  if (held_back_.empty()) held_back_until_ = now_ + kHoldBack;
  held_back_.push_back(std::move(connection));
}

void Worker::recheck_held_back() {
  if (now_ < held_back_until_) return;
  held_back_until_ = MonotonicTime::max();
  for (const auto& connection : std::exchange(held_back_, {})) connection->recheck();
}

void Worker::arm_next_turn(MonotonicTime deadline) {
  if (deadline == next_turn_at_) return;
  next_turn_at_ = deadline;
  if (deadline == MonotonicTime::max()) return;  // what it is set to now does no harm
  next_turn_timer_.expires_at(deadline);
  next_turn_timer_.async_wait([](asio::error_code) {});  // the end of the turn is what it is for
}

void Worker::replace_tls(std::shared_ptr<const TlsContext> tls) {
  post([this, tls = std::move(tls)]() mutable { tls_ = std::move(tls); });
}

void Worker::request_drain(std::shared_ptr<Drain> drain) {
  post([this, drain = std::move(drain)]() mutable { this->drain(std::move(drain)); });
}

void Worker::request_resume() {
  post([this] { resume(); });
}

void Worker::request_end() {
  post([this] { is_ending_ = true; });
}

void Worker::drain(std::shared_ptr<Drain> drain) {
  drain_ = std::move(drain);
  to_close_.clear();
  told_ = 0;
  const auto present = connections_;  // what has arrived may close some
  for (const auto& connection : present) {
    if (connection->use() == Protocol::Use::until_told) {
      to_close_.push_back(connection);
    } else {
      connection->take_input();
    }
  }
  const std::size_t websockets = to_close_.size();
  schedule_ = CloseSchedule(websockets, now(), drain_spread(services_.options, websockets));
  go_on_draining();
}

void Worker::resume() {
  drain_.reset();
  to_close_.clear();
  drain_timer_.cancel();
  for (const auto& connection : connections_) {
    if (!connection->is_for_operators()) connection->set_late(false);
  }
}

void Worker::go_on_draining() {
  if (drain_ == nullptr) return;
  for (const std::size_t due = schedule_.due(now()); told_ < due; ++told_) {
    if (const auto connection = to_close_[told_].lock()) connection->drain();
  }
  if (told_ == to_close_.size() && !has_anything_left()) {
    return std::exchange(drain_, nullptr)->on_worker_done();
  }
  drain_timer_.expires_after(kDrainStep);
  drain_timer_.async_wait([this](asio::error_code error) {
    if (!error) go_on_draining();
  });
}

bool Worker::has_anything_left() const {
  return std::any_of(connections_.begin(), connections_.end(), [](const auto& connection) {
    return !connection->is_late() && connection->use() != Protocol::Use::idle;
  });
}

/// Who has just come or has just asked something gets an answer, not a reset.
void Worker::cut_what_is_left() {
  listener_.refuse_waiting(make_refusal_response(ServicePhase::ended));
  const auto left = connections_;
  for (const auto& connection : left) connection->drain();
  end_turn(false);
  for (const auto& connection : left) connection->abort("the server stops");
  listener_.close();
  if (operator_listener_) operator_listener_->close();
}

void Worker::request_close_of_revoked() {
  post([this] { close_revoked(); });
}

void Worker::close_revoked() {
  std::vector<std::shared_ptr<Connection>> revoked;  // closing may change connections_
  for (const auto& connection : connections_) {
    if (connection->is_revoked()) revoked.push_back(connection);
  }
  for (const auto& connection : revoked) connection->close_revoked();
}

}  // namespace voicechan::server
