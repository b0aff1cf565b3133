#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "voicechan/export.hpp"
#include "voicechan/model.hpp"
#include "voicechan/result.hpp"

namespace voicechan {

/// A user with what he is recognised by.
struct StoredUser {
  Identity identity;
  KeyDigest key{};
};

/// A token on the deny-list, and since when.
struct StoredRevocation {
  RevokedToken token;
  WallTime revoked_at;
};

/// What a store counts: the ids that it gave last, of rows that may be gone, and its revocations.
struct StoreCounters {
  std::int64_t last_user = 0;
  std::int64_t last_channel = 0;
  std::int64_t last_invitation = 0;
  std::int64_t revocations = 0;
};

/// All that a store holds, as it is, to be moved into another one (`migrate_store`). Rows come in
/// pages: those with an id above `after`, ascending, at most `limit`. Methods fail as those of
/// `Store` do. One thread at a time. May block.
class VOICECHAN_API StoreArchive {
 public:
  virtual ~StoreArchive() = default;

  /// How much there is.
  enum class State {
    empty,       ///< nothing, and nothing was ever in it
    unfinished,  ///< what an import has left that did not come to its end; no store can be opened
    complete,
  };
  /// Looks what is there.
  virtual Result<State> state() = 0;

  /// The counters as they are now.
  virtual Result<StoreCounters> counters() = 0;
  /// A page of users.
  virtual Result<std::vector<StoredUser>> users(UserId after, std::size_t limit) = 0;
  /// A page of channels.
  virtual Result<std::vector<Channel>> channels(ChannelId after, std::size_t limit) = 0;
  /// A page of invitations.
  virtual Result<std::vector<Invitation>> invitations(InvitationId after, std::size_t limit) = 0;
  /// All tokens on the deny-list, by ascending id.
  virtual Result<std::vector<StoredRevocation>> revoked_tokens() = 0;

  /// Makes an archive that is empty or unfinished ready to be filled; what an unfinished one holds
  /// goes. Until `finish_import` no store can be opened here.
  virtual std::error_code begin_import(const StoreCounters& counters) = 0;
  /// Adds rows with their ids, as they are. Only in an import; so are the following.
  virtual std::error_code add(const std::vector<StoredUser>& users) = 0;
  /// The same for channels.
  virtual std::error_code add(const std::vector<Channel>& channels) = 0;
  /// The same for invitations.
  virtual std::error_code add(const std::vector<Invitation>& invitations) = 0;
  /// The same for tokens on the deny-list.
  virtual std::error_code add(const std::vector<StoredRevocation>& tokens) = 0;
  /// From its return on the archive is complete.
  virtual std::error_code finish_import() = 0;
};

/// What came of moving a store.
struct MigrationReport {
  std::size_t users = 0;
  std::size_t channels = 0;
  std::size_t invitations = 0;
  std::size_t revoked_tokens = 0;
  /// Why it was not moved, in words for an operator; empty: it was. The source is never changed,
  /// and what may be in the destination then can only be overwritten by another migration.
  std::string failure;
};

/// Moves all that a store holds into an archive that is empty or unfinished: with all ids, times
/// and counters. Then reads both again and compares them, and only then finishes the import. Fails,
/// too, if the source has changed meanwhile. `on_progress` is told what is being done, in words,
/// and how many rows have been done. Blocks.
VOICECHAN_API MigrationReport
migrate_store(StoreArchive& from, StoreArchive& to,
              const std::function<void(std::string_view what, std::size_t rows)>& on_progress);

}  // namespace voicechan
