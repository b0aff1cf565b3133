#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "voicechan/clock.hpp"
#include "voicechan/export.hpp"
#include "voicechan/flight_recorder.hpp"
#include "voicechan/peer_id.hpp"

namespace voicechan {

/// A known reason why calls fail.
enum class Fault {
  /// The one who got an offer stayed for `kCallPatience` and has neither answered it nor made an
  /// offer instead.
  offer_never_answered,
  /// An offer was answered, but within `kCallPatience` one side, or both, had sent no candidate:
  /// neither by itself nor in the offer or answer.
  answer_without_candidates,
  /// The one who got an offer left before that time, and before answering.
  peer_left_before_answer,
  /// A TURN server refused a peer that may still use credentials which have ended.
  turn_credential_expired,
  /// A TURN server refused a peer none of whose credentials has ended.
  turn_credential_refused,
  /// A message of a peer was longer than it may be.
  message_too_large,
};

/// "offer_never_answered" and so on; these names do not change.
VOICECHAN_API std::string_view to_string(Fault fault) noexcept;

/// How long a step of a call may take.
constexpr std::chrono::seconds kCallPatience{10};

/// A fault in a room's record.
struct Finding {
  Fault fault;
  WallTime time;
  /// Who is concerned; of an offer or answer its sender first.
  std::vector<PeerId> peers;
  /// A sentence for humans.
  std::string detail;
};

/// Finds what is known to make calls fail in the record of one room, in the order of time. If
/// two offers meet, that is no fault as long as one of them is answered. Pure.
VOICECHAN_API std::vector<Finding> diagnose(const std::vector<FlightEvent>& events, WallTime now);

}  // namespace voicechan
