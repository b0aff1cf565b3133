#include "voicechan/redis_channel_layer.hpp"

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <chrono>
#include <thread>
#include <utility>

#include "../voice_groups.hpp"
#include "channel_layer_inbox.hpp"
#include "channel_layer_link.hpp"
#include "channel_layer_location.hpp"
#include "hex.hpp"
#include "redis_tls.hpp"
#include "tell_log.hpp"
#include "voicechan/mutex.hpp"
#include "voicechan/random.hpp"
#include "voicechan/redis_backplane.hpp"

namespace voicechan {
namespace {

using redis::ChannelLayerInbox;
using redis::ChannelLayerLocation;
using redis::ReadyWait;
using redis::SaidInGroup;

constexpr std::chrono::milliseconds kTick{100};
constexpr std::chrono::seconds kLogIgnoredEach{10};

bool is_voice_group(std::string_view group) {
  return room_of(group, kVoiceGroupPrefix).has_value();
}
bool is_in_layer(std::string_view group) {
  return is_voice_group(group) || room_of(group, kNotificationGroupPrefix);
}

/// That somebody wants a group, as long as this exists.
class Interest {
 public:
  Interest(ChannelLayerInbox& inbox, std::string_view group)
      : inbox_(inbox.shared_from_this()), group_(group) {
    inbox_->want(group_);
  }
  ~Interest() { inbox_->release(group_); }
  Interest(const Interest&) = delete;
  Interest& operator=(const Interest&) = delete;

  const std::string& group() const noexcept { return group_; }

 private:
  const std::shared_ptr<ChannelLayerInbox> inbox_;
  const std::string group_;
};

/// What `prepare` gives: ends the wait before what it waits for.
struct Hold {
  Hold(ChannelLayerInbox& inbox, std::string_view group) : interest(inbox, group) {}
  ~Hold() {
    if (wait) wait->withdraw();
  }
  Hold(const Hold&) = delete;
  Hold& operator=(const Hold&) = delete;

  Interest interest;
  std::shared_ptr<void> inner;
  std::shared_ptr<ReadyWait> wait;
};

/// A hub's port: it hands what its hub says in voice rooms to the layer as well. What comes from
/// other processes does not pass here, so that each process sends its own alone.
class LayerPort final : public BackplanePort {
 public:
  LayerPort(std::unique_ptr<BackplanePort> inner, ChannelLayerInbox& inbox)
      : inner_(std::move(inner)), inbox_(&inbox) {}

  HubAddress address() const noexcept override { return inner_->address(); }
  std::unique_ptr<Subscription> subscribe(std::string_view group) override;
  void send(const Frame& frame, const SendTicket& ticket) override { inner_->send(frame, ticket); }
  void report(const SendTicket& ticket, Delivery delivery) override {
    inner_->report(ticket, delivery);
  }
  void flush() override {
    inner_->flush();
    if (!said_.empty()) inbox_->say(std::exchange(said_, {}));
  }
  void poll() override { inner_->poll(); }

  void say(const std::shared_ptr<const std::string>& group, const Frame& frame) {
    said_.push_back({group, frame});
  }

 private:
  const std::unique_ptr<BackplanePort> inner_;
  ChannelLayerInbox* const inbox_;
  std::vector<SaidInGroup> said_;
};

class LayerSubscription final : public Subscription {
 public:
  LayerSubscription(LayerPort& port, ChannelLayerInbox& inbox, std::unique_ptr<Subscription> inner,
                    std::string_view group)
      : port_(&port),
        interest_(inbox, group),
        said_in_(is_voice_group(group) ? std::make_shared<const std::string>(group) : nullptr),
        inner_(std::move(inner)) {}

  void publish(const Frame& frame) override {
    inner_->publish(frame);
    if (said_in_) port_->say(said_in_, frame);
  }
  bool try_add_member(std::size_t max) override { return inner_->try_add_member(max); }
  void remove_member() noexcept override { inner_->remove_member(); }

 private:
  LayerPort* const port_;
  const Interest interest_;
  const std::shared_ptr<const std::string> said_in_;  // null: the layer is not told
  const std::unique_ptr<Subscription> inner_;
};

std::unique_ptr<Subscription> LayerPort::subscribe(std::string_view group) {
  auto inner = inner_->subscribe(group);
  if (!is_in_layer(group)) return inner;
  return std::make_unique<LayerSubscription>(*this, *inbox_, std::move(inner), group);
}

/// The layer's server, with all that its files hold.
struct LayerServer {
  ChannelLayerLocation location;
  std::shared_ptr<asio::ssl::context> tls;
};

std::variant<LayerServer, std::string> find_layer(std::string_view location) {
  auto parsed = redis::parse_channel_layer(location);
  if (auto* problem = std::get_if<std::string>(&parsed)) return "channel layer: " + *problem;
  LayerServer server{std::get<ChannelLayerLocation>(std::move(parsed)), nullptr};
  const std::string problem = redis::load_password(server.location.url);
  if (!problem.empty()) return "channel layer: " + problem;
  auto tls = redis::make_tls_context(server.location.url);
  if (auto* why = std::get_if<std::string>(&tls)) return "channel layer: " + *why;
  server.tls = std::get<0>(std::move(tls));
  return server;
}

}  // namespace

/// What runs on the layer's thread, between `run` and the destructor.
class RedisChannelLayer::Impl final : private redis::ChannelLayerLink::Owner {
 public:
  Impl(std::unique_ptr<Backplane> inner, const ChannelLayerLocation& location,
       const std::shared_ptr<asio::ssl::context>& tls, RedisLog log)
      : inner_(inner ? std::move(inner) : std::make_unique<InProcessBackplane>(random_number())),
        cluster_(dynamic_cast<RedisBackplane*>(inner_.get())),
        name_("channel layer " + location.url.display()),
        channel_prefix_(location.prefix + "__group__"),
        format_(location.format),
        sender_(std::string(redis::kChannelEventSender) + redis::random_hex()),
        log_(std::move(log)),
        inbox_(std::make_shared<ChannelLayerInbox>([this] { wake(); })),
        link_(io_, location.url, tls, *this) {
    status_.problem = "not connected yet";
  }

  ~Impl() {
    io_.stop();
    if (thread_.joinable()) thread_.join();
    inbox_->close();
  }

  void run() {
    thread_ = std::thread([this] {
      link_.start();
      schedule_tick();
      io_.run();
    });
  }

  Backplane& inner() noexcept { return *inner_; }
  ChannelLayerInbox& inbox() noexcept { return *inbox_; }

  RedisChannelLayerStatus status() const {
    const MutexLock lock(mutex_);
    return status_;
  }

 private:
  void wake() {
    asio::post(io_, [this] { turn(); });
  }

  void turn() {
    const auto taken = inbox_->take();
    for (const auto& [group, is_wanted] : taken.groups) {
      const std::string channel = channel_prefix_ + group;
      link_.want(channel, is_wanted);
      if (is_wanted && link_.is_subscribed(channel)) inbox_->set_ready(group);
    }
    for (const SaidInGroup& said : taken.said) {
      const bool is_sent =
          link_.can_publish() && link_.publish(channel_prefix_ + *said.group,
                                               encode_channel_event(said.frame, format_, sender_));
      is_sent ? ++counts_.sent : ++counts_.dropped;
    }
  }

  void schedule_tick() {
    tick_.expires_after(kTick);
    tick_.async_wait([this](const asio::error_code& error) {
      if (error) return;
      inbox_->end_waits(ChannelLayerInbox::Clock::now());
      log_ignored();
      note_status();
      schedule_tick();
    });
  }

  void note_status() {
    RedisChannelLayerStatus status = counts_;
    status.problem = problem_;
    status.groups = inbox_->groups();
    status.dropped += inbox_->dropped() + link_.refused();
    const MutexLock lock(mutex_);
    status_ = std::move(status);
  }

  void log_ignored() {
    const auto now = std::chrono::steady_clock::now();
    if (ignored_since_log_ == 0 || now < next_log_) return;
    next_log_ = now + kLogIgnoredEach;
    redis::tell_log(log_, RedisLogLevel::warning,
                    name_ + ": events ignored: " + std::to_string(ignored_since_log_) +
                        "; of the last, " + last_fault_);
    ignored_since_log_ = 0;
  }

  // ChannelLayerLink::Owner
  void on_message(const std::string& channel, std::string_view bytes) override {
    if (channel.compare(0, channel_prefix_.size(), channel_prefix_) != 0) return;
    const auto event = decode_channel_event(bytes, format_);
    if (event.problem != nullptr) {
      ++counts_.ignored;
      ++ignored_since_log_;
      last_fault_ = event.problem;
    }
    if (!event.frame) return;
    ++counts_.received;
    const std::string_view group = std::string_view(channel).substr(channel_prefix_.size());
    if (cluster_ != nullptr) {
      cluster_->publish_here(group, *event.frame);
    } else {
      inner_->publish(group, *event.frame);
    }
  }
  void on_subscribed(const std::string& channel) override {
    inbox_->set_ready(channel.substr(channel_prefix_.size()));
  }
  void on_listener_up() override { inbox_->set_unready(true); }
  void on_listener_down() override { inbox_->set_unready(false); }
  void on_problem(const std::string& problem) override {
    if (problem == problem_) return;
    problem_ = problem;
    note_status();
    redis::tell_state(log_, name_, problem, "connected");
  }

  const std::unique_ptr<Backplane> inner_;
  RedisBackplane* const cluster_;  // null: there is this process alone
  const std::string name_;
  const std::string channel_prefix_;
  const redis::ChannelEventFormat format_;
  const std::string sender_;
  const RedisLog log_;
  asio::io_context io_{1};
  const std::shared_ptr<ChannelLayerInbox> inbox_;
  redis::ChannelLayerLink link_;
  asio::steady_timer tick_{io_};
  std::string problem_ = "not connected yet";
  RedisChannelLayerStatus counts_;
  std::uint64_t ignored_since_log_ = 0;
  std::string last_fault_;
  std::chrono::steady_clock::time_point next_log_;
  mutable Mutex mutex_;
  RedisChannelLayerStatus status_ VOICECHAN_GUARDED_BY(mutex_);
  std::thread thread_;
};

std::string check_channel_layer(std::string_view location) {
  auto parsed = redis::parse_channel_layer(location);
  auto* const problem = std::get_if<std::string>(&parsed);
  return problem == nullptr ? std::string() : std::move(*problem);
}

std::string RedisChannelLayer::check(const RedisChannelLayerOptions& options) {
  auto server = find_layer(options.location);
  auto* const problem = std::get_if<std::string>(&server);
  return problem == nullptr ? std::string() : std::move(*problem);
}

std::variant<std::unique_ptr<RedisChannelLayer>, std::string> RedisChannelLayer::open(
    std::unique_ptr<Backplane> inner, const RedisChannelLayerOptions& options) {
  auto server = find_layer(options.location);
  if (auto* problem = std::get_if<std::string>(&server)) return std::move(*problem);
  const auto& [location, tls] = std::get<LayerServer>(server);
  auto impl = std::make_unique<Impl>(std::move(inner), location, tls, options.log);
  impl->run();
  return std::unique_ptr<RedisChannelLayer>(new RedisChannelLayer(std::move(impl)));
}

RedisChannelLayer::RedisChannelLayer(std::unique_ptr<Impl> impl) noexcept
    : impl_(std::move(impl)) {}
RedisChannelLayer::~RedisChannelLayer() = default;

Result<std::unique_ptr<BackplanePort>> RedisChannelLayer::attach(BackplaneReceiver& receiver,
                                                                 std::function<void()> wake) {
  auto port = impl_->inner().attach(receiver, std::move(wake));
  if (!port) return port.error();
  return std::unique_ptr<BackplanePort>(
      std::make_unique<LayerPort>(*std::move(port), impl_->inbox()));
}

void RedisChannelLayer::publish(std::string_view group, const Frame& frame) {
  impl_->inner().publish(group, frame);
}

Preparation RedisChannelLayer::prepare(std::string_view group, std::function<void()> ready) {
  if (!is_in_layer(group)) return impl_->inner().prepare(group, std::move(ready));
  auto hold = std::make_shared<Hold>(impl_->inbox(), group);
  // The third that is waited for is the end of this call.
  const auto wait = std::make_shared<ReadyWait>(3, std::move(ready));
  hold->wait = wait;
  if (impl_->inbox().is_ready(hold->interest.group(), wait)) wait->arrive();
  Preparation inner = impl_->inner().prepare(group, [wait] { wait->arrive(); });
  hold->inner = std::move(inner.hold);
  if (inner.is_ready) wait->arrive();
  return {std::move(hold), wait->arrive_quietly()};
}

bool RedisChannelLayer::watch_gaps(std::function<void(std::string_view group)> on_gap) {
  return impl_->inner().watch_gaps(std::move(on_gap));
}

Presence& RedisChannelLayer::presence() noexcept { return impl_->inner().presence(); }
VoicePresence& RedisChannelLayer::voice_presence() noexcept {
  return impl_->inner().voice_presence();
}
const Backplane& RedisChannelLayer::inner() const noexcept { return impl_->inner(); }
RedisChannelLayerStatus RedisChannelLayer::status() const { return impl_->status(); }

}  // namespace voicechan
