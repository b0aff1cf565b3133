#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "voicechan/ice_offer.hpp"
#include "voicechan/peer_id.hpp"
#include "voicechan/presence.hpp"

// The JSON of signaling rooms and of receipts. What peers wrote (`data`, `msg_id`) is copied as it
// is.

namespace voicechan {

/// {"type":"peer_joined","room":…,"revision":…,"peer":{…,"polite":false}}, for those who came
/// before it.
std::string compose_peer_joined(const RoomName& room, std::uint64_t revision, const Peer& peer);
/// The same with "polite":true, for one who came after it and is told of it only now.
std::string compose_late_peer_joined(std::string_view peer_joined);
/// {"type":"peer_updated","room":…,"revision":…,"id":…,"data":…}
std::string compose_peer_updated(const RoomName& room, std::uint64_t revision, const Peer& peer);
/// {"type":"peer_left","room":…,"revision":…,"id":…}
std::string compose_peer_left(const RoomName& room, std::uint64_t revision, const PeerId& id);

/// What a client needs to resume its session.
struct ResumeOffer {
  PeerId key;
  /// The number of the message that this is told in.
  std::uint64_t seq;
  std::chrono::seconds window;
};

/// {"type":"joined","id":…} and "resume":{"key":…,"seq":…,"window":…} if there is such an offer.
std::string compose_joined(std::string_view id, const std::optional<ResumeOffer>& resume);

/// The answer to a join with a room: {"type":"joined","id":…,"room":…,"revision":…,"peers":[…]},
/// "ice_servers":[…],"ice_ttl":… and "resume":{…} if there are these. `self` is in the roster, not
/// in "peers".
std::string compose_joined_room(const RoomName& room, const Roster& roster, const PeerId& self,
                                const std::optional<IceOffer>& ice,
                                const std::optional<ResumeOffer>& resume);

/// {"type":"resumed","id":…,"seq":…,"missed":…}
std::string compose_resumed(std::string_view id, std::uint64_t seq, std::size_t missed);
/// {"type":"resume_failed","reason":…}
std::string compose_resume_failed(std::string_view reason);

/// {"type":"ice_servers","ice_servers":[…],"ice_ttl":…}
std::string compose_ice_servers(const IceOffer& ice);

/// The answer to a sync: {"type":"synced","room":…,"revision":…,"same":true} if nothing changed
/// since the revision, or "same":false and "changes":[…] (of others).
std::string compose_synced(const RoomName& room, std::uint64_t revision,
                           const std::vector<RosterChange>& changes, const Stay& self);
/// The same with "peers":[…], if the changes are not known.
std::string compose_synced(const RoomName& room, const Roster& roster, const PeerId& self);

/// {"type":"updated","room":…,"revision":…}
std::string compose_updated(const RoomName& room, std::uint64_t revision);
/// {"type":"receipt","msg_id":…,"status":…} and "to" if there is one. `msg_id` is JSON.
std::string compose_receipt(std::string_view msg_id, std::string_view status,
                            std::optional<std::string_view> to);
/// The same with "status":"queued" and "expires_in" (seconds).
std::string compose_receipt_queued(std::string_view msg_id, std::string_view to,
                                   std::chrono::seconds expires_in);
/// The same for a message that was refused, with "code" and "detail".
std::string compose_refusal(std::string_view msg_id, std::optional<std::string_view> to,
                            std::string_view code, std::string_view detail);

/// {"type":"left","room":…}
std::string compose_left(const RoomName& room);

}  // namespace voicechan
