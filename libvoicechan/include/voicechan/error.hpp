#pragma once

#include <string_view>
#include <system_error>

#include "voicechan/export.hpp"

namespace voicechan {

/// Every refusal the library can give. Each has one wire code (for JSON messages) and one HTTP
/// status, so that all hosts answer alike.
enum class Errc {
  /// A signaling message is not a JSON object in a text frame, is nested too deeply, or lacks a
  /// usable `to`.
  bad_message = 1,
  /// A signaling message other than `join` came before `join`.
  not_joined,
  /// No connected peer answers to the id in `to`.
  unknown_peer,
  /// The peer is connected but has too much unread data waiting; the message was not queued.
  peer_busy,
  /// A message is longer than the host allows.
  too_large,
  /// The session sent messages faster than the host allows; the message was not processed.
  rate_limited,
  /// The room has as many members as it may have.
  room_full,
  /// A channel name, user name or token id is empty, too long, not UTF-8, or has control
  /// characters.
  invalid_name,
  /// A room name is empty, too long, not UTF-8, or has a slash or control characters.
  invalid_room,
  /// No channel has this id.
  unknown_channel,
  /// No user has this id, name, or key.
  unknown_user,
  /// The user name is taken.
  user_exists,
  /// The user has created as many channels, or invitations, as a user may.
  quota_exceeded,
  /// The store cannot serve now (disk full, read-only, I/O error); nothing was changed. Trying
  /// again later may help.
  store_unavailable,
  /// Another process keeps the store locked; nothing was changed. Trying again later helps.
  store_locked,
  /// The store's file is damaged or is not a voicechan database.
  store_corrupt,
  /// The store was written by a newer version of this library.
  store_too_new,
  /// The backplane has no place for another hub (`Backplane` implementations say how many they
  /// hold).
  too_many_hubs,
};

/// The category of `Errc`; `message()` is an English sentence fit for operators.
VOICECHAN_API const std::error_category& error_category() noexcept;

/// Lets an `Errc` become a `std::error_code`.
inline std::error_code make_error_code(Errc code) noexcept {
  return {static_cast<int>(code), error_category()};
}

/// The code as it is written in JSON messages: "unknown_peer".
VOICECHAN_API std::string_view wire_code(Errc code) noexcept;

/// The HTTP status that answers a request refused for this reason.
VOICECHAN_API int http_status(Errc code) noexcept;

}  // namespace voicechan

template <>
struct std::is_error_code_enum<voicechan::Errc> : std::true_type {};
