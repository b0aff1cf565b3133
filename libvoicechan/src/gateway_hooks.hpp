#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "voicechan/backplane.hpp"
#include "voicechan/export.hpp"
#include "voicechan/frame.hpp"
#include "voicechan/peer_id.hpp"
#include "voicechan/presence.hpp"
#include "voicechan/result.hpp"

// What joins the hubs of one process to those of others: a gateway, which has a port among the
// hubs of an InProcessBackplane and a thread of its own.
//
// It stands for the peers and members of other nodes in the local rosters (mirrors):
// - A remote peer enters `InProcessBackplane::presence()` under its own id and leaves there, by the
//   gateway's thread; local peers are told of it and `max_room_peers` counts it. `Peer::since` and
//   revisions are this node's own, `Peer::order` is that of its node. The gateway must not let one
//   enter twice, and must update and take out only those that are in.
// - A remote voice member enters `voice_presence()` with `watches` false. What it says is published
//   with the number it got there, `VoicePresence::Entry::since`, as the frame's source: so those
//   who watch are told who speaks. `BackplanePort::flush` before its leaving, so that what it has
//   said comes before. To have `max_room_members` count it: `Subscription::try_add_member` of the
//   gateway's subscription to the group, without a limit, and `remove_member` afterwards.

namespace voicechan {

/// The gateway, as the hubs' backplane sees it. The methods of `BackplaneReceiver` are called out
/// of `BackplanePort::poll` on the gateway's thread:
/// - `on_publish`: a hub has published to a group that the gateway is subscribed to, or
///   `Backplane::publish` was called; not what the gateway published itself.
/// - `on_delivery`: what became of a message from another node that the gateway passed on by
///   `BackplanePort::send`, first from the hub that has the peer and then by what it reports: to be
///   passed back to the node of `ticket.from`.
/// - `on_send`: a message to the gateway's own address, which nobody has; `unknown_peer`.
class GatewayReceiver : public BackplaneReceiver {
 public:
  /// A hub's message to a peer of another node. The answer is due by `BackplanePort::report` with
  /// the ticket, from the gateway's thread: exactly once for what the other hub says of it
  /// (`on_delivery` there), or `unknown_peer` if it cannot be reached; and each time it reports.
  /// Messages of one hub to one peer come in order.
  virtual void on_send_away(const SendTicket& ticket, const Frame& frame) noexcept = 0;

  /// Whether hubs are subscribed to a group; the gateway's own subscriptions do not count. Called
  /// on a hub's thread under a lock, for one group in the order in which it is so: it must not
  /// block and must not call the backplane.
  virtual void on_interest(std::string_view group, bool is_wanted) noexcept = 0;

 protected:
  ~GatewayReceiver() = default;
};

/// What an InProcessBackplane offers to a gateway, by `gateway_hooks(backplane)`. Thread-safe.
class VOICECHAN_API GatewayHooks {
 public:
  virtual ~GatewayHooks() = default;

  /// As `Backplane::attach`, for the only gateway; before there are hubs. While it is attached,
  /// messages and reports to other nodes go to it; without, peers of other nodes are unknown.
  virtual Result<std::unique_ptr<BackplanePort>> attach_gateway(GatewayReceiver& gateway,
                                                                std::function<void()> wake) = 0;

  /// `Backplane::publish` to the hubs alone: not to the gateway.
  virtual void publish_to_hubs(std::string_view group, const Frame& frame) = 0;

  /// Has a local peer enter the local roster and hands the answer to its hub, by `on_entered`,
  /// ahead of what changes afterwards; the same answer. See `PendingPresence`, which uses it.
  virtual Result<Roster> enter_pending(const RoomName& room, Peer peer, std::size_t max,
                                       std::uint64_t number) = 0;

  /// Hands a hub the refusal of a pending entry.
  virtual void refuse_pending(HubAddress hub, std::uint64_t number, Errc reason) = 0;
};

}  // namespace voicechan
