#include "websocket_session.hpp"

#include <exception>
#include <utility>

#include "notification_feed.hpp"
#include "spdlog/spdlog.h"
#include "worker.hpp"

namespace voicechan::server {
namespace {

// In a ping that asks whether what was sent before has arrived.
constexpr std::string_view kEcho = "echo";
constexpr std::uint16_t kNoCloseFrame = 1006;

/// A signaling client is told of a message that is too large; in a voice room it is closed (1009).
OversizePolicy oversize_policy(Endpoint endpoint) {
  return endpoint == Endpoint::signaling_socket ? OversizePolicy::discard : OversizePolicy::fail;
}

std::string_view failure_reason(std::uint16_t code) {
  switch (static_cast<CloseCode>(code)) {
    case CloseCode::bad_data:
      return "text is not UTF-8";
    case CloseCode::too_large:
      return "message too large";
    case CloseCode::policy_violation:
      return "too many fragments";
    default:
      return "protocol error";
  }
}

}  // namespace

WebSocketSession::WebSocketSession(Connection& connection, Endpoint endpoint,
                                   std::shared_ptr<const LiveCredential> credential,
                                   UserCounts::Place place)
    : connection_(connection),
      codec_(connection.worker().options().websocket, oversize_policy(endpoint)),
      credential_(std::move(credential)),
      place_(std::move(place)),
      serial_(connection.worker().next_session_serial()),
      opened_(connection.worker().now()),
      endpoint_(endpoint),
      held_(connection.worker().budget()),
      last_received_(connection.worker().now()) {}

Result<Session> WebSocketSession::open_session(const Route& route, Identity user,
                                               VoiceProtocol protocol) {
  Hub& hub = connection_.worker().hub();
  switch (route.endpoint) {
    case Endpoint::voice_socket:
      return hub.join_voice(std::move(user), *route.room, *this, protocol);
    case Endpoint::signaling_socket:
      return hub.open_signaling(std::move(user), *this);
    case Endpoint::notifications_socket:
      return open_notifications(route, user);
    default:  // not `is_websocket`
      break;
  }
  return Session();
}

/// Nothing stands between hub and socket where nothing can have been missed.
Session WebSocketSession::open_notifications(const Route& route, const Identity& user) {
  Worker& worker = connection_.worker();
  MissedInvitations* const missed = worker.services().missed_invitations;
  const auto since = route.parameter("since");
  if (missed == nullptr && !since) return worker.hub().open_notifications(user, *this);
  NotificationFeed::Begin begin{std::nullopt, system_clock().now()};
  if (since) (void)NotificationFeed::parse_since(*since, begin);
  std::optional<MissedInvitations::Socket> socket;
  if (missed != nullptr) socket.emplace(missed->add_socket(user.id));
  Transport& out = *this;
  feed_ = std::make_unique<NotificationFeed>(out, user.id, begin, worker.notification_feeds(),
                                             std::move(socket));
  if (begin.wants_mark) feed_->hold();
  return worker.hub().open_notifications(user, *feed_);
}

void WebSocketSession::catch_up() {
  if (feed_ == nullptr || !feed_->begin().wants_mark) return;
  Worker& worker = connection_.worker();
  const SharedServices& services = worker.services();
  auto job = [&directory = services.directory, user = feed_->user(),
              begin = feed_->begin()]() -> Result<std::vector<InvitationNotice>> {
    try {
      if (!begin.since) return list_newest(directory, user, begin.opened);
      return directory.list_notices(user, *begin.since, kMaxMissedInvitations);
    } catch (const std::exception& error) {
      spdlog::error("looking for missed invitations failed inside: {}", error.what());
      return Errc::store_unavailable;
    }
  };
  auto done = [this](const Result<std::vector<InvitationNotice>>& found) { take_missed(found); };
  if (worker.run_blocking(services.listing_pool, connection_, std::move(job), std::move(done)))
    return;
  begin_close(CloseCode::try_again_later, "the server is overloaded");
}

/// A client that cannot be told what he has missed is to come again, and ask for the same.
void WebSocketSession::take_missed(const Result<std::vector<InvitationNotice>>& found) {
  if (!found) return begin_close(CloseCode::try_again_later, "the store cannot be read now");
  feed_->add_missed(*found);
}

std::error_code WebSocketSession::join(const Route& route, Identity user, VoiceProtocol protocol) {
  auto session = open_session(route, std::move(user), protocol);
  if (!session) return session.error();
  session_ = *std::move(session);
  is_joined_ = true;
  counters().connections[static_cast<std::size_t>(protocol_of(endpoint_))].add();
  spdlog::debug("{} connection of user {} opened", name(), place_.user().value);
  return {};
}

WebSocketSession::~WebSocketSession() {
  session_.lose();
  if (is_joined_) {
    count_close(kNoCloseFrame);
    counters().connections[static_cast<std::size_t>(protocol_of(endpoint_))].subtract();
  }
  const Drops& drops = connection_.drops();
  if (drops.frames > 0) {
    spdlog::info("{} connection of user {} closed; it was too slow for {} frames ({} bytes)",
                 name(), place_.user().value, drops.frames, drops.bytes);
  } else {
    spdlog::debug("{} connection of user {} closed", name(), place_.user().value);
  }
}

std::string_view WebSocketSession::name() const noexcept {
  return endpoint_ == Endpoint::voice_socket       ? "voice"
         : endpoint_ == Endpoint::signaling_socket ? "signaling"
                                                   : "notifications";
}

void WebSocketSession::on_bytes(std::uint8_t* data, std::size_t size) {
  last_received_ = connection_.worker().now();
  ping_sent_ = MonotonicTime::max();
  while (connection_.is_open()) {
    auto event = codec_.next(data, size);
    if (event.type == WebSocketCodec::Event::Type::need_more) break;
    // A control frame within a fragmented message does not end it.
    using Type = WebSocketCodec::Event::Type;
    const bool ends_message = event.type == Type::message || event.type == Type::too_large;
    if (ends_message || !codec_.is_mid_message()) message_began_ = MonotonicTime::max();
    on_event(std::move(event));
  }
  const std::size_t held = codec_.is_mid_message() ? codec_.held_bytes() : 0;
  if (held != held_.bytes() && !held_.resize(held)) {
    fail(CloseCode::try_again_later, "too much is held for all clients together");
    codec_ = WebSocketCodec(connection_.worker().options().websocket, oversize_policy(endpoint_));
    (void)held_.resize(0);
  }
  if (codec_.is_mid_message() && message_began_ == MonotonicTime::max()) {
    message_began_ = last_received_;
    connection_.check_deadline_at(message_began_ +
                                  connection_.worker().options().deadlines.message);
  }
}

void WebSocketSession::on_event(WebSocketCodec::Event event) {
  using Type = WebSocketCodec::Event::Type;
  switch (event.type) {
    case Type::need_more:
      return;
    case Type::message:
      count_message(event);
      if (!is_within_rates(event.payload.size())) return;
      return session_.receive(event.kind, std::move(event.payload));
    case Type::too_large:
      if (!is_within_rates(connection_.worker().options().websocket.max_message_bytes)) return;
      return session_.refuse(Errc::too_large);
    case Type::ping:
      return on_ping(event.payload);
    case Type::pong:
      // The answer to a ping of ours is no flood, however many we send to a slow peer.
      if (event.payload != kEcho || !connection_.on_echo()) (void)is_control_flood();
      return;
    case Type::close:
      session_.leave();
      count_close(event.code);
      if (!is_closing_) connection_.write_last(encode_close_reply(event.code));
      return connection_.finish();
    case Type::failed:
      return fail(static_cast<CloseCode>(event.code), failure_reason(event.code));
  }
}

void WebSocketSession::count_message(const WebSocketCodec::Event& event) {
  const auto kind = static_cast<std::size_t>(event.kind);
  counters().messages[static_cast<std::size_t>(protocol_of(endpoint_))][kind].add();
  if (endpoint_ == Endpoint::voice_socket && event.kind == FrameKind::binary) {
    connection_.worker().latency_sampler().on_media(event.payload, last_received_);
  }
}

void WebSocketSession::count_close(std::uint16_t code) noexcept {
  if (!std::exchange(is_close_counted_, true)) counters().count_close(code);
}

WorkerCounters& WebSocketSession::counters() noexcept { return connection_.worker().counters(); }

void WebSocketSession::fail(CloseCode code, std::string_view reason) {
  session_.leave();
  count_close(static_cast<std::uint16_t>(code));
  if (!is_closing_) connection_.write_last(encode_close(code, reason));
  connection_.finish();
}

void WebSocketSession::on_ping(const std::string& payload) {
  if (is_control_flood() || is_closing_) return;
  // At most one pong waits, for the newest ping (RFC 6455, section 5.5.3).
  if (connection_.is_blocked() && connection_.has_raw_waiting()) {
    pong_ = std::make_unique<std::string>(payload);
    connection_.notify_when_written();
    return;
  }
  pong_ = nullptr;
  connection_.write(encode_pong(payload));
}

bool WebSocketSession::is_within_rates(std::size_t bytes) {
  using Verdict = InboundMeter::Verdict;
  const bool is_signaling = endpoint_ == Endpoint::signaling_socket;
  const InboundRates& rates = connection_.worker().inbound_rates(is_signaling);
  const Verdict verdict = meter_.on_message(rates, bytes, last_received_);
  if (verdict == Verdict::take) return true;
  // In signaling every message gets its answer; elsewhere one tells enough.
  if (is_signaling || verdict != Verdict::refuse_again) session_.refuse(Errc::rate_limited);
  if (verdict == Verdict::close) begin_close(CloseCode::policy_violation, "too many messages");
  return false;
}

bool WebSocketSession::is_control_flood() {
  if (meter_.on_control_frame(connection_.worker().inbound_rates(false), last_received_)) {
    return false;
  }
  session_.refuse(Errc::rate_limited);
  begin_close(CloseCode::policy_violation, "too many control frames");
  return true;
}

void WebSocketSession::send(const Frame& frame) noexcept {
  if (connection_.push(frame)) return;
  spdlog::warn("{} connection of user {} is closed: it reads too slowly", name(),
               place_.user().value);
  connection_.discard_unsent();
  begin_close(CloseCode::try_again_later, "too slow");
}

void WebSocketSession::begin_close(CloseCode code, std::string_view reason) {
  if (is_closing_) return;
  is_closing_ = true;
  count_close(static_cast<std::uint16_t>(code));
  session_.leave();
  if (feed_ != nullptr) feed_->end();  // nothing may follow a close frame
  connection_.write_last(encode_close(code, reason));
  close_deadline_ = connection_.worker().now() + connection_.worker().options().deadlines.close;
  connection_.check_deadline_at(close_deadline_);
}

MonotonicTime WebSocketSession::on_deadline(MonotonicTime now) {
  const Deadlines& deadlines = connection_.worker().options().deadlines;
  if (is_closing_) {
    if (now >= close_deadline_) connection_.abort("the close was not answered");
    return close_deadline_;
  }
  MonotonicTime next = MonotonicTime::max();
  if (message_began_ != MonotonicTime::max()) {
    next = message_began_ + deadlines.message;
    if (now >= next) {
      begin_close(CloseCode::policy_violation, "message not completed in time");
      return close_deadline_;
    }
  }
  if (ping_sent_ == MonotonicTime::max() && now >= last_received_ + deadlines.ping_interval) {
    ping_sent_ = now;
    connection_.write(encode_ping({}));
  }
  const MonotonicTime alive_until = ping_sent_ == MonotonicTime::max()
                                        ? last_received_ + deadlines.ping_interval
                                        : ping_sent_ + deadlines.ping_timeout;
  if (now >= alive_until) {
    session_.lose();
    connection_.abort("the peer does not answer pings");
  }
  return std::min(next, alive_until);
}

void WebSocketSession::on_output_written() {
  session_.on_written();
  if (pong_ == nullptr || is_closing_) return;  // nothing follows a close frame
  connection_.write(encode_pong(*std::exchange(pong_, nullptr)));
}

void WebSocketSession::request_echo() {
  if (!is_closing_) connection_.write(encode_ping(kEcho));
}

void WebSocketSession::on_end_of_input() { session_.lose(); }

void WebSocketSession::drain() { begin_close(CloseCode::going_away, "server is stopping"); }

void WebSocketSession::close_revoked() {
  if (is_closing_) return;
  spdlog::debug("{} connection of user {} is closed: its credential was revoked", name(),
                place_.user().value);
  connection_.discard_unsent();
  begin_close(CloseCode::credential_revoked, "credential revoked");
}

SessionView WebSocketSession::view_session() const {
  return {serial_,
          place_.user(),
          name(),
          std::string(session_.room()),
          connection_.client_address(),
          connection_.worker().now() - opened_,
          connection_.outbox().bytes()};
}

void WebSocketSession::kick() {
  if (is_closing_) return;
  spdlog::info("{} connection of user {} is closed by an operator", name(), place_.user().value);
  connection_.discard_unsent();
  begin_close(CloseCode::kicked, "closed by an operator");
}

void WebSocketSession::on_replaced() noexcept {
  spdlog::debug("{} connection of user {} is closed: its session was resumed on another one",
                name(), place_.user().value);
  connection_.discard_unsent();
  begin_close(CloseCode::resumed_elsewhere, "resumed elsewhere");
}

bool WebSocketSession::break_off() noexcept {
  if (is_closing_) return false;  // it has left already
  connection_.abort("the server of its session has lost touch with it");
  return true;
}

}  // namespace voicechan::server
