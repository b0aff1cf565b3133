#pragma once

#include <cstdint>
#include <functional>

namespace voicechan {

/// A database id that cannot be mixed up with an id of another kind. Valid ids are positive; 0
/// means "none". Immutable value.
template <class Tag>
struct Id {
  std::int64_t value = 0;

  friend bool operator==(Id a, Id b) { return a.value == b.value; }
  friend bool operator!=(Id a, Id b) { return a.value != b.value; }
  friend bool operator<(Id a, Id b) { return a.value < b.value; }
};

/// Names a user.
using UserId = Id<struct UserTag>;
/// Names a voice channel.
using ChannelId = Id<struct ChannelTag>;
/// Names an invitation.
using InvitationId = Id<struct InvitationTag>;

}  // namespace voicechan

template <class Tag>
struct std::hash<voicechan::Id<Tag>> {
  std::size_t operator()(voicechan::Id<Tag> id) const noexcept {
    return std::hash<std::int64_t>()(id.value);
  }
};
