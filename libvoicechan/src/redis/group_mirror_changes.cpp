#include <algorithm>
#include <tuple>
#include <utility>

#include "group_mirror.hpp"

// What other nodes say of their members.

namespace voicechan::redis {
namespace {

/// How much further on `a` is than `b`; sequences wrap.
std::int32_t distance(std::uint32_t a, std::uint32_t b) noexcept {
  return static_cast<std::int32_t>(a - b);
}

/// A number that is further away is one of a node that has begun anew, from a random one.
constexpr std::int32_t kMaxStep = 65536;

/// Whether `a` is `b` or came not long before it.
bool is_past(std::uint32_t a, std::uint32_t b) noexcept {
  const std::int32_t step = distance(a, b);
  return step <= 0 && step > -kMaxStep;
}

}  // namespace

void GroupMirror::on_message(const Message& message, MonotonicTime now) {
  const std::uint64_t from = message.envelope.origin;
  if (from == origin_) return on_echo(message, now);
  if (node_of(from) == node_of(origin_)) return;  // of an earlier epoch of this node
  const auto* snapshot = std::get_if<SnapshotMessage>(&message.body);
  if (snapshot != nullptr && snapshot->is_question) answer(message);
  if (phase_ == Phase::live) return apply(message, now);
  // Some of it will be in the answers, which tell by their sequence.
  if (phase_ == Phase::asking) question_.held.push(message);
}

void GroupMirror::apply(const Message& message, MonotonicTime now) {
  const Envelope& head = message.envelope;
  const std::uint64_t id = node_of(head.origin);
  if (const auto* question = std::get_if<SnapshotMessage>(&message.body)) {
    const auto found = nodes_.find(id);
    const bool is_old = found != nodes_.end() && found->second.is_known &&
                        found->second.origin == head.origin &&
                        is_past(head.sequence, found->second.sequence);
    if (!question->is_question || is_old) return;
    Newcomers newcomers;
    apply_snapshot(head.origin, head.sequence, *question, newcomers);
    return let_in(std::move(newcomers));
  }
  if (std::holds_alternative<ByeMessage>(message.body)) {
    const auto found = nodes_.find(id);
    if (found != nodes_.end() && head.origin >= found->second.origin) forget(id);
    return;
  }
  Node* const node = find_or_doubt(head, now);
  if (node != nullptr) apply_change(id, *node, message, now);
}

/// Whom a message is from. One that was not heard of is asked about. Null: it is of an earlier
/// epoch, or of one too many.
GroupMirror::Node* GroupMirror::find_or_doubt(const Envelope& head, MonotonicTime now) {
  if (!may_know(node_of(head.origin))) return nullptr;
  const auto [place, is_new] = nodes_.try_emplace(node_of(head.origin));
  Node& node = place->second;
  if (head.origin < node.origin) return nullptr;
  if (is_new || head.origin > node.origin) {
    node.origin = head.origin;
    node.is_known = false;
    node.is_confirmed = false;
    doubt(now);
  }
  return &node;
}

bool GroupMirror::is_same(const Node& node, const DigestMessage& digest) const {
  std::uint64_t hash = 0;
  for (const auto& each : node.members) hash += hash_of(each.second);
  return digest.as_of == node.sequence && digest.hash == hash &&
         digest.count == node.members.size();
}

void GroupMirror::apply_change(std::uint64_t id, Node& node, const Message& message,
                               MonotonicTime now) {
  if (const auto* theirs = std::get_if<DigestMessage>(&message.body)) {
    // One that has not answered is asked again in any case.
    if (node.is_confirmed && !is_same(node, *theirs)) doubt(now);
    return;
  }
  const std::uint32_t sequence = message.envelope.sequence;
  if (node.is_known && is_past(sequence, node.sequence)) return;
  const std::int32_t step = distance(sequence, node.sequence);
  if (!node.is_known || step != 1) {
    if (node.is_confirmed) doubt(now);
    // It may belong behind an answer that is on its way; not if it has another numbering, which may
    // be an earlier one and would be doubted again each time that it is looked at.
    if (!node.is_known || (step > 0 && step < kMaxStep)) question_.held.push(message);
    return;
  }
  node.sequence = sequence;
  if (const auto* joined = std::get_if<JoinMessage>(&message.body)) {
    join(id, node, joined->member);
  } else if (const auto* updated = std::get_if<UpdateMessage>(&message.body)) {
    const auto member = node.members.find(updated->key);
    if (member == node.members.end() || member->second.data == updated->data) return;
    member->second.data = updated->data;
    actions_->update(id, member->second);
  } else if (const auto* left = std::get_if<LeaveMessage>(&message.body)) {
    const auto member = node.members.find(left->key);
    if (member == node.members.end()) return;
    actions_->leave(id, member->second);
    node.members.erase(member);
  }
}

bool GroupMirror::is_acceptable(std::uint64_t id, const MemberRecord& member) const {
  switch (kind_) {
    case GroupKind::plain:
      return false;
    case GroupKind::voice:
      return voice_number(member.key).has_value();
    case GroupKind::signaling:
      break;
  }
  const auto peer = PeerId::parse(member.key);
  return peer && peer->address().node == id;
}

void GroupMirror::join(std::uint64_t id, Node& node, MemberRecord member) {
  if (!is_acceptable(id, member)) return;
  const auto present = node.members.find(member.key);
  if (present != node.members.end()) {
    if (present->second.coming == member.coming) return;
    actions_->leave(id, present->second);
    node.members.erase(present);
  }
  if (kind_ == GroupKind::signaling && member.position == 0) {
    member.position = next_position();  // its node is of a version that leaves it to the others
  }
  last_position_ = std::max(last_position_, member.position);
  actions_->enter(id, member);
  node.members.emplace(member.key, std::move(member));
}

void GroupMirror::apply_snapshot(std::uint64_t origin, std::uint32_t sequence,
                                 const SnapshotMessage& message, Newcomers& newcomers) {
  const std::uint64_t id = node_of(origin);
  if (!may_know(id)) return;
  Node& node = nodes_[id];
  if (origin < node.origin) return;
  // What it has said since has come before the answer, by another server of the bus or as one that
  // was held back: that is not taken back.
  const bool is_outdated = node.is_known && node.origin == origin && sequence != node.sequence &&
                           is_past(sequence, node.sequence);
  node.origin = origin;
  node.is_known = true;
  node.is_confirmed = true;
  node.is_listening = message.is_listening;
  if (node.is_listening) ++heard_;
  last_position_ = std::max(last_position_, message.last_position);
  if (is_outdated) return note_listeners();
  node.sequence = sequence;
  std::map<std::string_view, const MemberRecord*> theirs;
  for (const MemberRecord& member : message.members) {
    if (is_acceptable(id, member)) theirs.emplace(member.key, &member);
  }
  for (auto next = node.members.begin(); next != node.members.end();) {
    const auto present = next++;
    const auto found = theirs.find(present->first);
    if (found == theirs.end() || found->second->coming != present->second.coming) {
      actions_->leave(id, present->second);
      node.members.erase(present);
      continue;
    }
    if (found->second->data != present->second.data) {
      present->second.data = found->second->data;
      actions_->update(id, present->second);
    }
    theirs.erase(found);
  }
  for (const auto& each : theirs) newcomers.emplace_back(id, *each.second);
  note_listeners();
}

/// The answer of a node that was given up waiting for: what it said since is there already, or held
/// back.
void GroupMirror::on_late_answer(const Envelope& envelope, const SnapshotMessage& message,
                                 MonotonicTime now) {
  const std::uint64_t id = node_of(envelope.origin);
  const auto found = nodes_.find(id);
  Node* const node = found == nodes_.end() ? nullptr : &found->second;
  if (node != nullptr && envelope.origin < node->origin) return;
  const bool has_left = !message.is_listening && message.members.empty();
  if (has_left) {
    if (node != nullptr && !node->is_confirmed) forget(id);
    return;
  }
  question_.outcome.answered.insert(id);
  last_position_ = std::max(last_position_, message.last_position);
  if (node != nullptr && node->is_confirmed) return;  // it has asked meanwhile
  Newcomers newcomers;
  apply_snapshot(envelope.origin, message.as_of, message, newcomers);
  let_in(std::move(newcomers));
  replay(now);
}

void GroupMirror::let_in(Newcomers newcomers) {
  std::sort(newcomers.begin(), newcomers.end(), [](const auto& a, const auto& b) {
    return std::tie(a.second.position, a.first, a.second.key) <
           std::tie(b.second.position, b.first, b.second.key);
  });
  for (auto& [id, member] : newcomers) {
    actions_->enter(id, member);
    nodes_.at(id).members.emplace(member.key, std::move(member));
  }
}

void GroupMirror::forget(std::uint64_t id) {
  const auto found = nodes_.find(id);
  if (found == nodes_.end()) return;
  for (const auto& each : found->second.members) actions_->leave(id, each.second);
  nodes_.erase(found);
  note_listeners();
}

void GroupMirror::note_listeners() {
  std::size_t count = 0;
  for (const auto& each : nodes_) count += each.second.is_listening ? 1 : 0;
  const bool has_changed = (count > 0) != (listeners_ > 0);
  listeners_ = count;
  if (has_changed) actions_->on_listeners(count > 0);
}

}  // namespace voicechan::redis
