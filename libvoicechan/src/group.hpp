#pragma once

#include <cstddef>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "voicechan/backplane.hpp"
#include "voicechan/frame.hpp"
#include "voicechan/transport.hpp"

namespace voicechan {

/// The members that one hub has of a group. Sending to a member may remove any member, add some, or
/// send to this group again: while a fan-out runs, places do not move, and further frames wait for
/// their turn so that all members see one order. One thread at a time.
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
    if (is_sending_) {
      members_[index] = {nullptr, nullptr};
      has_holes_ = true;
      return;
    }
    members_[index] = members_.back();
    members_[index].membership->index = index;
    members_.pop_back();
  }

  /// Sends to all who are members now and stay until it is their turn, but not to `except` (which
  /// may be null).
  void fan_out(const Frame& frame, const Membership* except) noexcept {
    const std::size_t except_index = except != nullptr ? except->index : kNobody;
    if (is_sending_) {
      waiting_.push_back({frame, members_.size(), except_index});
      return;
    }
    is_sending_ = true;
    send_to_first(members_.size(), frame, except_index);
    for (std::size_t i = 0; i < waiting_.size(); ++i) {
      const Waiting next = std::move(waiting_[i]);
      send_to_first(next.member_count, next.frame, next.except_index);
    }
    waiting_.clear();
    is_sending_ = false;
    if (has_holes_) close_holes();
  }

  /// To the members that other hubs have.
  void publish(const Frame& frame) { subscription_->publish(frame); }

  /// True if nobody is left and no fan-out runs: the group can be destroyed.
  bool is_disposable() const noexcept { return members_.empty() && !is_sending_; }

 private:
  static constexpr std::size_t kNobody = std::numeric_limits<std::size_t>::max();

  struct Member {
    Membership* membership;
    Transport* transport;
  };

  /// A frame that came while another one was being sent.
  struct Waiting {
    Frame frame;
    std::size_t member_count;
    std::size_t except_index;
  };

  void send_to_first(std::size_t count, const Frame& frame, std::size_t except_index) noexcept {
    for (std::size_t i = 0; i < count; ++i) {
      Transport* const transport = members_[i].transport;
      if (transport != nullptr && i != except_index) transport->send(frame);
    }
  }

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
  std::vector<Waiting> waiting_;
  bool is_sending_ = false;
  bool has_holes_ = false;
};

}  // namespace voicechan
