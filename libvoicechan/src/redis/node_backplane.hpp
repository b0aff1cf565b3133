#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "gateway.hpp"
#include "voicechan/backplane.hpp"
#include "voicechan/clock.hpp"

namespace voicechan::redis {

/// Tells the gateway who comes to this node's voice rooms and goes. The roster is the local one, in
/// which it has the members of other nodes enter, too. Thread-safe.
class AnnouncedVoicePresence final : public VoicePresence {
 public:
  AnnouncedVoicePresence(VoicePresence& local, GatewayInbox& inbox)
      : local_(&local), inbox_(&inbox) {}

  Entry enter(const RoomName& room, Identity user, bool watches) override;
  void leave(std::string_view room, std::uint64_t since, bool watches) noexcept override;
  Answer changes_since(std::string_view room, std::uint64_t revision) const override {
    return local_->changes_since(room, revision);
  }
  VoiceMemberPage list(const RoomName& room, std::uint64_t after,
                       std::size_t limit) const override {
    return local_->list(room, after, limit);
  }
  RoomTotals totals() const override { return local_->totals(); }
  RoomPage list_rooms(std::string_view after, std::size_t limit) const override {
    return local_->list_rooms(after, limit);
  }

 private:
  VoicePresence* const local_;
  GatewayInbox* const inbox_;
};

/// The hubs of one process, joined to those of others by a bus that somebody else runs. As a
/// `Backplane` thread-safe; `gateway` is of the bus loop's thread.
class NodeBackplane final : public Backplane {
 public:
  /// As `Gateway::Gateway`.
  NodeBackplane(std::uint64_t node, std::function<MonotonicTime()> clock,
                std::function<void()> wake);

  Result<std::unique_ptr<BackplanePort>> attach(BackplaneReceiver& receiver,
                                                std::function<void()> wake) override;
  void publish(std::string_view group, const Frame& frame) override;
  void publish_here(std::string_view group, const Frame& frame) {
    gateway_hooks(local_).publish_to_hubs(group, frame);
  }
  Preparation prepare(std::string_view group, std::function<void()> ready) override;
  bool watch_gaps(std::function<void(std::string_view group)> on_gap) override;
  Presence& presence() noexcept override { return gateway_.presence(); }
  VoicePresence& voice_presence() noexcept override { return voice_presence_; }

  Gateway& gateway() noexcept { return gateway_; }

 private:
  InProcessBackplane local_;
  Gateway gateway_;
  AnnouncedVoicePresence voice_presence_;
};

}  // namespace voicechan::redis
