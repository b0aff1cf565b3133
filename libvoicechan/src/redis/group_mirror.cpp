#include "group_mirror.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

#include "fnv1a.hpp"

namespace voicechan::redis {
namespace {

constexpr std::chrono::milliseconds kMaxPatience{8000};
constexpr MonotonicTime kNever = MonotonicTime::max();

/// How much further on `a` is than `b`; sequences wrap.
std::int32_t distance(std::uint32_t a, std::uint32_t b) noexcept {
  return static_cast<std::int32_t>(a - b);
}

}  // namespace

void GroupMirror::ask(MonotonicTime now) {
  ask_at_ = std::nullopt;
  asked_at_ = now;
  phase_ = Phase::asking;
  asking_ = {};
  asking_.number = ++questions_;
  asking_.deadline = now + kAnswerTime;
  // JOINs that are under way count no more: they would come at another point for us than for
  // those who see them live. They are published again; the last one counts for everybody.
  for (const std::string& key : order_) {
    Own& own = own_.at(key);
    own.sequence = 0;
    own.echo_due = kNever;
  }
  SnapshotMessage question = snapshot();
  question.is_question = true;
  ++sequence_;
  Envelope head = envelope();
  head.number = asking_.number;
  actions_->publish(head, question, asking_.number);
}

void GroupMirror::take_origin(std::uint64_t origin, MonotonicTime now) {
  origin_ = origin;
  if (phase_ != Phase::closed) ask(now);
}

void GroupMirror::on_message(const Message& message, MonotonicTime now) {
  const std::uint64_t from = message.envelope.origin;
  if (from == origin_) return on_echo(message, now);
  if (node_of(from) == node_of(origin_)) return;  // of an earlier epoch of this node
  const auto* snapshot = std::get_if<SnapshotMessage>(&message.body);
  if (snapshot != nullptr && snapshot->is_question) answer(message);
  if (phase_ == Phase::live) return apply(message, now);
  // What comes before the own question is in the answers to it.
  if (phase_ == Phase::asking && asking_.has_echo && asking_.held.size() < kMaxHeld) {
    asking_.held.push_back(message);
  }
}

void GroupMirror::on_answer(const Envelope& envelope, const SnapshotMessage& message,
                            MonotonicTime now) {
  const std::uint64_t id = node_of(envelope.origin);
  if (envelope.number != asking_.number || id == node_of(origin_)) return;
  if (phase_ == Phase::asking) {
    asking_.answers[id] = {envelope.origin, message};
    return finish_if_answered(now);
  }
  if (phase_ != Phase::live) return;
  const auto known = nodes_.find(id);
  const bool has_left = !message.is_listening && message.members.empty();
  if (has_left) {
    if (known != nodes_.end() && !known->second.is_known) forget(id);
  } else if (known == nodes_.end() || !known->second.is_known) {
    doubt(now);  // it was late
  }
}

void GroupMirror::on_published(std::uint64_t token, std::optional<std::size_t> receivers,
                               MonotonicTime now) {
  if ((token & kFrameToken) != 0) {
    if (!receivers || *receivers > 1 || token != frame_token()) return;
    for (auto& [id, node] : nodes_) node.is_listening = false;
    return note_listeners();
  }
  if (token == 0) {
    if (!receivers) doubt(now);
    return;
  }
  if (phase_ != Phase::asking || token != asking_.number) return;
  if (!receivers) return finish(now);
  asking_.wanted = std::max<std::size_t>(*receivers, 1) - 1;
  finish_if_answered(now);
}

void GroupMirror::drop_node(std::uint64_t node) {
  asking_.answers.erase(node);
  forget(node);
}

void GroupMirror::close() {
  if (phase_ != Phase::closed && !is_alone()) actions_->publish(envelope(), ByeMessage{}, 0);
  phase_ = Phase::closed;
  while (!nodes_.empty()) forget(nodes_.begin()->first);
}

void GroupMirror::own_enters(MemberRecord member, MonotonicTime now) {
  const std::string key = member.key;
  if (kind_ == GroupKind::voice) {
    member.coming = ++comings_;
    const Own& own = own_[key] = {std::move(member), true, 0, kNever, kNever};
    return publish_change(JoinMessage{own.member});
  }
  own_[key] = {std::move(member), false, 0, kNever, now + kEntryTime};
  order_.erase(std::remove(order_.begin(), order_.end(), key), order_.end());
  order_.push_back(key);
  publish_pending(now);
}

void GroupMirror::own_updates(const std::string& key, std::string data) {
  const auto own = own_.find(key);
  if (own == own_.end()) return;
  own->second.member.data = std::move(data);
  if (own->second.is_in) publish_change(UpdateMessage{key, own->second.member.data});
}

void GroupMirror::own_leaves(const std::string& key) {
  const auto own = own_.find(key);
  if (own == own_.end()) return;
  const bool was_announced = own->second.is_in || own->second.sequence != 0;
  own_.erase(own);
  order_.erase(std::remove(order_.begin(), order_.end(), key), order_.end());
  if (was_announced) publish_change(LeaveMessage{key});
}

void GroupMirror::publish_change(const Body& body) {
  if (phase_ == Phase::closed) return;  // a question follows that tells all
  if (phase_ == Phase::live && is_alone()) return;
  ++sequence_;
  digests_due_ = kDigests;
  actions_->publish(envelope(), body, 0);
}

void GroupMirror::publish_pending(MonotonicTime now) {
  if (phase_ != Phase::live) return;
  const std::vector<std::string> keys = order_;
  for (const std::string& key : keys) {
    Own& own = own_.at(key);
    if (own.sequence != 0) continue;
    own.member.coming = ++comings_;
    if (is_alone()) {
      ++last_position_;
      admit(key);
      continue;
    }
    publish_change(JoinMessage{own.member});
    own.sequence = sequence_;
    own.echo_due = now + kEchoTime;
  }
}

void GroupMirror::admit(const std::string& key) {
  Own& own = own_.at(key);
  order_.erase(std::remove(order_.begin(), order_.end(), key), order_.end());
  own.member.position = last_position_;
  own.echo_due = kNever;
  own.is_in = actions_->admit(key);
  if (own.is_in) return;
  own_.erase(key);
  publish_change(LeaveMessage{key});
}

void GroupMirror::on_echo(const Message& message, MonotonicTime now) {
  const Envelope& head = message.envelope;
  if (const auto* question = std::get_if<SnapshotMessage>(&message.body)) {
    echoed_ = head.sequence;
    if (!question->is_question || phase_ != Phase::asking || head.number != asking_.number) return;
    asking_.has_echo = true;
    return finish_if_answered(now);
  }
  const auto* joined = std::get_if<JoinMessage>(&message.body);
  const bool is_change = joined != nullptr || std::holds_alternative<UpdateMessage>(message.body) ||
                         std::holds_alternative<LeaveMessage>(message.body);
  if (!is_change) return;
  echoed_ = head.sequence;
  if (joined == nullptr || kind_ != GroupKind::signaling || phase_ != Phase::live) return;
  ++last_position_;
  const auto own = own_.find(joined->member.key);
  if (own == own_.end() || own->second.is_in || own->second.sequence != head.sequence) return;
  admit(joined->member.key);
}

void GroupMirror::answer(const Message& question) {
  Envelope head = envelope();
  head.number = question.envelope.number;
  SnapshotMessage message = snapshot();
  message.as_of = echoed_;
  actions_->answer(node_of(question.envelope.origin), head, message);
}

SnapshotMessage GroupMirror::snapshot() const {
  SnapshotMessage message;
  message.is_listening = phase_ != Phase::closed;
  message.last_position = last_position_;
  for (const auto& [key, own] : own_) {
    if (own.is_in) message.members.push_back(own.member);
  }
  return message;
}

void GroupMirror::apply(const Message& message, MonotonicTime now) {
  const Envelope& head = message.envelope;
  if (const auto* question = std::get_if<SnapshotMessage>(&message.body)) {
    if (!question->is_question) return;
    Newcomers newcomers;
    apply_snapshot(head.origin, head.sequence, *question, newcomers);
    return let_in(std::move(newcomers));
  }
  const std::uint64_t id = node_of(head.origin);
  const auto found = nodes_.find(id);
  if (found != nodes_.end() && head.origin < found->second.origin) return;  // an earlier epoch's
  if (std::holds_alternative<ByeMessage>(message.body)) {
    if (found != nodes_.end()) forget(id);
    return;
  }
  const bool is_known =
      found != nodes_.end() && found->second.is_known && found->second.origin == head.origin;
  if (!is_known) return doubt(now);
  apply_change(id, found->second, message, now);
}

void GroupMirror::apply_change(std::uint64_t id, Node& node, const Message& message,
                               MonotonicTime now) {
  if (const auto* theirs = std::get_if<DigestMessage>(&message.body)) {
    std::uint64_t hash = 0;
    for (const auto& each : node.members) hash += hash_of(each.second);
    const bool is_same = theirs->as_of == node.sequence && theirs->hash == hash &&
                         theirs->count == node.members.size();
    if (!is_same) doubt(now);
    return;
  }
  const std::int32_t step = distance(message.envelope.sequence, node.sequence);
  if (step <= 0) return;
  if (step > 1) return doubt(now);
  node.sequence = message.envelope.sequence;
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
  if (kind_ == GroupKind::signaling) member.position = ++last_position_;
  if (!is_acceptable(id, member)) return;
  const auto present = node.members.find(member.key);
  if (present != node.members.end()) {
    if (present->second.coming == member.coming) return;
    actions_->leave(id, present->second);
    node.members.erase(present);
  }
  actions_->enter(id, member);
  node.members.emplace(member.key, std::move(member));
}

void GroupMirror::apply_snapshot(std::uint64_t origin, std::uint32_t sequence,
                                 const SnapshotMessage& message, Newcomers& newcomers) {
  const std::uint64_t id = node_of(origin);
  Node& node = nodes_[id];
  if (origin < node.origin) return;
  node.origin = origin;
  node.is_known = true;
  node.is_listening = message.is_listening;
  node.sequence = sequence;
  if (node.is_listening) ++heard_;
  last_position_ = std::max(last_position_, message.last_position);
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

void GroupMirror::finish_if_answered(MonotonicTime now) {
  const bool is_answered =
      asking_.has_echo && asking_.wanted && asking_.answers.size() >= *asking_.wanted;
  if (is_answered) finish(now);
}

void GroupMirror::finish(MonotonicTime now) {
  is_certain_ = asking_.has_echo && asking_.wanted && asking_.answers.size() >= *asking_.wanted;
  phase_ = Phase::live;
  Newcomers newcomers;
  for (auto& [id, node] : nodes_) {
    if (asking_.answers.count(id) != 0) continue;
    node.is_known = false;  // it stays, until its lease ends or it says itself that it has left
    // Who was not asked, or had no time, may well listen; of nobody at all the bus tells soon.
    node.is_listening = node.is_listening && !is_certain_;
    Envelope head = envelope();
    head.number = asking_.number;
    actions_->ask_node(id, head);
  }
  for (const auto& [id, answer] : asking_.answers) {
    apply_snapshot(answer.first, answer.second.as_of, answer.second, newcomers);
  }
  let_in(std::move(newcomers));
  note_listeners();
  if (is_certain_) {
    patience_ = std::chrono::milliseconds(1000);
  } else if (patience_ <= kMaxPatience) {
    ask_at_ = now + std::exchange(patience_, patience_ * 2);
  }
  const std::uint64_t number = asking_.number;
  const std::vector<Message> held = std::exchange(asking_.held, {});
  asking_.answers.clear();
  for (const Message& message : held) {
    apply(message, now);
    if (phase_ != Phase::live || asking_.number != number) return;  // it has asked again
  }
  publish_pending(now);
  actions_->on_ready();
}

void GroupMirror::doubt(MonotonicTime now) {
  if (phase_ != Phase::live) return;
  const MonotonicTime soonest = asked_at_ + kDoubtTime;
  if (soonest <= now) return ask(now);
  ask_at_ = std::min(ask_at_.value_or(soonest), soonest);
}

std::uint64_t GroupMirror::hash_of(const MemberRecord& member) {
  return fnv1a(member.data, fnv1a(voice_key(member.coming), fnv1a(member.key)));
}

DigestMessage GroupMirror::digest() const {
  DigestMessage digest{sequence_, 0, 0};
  for (const auto& each : own_) {
    if (!each.second.is_in && each.second.sequence == 0) continue;
    ++digest.count;
    digest.hash += hash_of(each.second.member);
  }
  return digest;
}

MonotonicTime GroupMirror::tick_entries(MonotonicTime now) {
  MonotonicTime next = kNever;
  bool is_overdue = false;
  const std::vector<std::string> keys = order_;
  for (const std::string& key : keys) {
    Own& own = own_.at(key);
    if (own.give_up <= now) {
      ++last_position_;
      if (own.member.coming == 0) own.member.coming = ++comings_;
      admit(key);
      is_overdue = true;  // others are to learn of it
      continue;
    }
    is_overdue = is_overdue || own.echo_due <= now;
    next = std::min({next, own.give_up, own.echo_due});
  }
  if (is_overdue) doubt(now);
  return next;
}

MonotonicTime GroupMirror::tick_digest(MonotonicTime now) {
  if (digests_due_ == 0 || phase_ != Phase::live) return kNever;
  if (digest_at_ == kNever) digest_at_ = now + kDigestTime;
  if (digest_at_ > now) return digest_at_;
  --digests_due_;
  if (!is_alone()) actions_->publish(envelope(), digest(), frame_token());
  digest_at_ = digests_due_ == 0 ? kNever : now + kDigestTime;
  return digest_at_;
}

MonotonicTime GroupMirror::tick(MonotonicTime now) {
  if (phase_ == Phase::asking && asking_.deadline <= now) finish(now);
  if (ask_at_ && *ask_at_ <= now && phase_ == Phase::live) ask(now);
  MonotonicTime next = std::min(tick_entries(now), tick_digest(now));
  if (phase_ == Phase::asking) next = std::min(next, asking_.deadline);
  if (phase_ == Phase::live && ask_at_) next = std::min(next, *ask_at_);
  return next;
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
