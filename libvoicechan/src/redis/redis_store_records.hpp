#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "voicechan/model.hpp"
#include "voicechan/store_archive.hpp"

// The records of redis_store_scripts.hpp as text and back. What comes out of Redis is outside data:
// a record that is not of its form gives nothing.

namespace voicechan::redis {

/// Scores of sorted sets and numbers of Lua are exact up to here.
inline constexpr std::int64_t kMaxRedisId = std::int64_t{1} << 53;

/// Whether a row can have this id; others need not be looked for.
constexpr bool is_possible_id(std::int64_t id) noexcept { return id > 0 && id < kMaxRedisId; }

/// A whole decimal number, nothing before or behind it.
std::optional<std::int64_t> parse_number(std::string_view text) noexcept;

std::string to_decimal(WallTime time);
/// Twenty digits that sort as the times do.
std::string to_sortable(WallTime time);
std::optional<WallTime> parse_sortable(std::string_view text) noexcept;

std::optional<KeyDigest> parse_hex(std::string_view text) noexcept;

std::string to_record(const StoredUser& user);
std::optional<StoredUser> parse_user(std::string_view record);

std::string to_record(const Channel& channel);
std::optional<Channel> parse_channel(std::string_view record);

std::string to_record(const Invitation& invitation);
std::optional<Invitation> parse_invitation(std::string_view record);

/// Without the token's id, which is the record's name.
std::string to_record(const StoredRevocation& token);
std::optional<StoredRevocation> parse_revocation(std::string_view id, std::string_view record);

}  // namespace voicechan::redis
