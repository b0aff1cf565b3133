#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "age_filter.hpp"
#include "bus.hpp"
#include "gateway_hooks.hpp"
#include "gateway_inbox.hpp"
#include "group_mirror.hpp"
#include "pending_presence.hpp"
#include "voicechan/backplane.hpp"
#include "voicechan/clock.hpp"

namespace voicechan::redis {

class GatewayGroup;

/// What all groups of a gateway share. Of the gateway's thread.
struct GatewayContext {
  std::function<MonotonicTime()> clock;
  /// Has the group looked at when the turn ends.
  std::function<void(GatewayGroup&)> touch;
  /// Something may have been missed in the group.
  std::function<void(const std::string& group)> miss;
  InProcessBackplane* local;
  PendingPresence* presence;
  Bus* bus;
  GatewayInbox* inbox;
  BackplanePort* port = nullptr;
  std::uint64_t origin = 0;
  /// The last origin that others may have given up; 0: none.
  std::uint64_t given_up = 0;
  MonotonicTime now{};  // of the turn or the call under way
  AgeFilter ages;
  std::uint64_t late_frames = 0;

  void update_time() { now = clock(); }
};

/// The room that a group of this kind belongs to; nothing if it is no room's group.
std::optional<RoomName> signaling_room_of(std::string_view group);
std::optional<RoomName> voice_room_of(std::string_view group);

/// One group that this node takes part in: joins its mirror to the bus and to the local rosters and
/// hubs. Owned by a shared pointer. One thread at a time: the gateway's.
class GatewayGroup final : public GroupActions, public std::enable_shared_from_this<GatewayGroup> {
 public:
  GatewayGroup(GatewayContext& context, std::string name, std::uint32_t start);
  ~GatewayGroup();

  /// Subscribes to the topic.
  void open();
  /// Takes all out of the local rosters that this brought, tells other nodes and unsubscribes.
  void close();
  /// The subscription stands, perhaps again: something may have been missed before. Asks.
  void on_subscribed();
  /// The same, or this node has another epoch now; or not all have answered.
  void ask_again();

  /// What the bus brought.
  void on_message(const Message& message);
  /// What a local hub published.
  void relay(const Frame& frame);

  GroupMirror& mirror() noexcept { return mirror_; }
  const std::string& name() const noexcept { return name_; }
  /// It took too long; who waits for it is not kept waiting.
  bool is_degraded() const noexcept { return is_degraded_; }
  void degrade();

  MonotonicTime linger_until = MonotonicTime::max();
  MonotonicTime due = MonotonicTime::max();  // its place in the gateway's timetable
  bool is_touched = false;
  bool is_to_ask = false;   // it waits for its turn to ask
  bool has_missed = false;  // and that not only since not all have answered

 private:
  void publish(const Envelope& envelope, const Body& body, std::uint64_t token) override;
  void answer(std::uint64_t node, const Envelope& envelope,
              const SnapshotMessage& message) override;
  void ask_node(std::uint64_t node, const Envelope& envelope) override;
  void enter(std::uint64_t node, const MemberRecord& member) override;
  void update(std::uint64_t node, const MemberRecord& member) override;
  void leave(std::uint64_t node, const MemberRecord& member) override;
  bool admit(const MemberRecord& member) override;
  void on_listeners(bool are_there) override;
  void on_ready() override;

  void on_frame(const Envelope& envelope, const Frame& frame);
  /// The subscription that local frames come and remote ones go by. Null in signaling rooms.
  Subscription* need_subscription();
  void drop_subscription_if_idle();
  Bus::Published when_published(std::uint64_t token);

  GatewayContext* const context_;
  const std::string name_;
  const std::string topic_;
  const std::optional<RoomName> signaling_room_;
  const std::optional<RoomName> voice_room_;
  GroupMirror mirror_;
  std::unique_ptr<Subscription> subscription_;
  // The local number of each voice member of another node, by node and its number there.
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::uint64_t> voice_members_;
  bool has_listeners_ = false;
  bool is_degraded_ = false;
  std::uint32_t frames_ = 0;
};

}  // namespace voicechan::redis
