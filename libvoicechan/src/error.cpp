#include "voicechan/error.hpp"

#include <string>

namespace voicechan {
namespace {

std::string_view sentence(Errc code) noexcept {
  switch (code) {
    case Errc::bad_message:
      return "the message is not a valid signaling message";
    case Errc::not_joined:
      return "send {\"type\":\"join\"} first";
    case Errc::unknown_peer:
      return "no connected peer has this id";
    case Errc::peer_busy:
      return "the peer has too much unread data waiting";
    case Errc::too_large:
      return "the message is too large";
    case Errc::rate_limited:
      return "too many messages";
    case Errc::room_full:
      return "the room has as many members as it may have";
    case Errc::invalid_name:
      return "the name is empty, too long, or has characters that are not allowed";
    case Errc::invalid_room:
      return "the room name is empty, too long, or has characters that are not allowed";
    case Errc::unknown_channel:
      return "no channel has this id";
    case Errc::unknown_user:
      return "no such user";
    case Errc::user_exists:
      return "the user name is taken";
    case Errc::quota_exceeded:
      return "this user has created as many as a user may";
    case Errc::store_unavailable:
      return "the store cannot be read or written now (no access, no space, a disk error, or its "
             "server is away)";
    case Errc::store_locked:
      return "the store is locked by another process";
    case Errc::store_corrupt:
      return "the store is damaged or is not a voicechan database";
    case Errc::store_too_new:
      return "the store was written by a newer version of voicechan";
    case Errc::too_many_hubs:
      return "the backplane has no place for another hub";
  }
  return "unknown error";
}

class Category final : public std::error_category {
 public:
  const char* name() const noexcept override { return "voicechan"; }
  std::string message(int value) const override {
    return std::string(sentence(static_cast<Errc>(value)));
  }
};

}  // namespace

const std::error_category& error_category() noexcept {
  static const Category category;
  return category;
}

std::string_view wire_code(Errc code) noexcept {
  switch (code) {
    case Errc::bad_message:
      return "bad_message";
    case Errc::not_joined:
      return "not_joined";
    case Errc::unknown_peer:
      return "unknown_peer";
    case Errc::peer_busy:
      return "peer_busy";
    case Errc::too_large:
      return "too_large";
    case Errc::rate_limited:
      return "rate_limited";
    case Errc::room_full:
      return "room_full";
    case Errc::invalid_name:
      return "invalid_name";
    case Errc::invalid_room:
      return "invalid_room";
    case Errc::unknown_channel:
      return "unknown_channel";
    case Errc::unknown_user:
      return "unknown_user";
    case Errc::user_exists:
      return "user_exists";
    case Errc::quota_exceeded:
      return "quota_exceeded";
    case Errc::store_unavailable:
      return "store_unavailable";
    case Errc::store_locked:
      return "store_locked";
    case Errc::store_corrupt:
      return "store_corrupt";
    case Errc::store_too_new:
      return "store_too_new";
    case Errc::too_many_hubs:
      return "too_many_hubs";
  }
  return "unknown_error";
}

int http_status(Errc code) noexcept {
  switch (code) {
    case Errc::bad_message:
    case Errc::invalid_name:
    case Errc::invalid_room:
      return 400;
    case Errc::quota_exceeded:
      return 403;
    case Errc::unknown_peer:
    case Errc::unknown_channel:
    case Errc::unknown_user:
      return 404;
    case Errc::not_joined:
    case Errc::room_full:
    case Errc::user_exists:
      return 409;
    case Errc::too_large:
      return 413;
    case Errc::rate_limited:
      return 429;
    case Errc::peer_busy:
    case Errc::store_unavailable:
    case Errc::store_locked:
    case Errc::store_corrupt:
    case Errc::store_too_new:
    case Errc::too_many_hubs:
      return 503;
  }
  return 500;
}

}  // namespace voicechan
