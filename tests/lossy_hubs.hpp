#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <memory>

#include "lossy_backplane.hpp"
#include "voicechan/hub.hpp"

namespace voicechan {

/// Two hubs that one thread drives.
class LossyHubs {
 public:
  LossyHubs() {
    for (auto& each : hubs_)
      each = Hub::attach(backplane, {}, [this] { is_woken_ = true; }).value();
  }
  Hub& hub(std::size_t index) { return *hubs_.at(index); }
  std::unique_ptr<Hub>& owned_hub(std::size_t index) { return hubs_.at(index); }
  void settle() {
    do {
      is_woken_ = false;
      for (const auto& each : hubs_) {
        if (each != nullptr) each->tick(now_);
      }
    } while (is_woken_);
  }
  void advance(std::chrono::milliseconds time) {
    now_ += time;
    settle();
  }
  /// The same, and whatever is due meanwhile is done when it is.
  void pass(std::chrono::seconds time) {
    for (; time > std::chrono::seconds(0); time -= std::chrono::seconds(1)) {
      advance(std::chrono::seconds(1));
    }
  }

  LossyBackplane backplane;

 private:
  bool is_woken_ = false;
  MonotonicTime now_{std::chrono::hours(1)};
  std::array<std::unique_ptr<Hub>, 2> hubs_;
};

}  // namespace voicechan
