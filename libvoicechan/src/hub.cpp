#include "voicechan/hub.hpp"

#include <algorithm>
#include <charconv>
#include <system_error>
#include <utility>

#include "hub_impl.hpp"
#include "voice_groups.hpp"

namespace voicechan {

std::string voice_group(const RoomName& room) { return voice_group_of(room.str()); }

std::string notification_group(UserId user) {
  return std::string(kNotificationGroupPrefix).append(std::to_string(user.value));
}

std::optional<UserId> user_of_notification_group(std::string_view group) {
  const auto id = room_of(group, kNotificationGroupPrefix);
  if (!id) return std::nullopt;
  UserId user;
  const char* const end = id->data() + id->size();
  const auto [stop, error] = std::from_chars(id->data(), end, user.value);
  if (error != std::errc() || stop != end) return std::nullopt;
  return user;
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
  voice_presence_ = &backplane.voice_presence();
  return {};
}

Session Hub::Impl::open(Role role, Transport& transport) {
  State& session = sessions_.emplace_front(*this, role, transport);
  session.place = sessions_.begin();
  return Session(&session);
}

Session Hub::Impl::open_signaling(Identity user, Transport& transport) {
  Session session = open(Role::signaling, transport);
  session.state_->signaling = std::make_unique<SignalingState>(std::move(user), options_);
  return session;
}

Hub::Impl::Groups::iterator Hub::Impl::find_or_add_group(const std::string& group,
                                                         std::chrono::milliseconds window) {
  const auto place = groups_.find(group);
  if (place != groups_.end()) return place;
  return groups_.try_emplace(group, port_->subscribe(group), window).first;
}

Result<Session> Hub::Impl::open_in_group(Role role, Transport& transport, const std::string& group,
                                         std::chrono::milliseconds window,
                                         std::size_t max_members) {
  const auto place = find_or_add_group(group, window);
  Session session = open(role, transport);
  if (!place->second.plain.add(*session.state_, transport, max_members)) {
    dispose_if_empty(place);
    return Errc::room_full;
  }
  session.state_->group_place = place;
  session.state_->is_in_group = true;
  return session;
}

void Hub::Impl::leave(State& session) noexcept {
  if (session.signaling != nullptr) leave_signaling(*session.signaling);
  if (session.is_in_group) leave_group(session);
  sessions_.erase(session.place);
}

void Hub::Impl::fan_out(Groups::iterator place, const Frame& frame, State* from) {
  VoiceWatchers::Place* const watcher = from != nullptr ? from->watch.get() : nullptr;
  place->second.fan_out(frame, watcher == nullptr ? from : nullptr, watcher, now_);
  note_paced(place);
  dispose_if_empty(place);
}

void Hub::Impl::note_paced(Groups::iterator place) {
  if (place->second.is_paced || !place->second.is_held()) return;
  place->second.is_paced = true;
  paced_.push_back(place);
}

void Hub::Impl::dispose_if_empty(Groups::iterator place) {
  if (!place->second.is_disposable()) return;
  if (place->second.is_paced) paced_.erase(std::find(paced_.begin(), paced_.end(), place));
  groups_.erase(place);
}

/// Releases what is due; when the next is.
MonotonicTime Hub::Impl::release_paced() {
  for (std::size_t i = 0; i < paced_.size();) {
    const auto place = paced_[i];
    if (place->second.is_held() && place->second.next_release() > now_) {
      ++i;
      continue;
    }
    paced_[i] = paced_.back();
    paced_.pop_back();
    place->second.is_paced = false;
    place->second.release(now_);  // may change `paced_`; who is skipped by that is due at once
    note_paced(place);
    dispose_if_empty(place);
  }
  MonotonicTime next = MonotonicTime::max();
  for (const auto& place : paced_) next = std::min(next, place->second.next_release());
  return next;
}

void Hub::Impl::receive(State& session, FrameKind kind, std::string bytes) {
  switch (session.role) {
    case Role::voice:
      if (session.watch != nullptr && kind == FrameKind::text) {
        return take_member_message(session, bytes);
      }
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
                    std::move(bytes), session.since);
  session.group_place->second.plain.publish(frame);
  fan_out(session.group_place, frame, &session);
}

void Hub::Impl::on_publish(std::string_view group, const Frame& frame) noexcept {
  const auto place = groups_.find(group);
  if (place != groups_.end()) return fan_out(place, frame, nullptr);
  on_members_change(group, frame);
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

std::string_view Session::room() const noexcept {
  if (state_ == nullptr) return {};
  if (state_->role == Role::voice) {
    return room_of(state_->group_place->first, kVoiceGroupPrefix).value_or(std::string_view());
  }
  const bool is_in_room = state_->signaling != nullptr && state_->signaling->place != nullptr;
  return is_in_room ? std::string_view(state_->signaling->place->room().str()) : "";
}

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

void Session::lose() noexcept {
  State* const state = std::exchange(state_, nullptr);
  if (state != nullptr) state->hub->lose(*state);
}

Hub::Hub(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}

Hub::~Hub() = default;

Result<std::unique_ptr<Hub>> Hub::attach(Backplane& backplane, HubOptions options,
                                         std::function<void()> wake, RandomSource& random) {
  auto impl = std::make_unique<Impl>(std::move(options), random);
  if (const auto error = impl->attach(backplane, std::move(wake))) return error;
  return std::unique_ptr<Hub>(new Hub(std::move(impl)));
}

Result<Session> Hub::join_voice(Identity user, const RoomName& room, Transport& transport,
                                VoiceProtocol protocol) {
  return impl_->join_voice(std::move(user), room, transport, protocol);
}

Session Hub::open_signaling(Identity user, Transport& transport) {
  return impl_->open_signaling(std::move(user), transport);
}

Session Hub::open_notifications(const Identity& user, Transport& transport) {
  const std::string group = notification_group(user.id);
  return impl_->open_in_group(Role::notifications, transport, group, {}, Group::kNoLimit).value();
}

MonotonicTime Hub::tick(MonotonicTime now) { return impl_->tick(now); }

std::size_t Hub::session_count() const noexcept { return impl_->session_count(); }

std::uint64_t Hub::resume_count() const noexcept { return impl_->resume_count(); }

}  // namespace voicechan
