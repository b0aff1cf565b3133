#include "http_session.hpp"

#include <algorithm>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "admin_api.hpp"
#include "credential_error.hpp"
#include "group_preparation.hpp"
#include "health.hpp"
#include "json_views.hpp"
#include "rest_api.hpp"
#include "spdlog/spdlog.h"
#include "websocket_codec.hpp"
#include "websocket_session.hpp"
#include "worker.hpp"

namespace voicechan::server {
namespace {

// For the request of a connection that may ask for a probe only.
constexpr std::chrono::milliseconds kProbePatience{1000};

/// The group that a WebSocket is in from its handshake on.
std::optional<std::string> group_of(const Route& route, UserId user) {
  if (route.endpoint == Endpoint::voice_socket) return voice_group(*route.room);
  if (route.endpoint == Endpoint::notifications_socket) return notification_group(user);
  return std::nullopt;
}

}  // namespace

struct HttpSession::WaitingHandshake {
  Handshake handshake;
  Route route;
  Admission admission;
  GroupPreparation group;
};

HttpSession::HttpSession(Connection& connection, For whom)
    : connection_(connection),
      is_for_operators_(whom == For::operators),
      peer_(connection.client_address()),
      is_behind_proxy_(!is_for_operators_ &&
                       connection.worker().options().trusted_proxies.contains(peer_)),
      codec_(connection.worker().options().http),
      held_(connection.worker().budget()),
      deadline_(connection.worker().now() +
                (connection.is_for_probes()
                     ? kProbePatience
                     : connection.worker().options().deadlines.request_head)) {
  counters().connections[static_cast<std::size_t>(ProtocolKind::http)].add();
}

HttpSession::~HttpSession() {
  counters().connections[static_cast<std::size_t>(ProtocolKind::http)].subtract();
}

WorkerCounters& HttpSession::counters() noexcept { return connection_.worker().counters(); }

void HttpSession::on_bytes(std::uint8_t* data, std::size_t size) {
  process({reinterpret_cast<const char*>(data), size});
}

void HttpSession::process(std::string_view input) {
  while (connection_.is_open()) {
    if (connection_.is_blocked()) {
      // The client does not read its responses: it gets no more until it does.
      if (!keep_unread(input)) return;
      connection_.pause_reading();
      connection_.notify_when_written();
      return;
    }
    switch (codec_.consume(input)) {
      case HttpCodec::Status::need_more:
        if (!held_.resize(codec_.held_bytes())) {
          respond_to_failure(503, "The server has no memory for this request now.");
          codec_ = HttpCodec(connection_.worker().options().http);  // lets go of it
          return;
        }
        update_deadline();
        return;
      case HttpCodec::Status::send_continue:
        connection_.write("HTTP/1.1 100 Continue\r\n\r\n");
        break;
      case HttpCodec::Status::failed:
        respond_to_failure(codec_.error_status(), codec_.error_detail());
        return;
      case HttpCodec::Status::request:
        begin_request(codec_.take_request());
        if (!is_busy_) break;
        if (keep_unread(input)) connection_.pause_reading();
        return;
    }
  }
}

bool HttpSession::keep_unread(std::string_view input) {
  unread_.assign(input);
  if (held_.resize(held_.bytes() + unread_.size())) return true;
  connection_.abort("too much is held for all clients together");
  return false;
}

void HttpSession::begin_request(HttpRequest request) {
  is_busy_ = true;
  framing_ = {request.is_http_1_0, request.keep_alive, request.method == "HEAD",
              is_preflight(request), std::nullopt};
  if (!is_for_operators_) {  // no web page reads what they see
    framing_.allowed_origin = connection_.worker().services().origins.find_allowed_origin(request);
  }
  if (is_behind_proxy_ && !identify_client(request)) {
    connection_.worker().count_refusal(ConnectionCounts::Refusal::address_full);
    return respond(make_too_many_response("Too many connections of this address."));
  }
  // About the server as a whole (RFC 9110, section 9.3.7); the codec lets it pass with OPTIONS
  // only.
  if (request.target == "*") return respond(make_options_response("GET, HEAD, OPTIONS, POST"));
  auto found = is_for_operators_ ? route_admin(request.target) : route(request.target);
  const Route* asked = std::get_if<Route>(&found);
  const bool is_probe = asked != nullptr && is_health(asked->endpoint);
  if (!is_probe && connection_.is_for_probes()) return refuse_full();
  if (!is_probe && !is_for_operators_ && is_too_late())
    return respond(make_refusal_response(connection_.worker().phase()));
  if (const auto* error = std::get_if<RouteError>(&found)) {
    const StaticSite* const site = connection_.worker().services().site;
    if (site != nullptr && !is_for_operators_) {
      if (auto page = site->answer(request)) return respond(std::move(*page));
    }
    return respond(*error == RouteError::malformed
                       ? make_detail_response(400, "The request target is malformed.")
                       : make_detail_response(404, "Not found."));
  }
  Route& target = std::get<Route>(found);
  if (auto response = answer_early(request, target)) return respond(*response);
  if (is_probe) {
    return write_response(make_health_response(target.endpoint, connection_.worker().phase()));
  }
  if (is_admin(target.endpoint)) {
    return begin_admin(std::make_shared<const HttpRequest>(std::move(request)), std::move(target));
  }
  if (is_websocket(target.endpoint)) return begin_handshake(request, std::move(target));
  begin_rest(std::make_shared<const HttpRequest>(std::move(request)), target, NewUsers::later);
}

/// False if the client has too many connections.
bool HttpSession::identify_client(const HttpRequest& request) {
  const ServerOptions& options = connection_.worker().options();
  const ClientAddress client =
      find_client(options.forwarded_field, request.field(name_of(options.forwarded_field)), peer_,
                  options.trusted_proxies);
  if (client == connection_.client_address()) return true;
  spdlog::debug("proxy {} passes on a request of {}", peer_.str(), client.str());
  return connection_.set_client_address(client);
}

/// Whether the server has begun to stop before this request's connection was made, or is about to
/// end.
bool HttpSession::is_too_late() const noexcept {
  const ServicePhase phase = connection_.worker().phase();
  return phase == ServicePhase::ended || (!admits_connections(phase) && connection_.is_late());
}

void HttpSession::begin_rest(const std::shared_ptr<const HttpRequest>& request, const Route& route,
                             NewUsers new_users) {
  Worker& worker = connection_.worker();
  const SharedServices& services = worker.services();
  if (!held_.resize(std::max(held_.bytes(), request->body.size()))) return refuse_overload();
  const bool is_write = request->method == "POST";
  const bool is_listing = (route.endpoint == Endpoint::channels && !is_write) ||
                          route.endpoint == Endpoint::channel_members;
  if (is_write) new_users = NewUsers::create;
  auto job = [&api = services.rest_api, request, route, address = connection_.client_address(),
              new_users]() -> std::optional<HttpResponse> {
    try {
      return api.handle(*request, route, address, new_users);
    } catch (const std::exception& error) {
      spdlog::error("a request failed inside: {}", error.what());
      return make_detail_response(500, "The server failed to answer this request.");
    }
  };
  auto done = [this, request, route](const std::optional<HttpResponse>& response) {
    if (response) return on_response(*response);
    begin_rest(request, route, NewUsers::create);
  };
  BlockingPool& pool = new_users == NewUsers::create ? services.write_pool
                       : is_listing                  ? services.listing_pool
                                                     : services.pool;
  if (!worker.run_blocking(pool, connection_, std::move(job), std::move(done))) refuse_overload();
}

void HttpSession::begin_admin(const std::shared_ptr<const HttpRequest>& request, Route route) {
  Worker& worker = connection_.worker();
  const SharedServices& services = worker.services();
  const bool is_status = route.endpoint == Endpoint::metrics || route.endpoint == Endpoint::health;
  auto job = [&api = *services.admin_api, request, route = std::move(route),
              address = connection_.client_address()] {
    try {
      return api.handle(*request, route, address);
    } catch (const std::exception& error) {
      spdlog::error("a request of an operator failed inside: {}", error.what());
      return make_detail_response(500, "The server failed to answer this request.");
    }
  };
  auto done = [this](const HttpResponse& response) { on_response(response); };
  BlockingPool& pool = is_status ? *services.status_pool : *services.admin_pool;
  if (!worker.run_blocking(pool, connection_, std::move(job), std::move(done))) {
    refuse_overload();
  }
}

void HttpSession::begin_handshake(const HttpRequest& request, Route route) {
  auto checked = check_handshake(request);
  if (const auto* refusal = std::get_if<HttpResponse>(&checked)) return respond(*refusal);
  if (const auto refusal = refuse_query(route)) return respond(*refusal);
  const ServicePhase phase = connection_.worker().phase();
  if (!is_ready(phase)) return respond(make_refusal_response(phase));
  auto& handshake = std::get<Handshake>(checked);
  const auto& services = connection_.worker().services();
  if (!services.origins.allows(request)) {
    return respond(make_detail_response(
        403, "Web pages of this origin may not connect (--allowed-origin lets them)."));
  }
  auto key = find_handshake_key(request, route, handshake.subprotocols,
                                services.options.allow_query_token);
  identify(std::move(handshake), std::move(route), std::move(key), NewUsers::later);
}

void HttpSession::identify(Handshake handshake, Route route, std::optional<std::string> key,
                           NewUsers new_users) {
  Worker& worker = connection_.worker();
  const SharedServices& services = worker.services();
  auto job = [&services, key, address = connection_.client_address(),
              new_users]() -> Result<Admission> {
    try {
      return services.key_guard.check(address, key,
                                      [&] { return services.authenticator.admit(key, new_users); });
    } catch (const std::exception& error) {
      spdlog::error("a handshake failed inside: {}", error.what());
      return Errc::store_unavailable;
    }
  };
  auto done = [this, handshake = std::move(handshake), route = std::move(route),
               key = std::move(key)](Result<Admission> admission) {
    if (admission.error() == CredentialErrc::new_subject) {
      return identify(handshake, route, key, NewUsers::create);
    }
    on_identified(handshake, route, std::move(admission));
  };
  BlockingPool& pool = new_users == NewUsers::create ? services.write_pool : services.pool;
  if (!worker.run_blocking(pool, connection_, std::move(job), std::move(done))) refuse_overload();
}

void HttpSession::refuse_full() {
  connection_.worker().count_refusal(ConnectionCounts::Refusal::full);
  respond(make_unavailable_response("Too many connections."));
}

void HttpSession::refuse_overload() {
  on_response(make_unavailable_response("The server is overloaded."));
}

void HttpSession::on_identified(const Handshake& handshake, const Route& route,
                                Result<Admission> admission) {
  if (!admission) {
    return on_response(connection_.worker().services().rest_api.fail(admission.error()));
  }
  const auto group = group_of(route, admission->user.id);
  if (!group) return open_websocket(handshake, route, *std::move(admission));
  const auto on_ready = [this] {
    const auto waiting = std::move(waiting_);  // holds the group until it is joined
    open_websocket(waiting->handshake, waiting->route, std::move(waiting->admission));
  };
  waiting_ = std::unique_ptr<WaitingHandshake>(new WaitingHandshake{
      handshake, route, *std::move(admission), GroupPreparation(connection_, *group, on_ready)});
  if (waiting_->group.is_ready()) return on_ready();
  deadline_ = connection_.worker().now() + connection_.worker().options().deadlines.request_head;
  connection_.check_deadline_at(deadline_);
}

void HttpSession::open_websocket(const Handshake& handshake, const Route& route,
                                 Admission admission) {
  if (admission.credential->is_revoked()) {  // since the store was asked
    return on_response(make_unauthorized_response(CredentialErrc::revoked));
  }
  const ServicePhase phase = connection_.worker().phase();
  if (!is_ready(phase)) return on_response(make_refusal_response(phase));
  auto place = connection_.worker().services().user_counts.try_add(
      admission.user.id, route.endpoint == Endpoint::signaling_socket);
  if (!place) return on_response(make_too_many_response("This user has too many WebSockets."));
  Connection& connection = connection_;
  auto session = std::make_unique<WebSocketSession>(
      connection, route.endpoint, std::move(admission.credential), std::move(*place));
  const VoiceProtocol protocol = handshake.voice_protocol(route.endpoint);
  if (const auto error = session->join(route, std::move(admission.user), protocol)) {
    return on_response(make_failure_response(error));
  }
  connection.write(encode_handshake(handshake.key, handshake.choose_subprotocol(route.endpoint)));
  session->catch_up();
  std::string unread = std::move(unread_);
  connection.replace_protocol(std::move(session), std::move(unread));  // destroys this
  connection.resume_reading();
}

void HttpSession::on_response(const HttpResponse& response) {
  respond(response);
  if (connection_.is_open()) resume();
}

void HttpSession::respond(HttpResponse response) {
  spdlog::debug("http response {}", response.status);
  write_response(std::move(response));
}

void HttpSession::write_response(HttpResponse response) {
  is_busy_ = false;
  counters().count_response(response.status);
  (void)held_.resize(0);
  if (!is_ready(connection_.worker().phase()) || connection_.is_for_probes()) {
    framing_.keep_alive = false;
  }
  if (framing_.allowed_origin) {
    add_cors_fields(response, *framing_.allowed_origin, framing_.is_preflight);
  }
  connection_.notify_when_written();
  connection_.write(serialize(response, framing_.is_http_1_0, framing_.keep_alive, framing_.is_head,
                              connection_.worker().http_date()));
  if (!framing_.keep_alive) return connection_.finish();
  phase_ = Phase::idle;
  deadline_ = connection_.worker().now() + connection_.worker().options().deadlines.keep_alive;
  connection_.check_deadline_at(deadline_);
}

void HttpSession::respond_to_failure(unsigned status, std::string_view detail) {
  framing_ = {};
  framing_.is_head = codec_.is_head_request();
  respond(make_detail_response(status, detail));
}

void HttpSession::resume() {
  connection_.resume_reading();
  if (unread_.empty()) return;
  const std::string input = std::exchange(unread_, {});
  process(input);
}

void HttpSession::update_deadline() {
  const Phase phase = codec_.is_reading_body() ? Phase::body
                      : codec_.is_idle()       ? Phase::idle
                                               : Phase::head;
  if (phase == phase_ || (phase == Phase::idle && phase_ == Phase::fresh) ||
      (phase == Phase::head && phase_ == Phase::fresh)) {
    return;
  }
  phase_ = phase;
  const Deadlines& deadlines = connection_.worker().options().deadlines;
  const MonotonicTime now = connection_.worker().now();
  deadline_ = now + (phase == Phase::body   ? deadlines.request_body
                     : phase == Phase::head ? deadlines.request_head
                                            : deadlines.keep_alive);
  connection_.check_deadline_at(deadline_);
}

MonotonicTime HttpSession::on_deadline(MonotonicTime now) {
  if ((is_busy_ && waiting_ == nullptr) || connection_.is_blocked()) return MonotonicTime::max();
  if (now < deadline_) return deadline_;
  if (waiting_ != nullptr) {
    waiting_ = nullptr;
    on_response(make_unavailable_response("The other servers cannot be reached now."));
    return connection_.is_open() ? deadline_ : MonotonicTime::max();
  }
  if (connection_.is_for_probes()) {
    refuse_full();
  } else if (codec_.is_idle()) {
    connection_.finish();
  } else {
    respond_to_failure(408, "The request did not arrive in time.");
  }
  return MonotonicTime::max();
}

void HttpSession::on_output_written() {
  if (!is_busy_) resume();
}

Protocol::Use HttpSession::use() const noexcept {
  const bool is_idle = !is_busy_ && codec_.is_idle() && unread_.empty();
  return is_idle ? Use::idle : Use::request;
}

void HttpSession::drain() {
  if (use() == Use::idle) connection_.finish();
}

}  // namespace voicechan::server
