#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "voicechan/backplane.hpp"
#include "voicechan/frame.hpp"

namespace voicechan {

/// What one peer has to say to others in its room about itself before they can understand it: ICE
/// candidates are of no use to who has not got the offer or answer that they belong to. They are
/// kept here until it has gone out. A member is named by the revision at which it came: who has
/// left and come again is another one and knows nothing. One thread at a time.
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

  /// The member has been sent the offer or answer that a candidate with this ufrag belongs to.
  /// Without one, or if descriptions name none, that is any.
  bool may_pass(std::uint64_t since, const std::string& ufrag) const {
    const auto found = members_.find(since);
    return found != members_.end() && found->second.has_description &&
           is_described(found->second, ufrag);
  }

  /// False if too much is held already.
  [[nodiscard]] bool hold(std::uint64_t since, Held candidate) {
    auto& held = members_[since].held;
    if (held.size() >= kMaxCandidates || bytes_ + candidate.frame.size() > kMaxBytes) return false;
    bytes_ += candidate.frame.size();
    held.push_back(std::move(candidate));
    return true;
  }

  /// An offer or answer that names these ufrags has been sent; the candidates that are to follow
  /// it, in this order.
  std::vector<Held> release(std::uint64_t since, std::vector<std::string> ufrags) {
    Member& member = members_[since];
    member.has_description = true;
    for (std::string& ufrag : ufrags) {
      const bool is_known =
          std::find(member.ufrags.begin(), member.ufrags.end(), ufrag) != member.ufrags.end();
      if (!is_known) member.ufrags.push_back(std::move(ufrag));
    }
    while (member.ufrags.size() > kMaxUfrags) member.ufrags.pop_front();
    std::vector<Held> released;
    for (Held& held : take(member)) {
      if (is_described(member, held.ufrag)) {
        released.push_back(std::move(held));
      } else {
        bytes_ += held.frame.size();
        member.held.push_back(std::move(held));
      }
    }
    return released;
  }

  /// The member has left the room; these will not be sent.
  std::vector<Held> forget(std::uint64_t since) {
    const auto found = members_.find(since);
    if (found == members_.end()) return {};
    std::vector<Held> held = take(found->second);
    members_.erase(found);
    return held;
  }

  /// No member is in the same room any more; these will not be sent.
  std::vector<Held> forget_all() {
    std::vector<Held> all;
    for (auto& [since, member] : members_) {
      for (Held& held : take(member)) all.push_back(std::move(held));
    }
    members_.clear();
    return all;
  }

 private:
  struct Member {
    std::vector<Held> held;
    std::deque<std::string> ufrags;  // of the descriptions, the newest last
    bool has_description = false;
  };

  static bool is_described(const Member& member, const std::string& ufrag) {
    return ufrag.empty() || member.ufrags.empty() ||
           std::find(member.ufrags.begin(), member.ufrags.end(), ufrag) != member.ufrags.end();
  }

  std::vector<Held> take(Member& member) {
    for (const Held& held : member.held) bytes_ -= held.frame.size();
    return std::exchange(member.held, {});
  }

  std::unordered_map<std::uint64_t, Member> members_;
  std::size_t bytes_ = 0;
};

}  // namespace voicechan
