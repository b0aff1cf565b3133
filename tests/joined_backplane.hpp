#pragma once

#include <atomic>
#include <condition_variable>
#include <future>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "voicechan/backplane.hpp"

namespace voicechan {

/// Backplanes that are joined, as one: hubs attach to each in turn. A subscription waits until it
/// misses nothing, as a host does.
class JoinedBackplane final : public Backplane {
 public:
  explicit JoinedBackplane(std::vector<Backplane*> nodes, std::shared_ptr<void> owner)
      : nodes_(std::move(nodes)), owner_(std::move(owner)) {}

  Result<std::unique_ptr<BackplanePort>> attach(BackplaneReceiver& receiver,
                                                std::function<void()> wake) override {
    Backplane& node = *nodes_[next_++ % nodes_.size()];
    auto port = node.attach(receiver, std::move(wake));
    if (!port) return port.error();
    return std::unique_ptr<BackplanePort>(std::make_unique<Port>(node, *std::move(port)));
  }
  void publish(std::string_view group, const Frame& frame) override {
    nodes_.front()->publish(group, frame);
  }
  Preparation prepare(std::string_view group, std::function<void()> ready) override {
    return nodes_.front()->prepare(group, std::move(ready));
  }
  Presence& presence() noexcept override { return nodes_.front()->presence(); }
  VoicePresence& voice_presence() noexcept override { return nodes_.front()->voice_presence(); }

  /// Waits until a node misses nothing of a group.
  static std::shared_ptr<void> prepare_now(Backplane& node, std::string_view group) {
    const auto done = std::make_shared<std::promise<void>>();
    auto preparation = node.prepare(group, [done] { done->set_value(); });
    if (!preparation.is_ready) done->get_future().wait();
    return preparation.hold;
  }

 private:
  class Port final : public BackplanePort {
   public:
    Port(Backplane& node, std::unique_ptr<BackplanePort> port)
        : node_(&node), port_(std::move(port)) {}
    HubAddress address() const noexcept override { return port_->address(); }
    std::unique_ptr<Subscription> subscribe(std::string_view group) override {
      const auto hold = prepare_now(*node_, group);
      return port_->subscribe(group);
    }
    void send(const Frame& frame, const SendTicket& ticket) override { port_->send(frame, ticket); }
    void report(const SendTicket& ticket, Delivery delivery) override {
      port_->report(ticket, delivery);
    }
    void flush() override { port_->flush(); }
    void poll() override { port_->poll(); }

   private:
    Backplane* const node_;
    const std::unique_ptr<BackplanePort> port_;
  };

  const std::vector<Backplane*> nodes_;
  const std::shared_ptr<void> owner_;
  std::atomic<std::size_t> next_{0};
};

}  // namespace voicechan
