#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "away_messages.hpp"
#include "bus.hpp"
#include "gap_watch.hpp"
#include "gateway_group.hpp"
#include "gateway_hooks.hpp"
#include "gateway_inbox.hpp"
#include "owed_reports.hpp"
#include "pending_presence.hpp"
#include "voicechan/backplane.hpp"
#include "voicechan/clock.hpp"

namespace voicechan::redis {

/// What has come that should not have, and the like.
struct GatewayCounts {
  std::uint64_t unknown_messages = 0;    ///< of a later version
  std::uint64_t malformed_messages = 0;  ///< not ours
  std::uint64_t late_frames = 0;         ///< audio that was too old
  std::uint64_t groups = 0;              ///< that this node takes part in
};

/// Joins the hubs of an InProcessBackplane to those of other nodes by a bus. It owns no thread: who
/// runs the bus' loop calls `turn` there, soon after `wake` and when it said. One thread at a time,
/// but for `presence`, `inbox`, `gaps` and what the hubs call.
class Gateway final : public GatewayReceiver, public LocalPeers, public Bus::Listener {
 public:
  /// A group that nobody wants any more is kept so long, for the next one who does.
  static constexpr std::chrono::milliseconds kLingerTime{2000};
  /// While the bus has been away so long, nobody waits for it.
  static constexpr std::chrono::milliseconds kPatience{1000};

  /// Not more groups at once are asked about after a break, or again: whose question waits behind
  /// thousands of others has no answer in time. Others ask at once: a group that is new here, and
  /// one in which something was found to be missing.
  static constexpr std::size_t kMaxQuestions = 512;

  /// Attaches to `local`, which has no hubs yet. `wake` is called from any thread, must not block
  /// and must not call the gateway.
  Gateway(InProcessBackplane& local, std::uint64_t node, std::function<MonotonicTime()> clock,
          std::function<void()> wake);
  ~Gateway();

  /// Subscribes to what is for all nodes and for this one. First of all on the bus' thread.
  void start(Bus& bus);

  /// Passes on what waits; when it is to be called again, at the latest.
  MonotonicTime turn();

  /// Says goodbye to the other nodes, and lets their members leave here.
  void stop();

  /// This node's lease was gone: it has a new one, and so has to announce everybody.
  /// `may_be_given_up`: for other nodes its peers may have left meanwhile.
  void take_epoch(std::uint16_t epoch, bool may_be_given_up);
  /// A node is gone and all that it had. Should it be there after all, it comes under another
  /// epoch: what it still says under its old one, in groups where it was known, is not heard.
  void drop_node(std::uint64_t node);
  /// A node has a lease under this epoch.
  void on_lease(std::uint64_t origin);

  /// A node has no lease any more. Unless it said goodbye, it may have died before it published
  /// something.
  void on_vanished(std::uint64_t node);

  /// The nodes that have to do with groups or messages of this one.
  std::set<std::uint64_t> known_nodes() const;

  /// A node has no lease, or not for long. If it has lost no more than its way to the store, it
  /// answers.
  void ask_whether_alive(std::uint64_t node);
  /// The nodes that have answered since the last call.
  std::set<std::uint64_t> take_heard();

  Presence& presence() noexcept { return presence_; }
  GatewayInbox& inbox() noexcept { return *inbox_; }
  GapWatch& gaps() noexcept { return gaps_; }
  GatewayCounts counts() const noexcept;

  // Bus::Listener
  void on_message(std::string_view topic, std::string_view bytes) noexcept override;
  void on_gap(std::string_view topic) noexcept override;
  void on_state(bool is_reachable) noexcept override;

  // GatewayReceiver
  void on_publish(std::string_view group, const Frame& frame) noexcept override;
  Delivery on_send(const SendTicket& ticket, const Frame& frame) noexcept override;
  void on_delivery(const SendTicket& ticket, Delivery delivery) noexcept override;
  void on_entered(std::uint64_t, Result<Roster>) noexcept override {}
  void on_send_away(const SendTicket& ticket, const Frame& frame) noexcept override;
  void on_interest(std::string_view group, bool is_wanted) noexcept override;

  // LocalPeers
  void on_wants_to_enter(const RoomName& room, const Peer& peer) override;
  void on_updated(const RoomName& room, const PeerId& peer, std::string_view data) override;
  void on_left(const RoomName& room, const PeerId& peer) noexcept override;

 private:
  using Groups = std::map<std::string, std::shared_ptr<GatewayGroup>, std::less<>>;

  struct Inbound {
    std::uint64_t last_number = 0;
    // Messages that a hub here has not answered yet, by their tickets.
    std::map<std::string, std::vector<std::uint64_t>> open;
  };

  void take_events();
  void leave_voice_rooms();
  void handle(const InterestChanged& event);
  void handle(PeerWantsToEnter& event);
  void handle(PeerUpdated& event);
  void handle(const PeerLeft& event);
  void handle(VoiceMemberEntered& event);
  void handle(const VoiceMemberLeft& event);
  void handle(const PublishedOutside& event);

  void miss(std::string_view group);
  void miss_all();
  /// Has other nodes told to what this one could not publish.
  void tell_unpublished();

  GatewayGroup* find(std::string_view group);
  void touch(GatewayGroup& group);
  void schedule(GatewayGroup& group, MonotonicTime due);
  void look_at(GatewayGroup& group);
  void look_at_touched();
  /// Has the group ask when it is its turn. However often something was missed until then, it asks
  /// once.
  void ask_later(GatewayGroup& group);
  /// All but those whose subscription does not stand yet: they ask when it does.
  void ask_everywhere();
  void wait_to_ask(GatewayGroup& group);
  void ask_due();
  void request_turn();
  bool is_fenced(std::uint64_t origin) const;

  void on_direct(const Message& message);
  void on_signal(const Envelope& envelope, const SignalMessage& message);
  void on_question(const Envelope& envelope, const SnapshotMessage& message);
  void tick_messages();
  /// When the next ones are.
  MonotonicTime say_due_reports();
  void say_report(std::uint64_t node, const DeliveryMessage& report);
  void report(const std::vector<AwayMessages::Outcome>& outcomes);
  void send_to(std::uint64_t node, std::uint64_t number, const Body& body, bool is_counted);
  void publish_to(std::uint64_t node, std::uint64_t number, const Body& body, Bus::Published done);

  const std::function<void()> wake_;
  const std::shared_ptr<GatewayInbox> inbox_;
  PendingPresence presence_;
  GatewayContext context_;
  std::unique_ptr<BackplanePort> port_;
  Groups groups_;
  std::set<std::pair<MonotonicTime, GatewayGroup*>> timetable_;  // each group once, by its `due`
  std::vector<std::weak_ptr<GatewayGroup>> touched_;
  std::deque<std::weak_ptr<GatewayGroup>> to_ask_;
  std::vector<std::weak_ptr<GatewayGroup>> asking_;
  std::vector<VoiceMemberLeft> voice_leaves_;  // due when what they said has been polled
  GapWatch gaps_;
  UnpublishedGroups unpublished_;
  std::set<std::uint64_t> gone_in_order_;          // nodes whose lease may still be there
  std::map<std::uint64_t, std::uint64_t> fenced_;  // the origins of nodes that were given up
  std::set<std::uint64_t> asked_;                  // whether they are alive
  std::set<std::uint64_t> heard_;                  // and which are
  AwayMessages away_;
  MonotonicTime away_due_ = MonotonicTime::max();
  std::unordered_map<std::uint64_t, Inbound> inbound_;  // by node
  OwedReports owed_;
  MonotonicTime unreachable_since_ = MonotonicTime::max();
  bool is_turn_requested_ = false;
  // For the bus' callbacks, which may come when this is gone.
  const std::shared_ptr<Gateway*> self_ = std::make_shared<Gateway*>(this);
  GatewayCounts counts_;
};

}  // namespace voicechan::redis
