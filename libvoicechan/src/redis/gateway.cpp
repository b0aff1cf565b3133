#include "gateway.hpp"

#include <algorithm>
#include <utility>

#include "../voice_groups.hpp"
#include "voicechan/random.hpp"

namespace voicechan::redis {
namespace {

std::string signaling_group_of(const std::string& room) { return "signaling_" + room; }

}  // namespace

Gateway::Gateway(InProcessBackplane& local, std::uint64_t node,
                 std::function<MonotonicTime()> clock, std::function<void()> wake)
    : wake_(std::move(wake)),
      inbox_(std::make_shared<GatewayInbox>(wake_)),
      presence_(local, *this) {
  context_.clock = std::move(clock);
  context_.touch = [this](GatewayGroup& group) { touch(group); };
  context_.miss = [this](const std::string& group) { miss(group); };
  context_.local = &local;
  context_.presence = &presence_;
  context_.inbox = inbox_.get();
  context_.origin = make_origin(node, 0);
  port_ = gateway_hooks(local).attach_gateway(*this, wake_).value();
  context_.port = port_.get();
}

Gateway::~Gateway() {
  inbox_->close();
  groups_.clear();  // they use the port
}

void Gateway::start(Bus& bus) {
  context_.bus = &bus;
  context_.update_time();
  bus.subscribe(node_topic(node_of(context_.origin)), [](bool) {});
  bus.subscribe(std::string(kControlTopic), [](bool) {});
  if (!bus.is_reachable()) unreachable_since_ = context_.now;
}

void Gateway::stop() {
  context_.update_time();
  if (unpublished_.due() != MonotonicTime::max()) unpublished_.wait_until(context_.now);
  tell_unpublished();  // after a goodbye nobody looks for it
  context_.bus->publish(kControlTopic, encode({context_.origin}, ShutdownMessage{}), false);
  for (const auto& each : groups_) each.second->close();
  timetable_.clear();
  groups_.clear();
  port_->flush();
}

MonotonicTime Gateway::turn() {
  is_turn_requested_ = false;
  context_.update_time();
  take_events();
  port_->poll();
  leave_voice_rooms();
  while (!timetable_.empty() && timetable_.begin()->first <= context_.now) {
    GatewayGroup& group = *timetable_.begin()->second;
    schedule(group, MonotonicTime::max());
    touch(group);
  }
  look_at_touched();
  ask_due();
  look_at_touched();
  tick_messages();
  tell_unpublished();
  port_->flush();
  const MonotonicTime next = timetable_.empty() ? MonotonicTime::max() : timetable_.begin()->first;
  return std::min({next, away_due_, unpublished_.due(), say_due_reports()});
}

void Gateway::look_at_touched() {
  for (std::size_t i = 0; i < touched_.size(); ++i) {  // it may grow meanwhile
    if (const auto group = touched_[i].lock()) look_at(*group);
  }
  touched_.clear();
}

void Gateway::ask_later(GatewayGroup& group) {
  group.has_missed = true;
  wait_to_ask(group);
}

void Gateway::ask_everywhere() {
  for (const auto& each : groups_) {
    if (each.second->mirror().is_open()) ask_later(*each.second);
  }
}

void Gateway::wait_to_ask(GatewayGroup& group) {
  if (std::exchange(group.is_to_ask, true)) return;
  to_ask_.push_back(group.weak_from_this());
  request_turn();
}

void Gateway::ask_due() {
  if (to_ask_.empty() && asking_.empty()) return;
  const auto has_ended = [](const std::weak_ptr<GatewayGroup>& each) {
    const auto group = each.lock();
    return !group || !group->mirror().is_asking();
  };
  asking_.erase(std::remove_if(asking_.begin(), asking_.end(), has_ended), asking_.end());
  for (std::size_t left = to_ask_.size(); left > 0 && asking_.size() < kMaxQuestions; --left) {
    const auto group = to_ask_.front().lock();
    to_ask_.pop_front();
    if (!group) continue;
    if (group->mirror().is_asking()) {  // for something else: after that
      to_ask_.push_back(group);
      continue;
    }
    group->is_to_ask = false;
    group->ask_again();
    asking_.push_back(group);
  }
}

void Gateway::request_turn() {
  if (std::exchange(is_turn_requested_, true)) return;
  wake_();
}

GatewayGroup* Gateway::find(std::string_view group) {
  const auto found = groups_.find(group);
  return found == groups_.end() ? nullptr : found->second.get();
}

void Gateway::touch(GatewayGroup& group) {
  if (std::exchange(group.is_touched, true)) return;
  touched_.push_back(group.weak_from_this());
  request_turn();
}

void Gateway::look_at(GatewayGroup& group) {
  group.is_touched = false;
  const bool is_unheard = !context_.bus->is_reachable() && group.mirror().may_be_known();
  if (group.linger_until <= context_.now && is_unheard) {
    group.linger_until = context_.now + kLingerTime;  // others are to hear who has left
  } else if (group.linger_until <= context_.now) {
    group.linger_until = MonotonicTime::max();
    if (inbox_->forget_unless_wanted(group.name())) {
      group.close();
      schedule(group, MonotonicTime::max());
      groups_.erase(group.name());
      return;
    }
  }
  schedule(group, std::min(group.mirror().tick(context_.now), group.linger_until));
  if (group.mirror().is_repeat_due()) wait_to_ask(group);
}

void Gateway::schedule(GatewayGroup& group, MonotonicTime due) {
  if (group.due == due) return;
  if (group.due != MonotonicTime::max()) timetable_.erase({group.due, &group});
  group.due = due;
  if (due != MonotonicTime::max()) timetable_.emplace(due, &group);
}

void Gateway::take_events() {
  for (LocalEvent& event : inbox_->take()) {
    std::visit([this](auto& each) { handle(each); }, event);
  }
}

void Gateway::leave_voice_rooms() {
  for (const VoiceMemberLeft& left : std::exchange(voice_leaves_, {})) {
    GatewayGroup* group = find(voice_group_of(left.room));
    if (group == nullptr) continue;
    group->mirror().own_leaves(voice_key(left.since));
    touch(*group);
  }
}

void Gateway::handle(const InterestChanged& event) {
  GatewayGroup* group = find(event.group);
  if (!inbox_->is_wanted(event.group)) {
    if (group == nullptr) {  // who wanted it has gone already
      static_cast<void>(inbox_->forget_unless_wanted(event.group));
      return;
    }
    group->linger_until = context_.now + kLingerTime;
    return touch(*group);
  }
  if (group == nullptr) {
    auto added = std::make_shared<GatewayGroup>(context_, event.group,
                                                static_cast<std::uint32_t>(random_number()));
    group = added.get();
    groups_.emplace(event.group, std::move(added));
    group->open();
    const bool is_hopeless = unreachable_since_ != MonotonicTime::max() &&
                             context_.now - unreachable_since_ >= kPatience;
    if (is_hopeless) group->degrade();
  } else if (group->is_degraded()) {
    group->degrade();
  }
  group->linger_until = MonotonicTime::max();
  touch(*group);
}

void Gateway::handle(PeerWantsToEnter& event) {
  GatewayGroup* group = find(signaling_group_of(event.room));
  if (group == nullptr) return;
  MemberRecord member;
  member.key = std::string(event.peer.id.str());
  member.user = std::move(event.peer.user);
  member.data = std::move(event.peer.data);
  group->mirror().own_enters(std::move(member), context_.now);
  touch(*group);
}

void Gateway::handle(PeerUpdated& event) {
  GatewayGroup* group = find(signaling_group_of(event.room));
  if (group == nullptr) return;
  group->mirror().own_updates(std::string(event.peer.str()), std::move(event.data));
  touch(*group);
}

void Gateway::handle(const PeerLeft& event) {
  GatewayGroup* group = find(signaling_group_of(event.room));
  if (group == nullptr) return;
  group->mirror().own_leaves(std::string(event.peer.str()));
  touch(*group);
}

void Gateway::handle(VoiceMemberEntered& event) {
  GatewayGroup* group = find(voice_group_of(event.room));
  if (group == nullptr) return;
  MemberRecord member;
  member.key = voice_key(event.since);
  member.user = std::move(event.user);
  group->mirror().own_enters(std::move(member), context_.now);
  touch(*group);
}

void Gateway::handle(const VoiceMemberLeft& event) { voice_leaves_.push_back(event); }

void Gateway::handle(const PublishedOutside& event) {
  // Even if no other node is known to listen: one may have come while the bus was away, and have
  // looked already for what it missed.
  const Envelope head{context_.origin, 0, AgeFilter::stamp(context_.now), event.frame.source()};
  context_.bus->publish(
      group_topic(event.group), encode(head, FrameMessage{event.frame}), false,
      [self = std::weak_ptr<Gateway*>(self_), name = event.group](auto receivers) {
        const auto alive = self.lock();
        if (!alive || receivers) return;
        (*alive)->context_.update_time();
        (*alive)->unpublished_.add(name, (*alive)->context_.now);
        (*alive)->request_turn();
      });
}

void Gateway::on_publish(std::string_view name, const Frame& frame) noexcept {
  // Who speaks has entered before; that may have come after the events were taken.
  if (frame.source() != 0) take_events();
  if (GatewayGroup* group = find(name)) group->relay(frame);
}

Delivery Gateway::on_send(const SendTicket&, const Frame&) noexcept {
  return Delivery::unknown_peer;
}

void Gateway::on_interest(std::string_view group, bool is_wanted) noexcept {
  if (room_of(group, kVoiceMembersGroupPrefix)) return;
  inbox_->set_interest(group, is_wanted);
}

void Gateway::on_wants_to_enter(const RoomName& room, const Peer& peer) {
  inbox_->push(PeerWantsToEnter{room.str(), peer});
}

void Gateway::on_updated(const RoomName& room, const PeerId& peer, std::string_view data) {
  inbox_->push(PeerUpdated{room.str(), peer, std::string(data)});
}

void Gateway::on_left(const RoomName& room, const PeerId& peer) noexcept {
  inbox_->push(PeerLeft{room.str(), peer});
}

void Gateway::on_message(std::string_view topic, std::string_view bytes) noexcept {
  const auto decoded = decode(bytes);
  if (const auto* fault = std::get_if<DecodeFault>(&decoded)) {
    ++(*fault == DecodeFault::unknown ? counts_.unknown_messages : counts_.malformed_messages);
    return;
  }
  context_.update_time();
  const auto& message = std::get<Message>(decoded);
  if (const auto name = group_of_topic(topic)) {
    GatewayGroup* group = find(*name);
    if (group == nullptr) return;
    if (std::holds_alternative<MissedMessage>(message.body)) return miss(*name);
    if (is_fenced(message.envelope.origin)) return;
    group->on_message(message);
    if (!std::holds_alternative<FrameMessage>(message.body)) return touch(*group);
    return request_turn();
  }
  if (std::holds_alternative<MissedMessage>(message.body)) return miss_all();
  on_direct(message);
  request_turn();
}

void Gateway::on_gap(std::string_view topic) noexcept {
  context_.update_time();
  if (topic == kControlTopic) return miss_all();  // it may have said just that
  const auto name = group_of_topic(topic);
  GatewayGroup* const group = name ? find(*name) : nullptr;
  if (group == nullptr) return;
  ask_later(*group);
  miss(*name);
}

void Gateway::miss(std::string_view group) {
  if (!signaling_room_of(group) && !voice_room_of(group)) gaps_.tell(group);
}

void Gateway::miss_all() {
  for (const auto& each : groups_) miss(each.first);
}

void Gateway::tell_unpublished() {
  if (unpublished_.due() > context_.now) return;
  if (!context_.bus->is_reachable()) {
    return unpublished_.wait_until(context_.now + UnpublishedGroups::kRetryTime);
  }
  const auto publish = [this](const std::string& topic, auto try_again) {
    context_.bus->publish(topic, encode({context_.origin}, MissedMessage{}), false,
                          [self = std::weak_ptr<Gateway*>(self_), try_again](auto receivers) {
                            const auto alive = self.lock();
                            if (!alive || receivers) return;
                            (*alive)->context_.update_time();
                            try_again((*alive)->unpublished_, (*alive)->context_.now);
                            (*alive)->request_turn();
                          });
  };
  const UnpublishedGroups::Taken taken = unpublished_.take();
  if (taken.is_all) {
    publish(std::string(kControlTopic),
            [](UnpublishedGroups& groups, MonotonicTime now) { groups.add_all(now); });
  }
  for (const std::string& group : taken.groups) {
    publish(group_topic(group),
            [group](UnpublishedGroups& groups, MonotonicTime now) { groups.add(group, now); });
  }
}

void Gateway::on_state(bool is_reachable) noexcept {
  context_.update_time();
  const bool was_away_long =
      unreachable_since_ != MonotonicTime::max() && context_.now - unreachable_since_ >= kPatience;
  unreachable_since_ = is_reachable ? MonotonicTime::max() : context_.now;
  if (is_reachable) owed_.retry_now();
  request_turn();
  if (is_reachable && was_away_long) ask_everywhere();  // what was refused was lost
}

GatewayCounts Gateway::counts() const noexcept {
  GatewayCounts counts = counts_;
  counts.late_frames = context_.late_frames;
  counts.groups = groups_.size();
  return counts;
}

}  // namespace voicechan::redis
