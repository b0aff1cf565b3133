#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bus.hpp"
#include "voicechan/clock.hpp"

namespace voicechan::redis {

/// Before a bus that several systems may share and that refuses what is too much at once: puts the
/// system before each topic, lets so much out as is answered for in time, and long messages in
/// pieces, which are put together on the other side. What waits behind control messages goes in its
/// order; audio that has become too old by that is dropped. When the bus goes away, all that waits
/// is refused. One thread at a time, as the bus.
class PacedBus final : public Bus, public Bus::Listener {
 public:
  static constexpr std::size_t kMaxUnanswered = 192u << 10;  ///< with what is around them
  static constexpr std::size_t kPiece = 64u << 10;
  static constexpr std::size_t kMaxWaiting = 64u << 20;
  static constexpr std::size_t kMaxWaitingMedia = 256u << 10;
  static constexpr std::size_t kMaxMessage = 128u << 20;  ///< and all that are not whole yet
  static constexpr std::size_t kMaxPartial = 1024;        // messages that are not whole yet
  static constexpr std::chrono::milliseconds kMediaAge{200};
  /// A message that is not whole by then will never be: its node, or a piece, is lost.
  static constexpr std::chrono::seconds kPartialTime{10};

  /// `origin` is another number for each node.
  PacedBus(std::uint64_t origin, std::function<MonotonicTime()> clock, Bus::Listener& listener)
      : origin_(origin), clock_(std::move(clock)), listener_(&listener) {}

  /// To be called first; the bus has this as its listener. All topics there begin with `root`.
  void use(Bus& bus, std::string root) {
    bus_ = &bus;
    root_ = std::move(root);
  }

  void subscribe(std::string topic, Subscribed done) override {
    bus_->subscribe(root_ + topic, std::move(done));
  }
  void unsubscribe(std::string_view topic) override { bus_->unsubscribe(rooted(topic)); }
  void publish(std::string_view topic, std::string bytes, bool is_media, Published done) override;
  bool is_reachable() const noexcept override { return bus_->is_reachable(); }

  void on_message(std::string_view topic, std::string_view bytes) noexcept override;
  void on_gap(std::string_view topic) noexcept override;
  void on_state(bool is_reachable) noexcept override { listener_->on_state(is_reachable); }

 private:
  struct Waiting {
    std::string topic;
    std::string bytes;
    bool is_media;
    Published done;
    MonotonicTime since;
  };
  struct Partial {
    std::uint64_t number = 0;
    std::string bytes;
    MonotonicTime since;
  };

  using Partials = std::map<std::pair<std::string, std::uint64_t>, Partial>;  // by topic, origin

  std::string rooted(std::string_view topic) const { return std::string(root_).append(topic); }
  std::string_view unrooted(std::string_view topic) const { return topic.substr(root_.size()); }
  Partials::iterator drop_partial(Partials::iterator partial);
  void drop_old_partials();
  void add(std::string_view topic, std::string bytes, bool is_media, Published done);
  void send(Waiting message);
  void on_answered(std::size_t size);
  void pump();
  bool has_room(std::size_t cost) const noexcept {
    return unanswered_ == 0 || unanswered_ + cost <= kMaxUnanswered;
  }

  const std::uint64_t origin_;
  const std::function<MonotonicTime()> clock_;
  Bus::Listener* const listener_;
  Bus* bus_ = nullptr;
  std::string root_;
  std::deque<Waiting> waiting_;
  std::size_t waiting_bytes_ = 0;
  std::size_t waiting_media_ = 0;
  std::size_t unanswered_ = 0;
  std::vector<Published> refused_;
  std::uint64_t last_number_ = 0;
  Partials partial_;
  std::size_t partial_bytes_ = 0;
  const std::shared_ptr<PacedBus*> self_ = std::make_shared<PacedBus*>(this);
};

}  // namespace voicechan::redis
