#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "voicechan/backplane.hpp"
#include "voicechan/frame.hpp"
#include "voicechan/transport.hpp"

namespace voicechan {

/// The members that one hub has of a group. Sending to a member may remove any member, add some, or
/// send to this group again; members are then marked and cleaned up after the outermost fan-out.
/// One thread at a time.
class Group {
 public:
  /// Where a member stands; kept up to date while it is in the group. Embedded in its owner.
  struct Membership {
    std::size_t index = 0;
  };

  explicit Group(std::unique_ptr<Subscription> subscription)
      : subscription_(std::move(subscription)) {}

  void add(Membership& membership, Transport& transport) {
    membership.index = members_.size();
    members_.push_back({&membership, &transport});
  }

  void remove(Membership& membership) noexcept {
    const std::size_t index = membership.index;
    if (fan_out_depth_ > 0) {
      members_[index] = {nullptr, nullptr};
      has_holes_ = true;
      return;
    }
    members_[index] = members_.back();
    members_[index].membership->index = index;
    members_.pop_back();
  }

  /// Sends to all who are members now, but not to `except` (which may be null).
  void fan_out(const Frame& frame, const Membership* except) noexcept {
    ++fan_out_depth_;
    const std::size_t count = members_.size();
    for (std::size_t i = 0; i < count; ++i) {
      const Member member = members_[i];
      if (member.transport == nullptr || member.membership == except) continue;
      member.transport->send(frame);
    }
    if (--fan_out_depth_ == 0 && has_holes_) close_holes();
  }

  /// To the members that other hubs have.
  void publish(const Frame& frame) { subscription_->publish(frame); }

  /// True if nobody is left and no fan-out runs: the group can be destroyed.
  bool is_disposable() const noexcept { return members_.empty() && fan_out_depth_ == 0; }

 private:
  struct Member {
    Membership* membership;
    Transport* transport;
  };

  void close_holes() noexcept {
    std::size_t kept = 0;
    for (const Member& member : members_) {
      if (member.transport == nullptr) continue;
      member.membership->index = kept;
      members_[kept++] = member;
    }
    members_.resize(kept);
    has_holes_ = false;
  }

  std::vector<Member> members_;
  std::unique_ptr<Subscription> subscription_;
  std::size_t fan_out_depth_ = 0;
  bool has_holes_ = false;
};

}  // namespace voicechan
