#pragma once

#include <cstddef>
#include <unordered_map>
#include <utility>
#include <vector>

#include "voicechan/backplane.hpp"
#include "voicechan/frame.hpp"
#include "voicechan/peer_id.hpp"

namespace voicechan {

/// What one peer has to say to others in its room about itself before they can understand it: ICE
/// candidates are of no use to who has got neither offer nor answer from their sender. They are
/// kept here until one has gone out. One thread at a time.
class CandidateHold {
 public:
  /// For one peer, and bytes for all together.
  static constexpr std::size_t kMaxCandidates = 64;
  static constexpr std::size_t kMaxBytes = 16u << 10;

  struct Held {
    SendTicket ticket;
    Frame frame;
  };

  /// The peer has been sent an offer or answer: candidates need not be held.
  bool may_pass(const PeerId& to) const {
    const auto found = peers_.find(to);
    return found != peers_.end() && found->second.has_description;
  }

  /// False if too much is held already.
  [[nodiscard]] bool hold(Held candidate) {
    auto& held = peers_[candidate.ticket.to].held;
    if (held.size() >= kMaxCandidates || bytes_ + candidate.frame.size() > kMaxBytes) return false;
    bytes_ += candidate.frame.size();
    held.push_back(std::move(candidate));
    return true;
  }

  /// An offer or answer has been sent; these are to follow, in this order.
  std::vector<Held> release(const PeerId& to) {
    Peer& peer = peers_[to];
    peer.has_description = true;
    return take(peer);
  }

  /// The peer has left the room; these will not be sent.
  std::vector<Held> forget(const PeerId& to) {
    const auto found = peers_.find(to);
    if (found == peers_.end()) return {};
    std::vector<Held> held = take(found->second);
    peers_.erase(found);
    return held;
  }

  /// No peer is in the same room any more; these will not be sent.
  std::vector<Held> forget_all() {
    std::vector<Held> all;
    for (auto& [id, peer] : peers_) {
      for (Held& held : take(peer)) all.push_back(std::move(held));
    }
    peers_.clear();
    return all;
  }

 private:
  struct Peer {
    std::vector<Held> held;
    bool has_description = false;
  };

  std::vector<Held> take(Peer& peer) {
    for (const Held& held : peer.held) bytes_ -= held.frame.size();
    return std::exchange(peer.held, {});
  }

  std::unordered_map<PeerId, Peer> peers_;
  std::size_t bytes_ = 0;
};

}  // namespace voicechan
