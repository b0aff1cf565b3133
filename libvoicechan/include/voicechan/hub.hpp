#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "voicechan/backplane.hpp"
#include "voicechan/clock.hpp"
#include "voicechan/export.hpp"
#include "voicechan/frame.hpp"
#include "voicechan/ice_offer.hpp"
#include "voicechan/model.hpp"
#include "voicechan/random.hpp"
#include "voicechan/result.hpp"
#include "voicechan/transport.hpp"

namespace voicechan {

class FlightRecorder;

/// The group that a voice room's sessions are in: "voice_<room>".
VOICECHAN_API std::string voice_group(const RoomName& room);

/// The group that a user's notification sessions are in: "notifications_<id>".
VOICECHAN_API std::string notification_group(UserId user);
/// Whose group that is; nothing: it is another one.
VOICECHAN_API std::optional<UserId> user_of_notification_group(std::string_view group);

/// Limits of a hub. Zero switches a rate off; sizes have no "off".
struct HubOptions {
  /// A longer signaling message is refused with `too_large`.
  std::size_t max_signaling_bytes = 1u << 20;
  /// A signaling message nested deeper is refused with `bad_message`.
  std::size_t max_json_depth = 64;
  /// A voice room takes no more members, over all hubs of the process.
  std::size_t max_room_members = 20'000;
  /// A signaling room takes no more peers, over all hubs.
  std::size_t max_room_peers = 256;
  /// A peer's `data` may be as long, as it is written.
  std::size_t max_peer_data_bytes = 4096;
  /// What peers in rooms are told of STUN and TURN servers, when they join and again before it
  /// ends. Empty: nothing. Called on the hub's thread. If it throws, the peer is told nothing for
  /// now, and it is called again a minute later; why it did, is for the host to log.
  std::function<IceOffer(UserId)> ice_servers;
  /// Where it is recorded what happens in signaling rooms; it must outlive the hub. Null: nowhere.
  FlightRecorder* flight_recorder = nullptr;
  /// Signaling messages a session may send per second over time, and at once.
  double signaling_messages_per_second = 1000;
  double signaling_burst = 10000;
  /// So long a signaling session that asked for it waits after `Session::lose`. Zero: none does.
  std::chrono::milliseconds resume_window{30'000};
  /// What is kept of the messages sent to such a session, for one who missed them.
  std::size_t max_resume_messages = 500;
  std::size_t max_resume_bytes = 64u << 10;
  /// The same for all sessions of the hub together: if it is full, some keep less.
  std::size_t max_resume_bytes_of_all = 64u << 20;
  /// If so many sessions of the hub wait, another one that loses its connection leaves.
  std::size_t max_waiting_sessions = 10'000;
  /// How often a signaling session may do what all of its room are told of, or be shown who is
  /// there: join a room, update, sync. Over time and at once; more is refused with `rate_limited`.
  /// To leave is always allowed.
  double room_changes_per_second = 10;
  double room_changes_burst = 100;
  /// How often a member of a voice room may ask what has changed, over time and at once.
  double voice_syncs_per_second = 5;
  double voice_sync_burst = 100;
  /// While several members of a room speak, what they say goes out at most once in this time, all
  /// of it together, so that a host can write it at once; a lone speaker's frames are never held.
  /// Zero: nothing is held. Other values need a host that calls `tick` on time.
  std::chrono::milliseconds pacing_window{0};
};

/// What a member of a voice room wants to get.
enum class VoiceProtocol : std::uint8_t {
  /// What the others send, as they sent it.
  plain,
  /// Who is there and who comes and goes, in JSON, and of all that others send who it is: binary
  /// behind the member's number (4 bytes, big-endian), text as {"type":"text","member","text"}. The
  /// member's own text is JSON, too. See server/MESSAGES.md.
  with_members,
};

/// One client's presence in a hub: a member of a voice room, a signaling peer, or a receiver of
/// notifications. Owned by the host, next to its connection; its destruction is the leave, so a
/// connection that ends in any way leaves no ghost, unless the host calls `lose`. Move-only. One
/// thread at a time: the hub's.
class VOICECHAN_API Session {
 public:
  Session() noexcept = default;
  Session(Session&& other) noexcept;
  Session& operator=(Session&& other) noexcept;
  ~Session();

  /// False for a session that was default-constructed, moved from, or has left.
  explicit operator bool() const noexcept { return state_ != nullptr; }

  /// The voice or signaling room that it is in; empty if it is in none, or its client has resumed a
  /// session of another hub. Valid until the next call.
  std::string_view room() const noexcept;

  /// Hands in one message from the client; what it causes goes out through transports before the
  /// call returns, unless the room is paced (`HubOptions::pacing_window`). The session may be
  /// destroyed by such a transport while the call runs. A transport may call this, too: a message
  /// to a group that is being sent to goes out when the frame under way has reached all members.
  /// Voice: relayed unchanged to all other members (text as control, binary as media), but text of
  /// `VoiceProtocol::with_members`, which is for the hub and answered where it is refused.
  /// Signaling: routed by `to`; every refusal is answered, see server/MESSAGES.md. One of the
  /// messages resumes another session: then this is the handle of that one.
  /// Notifications: ignored.
  void receive(FrameKind kind, std::string bytes);

  /// Tells the client that the host did not hand in a message of his, and why (`Errc::too_large`,
  /// `Errc::rate_limited`), by an error message as those of signaling.
  void refuse(Errc reason);

  /// All that the transport was given has been handed to the network, as it was asked to tell
  /// (`Transport::notify_when_written`). Not to be called from within the transport's methods.
  void on_written();

  /// Leaves now. Idempotent.
  void leave() noexcept;

  /// The connection broke without a goodbye. A signaling session whose client has asked for it
  /// waits for him to resume, for `HubOptions::resume_window`; any other leaves. Empty afterwards.
  void lose() noexcept;

 private:
  friend class Hub;
  struct State;
  explicit Session(State* state) noexcept;

  State* state_ = nullptr;
};

/// Everything live, for one thread: the sessions handed to it, the groups they are in, and who
/// answers to which signaling id. Frames come in by `Session::receive`, go out through each
/// session's `Transport`; time and other hubs' frames come in by `tick`. One thread at a time.
///
/// It opens nothing and waits for no I/O. To relay what is said in a voice room takes no lock, but
/// for waking another hub that sleeps. Hubs share what their backplane has: who is interested in
/// which group, how many members it has, and who is in which room (`Presence`, `VoicePresence`);
/// and a `FlightRecorder`, if there is one. With `InProcessBackplane` these are behind short locks.
/// Voice takes them to join, to leave and to ask what has changed; signaling for these, for
/// updates, and for each message of a peer in a room.
///
/// With a hub's last session in a group its interest ends, and what is still under way to it is
/// dropped. With the last one of all hubs the room ends; the next one of its name goes on from its
/// revision.
class VOICECHAN_API Hub {
 public:
  /// Joins a new hub to the backplane. `wake` is as in `Backplane::attach`: it must make the hub's
  /// thread call `tick` soon. `backplane` and `random` must outlive the hub. Fails with
  /// `Errc::too_many_hubs`.
  static Result<std::unique_ptr<Hub>> attach(
      Backplane& backplane, HubOptions options = {}, std::function<void()> wake = [] {},
      RandomSource& random = system_random());

  /// Sessions still open are left; their handles become empty.
  ~Hub();

  /// Adds a member to the room `voice_<room>`. The transport must outlive the session. One with
  /// members gets the roster first, out of the next `tick`, and nothing before. Fails with
  /// `Errc::room_full`.
  Result<Session> join_voice(Identity user, const RoomName& room, Transport& transport,
                             VoiceProtocol protocol = VoiceProtocol::plain);

  /// Adds a signaling connection; it gets its id when it sends `{"type":"join"}`.
  Session open_signaling(Identity user, Transport& transport);

  /// Delivers what is published to `notifications_<user id>` from now on.
  Session open_notifications(const Identity& user, Transport& transport);

  /// Moves time on, delivers what other hubs sent and hands over what waits for them. To be called
  /// at the end of each turn of the host's loop, soon after `wake`, and at the returned time at the
  /// latest (`MonotonicTime::max()`: no need); not by a transport.
  MonotonicTime tick(MonotonicTime now);

  /// Those that wait to be resumed included.
  std::size_t session_count() const noexcept;

  /// How often a signaling session of this hub went on over another connection.
  std::uint64_t resume_count() const noexcept;

 private:
  friend class Session;
  class Impl;
  explicit Hub(std::unique_ptr<Impl> impl) noexcept;

  std::unique_ptr<Impl> impl_;
};

}  // namespace voicechan
