#include "gateway_group.hpp"

#include <utility>

#include "../voice_groups.hpp"

namespace voicechan::redis {
namespace {

constexpr std::string_view kSignalingGroupPrefix = "signaling_";
constexpr std::size_t kNoLimit = static_cast<std::size_t>(-1);
/// Whether anybody else is there is asked with every so many frames: the answer costs something.
constexpr std::uint32_t kFramesPerCount = 16;

std::optional<RoomName> room_behind(std::string_view group, std::string_view prefix) {
  if (group.substr(0, prefix.size()) != prefix) return std::nullopt;
  auto room = RoomName::parse(group.substr(prefix.size()));
  if (!room) return std::nullopt;
  return *std::move(room);
}

GroupKind kind_of(std::string_view group) {
  if (signaling_room_of(group)) return GroupKind::signaling;
  return voice_room_of(group) ? GroupKind::voice : GroupKind::plain;
}

Peer peer_of(const MemberRecord& member) {
  return {*PeerId::parse(member.key), member.user, member.data, 0, member.position};
}

}  // namespace

std::optional<RoomName> signaling_room_of(std::string_view group) {
  return room_behind(group, kSignalingGroupPrefix);
}

std::optional<RoomName> voice_room_of(std::string_view group) {
  return room_behind(group, kVoiceGroupPrefix);
}

GatewayGroup::GatewayGroup(GatewayContext& context, std::string name, std::uint32_t start)
    : context_(&context),
      name_(std::move(name)),
      topic_(group_topic(name_)),
      signaling_room_(signaling_room_of(name_)),
      voice_room_(voice_room_of(name_)),
      mirror_(kind_of(name_), context.origin, start, *this) {}

GatewayGroup::~GatewayGroup() = default;

void GatewayGroup::open() {
  context_->bus->subscribe(topic_, [group = weak_from_this()](bool is_acknowledged) {
    const auto alive = group.lock();
    if (!alive) return;
    alive->context_->update_time();
    if (is_acknowledged) {
      if (alive->is_degraded_) alive->context_->miss(alive->name_);  // nobody has waited for it
      alive->on_subscribed();
    } else {
      alive->degrade();
    }
  });
}

void GatewayGroup::on_subscribed() {
  has_missed = true;
  ask_again();
}

void GatewayGroup::ask_again() {
  context_->touch(*this);
  if (!std::exchange(has_missed, false)) return mirror_.repeat(context_->now);
  if (mirror_.origin() != context_->origin) {
    const bool is_open = mirror_.is_open();
    const bool may_be_given_up = mirror_.origin() <= context_->given_up;
    mirror_.take_origin(context_->origin, may_be_given_up, context_->now);
    if (is_open) return;  // it has asked
  }
  mirror_.ask(context_->now);
}

void GatewayGroup::degrade() {
  is_degraded_ = true;
  context_->inbox->set_ready(name_, false);
}

void GatewayGroup::close() {
  mirror_.close();
  has_listeners_ = false;
  drop_subscription_if_idle();
  context_->bus->unsubscribe(topic_);
}

Bus::Published GatewayGroup::when_published(std::uint64_t token) {
  return [group = weak_from_this(), token](std::optional<std::size_t> receivers) {
    const auto alive = group.lock();
    if (!alive) return;
    alive->context_->update_time();
    alive->mirror_.on_published(token, receivers, alive->context_->now);
    alive->context_->touch(*alive);
  };
}

void GatewayGroup::publish(const Envelope& envelope, const Body& body, std::uint64_t token) {
  Envelope head = envelope;
  head.time_ms = AgeFilter::stamp(context_->now);
  context_->bus->publish(topic_, encode(head, body), false, when_published(token));
}

void GatewayGroup::answer(std::uint64_t node, const Envelope& envelope,
                          const SnapshotMessage& message) {
  SnapshotMessage named = message;
  named.group = name_;
  context_->bus->publish(node_topic(node), encode(envelope, named), false);
}

void GatewayGroup::ask_node(std::uint64_t node, const Envelope& envelope) {
  SnapshotMessage question;
  question.is_question = true;
  answer(node, envelope, question);
}

void GatewayGroup::enter(std::uint64_t node, const MemberRecord& member) {
  if (signaling_room_) {
    static_cast<void>(
        context_->local->presence().enter(*signaling_room_, peer_of(member), kNoLimit, 0));
  } else if (voice_room_) {
    static_cast<void>(need_subscription()->try_add_member(kNoLimit));
    const auto entry = context_->local->voice_presence().enter(*voice_room_, member.user, false);
    voice_members_[{node, *voice_number(member.key)}] = entry.since;
  }
}

void GatewayGroup::update(std::uint64_t /*node*/, const MemberRecord& member) {
  if (!signaling_room_) return;
  context_->local->presence().update(*signaling_room_, *PeerId::parse(member.key), member.data);
}

void GatewayGroup::leave(std::uint64_t node, const MemberRecord& member) {
  if (signaling_room_) {
    context_->local->presence().leave(*signaling_room_, *PeerId::parse(member.key));
  } else if (voice_room_) {
    const auto place = voice_members_.find({node, *voice_number(member.key)});
    context_->port->flush();  // what he has said comes before his going
    context_->local->voice_presence().leave(voice_room_->str(), place->second, false);
    voice_members_.erase(place);
    subscription_->remove_member();
    drop_subscription_if_idle();
  }
}

bool GatewayGroup::admit(const MemberRecord& member) {
  const auto admission =
      context_->presence->admit(*signaling_room_, *PeerId::parse(member.key), member.position);
  return admission == PendingPresence::Admission::entered;
}

void GatewayGroup::on_listeners(bool are_there) {
  has_listeners_ = are_there;
  if (are_there && !signaling_room_) {
    need_subscription();
  } else {
    drop_subscription_if_idle();
  }
}

void GatewayGroup::on_ready() {
  is_degraded_ = false;
  context_->inbox->set_ready(name_, true);
}

Subscription* GatewayGroup::need_subscription() {
  if (!subscription_) subscription_ = context_->port->subscribe(name_);
  return subscription_.get();
}

void GatewayGroup::drop_subscription_if_idle() {
  if (!has_listeners_ && voice_members_.empty()) subscription_ = nullptr;
}

void GatewayGroup::on_message(const Message& message) {
  const auto* said = std::get_if<FrameMessage>(&message.body);
  if (said == nullptr) return mirror_.on_message(message, context_->now);
  if (node_of(message.envelope.origin) == node_of(context_->origin)) return;  // the echo
  if (!signaling_room_) on_frame(message.envelope, said->frame);
}

void GatewayGroup::on_frame(const Envelope& envelope, const Frame& frame) {
  const bool is_late = context_->ages.is_late(envelope.origin, envelope.time_ms, context_->now);
  if (is_late && frame.frame_class() == FrameClass::media) {
    ++context_->late_frames;
    return;
  }
  std::uint64_t source = 0;
  if (envelope.number != 0 && voice_room_) {
    const auto speaker = voice_members_.find({node_of(envelope.origin), envelope.number});
    // One who is not in the roster yet: clients could not tell who speaks.
    if (speaker == voice_members_.end() && frame.frame_class() == FrameClass::media) return;
    if (speaker != voice_members_.end()) source = speaker->second;
  }
  const Frame local = source == frame.source()
                          ? frame
                          : Frame(frame.kind(), frame.frame_class(), frame.bytes(), source);
  if (subscription_) {
    subscription_->publish(local);
  } else {
    gateway_hooks(*context_->local).publish_to_hubs(name_, local);
  }
}

void GatewayGroup::relay(const Frame& frame) {
  if (!mirror_.has_listeners()) return;
  const Envelope head{context_->origin, 0, AgeFilter::stamp(context_->now), frame.source()};
  const bool is_counted = frames_++ % kFramesPerCount == 0;
  context_->bus->publish(topic_, encode(head, FrameMessage{frame}),
                         frame.frame_class() == FrameClass::media,
                         is_counted ? when_published(mirror_.frame_token()) : Bus::Published{});
}

}  // namespace voicechan::redis
