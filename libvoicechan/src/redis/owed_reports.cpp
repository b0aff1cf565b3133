#include "owed_reports.hpp"

#include <algorithm>
#include <utility>

namespace voicechan::redis {

void OwedReports::add(std::uint64_t node, const DeliveryMessage& report, MonotonicTime now) {
  Node& owed = nodes_[node];
  keep(owed, report, now);
  owed.is_doubtful = true;
  if (owed.under_way == 0) schedule(owed, now + kRetryTime);
}

bool OwedReports::append(std::uint64_t node, const DeliveryMessage& report, MonotonicTime now) {
  const auto found = nodes_.find(node);
  if (found == nodes_.end()) return false;
  keep(found->second, report, now);
  return true;
}

void OwedReports::on_published(std::uint64_t node, const Body& body, bool is_passed_on,
                               MonotonicTime now) {
  const auto found = nodes_.find(node);
  if (found == nodes_.end()) return;
  Node& owed = found->second;
  if (owed.under_way > 0) --owed.under_way;  // it may have been dropped and have come again
  owed.is_doubtful = !is_passed_on;
  if (!is_passed_on) {
    if (const auto* report = std::get_if<DeliveryMessage>(&body)) {
      keep(owed, *report, now);
    } else {
      owed.has_lost_some = true;
    }
  }
  if (owed.under_way > 0) return;
  if (owed.reports.empty() && !owed.has_lost_some) {
    nodes_.erase(found);
  } else {
    schedule(owed, is_passed_on ? now : now + kRetryTime);
  }
}

void OwedReports::retry_now() {
  for (auto& each : nodes_) {
    if (each.second.under_way == 0) schedule(each.second, MonotonicTime::min());
  }
}

std::vector<OwedReports::Due> OwedReports::take_due(MonotonicTime now) {
  std::vector<Due> due;
  next_due_ = MonotonicTime::max();
  for (auto& [id, owed] : nodes_) {
    if (owed.due_at > now) {
      next_due_ = std::min(next_due_, owed.due_at);
      continue;
    }
    owed.due_at = MonotonicTime::max();
    const std::size_t most = owed.is_doubtful ? 1 : kMaxAtOnce;
    if (std::exchange(owed.has_lost_some, false)) {
      due.push_back({id, LostReportsMessage{}});
      ++owed.under_way;
    }
    while (owed.under_way < most && !owed.reports.empty()) {
      due.push_back({id, take_front(owed, now)});
      ++owed.under_way;
    }
  }
  return due;
}

void OwedReports::keep(Node& node, const DeliveryMessage& report, MonotonicTime now) {
  if (node.reports.size() >= kMaxReports) {
    node.reports.clear();
    node.has_lost_some = true;
  }
  node.reports.push_back({report, now});
}

DeliveryMessage OwedReports::take_front(Node& node, MonotonicTime now) {
  const Owed& owed = node.reports.front();
  DeliveryMessage report = owed.report;
  const auto age = std::chrono::duration_cast<std::chrono::milliseconds>(now - owed.since);
  report.ticket.waits_for =
      std::max(report.ticket.waits_for - age, std::chrono::milliseconds::zero());
  node.reports.pop_front();
  return report;
}

void OwedReports::schedule(Node& node, MonotonicTime time) {
  node.due_at = time;
  next_due_ = std::min(next_due_, time);
}

}  // namespace voicechan::redis
