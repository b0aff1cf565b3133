#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "voicechan/backplane.hpp"
#include "voicechan/clock.hpp"
#include "voicechan/frame.hpp"
#include "voicechan/transport.hpp"

namespace voicechan {

/// The members that one hub has of a group. Sending to a member may remove any member, add some, or
/// send to this group again: while a fan-out runs, places do not move, and further frames wait for
/// their turn so that all members see one order. A group may be paced: then, while several speak,
/// frames wait for `release`. One thread at a time.
class Group {
 public:
  /// Where a member stands; kept up to date while it is in the group. Embedded in its owner.
  struct Membership {
    std::size_t index = 0;
  };

  static constexpr std::size_t kNoLimit = std::numeric_limits<std::size_t>::max();

  /// After this time without another speaker there is one speaker again. Longer than the gaps
  /// within speech, so that a conversation is paced throughout.
  static constexpr std::chrono::milliseconds kSpeakersAreRemembered{500};

  /// `window`: at least this time lies between two releases; zero: nothing ever waits. Without a
  /// subscription the members are counted elsewhere, and nothing can be published.
  explicit Group(std::unique_ptr<Subscription> subscription, std::chrono::milliseconds window = {})
      : subscription_(std::move(subscription)), window_(window) {}

  /// False, and nothing is added, if all hubs together have `max_members` already.
  [[nodiscard]] bool add(Membership& membership, Transport& transport,
                         std::size_t max_members = kNoLimit) {
    if (subscription_ != nullptr && !subscription_->try_add_member(max_members)) return false;
    membership.index = members_.size();
    members_.push_back(
        {&membership, &transport, reinterpret_cast<std::uintptr_t>(transport.hot_memory())});
    ++member_count_;
    return true;
  }

  void remove(Membership& membership) noexcept {
    const std::size_t index = membership.index;
    --member_count_;
    if (subscription_ != nullptr) subscription_->remove_member();
    if (is_sending_ || has_waiting()) {
      members_[index] = {};
      has_holes_ = true;
      return;
    }
    members_[index] = members_.back();
    members_[index].membership->index = index;
    members_.pop_back();
  }

  /// Sends to all who are members now and stay until it is their turn, but not to `except` (which
  /// may be null). In a paced group the frame may be held: then the caller sees to `release`.
  void fan_out(const Frame& frame, const Membership* except, MonotonicTime now) noexcept {
    const bool must_wait =
        has_waiting() || (window_.count() > 0 && do_several_speak(frame.source(), now));
    waiting_.push_back({frame, members_.size(), except != nullptr ? except->index : kNobody});
    if (!must_wait && !is_sending_) send_waiting();
  }

  /// Sends what nobody of the group says: it waits for frames before it, and for nothing else.
  void announce(const Frame& frame) noexcept {
    const bool must_wait = has_waiting() || is_sending_;
    waiting_.push_back({frame, members_.size(), kNobody});
    if (!must_wait) send_waiting();
  }

  /// Frames wait for `release`.
  bool is_held() const noexcept { return has_waiting() && !is_sending_; }
  /// When `release` is due.
  MonotonicTime next_release() const noexcept { return last_release_ + window_; }
  void release(MonotonicTime now) noexcept {
    last_release_ = now;
    send_waiting();
  }

  /// To the members that other hubs have.
  void publish(const Frame& frame) { subscription_->publish(frame); }

  std::size_t size() const noexcept { return member_count_; }
  Subscription& subscription() noexcept { return *subscription_; }

  /// True if nobody is left and no fan-out runs: the group can be destroyed.
  bool is_disposable() const noexcept { return member_count_ == 0 && !is_sending_; }

 private:
  static constexpr std::size_t kNobody = std::numeric_limits<std::size_t>::max();

  // Enough to have them come from memory while others are sent to.
  static constexpr std::size_t kFetchedAhead = 6;

  struct Member {
    Membership* membership;
    Transport* transport;
    std::uintptr_t hot;  // of the transport, see Transport::hot_memory

    void fetch() const noexcept {
      constexpr std::uintptr_t kLine = 64;
      constexpr int kForWriting = 1;
      __builtin_prefetch(transport);
      for (const std::uintptr_t line : {hot - kLine, hot, hot + kLine}) {
        // NOLINTNEXTLINE(performance-no-int-to-ptr): perhaps outside of any object; not read
        __builtin_prefetch(reinterpret_cast<const void*>(line), kForWriting);
      }
    }
  };

  /// A frame to be sent to those of the first `member_count` places.
  struct Waiting {
    Frame frame;
    std::size_t member_count;
    std::size_t except_index;
  };

  bool has_waiting() const noexcept { return !waiting_.empty(); }

  bool do_several_speak(std::uint64_t source, MonotonicTime now) noexcept {
    if (source != last_source_) {
      const bool is_first = last_source_ == 0;
      if (!is_first && now - last_spoken_ < kSpeakersAreRemembered) {
        several_until_ = now + kSpeakersAreRemembered;
      }
      last_source_ = source;
    }
    last_spoken_ = now;
    return now < several_until_;
  }

  /// Sends what waits, and what comes meanwhile.
  void send_waiting() noexcept {
    is_sending_ = true;
    while (has_waiting()) {
      batch_.swap(waiting_);
      // By member, so that what a member's transport touches is touched once for all frames.
      const std::size_t count = batch_.back().member_count;
      for (std::size_t i = 0; i < count; ++i) {
        if (i + kFetchedAhead < count) members_[i + kFetchedAhead].fetch();
        for (const Waiting& next : batch_) {
          Transport* const transport = members_[i].transport;
          if (transport == nullptr) break;
          if (i < next.member_count && i != next.except_index) transport->send(next.frame);
        }
      }
      batch_.clear();
    }
    is_sending_ = false;
    if (has_holes_) close_holes();
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

  std::vector<Member> members_;   // with holes, while is_sending_ or has_waiting()
  std::size_t member_count_ = 0;  // without holes
  std::unique_ptr<Subscription> subscription_;
  std::vector<Waiting> waiting_;
  std::vector<Waiting> batch_;  // being sent
  const std::chrono::milliseconds window_;
  std::uint64_t last_source_ = 0;
  MonotonicTime last_spoken_{};
  MonotonicTime several_until_{};
  MonotonicTime last_release_{};
  bool is_sending_ = false;
  bool has_holes_ = false;
};

}  // namespace voicechan
