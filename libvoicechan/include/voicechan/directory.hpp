#pragma once

#include <cstddef>
#include <limits>
#include <optional>
#include <vector>

#include "voicechan/backplane.hpp"
#include "voicechan/clock.hpp"
#include "voicechan/export.hpp"
#include "voicechan/frame.hpp"
#include "voicechan/model.hpp"
#include "voicechan/result.hpp"
#include "voicechan/store.hpp"

namespace voicechan {

/// Which part of a listing is wanted.
struct ChannelPage {
  /// Only channels with a greater id.
  ChannelId after;
  std::size_t limit = std::numeric_limits<std::size_t>::max();
};

/// What an addressee is told of an invitation.
struct InvitationNotice {
  InvitationId id;
  WallTime created_at;
  /// As it is published to `notifications_<addressee>`.
  Frame frame;
};

/// The invitation that a frame of a notification group is the notice of; nothing if it is another
/// one.
VOICECHAN_API std::optional<InvitationId> find_invitation(const Frame& frame) noexcept;

/// What one user may create in all. What is there counts, also if the user was removed since.
struct Quotas {
  std::size_t channels_per_user = kNoQuota;
  std::size_t invitations_per_user = kNoQuota;
};

/// Everything durable and every rule about it: who may create, see and invite. Errors of the store
/// pass through. Thread-safe. May block, so keep it off threads that carry audio.
class VOICECHAN_API Directory {
 public:
  /// The first three must outlive the directory.
  Directory(Store& store, Backplane& backplane, const Clock& clock,
            const Quotas& quotas = {}) noexcept
      : store_(&store), backplane_(&backplane), clock_(&clock), quotas_(quotas) {}

  /// Fails with `Errc::quota_exceeded`.
  Result<Channel> create_channel(const Identity& creator, const ChannelName& name);

  /// Fails with `Errc::unknown_channel`.
  Result<Channel> get_channel(const Identity& viewer, ChannelId id) const;

  /// Ascending by id.
  Result<std::vector<Channel>> list_channels(const Identity& viewer,
                                             const ChannelPage& page = {}) const;

  /// Creates an invitation and, once it is durable, publishes it to `notifications_<addressee>`.
  /// Fails with `Errc::unknown_channel`, `Errc::unknown_user` or `Errc::quota_exceeded`; nothing is
  /// published then.
  Result<Invitation> invite(const Identity& inviter, ChannelId channel, UserId addressee);

  /// For who was not there when they were published: the newest invitations of `addressee` with an
  /// id above `after`, at most `limit`, the oldest first.
  Result<std::vector<InvitationNotice>> list_notices(UserId addressee, InvitationId after,
                                                     std::size_t limit) const;

 private:
  Store* store_;
  Backplane* backplane_;
  const Clock* clock_;
  Quotas quotas_;
};

}  // namespace voicechan
