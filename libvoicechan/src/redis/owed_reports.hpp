#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <vector>

#include "envelope.hpp"
#include "voicechan/clock.hpp"

namespace voicechan::redis {

/// What became of messages of other nodes' peers, that the bus has not passed on to those nodes:
/// each is said again until it has been, or the node is gone. Of too many the older ones are
/// dropped, and the node is told that some are. A state machine without I/O. One thread at a time.
class OwedReports {
 public:
  /// So many for one node; each takes some 100 bytes.
  static constexpr std::size_t kMaxReports = 16'384;
  /// So many are said at once: a small part of the 64 MiB that may wait before the bus.
  static constexpr std::size_t kMaxAtOnce = 256;
  /// A node that could not be told is tried again after this time.
  static constexpr std::chrono::milliseconds kRetryTime{1000};

  /// What is to be published to a node now. `on_published` is due for each.
  struct Due {
    std::uint64_t node;
    Body body;
  };

  /// The bus has not passed on a report.
  void add(std::uint64_t node, const DeliveryMessage& report, MonotonicTime now);

  /// A report that has not been said: if the node is owed others, it comes behind them. False: it
  /// is owed nothing.
  [[nodiscard]] bool append(std::uint64_t node, const DeliveryMessage& report, MonotonicTime now);

  /// What became of one of those that were due.
  void on_published(std::uint64_t node, const Body& body, bool is_passed_on, MonotonicTime now);

  /// The bus is back: all are due.
  void retry_now();

  void drop_node(std::uint64_t node) { nodes_.erase(node); }

  void add_nodes(std::set<std::uint64_t>& nodes) const {
    for (const auto& each : nodes_) nodes.insert(each.first);
  }

  /// To be called only while the bus can be reached.
  std::vector<Due> take_due(MonotonicTime now);
  MonotonicTime next_due() const noexcept { return next_due_; }

 private:
  struct Owed {
    DeliveryMessage report;
    MonotonicTime since;  // when its `waits_for` was true
  };
  struct Node {
    std::deque<Owed> reports;
    bool has_lost_some = false;  // the node is to be told so, before all else
    std::size_t under_way = 0;
    bool is_doubtful =
        true;  // nothing has got through since the last failure: one is enough to try
    MonotonicTime due_at = MonotonicTime::max();
  };

  void keep(Node& node, const DeliveryMessage& report, MonotonicTime now);
  static DeliveryMessage take_front(Node& node, MonotonicTime now);
  void schedule(Node& node, MonotonicTime time);

  std::map<std::uint64_t, Node> nodes_;
  MonotonicTime next_due_ = MonotonicTime::max();  // at the earliest
};

}  // namespace voicechan::redis
