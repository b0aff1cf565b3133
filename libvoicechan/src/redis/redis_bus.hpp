#pragma once

#include <array>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "redis/bus.hpp"
#include "redis/bus_instance.hpp"
#include "redis/redis_url.hpp"
#include "redis/rendezvous.hpp"
#include "redis/stream_order.hpp"
#include "voicechan/redis_log.hpp"

namespace voicechan::redis {

/// A bus over one or more Redis servers that know nothing of each other. Each topic has two of
/// them, by rendezvous hash: it is subscribed on both and published on the first that is well, so
/// that the other one takes over within 150 ms and nothing comes twice. All nodes must name the
/// servers alike (host and port); their order does not matter.
///
/// What was published on a server that then breaks, and is not answered, goes by the other one;
/// media only while it is younger than 200 ms. What reached fewer nodes than the messages before it
/// goes by the other one as well, for two seconds: a node may have lost the first one alone. A
/// server that was lost is published on again when it was well for 5 s, so that the other nodes
/// listen there as well.
class RedisBus final : public Bus, private BusInstance::Owner {
 public:
  struct Options {
    std::vector<RedisUrl> urls;  ///< at least one, each once; passwords are loaded
    /// Told when a server is lost, comes back, or has another problem; never a password.
    RedisLog log;
    std::string root = "vc:";  ///< what the topics of its own begin with
  };

  struct InstanceStatus {
    std::string name;     ///< the URL without user and password
    std::string problem;  ///< empty: all is well
    std::size_t topics = 0;
    std::size_t unanswered = 0;
  };

  /// Since the start.
  struct Counts {
    std::uint64_t published = 0;
    std::uint64_t received = 0;
    std::uint64_t dropped_media = 0;         ///< no server, or too much waits
    std::uint64_t refused = 0;               ///< the same for what is no media
    std::uint64_t republished = 0;           ///< by another server
    std::uint64_t repeated = 0;              ///< came again, and went no further
    std::uint64_t holes = 0;                 ///< where messages of others were lost
    std::uint64_t not_understood = 0;        ///< of nobody of ours, or of a newer version
    std::uint64_t forgotten_publishers = 0;  ///< more than there are nodes: not ours either
  };

  /// Or why the URLs cannot be used: a file of certificates, a server named twice. It connects with
  /// `start`. The listener must outlive it. To be destroyed on the loop's thread and not from a
  /// callback.
  static std::variant<std::unique_ptr<RedisBus>, std::string> open(asio::io_context& io,
                                                                   Options options,
                                                                   Listener& listener);

  ~RedisBus() override;

  void start();

  void subscribe(std::string topic, Subscribed done) override;
  void unsubscribe(std::string_view topic) override;
  void publish(std::string_view topic, std::string bytes, bool is_media, Published done) override;
  bool is_reachable() const noexcept override { return is_reachable_; }

  std::vector<InstanceStatus> status() const;
  const Counts& counts() const noexcept { return counts_; }

 private:
  using Clock = std::chrono::steady_clock;

  static constexpr std::chrono::milliseconds kTick{25};
  static constexpr std::chrono::seconds kForgetAfter{60};

  /// Publishers to one topic whose numbers are known; a node is one of them.
  static constexpr std::size_t kMaxPublishers = 1024;

  /// What this node listens to. It stays until the next tick when it is not wanted any more: it may
  /// be a callback from here that does not want it.
  struct Topic {
    TopicRanks ranks{};
    bool is_wanted = false;
    bool is_answered = false;  // whoever subscribed has been told
    std::vector<Subscribed> waiting;
    Clock::time_point answer_by;
    std::unordered_map<std::uint64_t, StreamOrder> streams;  // by origin
  };
  /// The numbers of what this node publishes to a topic.
  struct Outgoing {
    TopicRanks ranks{};
    std::uint64_t next = 0;
    bool is_first = true;
    Clock::time_point last_use;
    std::size_t usual_receivers = 0;
    Clock::time_point fewer_since;  // zero: they are as many as usual
  };
  struct Due {
    Clock::time_point at;
    std::string topic;
  };

  RedisBus(asio::io_context& io, Options options, Listener& listener,
           const std::vector<std::shared_ptr<asio::ssl::context>>& tls);

  void on_message(std::size_t index, const std::string& topic, std::string&& bytes) override;
  void on_announced(std::string_view bytes) override;
  void on_acknowledged(std::size_t index, const std::string& topic) override;
  void on_published(std::size_t index, Publication&& publication,
                    std::optional<std::size_t> receivers) override;
  bool has_other(std::size_t index, const std::string& topic) override;
  void on_given_up(std::deque<Publication>&& publications) override;
  void on_changed(std::size_t index) override;
  void on_warning(std::size_t index, const std::string& text) override;
  std::string log_name(std::size_t index) const;

  Outgoing& outgoing(const std::string& topic);
  BusInstance* choose(const TopicRanks& ranks, bool is_media, Clock::time_point now);
  BusInstance* other_than(std::size_t index, const TopicRanks& ranks);
  bool is_unusual(Outgoing& outgoing, std::size_t receivers);
  void refuse(Publication&& publication);
  StreamOrder& stream(const std::string& name, Topic& topic, std::uint64_t origin);
  void forget_a_publisher(const std::string& name, Topic& topic);
  std::optional<std::size_t> with_own(std::size_t index, const std::string& topic,
                                      std::optional<std::size_t> receivers) const;
  void deliver(const std::string& name, const Topic& topic, std::string_view bytes, bool has_hole);

  bool is_acknowledged(const std::string& name, const Topic& topic) const;
  bool is_settled(const std::string& name, const Topic& topic) const;
  void answer(const std::string& name, bool is_acknowledged);
  void answer_settled();

  void schedule_tick();
  void tick();
  void answer_overdue(Clock::time_point now);
  void erase_unwanted();
  void release_held(Clock::time_point now);
  void forget_numbers(Clock::time_point now);
  void tell_what_is_not_heard(Clock::time_point now);

  asio::io_context& io_;
  const Options options_;
  Listener& listener_;
  const std::uint64_t origin_;
  const Rendezvous rendezvous_;
  std::vector<std::unique_ptr<BusInstance>> instances_;
  struct Hearing {
    Clock::time_point lost_since;         // zero: this node hears it
    Clock::time_point others_deaf_until;  // some other node does not
  };
  std::vector<Hearing> hearing_;  // by instance
  std::vector<std::string> logged_problems_;
  std::unordered_map<std::string, Topic> topics_;
  std::unordered_map<std::string, Outgoing> outgoing_;
  std::deque<Due> unanswered_;  // subscriptions, by when they are answered at the latest
  std::vector<std::string> unwanted_;
  std::vector<std::string> holding_;  // topics with a stream that waits
  asio::steady_timer timer_;
  Clock::time_point now_;
  Clock::time_point tick_due_;
  Clock::time_point next_sweep_;
  Clock::time_point next_announcement_;
  Counts counts_;
  bool is_reachable_ = false;
  const std::shared_ptr<char> alive_ = std::make_shared<char>();  // handlers that outlive us look
};

}  // namespace voicechan::redis
