#include <array>
#include <atomic>
#include <cassert>
#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "gateway_hooks.hpp"
#include "in_process_presence.hpp"
#include "in_process_voice_presence.hpp"
#include "voicechan/backplane.hpp"
#include "voicechan/mutex.hpp"

// Shared between threads, and nothing else is:
//   HubEntry::is_attached  which places are taken; atomic, read for each directed message
//   Mailbox::head_         what waits for one hub; a lock-free stack of batches
//   Route::hubs            which hubs are subscribed to a group; one atomic bit set
//   Route::members         how many members all hubs have of a group; changed on join and leave
//   HubEntry::mutex        guards `wake`; taken to attach and detach, and once per wake-up of a
//                          sleeping hub, not per frame
//   Shared::gateway_hub    whose place is that of the way to other processes; atomic, read for each
//                          message and report that goes there
//   Shared::mutex          guards the table of routes; taken to subscribe, unsubscribe and to
//                          publish from outside, never to relay between hubs
//   InProcessPresence::mutex_, InProcessVoicePresence::mutex_
//                          guard who is in which room; the two above are taken within them, since
//                          a change is published in its order

namespace voicechan {
namespace {

/// A group that at least one hub is subscribed to.
struct Route {
  explicit Route(std::string_view group_name) : name(group_name) {}

  const std::string name;
  std::atomic<std::uint64_t> hubs{0};  // bit i: hub i is subscribed
  std::atomic<std::size_t> members{0};
};

struct Published {
  std::shared_ptr<const Route> route;
  Frame frame;
};

struct Directed {
  std::uint16_t from_hub;
  SendTicket ticket;
  Frame frame;
};

struct Delivered {
  SendTicket ticket;
  Delivery delivery;
};

struct Entered {
  std::uint64_t number;
  Result<Roster> answer;
};

using Item = std::variant<Published, Directed, Delivered, Entered>;

/// Items in the order in which one thread handed them over.
struct Batch {
  std::vector<Item> items;
  Batch* next = nullptr;
};

/// What waits for one hub. Any thread pushes, the hub's thread takes everything. Lock-free.
class Mailbox {
 public:
  Mailbox() = default;
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;
  ~Mailbox() { free_all(head_.load(std::memory_order_acquire)); }

  /// True if the mailbox was empty before: its hub has to be woken.
  bool push(std::vector<Item> items) {
    auto* batch = new Batch{std::move(items)};
    Batch* head = head_.load(std::memory_order_relaxed);
    do {
      batch->next = head;
    } while (!head_.compare_exchange_weak(head, batch, std::memory_order_release,
                                          std::memory_order_relaxed));
    return head == nullptr;  // `batch` may be gone already
  }

  bool is_empty() const noexcept { return head_.load(std::memory_order_relaxed) == nullptr; }

  /// Everything so far, each thread's batches in its order.
  std::vector<std::vector<Item>> take_all() {
    Batch* newest = head_.exchange(nullptr, std::memory_order_acquire);
    std::vector<std::vector<Item>> batches;
    for (Batch* batch = newest; batch != nullptr; batch = batch->next) {
      batches.push_back(std::move(batch->items));
    }
    free_all(newest);
    return {std::make_move_iterator(batches.rbegin()), std::make_move_iterator(batches.rend())};
  }

 private:
  static void free_all(Batch* batch) {
    while (batch != nullptr) delete std::exchange(batch, batch->next);
  }

  std::atomic<Batch*> head_{nullptr};
};

/// What all threads know of one hub: a place on the backplane, taken while a port is attached.
struct HubEntry {
  std::atomic<bool> is_attached{false};
  Mailbox mailbox;
  Mutex mutex;
  std::function<void()> wake VOICECHAN_GUARDED_BY(mutex);
};

}  // namespace

struct InProcessBackplane::Shared final : GatewayHooks {
  class Port;
  class GroupSubscription;

  static constexpr std::size_t kNoGateway = kMaxHubs;

  explicit Shared(std::uint64_t node_id) : node(node_id & 0xFFFF'FFFF'FFFF) {}

  Result<std::unique_ptr<BackplanePort>> attach_gateway(GatewayReceiver& receiver,
                                                        std::function<void()> wake) override;
  void publish_to_hubs(std::string_view group, const Frame& frame) override;
  Result<Roster> enter_pending(const RoomName& room, Peer peer, std::size_t max,
                               std::uint64_t number) override;
  void refuse_pending(HubAddress hub, std::uint64_t number, Errc reason) override;

  /// A place that was free; `kMaxHubs` if none is.
  std::size_t take_place(std::function<void()> wake);
  void publish(std::string_view group, const Frame& frame, std::uint64_t except);

  /// Hands items to a hub and wakes it; from any thread. If the hub has gone, directed messages
  /// are answered for it.
  void deliver(std::size_t hub, std::vector<Item> items);
  void deliver_one(std::size_t hub, Item item) {
    std::vector<Item> items;
    items.push_back(std::move(item));
    deliver(hub, std::move(items));
  }
  void answer_for_absent(const std::vector<std::vector<Item>>& batches);

  /// A hub's interest in a group has begun or ended; before or after, these hubs have one.
  void note_interest(std::string_view group, std::uint64_t hub, std::uint64_t others,
                     bool is_wanted) VOICECHAN_REQUIRES(mutex);

  const std::uint64_t node;
  std::array<HubEntry, kMaxHubs> hubs;
  std::atomic<std::size_t> gateway_hub{kNoGateway};
  InProcessPresence* presence = nullptr;
  Mutex mutex;
  std::map<std::string, std::shared_ptr<Route>, std::less<>> routes VOICECHAN_GUARDED_BY(mutex);
  GatewayReceiver* gateway VOICECHAN_GUARDED_BY(mutex) = nullptr;
  std::uint64_t gateway_bit VOICECHAN_GUARDED_BY(mutex) = 0;
};

void InProcessBackplane::Shared::deliver(std::size_t hub, std::vector<Item> items) {
  HubEntry& entry = hubs[hub];
  if (!entry.mailbox.push(std::move(items))) return;
  std::vector<std::vector<Item>> undeliverable;
  {
    const MutexLock lock(entry.mutex);
    if (entry.wake) {
      entry.wake();
      return;
    }
    // Within the lock: once it is free, another hub may take this place, and what waits is its own.
    undeliverable = entry.mailbox.take_all();
  }
  answer_for_absent(undeliverable);
}

void InProcessBackplane::Shared::answer_for_absent(const std::vector<std::vector<Item>>& batches) {
  for (const auto& batch : batches) {
    for (const Item& item : batch) {
      const auto* directed = std::get_if<Directed>(&item);
      if (directed == nullptr) continue;
      deliver_one(directed->from_hub, Delivered{directed->ticket, Delivery::unknown_peer});
    }
  }
}

/// One hub's interest in a group.
class InProcessBackplane::Shared::GroupSubscription final : public Subscription {
 public:
  GroupSubscription(Port& port, std::shared_ptr<Route> route)
      : port_(&port), route_(std::move(route)) {}
  ~GroupSubscription() override;
  void publish(const Frame& frame) override;
  bool try_add_member(std::size_t max) override;
  void remove_member() noexcept override;

 private:
  Port* port_;
  const std::shared_ptr<Route> route_;
  std::size_t members_ = 0;  // of this hub
};

class InProcessBackplane::Shared::Port final : public BackplanePort {
 public:
  Port(Shared& shared, std::size_t index, BackplaneReceiver& receiver,
       GatewayReceiver* gateway = nullptr)
      : shared_(&shared),
        index_(static_cast<std::uint16_t>(index)),
        receiver_(&receiver),
        gateway_(gateway),
        outgoing_(kMaxHubs) {}
  ~Port() override;

  HubAddress address() const noexcept override { return {shared_->node, index_}; }
  std::unique_ptr<Subscription> subscribe(std::string_view group) override;
  void send(const Frame& frame, const SendTicket& ticket) override;
  void report(const SendTicket& ticket, Delivery delivery) override;
  void flush() override;
  void poll() override;

  void queue(std::size_t hub, Item item) {
    outgoing_[hub].push_back(std::move(item));
    has_outgoing_ |= bit_of(hub);
  }

  static std::uint64_t bit_of(std::size_t hub) noexcept { return std::uint64_t{1} << hub; }
  std::uint64_t bit() const noexcept { return bit_of(index_); }
  Shared& shared() noexcept { return *shared_; }

 private:
  void deliver(const Published& item) {
    const bool is_subscribed = (item.route->hubs.load(std::memory_order_relaxed) & bit()) != 0;
    if (is_subscribed) receiver_->on_publish(item.route->name, item.frame);
  }
  void deliver(const Directed& item) {
    const bool is_away = item.ticket.to.address().node != shared_->node;
    if (is_away && gateway_ != nullptr) return gateway_->on_send_away(item.ticket, item.frame);
    const Delivery delivery = receiver_->on_send(item.ticket, item.frame);
    queue(item.from_hub, Delivered{item.ticket, delivery});
  }
  void deliver(const Delivered& item) { receiver_->on_delivery(item.ticket, item.delivery); }
  void deliver(const Entered& item) { receiver_->on_entered(item.number, item.answer); }

  Shared* const shared_;
  const std::uint16_t index_;
  BackplaneReceiver* const receiver_;
  GatewayReceiver* const gateway_;           // null for a hub
  std::vector<std::vector<Item>> outgoing_;  // by hub
  std::uint64_t has_outgoing_ = 0;           // bit i: outgoing_[i] has items
};

InProcessBackplane::Shared::Port::~Port() {
  flush();
  if (gateway_ != nullptr) {
    const MutexLock lock(shared_->mutex);
    shared_->gateway = nullptr;
    shared_->gateway_bit = 0;
    shared_->gateway_hub.store(kNoGateway, std::memory_order_release);
  }
  HubEntry& entry = shared_->hubs[index_];
  std::vector<std::vector<Item>> undelivered;
  {
    const MutexLock lock(entry.mutex);
    entry.wake = nullptr;
    undelivered = entry.mailbox.take_all();
  }
  shared_->answer_for_absent(undelivered);
  entry.is_attached.store(false, std::memory_order_release);
}

std::unique_ptr<Subscription> InProcessBackplane::Shared::Port::subscribe(std::string_view group) {
  const MutexLock lock(shared_->mutex);
  auto found = shared_->routes.find(group);
  if (found == shared_->routes.end()) {
    found = shared_->routes.emplace(group, std::make_shared<Route>(group)).first;
  }
  assert((found->second->hubs.load() & bit()) == 0 && "one subscription per group and port");
  const std::uint64_t before = found->second->hubs.fetch_or(bit());
  shared_->note_interest(group, bit(), before, true);
  return std::make_unique<GroupSubscription>(*this, found->second);
}

void InProcessBackplane::Shared::Port::send(const Frame& frame, const SendTicket& ticket) {
  const HubAddress target = ticket.to.address();
  const std::size_t hub = target.node == shared_->node
                              ? target.hub
                              : shared_->gateway_hub.load(std::memory_order_acquire);
  if (hub >= kMaxHubs || !shared_->hubs[hub].is_attached.load(std::memory_order_acquire)) {
    queue(index_, Delivered{ticket, Delivery::unknown_peer});
    return;
  }
  queue(hub, Directed{index_, ticket, frame});
}

void InProcessBackplane::Shared::Port::report(const SendTicket& ticket, Delivery delivery) {
  const HubAddress target = ticket.from.address();
  const std::size_t hub = target.node == shared_->node
                              ? target.hub
                              : shared_->gateway_hub.load(std::memory_order_acquire);
  // At once: a transport may tell after the hub's tick.
  if (hub < kMaxHubs) shared_->deliver_one(hub, Delivered{ticket, delivery});
}

void InProcessBackplane::Shared::Port::flush() {
  for (std::size_t hub = 0; has_outgoing_ != 0; ++hub) {
    if ((has_outgoing_ & bit_of(hub)) == 0) continue;
    has_outgoing_ &= ~bit_of(hub);
    shared_->deliver(hub, std::exchange(outgoing_[hub], {}));
  }
}

void InProcessBackplane::Shared::Port::poll() {
  Mailbox& mailbox = shared_->hubs[index_].mailbox;
  if (mailbox.is_empty()) return;
  for (const auto& batch : mailbox.take_all()) {
    for (const Item& item : batch) {
      std::visit([this](const auto& alternative) { deliver(alternative); }, item);
    }
  }
}

void InProcessBackplane::Shared::GroupSubscription::publish(const Frame& frame) {
  std::uint64_t others = route_->hubs.load(std::memory_order_acquire) & ~port_->bit();
  for (std::size_t hub = 0; others != 0; ++hub, others >>= 1) {
    if (others & 1) port_->queue(hub, Published{route_, frame});
  }
}

bool InProcessBackplane::Shared::GroupSubscription::try_add_member(std::size_t max) {
  std::size_t count = route_->members.load();
  do {
    if (count >= max) return false;
  } while (!route_->members.compare_exchange_weak(count, count + 1));
  ++members_;
  return true;
}

void InProcessBackplane::Shared::GroupSubscription::remove_member() noexcept {
  assert(members_ > 0);
  --members_;
  route_->members.fetch_sub(1);
}

InProcessBackplane::Shared::GroupSubscription::~GroupSubscription() {
  route_->members.fetch_sub(members_);
  Shared& shared = port_->shared();
  const MutexLock lock(shared.mutex);
  const std::uint64_t before = route_->hubs.fetch_and(~port_->bit());
  shared.note_interest(route_->name, port_->bit(), before & ~port_->bit(), false);
  if (before == port_->bit()) shared.routes.erase(route_->name);
}

void InProcessBackplane::Shared::note_interest(std::string_view group, std::uint64_t hub,
                                               std::uint64_t others, bool is_wanted) {
  if (gateway == nullptr || hub == gateway_bit || (others & ~gateway_bit) != 0) return;
  gateway->on_interest(group, is_wanted);
}

std::size_t InProcessBackplane::Shared::take_place(std::function<void()> wake) {
  for (std::size_t i = 0; i < kMaxHubs; ++i) {
    HubEntry& entry = hubs[i];
    if (entry.is_attached.exchange(true, std::memory_order_acq_rel)) continue;
    const MutexLock lock(entry.mutex);
    entry.wake = wake ? std::move(wake) : [] {};  // an empty one marks a place without a hub
    return i;
  }
  return kMaxHubs;
}

void InProcessBackplane::Shared::publish(std::string_view group, const Frame& frame,
                                         std::uint64_t except) {
  std::shared_ptr<Route> route;
  {
    const MutexLock lock(mutex);
    const auto found = routes.find(group);
    if (found == routes.end()) return;
    route = found->second;
  }
  std::uint64_t to = route->hubs.load(std::memory_order_acquire) & ~except;
  for (std::size_t hub = 0; to != 0; ++hub, to >>= 1) {
    if (to & 1) deliver_one(hub, Published{route, frame});
  }
}

Result<std::unique_ptr<BackplanePort>> InProcessBackplane::Shared::attach_gateway(
    GatewayReceiver& receiver, std::function<void()> wake) {
  const std::size_t place = take_place(std::move(wake));
  if (place == kMaxHubs) return Errc::too_many_hubs;
  const MutexLock lock(mutex);
  assert(gateway == nullptr && "one gateway");
  gateway = &receiver;
  gateway_bit = Port::bit_of(place);
  gateway_hub.store(place, std::memory_order_release);
  return std::unique_ptr<BackplanePort>(std::make_unique<Port>(*this, place, receiver, &receiver));
}

void InProcessBackplane::Shared::publish_to_hubs(std::string_view group, const Frame& frame) {
  const std::size_t place = gateway_hub.load(std::memory_order_acquire);
  publish(group, frame, place == kNoGateway ? 0 : Port::bit_of(place));
}

Result<Roster> InProcessBackplane::Shared::enter_pending(const RoomName& room, Peer peer,
                                                         std::size_t max, std::uint64_t number) {
  const HubAddress hub = peer.id.address();
  assert(hub.node == node && hub.hub < kMaxHubs);
  return presence->enter_and_tell(room, std::move(peer), max, [&](const Result<Roster>& answer) {
    deliver_one(hub.hub, Entered{number, answer});
  });
}

void InProcessBackplane::Shared::refuse_pending(HubAddress hub, std::uint64_t number, Errc reason) {
  assert(hub.node == node && hub.hub < kMaxHubs);
  deliver_one(hub.hub, Entered{number, reason});
}

GatewayHooks& gateway_hooks(InProcessBackplane& backplane) noexcept { return *backplane.shared_; }

InProcessBackplane::InProcessBackplane(std::uint64_t node)
    : shared_(std::make_unique<Shared>(node)),
      voice_presence_(std::make_unique<InProcessVoicePresence>(*this)) {
  auto presence = std::make_unique<InProcessPresence>(*this);
  shared_->presence = presence.get();
  presence_ = std::move(presence);
}

InProcessBackplane::~InProcessBackplane() = default;

Result<std::unique_ptr<BackplanePort>> InProcessBackplane::attach(BackplaneReceiver& receiver,
                                                                  std::function<void()> wake) {
  const std::size_t place = shared_->take_place(std::move(wake));
  if (place == kMaxHubs) return Errc::too_many_hubs;
  return std::unique_ptr<BackplanePort>(std::make_unique<Shared::Port>(*shared_, place, receiver));
}

void InProcessBackplane::publish(std::string_view group, const Frame& frame) {
  shared_->publish(group, frame, 0);
}

Preparation InProcessBackplane::prepare(std::string_view /*group*/,
                                        std::function<void()> /*ready*/) {
  return {};
}

}  // namespace voicechan
