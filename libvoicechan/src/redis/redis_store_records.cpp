#include "redis/redis_store_records.hpp"

#include <charconv>
#include <chrono>
#include <limits>

#include "redis/hex.hpp"

namespace voicechan::redis {
namespace {

constexpr std::size_t kSortableDigits = 20;  // of an unsigned number of 64 bits
constexpr std::uint64_t kSign = std::uint64_t{1} << 63U;

/// What is before the next space, which is taken away with it; the whole rest if there is none.
std::string_view next_field(std::string_view& rest) noexcept {
  const std::size_t space = rest.find(' ');
  const std::string_view field = rest.substr(0, space);
  rest.remove_prefix(space == std::string_view::npos ? rest.size() : space + 1);
  return field;
}

template <class Id>
bool take_id(std::string_view& rest, Id& id) noexcept {
  const auto number = parse_number(next_field(rest));
  id.value = number.value_or(0);
  return number.has_value();
}

bool take_time(std::string_view& rest, WallTime& time) noexcept {
  const auto number = parse_number(next_field(rest));
  time = WallTime(std::chrono::microseconds(number.value_or(0)));
  return number.has_value();
}

std::string joined(std::initializer_list<std::string_view> fields) {
  std::string record;
  for (const std::string_view field : fields) {
    if (!record.empty()) record += ' ';
    record += field;
  }
  return record;
}

std::string text_of(std::int64_t number) { return std::to_string(number); }

std::optional<std::uint8_t> parse_digit(char c) noexcept {
  if (c >= '0' && c <= '9') return static_cast<std::uint8_t>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<std::uint8_t>(c - 'a' + 10);
  return std::nullopt;
}

}  // namespace

std::optional<std::int64_t> parse_number(std::string_view text) noexcept {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::string to_decimal(WallTime time) { return text_of(time.time_since_epoch().count()); }

std::string to_sortable(WallTime time) {
  const auto shifted = static_cast<std::uint64_t>(time.time_since_epoch().count()) ^ kSign;
  const std::string digits = std::to_string(shifted);
  return std::string(kSortableDigits - digits.size(), '0') + digits;
}

std::optional<WallTime> parse_sortable(std::string_view text) noexcept {
  std::uint64_t shifted = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), shifted);
  if (error != std::errc() || end != text.data() + text.size() || text.size() != kSortableDigits) {
    return std::nullopt;
  }
  return WallTime(std::chrono::microseconds(static_cast<std::int64_t>(shifted ^ kSign)));
}

std::optional<KeyDigest> parse_hex(std::string_view text) noexcept {
  KeyDigest digest{};
  if (text.size() != 2 * digest.size()) return std::nullopt;
  for (std::size_t i = 0; i < digest.size(); ++i) {
    const auto high = parse_digit(text[2 * i]);
    const auto low = parse_digit(text[2 * i + 1]);
    if (!high || !low) return std::nullopt;
    digest[i] = static_cast<std::uint8_t>(*high << 4U | *low);
  }
  return digest;
}

std::string to_record(const StoredUser& user) {
  return joined({text_of(user.identity.id.value), to_hex(user.key), user.identity.username});
}

std::optional<StoredUser> parse_user(std::string_view record) {
  StoredUser user;
  if (!take_id(record, user.identity.id)) return std::nullopt;
  const auto key = parse_hex(next_field(record));
  if (!key || record.empty()) return std::nullopt;
  user.key = *key;
  user.identity.username = record;
  return user;
}

std::string to_record(const Channel& channel) {
  return joined({text_of(channel.id.value), text_of(channel.creator.value),
                 to_decimal(channel.created_at), channel.name});
}

std::optional<Channel> parse_channel(std::string_view record) {
  Channel channel;
  const bool is_good = take_id(record, channel.id) && take_id(record, channel.creator) &&
                       take_time(record, channel.created_at) && !record.empty();
  if (!is_good) return std::nullopt;
  channel.name = record;
  return channel;
}

std::string to_record(const Invitation& invitation) {
  return joined({text_of(invitation.id.value), text_of(invitation.channel.value),
                 text_of(invitation.addressee.value), text_of(invitation.inviter.value),
                 to_decimal(invitation.created_at), to_string(invitation.status)});
}

std::optional<Invitation> parse_invitation(std::string_view record) {
  Invitation invitation;
  const bool is_good =
      take_id(record, invitation.id) && take_id(record, invitation.channel) &&
      take_id(record, invitation.addressee) && take_id(record, invitation.inviter) &&
      take_time(record, invitation.created_at) && record == to_string(InvitationStatus::pending);
  if (!is_good) return std::nullopt;
  return invitation;
}

std::string to_record(const StoredRevocation& token) {
  return joined({to_sortable(token.token.until), to_sortable(token.revoked_at)});
}

std::optional<StoredRevocation> parse_revocation(std::string_view id, std::string_view record) {
  const auto until = parse_sortable(next_field(record));
  const auto revoked_at = parse_sortable(record);
  if (!until || !revoked_at) return std::nullopt;
  return StoredRevocation{{std::string(id), *until}, *revoked_at};
}

}  // namespace voicechan::redis
