#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pending_presence.hpp"
#include "voicechan/backplane.hpp"

namespace voicechan {

/// The hubs of one process, where peers enter rooms when the test says so: as where other processes
/// have to be asked first. For one thread.
class LateBackplane final : public Backplane, private LocalPeers {
 public:
  using Admission = PendingPresence::Admission;

  explicit LateBackplane(std::uint64_t node) : local_(node), presence_(local_, *this) {}

  /// Those who wait to enter, some of whom may have left.
  std::size_t waiting_count() const { return waiting_.size(); }
  PeerId waiting_peer(std::size_t index = 0) const { return waiting_.at(index).peer; }
  /// Lets the first one in.
  Admission admit() {
    const Waiting first = take_first();
    return presence_.admit(first.room, first.peer, 0);
  }
  void admit_all() {
    while (!waiting_.empty()) admit();
  }
  void refuse(Errc reason) {
    const Waiting first = take_first();
    presence_.refuse(first.room, first.peer, reason);
  }

  InProcessBackplane& local() { return local_; }

  Result<std::unique_ptr<BackplanePort>> attach(BackplaneReceiver& receiver,
                                                std::function<void()> wake) override {
    return local_.attach(receiver, std::move(wake));
  }
  void publish(std::string_view group, const Frame& frame) override {
    local_.publish(group, frame);
  }
  Preparation prepare(std::string_view group, std::function<void()> ready) override {
    return local_.prepare(group, std::move(ready));
  }
  Presence& presence() noexcept override { return presence_; }
  VoicePresence& voice_presence() noexcept override { return local_.voice_presence(); }

  std::vector<std::string> told;  // what other processes would be: "enter", "update", "leave"

 private:
  struct Waiting {
    RoomName room;
    PeerId peer;
  };

  Waiting take_first() {
    const Waiting first = waiting_.at(0);
    waiting_.pop_front();
    return first;
  }

  void on_wants_to_enter(const RoomName& room, const Peer& peer) override {
    waiting_.push_back({room, peer.id});
    told.push_back("enter " + room.str());
  }
  void on_updated(const RoomName& room, const PeerId&, std::string_view data) override {
    told.push_back("update " + room.str() + " " + std::string(data));
  }
  void on_left(const RoomName& room, const PeerId&) noexcept override {
    told.push_back("leave " + room.str());
  }

  InProcessBackplane local_;
  PendingPresence presence_;
  std::deque<Waiting> waiting_;
};

}  // namespace voicechan
