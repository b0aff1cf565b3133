#include "voicechan/hub.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "group.hpp"
#include "peer_rooms.hpp"
#include "room_message.hpp"
#include "signaling_message.hpp"
#include "token_bucket.hpp"

namespace voicechan {
namespace {

constexpr std::string_view kNotAnObject =
    "a signaling message is one JSON object in a text frame, not nested too deeply";
constexpr std::string_view kBadRoom =
    "\"room\" must be 1 to 200 bytes without slashes and control characters";
constexpr std::string_view kNoData = "an update has \"data\"";
constexpr std::string_view kBadRevision = "\"revision\" must be an integer, 0 or more";
constexpr std::string_view kTooManyReceipts = "too many messages wait for their receipts";
constexpr std::string_view kBadTo = "\"to\" must be the id of a peer, as a string";

enum class Role : std::uint8_t { voice, signaling, notifications };

/// What a client with receipts is told of; nothing while that is open.
std::optional<std::string_view> receipt_status(Delivery delivery) {
  switch (delivery) {
    case Delivery::queued:
      return std::nullopt;
    case Delivery::delivered:
      return "delivered";
    case Delivery::gone:
      return "gone";
    case Delivery::unknown_peer:
      return "unknown";
    case Delivery::peer_busy:
      return "busy";
  }
  return std::nullopt;
}

/// The receipts that one signaling session waits for, and those it owes.
struct Receipts {
  static constexpr std::size_t kMaxWanted = 4096;

  struct Wanted {
    std::string msg_id;  // JSON
    PeerId to;
  };
  std::unordered_map<std::uint64_t, Wanted> wanted;  // by number
  std::vector<SendTicket> unwritten;                 // of messages that the transport has taken
  bool is_sender = false;                            // the client has opted in
};

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

/// One session. Owned by the hub's list, known to its handle. A call of a transport may destroy any
/// State, so none is touched after one.
struct Session::State : Group::Membership {
  State(Hub::Impl& owner, Role session_role, Identity identity, Transport& out, double burst,
        std::uint64_t source_number)
      : hub(&owner),
        transport(&out),
        user(std::move(identity)),
        role(session_role),
        messages(burst),
        source(source_number) {}

  Hub::Impl* const hub;
  Transport* const transport;
  const Identity user;
  Session* handle = nullptr;
  std::list<State>::iterator place;                                 // in the hub's list of sessions
  std::map<std::string, Group, std::less<>>::iterator group_place;  // if is_in_group
  // There are many sessions: what is small stands together.
  std::optional<PeerId> id;                      // of a signaling session that has joined
  std::unique_ptr<PeerRooms::Place> peer_place;  // of a signaling session in a room
  std::unique_ptr<Receipts> receipts;  // of a signaling session that has had to do with any

  Receipts& need_receipts() {
    if (receipts == nullptr) receipts = std::make_unique<Receipts>();
    return *receipts;
  }
  bool wants_receipts() const noexcept { return receipts != nullptr && receipts->is_sender; }

  const Role role;
  bool is_in_group = false;    // a voice or notifications session
  TokenBucket messages;        // of a signaling session
  const std::uint64_t source;  // of its frames
};

class Hub::Impl final : public BackplaneReceiver {
 public:
  using State = Session::State;

  Impl(HubOptions options, RandomSource& random) : options_(std::move(options)), random_(&random) {}
  ~Impl();

  std::error_code attach(Backplane& backplane, std::function<void()> wake) {
    auto port = backplane.attach(*this, std::move(wake));
    if (!port) return port.error();
    port_ = std::move(*port);
    peer_rooms_.emplace(*port_, backplane.presence());
    last_source_ = first_source(port_->address());
    return {};
  }

  Session open(Role role, Identity user, Transport& transport);
  Result<Session> open_in_group(Role role, Identity user, Transport& transport,
                                const std::string& group, std::chrono::milliseconds window,
                                std::size_t max_members);
  void leave(State& session) noexcept;
  void receive(State& session, FrameKind kind, std::string bytes);
  void on_written(State& session);

  MonotonicTime tick(MonotonicTime now) {
    now_ = now;
    port_->poll();
    const MonotonicTime next = std::min(release_paced(), refresh_ice());
    port_->flush();
    return next;
  }

  std::size_t session_count() const noexcept { return sessions_.size(); }
  const HubOptions& options() const noexcept { return options_; }

  void on_publish(std::string_view group, const Frame& frame) noexcept override;
  Delivery on_send(const SendTicket& ticket, const Frame& frame) noexcept override;
  void on_delivery(const SendTicket& ticket, Delivery delivery) noexcept override;

 private:
  using Groups = std::map<std::string, Group, std::less<>>;

  void fan_out(Groups::iterator place, const Frame& frame, const Group::Membership* except);
  void dispose_if_empty(Groups::iterator place);
  MonotonicTime release_paced();
  /// Tells those whose credentials are about to end of new ones; when the next are due.
  MonotonicTime refresh_ice();
  std::optional<IceOffer> offer_ice(State& session);
  void relay(State& session, FrameKind kind, std::string bytes);
  void route(State& session, FrameKind kind, std::string_view text);
  void join(State& session, const SignalingMessage& message);
  void join_room(State& session, const RoomName& room, std::optional<std::string_view> data);
  void update_data(State& session, const SignalingMessage& message);
  void sync(State& session, const SignalingMessage& message);
  /// Handles what only a peer in a room may send; false if the message is none of that.
  bool handle_in_room(State& session, const SignalingMessage& message);
  void forward(State& session, const SignalingMessage& message);
  void send(const SendTicket& ticket, const Frame& frame);
  Delivery deliver(const SendTicket& ticket, const Frame& frame) noexcept;
  void refuse(State& session, const SignalingMessage& message, Errc code,
              std::string_view detail = {});

  const HubOptions options_;
  RandomSource* const random_;
  std::unique_ptr<BackplanePort> port_;
  Groups groups_;
  std::list<State> sessions_;
  std::unordered_map<PeerId, State*> peers_;
  std::optional<PeerRooms> peer_rooms_;  // once attached
  std::vector<Groups::iterator> paced_;  // groups that hold frames back
  std::uint64_t last_source_ = 0;        // given to a session
  std::uint64_t last_receipt_ = 0;
  MonotonicTime now_{};
};

namespace {

/// Answers a refused message; the code's own sentence is the detail unless there is a better one.
void send_error(Transport& transport, Errc code, std::optional<std::string_view> to = {},
                std::string_view detail = {}) {
  const std::string sentence = detail.empty() ? make_error_code(code).message() : "";
  transport.send(Frame::control_text(compose_error(code, detail.empty() ? sentence : detail, to)));
}

}  // namespace

Hub::Impl::~Impl() {
  while (!sessions_.empty()) {
    State& session = sessions_.front();
    if (session.handle != nullptr) session.handle->state_ = nullptr;
    leave(session);
  }
}

Session Hub::Impl::open(Role role, Identity user, Transport& transport) {
  sessions_.emplace_front(*this, role, std::move(user), transport, options_.signaling_burst,
                          ++last_source_);
  sessions_.front().place = sessions_.begin();
  return Session(&sessions_.front());
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
  if (session.receipts != nullptr) {
    for (const SendTicket& ticket : session.receipts->unwritten) {
      port_->report(ticket, Delivery::gone);
    }
  }
  session.peer_place = nullptr;
  if (session.id) peers_.erase(*session.id);
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

void Hub::Impl::route(State& session, FrameKind kind, std::string_view text) {
  Transport& transport = *session.transport;
  if (!session.messages.take(options_.signaling_messages_per_second, options_.signaling_burst,
                             now_)) {
    return send_error(transport, Errc::rate_limited);
  }
  if (text.size() > options_.max_signaling_bytes) {
    return send_error(transport, Errc::too_large);
  }
  if (kind != FrameKind::text) return send_error(transport, Errc::bad_message, {}, kNotAnObject);
  const auto message = parse_signaling_message(text, options_.max_json_depth);
  if (!message) return send_error(transport, Errc::bad_message, {}, kNotAnObject);
  if (!message->has_to && message->type == "join") return join(session, *message);
  if (!message->has_to && session.peer_place != nullptr && handle_in_room(session, *message)) {
    return;
  }
  if (!session.id) return send_error(transport, Errc::not_joined, message->to);
  if (!message->to) return refuse(session, *message, Errc::bad_message, kBadTo);
  forward(session, *message);
}

void Hub::Impl::join(State& session, const SignalingMessage& message) {
  const auto member = find_member(message, "room");
  const auto text = member ? string_value(*member) : std::nullopt;
  std::optional<RoomName> room;
  if (text) {
    auto name = RoomName::parse(*text);
    if (!name) return send_error(*session.transport, Errc::bad_message, {}, kBadRoom);
    room = *std::move(name);
  }
  const auto data = find_member(message, "data");
  if (room && data && data->size() > options_.max_peer_data_bytes) {
    return send_error(*session.transport, Errc::too_large);
  }
  if (!session.id) {
    PeerId::Random random;
    random_->fill(random.data(), random.size());
    session.id = PeerId(port_->address(), random);
    peers_.emplace(*session.id, &session);
  }
  const bool asks_for_receipts = find_member(message, "receipts") == "true";
  if (room || asks_for_receipts) session.need_receipts().is_sender = true;
  if (room) return join_room(session, *room, data);
  session.transport->send(Frame::control_text(compose_joined(session.id->str())));
}

void Hub::Impl::join_room(State& session, const RoomName& room,
                          std::optional<std::string_view> data) {
  Transport& transport = *session.transport;
  Roster roster;
  if (session.peer_place != nullptr && session.peer_place->room().str() == room.str()) {
    if (data) session.peer_place->update(std::string(*data));
    roster = session.peer_place->sync(0).roster;
  } else {
    Peer peer{*session.id, session.user, std::string(data.value_or("null"))};
    auto entered = peer_rooms_->enter(room, std::move(peer), transport, options_.max_room_peers);
    if (!entered) return send_error(transport, Errc::room_full);  // and stay where he is
    session.peer_place = std::move(entered->place);
    roster = std::move(entered->roster);
  }
  const auto ice = offer_ice(session);
  transport.send(Frame::control_text(compose_joined_room(room, roster, *session.id, ice)));
}

std::optional<IceOffer> Hub::Impl::offer_ice(State& session) {
  if (!options_.ice_servers) return std::nullopt;
  IceOffer offer = options_.ice_servers(session.user.id);
  const std::chrono::seconds refresh = std::max(offer.ttl * 3 / 4, std::chrono::seconds(1));
  peer_rooms_->refresh_at(*session.peer_place, now_ + refresh);
  return offer;
}

MonotonicTime Hub::Impl::refresh_ice() {
  while (const auto peer = peer_rooms_->take_due(now_)) {
    State& session = *peers_.at(*peer);
    const auto offer = offer_ice(session);
    session.transport->send(Frame::control_text(compose_ice_servers(*offer)));
  }
  return peer_rooms_->next_due();
}

bool Hub::Impl::handle_in_room(State& session, const SignalingMessage& message) {
  if (message.type == "update") {
    update_data(session, message);
  } else if (message.type == "sync") {
    sync(session, message);
  } else if (message.type == "leave") {
    const RoomName room = session.peer_place->room();
    session.peer_place = nullptr;
    session.transport->send(Frame::control_text(compose_left(room)));
  } else {
    return false;
  }
  return true;
}

void Hub::Impl::update_data(State& session, const SignalingMessage& message) {
  const auto data = find_member(message, "data");
  if (!data) return send_error(*session.transport, Errc::bad_message, {}, kNoData);
  if (data->size() > options_.max_peer_data_bytes) {
    return send_error(*session.transport, Errc::too_large);
  }
  session.peer_place->update(std::string(*data));  // answered when the change comes round
}

void Hub::Impl::sync(State& session, const SignalingMessage& message) {
  const std::string_view text = find_member(message, "revision").value_or("");
  std::uint64_t revision = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, revision);
  if (error != std::errc() || stop != end) {
    return send_error(*session.transport, Errc::bad_message, {}, kBadRevision);
  }
  const RoomName& room = session.peer_place->room();
  const RosterUpdate update = session.peer_place->sync(revision);
  session.transport->send(Frame::control_text(compose_synced(room, revision, update, *session.id)));
}

void Hub::Impl::forward(State& session, const SignalingMessage& message) {
  const auto to = PeerId::parse(*message.to);
  if (!to) return refuse(session, message, Errc::unknown_peer);
  SendTicket ticket{*session.id, *to};
  if (message.msg_id && session.wants_receipts()) {
    auto& wanted = session.receipts->wanted;
    if (wanted.size() >= Receipts::kMaxWanted) {
      return refuse(session, message, Errc::rate_limited, kTooManyReceipts);
    }
    ticket.receipt = ++last_receipt_;
    wanted.emplace(ticket.receipt, Receipts::Wanted{std::string(*message.msg_id), *to});
  }
  const Frame frame = Frame::control_text(compose_forwarded(message, session.id->str()));
  if (session.peer_place == nullptr) return send(ticket, frame);

  CandidateHold& candidates = session.peer_place->candidates();
  const bool is_candidate = message.type == "candidate";
  const bool is_description = message.type == "offer" || message.type == "answer";
  std::vector<CandidateHold::Held> released;
  if ((is_candidate || is_description) && !candidates.may_pass(*to) &&
      session.peer_place->sees(*to)) {
    if (is_candidate) {
      if (!candidates.hold({ticket, frame})) on_delivery(ticket, Delivery::peer_busy);
      return;
    }
    released = candidates.release(*to);
  }
  send(ticket, frame);  // may end the session
  for (const auto& held : released) send(held.ticket, held.frame);
}

void Hub::Impl::send(const SendTicket& ticket, const Frame& frame) {
  if (ticket.to.address() == port_->address()) {
    on_delivery(ticket, deliver(ticket, frame));
  } else {
    port_->send(frame, ticket);
  }
}

Delivery Hub::Impl::deliver(const SendTicket& ticket, const Frame& frame) noexcept {
  const auto peer = peers_.find(ticket.to);
  if (peer == peers_.end()) return Delivery::unknown_peer;
  Transport& transport = *peer->second->transport;
  if (transport.is_congested()) return Delivery::peer_busy;
  const bool is_reported = ticket.receipt != 0 && transport.notify_when_written();
  if (is_reported) peer->second->need_receipts().unwritten.push_back(ticket);
  transport.send(frame);
  return ticket.receipt == 0 || is_reported ? Delivery::queued : Delivery::delivered;
}

void Hub::Impl::on_written(State& session) {
  if (session.receipts == nullptr) return;
  for (const SendTicket& ticket : session.receipts->unwritten) {
    port_->report(ticket, Delivery::delivered);
  }
  session.receipts->unwritten.clear();
}

void Hub::Impl::refuse(State& session, const SignalingMessage& message, Errc code,
                       std::string_view detail) {
  if (!message.msg_id || !session.wants_receipts()) {
    return send_error(*session.transport, code, message.to, detail);
  }
  const std::string sentence = make_error_code(code).message();
  session.transport->send(Frame::control_text(
      code == Errc::unknown_peer
          ? compose_receipt(*message.msg_id, "unknown", message.to)
          : compose_refusal(*message.msg_id, message.to, wire_code(code),
                            detail.empty() ? std::string_view(sentence) : detail)));
}

void Hub::Impl::on_publish(std::string_view group, const Frame& frame) noexcept {
  const auto place = groups_.find(group);
  if (place != groups_.end()) return fan_out(place, frame, nullptr);
  peer_rooms_->on_publish(group, frame);
}

Delivery Hub::Impl::on_send(const SendTicket& ticket, const Frame& frame) noexcept {
  return deliver(ticket, frame);
}

void Hub::Impl::on_delivery(const SendTicket& ticket, Delivery delivery) noexcept {
  if (delivery == Delivery::queued) return;
  const auto sender = peers_.find(ticket.from);
  if (sender == peers_.end()) return;
  if (ticket.receipt != 0) {
    auto& wanted = sender->second->receipts->wanted;
    const auto found = wanted.find(ticket.receipt);
    if (found == wanted.end()) return;
    const auto status = receipt_status(delivery);
    const Receipts::Wanted receipt = std::move(found->second);
    wanted.erase(found);
    sender->second->transport->send(
        Frame::control_text(compose_receipt(receipt.msg_id, *status, receipt.to.str())));
    return;
  }
  send_error(*sender->second->transport,
             delivery == Delivery::peer_busy ? Errc::peer_busy : Errc::unknown_peer,
             ticket.to.str());
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
  if (state_ != nullptr) send_error(*state_->transport, reason);
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
