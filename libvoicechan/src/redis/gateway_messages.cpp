#include <utility>

#include "gateway.hpp"

// Messages to one peer of another node, and what becomes of them.

namespace voicechan::redis {
namespace {

std::string key_of(const SendTicket& ticket) {
  std::string key(ticket.from.str());
  key.append(ticket.to.str());
  return key.append(voice_key(ticket.receipt)).append(voice_key(ticket.flight));
}

}  // namespace

void Gateway::send_to(std::uint64_t node, std::uint64_t number, const Body& body, bool is_counted) {
  Bus::Published done;
  if (is_counted) {
    done = [self = std::weak_ptr<Gateway*>(self_), node,
            number](std::optional<std::size_t> receivers) {
      const auto alive = self.lock();
      if (alive) (*alive)->report((*alive)->away_.on_published(node, number, receivers));
    };
  }
  publish_to(node, number, body, std::move(done));
}

void Gateway::publish_to(std::uint64_t node, std::uint64_t number, const Body& body,
                         Bus::Published done) {
  const Envelope head{context_.origin, 0, AgeFilter::stamp(context_.now), number};
  context_.bus->publish(node_topic(node), encode(head, body), false, std::move(done));
}

void Gateway::on_send_away(const SendTicket& ticket, const Frame& frame) noexcept {
  const std::uint64_t number = away_.add(ticket, context_.now);
  away_due_ = std::min(away_due_, context_.now + AwayMessages::kProbeTime);
  send_to(ticket.to.address().node, number, SignalMessage{ticket, frame}, true);
}

void Gateway::tick_messages() {
  if (away_due_ > context_.now) return;
  const AwayMessages::Due due = away_.tick(context_.now);
  away_due_ = due.next;
  for (const std::uint64_t node : due.probes) send_to(node, 0, ProbeMessage{}, true);
  report(due.outcomes);
}

void Gateway::report(const std::vector<AwayMessages::Outcome>& outcomes) {
  for (const auto& outcome : outcomes) port_->report(outcome.ticket, outcome.delivery);
}

void Gateway::on_direct(const Message& message) {
  const Envelope& head = message.envelope;
  if (const auto* signal = std::get_if<SignalMessage>(&message.body)) {
    on_signal(head, *signal);
  } else if (const auto* delivery = std::get_if<DeliveryMessage>(&message.body)) {
    if (delivery->ticket.from.address().node != node_of(context_.origin)) return;
    const auto outcome = away_.on_delivery(node_of(head.origin), head.number, *delivery);
    if (outcome) report({*outcome});
  } else if (const auto* snapshot = std::get_if<SnapshotMessage>(&message.body)) {
    if (snapshot->is_question) return on_question(head, *snapshot);
    if (snapshot->group.empty() && asked_.count(node_of(head.origin)) != 0) {
      heard_.insert(node_of(head.origin));
      return;
    }
    GatewayGroup* group = find(snapshot->group);
    if (group == nullptr || is_fenced(head.origin)) return;
    group->mirror().on_answer(head, *snapshot, context_.now);
    touch(*group);
  } else if (std::holds_alternative<LostReportsMessage>(message.body)) {
    report(away_.drop_reported(node_of(head.origin)));
  } else if (std::holds_alternative<ShutdownMessage>(message.body)) {
    drop_node(node_of(head.origin));
    constexpr std::size_t kMost = 1000;
    if (gone_in_order_.size() == kMost) gone_in_order_.clear();
    gone_in_order_.insert(node_of(head.origin));
  }
}

void Gateway::on_signal(const Envelope& head, const SignalMessage& signal) {
  const std::uint64_t from = node_of(head.origin);
  const bool is_ours = signal.ticket.to.address().node == node_of(context_.origin);
  if (!is_ours || signal.ticket.from.address().node != from) return;
  Inbound& inbound = inbound_[from];
  if (head.number <= inbound.last_number) return;  // it came before
  inbound.last_number = head.number;
  inbound.open[key_of(signal.ticket)].push_back(head.number);
  port_->send(signal.frame, signal.ticket);
}

void Gateway::on_delivery(const SendTicket& ticket, Delivery delivery) noexcept {
  const std::uint64_t node = ticket.from.address().node;
  std::uint64_t number = 0;  // a report
  const auto inbound = inbound_.find(node);
  if (inbound != inbound_.end()) {
    auto& open = inbound->second.open;
    const auto found = open.find(key_of(ticket));
    if (found != open.end()) {
      number = found->second.front();
      found->second.erase(found->second.begin());
      if (found->second.empty()) open.erase(found);
    }
  }
  const DeliveryMessage message{ticket, delivery};
  // The sender waits for an answer for some time only, and for a report without an end.
  const bool is_owed = number == 0 && ticket.receipt != 0 && delivery != Delivery::queued;
  is_owed ? say_report(node, message) : send_to(node, number, message, false);
}

void Gateway::say_report(std::uint64_t node, const DeliveryMessage& message) {
  if (owed_.append(node, message, context_.now)) return;
  publish_to(
      node, 0, message,
      [self = std::weak_ptr<Gateway*>(self_), node, message](std::optional<std::size_t> receivers) {
        const auto alive = self.lock();
        if (!alive || receivers.value_or(0) > 0) return;
        (*alive)->context_.update_time();
        (*alive)->owed_.add(node, message, (*alive)->context_.now);
        (*alive)->request_turn();
      });
}

MonotonicTime Gateway::say_due_reports() {
  if (!context_.bus->is_reachable()) return MonotonicTime::max();  // `on_state` tells
  if (owed_.next_due() > context_.now) return owed_.next_due();
  for (const auto& due : owed_.take_due(context_.now)) {
    publish_to(due.node, 0, due.body,
               [self = std::weak_ptr<Gateway*>(self_), due](std::optional<std::size_t> receivers) {
                 const auto alive = self.lock();
                 if (!alive) return;
                 (*alive)->context_.update_time();
                 (*alive)->owed_.on_published(due.node, due.body, receivers.value_or(0) > 0,
                                              (*alive)->context_.now);
                 (*alive)->request_turn();
               });
  }
  return owed_.next_due();
}

/// A node asks why this one did not answer in a group.
void Gateway::on_question(const Envelope& head, const SnapshotMessage& question) {
  if (find(question.group) != nullptr) return;  // it will ask itself, if it misses something
  SnapshotMessage nothing;
  nothing.group = question.group;
  const Envelope answer{context_.origin, 0, 0, head.number};
  context_.bus->publish(node_topic(node_of(head.origin)), encode(answer, nothing), false);
}

}  // namespace voicechan::redis
