#include <algorithm>
#include <utility>

#include "hub_impl.hpp"
#include "ice_ufrag.hpp"
#include "room_message.hpp"
#include "signaling_message.hpp"

// Sessions that outlive their connection. One with a key waits, when its connection is lost, for a
// connection that names the key; if that comes to another hub: hub_tunnel.cpp.

namespace voicechan {
namespace {

/// Of a session that was lost after the last tick.
constexpr MonotonicTime kFromNextTick = MonotonicTime::max();

constexpr std::string_view kBadResume =
    "\"key\" must be a string and \"seq\" an integer, 0 or more, to resume";
constexpr std::string_view kResumeComesFirst =
    "only a connection that has not joined can resume a session";

/// What waits from one peer, when a newer offer of his comes.
struct Superseded {
  std::vector<ResumableTransport::Directed> before;   // not touched by it
  std::vector<ResumableTransport::Directed> behind;   // candidates that fit it
  std::vector<ResumableTransport::Directed> dropped;  // older offers, and candidates of these
};

Superseded sort_out(std::vector<ResumableTransport::Directed> waiting,
                    const std::vector<std::string>& ufrags, std::size_t max_depth) {
  Superseded result;
  bool is_behind_offer = false;
  for (auto& each : waiting) {
    const auto message = parse_signaling_message(each.frame.bytes(), max_depth);
    if (message && message->type == "offer") {
      is_behind_offer = true;
      result.dropped.push_back(std::move(each));
    } else if (message && message->type == "candidate" && is_behind_offer) {
      const std::string ufrag = ufrag_of_candidate(message->text);
      const bool fits = std::find(ufrags.begin(), ufrags.end(), ufrag) != ufrags.end();
      (fits ? result.behind : result.dropped).push_back(std::move(each));
    } else {
      result.before.push_back(std::move(each));
    }
  }
  return result;
}

}  // namespace

std::optional<ResumeOffer> Hub::Impl::offer_resume(State& session) {
  if (options_.resume_window.count() == 0) return std::nullopt;
  SignalingState& signaling = *session.signaling;
  const auto window = std::chrono::ceil<std::chrono::seconds>(options_.resume_window);
  if (signaling.resumption != nullptr) {
    const Resumption& resumption = *signaling.resumption;
    return ResumeOffer{resumption.key, resumption.transport.last() + 1, window};
  }
  signaling.resumption =
      std::make_unique<Resumption>(make_id(), *session.transport, resume_limits_, resume_bytes_);
  Resumption& resumption = *signaling.resumption;
  session.transport = &resumption.transport;
  if (signaling.place != nullptr) signaling.place->set_transport(resumption.transport);
  resumables_.emplace(resumption.key, &session);
  return ResumeOffer{resumption.key, 0, window};
}

void Hub::Impl::lose(State& session) noexcept {
  session.handle = nullptr;
  if (session.signaling == nullptr) return leave(session);
  if (session.signaling->tunnel != nullptr) {
    signal(*session.signaling->tunnel, {TunnelSignal::Kind::lost});
    drop_tunnel(*session.signaling);
    return leave(session);
  }
  if (session.signaling->resumption == nullptr ||
      waiting_.size() >= options_.max_waiting_sessions) {
    return leave(session);
  }
  Resumption& resumption = *session.signaling->resumption;
  resumption.transport.disconnect();
  resumption.waits_behind = std::nullopt;
  if (resumption.tunnel != nullptr) {
    resumption.tunnel->send(TunnelSignal{TunnelSignal::Kind::cut});
    resumption.waits_behind = resumption.tunnel->peer();
  }
  resumption.tunnel = nullptr;
  resumption.waits = waiting_.emplace(kFromNextTick, resumption.key);
  if (session.signaling->receipts == nullptr) return;
  for (SendTicket& ticket : session.signaling->receipts->unwritten) {
    report_waiting(ticket, options_.resume_window);
  }
}

MonotonicTime Hub::Impl::end_waiting() {
  // The tick before may have been long ago when these were lost.
  for (auto lost = waiting_.find(kFromNextTick); lost != waiting_.end();
       lost = waiting_.find(kFromNextTick)) {
    auto place = waiting_.extract(lost);
    place.key() = now_ + options_.resume_window;
    Resumption& resumption = *resumables_.at(place.mapped())->signaling->resumption;
    resumption.waits = waiting_.insert(std::move(place));
  }
  while (!waiting_.empty() && waiting_.begin()->first <= now_) {
    leave(*resumables_.at(waiting_.begin()->second));
  }
  return waiting_.empty() ? MonotonicTime::max() : waiting_.begin()->first;
}

void Hub::Impl::report_waiting(SendTicket ticket, std::chrono::milliseconds time) {
  ticket.waits_for = time;
  port_->report(ticket, Delivery::waiting);
}

Delivery Hub::Impl::let_wait(State& session, const SendTicket& ticket, const Frame& frame) {
  Resumption& resumption = *session.signaling->resumption;
  const auto behind = supersede(session, ticket.from, frame);
  resumption.transport.wait({ticket, frame});
  for (const auto& candidate : behind) resumption.transport.wait(candidate);
  if (ticket.receipt != 0) {
    session.signaling->need_receipts().unwritten.push_back(ticket);
    const auto left = (*resumption.waits)->first - now_;
    report_waiting(ticket, std::clamp(std::chrono::ceil<std::chrono::milliseconds>(left),
                                      std::chrono::milliseconds(0), options_.resume_window));
  }
  return Delivery::queued;
}

/// If the message is an offer, older ones of the same peer that wait for this session are withdrawn
/// with their candidates, as if the peer had sent none of these. The candidates that are to follow.
std::vector<ResumableTransport::Directed> Hub::Impl::supersede(State& session, const PeerId& from,
                                                               const Frame& frame) {
  if (session.signaling->place == nullptr || !session.signaling->place->find_since(from)) return {};
  const auto offer = parse_signaling_message(frame.bytes(), options_.max_json_depth);
  if (!offer || offer->type != "offer") return {};
  ResumableTransport& transport = session.signaling->resumption->transport;
  auto sorted = sort_out(transport.take_waiting_from(from), ufrags_of_description(offer->text),
                         options_.max_json_depth);
  for (auto& each : sorted.before) transport.wait(std::move(each));
  for (const auto& each : sorted.dropped) {
    if (each.ticket.receipt == 0) continue;
    auto& unwritten = session.signaling->receipts->unwritten;
    const auto is_same = [&](const SendTicket& ticket) {
      return ticket.receipt == each.ticket.receipt && ticket.from == from;
    };
    unwritten.erase(std::remove_if(unwritten.begin(), unwritten.end(), is_same), unwritten.end());
    port_->report(each.ticket, Delivery::gone);
  }
  return std::move(sorted.behind);
}

void Hub::Impl::resume(State& session, const SignalingMessage& message) {
  if (session.signaling->id) return refuse(session, Errc::bad_message, {}, kResumeComesFirst);
  const auto key_member = find_member(message, "key");
  const auto key_text = key_member ? string_value(*key_member) : std::nullopt;
  const auto seq = natural_value(find_member(message, "seq").value_or(""));
  if (!key_text || !seq) return refuse(session, Errc::bad_message, {}, kBadResume);
  const auto key = PeerId::parse(*key_text);
  if (!key) return refuse_resume(*session.transport, ResumeFailure::unknown);
  if (!(key->address() == port_->address())) return open_tunnel(session, *key, *seq);

  const auto found = resumables_.find(*key);
  if (found == resumables_.end() ||
      found->second->signaling->user.id.value != session.signaling->user.id.value) {
    return refuse_resume(*session.transport, ResumeFailure::unknown);
  }
  State& resumed = *found->second;
  if (const auto failure = cut_off(resumed, *seq)) {
    return refuse_resume(*session.transport, *failure);
  }
  Transport& connection = *session.transport;
  auto said = take_said(*session.signaling);
  resumed.handle = session.handle;
  resumed.handle->state_ = &resumed;
  sessions_.erase(session.place);
  connect(resumed, connection, *seq);
  pass_on_said(*key, std::move(said));
}

std::optional<ResumeFailure> Hub::Impl::cut_off(State& session, std::uint64_t seq) {
  Resumption& resumption = *session.signaling->resumption;
  Transport* const connection = resumption.transport.connection();
  resumption.transport.disconnect();
  if (resumption.tunnel != nullptr) {
    resumption.tunnel->send(TunnelSignal{TunnelSignal::Kind::replaced});
    resumption.tunnel = nullptr;
  } else if (connection != nullptr) {
    session.handle->state_ = nullptr;
    session.handle = nullptr;
    connection->on_replaced();
  }
  const ResumableTransport& transport = resumption.transport;
  if (seq <= transport.last_passed() && transport.keeps_after(seq)) return std::nullopt;
  const bool is_wrong = seq > transport.last_passed();
  leave(session);
  return is_wrong ? ResumeFailure::bad_seq : ResumeFailure::missed_too_much;
}

void Hub::Impl::connect(State& session, Transport& connection, std::uint64_t seq) {
  ++resume_count_;
  Resumption& resumption = *session.signaling->resumption;
  if (resumption.waits) waiting_.erase(*std::exchange(resumption.waits, std::nullopt));
  resumption.transport.connect(connection, seq);
  const auto& receipts = session.signaling->receipts;
  const bool is_owing = receipts != nullptr && !receipts->unwritten.empty();
  const bool is_told = !is_owing || connection.notify_when_written();
  const PeerId key = resumption.key;
  connection.send(Frame::control_text(
      compose_resumed(session.signaling->id->str(), seq, resumption.transport.waiting_count())));
  for (;;) {  // each may end the session, or have it go on elsewhere
    const auto found = resumables_.find(key);
    if (found == resumables_.end()) return;
    ResumableTransport& transport = found->second->signaling->resumption->transport;
    if (transport.connection() != &connection) return;
    const auto missed = transport.take_waiting();
    if (!missed) {
      if (!is_told) on_written(*found->second);
      return;
    }
    connection.send(*missed);
  }
}

void Hub::Impl::refuse_resume(Transport& transport, ResumeFailure failure) {
  transport.send(Frame::control_text(compose_resume_failed(to_string(failure))));
}

}  // namespace voicechan
