#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "group.hpp"
#include "token_bucket.hpp"
#include "voicechan/backplane.hpp"
#include "voicechan/clock.hpp"
#include "voicechan/frame.hpp"
#include "voicechan/transport.hpp"
#include "voicechan/voice_presence.hpp"

namespace voicechan {

/// The members that one hub has of a voice room who are told of the others. All of them have been
/// told of the same changes; what does not fit to that yet waits until the changes before it have
/// come from the backplane. Sending may remove any member, and send to this room again. One thread
/// at a time.
class VoiceWatchers {
 public:
  /// Where a member stands. Embedded in its owner, and to be removed before it ends.
  class Place : private Group::Membership {
   public:
    Place(Transport& transport, double sync_burst) : syncs(sync_burst), transport_(&transport) {}
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

    TokenBucket syncs;

   private:
    friend class VoiceWatchers;
    Transport* const transport_;
    bool is_in_group_ = false;  // has been told who is there
  };

  /// `subscription` is that to the room's changes; `window` as that of `Group`.
  VoiceWatchers(std::unique_ptr<Subscription> subscription, std::chrono::milliseconds window)
      : subscription_(std::move(subscription)), group_(nullptr, window) {}

  /// Adds a member that has entered: it is in when it has been told so.
  void add(Place& place, VoicePresence::Entry entry);
  void remove(Place& place) noexcept;

  /// Tells who of the room sent a frame, and sends it on to all but him; `from` is null if he is
  /// not one of these. One who has come lately is told of first. May be held as by `Group`.
  void relay(const Frame& frame, Place* from, bool is_of_this_hub, MonotonicTime now);

  /// Sends an answer in its place among the changes.
  void answer(Place& place, VoicePresence::Answer answer, MonotonicTime now);

  /// Tells all of a change that was published.
  void on_change(const VoiceChange& change, MonotonicTime now);

  bool is_held() const noexcept { return group_.is_held(); }
  MonotonicTime next_release() const noexcept { return group_.next_release(); }
  void release(MonotonicTime now) noexcept { group_.release(now); }

  /// True if nobody is left and nothing is being sent.
  bool is_disposable() const noexcept {
    return count_ == 0 && !is_telling_ && group_.is_disposable();
  }

 private:
  /// What waits for the changes before it: messages to one member, or a frame of one to the others.
  struct Waiting {
    Place* place;  // may be null with a frame
    std::vector<Frame> messages;
    std::optional<Frame> frame;
  };

  void send_due(MonotonicTime now);
  void send(Waiting& waiting, MonotonicTime now);

  const std::unique_ptr<Subscription> subscription_;
  Group group_;
  std::size_t count_ = 0;   // of members, in the group or not yet
  std::uint64_t told_ = 0;  // all in the group know of all changes up to this revision
  std::multimap<std::uint64_t, Waiting> waiting_;  // by the revision to wait for
  const Place* being_sent_to_ = nullptr;           // until it is removed
  bool is_telling_ = false;
};

}  // namespace voicechan
