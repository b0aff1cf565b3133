#include "away_messages.hpp"

#include <algorithm>

namespace voicechan::redis {
namespace {

constexpr std::chrono::milliseconds kMaxProbeTime{500};

std::pair<std::string, std::uint64_t> receipt_key(const SendTicket& ticket) {
  return {std::string(ticket.from.str()), ticket.receipt};
}

}  // namespace

std::uint64_t AwayMessages::add(const SendTicket& ticket, MonotonicTime now) {
  Node& node = nodes_[ticket.to.address().node];
  const std::uint64_t number = ++last_number_;
  node.unanswered.emplace(number, Waiting{ticket, now + kAnswerTime});
  if (node.probe_at == MonotonicTime::max()) node.probe_at = now + node.probe_time;
  return number;
}

std::vector<AwayMessages::Outcome> AwayMessages::on_published(
    std::uint64_t node, std::uint64_t number, std::optional<std::size_t> receivers) {
  std::vector<Outcome> outcomes;
  const auto found = nodes_.find(node);
  if (found == nodes_.end() || (receivers && *receivers > 0)) return outcomes;
  auto& unanswered = found->second.unanswered;
  if (receivers) {  // the node is not connected: so nothing of what it was sent will be answered
    for (const auto& each : unanswered) {
      outcomes.push_back({each.second.ticket, Delivery::unknown_peer});
    }
    unanswered.clear();
  } else if (const auto message = unanswered.find(number); message != unanswered.end()) {
    outcomes.push_back({message->second.ticket, Delivery::unknown_peer});
    unanswered.erase(message);
  }
  settle_probe(found->second);
  drop_if_idle(node);
  return outcomes;
}

std::optional<AwayMessages::Outcome> AwayMessages::on_delivery(std::uint64_t node,
                                                               std::uint64_t number,
                                                               const DeliveryMessage& message) {
  const SendTicket& ticket = message.ticket;
  if (ticket.to.address().node != node) return std::nullopt;
  const auto found = nodes_.find(node);
  const bool is_answer =
      number != 0 && found != nodes_.end() && found->second.unanswered.erase(number) != 0;
  if (!is_answer && ticket.receipt == 0) return std::nullopt;  // too late
  if (found != nodes_.end()) {
    const bool is_open =
        message.delivery == Delivery::queued || message.delivery == Delivery::waiting;
    if (ticket.receipt != 0 && is_open && is_answer) {
      found->second.reported.insert_or_assign(receipt_key(ticket), ticket);
    } else if (!is_open) {
      found->second.reported.erase(receipt_key(ticket));
    }
    settle_probe(found->second);
    drop_if_idle(node);
  }
  return Outcome{ticket, message.delivery};
}

std::vector<AwayMessages::Outcome> AwayMessages::drop_node(std::uint64_t node) {
  std::vector<Outcome> outcomes;
  const auto found = nodes_.find(node);
  if (found == nodes_.end()) return outcomes;
  for (const auto& each : found->second.unanswered) {
    outcomes.push_back({each.second.ticket, Delivery::unknown_peer});
  }
  take_reported(found->second, outcomes);
  nodes_.erase(found);
  return outcomes;
}

std::vector<AwayMessages::Outcome> AwayMessages::drop_reported(std::uint64_t node) {
  std::vector<Outcome> outcomes;
  const auto found = nodes_.find(node);
  if (found == nodes_.end()) return outcomes;
  take_reported(found->second, outcomes);
  drop_if_idle(node);
  return outcomes;
}

std::vector<AwayMessages::Outcome> AwayMessages::drop_reported() {
  std::vector<Outcome> outcomes;
  for (auto next = nodes_.begin(); next != nodes_.end();) {
    auto& [id, node] = *next++;
    take_reported(node, outcomes);
    drop_if_idle(id);
  }
  return outcomes;
}

AwayMessages::Due AwayMessages::tick(MonotonicTime now) {
  Due due;
  for (auto next = nodes_.begin(); next != nodes_.end();) {
    auto& [id, node] = *next++;
    auto& unanswered = node.unanswered;
    while (!unanswered.empty() && unanswered.begin()->second.deadline <= now) {
      due.outcomes.push_back({unanswered.begin()->second.ticket, Delivery::unknown_peer});
      unanswered.erase(unanswered.begin());
    }
    settle_probe(node);
    if (node.probe_at <= now) {
      due.probes.push_back(id);
      node.probe_time = std::min(node.probe_time * 2, kMaxProbeTime);
      node.probe_at = now + node.probe_time;
    }
    due.next = std::min(due.next, node.probe_at);
    if (!unanswered.empty()) due.next = std::min(due.next, unanswered.begin()->second.deadline);
    drop_if_idle(id);
  }
  return due;
}

void AwayMessages::take_reported(Node& node, std::vector<Outcome>& outcomes) {
  for (const auto& each : node.reported) outcomes.push_back({each.second, Delivery::gone});
  node.reported.clear();
}

/// Nothing to ask for: the next message is probed as the first one.
void AwayMessages::settle_probe(Node& node) {
  if (!node.unanswered.empty()) return;
  node.probe_at = MonotonicTime::max();
  node.probe_time = kProbeTime;
}

void AwayMessages::drop_if_idle(std::uint64_t id) {
  const auto found = nodes_.find(id);
  if (found->second.unanswered.empty() && found->second.reported.empty()) nodes_.erase(found);
}

}  // namespace voicechan::redis
