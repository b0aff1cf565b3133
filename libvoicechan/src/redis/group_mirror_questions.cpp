#include <algorithm>
#include <utility>

#include "fnv1a.hpp"
#include "group_mirror.hpp"

// What nodes ask each other, and when.

namespace voicechan::redis {
namespace {

constexpr MonotonicTime kNever = MonotonicTime::max();

}  // namespace

void GroupMirror::ask(MonotonicTime now) {
  patience_ = kPatience;
  publish_question(now);
}

void GroupMirror::repeat(MonotonicTime now) {
  if (std::exchange(is_repeat_due_, false) && phase_ == Phase::live && !is_certain()) {
    publish_question(now);
  }
}

void GroupMirror::publish_question(MonotonicTime now) {
  if (phase_ == Phase::closed) ready_by_ = now + kEntryTime;
  is_in_doubt_ = false;
  repeat_at_ = kNever;
  is_repeat_due_ = false;
  asked_at_ = now;
  phase_ = Phase::asking;
  Question last = std::exchange(question_, {});
  if (last.outcome == last.before) question_.alike = last.alike + 1;
  question_.before = std::move(last.outcome);
  if (question_.alike < kAlike) patience_ = std::min(patience_, kMaxPatience);
  question_.number = ++questions_;
  question_.deadline = now + kAnswerTime;
  for (auto& each : nodes_) each.second.is_confirmed = false;
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
  head.number = question_.number;
  actions_->publish(head, question, question_.number);
}

void GroupMirror::take_origin(std::uint64_t origin, bool may_be_given_up, MonotonicTime now) {
  origin_ = origin;
  if (may_be_given_up && kind_ == GroupKind::signaling) {
    for (auto& each : own_) {
      if (each.second.is_in) each.second.member.coming = ++comings_;
    }
    while (!nodes_.empty()) forget(nodes_.begin()->first);
  }
  if (phase_ != Phase::closed) ask(now);
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

/// Everybody who heard the question has answered it.
bool GroupMirror::is_settled() const noexcept {
  return question_.has_echo && question_.outcome.wanted &&
         question_.outcome.answered.size() >= *question_.outcome.wanted &&
         !question_.held.has_lost();
}

/// And there is nobody else of whom it is not known what became of him.
bool GroupMirror::is_certain() const noexcept {
  return is_settled() && std::all_of(nodes_.begin(), nodes_.end(),
                                     [](const auto& each) { return each.second.is_confirmed; });
}

bool GroupMirror::is_waiting_for_late(MonotonicTime now) const noexcept {
  return now < asked_at_ + kLateTime && !question_.is_refused && !is_settled();
}

void GroupMirror::on_answer(const Envelope& envelope, const SnapshotMessage& message,
                            MonotonicTime now) {
  const std::uint64_t id = node_of(envelope.origin);
  if (envelope.number != question_.number || id == node_of(origin_)) return;
  if (phase_ == Phase::asking) {
    question_.outcome.answered.insert(id);
    question_.answers[id] = {envelope.origin, message};
  } else if (phase_ == Phase::live) {
    on_late_answer(envelope, message, now);
  }
  finish_if_settled(now);
}

void GroupMirror::on_published(std::uint64_t token, std::optional<std::size_t> receivers,
                               MonotonicTime now) {
  if ((token & kFrameToken) != 0) {
    if (receivers && *receivers <= 1 && token == frame_token()) nobody_listens();
  } else if ((token & kDigestToken) != 0) {
    if (token == kDigestToken + heard_) on_digest_published(receivers, now);
  } else if (token == 0) {
    if (!receivers) doubt(now);
  } else if (token == question_.number && phase_ != Phase::closed) {
    question_.is_refused = !receivers;
    if (receivers) question_.outcome.wanted = std::max<std::size_t>(*receivers, 1) - 1;
    if (question_.is_refused && phase_ == Phase::asking) return finish(now);
    finish_if_settled(now);
  }
}

void GroupMirror::nobody_listens() {
  for (auto& each : nodes_) each.second.is_listening = false;
  note_listeners();
}

/// What a digest is published for again and again: others find out by it what they have missed, and
/// this node finds out by their number that one of them is not there, or not known, or not thought
/// to listen.
void GroupMirror::on_digest_published(std::optional<std::size_t> receivers, MonotonicTime now) {
  if (!receivers) return;  // whoever cannot publish asks when he can again
  if (*receivers <= 1) nobody_listens();
  const std::size_t others = std::max<std::size_t>(*receivers, 1) - 1;
  // It is not more than a question has shown, which is repeated.
  const bool is_known = repeat_at_ != kNever && question_.outcome.wanted == others;
  const bool is_expected = (others == nodes_.size() || is_known) && listeners_ == nodes_.size();
  if (phase_ != Phase::live || is_expected) return;
  for (auto& each : nodes_) each.second.is_confirmed = false;
  patience_ = std::min(patience_, kMaxPatience);
  if (repeat_at_ != kNever) repeat_at_ = std::min(repeat_at_, now + patience_);
  ask_again_if_uncertain(now);
}

std::uint64_t GroupMirror::drop_node(std::uint64_t node) {
  question_.answers.erase(node);
  const auto found = nodes_.find(node);
  const std::uint64_t origin = found == nodes_.end() ? 0 : found->second.origin;
  forget(node);
  return origin;
}

void GroupMirror::finish_if_settled(MonotonicTime now) {
  if (!is_settled()) return;
  if (phase_ == Phase::asking) return finish(now);
  if (phase_ != Phase::live) return;
  if (is_certain()) patience_ = kPatience;
  publish_pending(now);
}

void GroupMirror::finish(MonotonicTime now) {
  phase_ = Phase::live;
  ready_by_ = kNever;
  Newcomers newcomers;
  for (const auto& [id, answer] : std::exchange(question_.answers, {})) {
    apply_snapshot(answer.first, answer.second.as_of, answer.second, newcomers);
  }
  let_in(std::move(newcomers));
  replay(now);
  if (phase_ == Phase::live) {
    ask_silent_ones();
    ask_again_if_uncertain(now);
    publish_pending(now);
  }
  actions_->on_ready();
}

/// What was held back is used now; or still not, if it is of one whose answer is missing.
void GroupMirror::replay(MonotonicTime now) {
  for (Message& message : question_.held.take()) {
    if (phase_ == Phase::live) {
      apply(message, now);
    } else {
      question_.held.push(std::move(message));  // it has asked again
    }
  }
}

/// They stay, until a lease ends or they say themselves that they have left.
void GroupMirror::ask_silent_ones() {
  const bool has_all =
      question_.outcome.wanted && question_.outcome.answered.size() >= *question_.outcome.wanted;
  Envelope head = envelope();
  head.number = question_.number;
  for (auto& [id, node] : nodes_) {
    if (node.is_confirmed) continue;
    if (has_all) node.is_listening = false;  // the bus has not counted it
    actions_->ask_node(id, head);
  }
  note_listeners();
}

void GroupMirror::ask_again_if_uncertain(MonotonicTime now) {
  if (is_certain()) {
    patience_ = kPatience;
    return;
  }
  if (repeat_at_ != kNever || is_repeat_due_) return;
  repeat_at_ = now + patience_;
  patience_ = std::min(patience_ * 2, question_.alike < kAlike ? kMaxPatience : audit_time_);
}

/// Something is known to be missing, here or elsewhere.
void GroupMirror::doubt(MonotonicTime now) {
  if (phase_ == Phase::closed) return;
  is_in_doubt_ = true;
  if (phase_ == Phase::live && doubt_due() <= now) publish_question(now);
}

MonotonicTime GroupMirror::doubt_due() const noexcept {
  if (!is_in_doubt_) return kNever;
  return asked_at_ + (is_settled() ? kDoubtTime : std::min(patience_, kMaxPatience));
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

}  // namespace voicechan::redis
