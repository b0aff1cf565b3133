#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "missed_invitations.hpp"
#include "voicechan/clock.hpp"
#include "voicechan/directory.hpp"
#include "voicechan/ids.hpp"
#include "voicechan/transport.hpp"

namespace voicechan::server {

class NotificationFeeds;

/// The clocks of servers may differ by as much: who opened a socket may be told of what was made so
/// long before.
inline constexpr std::chrono::seconds kClockMargin{2};

/// What one notifications socket gets: what is published, and what the store has of what was missed
/// of it. Each invitation once. One thread at a time: the worker's.
class NotificationFeed final : public Transport {
 public:
  /// Its client knows all up to `since`; without that he wants what is published from `opened` on.
  struct Begin {
    std::optional<InvitationId> since;
    WallTime opened;
    /// He is told up to which one he knows all then.
    bool wants_mark = false;
  };

  /// Of a client that asks by `?since=`: an id, or "now". False for anything else.
  static bool parse_since(std::string_view text, Begin& begin);

  /// Is among `feeds` from now on. All must outlive it. `socket`: may be nothing.
  NotificationFeed(Transport& out, UserId user, const Begin& begin, NotificationFeeds& feeds,
                   std::optional<MissedInvitations::Socket> socket);
  ~NotificationFeed() override;
  NotificationFeed(const NotificationFeed&) = delete;
  NotificationFeed& operator=(const NotificationFeed&) = delete;

  UserId user() const noexcept { return user_; }
  const Begin& begin() const noexcept { return begin_; }

  /// What is published waits from now on for `add_missed`, so that it comes behind that.
  void hold() noexcept { is_holding_ = true; }
  /// What the store has of what was missed, the oldest first, up to the newest of this user;
  /// without `since` there may be some from before it was opened. Sends those that have not been
  /// sent, then up to which one the client knows all, and then what waited.
  void add_missed(const std::vector<InvitationNotice>& notices);
  /// The same, of what may have been missed meanwhile; it waits if others wait.
  void add_missed_meanwhile(const std::vector<InvitationNotice>& notices);

  /// Sends nothing more.
  void end() noexcept { has_ended_ = true; }

  void send(const Frame& frame) noexcept override;
  bool is_congested() const noexcept override { return out_->is_congested(); }
  const void* hot_memory() const noexcept override { return out_->hot_memory(); }

 private:
  /// An invitation that was sent, and a hash of what was said of it.
  struct Sent {
    InvitationId id;
    std::size_t hash;
  };

  struct Held {
    Frame frame;
    bool is_of_store;
  };

  bool is_wanted(const InvitationNotice& notice,
                 WallTime::duration margin = kClockMargin) const noexcept;
  void add(const InvitationNotice& notice);
  /// False if it was sent already.
  bool note(InvitationId id, const Frame& frame, bool is_of_store);
  void send_now(const Frame& frame, bool is_of_store);

  Transport* const out_;
  const UserId user_;
  const Begin begin_;
  NotificationFeeds* const feeds_;
  const std::optional<MissedInvitations::Socket> socket_;
  bool has_ended_ = false;
  bool is_holding_ = false;
  std::vector<Held> held_;
  std::vector<Sent> sent_;  // by id, those with the greatest ids
};

/// The feeds of one worker, by user. One thread at a time: the worker's.
class NotificationFeeds {
 public:
  void add(NotificationFeed& feed);
  void remove(const NotificationFeed& feed) noexcept;

  /// See `NotificationFeed::add_missed_meanwhile`.
  void add_missed_meanwhile(UserId user, const std::vector<InvitationNotice>& notices);

 private:
  std::unordered_multimap<UserId, NotificationFeed*> feeds_;
};

}  // namespace voicechan::server
