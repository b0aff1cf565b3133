#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "envelope.hpp"
#include "voicechan/backplane.hpp"
#include "voicechan/clock.hpp"

namespace voicechan::redis {

/// Messages of this node's peers to those of other nodes, until it is known what became of them. A
/// state machine without I/O. One thread at a time.
class AwayMessages {
 public:
  /// A message that nobody answers for is lost.
  static constexpr std::chrono::milliseconds kAnswerTime{2000};
  /// A node that does not answer so long is probed, whether its connection still stands.
  static constexpr std::chrono::milliseconds kProbeTime{20};

  struct Outcome {
    SendTicket ticket;
    Delivery delivery;
  };
  struct Due {
    std::vector<Outcome> outcomes;
    std::vector<std::uint64_t> probes;  ///< nodes
    MonotonicTime next = MonotonicTime::max();
  };

  /// The number of a message, which is greater than those before.
  std::uint64_t add(const SendTicket& ticket, MonotonicTime now);

  /// To how many connections the message (or probe, 0) was passed that went to the node's topic.
  std::vector<Outcome> on_published(std::uint64_t node, std::uint64_t number,
                                    std::optional<std::size_t> receivers);

  /// What the other node says; nothing if it does not matter any more.
  std::optional<Outcome> on_delivery(std::uint64_t node, std::uint64_t number,
                                     const DeliveryMessage& message);

  std::vector<Outcome> drop_node(std::uint64_t node);
  /// What the other node was to report, it will not.
  std::vector<Outcome> drop_reported(std::uint64_t node);
  /// The same of all nodes: they took this one for dead and have forgotten what they owed it.
  std::vector<Outcome> drop_reported();

  void add_nodes(std::set<std::uint64_t>& nodes) const {
    for (const auto& each : nodes_) nodes.insert(each.first);
  }

  Due tick(MonotonicTime now);

 private:
  struct Waiting {
    SendTicket ticket;
    MonotonicTime deadline;
  };
  struct Node {
    std::map<std::uint64_t, Waiting> unanswered;  // by number
    // Those that are to be delivered or gone: by sender and receipt.
    std::map<std::pair<std::string, std::uint64_t>, SendTicket> reported;
    MonotonicTime probe_at = MonotonicTime::max();
    std::chrono::milliseconds probe_time = kProbeTime;
  };

  static void take_reported(Node& node, std::vector<Outcome>& outcomes);
  static void settle_probe(Node& node);
  void drop_if_idle(std::uint64_t id);

  std::uint64_t last_number_ = 0;
  std::map<std::uint64_t, Node> nodes_;
};

}  // namespace voicechan::redis
