#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "voicechan/export.hpp"
#include "voicechan/frame.hpp"
#include "voicechan/peer_id.hpp"
#include "voicechan/presence.hpp"
#include "voicechan/result.hpp"
#include "voicechan/voice_presence.hpp"

namespace voicechan {

/// What became of a directed message.
enum class Delivery {
  /// The peer's transport took it. If the ticket has a receipt, `delivered` or `gone` follows, and
  /// perhaps `waiting` before.
  queued,
  /// The peer's transport has handed it to the network.
  delivered,
  /// The peer left before that; or its process is lost, or was out of reach, and nothing more will
  /// be known.
  gone,
  /// No such peer is connected.
  unknown_peer,
  /// The peer has too much unread data waiting; the message was not queued.
  peer_busy,
  /// The peer has lost its connection: the message waits for it, for `SendTicket::waits_for` at
  /// most. Then `delivered` or `gone` follows.
  waiting,
};

/// Names a directed message until its `Delivery` is known.
struct SendTicket {
  PeerId from;
  PeerId to;
  /// The sending hub's number for a message whose delivery is to be reported; 0: not wanted. If a
  /// session's client is connected to another hub, it counts what that one is to tell him.
  std::uint64_t receipt = 0;
  /// The message's number in the sending hub's `FlightRecorder`; 0: it is in none.
  std::uint64_t flight = 0;
  /// With `Delivery::waiting`.
  std::chrono::milliseconds waits_for{0};
};

/// What a backplane hands to one hub. Implemented by `Hub`. Called from within
/// `BackplanePort::poll`, on the hub's thread. A hub may have the address of an earlier one that is
/// gone, and be handed messages to that one's peers and deliveries of its tickets.
class VOICECHAN_API BackplaneReceiver {
 public:
  /// A frame that another hub published to a group that this one is subscribed to.
  virtual void on_publish(std::string_view group, const Frame& frame) noexcept = 0;

  /// A message to `ticket.to`, which is a peer of this hub. Returns what is known of its delivery
  /// by now.
  virtual Delivery on_send(const SendTicket& ticket, const Frame& frame) noexcept = 0;

  /// What became of a message that this hub sent; another one follows `Delivery::waiting`.
  virtual void on_delivery(const SendTicket& ticket, Delivery delivery) noexcept = 0;

  /// The answer to an entry that was pending (`Presence::enter`), by the number it was given. It
  /// may come for a peer that has left meanwhile.
  virtual void on_entered(std::uint64_t number, Result<Roster> answer) noexcept = 0;

 protected:
  ~BackplaneReceiver() = default;
};

/// One hub's interest in one group; ends when destroyed. One thread at a time: the hub's.
class VOICECHAN_API Subscription {
 public:
  virtual ~Subscription() = default;

  /// Passes a frame to every other hub that is subscribed to the group, and not to this one. It
  /// leaves with the next `BackplanePort::flush`. Frames of one hub arrive in order, each once.
  virtual void publish(const Frame& frame) = 0;

  /// Counts one more member that this hub has of the group, unless the group has `max` already:
  /// then false. Over all hubs of this process at least; what a backplane knows of other processes
  /// may be a moment old.
  [[nodiscard]] virtual bool try_add_member(std::size_t max) = 0;

  /// Takes back one that was added; those that are left go with the subscription.
  virtual void remove_member() noexcept = 0;
};

/// One hub's place on the backplane; detached when destroyed (all its subscriptions must be gone).
/// One thread at a time: the hub's.
class VOICECHAN_API BackplanePort {
 public:
  virtual ~BackplanePort() = default;

  /// Where peers of this hub are sent to; it is in their ids.
  virtual HubAddress address() const noexcept = 0;

  /// From its return on, what other hubs publish to the group arrives here. At most one
  /// subscription per group and port.
  virtual std::unique_ptr<Subscription> subscribe(std::string_view group) = 0;

  /// Sends a frame to `ticket.to`, a peer of another hub. Exactly one `on_delivery` with the ticket
  /// follows, out of a later `poll`, unless this hub goes away before; what the other hub reports
  /// comes beside it. Frames of one hub to one
  /// peer arrive in order.
  virtual void send(const Frame& frame, const SendTicket& ticket) = 0;

  /// Tells the hub of `ticket.from`, which may be this one, what became of a message that was
  /// `queued` here: its `on_delivery` is called out of a later `poll`.
  virtual void report(const SendTicket& ticket, Delivery delivery) = 0;

  /// Hands over what has been published and sent since the last call, and wakes the receivers.
  virtual void flush() = 0;

  /// Delivers what has arrived from other hubs to this hub's receiver.
  virtual void poll() = 0;
};

/// What `Backplane::prepare` gives.
struct Preparation {
  /// The group stays prepared as long as this or a subscription to it exists. May be null.
  std::shared_ptr<void> hold;
  /// False: `ready` is called later.
  bool is_ready = true;
};

/// Joins hubs into one system: those of one process, or of many nodes. Every implementation passes
/// `tests/backplane_conformance.hpp`. Thread-safe. Must outlive its ports.
class VOICECHAN_API Backplane {
 public:
  virtual ~Backplane() = default;

  /// Gives a hub its place. `wake` is called from any thread when something begins to wait for the
  /// hub, and not again until the next `poll`; it must make the hub's thread call `poll` soon, must
  /// not block and must not call the backplane. It is not called after the port is destroyed. Fails
  /// with `Errc::too_many_hubs`.
  virtual Result<std::unique_ptr<BackplanePort>> attach(BackplaneReceiver& receiver,
                                                        std::function<void()> wake) = 0;

  /// Passes a frame to every hub subscribed to the group. From any thread, at once.
  virtual void publish(std::string_view group, const Frame& frame) = 0;

  /// Has what other processes publish to a group come to this one, so that a subscription made
  /// while `Preparation::hold` exists misses nothing from its return on; without, it may miss what
  /// they publish in its first moment. Unless it is ready at once, `ready` is called once by any
  /// thread, perhaps before this returns: when it is ready, or has taken too long. It must not
  /// block and must not call the backplane, and is not called after `hold` has been destroyed. From
  /// any thread.
  virtual Preparation prepare(std::string_view group, std::function<void()> ready) = 0;

  /// Has `on_gap` called with each group, but those of rooms, of which this process may have missed
  /// something that others published, once nothing more is missed: who keeps it elsewhere, looks
  /// there. By any thread, perhaps more than once for one outage, and for nothing. It must not
  /// block and must not call the backplane. Replaces an earlier one; an empty one ends it, and is
  /// not called any more when this returns. False: nothing is ever missed.
  virtual bool watch_gaps(
      // NOLINTNEXTLINE(performance-unnecessary-value-param): who loses something keeps it
      std::function<void(std::string_view group)> /*on_gap*/) {
    return false;
  }

  /// The rosters of all hubs' signaling rooms.
  virtual Presence& presence() noexcept = 0;

  /// Who is in all hubs' voice rooms.
  virtual VoicePresence& voice_presence() noexcept = 0;
};

class GatewayHooks;
class InProcessBackplane;
/// For those that join processes: see libvoicechan/src/gateway_hooks.hpp.
VOICECHAN_API GatewayHooks& gateway_hooks(InProcessBackplane& backplane) noexcept;

/// Joins the hubs of one process, up to 64. A frame crosses to each other hub once, whatever the
/// number of its members; hubs hand over whole batches, and only waking a sleeping hub takes a
/// lock. Thread-safe.
class VOICECHAN_API InProcessBackplane final : public Backplane {
 public:
  static constexpr std::size_t kMaxHubs = 64;

  /// `node` names this process start in signaling ids; take it from a random source.
  explicit InProcessBackplane(std::uint64_t node);
  ~InProcessBackplane() override;

  Result<std::unique_ptr<BackplanePort>> attach(BackplaneReceiver& receiver,
                                                std::function<void()> wake) override;
  void publish(std::string_view group, const Frame& frame) override;
  /// Ready at once: all hubs are here.
  Preparation prepare(std::string_view group, std::function<void()> ready) override;
  Presence& presence() noexcept override { return *presence_; }
  VoicePresence& voice_presence() noexcept override { return *voice_presence_; }

 private:
  friend GatewayHooks& gateway_hooks(InProcessBackplane& backplane) noexcept;
  struct Shared;
  std::unique_ptr<Shared> shared_;
  std::unique_ptr<Presence> presence_;
  std::unique_ptr<VoicePresence> voice_presence_;
};

}  // namespace voicechan
