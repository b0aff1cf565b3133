#include <string>
#include <utility>

#include "hub_impl.hpp"
#include "room_message.hpp"
#include "signaling_message.hpp"

// Joins. Where a room is shared with other processes its presence answers later; until then what
// comes for the session is kept: what its client says, so that it is handled in order, and what
// others send to it, since the client has not been told yet who they are.

namespace voicechan {
namespace {

constexpr std::string_view kBadRoom =
    "\"room\" must be 1 to 200 bytes without slashes and control characters";
constexpr std::string_view kTooMuchKept = "too many messages wait for the answer to a join";

}  // namespace

void Hub::Impl::join(State& session, const SignalingMessage& message) {
  const auto member = find_member(message, "room");
  const auto text = member ? string_value(*member) : std::nullopt;
  std::optional<RoomName> room;
  if (text) {
    auto name = RoomName::parse(*text);
    if (!name) return refuse(session, Errc::bad_message, {}, kBadRoom);
    room = *std::move(name);
  }
  const auto data = find_member(message, "data");
  if (room && data && data->size() > options_.max_peer_data_bytes) {
    return refuse(session, Errc::too_large);
  }
  if (room && !may_change_room(session)) return;
  const PeerId id = session.signaling->id ? *session.signaling->id : make_id();
  const JoinWishes wishes{find_member(message, "receipts") == "true",
                          find_member(message, "resume") == "true"};
  if (!room) return finish_join(session, id, std::nullopt, wishes);
  enter_room(session, id, *room, data, wishes);
}

void Hub::Impl::enter_room(State& session, const PeerId& id, const RoomName& room,
                           std::optional<std::string_view> data, JoinWishes wishes) {
  auto& place = session.signaling->place;
  if (place != nullptr && place->room().str() == room.str()) {
    if (data) place->update(std::string(*data));
    return finish_join(session, id, place->roster(), wishes);
  }
  const std::uint64_t number = ++last_join_;
  Peer peer{id, session.signaling->user, std::string(data.value_or("null"))};
  auto answer = peer_rooms_->enter(room, std::move(peer), *session.transport,
                                   options_.max_room_peers, number);
  if (auto* entry = std::get_if<std::unique_ptr<PeerRooms::Entry>>(&answer)) {
    return wait_to_enter(session, id, std::move(*entry), number, wishes);
  }
  auto& entered = std::get<Result<PeerRooms::Entered>>(answer);
  if (!entered) return send_error(*session.transport, Errc::room_full);  // and nothing has changed
  place = std::move(entered->place);
  finish_join(session, id, std::move(entered->roster), wishes);
}

void Hub::Impl::finish_join(State& session, const PeerId& id, const std::optional<Roster>& roster,
                            JoinWishes wishes) {
  SignalingState& signaling = *session.signaling;
  if (!signaling.id) {
    signaling.id = id;
    peers_.emplace(id, &session);
  }
  if (roster || wishes.receipts) signaling.need_receipts().is_sender = true;
  const auto ice = roster ? offer_ice(session) : std::nullopt;
  if (ice) signaling.place->start_using_ice(ice->expires_at);
  Transport& transport = *session.transport;  // the first answer with a key is not kept itself
  const auto resume = wishes.resume ? offer_resume(session) : std::nullopt;
  transport.send(Frame::control_text(
      roster ? compose_joined_room(signaling.place->room(), *roster, id, ice, resume)
             : compose_joined(id.str(), resume)));
}

void Hub::Impl::wait_to_enter(State& session, const PeerId& id,
                              std::unique_ptr<PeerRooms::Entry> entry, std::uint64_t number,
                              JoinWishes wishes) {
  SignalingState& signaling = *session.signaling;
  if (signaling.joining == nullptr) {
    signaling.joining = std::make_unique<PendingJoin>();
  } else {
    joins_.erase(signaling.joining->number);  // what was kept behind that waits for this one now
  }
  PendingJoin& joining = *signaling.joining;
  joining.number = number;
  joining.entry = std::move(entry);
  joining.wishes = wishes;
  joining.is_first = !signaling.id;
  joins_.emplace(number, &session);
  if (!joining.is_first) return;
  // Others may be told of it before this hub is, and write to it at once.
  signaling.id = id;
  peers_.emplace(id, &session);
}

void Hub::Impl::on_entered(std::uint64_t number, Result<Roster> answer) noexcept {
  const auto found = joins_.find(number);
  const bool waits = found != joins_.end() && found->second->signaling->joining->entry != nullptr;
  if (!waits) return;  // it has left meanwhile
  State& session = *found->second;
  SignalingState& signaling = *session.signaling;
  PendingJoin& joining = *signaling.joining;
  const auto entry = std::move(joining.entry);
  const PeerId id = *signaling.id;
  auto entered = entry->finish(std::move(answer), *session.transport);
  if (entered) {
    signaling.place = std::move(entered->place);
    finish_join(session, id, std::move(entered->roster), joining.wishes);
  } else {
    if (joining.is_first) {
      peers_.erase(id);
      signaling.id = std::nullopt;
    }
    send_error(*session.transport, static_cast<Errc>(entered.error().value()));
  }
  handle_kept(number);
}

bool Hub::Impl::has_room_to_keep(const PendingJoin& joining, std::size_t count,
                                 std::size_t bytes) const {
  if (count >= PendingJoin::kMaxKept) return false;
  if (joining.kept_bytes > 0 && joining.kept_bytes + bytes > PendingJoin::kMaxKeptBytes) {
    return false;
  }
  return kept_bytes_ + bytes <= PendingJoin::kMaxKeptBytesOfAll;
}

void Hub::Impl::keep_said(State& session, FrameKind kind, std::string_view text) {
  PendingJoin& joining = *session.signaling->joining;
  if (!has_room_to_keep(joining, joining.said.size(), text.size())) {
    return refuse(session, Errc::rate_limited, {}, kTooMuchKept);
  }
  keep(joining, PendingJoin::Said{kind, std::string(text)});
}

void Hub::Impl::keep(PendingJoin& joining, PendingJoin::Said said) {
  joining.kept_bytes += said.text.size();
  kept_bytes_ += said.text.size();
  joining.said.push_back(std::move(said));
}

void Hub::Impl::keep(PendingJoin& joining, PendingJoin::Directed message) {
  joining.kept_bytes += message.frame.size();
  kept_bytes_ += message.frame.size();
  joining.directed.push_back(std::move(message));
}

void Hub::Impl::handle_kept(std::uint64_t number) {
  for (;;) {  // each may end the session, have it wait for another join, or bring more
    const auto found = joins_.find(number);
    if (found == joins_.end()) return;
    State& session = *found->second;
    PendingJoin& joining = *session.signaling->joining;
    const auto forget = [&](std::size_t bytes) {
      joining.kept_bytes -= bytes;
      kept_bytes_ -= bytes;
    };
    if (!joining.directed.empty()) {
      const PendingJoin::Directed next = std::move(joining.directed.front());
      joining.directed.pop_front();
      forget(next.frame.size());
      const Delivery delivery = session.signaling->id
                                    ? deliver_now(session, next.ticket, next.frame)
                                    : Delivery::unknown_peer;  // it was not let in
      if (delivery != Delivery::queued) port_->report(next.ticket, delivery);
    } else if (!joining.said.empty()) {
      const PendingJoin::Said next = std::move(joining.said.front());
      joining.said.pop_front();
      forget(next.text.size());
      if (session.signaling->tunnel != nullptr) {
        pass_through(session, next.kind, next.text);
      } else {
        handle(session, next.kind, next.text);
      }
    } else {
      joins_.erase(found);
      session.signaling->joining = nullptr;
      return;
    }
  }
}

void Hub::Impl::drop_join(SignalingState& signaling) noexcept {
  const auto joining = std::move(signaling.joining);
  joins_.erase(joining->number);
  kept_bytes_ -= joining->kept_bytes;
  for (const auto& each : joining->directed) port_->report(each.ticket, Delivery::gone);
}

std::deque<PendingJoin::Said> Hub::Impl::take_said(SignalingState& signaling) {
  if (signaling.joining == nullptr) return {};
  auto said = std::move(signaling.joining->said);
  drop_join(signaling);
  return said;
}

void Hub::Impl::pass_on_said(const PeerId& key, std::deque<PendingJoin::Said> said) {
  if (said.empty()) return;
  const auto found = resumables_.find(key);
  if (found == resumables_.end()) return;  // it has ended already
  State& session = *found->second;
  auto& joining = session.signaling->joining;
  const bool is_joining = joining != nullptr;
  if (!is_joining) {
    joining = std::make_unique<PendingJoin>();
    joining->number = ++last_join_;
    joins_.emplace(joining->number, &session);
  }
  for (auto& each : said) keep(*joining, std::move(each));
  if (!is_joining) handle_kept(joining->number);
}

}  // namespace voicechan
