#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "voicechan/export.hpp"
#include "voicechan/model.hpp"
#include "voicechan/result.hpp"

namespace voicechan {

/// An invitation that has just become durable, with what its notification shows.
struct IssuedInvitation {
  Invitation invitation;
  std::string channel_name;
};

/// An invitation as it is listed for its addressee, with what its notification shows.
struct ReceivedInvitation {
  Invitation invitation;
  std::string channel_name;
  /// Empty: the inviter was removed since.
  std::string inviter_username;
};

/// How long a token stays on the deny-list after its time: more than any clock skew that is allowed
/// for.
inline constexpr std::chrono::hours kRevokedTokenGrace{24};

/// A user may create any number.
inline constexpr std::size_t kNoQuota = std::numeric_limits<std::size_t>::max();

/// Where channels, invitations and users are kept. Each method is one atomic operation: it happens
/// wholly or not at all, and a change has become as durable as the store can make it when the
/// method returns. Any method may fail with `Errc::store_unavailable`, `store_locked` or
/// `store_corrupt`; it then changed nothing. Ids ascend and are never used twice. Every
/// implementation passes `tests/store_conformance.hpp`. Thread-safe. May block.
class VOICECHAN_API Store {
 public:
  virtual ~Store() = default;

  /// Fails with `Errc::quota_exceeded` if `creator` has created `quota` channels already.
  virtual Result<Channel> create_channel(const ChannelName& name, UserId creator,
                                         WallTime created_at,
                                         std::size_t quota = kNoQuota) noexcept = 0;

  /// Fails with `Errc::unknown_channel`.
  virtual Result<Channel> get_channel(ChannelId id) noexcept = 0;

  /// Channels with an id above `after`, ascending, at most `limit`.
  virtual Result<std::vector<Channel>> list_channels(ChannelId after,
                                                     std::size_t limit) noexcept = 0;

  /// Fails with `Errc::unknown_channel` (looked at first), `Errc::unknown_user` (the addressee), or
  /// `Errc::quota_exceeded` if `inviter` has created `quota` invitations already.
  virtual Result<IssuedInvitation> create_invitation(ChannelId channel, UserId addressee,
                                                     UserId inviter, WallTime created_at,
                                                     std::size_t quota = kNoQuota) noexcept = 0;

  /// The newest invitations of `addressee` with an id above `after`, at most `limit`, the newest
  /// first. A user who is not known has none.
  virtual Result<std::vector<ReceivedInvitation>> list_invitations(UserId addressee,
                                                                   InvitationId after,
                                                                   std::size_t limit) noexcept = 0;

  /// Fails with `Errc::user_exists` if the name is taken, or the key (which random ones never are).
  virtual Result<Identity> create_user(const Username& name, const KeyDigest& key) noexcept = 0;

  /// From its return on the old key finds nobody. Fails with `Errc::unknown_user`, or with
  /// `Errc::user_exists` if another user has the key.
  virtual Result<Identity> replace_user_key(const Username& name,
                                            const KeyDigest& key) noexcept = 0;

  /// Removes a user and his key. What he created stays. Returns who it was. Fails with
  /// `Errc::unknown_user`.
  virtual Result<Identity> remove_user(const Username& name) noexcept = 0;

  /// All users, by ascending id.
  virtual Result<std::vector<Identity>> list_users() noexcept = 0;

  /// Fails with `Errc::unknown_user`.
  virtual Result<Identity> get_user(UserId id) noexcept = 0;

  /// Fails with `Errc::unknown_user`.
  virtual Result<Identity> get_user_by_name(const Username& name) noexcept = 0;

  /// Finds by the digest, then compares the whole of it in constant time. How long the search takes
  /// tells nothing of use: digests cannot be chosen, and keys are random. Fails with
  /// `Errc::unknown_user`.
  virtual Result<Identity> get_user_by_key(const KeyDigest& key) noexcept = 0;

  /// Puts a token on the deny-list, until a day after `until` at least (the later one if it is
  /// there already); `now` is when this happens. Entries whose time has passed are forgotten when
  /// others come.
  virtual Result<RevokedToken> revoke_token(const TokenId& id, WallTime until,
                                            WallTime now) noexcept = 0;

  /// Whether the deny-list has it.
  virtual Result<bool> is_token_revoked(const TokenId& id) noexcept = 0;

  /// The deny-list, by ascending id.
  virtual Result<std::vector<RevokedToken>> list_revoked_tokens() noexcept = 0;

  /// Grows with every key that is replaced, user that is removed and token that is revoked, by
  /// whichever process: who keeps sessions alive looks at this often, and at credentials only when
  /// it has changed.
  virtual Result<std::int64_t> count_revocations() noexcept = 0;
};

/// Keeps everything in memory: for tests, and for hosts that need nothing to survive them.
/// Thread-safe; fails with `Errc::store_unavailable` only when memory runs out.
VOICECHAN_API std::unique_ptr<Store> make_memory_store();

}  // namespace voicechan
