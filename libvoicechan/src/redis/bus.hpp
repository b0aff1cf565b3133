#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace voicechan::redis {

/// Carries messages between nodes: whoever is subscribed to a topic gets what is published to it.
/// A bus wraps what it carries in a header of its own, which `bytes` never include, so only a bus
/// of ours understands what another one publishes.
///
/// One thread at a time: the bus loop's, on which everything here is called and calls back. All
/// calls may be made from within a callback. No `done` is called from within the call that it was
/// given to; after the destruction of the bus none is called at all.
class Bus {
 public:
  class Listener {
   public:
    /// Something published to a topic that is subscribed to, own messages included. Each message
    /// comes once, those of one publisher to one topic in their order.
    virtual void on_message(std::string_view topic, std::string_view bytes) noexcept = 0;

    /// The topic is subscribed again, or in one more place, after `subscribe` was answered: what
    /// was published meanwhile may have been missed. Or a message was missed, before the one that
    /// follows. May come more than once for one outage, and for nothing.
    virtual void on_gap(std::string_view topic) noexcept = 0;

    /// `is_reachable` has changed.
    virtual void on_state(bool is_reachable) noexcept = 0;

   protected:
    ~Listener() = default;
  };

  /// Whether the subscription is acknowledged: from then on nothing published to the topic is
  /// missed but what `on_gap` tells of. False after 1 s without; it goes on trying.
  using Subscribed = std::function<void(bool is_acknowledged)>;

  /// How many nodes a message was passed to, this one counted if it is subscribed itself. None: it
  /// was not sent, or nobody knows: no instance of the bus could be reached. A message is never
  /// kept for later.
  using Published = std::function<void(std::optional<std::size_t> receivers)>;

  virtual ~Bus() = default;

  /// Of a topic that is subscribed to already: `done` learns of that subscription.
  virtual void subscribe(std::string topic, Subscribed done) = 0;

  /// No message of the topic comes any more. `done`s that wait are dropped.
  virtual void unsubscribe(std::string_view topic) = 0;

  /// `is_media`: worth nothing when late. It is dropped when 256 KiB wait to be sent. Other
  /// messages have as much again for themselves.
  virtual void publish(std::string_view topic, std::string bytes, bool is_media,
                       Published done = {}) = 0;

  /// Whether what is published now will be sent, and what others publish is heard.
  virtual bool is_reachable() const noexcept = 0;
};

}  // namespace voicechan::redis
