#include "voicechan/redis_backplane.hpp"

#include <algorithm>
#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <set>
#include <string>
#include <thread>
#include <utility>

#include "node_backplane.hpp"
#include "node_lease.hpp"
#include "paced_bus.hpp"
#include "redis_bus.hpp"
#include "redis_tls.hpp"
#include "redis_url.hpp"
#include "tell_log.hpp"
#include "voicechan/mutex.hpp"
#include "voicechan/random.hpp"

namespace voicechan {
namespace {

using redis::RedisUrl;

constexpr std::chrono::milliseconds kStatusTime{100};
constexpr std::size_t kMaxSystemName = 32;
/// For the last messages to leave.
constexpr std::chrono::milliseconds kGoodbyeTime{50};

std::variant<RedisUrl, std::string> read_url(const std::string& text,
                                             const std::string& password_file = {}) {
  auto url = redis::parse_redis_url(text);
  if (auto* good = std::get_if<RedisUrl>(&url)) {
    if (!password_file.empty()) good->password_file = password_file;
    std::string problem = redis::load_password(*good);
    if (!problem.empty()) return problem;
  }
  return url;
}

bool is_system_name(std::string_view name) {
  return name.size() <= kMaxSystemName && std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
         });
}

}  // namespace

/// All that runs on the bus' thread. It begins with `run` and ends with the destructor.
class RedisBackplane::Impl final : private redis::NodeLease::Owner {
 public:
  Impl()
      : node_(random_number() & redis::kNodeMask),
        nodes_(
            node_, [] { return std::chrono::steady_clock::now(); }, [this] { wake(); }) {}

  ~Impl() {
    if (!thread_.joinable()) return;
    asio::post(io_, [this] { say_goodbye(); });
    thread_.join();
  }

  /// Empty, or why it cannot be.
  std::string open(const RedisBackplaneOptions& options) {
    if (!is_system_name(options.system)) return "bus: \"" + options.system + "\" names no system";
    const std::string root = options.system.empty() ? "vc:" : "vc:" + options.system + ':';
    redis::RedisBus::Options bus{{}, options.log, root};
    std::set<Server> servers;
    for (const std::string& text : options.bus_urls) {
      auto url = read_url(text);
      if (auto* problem = std::get_if<std::string>(&url)) return "bus: " + *problem;
      bus.urls.push_back(std::get<RedisUrl>(std::move(url)));
      servers.emplace(bus.urls.back().host, bus.urls.back().port);
    }
    if (bus.urls.empty()) return "bus: no server is named";
    auto opened = redis::RedisBus::open(io_, std::move(bus), paced_);
    if (auto* problem = std::get_if<std::string>(&opened)) return "bus: " + *problem;
    bus_ = std::get<0>(std::move(opened));
    paced_.use(*bus_, root);
    return options.store_url.empty() ? std::string() : open_store(options, servers);
  }

  void run() {
    thread_ = std::thread([this] {
      nodes_.gateway().start(paced_);
      bus_->start();
      if (lease_) lease_->start();
      turn();
      note_status();
      io_.run();
      lease_ = nullptr;
      bus_ = nullptr;
    });
  }

  redis::NodeBackplane& nodes() noexcept { return nodes_; }

  RedisBackplaneStatus status() const {
    const MutexLock lock(mutex_);
    return status_;
  }

 private:
  using Server = std::pair<std::string, std::uint16_t>;  // host and port

  std::string open_store(const RedisBackplaneOptions& options, const std::set<Server>& bus) {
    auto url = read_url(options.store_url, options.store_password_file);
    if (auto* problem = std::get_if<std::string>(&url)) return "store: " + *problem;
    const auto& good = std::get<RedisUrl>(url);
    auto tls = redis::make_tls_context(good);
    if (auto* problem = std::get_if<std::string>(&tls)) return "store: " + *problem;
    store_name_ = good.display();
    log_ = options.log;
    lease_ = std::make_unique<redis::NodeLease>(io_, good, std::get<0>(std::move(tls)), node_,
                                                static_cast<redis::NodeLease::Owner&>(*this));
    store_problem_ = "not connected yet";
    if (bus.count({good.host, good.port}) != 0) {
      redis::tell_log(log_, RedisLogLevel::warning,
                      "the store " + store_name_ +
                          " is a server of the bus as well: its writes that wait for the disk hold "
                          "audio up");
    }
    return {};
  }

  void wake() {
    if (is_woken_.exchange(true)) return;
    asio::post(io_, [this] {
      is_woken_ = false;
      turn();
    });
  }

  void turn() {
    if (is_over_) return;
    const MonotonicTime next = nodes_.gateway().turn();
    if (next == timer_due_) return;
    timer_due_ = next;
    if (next == MonotonicTime::max()) {
      timer_.cancel();
      return;
    }
    timer_.expires_at(next);
    timer_.async_wait([this](const asio::error_code& error) {
      if (error) return;
      timer_due_ = MonotonicTime::max();
      turn();
    });
  }

  void say_goodbye() {
    is_over_ = true;
    timer_.cancel();
    nodes_.gateway().stop();
    if (lease_) lease_->stop();
    timer_.expires_after(kGoodbyeTime);
    timer_.async_wait([this](const asio::error_code&) { io_.stop(); });
  }

  void note_status() {
    RedisBackplaneStatus status;
    status.is_bus_reachable = bus_->is_reachable();
    for (const auto& instance : bus_->status()) {
      if (!instance.problem.empty()) {
        status.problems.push_back("bus " + instance.name + ": " + instance.problem);
      }
    }
    if (!store_problem_.empty()) {
      status.problems.push_back("store " + store_name_ + ": " + store_problem_);
    }
    const auto counts = nodes_.gateway().counts();
    status.groups = counts.groups;
    status.late_frames = counts.late_frames;
    status.unknown_messages = counts.unknown_messages + bus_->counts().not_understood;
    status.malformed_messages = counts.malformed_messages;
    status.published = bus_->counts().published;
    status.received = bus_->counts().received;
    status.dropped_media = bus_->counts().dropped_media;
    {
      const MutexLock lock(mutex_);
      status_ = std::move(status);
    }
    status_timer_.expires_after(kStatusTime);
    status_timer_.async_wait([this](const asio::error_code& error) {
      if (!error) note_status();
    });
  }

  // NodeLease::Owner
  void on_new_epoch(std::uint16_t epoch, bool may_be_given_up) override {
    redis::tell_log(log_, RedisLogLevel::warning,
                    "this node was taken for dead and announces its members again");
    nodes_.gateway().take_epoch(epoch, may_be_given_up);
  }
  void on_lease(std::uint64_t origin) override { nodes_.gateway().on_lease(origin); }
  void on_dead(std::uint64_t node) override {
    redis::tell_log(log_, RedisLogLevel::warning,
                    "node " + redis::node_topic(node).substr(2) + " is gone");
    nodes_.gateway().drop_node(node);
  }
  void on_vanished(std::uint64_t node) override { nodes_.gateway().on_vanished(node); }
  std::set<std::uint64_t> known_nodes() const override { return nodes_.gateway().known_nodes(); }
  void ask_whether_alive(std::uint64_t node) override { nodes_.gateway().ask_whether_alive(node); }
  std::set<std::uint64_t> take_heard() override { return nodes_.gateway().take_heard(); }
  void on_store(const std::string& problem) override {
    store_problem_ = problem;
    redis::tell_state(log_, "store " + store_name_, problem, "leases are kept");
  }

  const std::uint64_t node_;
  asio::io_context io_{1};
  const asio::executor_work_guard<asio::io_context::executor_type> work_{io_.get_executor()};
  asio::steady_timer timer_{io_};
  asio::steady_timer status_timer_{io_};
  MonotonicTime timer_due_ = MonotonicTime::max();
  std::atomic<bool> is_woken_{false};
  bool is_over_ = false;
  mutable redis::NodeBackplane nodes_;
  redis::PacedBus paced_{node_, [] { return std::chrono::steady_clock::now(); }, nodes_.gateway()};
  std::unique_ptr<redis::RedisBus> bus_;
  std::unique_ptr<redis::NodeLease> lease_;
  std::string store_name_;
  std::string store_problem_;
  RedisLog log_;
  mutable Mutex mutex_;
  RedisBackplaneStatus status_ VOICECHAN_GUARDED_BY(mutex_);
  std::thread thread_;
};

std::variant<std::unique_ptr<RedisBackplane>, std::string> RedisBackplane::open(
    const RedisBackplaneOptions& options) {
  auto impl = std::make_unique<Impl>();
  std::string problem = impl->open(options);
  if (!problem.empty()) return problem;
  impl->run();
  return std::unique_ptr<RedisBackplane>(new RedisBackplane(std::move(impl)));
}

std::string RedisBackplane::check(const RedisBackplaneOptions& options) {
  return Impl().open(options);
}

RedisBackplane::RedisBackplane(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
RedisBackplane::~RedisBackplane() = default;

Result<std::unique_ptr<BackplanePort>> RedisBackplane::attach(BackplaneReceiver& receiver,
                                                              std::function<void()> wake) {
  return impl_->nodes().attach(receiver, std::move(wake));
}
void RedisBackplane::publish(std::string_view group, const Frame& frame) {
  impl_->nodes().publish(group, frame);
}
void RedisBackplane::publish_here(std::string_view group, const Frame& frame) {
  impl_->nodes().publish_here(group, frame);
}
Preparation RedisBackplane::prepare(std::string_view group, std::function<void()> ready) {
  return impl_->nodes().prepare(group, std::move(ready));
}
bool RedisBackplane::watch_gaps(std::function<void(std::string_view group)> on_gap) {
  return impl_->nodes().watch_gaps(std::move(on_gap));
}
Presence& RedisBackplane::presence() noexcept { return impl_->nodes().presence(); }
VoicePresence& RedisBackplane::voice_presence() noexcept { return impl_->nodes().voice_presence(); }
RedisBackplaneStatus RedisBackplane::status() const { return impl_->status(); }

}  // namespace voicechan
