#include <utility>

#include "hub_impl.hpp"

// A session of one hub whose client is connected to another one (resume_tunnel.hpp).

namespace voicechan {
namespace {

/// The end of a tunnel that has the connection asks so often, the other one after so long a
/// silence; either asks again after a shorter time, if there was no answer.
constexpr std::chrono::milliseconds kConnectionProbe{5'000};
constexpr std::chrono::milliseconds kSessionProbe{15'000};
constexpr std::chrono::milliseconds kNextProbe{1'000};
/// Many clients may have come to another hub at the same time.
constexpr std::size_t kMaxProbesAtOnce = 100;
constexpr std::chrono::milliseconds kProbePause{20};

}  // namespace

void Hub::Impl::open_tunnel(State& session, const PeerId& key, std::uint64_t seq) {
  SignalingState& signaling = *session.signaling;
  signaling.tunnel = std::make_unique<Tunnel>(Tunnel{make_id(), key});
  tunnels_.emplace(signaling.tunnel->id, &session);
  TunnelSignal resume{TunnelSignal::Kind::resume};
  resume.seq = seq;
  resume.user = signaling.user.id;
  signal(*signaling.tunnel, resume);
  watch_tunnel(signaling.tunnel->id, key, kConnectionProbe);
}

void Hub::Impl::signal(const Tunnel& tunnel, const TunnelSignal& message) {
  const std::uint64_t receipt = message.kind == TunnelSignal::Kind::probe ? kProbeReceipt : 0;
  port_->send(message.to_frame(), {tunnel.id, tunnel.key, receipt});
}

void Hub::Impl::drop_tunnel(SignalingState& signaling) noexcept {
  tunnels_.erase(signaling.tunnel->id);
  signaling.tunnel = nullptr;
  const auto receipts = std::move(signaling.receipts);  // of what the tunnel brought
  if (receipts == nullptr) return;
  for (const SendTicket& ticket : receipts->unwritten) port_->report(ticket, Delivery::gone);
}

void Hub::Impl::fail_tunnel(State& session, ResumeFailure failure) {
  drop_tunnel(*session.signaling);
  refuse_resume(*session.transport, failure);
}

void Hub::Impl::lose_tunnel(State& session) {
  signal(*session.signaling->tunnel, {TunnelSignal::Kind::closed});
  fail_tunnel(session, ResumeFailure::unknown);
}

void Hub::Impl::cut_tunnel(State& session) {
  if (!session.transport->break_off()) return lose_tunnel(session);
  drop_tunnel(*session.signaling);
  session.handle->state_ = nullptr;
  leave(session);
}

void Hub::Impl::pass_through(State& session, FrameKind kind, std::string_view text) {
  if (kind != FrameKind::text) return refuse(session, Errc::bad_message);
  TunnelSignal said{TunnelSignal::Kind::said};
  said.text = text;
  signal(*session.signaling->tunnel, said);
}

/// From the session to its client here.
Delivery Hub::Impl::take_for_client(State& session, const SendTicket& ticket, const Frame& frame) {
  Tunnel& tunnel = *session.signaling->tunnel;
  if (!(ticket.from == tunnel.key)) return Delivery::unknown_peer;
  Transport& transport = *session.transport;
  if (const auto signal = TunnelSignal::from_frame(frame)) {
    if (signal->kind == TunnelSignal::Kind::failed) {
      fail_tunnel(session, signal->failure);
    } else if (signal->kind == TunnelSignal::Kind::replaced) {
      drop_tunnel(*session.signaling);
      session.handle->state_ = nullptr;
      leave(session);
      transport.on_replaced();
    } else if (signal->kind == TunnelSignal::Kind::cut) {
      cut_tunnel(session);
    }
    return Delivery::queued;
  }
  if (ticket.receipt != tunnel.passed + 1 && ticket.receipt != kFirstNumber) {
    cut_tunnel(session);  // the client's count would not be the session's
    return Delivery::unknown_peer;
  }
  tunnel.passed = ticket.receipt;
  const bool is_reported = transport.notify_when_written();
  if (is_reported) session.signaling->need_receipts().unwritten.push_back(ticket);
  if (!is_reported) tunnel.written = ticket.receipt;
  transport.send(frame);
  return is_reported ? Delivery::queued : Delivery::delivered;
}

/// From the client, who is elsewhere, to its session here.
Delivery Hub::Impl::take_from_client(State& session, const SendTicket& ticket, const Frame& frame) {
  Resumption& resumption = *session.signaling->resumption;
  auto signal = TunnelSignal::from_frame(frame);
  if (!signal) return Delivery::unknown_peer;  // a key is no peer's id
  if (signal->kind == TunnelSignal::Kind::resume) return resume_from(session, ticket, *signal);
  const bool is_connected =
      resumption.tunnel != nullptr && resumption.tunnel->peer() == ticket.from;
  if (!is_connected) {  // a connection that has been replaced, or was lost
    const bool has_left = signal->kind == TunnelSignal::Kind::closed && resumption.waits &&
                          resumption.waits_behind == ticket.from;
    if (has_left) leave(session);
    return Delivery::gone;
  }
  resumption.tunnel->watch().on_heard();
  if (signal->kind == TunnelSignal::Kind::said) {
    receive(session, FrameKind::text, std::move(signal->text));
  } else if (signal->kind == TunnelSignal::Kind::lost) {
    resumption.tunnel = nullptr;
    lose(session);
  } else if (signal->kind == TunnelSignal::Kind::closed) {
    resumption.tunnel = nullptr;
    leave(session);
  } else if (signal->kind == TunnelSignal::Kind::probe) {
    if (resumption.tunnel->on_written(signal->seq)) on_written(session);
    return Delivery::delivered;
  } else if (signal->kind == TunnelSignal::Kind::refused) {
    refuse(session, signal->code);
  }
  return Delivery::queued;
}

Delivery Hub::Impl::resume_from(State& session, const SendTicket& ticket,
                                const TunnelSignal& resume) {
  if (resume.user.value != session.signaling->user.id.value) return Delivery::unknown_peer;
  if (const auto failure = cut_off(session, resume.seq)) {
    TunnelSignal failed{TunnelSignal::Kind::failed};
    failed.failure = *failure;
    port_->send(failed.to_frame(), {ticket.to, ticket.from});
    return Delivery::queued;
  }
  Resumption& resumption = *session.signaling->resumption;
  resumption.tunnel = std::make_unique<TunnelTransport>(*port_, resumption.key, ticket.from);
  watch_tunnel(resumption.key, ticket.from, kSessionProbe);
  connect(session, *resumption.tunnel, resume.seq);
  return Delivery::queued;
}

void Hub::Impl::on_tunnel_delivery(const SendTicket& ticket, Delivery delivery) {
  const bool is_taken = delivery == Delivery::queued || delivery == Delivery::delivered;
  const auto tunnel = tunnels_.find(ticket.from);
  if (tunnel != tunnels_.end()) {
    if (is_taken) tunnel->second->signaling->tunnel->watch.on_heard();
    if (delivery == Delivery::gone) return cut_tunnel(*tunnel->second);
    // It may be that only this message or its answer was lost: then others need not wait for him.
    const bool is_lost = delivery == Delivery::unknown_peer && ticket.receipt != kProbeReceipt;
    if (is_lost) lose_tunnel(*tunnel->second);
    return;
  }
  const auto session = resumables_.find(ticket.from);
  if (session == resumables_.end()) return;
  TunnelTransport* const out = session->second->signaling->resumption->tunnel.get();
  if (out == nullptr || !(out->peer() == ticket.to)) return;
  if (is_taken) out->watch().on_heard();
  if (delivery == Delivery::delivered) {
    if (out->on_written(ticket.receipt)) on_written(*session->second);
  } else if (delivery == Delivery::unknown_peer && ticket.receipt != 0) {
    lose(*session->second);
  }
  // `gone`: the connection does without the tunnel and has said so; or only its reports are lost,
  // then its next probe makes up for them.
}

void Hub::Impl::watch_tunnel(const PeerId& own, const PeerId& other,
                             std::chrono::milliseconds time) {
  probes_.emplace(now_ + time, TunnelEnds{own, other});
}

MonotonicTime Hub::Impl::probe_tunnels() {
  if (now_ < probes_pause_until_) return probes_pause_until_;
  for (std::size_t i = 0; !probes_.empty() && probes_.begin()->first <= now_; ++i) {
    if (i == kMaxProbesAtOnce) return probes_pause_until_ = now_ + kProbePause;
    auto due = probes_.extract(probes_.begin());
    const auto time = probe_tunnel(due.mapped());
    if (!time) continue;
    due.key() = now_ + *time;
    probes_.insert(std::move(due));
  }
  return probes_.empty() ? MonotonicTime::max() : probes_.begin()->first;
}

std::optional<std::chrono::milliseconds> Hub::Impl::probe_tunnel(const TunnelEnds& ends) {
  TunnelSignal probe{TunnelSignal::Kind::probe};
  if (const auto found = tunnels_.find(ends.own); found != tunnels_.end()) {
    Tunnel& tunnel = *found->second->signaling->tunnel;
    const int missed = tunnel.watch.look();
    if (missed == TunnelWatch::kMaxMissed) {
      lose_tunnel(*found->second);
      return std::nullopt;
    }
    probe.seq = tunnel.written;
    signal(tunnel, probe);
    return missed == 0 ? kConnectionProbe : kNextProbe;
  }
  const auto session = resumables_.find(ends.own);
  if (session == resumables_.end()) return std::nullopt;
  TunnelTransport* const out = session->second->signaling->resumption->tunnel.get();
  if (out == nullptr || !(out->peer() == ends.other)) return std::nullopt;
  const int missed = out->watch().look();
  if (missed == 0) return kSessionProbe;
  if (missed == TunnelWatch::kMaxMissed) {
    lose(*session->second);
    return std::nullopt;
  }
  out->send(probe);
  return kNextProbe;
}

}  // namespace voicechan
