#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "voicechan/backplane.hpp"
#include "voicechan/frame.hpp"
#include "voicechan/peer_id.hpp"

namespace voicechan {

/// What one peer has to say to others in its room about itself before they can understand it: ICE
/// candidates are of no use to who has not got the offer or answer that they belong to. They are
/// kept here until it has gone out. One thread at a time.
class CandidateHold {
 public:
  /// For one peer, and bytes for all together.
  static constexpr std::size_t kMaxCandidates = 64;
  static constexpr std::size_t kMaxBytes = 16u << 10;

  /// So many of a peer's are remembered.
  static constexpr std::size_t kMaxUfrags = 16;

  struct Held {
    SendTicket ticket;
    Frame frame;
    std::string ufrag;
  };

  /// The peer has been sent the offer or answer that a candidate with this ufrag belongs to.
  /// Without one, or if descriptions name none, that is any.
  bool may_pass(const PeerId& to, const std::string& ufrag) const {
    const auto found = peers_.find(to);
    return found != peers_.end() && found->second.has_description &&
           is_described(found->second, ufrag);
  }

  /// False if too much is held already.
  [[nodiscard]] bool hold(Held candidate) {
    auto& held = peers_[candidate.ticket.to].held;
    if (held.size() >= kMaxCandidates || bytes_ + candidate.frame.size() > kMaxBytes) return false;
    bytes_ += candidate.frame.size();
    held.push_back(std::move(candidate));
    return true;
  }

  /// An offer or answer that names these ufrags has been sent; the candidates that are to follow
  /// it, in this order.
  std::vector<Held> release(const PeerId& to, std::vector<std::string> ufrags) {
    Peer& peer = peers_[to];
    peer.has_description = true;
    for (std::string& ufrag : ufrags) {
      const bool is_known =
          std::find(peer.ufrags.begin(), peer.ufrags.end(), ufrag) != peer.ufrags.end();
      if (!is_known) peer.ufrags.push_back(std::move(ufrag));
    }
    while (peer.ufrags.size() > kMaxUfrags) peer.ufrags.pop_front();
    std::vector<Held> released;
    for (Held& held : take(peer)) {
      if (is_described(peer, held.ufrag)) {
        released.push_back(std::move(held));
      } else {
        bytes_ += held.frame.size();
        peer.held.push_back(std::move(held));
      }
    }
    return released;
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
    std::deque<std::string> ufrags;  // of the descriptions, the newest last
    bool has_description = false;
  };

  static bool is_described(const Peer& peer, const std::string& ufrag) {
    return ufrag.empty() || peer.ufrags.empty() ||
           std::find(peer.ufrags.begin(), peer.ufrags.end(), ufrag) != peer.ufrags.end();
  }

  std::vector<Held> take(Peer& peer) {
    for (const Held& held : peer.held) bytes_ -= held.frame.size();
    return std::exchange(peer.held, {});
  }

  std::unordered_map<PeerId, Peer> peers_;
  std::size_t bytes_ = 0;
};

}  // namespace voicechan
