#include <algorithm>
#include <chrono>
#include <cstdint>
#include <utility>

#include "hub_impl.hpp"
#include "ice_ufrag.hpp"
#include "room_message.hpp"
#include "signaling_message.hpp"

// Signaling: ids, rooms of peers, directed messages and their receipts.

namespace voicechan {
namespace {

/// When a host that could not say what ICE servers there are is asked again.
constexpr std::chrono::minutes kIceRetry{1};

constexpr std::string_view kNotAnObject =
    "a signaling message is one JSON object in a text frame, not nested too deeply";
constexpr std::string_view kNoData = "an update has \"data\"";
constexpr std::string_view kBadErrorCode = "\"error_code\" must be an integer from 300 to 799";
constexpr std::string_view kTooManyReceipts = "too many messages wait for their receipts";
constexpr std::string_view kTooManyChanges = "too many joins, updates and syncs of rooms";
constexpr std::string_view kBadTo = "\"to\" must be the id of a peer, as a string";

/// What a client is told when it is known what became of a message.
std::string_view receipt_status(Delivery delivery) {
  switch (delivery) {
    case Delivery::delivered:
      return "delivered";
    case Delivery::gone:
      return "gone";
    case Delivery::unknown_peer:
      return "unknown";
    case Delivery::peer_busy:
      return "busy";
    case Delivery::queued:
    case Delivery::waiting:
      break;
  }
  return {};
}

FlightEvent::Outcome outcome_of(Delivery delivery) {
  switch (delivery) {
    case Delivery::queued:
      return FlightEvent::Outcome::queued;
    case Delivery::delivered:
      return FlightEvent::Outcome::delivered;
    case Delivery::gone:
      return FlightEvent::Outcome::gone;
    case Delivery::unknown_peer:
      return FlightEvent::Outcome::unknown;
    case Delivery::peer_busy:
      return FlightEvent::Outcome::busy;
    case Delivery::waiting:
      return FlightEvent::Outcome::waiting;
  }
  return FlightEvent::Outcome::open;
}

FlightEvent::Type type_of(const SignalingMessage& message) {
  if (message.type == "offer") return FlightEvent::Type::offer;
  if (message.type == "answer") return FlightEvent::Type::answer;
  if (message.type == "candidate") return FlightEvent::Type::candidate;
  return FlightEvent::Type::other;
}

}  // namespace

PeerId Hub::Impl::make_id() {
  PeerId::Random random;
  random_->fill(random.data(), random.size());
  return PeerId(port_->address(), random);
}

void Hub::Impl::leave_signaling(SignalingState& signaling) noexcept {
  if (signaling.joining != nullptr) drop_join(signaling);
  if (signaling.tunnel != nullptr) {
    signal(*signaling.tunnel, {TunnelSignal::Kind::closed});
    return drop_tunnel(signaling);
  }
  if (signaling.receipts != nullptr) {
    for (const SendTicket& ticket : signaling.receipts->unwritten) {
      port_->report(ticket, Delivery::gone);
    }
  }
  signaling.place = nullptr;
  if (signaling.id) peers_.erase(*signaling.id);
  if (signaling.resumption == nullptr) return;
  if (TunnelTransport* const tunnel = signaling.resumption->tunnel.get()) {
    tunnel->send(TunnelSignal{TunnelSignal::Kind::failed});
  }
  resumables_.erase(signaling.resumption->key);
  if (signaling.resumption->waits) waiting_.erase(*signaling.resumption->waits);
}

void Hub::Impl::route(State& session, FrameKind kind, std::string_view text) {
  if (session.signaling->tunnel != nullptr) return pass_through(session, kind, text);
  if (!session.signaling->messages.take(options_.signaling_messages_per_second,
                                        options_.signaling_burst, now_)) {
    return refuse(session, Errc::rate_limited);
  }
  if (text.size() > options_.max_signaling_bytes) {
    return refuse(session, Errc::too_large);
  }
  if (session.signaling->joining != nullptr) return keep_said(session, kind, text);
  handle(session, kind, text);
}

void Hub::Impl::handle(State& session, FrameKind kind, std::string_view text) {
  if (kind != FrameKind::text) return refuse(session, Errc::bad_message, {}, kNotAnObject);
  const auto message = parse_signaling_message(text, options_.max_json_depth);
  if (!message) return refuse(session, Errc::bad_message, {}, kNotAnObject);
  if (!message->has_to && message->type == "join") return join(session, *message);
  if (!message->has_to && message->type == "resume") return resume(session, *message);
  if (!message->has_to && session.signaling->place != nullptr &&
      handle_in_room(session, *message)) {
    return;
  }
  if (!session.signaling->id) return refuse(session, Errc::not_joined, message->to);
  if (!message->to) return refuse(session, *message, Errc::bad_message, kBadTo);
  forward(session, *message);
}

bool Hub::Impl::may_change_room(State& session) {
  if (session.signaling->room_changes.take(options_.room_changes_per_second,
                                           options_.room_changes_burst, now_)) {
    return true;
  }
  refuse(session, Errc::rate_limited, {}, kTooManyChanges);
  return false;
}

std::optional<IceOffer> Hub::Impl::offer_ice(State& session) {
  if (!options_.ice_servers) return std::nullopt;
  PeerRooms::Place& place = *session.signaling->place;
  std::optional<IceOffer> offer;
  try {
    offer = options_.ice_servers(session.signaling->user.id);
  } catch (...) {
    peer_rooms_->refresh_at(place, now_ + kIceRetry);
    return std::nullopt;
  }
  const std::chrono::seconds refresh = std::max(offer->ttl * 3 / 4, std::chrono::seconds(1));
  peer_rooms_->refresh_at(place, now_ + refresh);
  FlightEvent event{FlightEvent::Kind::ice_servers, *session.signaling->id};
  event.until = offer->expires_at;
  place.record(std::move(event));
  return offer;
}

MonotonicTime Hub::Impl::refresh_ice() {
  while (const auto peer = peer_rooms_->take_due(now_)) {
    State& session = *peers_.at(*peer);
    const auto offer = offer_ice(session);
    if (offer) session.transport->send(Frame::control_text(compose_ice_servers(*offer)));
  }
  return peer_rooms_->next_due();
}

bool Hub::Impl::handle_in_room(State& session, const SignalingMessage& message) {
  if (message.type == "update") {
    update_data(session, message);
  } else if (message.type == "sync") {
    sync(session, message);
  } else if (message.type == "leave") {
    const RoomName room = session.signaling->place->room();
    session.signaling->place = nullptr;
    session.transport->send(Frame::control_text(compose_left(room)));
  } else if (message.type == "ice_error") {
    record_ice_error(session, message);
  } else {
    return false;
  }
  return true;
}

void Hub::Impl::update_data(State& session, const SignalingMessage& message) {
  const auto data = find_member(message, "data");
  if (!data) return refuse(session, Errc::bad_message, {}, kNoData);
  if (data->size() > options_.max_peer_data_bytes) {
    return refuse(session, Errc::too_large);
  }
  if (!may_change_room(session)) return;
  session.signaling->place->update(std::string(*data));  // answered when the change comes round
}

void Hub::Impl::sync(State& session, const SignalingMessage& message) {
  const auto revision = natural_value(find_member(message, "revision").value_or(""));
  if (!revision) return refuse(session, Errc::bad_message, {}, kBadRevision);
  if (!may_change_room(session)) return;
  PeerRooms::Place& place = *session.signaling->place;
  const auto changes = place.changes_since(*revision);
  session.transport->send(Frame::control_text(
      changes ? compose_synced(place.room(), *revision, *changes, place.stay())
              : compose_synced(place.room(), place.roster(), place.stay().peer)));
}

/// What a browser's `icecandidateerror` says. It is for the record alone.
void Hub::Impl::record_ice_error(State& session, const SignalingMessage& message) {
  const auto error_code = natural_value(find_member(message, "error_code").value_or(""));
  if (!error_code || *error_code < 300 || *error_code > 799) {
    return refuse(session, message, Errc::bad_message, kBadErrorCode);
  }
  FlightEvent event{FlightEvent::Kind::ice_error, *session.signaling->id};
  event.error_code = static_cast<int>(*error_code);
  event.until = session.signaling->place->ice_end();
  session.signaling->place->record(std::move(event));
}

void Hub::Impl::forward(State& session, const SignalingMessage& message) {
  const auto to = PeerId::parse(*message.to);
  if (!to) return refuse(session, message, Errc::unknown_peer);
  SendTicket ticket{*session.signaling->id, *to};
  if (message.msg_id && session.signaling->wants_receipts()) {
    auto& wanted = session.signaling->receipts->wanted;
    if (wanted.size() >= Receipts::kMaxWanted) {
      return refuse(session, message, Errc::rate_limited, kTooManyReceipts);
    }
    ticket.receipt = ++last_receipt_;
    wanted.emplace(ticket.receipt, Receipts::Wanted{std::string(*message.msg_id), *to});
  }
  const Frame frame = Frame::control_text(compose_forwarded(message, session.signaling->id->str()));
  if (session.signaling->place == nullptr) return send(ticket, frame);
  const auto member = session.signaling->place->find_since(*to);
  ticket.flight = record_message(session, message, *to, member.has_value());

  CandidateHold& candidates = session.signaling->place->candidates();
  const bool is_candidate = message.type == "candidate";
  const bool is_description = message.type == "offer" || message.type == "answer";
  std::vector<CandidateHold::Held> released;
  if (is_candidate) {
    std::string ufrag = ufrag_of_candidate(message.text);
    if (member && !candidates.may_pass(*member, ufrag)) {
      if (!candidates.hold(*member, {ticket, frame, std::move(ufrag)})) {
        return on_delivery(ticket, Delivery::peer_busy);
      }
      if (ticket.flight != 0) {
        session.signaling->place->settle(ticket.flight, FlightEvent::Outcome::held);
      }
      return;
    }
  } else if (is_description && member && !is_refused_here(ticket, frame)) {
    released = candidates.release(*member, ufrags_of_description(message.text));
  }
  send(ticket, frame);  // may end the session
  for (const auto& held : released) send(held.ticket, held.frame);
}

bool Hub::Impl::is_refused_here(const SendTicket& ticket, const Frame& frame) const {
  const auto peer = peers_.find(ticket.to);
  if (peer == peers_.end()) return false;  // what another hub does is known later
  const PendingJoin* const joining = peer->second->signaling->joining.get();
  if (joining != nullptr)
    return !has_room_to_keep(*joining, joining->directed.size(), frame.size());
  return is_busy(*peer->second, ticket, frame);
}

bool Hub::Impl::is_busy(const State& peer, const SendTicket& ticket, const Frame& frame) {
  const SignalingState& signaling = *peer.signaling;
  if (signaling.is_waiting() && !signaling.resumption->transport.has_room_for(frame)) return true;
  if (peer.transport->is_congested()) return true;
  return ticket.receipt != 0 && signaling.receipts != nullptr &&
         signaling.receipts->unwritten.size() >= Receipts::kMaxUnwritten;
}

void Hub::Impl::send(const SendTicket& ticket, const Frame& frame) {
  if (ticket.to.address() == port_->address()) {
    on_delivery(ticket, deliver(ticket, frame));
  } else {
    port_->send(frame, ticket);
  }
}

Delivery Hub::Impl::deliver(const SendTicket& ticket, const Frame& frame) noexcept {
  const auto peer = peers_.find(ticket.to);
  if (peer == peers_.end()) return Delivery::unknown_peer;
  PendingJoin* const joining = peer->second->signaling->joining.get();
  if (joining == nullptr) return deliver_now(*peer->second, ticket, frame);
  if (is_refused_here(ticket, frame)) return Delivery::peer_busy;
  keep(*joining, PendingJoin::Directed{ticket, frame});
  return Delivery::queued;
}

Delivery Hub::Impl::deliver_now(State& peer, const SendTicket& ticket, const Frame& frame) {
  if (is_busy(peer, ticket, frame)) return Delivery::peer_busy;
  Transport& transport = *peer.transport;
  SignalingState& signaling = *peer.signaling;
  if (signaling.is_waiting()) return let_wait(peer, ticket, frame);
  const bool is_reported = ticket.receipt != 0 && transport.notify_when_written();
  if (is_reported) signaling.need_receipts().unwritten.push_back(ticket);
  transport.send(frame);
  return ticket.receipt == 0 || is_reported ? Delivery::queued : Delivery::delivered;
}

void Hub::Impl::on_written(State& session) {
  if (session.signaling == nullptr) return;
  if (Tunnel* const tunnel = session.signaling->tunnel.get()) tunnel->written = tunnel->passed;
  if (session.signaling->receipts == nullptr) return;
  for (const SendTicket& ticket : session.signaling->receipts->unwritten) {
    port_->report(ticket, Delivery::delivered);
  }
  session.signaling->receipts->unwritten.clear();
}

std::uint64_t Hub::Impl::record_message(const State& session, const SignalingMessage& message,
                                        const PeerId& to, bool is_in_room) {
  if (!peer_rooms_->is_recording()) return 0;
  const PeerRooms::Place& place = *session.signaling->place;
  FlightEvent event{FlightEvent::Kind::message, *session.signaling->id};
  if (is_in_room) event.to = to;  // ids of others are not for those who read the record
  event.type = type_of(message);
  event.bytes = message.text.size();
  const bool is_description =
      event.type == FlightEvent::Type::offer || event.type == FlightEvent::Type::answer;
  event.has_candidates =
      is_description && message.text.find("a=candidate:") != std::string_view::npos;
  return place.record(std::move(event));
}

void Hub::Impl::record_outcome(const SendTicket& ticket, Delivery delivery) {
  const auto sender = peers_.find(ticket.from);
  if (sender == peers_.end() || sender->second->signaling->place == nullptr) return;
  sender->second->signaling->place->settle(ticket.flight, outcome_of(delivery));
}

void Hub::Impl::record_refusal(const State& session, Errc code) {
  if (session.signaling == nullptr || session.signaling->place == nullptr) return;
  FlightEvent event{FlightEvent::Kind::refused, *session.signaling->id};
  event.code = code;
  session.signaling->place->record(std::move(event));
}

void Hub::Impl::send_error(Transport& transport, Errc code, std::optional<std::string_view> to,
                           std::string_view detail) {
  const std::string sentence = detail.empty() ? make_error_code(code).message() : "";
  transport.send(Frame::control_text(compose_error(code, detail.empty() ? sentence : detail, to)));
}

void Hub::Impl::refuse(State& session, Errc code, std::optional<std::string_view> to,
                       std::string_view detail) {
  if (session.signaling != nullptr && session.signaling->tunnel != nullptr) {
    TunnelSignal refused{TunnelSignal::Kind::refused};
    refused.code = code;
    return signal(*session.signaling->tunnel, refused);
  }
  record_refusal(session, code);
  send_error(*session.transport, code, to, detail);
}

void Hub::Impl::refuse(State& session, const SignalingMessage& message, Errc code,
                       std::string_view detail) {
  if (!message.msg_id || !session.signaling->wants_receipts()) {
    return refuse(session, code, message.to, detail);
  }
  record_refusal(session, code);
  const std::string sentence = make_error_code(code).message();
  session.transport->send(Frame::control_text(
      code == Errc::unknown_peer
          ? compose_receipt(*message.msg_id, "unknown", message.to)
          : compose_refusal(*message.msg_id, message.to, wire_code(code),
                            detail.empty() ? std::string_view(sentence) : detail)));
}

Delivery Hub::Impl::on_send(const SendTicket& ticket, const Frame& frame) noexcept {
  const auto session = resumables_.find(ticket.to);
  if (session != resumables_.end()) return take_from_client(*session->second, ticket, frame);
  const auto tunnel = tunnels_.find(ticket.to);
  if (tunnel != tunnels_.end()) return take_for_client(*tunnel->second, ticket, frame);
  if (frame.kind() != FrameKind::text) return Delivery::unknown_peer;  // the end of a tunnel
  return deliver(ticket, frame);
}

void Hub::Impl::on_delivery(const SendTicket& ticket, Delivery delivery) noexcept {
  if (ticket.flight != 0) record_outcome(ticket, delivery);
  const auto sender = peers_.find(ticket.from);
  if (sender == peers_.end()) return on_tunnel_delivery(ticket, delivery);
  if (delivery == Delivery::queued) return;
  if (ticket.receipt != 0) {
    auto& wanted = sender->second->signaling->receipts->wanted;
    const auto found = wanted.find(ticket.receipt);
    if (found == wanted.end()) return;
    if (delivery == Delivery::waiting) {
      // It may have been waiting before, if the peer lost its connection again.
      if (std::exchange(found->second.is_waiting, true)) return;
      const auto time = std::chrono::ceil<std::chrono::seconds>(ticket.waits_for);
      const std::string receipt =
          compose_receipt_queued(found->second.msg_id, found->second.to.str(), time);
      return sender->second->transport->send(Frame::control_text(receipt));
    }
    const Receipts::Wanted receipt = std::move(found->second);
    wanted.erase(found);
    const bool is_expired = receipt.is_waiting && delivery == Delivery::gone;
    sender->second->transport->send(Frame::control_text(compose_receipt(
        receipt.msg_id, is_expired ? "expired" : receipt_status(delivery), receipt.to.str())));
    return;
  }
  send_error(*sender->second->transport,
             delivery == Delivery::peer_busy ? Errc::peer_busy : Errc::unknown_peer,
             ticket.to.str());
}

}  // namespace voicechan
