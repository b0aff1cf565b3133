#include "lease_view.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "envelope.hpp"

namespace voicechan::redis {

LeaseView::Verdict LeaseView::on_renewed(bool was_there, const std::vector<std::uint64_t>& leases,
                                         const std::set<std::uint64_t>& known,
                                         const std::set<std::uint64_t>& heard, MonotonicTime now,
                                         bool may_judge) {
  Verdict verdict;
  const bool is_late = renewed_at_ && now - *renewed_at_ >= kLease;  // a pause of this process
  verdict.needs_new_epoch = !was_there && !is_new_;
  // Whose own lease is gone cannot say whether it is the store that has lost them all.
  if (!steady_since_ || is_late || verdict.needs_new_epoch) {
    steady_since_ = now;
    seen_.clear();
  }
  // The store may have been as slow with others, whose leases then ran out.
  if (!may_judge || (renewed_at_ && now - *renewed_at_ >= kSlow)) seen_.clear();
  verdict.may_be_given_up =
      verdict.needs_new_epoch && std::any_of(leases.begin(), leases.end(),
                                             [&](auto origin) { return last_.count(origin) != 0; });
  is_new_ = verdict.needs_new_epoch;  // with it comes another lease
  renewed_at_ = now;

  std::set<std::uint64_t> alive;
  for (const std::uint64_t origin : leases) alive.insert(node_of(origin));
  const bool may_give_up = may_judge && now - *steady_since_ >= kSteady;
  for (const std::uint64_t node : known) {
    if (alive.count(node) != 0) {
      missing_since_.erase(node);
      continue;
    }
    if (heard.count(node) != 0) {
      missing_since_[node] = now;
      alive_.erase(node);
      verdict.missing.push_back(node);
      continue;
    }
    // It was there and is not, and the store answered all the time.
    if (seen_.count(node) != 0) {
      verdict.dead.push_back(node);
      missing_since_.erase(node);
      continue;
    }
    const auto since = missing_since_.emplace(node, now).first->second;
    // One that had a lease has been silent for as long already. Another one may be about to get it.
    const bool had_lease = alive_.count(node) != 0;
    if (!may_give_up || (!had_lease && now - since < kLease)) {
      verdict.missing.push_back(node);
      continue;
    }
    verdict.dead.push_back(node);
    missing_since_.erase(node);
  }
  for (auto next = missing_since_.begin(); next != missing_since_.end();) {
    next = known.count(next->first) != 0 ? std::next(next) : missing_since_.erase(next);
  }
  std::set<std::uint64_t> vanished;
  for (const std::uint64_t origin : last_) {
    if (alive.count(node_of(origin)) == 0) vanished.insert(node_of(origin));
  }
  verdict.vanished = {vanished.begin(), vanished.end()};
  last_ = {leases.begin(), leases.end()};
  seen_ = alive;
  if (may_give_up) {
    alive_ = std::move(alive);
  } else {
    alive_.insert(alive.begin(), alive.end());
  }
  return verdict;
}

}  // namespace voicechan::redis
