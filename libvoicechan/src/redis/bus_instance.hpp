#pragma once

#include <asio/io_context.hpp>
#include <asio/ssl/context.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "redis/bus.hpp"
#include "redis/redis_link.hpp"
#include "redis/redis_url.hpp"
#include "redis/topic_reconciler.hpp"

namespace voicechan::redis {

/// A message on its way: kept until it is answered, so that it can go by another instance.
struct Publication {
  std::string topic;
  std::string bytes;  ///< with the header
  bool is_media = false;
  std::chrono::steady_clock::time_point since;
  Bus::Published done;
  /// Where it went first it reached fewer nodes than usual, this many.
  std::optional<std::size_t> receivers;
};

/// One Redis server that carries the bus: a connection that publishes, one that listens, and what
/// is known of its health. Three signals: a connection breaks; a PUBLISH is not answered within
/// 100 ms; what we publish to a topic of our own does not come back. One thread at a time: the
/// event loop's.
class BusInstance {
 public:
  using Clock = std::chrono::steady_clock;

  class Owner {
   public:
    virtual void on_message(std::size_t index, const std::string& topic, std::string&& bytes) = 0;
    /// What a node has told all others by `announce`.
    virtual void on_announced(std::string_view bytes) = 0;
    virtual void on_acknowledged(std::size_t index, const std::string& topic) = 0;
    /// None: the server refused it.
    virtual void on_published(std::size_t index, Publication&& publication,
                              std::optional<std::size_t> receivers) = 0;
    /// Whether what is given up here could go by another instance.
    virtual bool has_other(std::size_t index, const std::string& topic) = 0;
    /// Not answered, and not by this instance any more; perhaps delivered, perhaps not.
    virtual void on_given_up(std::deque<Publication>&& publications) = 0;
    /// `can_publish`, `is_connected`, `is_listening` or `problem` may be another one.
    virtual void on_changed(std::size_t index) = 0;
    /// It works, but an operator should know this.
    virtual void on_warning(std::size_t index, const std::string& text) = 0;

   protected:
    ~Owner() = default;
  };

  BusInstance(asio::io_context& io, const RedisUrl& url,
              const std::shared_ptr<asio::ssl::context>& tls, std::size_t index,
              const std::string& root, std::uint64_t origin, Owner& owner);

  void start();

  /// Whether what is published here is answered in time.
  bool can_publish() const noexcept { return publisher_.link.is_up() && !is_overdue_; }
  /// Whether there is a way to it, which may be slow.
  bool is_up() const noexcept { return publisher_.link.is_up(); }
  /// `can_publish` for long enough that the other nodes can be expected here as well.
  bool is_stable(Clock::time_point now) const noexcept;
  /// Whether subscriptions can be asked for.
  bool is_connected() const noexcept { return listener_.link.is_up(); }
  /// Whether one was granted, that of our probes.
  bool is_listening() const { return topics_.is_acknowledged(probe_topic_); }
  /// Why it cannot be used in full; empty: it can.
  const std::string& problem() const noexcept { return problem_; }

  /// Only while `is_up`. False: too much waits to be sent; the publication is untouched.
  bool publish(Publication&& publication);

  /// To all nodes that listen here. Only while `can_publish`.
  void announce(const std::string& bytes);

  void want(const std::string& topic, bool is_wanted);
  bool is_acknowledged(const std::string& topic) const { return topics_.is_acknowledged(topic); }
  std::size_t acknowledged() const noexcept { return topics_.acknowledged(); }
  std::size_t unanswered() const noexcept { return awaited_.size(); }

  /// To be called some 40 times a second. `is_late`: the loop itself was held up, so that answers
  /// may wait that nobody has read.
  void tick(Clock::time_point now, bool is_late);

 private:
  struct Awaited {
    Publication publication;
    Clock::time_point sent;
    bool is_given_up = false;  // or a probe: nobody waits for the answer
  };

  struct Publisher final : RedisLink::Listener {
    Publisher(BusInstance& owner, asio::io_context& io, const RedisUrl& url,
              const std::shared_ptr<asio::ssl::context>& tls);
    void on_up() override { instance.handle_publisher_up(); }
    void on_down(const std::string& reason) override { instance.handle_publisher_down(reason); }
    void on_reply(RedisReply&& reply) override { instance.handle_published(reply); }
    std::string on_nature(const RedisNature& nature) override {
      return instance.handle_nature(nature);
    }
    BusInstance& instance;
    RedisLink link;
  };
  struct Subscriber final : RedisLink::Listener {
    Subscriber(BusInstance& owner, asio::io_context& io, const RedisUrl& url,
               const std::shared_ptr<asio::ssl::context>& tls);
    void on_up() override { instance.handle_listener_up(); }
    void on_down(const std::string& reason) override { instance.handle_listener_down(reason); }
    void on_reply(RedisReply&& reply) override { instance.handle_push(std::move(reply)); }
    BusInstance& instance;
    RedisLink link;
  };

  std::string handle_nature(const RedisNature& nature);
  void handle_publisher_up();
  void handle_publisher_down(const std::string& reason);
  void handle_published(const RedisReply& reply);
  void handle_listener_up();
  void handle_listener_down(const std::string& reason);
  void handle_push(RedisReply&& reply);
  void handle_probe(std::string_view bytes);

  void send(const std::string& topic, const std::string& bytes);
  void give_up_unanswered();
  void probe();
  /// Where nothing may be subscribed, no probe comes back, and new connections change nothing.
  bool may_hear() const { return is_listening() || !is_subscribe_refused_; }
  void report(const std::string& problem);

  const std::size_t index_;
  const std::uint64_t origin_;
  const std::string name_;
  const std::string probe_topic_;
  const std::string announcements_;
  Owner& owner_;
  Publisher publisher_;
  Subscriber listener_;
  TopicReconciler topics_;
  std::deque<Awaited> awaited_;
  std::string problem_;
  bool is_overdue_ = false;
  bool is_refusing_ = false;
  bool is_subscribe_refused_ = false;  // on this connection, some time
  bool was_lost_ = false;  // since the start: whoever comes late or comes back has to prove itself
  Clock::time_point started_;
  Clock::time_point usable_since_;
  Clock::time_point next_probe_;
  std::uint64_t probes_sent_ = 0;
  std::uint64_t last_echo_ = 0;
};

}  // namespace voicechan::redis
