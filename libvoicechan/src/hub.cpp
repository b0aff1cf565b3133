#include "voicechan/hub.hpp"

#include <algorithm>
#include <utility>

#include "hub_impl.hpp"

namespace voicechan {
namespace {

/// Where a hub begins to count its sessions, so that two hubs hardly ever give the same number. The
/// odd constant (2^64 divided by the golden ratio) spreads neighbouring addresses.
std::uint64_t first_source(HubAddress address) noexcept {
  return (address.node << 16 ^ address.hub) * 0x9E37'79B9'7F4A'7C15;
}

}  // namespace

std::string voice_group(const RoomName& room) { return "voice_" + room.str(); }

std::string notification_group(UserId user) {
  return "notifications_" + std::to_string(user.value);
}

Hub::Impl::~Impl() {
  while (!sessions_.empty()) {
    State& session = sessions_.front();
    if (session.handle != nullptr) session.handle->state_ = nullptr;
    leave(session);
  }
}

std::error_code Hub::Impl::attach(Backplane& backplane, std::function<void()> wake) {
  auto port = backplane.attach(*this, std::move(wake));
  if (!port) return port.error();
  port_ = std::move(*port);
  peer_rooms_.emplace(*port_, backplane.presence(), options_.flight_recorder);
  last_source_ = first_source(port_->address());
  return {};
}

Session Hub::Impl::open(Role role, Identity user, Transport& transport) {
  State& session = sessions_.emplace_front(*this, role, std::move(user), transport, ++last_source_);
  session.place = sessions_.begin();
  if (role == Role::signaling) {
    session.signaling = std::make_unique<SignalingState>(options_.signaling_burst);
  }
  return Session(&session);
}

Result<Session> Hub::Impl::open_in_group(Role role, Identity user, Transport& transport,
                                         const std::string& group, std::chrono::milliseconds window,
                                         std::size_t max_members) {
  auto place = groups_.find(group);
  if (place == groups_.end()) {
    place = groups_.try_emplace(group, port_->subscribe(group), window).first;
  }
  Session session = open(role, std::move(user), transport);
  if (!place->second.add(*session.state_, transport, max_members)) {
    dispose_if_empty(place);
    return Errc::room_full;
  }
  session.state_->group_place = place;
  session.state_->is_in_group = true;
  return session;
}

void Hub::Impl::leave(State& session) noexcept {
  if (session.signaling != nullptr) leave_signaling(*session.signaling);
  if (session.is_in_group) {
    session.group_place->second.remove(session);
    dispose_if_empty(session.group_place);
  }
  sessions_.erase(session.place);
}

void Hub::Impl::fan_out(Groups::iterator place, const Frame& frame,
                        const Group::Membership* except) {
  Group& group = place->second;
  const bool was_held = group.is_held();
  group.fan_out(frame, except, now_);
  if (group.is_held() && !was_held) paced_.push_back(place);
  dispose_if_empty(place);
}

void Hub::Impl::dispose_if_empty(Groups::iterator place) {
  if (!place->second.is_disposable()) return;
  if (place->second.is_held()) paced_.erase(std::find(paced_.begin(), paced_.end(), place));
  groups_.erase(place);
}

/// Releases what is due; when the next is.
MonotonicTime Hub::Impl::release_paced() {
  for (std::size_t i = 0; i < paced_.size();) {
    const auto place = paced_[i];
    if (place->second.next_release() > now_) {
      ++i;
      continue;
    }
    paced_[i] = paced_.back();
    paced_.pop_back();
    place->second.release(now_);  // may change `paced_`; who is skipped by that is due at once
    dispose_if_empty(place);
  }
  MonotonicTime next = MonotonicTime::max();
  for (const auto& place : paced_) next = std::min(next, place->second.next_release());
  return next;
}

void Hub::Impl::receive(State& session, FrameKind kind, std::string bytes) {
  switch (session.role) {
    case Role::voice:
      relay(session, kind, std::move(bytes));
      return;
    case Role::signaling:
      route(session, kind, bytes);
      return;
    case Role::notifications:
      return;
  }
}

void Hub::Impl::relay(State& session, FrameKind kind, std::string bytes) {
  const Frame frame(kind, kind == FrameKind::text ? FrameClass::control : FrameClass::media,
                    std::move(bytes), session.source);
  session.group_place->second.publish(frame);
  fan_out(session.group_place, frame, &session);
}

void Hub::Impl::on_publish(std::string_view group, const Frame& frame) noexcept {
  const auto place = groups_.find(group);
  if (place != groups_.end()) return fan_out(place, frame, nullptr);
  peer_rooms_->on_publish(group, frame);
}

Session::Session(State* state) noexcept : state_(state) { state_->handle = this; }

Session::Session(Session&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {
  if (state_ != nullptr) state_->handle = this;
}

Session& Session::operator=(Session&& other) noexcept {
  if (this == &other) return *this;
  leave();
  state_ = std::exchange(other.state_, nullptr);
  if (state_ != nullptr) state_->handle = this;
  return *this;
}

Session::~Session() { leave(); }

void Session::receive(FrameKind kind, std::string bytes) {
  if (state_ != nullptr) state_->hub->receive(*state_, kind, std::move(bytes));
}

void Session::on_written() {
  if (state_ != nullptr) state_->hub->on_written(*state_);
}

void Session::refuse(Errc reason) {
  if (state_ != nullptr) state_->hub->refuse(*state_, reason);
}

void Session::leave() noexcept {
  State* const state = std::exchange(state_, nullptr);
  if (state != nullptr) state->hub->leave(*state);
}

Hub::Hub(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}

Hub::~Hub() = default;

Result<std::unique_ptr<Hub>> Hub::attach(Backplane& backplane, HubOptions options,
                                         std::function<void()> wake, RandomSource& random) {
  auto impl = std::make_unique<Impl>(std::move(options), random);
  if (const auto error = impl->attach(backplane, std::move(wake))) return error;
  return std::unique_ptr<Hub>(new Hub(std::move(impl)));
}

Result<Session> Hub::join_voice(Identity user, const RoomName& room, Transport& transport) {
  return impl_->open_in_group(Role::voice, std::move(user), transport, voice_group(room),
                              impl_->options().pacing_window, impl_->options().max_room_members);
}

Session Hub::open_signaling(Identity user, Transport& transport) {
  return impl_->open(Role::signaling, std::move(user), transport);
}

Session Hub::open_notifications(Identity user, Transport& transport) {
  const std::string group = notification_group(user.id);
  return impl_
      ->open_in_group(Role::notifications, std::move(user), transport, group, {}, Group::kNoLimit)
      .value();
}

MonotonicTime Hub::tick(MonotonicTime now) { return impl_->tick(now); }

std::size_t Hub::session_count() const noexcept { return impl_->session_count(); }

}  // namespace voicechan
