#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "voicechan/frame.hpp"

// The messages of a Django channel layer: msgpack, a map with a "type", which names the method of
// a consumer that is to be called with it.

namespace voicechan::redis {

/// How events become frames, and frames events.
struct ChannelEventFormat {
  std::string type = "relay";  ///< of the events that are sent
  std::string field;           ///< what a received event's frame is the JSON of; empty: see below
};

/// More of an event, or deeper, is not understood: a frame of the largest size and some room.
inline constexpr std::size_t kMaxChannelEventBytes = (std::size_t{1} << 20) + 65'536;
inline constexpr std::size_t kMaxChannelEventDepth = 64;

/// {"type", "sender", "text": string or nil, "bytes": bytes or nil}. `sender` names this server, so
/// that all of ours know the event again.
std::string encode_channel_event(const Frame& frame, const ChannelEventFormat& format,
                                 std::string_view sender);

/// What `sender` begins with in all events of servers of ours.
inline constexpr std::string_view kChannelEventSender = "voicechan.";

struct ChannelEvent {
  /// None: there is nothing to pass on, or `problem` says why it cannot be.
  std::optional<Frame> frame;
  const char* problem = nullptr;
};

/// Reads what somebody has sent to a group. A frame is, first to last:
/// - the JSON of the field that the format names, if the event has it;
/// - "text" or "text_data", if it is a string; "bytes" or "bytes_data", if it is binary;
/// - the JSON of all members but "type".
/// Nothing comes of events of our own servers. Pure.
ChannelEvent decode_channel_event(std::string_view bytes, const ChannelEventFormat& format);

}  // namespace voicechan::redis
