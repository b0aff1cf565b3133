#pragma once

#include <asio/io_context.hpp>
#include <asio/ssl/context.hpp>
#include <asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "lease_view.hpp"
#include "redis_link.hpp"
#include "redis_url.hpp"

namespace voicechan::redis {

/// Keeps a node's lease in the store and says which nodes have lost theirs. One thread at a time:
/// the event loop's.
class NodeLease final : private RedisLink::Listener {
 public:
  class Owner {
   public:
    /// The lease of this node was gone before it was renewed, as that of a process that was paused:
    /// it has a new one, under this epoch. Others may have given it up meanwhile, or theirs are
    /// gone as well.
    virtual void on_new_epoch(std::uint16_t epoch, bool may_be_given_up) = 0;
    /// A node, this one or another, has a lease under this epoch. Comes before all else.
    virtual void on_lease(std::uint64_t origin) = 0;
    /// A node is gone.
    virtual void on_dead(std::uint64_t node) = 0;
    /// A node whose lease was there has none any more, whether this one has to do with it or not;
    /// perhaps only since the store was away.
    virtual void on_vanished(std::uint64_t node) = 0;
    /// Which nodes this one has to do with.
    virtual std::set<std::uint64_t> known_nodes() const = 0;
    /// A node may be dead: asks it over the bus.
    virtual void ask_whether_alive(std::uint64_t node) = 0;
    /// The nodes that have answered that since the last call.
    virtual std::set<std::uint64_t> take_heard() = 0;
    /// Whether the store answers has changed; why it does not, or nothing.
    virtual void on_store(const std::string& problem) = 0;

   protected:
    ~Owner() = default;
  };

  NodeLease(asio::io_context& io, const RedisUrl& url, std::shared_ptr<asio::ssl::context> tls,
            std::uint64_t node, Owner& owner);

  void start();
  /// Gives the lease back.
  void stop();

 private:
  void on_up() override;
  void on_down(const std::string& reason) override;
  void on_reply(RedisReply&& reply) override;
  std::string on_nature(const RedisNature& nature) override { return objection_to_store(nature); }

  void renew();
  void renew_later();
  std::string own_name() const;

  Owner& owner_;
  const std::uint64_t node_;
  std::uint16_t epoch_ = 0;
  LeaseView view_;
  asio::steady_timer timer_;
  MonotonicTime asked_at_{};
  bool is_asking_ = false;
  bool is_stopped_ = false;
  std::string problem_ = "not connected yet";
  RedisLink link_;
  const std::shared_ptr<char> alive_ = std::make_shared<char>();  // handlers that outlive us look
};

}  // namespace voicechan::redis
