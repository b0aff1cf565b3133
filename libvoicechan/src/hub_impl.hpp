#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "local_group.hpp"
#include "peer_rooms.hpp"
#include "resumable_transport.hpp"
#include "resume_tunnel.hpp"
#include "room_message.hpp"
#include "signaling_message.hpp"
#include "token_bucket.hpp"
#include "voicechan/hub.hpp"

// What a hub consists of. Sessions, groups and relay are in hub.cpp, signaling in
// hub_signaling.cpp, joins in hub_join.cpp, what outlives a connection in hub_resume.cpp, members
// of voice rooms and what they ask in hub_voice.cpp.

namespace voicechan {

inline constexpr std::string_view kBadRevision = "\"revision\" must be an integer, 0 or more";

enum class Role : std::uint8_t { voice, signaling, notifications };

/// The receipts that one signaling session waits for, and those it owes.
struct Receipts {
  static constexpr std::size_t kMaxWanted = 4096;
  static constexpr std::size_t kMaxUnwritten = 4096;

  struct Wanted {
    std::string msg_id;  // JSON
    PeerId to;
    bool is_waiting = false;  // the client has been told that the peer may come back
  };
  std::unordered_map<std::uint64_t, Wanted> wanted;  // by number
  std::vector<SendTicket> unwritten;                 // of messages that the transport has taken
  bool is_sender = false;                            // the client has opted in
};

/// What a session has that its client may resume.
struct Resumption {
  using Waiting = std::multimap<MonotonicTime, PeerId>;  // key by end

  Resumption(const PeerId& secret, Transport& connection, const ResumeLimits& limits,
             std::size_t& kept_of_all)
      : key(secret), transport(connection, limits, kept_of_all) {}

  const PeerId key;  // that the client resumes it with
  ResumableTransport transport;
  std::unique_ptr<TunnelTransport> tunnel;  // if the client is connected to another hub
  std::optional<Waiting::iterator> waits;   // until when, if it is not connected
  std::optional<PeerId> waits_behind;       // then: the tunnel's connection that was cut
};

/// What a join asks for.
struct JoinWishes {
  bool receipts = false;
  bool resume = false;
};

/// A join that waits to be answered, and what must not overtake the answer; that is handled one
/// after the other when it has come.
struct PendingJoin {
  static constexpr std::size_t kMaxKept = 256;
  // Of one session, but for a single message that is longer, and of all sessions of a hub.
  static constexpr std::size_t kMaxKeptBytes = 256u << 10;
  static constexpr std::size_t kMaxKeptBytesOfAll = 64u << 20;

  struct Said {
    FrameKind kind;
    std::string text;
  };
  struct Directed {
    SendTicket ticket;
    Frame frame;
  };

  std::uint64_t number = 0;                 // in the hub's list of these
  std::unique_ptr<PeerRooms::Entry> entry;  // null once answered
  JoinWishes wishes;
  bool is_first = false;          // the session gets its id with it
  std::deque<Said> said;          // by the client
  std::deque<Directed> directed;  // to the peer
  std::size_t kept_bytes = 0;     // of both
};

/// A connection whose session is with another hub.
struct Tunnel {
  const PeerId id;
  const PeerId key;           // of the session
  std::uint64_t passed = 0;   // the number of the last message that the client was given
  std::uint64_t written = 0;  // of the last one that was handed to the network
  TunnelWatch watch{};
};

/// What a session has that is a signaling one.
struct SignalingState {
  SignalingState(Identity identity, const HubOptions& options)
      : user(std::move(identity)),
        messages(options.signaling_burst),
        room_changes(options.room_changes_burst) {}

  Receipts& need_receipts() {
    if (receipts == nullptr) receipts = std::make_unique<Receipts>();
    return *receipts;
  }
  bool is_waiting() const noexcept { return resumption != nullptr && resumption->waits; }
  bool wants_receipts() const noexcept { return receipts != nullptr && receipts->is_sender; }

  const Identity user;
  std::optional<PeerId> id;                 // once it has joined
  std::unique_ptr<PeerRooms::Place> place;  // while it is in a room
  std::unique_ptr<PendingJoin> joining;     // while a join and what came behind it wait
  std::unique_ptr<Receipts> receipts;       // once it has had to do with any
  std::unique_ptr<Resumption> resumption;   // once the client has asked for it
  std::unique_ptr<Tunnel> tunnel;           // instead of all above
  TokenBucket messages;
  TokenBucket room_changes;
};

/// One session. Owned by the hub's list, known to its handle. A call of a transport may destroy any
/// State, so none is touched after one.
struct Session::State : Group::Membership {
  State(Hub::Impl& owner, Role session_role, Transport& out)
      : hub(&owner), transport(&out), role(session_role) {}

  // There are many sessions: what is small stands together, and what few have stands apart.
  Hub::Impl* const hub;
  Transport* transport;
  Session* handle = nullptr;         // null while nobody is connected to this hub for it
  std::list<State>::iterator place;  // in the hub's list of sessions
  std::map<std::string, LocalGroup, std::less<>>::iterator group_place;  // if is_in_group
  std::unique_ptr<SignalingState> signaling;                             // of a signaling session
  std::unique_ptr<VoiceWatchers::Place> watch;  // of a voice session that is told of the others
  std::uint64_t since = 0;                      // in its voice room; the source of its frames
  const Role role;
  bool is_in_group = false;  // a voice or notifications session
};

class Hub::Impl final : public BackplaneReceiver {
 public:
  using State = Session::State;

  Impl(HubOptions options, RandomSource& random)
      : options_(std::move(options)),
        resume_limits_{options_.max_resume_messages, options_.max_resume_bytes,
                       options_.max_resume_bytes_of_all},
        random_(&random) {}
  ~Impl();

  std::error_code attach(Backplane& backplane, std::function<void()> wake);

  Session open(Role role, Transport& transport);
  Session open_signaling(Identity user, Transport& transport);
  Result<Session> open_in_group(Role role, Transport& transport, const std::string& group,
                                std::chrono::milliseconds window, std::size_t max_members);
  Result<Session> join_voice(Identity user, const RoomName& room, Transport& transport,
                             VoiceProtocol protocol);
  void leave(State& session) noexcept;
  void lose(State& session) noexcept;
  void receive(State& session, FrameKind kind, std::string bytes);
  void on_written(State& session);
  /// Answers a message that is not processed; the code's own sentence is the detail unless there is
  /// a better one.
  void refuse(State& session, Errc code, std::optional<std::string_view> to = {},
              std::string_view detail = {});

  MonotonicTime tick(MonotonicTime now) {
    now_ = now;
    port_->poll();
    const MonotonicTime next_refresh = refresh_ice();
    const MonotonicTime next =
        std::min({release_paced(), next_refresh, probe_tunnels(), end_waiting()});
    port_->flush();
    return next;
  }

  std::size_t session_count() const noexcept { return sessions_.size(); }
  std::uint64_t resume_count() const noexcept { return resume_count_; }
  const HubOptions& options() const noexcept { return options_; }

  void on_publish(std::string_view group, const Frame& frame) noexcept override;
  Delivery on_send(const SendTicket& ticket, const Frame& frame) noexcept override;
  void on_delivery(const SendTicket& ticket, Delivery delivery) noexcept override;
  void on_entered(std::uint64_t number, Result<Roster> answer) noexcept override;

 private:
  using Groups = std::map<std::string, LocalGroup, std::less<>>;

  Groups::iterator find_or_add_group(const std::string& group, std::chrono::milliseconds window);
  /// `from` is the sender if that is a member of this hub.
  void fan_out(Groups::iterator place, const Frame& frame, State* from);
  void note_paced(Groups::iterator place);
  void dispose_if_empty(Groups::iterator place);
  void leave_group(State& session) noexcept;
  MonotonicTime release_paced();
  void relay(State& session, FrameKind kind, std::string bytes);

  Result<Session> join_watching(Identity user, const RoomName& room, Transport& transport);
  void take_member_message(State& session, std::string_view text);
  void sync_members(State& session, std::uint64_t revision);
  void on_members_change(std::string_view group, const Frame& frame);

  PeerId make_id();
  void leave_signaling(SignalingState& signaling) noexcept;
  /// Tells those whose credentials are about to end of new ones; when the next are due.
  MonotonicTime refresh_ice();
  std::optional<IceOffer> offer_ice(State& session);
  void record_ice_error(State& session, const SignalingMessage& message);
  void route(State& session, FrameKind kind, std::string_view text);
  void handle(State& session, FrameKind kind, std::string_view text);
  void join(State& session, const SignalingMessage& message);
  /// Answers a join; with a roster if it was to a room, in which the session is.
  void finish_join(State& session, const PeerId& id, const std::optional<Roster>& roster,
                   JoinWishes wishes);
  void wait_to_enter(State& session, const PeerId& id, std::unique_ptr<PeerRooms::Entry> entry,
                     std::uint64_t number, JoinWishes wishes);
  bool has_room_to_keep(const PendingJoin& joining, std::size_t count, std::size_t bytes) const;
  /// Keeps what the client says until its join is answered.
  void keep_said(State& session, FrameKind kind, std::string_view text);
  void keep(PendingJoin& joining, PendingJoin::Said said);
  void keep(PendingJoin& joining, PendingJoin::Directed message);
  /// Handles what was kept behind the join of this number.
  void handle_kept(std::uint64_t number);
  /// The session ends: it will not enter, and nothing more comes of what was kept.
  void drop_join(SignalingState& signaling) noexcept;
  /// What the client has said behind the message that is being handled.
  std::deque<PendingJoin::Said> take_said(SignalingState& signaling);
  /// Lets another session have it.
  void pass_on_said(const PeerId& key, std::deque<PendingJoin::Said> said);
  /// Counts what others in a room are told of, or what copies its roster; refused if false.
  bool may_change_room(State& session);
  /// Takes a session into a room, under this id, or sees to it that it stays, and answers; or has
  /// the join wait. If the room is full, nothing has changed.
  void enter_room(State& session, const PeerId& id, const RoomName& room,
                  std::optional<std::string_view> data, JoinWishes wishes);
  void update_data(State& session, const SignalingMessage& message);
  void sync(State& session, const SignalingMessage& message);
  /// Handles what only a peer in a room may send; false if the message is none of that.
  bool handle_in_room(State& session, const SignalingMessage& message);
  void forward(State& session, const SignalingMessage& message);
  /// Whether the peer is one of this hub and would not take the message now.
  bool is_refused_here(const SendTicket& ticket, const Frame& frame) const;
  /// Whether a peer has too much unread data, or too many receipts to give, to take a message now.
  static bool is_busy(const State& peer, const SendTicket& ticket, const Frame& frame);
  void send(const SendTicket& ticket, const Frame& frame);
  Delivery deliver(const SendTicket& ticket, const Frame& frame) noexcept;
  Delivery deliver_now(State& peer, const SendTicket& ticket, const Frame& frame);
  /// Records a message of a peer in a room; its number, or 0. `is_in_room`: so is the receiver.
  std::uint64_t record_message(const State& session, const SignalingMessage& message,
                               const PeerId& to, bool is_in_room);
  void record_outcome(const SendTicket& ticket, Delivery delivery);
  static void record_refusal(const State& session, Errc code);
  static void send_error(Transport& transport, Errc code, std::optional<std::string_view> to = {},
                         std::string_view detail = {});
  /// The same, as a receipt if the client wants one.
  void refuse(State& session, const SignalingMessage& message, Errc code,
              std::string_view detail = {});

  /// From now on the session can be resumed; what its client is to know for it.
  std::optional<ResumeOffer> offer_resume(State& session);
  void resume(State& session, const SignalingMessage& message);
  /// Takes a session off its connection, so that it can be resumed behind the message `seq`. Why
  /// it cannot be: then it has left.
  std::optional<ResumeFailure> cut_off(State& session, std::uint64_t seq);
  void connect(State& session, Transport& connection, std::uint64_t seq);
  /// Has those leave who waited long enough; when the next are due.
  MonotonicTime end_waiting();
  Delivery let_wait(State& session, const SendTicket& ticket, const Frame& frame);
  void report_waiting(SendTicket ticket, std::chrono::milliseconds time);
  std::vector<ResumableTransport::Directed> supersede(State& session, const PeerId& from,
                                                      const Frame& frame);
  static void refuse_resume(Transport& transport, ResumeFailure failure);
  // A session of another hub, for a connection of this one.
  void open_tunnel(State& session, const PeerId& key, std::uint64_t seq);
  void signal(const Tunnel& tunnel, const TunnelSignal& message);
  void drop_tunnel(SignalingState& signaling) noexcept;
  void fail_tunnel(State& session, ResumeFailure failure);
  /// The session is not to be reached; should it be there after all, it need not wait.
  void lose_tunnel(State& session);
  /// The session waits for its client, who is to resume it over another connection.
  void cut_tunnel(State& session);
  void pass_through(State& session, FrameKind kind, std::string_view text);
  Delivery take_for_client(State& session, const SendTicket& ticket, const Frame& frame);
  // The other end: a session of this hub, for a connection of another one.
  Delivery take_from_client(State& session, const SendTicket& ticket, const Frame& frame);
  Delivery resume_from(State& session, const SendTicket& ticket, const TunnelSignal& resume);
  void on_tunnel_delivery(const SendTicket& ticket, Delivery delivery);
  // Both ends.
  struct TunnelEnds {
    PeerId own;
    PeerId other;
  };
  void watch_tunnel(const PeerId& own, const PeerId& other, std::chrono::milliseconds time);
  /// Asks for the other ends of tunnels, where it is time; when the next are due.
  MonotonicTime probe_tunnels();
  /// When again; nothing if there is no such tunnel any more.
  std::optional<std::chrono::milliseconds> probe_tunnel(const TunnelEnds& ends);

  const HubOptions options_;
  const ResumeLimits resume_limits_;
  RandomSource* const random_;
  std::unique_ptr<BackplanePort> port_;
  Groups groups_;
  std::list<State> sessions_;
  std::unordered_map<PeerId, State*> peers_;
  std::unordered_map<PeerId, State*> resumables_;    // by key
  std::unordered_map<PeerId, State*> tunnels_;       // by their own id
  std::multimap<MonotonicTime, TunnelEnds> probes_;  // of tunnels, by when they are due
  MonotonicTime probes_pause_until_{};
  Resumption::Waiting waiting_;                      // for somebody to resume them
  std::size_t resume_bytes_ = 0;                     // kept for all resumables_
  std::unordered_map<std::uint64_t, State*> joins_;  // that wait, by number
  std::size_t kept_bytes_ = 0;                       // behind all joins_
  std::uint64_t last_join_ = 0;
  std::optional<PeerRooms> peer_rooms_;      // once attached
  VoicePresence* voice_presence_ = nullptr;  // once attached
  std::vector<Groups::iterator> paced_;      // groups that hold frames back
  std::uint64_t last_receipt_ = 0;
  std::uint64_t resume_count_ = 0;
  MonotonicTime now_{};
};

}  // namespace voicechan
