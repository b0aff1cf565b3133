#include "group_mirror.hpp"

#include <algorithm>
#include <limits>
#include <utility>

// What this node's own peers do, and what is due when time passes. What others say is in
// group_mirror_changes.cpp, the questions are in group_mirror_questions.cpp.

namespace voicechan::redis {
namespace {

constexpr MonotonicTime kNever = MonotonicTime::max();

}  // namespace

void GroupMirror::close() {
  if (phase_ != Phase::closed && !is_alone()) actions_->publish(envelope(), ByeMessage{}, 0);
  phase_ = Phase::closed;
  ready_by_ = kNever;
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
  if (phase_ != Phase::live || is_waiting_for_late(now)) return;
  const std::vector<std::string> keys = order_;
  for (const std::string& key : keys) {
    Own& own = own_.at(key);
    if (own.sequence != 0) continue;
    stamp(own.member);
    if (is_alone()) {
      admit(key);
      continue;
    }
    publish_change(JoinMessage{own.member});
    own.sequence = sequence_;
    own.echo_due = now + kEchoTime;
  }
}

/// What others are told of a peer from now on is one coming of it.
void GroupMirror::stamp(MemberRecord& member) {
  member.coming = ++comings_;
  member.position = next_position();
}

/// However far somebody may have driven it: it does not begin anew.
std::uint64_t GroupMirror::next_position() {
  if (last_position_ != std::numeric_limits<std::uint64_t>::max()) ++last_position_;
  return last_position_;
}

void GroupMirror::admit(const std::string& key) {
  Own& own = own_.at(key);
  order_.erase(std::remove(order_.begin(), order_.end(), key), order_.end());
  own.echo_due = kNever;
  own.is_in = actions_->admit(own.member);
  if (own.is_in) return;
  own_.erase(key);
  publish_change(LeaveMessage{key});
}

void GroupMirror::on_echo(const Message& message, MonotonicTime now) {
  const Envelope& head = message.envelope;
  if (const auto* question = std::get_if<SnapshotMessage>(&message.body)) {
    echoed_ = head.sequence;
    if (!question->is_question || head.number != question_.number) return;
    question_.has_echo = true;
    return finish_if_settled(now);
  }
  if (const auto* digest = std::get_if<DigestMessage>(&message.body)) {
    echoed_ = digest->as_of;  // what has not come back by now does not come any more
    return;
  }
  const auto* joined = std::get_if<JoinMessage>(&message.body);
  const bool is_change = joined != nullptr || std::holds_alternative<UpdateMessage>(message.body) ||
                         std::holds_alternative<LeaveMessage>(message.body);
  if (!is_change) return;
  echoed_ = head.sequence;
  if (joined == nullptr || kind_ != GroupKind::signaling || phase_ != Phase::live) return;
  const auto own = own_.find(joined->member.key);
  if (own == own_.end() || own->second.is_in || own->second.sequence != head.sequence) return;
  admit(joined->member.key);
}

void GroupMirror::tick_entries(MonotonicTime now) {
  bool is_overdue = false;
  const std::vector<std::string> keys = order_;
  for (const std::string& key : keys) {
    Own& own = own_.at(key);
    if (own.give_up <= now) {
      if (own.member.coming == 0) stamp(own.member);  // others may know it by what it has
      admit(key);
      is_overdue = true;  // others are to learn of it
    } else if (own.echo_due <= now) {
      own.echo_due = kNever;
      is_overdue = true;
    }
  }
  if (is_overdue) doubt(now);
  publish_pending(now);
}

void GroupMirror::tick_digest(MonotonicTime now) {
  if (phase_ != Phase::live) return;
  if (is_alone()) {
    digests_due_ = 0;
    digest_at_ = kNever;
    return;
  }
  const auto due_after = [&] { return digests_due_ > 0 ? now + kDigestTime : now + audit_time_; };
  digest_at_ = std::min(digest_at_, due_after());
  if (digest_at_ > now) return;
  if (digests_due_ > 0) --digests_due_;
  digest_at_ = due_after();
  actions_->publish(envelope(), digest(), kDigestToken + heard_);
}

MonotonicTime GroupMirror::tick(MonotonicTime now) {
  if (phase_ == Phase::asking && question_.deadline <= now) finish(now);
  if (phase_ == Phase::live && repeat_at_ <= now) {
    repeat_at_ = kNever;
    is_repeat_due_ = !is_certain();
  }
  if (phase_ == Phase::live && doubt_due() <= now) publish_question(now);
  tick_entries(now);
  tick_digest(now);
  if (ready_by_ <= now) {
    ready_by_ = kNever;
    actions_->on_ready();
  }
  return next_due(now);
}

MonotonicTime GroupMirror::next_due(MonotonicTime now) const {
  MonotonicTime next = ready_by_;
  if (phase_ == Phase::asking) next = std::min(next, question_.deadline);
  if (phase_ == Phase::live) next = std::min({next, doubt_due(), repeat_at_, digest_at_});
  for (const std::string& key : order_) {
    const Own& own = own_.at(key);
    next = std::min({next, own.give_up, own.echo_due});
  }
  if (!order_.empty() && phase_ == Phase::live && is_waiting_for_late(now)) {
    next = std::min(next, asked_at_ + kLateTime);
  }
  return next;
}

}  // namespace voicechan::redis
