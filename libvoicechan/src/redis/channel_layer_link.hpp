#pragma once

#include <asio/io_context.hpp>
#include <asio/ssl/context.hpp>
#include <asio/steady_timer.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>

#include "redis/redis_link.hpp"
#include "redis/redis_url.hpp"
#include "redis/topic_reconciler.hpp"

namespace voicechan::redis {

/// The two connections to the Redis server of a channel layer: one publishes, one listens. Nothing
/// is kept for a server that is away. One thread at a time: the event loop's.
class ChannelLayerLink {
 public:
  class Owner {
   public:
    virtual void on_message(const std::string& channel, std::string_view bytes) = 0;
    virtual void on_subscribed(const std::string& channel) = 0;
    /// Nothing is subscribed; acknowledgements will come.
    virtual void on_listener_up() = 0;
    /// None will come for now.
    virtual void on_listener_down() = 0;
    /// Why it cannot be used, perhaps the same again; empty: it can.
    virtual void on_problem(const std::string& problem) = 0;

   protected:
    ~Owner() = default;
  };

  ChannelLayerLink(asio::io_context& io, const RedisUrl& url,
                   const std::shared_ptr<asio::ssl::context>& tls, Owner& owner);

  void start();
  void want(const std::string& channel, bool is_wanted);

  /// False: it is not sent, because the server is away, does not answer or too much waits for it.
  bool publish(std::string_view channel, std::string_view bytes);
  bool can_publish() const;
  bool is_subscribed(const std::string& channel) const {
    return channels_.is_acknowledged(channel);
  }

  /// What was published and refused.
  std::uint64_t refused() const noexcept { return refused_; }

 private:
  using Clock = std::chrono::steady_clock;

  struct Publisher final : RedisLink::Listener {
    Publisher(ChannelLayerLink& owner, asio::io_context& io, const RedisUrl& url,
              const std::shared_ptr<asio::ssl::context>& tls);
    void on_up() override { layer.note(layer.problems_.publisher, {}); }
    void on_down(const std::string& reason) override { layer.handle_publisher_down(reason); }
    void on_reply(RedisReply&& reply) override { layer.handle_published(reply); }
    ChannelLayerLink& layer;
    RedisLink link;
  };
  struct Subscriber final : RedisLink::Listener {
    Subscriber(ChannelLayerLink& owner, asio::io_context& io, const RedisUrl& url,
               const std::shared_ptr<asio::ssl::context>& tls);
    void on_up() override { layer.handle_listener_up(); }
    void on_down(const std::string& reason) override { layer.handle_listener_down(reason); }
    void on_reply(RedisReply&& reply) override { layer.handle_push(std::move(reply)); }
    ChannelLayerLink& layer;
    RedisLink link;
  };

  void handle_publisher_down(const std::string& reason);
  void handle_published(const RedisReply& reply);
  void handle_listener_up();
  void handle_listener_down(const std::string& reason);
  void handle_push(RedisReply&& reply);
  void schedule_check();
  void check();
  /// What is wrong, or not any more, in one of `problems_`.
  void note(std::string& place, const std::string& problem);

  Owner& owner_;
  Publisher publisher_;
  Subscriber listener_;
  TopicReconciler channels_;
  std::deque<Clock::time_point> unanswered_;  // when each was sent
  std::uint64_t refused_ = 0;
  struct {
    std::string publisher = "not connected yet";
    std::string listener = "not connected yet";
    std::string publish;
    std::string subscribe;
  } problems_;
  bool is_pinged_ = false;  // the listener has not answered since
  Clock::time_point pinged_;
  asio::steady_timer timer_;
};

}  // namespace voicechan::redis
