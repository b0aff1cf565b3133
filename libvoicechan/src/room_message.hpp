#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "voicechan/presence.hpp"

// The JSON of signaling rooms. `data` is copied as the peer wrote it.

namespace voicechan {

/// {"type":"peer_joined","room":…,"revision":…,"peer":{…,"polite":false}}
std::string compose_peer_joined(const RoomName& room, std::uint64_t revision, const Peer& peer);
/// {"type":"peer_updated","room":…,"revision":…,"id":…,"data":…}
std::string compose_peer_updated(const RoomName& room, std::uint64_t revision, const Peer& peer);
/// {"type":"peer_left","room":…,"revision":…,"id":…}
std::string compose_peer_left(const RoomName& room, std::uint64_t revision, const PeerId& id);

/// The answer to a join with a room: {"type":"joined","id":…,"room":…,"revision":…,"peers":[…]},
/// and "ice_servers" unless that text is empty. `self` is in the roster, not in "peers".
std::string compose_joined_room(const RoomName& room, const Roster& roster, const PeerId& self,
                                std::string_view ice_servers);

/// The answer to a sync: {"type":"synced","room":…,"revision":…,"same":true}, or "same":false and
/// "changes":[…] (of others), or "peers":[…] if the changes are not known.
std::string compose_synced(const RoomName& room, std::uint64_t revision_asked,
                           const RosterUpdate& update, const PeerId& self);

/// {"type":"updated","room":…,"revision":…}
std::string compose_updated(const RoomName& room, std::uint64_t revision);
/// {"type":"left","room":…}
std::string compose_left(const RoomName& room);

}  // namespace voicechan
