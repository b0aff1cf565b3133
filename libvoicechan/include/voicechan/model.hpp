#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "voicechan/clock.hpp"
#include "voicechan/export.hpp"
#include "voicechan/ids.hpp"
#include "voicechan/result.hpp"

namespace voicechan {

/// Who a session or a request belongs to. How the host found out (token, cookie, SIP digest) is the
/// host's business.
struct Identity {
  UserId id;
  std::string username;
};

/// A voice channel's name: 1 to 255 Unicode characters after trimming white space, no control
/// characters. Names are not unique.
class VOICECHAN_API ChannelName {
 public:
  /// Trims and checks. Fails with `Errc::invalid_name`.
  static Result<ChannelName> parse(std::string_view text);

  const std::string& str() const noexcept { return text_; }

 private:
  explicit ChannelName(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

/// A user's name: 1 to 150 Unicode characters, no white space, no control characters. Unique.
class VOICECHAN_API Username {
 public:
  /// Checks. Fails with `Errc::invalid_name`.
  static Result<Username> parse(std::string_view text);

  const std::string& str() const noexcept { return text_; }

 private:
  explicit Username(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

/// The id by which one token can be revoked (the `jti` of a JWT): 1 to 255 bytes of UTF-8 without
/// control characters. Compared byte by byte.
class VOICECHAN_API TokenId {
 public:
  /// Checks. Fails with `Errc::invalid_name`.
  static Result<TokenId> parse(std::string_view text);

  const std::string& str() const noexcept { return text_; }

 private:
  explicit TokenId(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

/// A token on the deny-list.
struct RevokedToken {
  std::string id;
  /// From then on the token would have been refused anyway.
  WallTime until;
};

/// The name of a live room: 1 to 200 bytes of UTF-8 without `/` and control characters. Compared
/// byte by byte, never trimmed or normalised.
class VOICECHAN_API RoomName {
 public:
  /// Checks. Fails with `Errc::invalid_room`.
  static Result<RoomName> parse(std::string_view text);

  const std::string& str() const noexcept { return text_; }

 private:
  explicit RoomName(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

/// The voice room that belongs to a channel: the one named by its id, "42".
VOICECHAN_API RoomName voice_room(ChannelId channel);

/// A voice channel as it is stored.
struct Channel {
  ChannelId id;
  std::string name;
  UserId creator;
  WallTime created_at;
};

/// What became of an invitation.
enum class InvitationStatus { pending };

/// The status as it is written in JSON: "pending".
VOICECHAN_API std::string_view to_string(InvitationStatus status) noexcept;

/// An invitation of one user into one channel, as it is stored.
struct Invitation {
  InvitationId id;
  ChannelId channel;
  UserId addressee;
  UserId inviter;
  InvitationStatus status = InvitationStatus::pending;
  WallTime created_at;
};

/// SHA-256 of a user's opaque key. The key itself is never stored.
using KeyDigest = std::array<std::uint8_t, 32>;

}  // namespace voicechan
