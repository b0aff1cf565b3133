#pragma once

#include <string>
#include <string_view>

// How a store looks like in Redis, and the scripts that change it: a decision and what it changes
// are one script, which Redis runs as a whole and alone.
//
//   vc:store:meta               hash: format (of this layout), id (random, of this store), user,
//                               channel and invitation (the ids given last), revocations (count),
//                               import (only while a migration fills the store), received (the
//                               invitations up to this one are in their addressees' sets)
//   vc:store:users              sorted set, score: id, member: "<id> <key digest in hex> <name>"
//   vc:store:user_names         hash: name -> id
//   vc:store:user_keys          hash: key digest in hex -> id
//   vc:store:channels           sorted set, score: id, member: "<id> <creator> <created> <name>"
//   vc:store:channel_totals     hash: user -> how many channels he created
//   vc:store:invitations        sorted set, score: id,
//                               member: "<id> <channel> <addressee> <inviter> <created> <status>"
//   vc:store:received:<user>    sorted set, score and member: id of an invitation of this user;
//                               what a migration or an earlier version wrote is added with the next
//                               invitation or listing (`kKeepReceived`)
//   vc:store:invitation_totals  hash: user -> how many invitations he created
//   vc:store:revoked            hash: token id -> "<until> <revoked>"
//   vc:store:revoked_by_time    sorted set, score: 0, member: "<until><token id>"
//
// Created is in microseconds since 1970, in decimals. Until and revoked are the same in a form that
// sorts as text (`to_sortable`). Scripts never make numbers of them, which in Lua have 53 bits; ids
// have no more than those (`kMaxRedisId`). A name is whatever follows the last space of a record's
// beginning, byte for byte.

namespace voicechan::redis {

/// The layout above.
inline constexpr std::string_view kStoreFormat = "1";

namespace key {
inline constexpr std::string_view kMeta = "vc:store:meta";
inline constexpr std::string_view kUsers = "vc:store:users";
inline constexpr std::string_view kUserNames = "vc:store:user_names";
inline constexpr std::string_view kUserKeys = "vc:store:user_keys";
inline constexpr std::string_view kChannels = "vc:store:channels";
inline constexpr std::string_view kChannelTotals = "vc:store:channel_totals";
inline constexpr std::string_view kInvitations = "vc:store:invitations";
inline constexpr std::string_view kReceivedPrefix = "vc:store:received:";
inline constexpr std::string_view kInvitationTotals = "vc:store:invitation_totals";
inline constexpr std::string_view kRevoked = "vc:store:revoked";
inline constexpr std::string_view kRevokedByTime = "vc:store:revoked_by_time";
}  // namespace key

/// A Lua script and the name by which Redis knows it once it has run it. Immutable.
class Script {
 public:
  explicit Script(std::string_view text);

  const std::string& text() const noexcept { return text_; }
  /// In hexadecimal digits.
  const std::string& sha1() const noexcept { return sha1_; }

 private:
  std::string text_;
  std::string sha1_;
};

// What each takes and gives stands above its text. A refusal is a status reply with the refusal's
// wire code.
namespace script {
const Script& prepare();
const Script& create_channel();
const Script& create_invitation();
const Script& list_invitations();
const Script& create_user();
const Script& replace_user_key();
const Script& remove_user();
const Script& find_user();
const Script& revoke_token();
const Script& begin_import();
const Script& finish_import();
}  // namespace script

}  // namespace voicechan::redis
