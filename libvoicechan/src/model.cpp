#include "voicechan/model.hpp"

#include "unicode.hpp"

namespace voicechan {
namespace {

constexpr std::size_t kMaxChannelNameCharacters = 255;
constexpr std::size_t kMaxUsernameCharacters = 150;
constexpr std::size_t kMaxRoomNameBytes = 200;
constexpr std::size_t kMaxTokenIdBytes = 255;

/// The number of characters in `text`; nothing if it is not UTF-8 or `is_forbidden` finds one.
template <class Predicate>
std::optional<std::size_t> count_characters(std::string_view text, Predicate is_forbidden) {
  std::size_t count = 0;
  while (!text.empty()) {
    const auto character = unicode::take_character(text);
    if (!character || is_forbidden(*character)) return std::nullopt;
    ++count;
  }
  return count;
}

}  // namespace

Result<ChannelName> ChannelName::parse(std::string_view text) {
  const auto trimmed = unicode::trim(text);
  if (!trimmed) return Errc::invalid_name;
  const auto length = count_characters(*trimmed, unicode::is_control);
  if (!length || *length == 0 || *length > kMaxChannelNameCharacters) return Errc::invalid_name;
  return ChannelName(std::string(*trimmed));
}

Result<Username> Username::parse(std::string_view text) {
  const auto length = count_characters(
      text, [](char32_t c) { return unicode::is_control(c) || unicode::is_white_space(c); });
  if (!length || *length == 0 || *length > kMaxUsernameCharacters) return Errc::invalid_name;
  return Username(std::string(text));
}

Result<TokenId> TokenId::parse(std::string_view text) {
  if (text.empty() || text.size() > kMaxTokenIdBytes) return Errc::invalid_name;
  if (!count_characters(text, unicode::is_control)) return Errc::invalid_name;
  return TokenId(std::string(text));
}

Result<RoomName> RoomName::parse(std::string_view text) {
  if (text.empty() || text.size() > kMaxRoomNameBytes) return Errc::invalid_room;
  const auto length =
      count_characters(text, [](char32_t c) { return unicode::is_control(c) || c == U'/'; });
  if (!length) return Errc::invalid_room;
  return RoomName(std::string(text));
}

std::string_view to_string(InvitationStatus status) noexcept {
  switch (status) {
    case InvitationStatus::pending:
      return "pending";
  }
  return {};
}

RoomName voice_room(ChannelId channel) {
  return RoomName::parse(std::to_string(channel.value)).value();
}

}  // namespace voicechan
