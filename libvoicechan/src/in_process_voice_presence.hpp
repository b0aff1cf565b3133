#pragma once

#include <cstdint>
#include <deque>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "voicechan/backplane.hpp"
#include "voicechan/mutex.hpp"
#include "voicechan/voice_presence.hpp"

namespace voicechan {

/// The members of one process' voice rooms. One lock for all: it is held to change a room and to
/// hand the change to the hubs, so that all see one order; nothing is relayed under it. What only
/// those who watch need exists while a room has such members.
class InProcessVoicePresence final : public VoicePresence {
 public:
  /// Changes are remembered up to this number.
  static constexpr std::size_t kMaxChanges = 256;

  explicit InProcessVoicePresence(Backplane& backplane) : backplane_(&backplane) {}

  Entry enter(const RoomName& room, Identity user, bool watches) override;
  void leave(std::string_view room, std::uint64_t since, bool watches) noexcept override;
  Answer changes_since(std::string_view room, std::uint64_t revision) const override;
  VoiceMemberPage list(const RoomName& room, std::uint64_t after, std::size_t limit) const override;
  RoomTotals totals() const override;
  RoomPage list_rooms(std::string_view after, std::size_t limit) const override;

 private:
  /// Members in the order of coming. Places of those who left are closed when they are the half.
  class Members {
   public:
    void add(VoiceMember member) { places_.push_back(std::move(member)); }
    void remove(std::uint64_t since);
    std::size_t size() const noexcept { return places_.size() - gone_; }
    /// Those who came after a revision, `limit` at most.
    std::vector<VoiceMember> after(std::uint64_t since, std::size_t limit) const;

   private:
    static constexpr std::int64_t kGone =
        std::numeric_limits<std::int64_t>::min();  // no user has this id

    std::vector<VoiceMember> places_;
    std::uint32_t gone_ = 0;
  };

  struct Change {
    std::uint64_t revision;
    Frame message;
  };
  struct Roster {
    std::uint64_t revision;
    Frame message;
  };
  struct Watched {
    std::size_t watchers = 0;
    std::deque<Change> changes;    // the newest ones, without gap
    std::optional<Roster> roster;  // the last one that somebody was shown
  };

  struct Room {
    Members members;
    std::uint64_t revision = 0;
    std::unique_ptr<Watched> watched;
  };

  void publish(const std::string& name, Watched& watched, VoiceChange change)
      VOICECHAN_REQUIRES(mutex_);
  std::vector<Frame> show(const std::string& name, Room& room) VOICECHAN_REQUIRES(mutex_);

  Backplane* const backplane_;
  mutable Mutex mutex_;
  // Of a room that has gone: one of the same name goes on from there, so that what is still under
  // way of the old one is not taken for news of the new one.
  std::uint64_t last_revision_ VOICECHAN_GUARDED_BY(mutex_) = 0;
  std::size_t member_count_ VOICECHAN_GUARDED_BY(mutex_) = 0;
  std::unordered_map<std::string, Room> rooms_ VOICECHAN_GUARDED_BY(mutex_);
};

}  // namespace voicechan
