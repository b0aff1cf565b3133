#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "operator_key.hpp"
#include "voicechan/flight_recorder.hpp"
#include "voicechan/model.hpp"
#include "voicechan/presence.hpp"

namespace voicechan::server {

/// Shows what happened in signaling rooms to those who may see it. Thread-safe.
class RoomTraces {
 public:
  /// All of them must outlive this. Without `operator_key` there is no operator.
  RoomTraces(FlightRecorder& recorder, const Presence& presence,
             const OperatorKey* operator_key) noexcept
      : recorder_(&recorder), presence_(&presence), operator_key_(operator_key) {}

  bool is_operator(std::string_view key) const {
    return operator_key_ != nullptr && operator_key_->matches(key);
  }

  /// The room's record and the faults in it, as JSON.
  std::string show(const RoomName& room) const;
  /// The same for a user who is in the room, or whom the record tells of; nothing for others.
  std::optional<std::string> show_to(UserId user, const RoomName& room) const;

 private:
  FlightRecorder* recorder_;
  const Presence* presence_;
  const OperatorKey* operator_key_;
};

}  // namespace voicechan::server
