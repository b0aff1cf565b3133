#pragma once

#include <functional>
#include <memory>
#include <string_view>
#include <utility>

#include "voicechan/backplane.hpp"

namespace voicechan {

/// Joins the hubs of one process, by one within: for doubles that do some of it in their own way.
class ForwardingBackplane : public Backplane {
 public:
  Result<std::unique_ptr<BackplanePort>> attach(BackplaneReceiver& receiver,
                                                std::function<void()> wake) override {
    return local_.attach(receiver, std::move(wake));
  }
  void publish(std::string_view group, const Frame& frame) override {
    local_.publish(group, frame);
  }
  Preparation prepare(std::string_view, std::function<void()>) override { return {}; }
  Presence& presence() noexcept override { return local_.presence(); }
  VoicePresence& voice_presence() noexcept override { return local_.voice_presence(); }

 private:
  InProcessBackplane local_{1};
};

}  // namespace voicechan
