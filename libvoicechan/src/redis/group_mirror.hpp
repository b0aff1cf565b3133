#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "envelope.hpp"
#include "held_messages.hpp"
#include "voicechan/clock.hpp"

namespace voicechan::redis {

/// What a `GroupMirror` wants done. Called from within its methods; it must not be called back.
class GroupActions {
 public:
  /// To all nodes that are subscribed to the group. The receivers are told by
  /// `GroupMirror::on_published` with the token, later.
  virtual void publish(const Envelope& envelope, const Body& body, std::uint64_t token) = 0;
  /// To one node.
  virtual void answer(std::uint64_t node, const Envelope& envelope,
                      const SnapshotMessage& message) = 0;

  /// Asks one node that ought to have answered, by `GroupMirror::on_answer`, whether it is still
  /// there.
  virtual void ask_node(std::uint64_t node, const Envelope& envelope) = 0;

  /// A member of another node has come, as the last one of the room.
  virtual void enter(std::uint64_t node, const MemberRecord& member) = 0;
  virtual void update(std::uint64_t node, const MemberRecord& member) = 0;
  virtual void leave(std::uint64_t node, const MemberRecord& member) = 0;
  /// It is an own peer's turn to enter. False: it is not in the room.
  virtual bool admit(const MemberRecord& member) = 0;

  /// Other nodes have begun or ceased to listen.
  virtual void on_listeners(bool are_there) = 0;
  /// The roster is as good as it gets for now: what others say and who they are is known.
  virtual void on_ready() = 0;

 protected:
  ~GroupActions() = default;
};

/// What kind of members a group has.
enum class GroupKind : std::uint8_t {
  /// None: there are only nodes that listen.
  plain,
  /// They are in their own node's roster at once, in no common order.
  voice,
  /// All nodes have them in the order in which the bus carried their JOINs: one enters its own
  /// node's roster when the bus brings its JOIN back.
  signaling,
};

/// One group as one node sees it, with the members that others have there: a state machine without
/// I/O. The group's topic on the bus is subscribed to.
///
/// Whenever something may have been missed (at the start, after a gap, a hole in somebody's
/// sequence or a digest that differs), the node asks: it publishes all that it has, and each node
/// that hears it answers with what it has. The asking node holds back what comes meanwhile until
/// all have answered, so that it goes on from the same point as everybody else. Nothing is
/// forgotten because an answer did not come.
///
/// It asks again, at growing intervals and for as long as it takes, until every node that it knows
/// of has answered, or has asked itself, and so many as the bus counted. An answer that comes later
/// than it is waited for counts all the same. Others may subscribe to the bus, too (somebody who
/// looks at it, say): they are counted and never answer, so that the intervals grow to a minute.
class GroupMirror {
 public:
  static constexpr std::chrono::milliseconds kAnswerTime{200};
  /// Own peers wait so long for answers that are late: they are to see who was there before them.
  static constexpr std::chrono::milliseconds kLateTime{500};
  /// A peer's entry is not held up longer, whatever the bus does.
  static constexpr std::chrono::milliseconds kEntryTime{900};
  static constexpr std::chrono::milliseconds kEchoTime{300};
  /// From one question to the next, if all have answered it; else the patience, which doubles.
  static constexpr std::chrono::milliseconds kDoubtTime{100};
  static constexpr std::chrono::milliseconds kPatience{1000};
  static constexpr std::chrono::milliseconds kMaxPatience{8000};
  /// So many questions in a row that had the same outcome, and the patience grows up to the time
  /// between digests: whoever is counted and has not answered is hardly a node.
  static constexpr int kAlike = 6;
  static constexpr std::chrono::milliseconds kDigestTime{2000};
  static constexpr int kDigests = 3;  // after a change, as they may be lost themselves
  /// Between digests when nothing happens: this and as much again, another part of it in each
  /// group, so that those of thousands of groups do not come at once.
  static constexpr std::chrono::milliseconds kAuditTime{40'000};

  /// More nodes are not known at once: who publishes under ever other names takes no more memory.
  static constexpr std::size_t kMaxNodes = 4096;

  /// `start` is another number each time that the node comes to the group, best a random one.
  GroupMirror(GroupKind kind, std::uint64_t origin, std::uint32_t start, GroupActions& actions)
      : kind_(kind),
        origin_(origin),
        actions_(&actions),
        audit_time_(kAuditTime + std::chrono::milliseconds(start) % kAuditTime),
        sequence_(start),
        echoed_(start),
        comings_(start),
        questions_(std::uint64_t{start} << 24) {}

  /// The subscription stands, or has a gap behind it: asks.
  void ask(MonotonicTime now);
  /// After `tick`: not all have answered, and it is time to ask again. It does so when the owner
  /// says that it may, unless that has become unnecessary.
  bool is_repeat_due() const noexcept { return is_repeat_due_; }
  void repeat(MonotonicTime now);
  /// This node has another epoch now: asks. If others may have given it up, the peers of a
  /// signaling room part here and there before they meet again: for some they have parted already,
  /// and a call takes two who know that there is none.
  void take_origin(std::uint64_t origin, bool may_be_given_up, MonotonicTime now);

  std::uint64_t origin() const noexcept { return origin_; }

  void on_message(const Message& message, MonotonicTime now);
  /// An answer that came to this node alone.
  void on_answer(const Envelope& envelope, const SnapshotMessage& message, MonotonicTime now);
  /// The fate of something published: how many nodes it was passed to, this one included.
  void on_published(std::uint64_t token, std::optional<std::size_t> receivers, MonotonicTime now);
  /// A node is gone and its members with it. Gives its origin; 0: it was not known here.
  std::uint64_t drop_node(std::uint64_t node);
  /// Ends the interest: the members of others leave here, and they are told.
  void close();

  void own_enters(MemberRecord member, MonotonicTime now);
  void own_updates(const std::string& key, std::string data);
  void own_leaves(const std::string& key);

  /// Moves time on; when it is to be called again, at the latest.
  MonotonicTime tick(MonotonicTime now);

  /// For something said in the group: whether somebody listens. Its receivers may be reported by
  /// `on_published` with the token.
  bool has_listeners() const noexcept { return listeners_ > 0; }
  std::uint64_t frame_token() const noexcept { return kFrameToken + heard_; }

  void add_nodes(std::set<std::uint64_t>& nodes) const {
    for (const auto& each : nodes_) nodes.insert(each.first);
  }

  /// It has asked; until then nobody knows of it.
  bool is_open() const noexcept { return phase_ != Phase::closed; }
  bool is_live() const noexcept { return phase_ == Phase::live; }
  bool is_asking() const noexcept { return phase_ == Phase::asking; }
  /// Another node may have learned that this one takes part.
  bool may_be_known() const noexcept {
    return !nodes_.empty() || (is_open() && !question_.is_refused && !is_alone());
  }
  /// No other node has anything to do with the group, as far as is known.
  bool is_alone() const noexcept { return nodes_.empty() && is_settled(); }

 private:
  enum class Phase { closed, asking, live };

  struct Node {
    std::uint64_t origin = 0;
    bool is_known = false;      // a snapshot of this epoch was applied, and what followed it
    bool is_confirmed = false;  // it has answered the last question, or asked itself since
    bool is_listening = false;
    std::uint32_t sequence = 0;
    std::map<std::string, MemberRecord> members;
  };
  struct Own {
    MemberRecord member;
    bool is_in = false;
    std::uint32_t sequence = 0;  // of the JOIN that is under way; 0: it is to be published
    MonotonicTime echo_due = MonotonicTime::max();
    MonotonicTime give_up{};
  };
  struct Outcome {
    std::optional<std::size_t> wanted;  // answers
    std::set<std::uint64_t> answered;   // the nodes

    bool operator==(const Outcome& other) const {
      return wanted && wanted == other.wanted && answered == other.answered;
    }
  };
  struct Question {
    std::uint64_t number = 0;
    bool is_refused = false;
    bool has_echo = false;
    Outcome outcome;
    MonotonicTime deadline{};
    Outcome before;  // of the question before
    int alike = 0;   // so many before had the same outcome
    // Until the deadline: of each node its origin and what it said.
    std::map<std::uint64_t, std::pair<std::uint64_t, SnapshotMessage>> answers;
    // Until the deadline all that has come since; from then on what goes with late answers.
    HeldMessages held;
  };

  // Tokens: a question's is its number; a change's is 0; a frame's and a digest's hold `heard_`.
  static constexpr std::uint64_t kFrameToken = std::uint64_t{1} << 63;
  static constexpr std::uint64_t kDigestToken = std::uint64_t{1} << 62;

  using Newcomers = std::vector<std::pair<std::uint64_t, MemberRecord>>;  // by node

  void apply(const Message& message, MonotonicTime now);
  void apply_change(std::uint64_t id, Node& node, const Message& message, MonotonicTime now);
  bool is_same(const Node& node, const DigestMessage& digest) const;
  Node* find_or_doubt(const Envelope& head, MonotonicTime now);
  bool may_know(std::uint64_t id) const {
    return nodes_.size() < kMaxNodes || nodes_.count(id) != 0;
  }
  void join(std::uint64_t id, Node& node, MemberRecord member);
  bool is_acceptable(std::uint64_t id, const MemberRecord& member) const;
  /// All of a snapshot but its newcomers, which are added to those of others.
  void apply_snapshot(std::uint64_t origin, std::uint32_t sequence, const SnapshotMessage& message,
                      Newcomers& newcomers);
  void let_in(Newcomers newcomers);

  void on_echo(const Message& message, MonotonicTime now);
  void stamp(MemberRecord& member);
  std::uint64_t next_position();
  void admit(const std::string& key);
  void publish_change(const Body& body);
  void publish_pending(MonotonicTime now);

  void answer(const Message& question);
  SnapshotMessage snapshot() const;
  DigestMessage digest() const;
  static std::uint64_t hash_of(const MemberRecord& member);
  bool is_settled() const noexcept;
  bool is_certain() const noexcept;
  void finish(MonotonicTime now);
  void finish_if_settled(MonotonicTime now);
  void on_late_answer(const Envelope& envelope, const SnapshotMessage& message, MonotonicTime now);
  void publish_question(MonotonicTime now);
  void replay(MonotonicTime now);
  void ask_silent_ones();
  void nobody_listens();
  void on_digest_published(std::optional<std::size_t> receivers, MonotonicTime now);
  void doubt(MonotonicTime now);
  MonotonicTime doubt_due() const noexcept;
  void ask_again_if_uncertain(MonotonicTime now);
  bool is_waiting_for_late(MonotonicTime now) const noexcept;

  void tick_entries(MonotonicTime now);
  void tick_digest(MonotonicTime now);
  MonotonicTime next_due(MonotonicTime now) const;

  void forget(std::uint64_t id);
  void note_listeners();
  Envelope envelope() const noexcept { return {origin_, sequence_, 0, 0}; }

  const GroupKind kind_;
  std::uint64_t origin_;
  GroupActions* const actions_;
  const std::chrono::milliseconds audit_time_;
  Phase phase_ = Phase::closed;
  Question question_;  // the last one
  MonotonicTime asked_at_{};
  bool is_in_doubt_ = false;                        // there is something to ask about
  MonotonicTime repeat_at_ = MonotonicTime::max();  // if it is still uncertain then
  bool is_repeat_due_ = false;
  MonotonicTime ready_by_ = MonotonicTime::max();
  std::chrono::milliseconds patience_ = kPatience;

  std::map<std::uint64_t, Node> nodes_;  // by node number
  std::size_t listeners_ = 0;
  std::uint64_t heard_ = 0;  // grows with each node that says that it listens

  std::map<std::string, Own> own_;
  std::vector<std::string> order_;  // own peers that want to enter, in their order
  std::uint64_t last_position_ = 0;
  std::uint32_t sequence_;
  std::uint32_t echoed_;  // the sequence of what the bus has brought back
  std::uint32_t comings_;
  std::uint64_t questions_;

  int digests_due_ = 0;
  MonotonicTime digest_at_ = MonotonicTime::max();
};

}  // namespace voicechan::redis
