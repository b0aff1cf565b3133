#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "voicechan/backplane.hpp"

namespace voicechan {

/// One of a process that loses directed messages and reports, as a bus that is away does: their
/// senders hear of `Delivery::unknown_peer`. One thread at a time.
class LossyBackplane final : public Backplane {
 public:
  /// So many messages from now on are lost.
  void lose_next(std::size_t count) { to_lose_ = count; }
  void lose_reports(bool is_so) { loses_reports_ = is_so; }
  /// How many messages have been sent, those that were lost included.
  std::size_t sent() const noexcept { return sent_; }

  Result<std::unique_ptr<BackplanePort>> attach(BackplaneReceiver& receiver,
                                                std::function<void()> wake) override {
    auto port = local_.attach(receiver, wake);
    if (!port) return port.error();
    return std::unique_ptr<BackplanePort>(
        std::make_unique<Port>(*this, *std::move(port), receiver, std::move(wake)));
  }
  void publish(std::string_view group, const Frame& frame) override {
    local_.publish(group, frame);
  }
  Preparation prepare(std::string_view group, std::function<void()> ready) override {
    return local_.prepare(group, std::move(ready));
  }
  Presence& presence() noexcept override { return local_.presence(); }
  VoicePresence& voice_presence() noexcept override { return local_.voice_presence(); }

 private:
  class Port final : public BackplanePort {
   public:
    Port(LossyBackplane& owner, std::unique_ptr<BackplanePort> port, BackplaneReceiver& receiver,
         std::function<void()> wake)
        : owner_(&owner), port_(std::move(port)), receiver_(&receiver), wake_(std::move(wake)) {}
    HubAddress address() const noexcept override { return port_->address(); }
    std::unique_ptr<Subscription> subscribe(std::string_view group) override {
      return port_->subscribe(group);
    }
    void send(const Frame& frame, const SendTicket& ticket) override {
      ++owner_->sent_;
      if (owner_->to_lose_ == 0) return port_->send(frame, ticket);
      --owner_->to_lose_;
      lost_.push_back(ticket);
      wake_();
    }
    void report(const SendTicket& ticket, Delivery delivery) override {
      const bool is_lost = owner_->loses_reports_ && !(ticket.from.address() == address());
      if (!is_lost) port_->report(ticket, delivery);
    }
    void flush() override { port_->flush(); }
    void poll() override {
      port_->poll();
      for (const SendTicket& ticket : std::exchange(lost_, {})) {
        receiver_->on_delivery(ticket, Delivery::unknown_peer);
      }
    }

   private:
    LossyBackplane* const owner_;
    const std::unique_ptr<BackplanePort> port_;
    BackplaneReceiver* const receiver_;
    const std::function<void()> wake_;
    std::vector<SendTicket> lost_;
  };

  InProcessBackplane local_{0x1234};
  std::size_t to_lose_ = 0;
  std::size_t sent_ = 0;
  bool loses_reports_ = false;
};

}  // namespace voicechan
