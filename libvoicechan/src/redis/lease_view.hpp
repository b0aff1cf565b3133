#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "voicechan/clock.hpp"

namespace voicechan::redis {

/// Which nodes are alive, by what the store says of their leases. A state machine without I/O. One
/// thread at a time.
class LeaseView {
 public:
  static constexpr std::chrono::milliseconds kRenewal{2000};
  static constexpr std::chrono::milliseconds kLease{6000};
  /// A node whose lease this one has not seen is not given up before this one has renewed its own
  /// without a break for so long: after an outage all leases have run out, and nobody is dead.
  static constexpr std::chrono::milliseconds kSteady = 2 * kLease;
  /// From one renewal to the next: the store was away, if shortly. Half of a lease, so that none
  /// runs out by that alone.
  static constexpr std::chrono::milliseconds kSlow = kLease / 2;
  /// A lease that ends so soon has not been renewed in time: its node is asked over the bus whether
  /// it lives, so that its answer is there when the lease has run out.
  static constexpr std::chrono::milliseconds kLate = kLease / 2;

  struct Verdict {
    /// The own lease was gone.
    bool needs_new_epoch = false;
    /// And another node has kept its own: it may have given this one up. If the store has lost them
    /// all, nobody has.
    bool may_be_given_up = false;
    std::vector<std::uint64_t> dead;  ///< nodes
    /// Nodes that are known and have no lease, and are not dead: to be asked whether they live.
    std::vector<std::uint64_t> missing;
    /// Nodes that had a lease at the last renewal and have none; known ones or not, and perhaps
    /// only since the store was away.
    std::vector<std::uint64_t> vanished;
  };

  /// Whether a renewal that is asked for now may be one that judges: which takes away leases that
  /// ran out, and by whose answer nodes are given up. Not if the store was away since the last one.
  bool may_judge(MonotonicTime now) const noexcept {
    return steady_since_ && renewed_at_ && now - *renewed_at_ < kSlow;
  }

  /// The own lease was renewed. `was_there`: it was there before, even if it had run out. `leases`:
  /// all that are there, by origin. `known`: the nodes that this one has to do with. `heard`: those
  /// that have answered since the last renewal; one that has lost only its way to the store is not
  /// dead. `may_judge`: the renewal did.
  Verdict on_renewed(bool was_there, const std::vector<std::uint64_t>& leases,
                     const std::set<std::uint64_t>& known, const std::set<std::uint64_t>& heard,
                     MonotonicTime now, bool may_judge = true);
  /// The store did not answer.
  void on_failed() noexcept { steady_since_ = std::nullopt; }

  /// The own lease was never renewed under its present name.
  bool is_new() const noexcept { return is_new_; }

  std::size_t nodes() const noexcept { return alive_.size(); }

 private:
  bool is_new_ = true;  // the own lease has not been renewed yet: it cannot have been there
  std::optional<MonotonicTime> steady_since_;
  std::optional<MonotonicTime> renewed_at_;
  std::set<std::uint64_t> last_;  // origins that had a lease at the last renewal
  std::set<std::uint64_t> alive_;
  std::set<std::uint64_t> seen_;  // by the last renewal, unless the store was away since
  // Nodes that are known and have no lease, since then or when they were heard last.
  std::map<std::uint64_t, MonotonicTime> missing_since_;
};

}  // namespace voicechan::redis
