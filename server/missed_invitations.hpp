#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "voicechan/backplane.hpp"
#include "voicechan/clock.hpp"
#include "voicechan/directory.hpp"
#include "voicechan/mutex.hpp"
#include "voicechan/result.hpp"

namespace voicechan::server {

/// No more are made up for: the newest ones.
inline constexpr std::size_t kMaxMissedInvitations = 100;

/// The newest invitations of a user, the oldest first: the last one, and all that were made since
/// `not_before`; it may have others.
Result<std::vector<InvitationNotice>> list_newest(const Directory& directory, UserId user,
                                                  WallTime not_before);

/// Looks in the store for invitations that the bus may have lost, when it comes back, for the users
/// who have notifications sockets here: a thread of its own does so one user after the other, since
/// all of them are due at once, and tries again until the store answers. Thread-safe.
class MissedInvitations {
 public:
  using Notices = std::shared_ptr<const std::vector<InvitationNotice>>;
  /// Called on its thread, for the sockets of the user that have not had them.
  using Deliver = std::function<void(UserId user, const Notices& notices)>;

  /// Null if the backplane loses nothing. All must outlive it.
  static std::unique_ptr<MissedInvitations> watch(Backplane& backplane, const Directory& directory,
                                                  const Clock& clock);
  /// As `stop`.
  ~MissedInvitations();
  MissedInvitations(const MissedInvitations&) = delete;
  MissedInvitations& operator=(const MissedInvitations&) = delete;

  /// From now on what was missed is delivered.
  void start(Deliver deliver);
  /// Ends the thread. Idempotent.
  void stop() VOICECHAN_EXCLUDES(mutex_);

  /// One notifications socket of a user, until it is destroyed.
  class Socket {
   public:
    Socket(Socket&& other) noexcept
        : owner_(std::exchange(other.owner_, nullptr)), user_(other.user_) {}
    Socket& operator=(Socket&&) = delete;
    ~Socket() {
      if (owner_ != nullptr) owner_->remove_socket(user_);
    }

   private:
    friend class MissedInvitations;
    Socket(MissedInvitations& owner, UserId user) noexcept : owner_(&owner), user_(user) {}

    MissedInvitations* owner_;
    UserId user_;
  };
  /// To be called before what it is to get is published.
  Socket add_socket(UserId user) VOICECHAN_EXCLUDES(mutex_);

 private:
  struct Receiver {
    std::size_t sockets = 0;
    /// All that was stored before has been published to them, or delivered.
    WallTime complete_until;
  };

  MissedInvitations(Backplane& backplane, const Directory& directory, const Clock& clock) noexcept
      : backplane_(&backplane), directory_(&directory), clock_(&clock) {}

  void on_gap(std::string_view group) VOICECHAN_EXCLUDES(mutex_);
  void remove_socket(UserId user) noexcept VOICECHAN_EXCLUDES(mutex_);
  void run(const Deliver& deliver) VOICECHAN_EXCLUDES(mutex_);
  /// The next one to look for, once there is one; nothing: the end has come.
  std::optional<UserId> wait_for_user() VOICECHAN_EXCLUDES(mutex_);
  /// False if the store does not answer.
  bool look(UserId user, const Deliver& deliver) VOICECHAN_EXCLUDES(mutex_);

  Backplane* const backplane_;
  const Directory* const directory_;
  const Clock* const clock_;
  Mutex mutex_;
  ConditionVariable wake_;
  std::unordered_map<UserId, Receiver> receivers_ VOICECHAN_GUARDED_BY(mutex_);
  std::set<UserId> due_ VOICECHAN_GUARDED_BY(mutex_);
  UserId last_ VOICECHAN_GUARDED_BY(mutex_){};               // that was looked for
  MonotonicTime not_before_ VOICECHAN_GUARDED_BY(mutex_){};  // the store did not answer
  bool is_stopping_ VOICECHAN_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace voicechan::server
