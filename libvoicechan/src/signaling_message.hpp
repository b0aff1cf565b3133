#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "voicechan/error.hpp"
#include "voicechan/export.hpp"
#include "voicechan/result.hpp"

// The JSON of the signaling socket. A message that is forwarded is never rebuilt from a parsed
// form: its members are copied as they were written, so numbers and Unicode arrive untouched.

namespace voicechan {

/// A client's message as far as routing needs it. Views point into the text it was parsed from.
struct SignalingMessage {
  /// The whole JSON object.
  std::string_view text;
  /// The value of "type" if that is a string (of Unicode characters; no lone surrogate escape).
  std::optional<std::string> type;
  /// The value of "to" if that is such a string.
  std::optional<std::string> to;
  /// "to" is there, as a string or not. One that is null counts as absent: front ends that fill in
  /// one object for every message send it so.
  bool has_to = false;
  /// The value of "msg_id" as it is written, if that is a string or a number and not longer than
  /// `kMaxMessageIdBytes`.
  std::optional<std::string_view> msg_id;

  static constexpr std::size_t kMaxMessageIdBytes = 128;
};

/// Fails with `Errc::bad_message` unless `text` is one JSON object (RFC 8259, UTF-8) whose values
/// are nested at most `max_depth` deep. Of members with the same name the last one counts.
Result<SignalingMessage> parse_signaling_message(std::string_view text, std::size_t max_depth);

/// Whether the text is one JSON value (RFC 8259), nested at most `max_depth` deep. An escape may
/// name half a surrogate pair.
VOICECHAN_API bool is_json(std::string_view text, std::size_t max_depth);

/// The text of the member `name` of the message as it is written: a JSON value. The last one if
/// there are several; nothing if there is none.
std::optional<std::string_view> find_member(const SignalingMessage& message, std::string_view name);

/// The text that a JSON value stands for; nothing if it is no string, or has half a surrogate pair.
std::optional<std::string> string_value(std::string_view value);

/// The integer, 0 or more, that a JSON value is; nothing if it is none, or does not fit.
std::optional<std::uint64_t> natural_value(std::string_view value);

/// The message's text with `"from": <from>` in place of any "from" it has; all other members
/// unchanged and in order.
std::string compose_forwarded(const SignalingMessage& message, std::string_view from);

/// {"type":"error","code":"…","detail":"…"} and "to" if there is one.
std::string compose_error(Errc code, std::string_view detail, std::optional<std::string_view> to);

}  // namespace voicechan
