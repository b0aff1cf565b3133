#include "room_message.hpp"

#include <algorithm>
#include <utility>

#include "message_text.hpp"

namespace voicechan {
namespace {

std::string open_receipt(std::string_view msg_id, std::string_view status,
                         std::optional<std::string_view> to) {
  std::string out =
      R"({"type":"receipt","msg_id":)" + std::string(msg_id) + R"(,"status":)" + quoted(status);
  if (to) out += R"(,"to":)" + quoted(*to);
  return out;
}

/// `is_polite`: whether the reader is the polite one of the two.
std::string compose_peer(const Peer& peer, bool is_polite) {
  return R"({"id":)" + quoted(peer.id.str()) + R"(,"user_id":)" +
         std::to_string(peer.user.id.value) + R"(,"username":)" + quoted(peer.user.username) +
         R"(,"data":)" + peer.data + R"(,"polite":)" + (is_polite ? "true" : "false") + "}";
}

std::string compose_peers(const Roster& roster, const PeerId& self) {
  const auto is_self = [&](const auto& peer) { return peer->id == self; };
  const auto own = std::find_if(roster.peers.begin(), roster.peers.end(), is_self);
  const Stay stay{own == roster.peers.end() ? roster.revision : (*own)->order, self};
  std::string out = R"(,"peers":[)";
  bool is_first = true;
  for (const auto& peer : roster.peers) {
    if (is_self(peer)) continue;
    if (!std::exchange(is_first, false)) out += ',';
    out += compose_peer(*peer, came_after(stay, {peer->order, peer->id}));
  }
  return out + ']';
}

std::string compose_ice(const IceOffer& ice) {
  return R"(,"ice_servers":)" + ice.servers + R"(,"ice_ttl":)" + std::to_string(ice.ttl.count());
}

std::string compose_resume(const ResumeOffer& resume) {
  return R"(,"resume":{"key":)" + quoted(resume.key.str()) + R"(,"seq":)" +
         std::to_string(resume.seq) + R"(,"window":)" + std::to_string(resume.window.count()) + '}';
}

}  // namespace

std::string compose_peer_joined(const RoomName& room, std::uint64_t revision, const Peer& peer) {
  return open_message("peer_joined", room.str(), revision) + R"(,"peer":)" +
         compose_peer(peer, false) + '}';
}

std::string compose_late_peer_joined(std::string_view peer_joined) {
  constexpr std::string_view kEnd = "false}}";
  return std::string(peer_joined.substr(0, peer_joined.size() - kEnd.size())) + "true}}";
}

std::string compose_peer_updated(const RoomName& room, std::uint64_t revision, const Peer& peer) {
  return open_message("peer_updated", room.str(), revision) + R"(,"id":)" + quoted(peer.id.str()) +
         R"(,"data":)" + peer.data + '}';
}

std::string compose_peer_left(const RoomName& room, std::uint64_t revision, const PeerId& id) {
  return open_message("peer_left", room.str(), revision) + R"(,"id":)" + quoted(id.str()) + '}';
}

std::string compose_joined(std::string_view id, const std::optional<ResumeOffer>& resume) {
  std::string out = R"({"type":"joined","id":)" + quoted(id);
  if (resume) out += compose_resume(*resume);
  return out + '}';
}

std::string compose_joined_room(const RoomName& room, const Roster& roster, const PeerId& self,
                                const std::optional<IceOffer>& ice,
                                const std::optional<ResumeOffer>& resume) {
  std::string out = open_message("joined", room.str(), roster.revision) + R"(,"id":)" +
                    quoted(self.str()) + compose_peers(roster, self);
  if (ice) out += compose_ice(*ice);
  if (resume) out += compose_resume(*resume);
  return out + '}';
}

std::string compose_resumed(std::string_view id, std::uint64_t seq, std::size_t missed) {
  return R"({"type":"resumed","id":)" + quoted(id) + R"(,"seq":)" + std::to_string(seq) +
         R"(,"missed":)" + std::to_string(missed) + '}';
}

std::string compose_resume_failed(std::string_view reason) {
  return R"({"type":"resume_failed","reason":)" + quoted(reason) + '}';
}

std::string compose_ice_servers(const IceOffer& ice) {
  return R"({"type":"ice_servers")" + compose_ice(ice) + '}';
}

std::string compose_synced(const RoomName& room, std::uint64_t revision,
                           const std::vector<RosterChange>& changes, const Stay& self) {
  if (changes.empty()) return open_message("synced", room.str(), revision) + R"(,"same":true})";
  std::string out =
      open_message("synced", room.str(), changes.back().revision) + R"(,"same":false,"changes":[)";
  bool is_first = true;
  for (const RosterChange& change : changes) {
    if (change.peer == self.peer) continue;
    if (!std::exchange(is_first, false)) out += ',';
    const bool is_late =
        change.kind == RosterChange::Kind::joined && came_after(self, {change.order, change.peer});
    out += is_late ? compose_late_peer_joined(change.text) : change.text;
  }
  return out + "]}";
}

std::string compose_synced(const RoomName& room, const Roster& roster, const PeerId& self) {
  return open_message("synced", room.str(), roster.revision) + R"(,"same":false)" +
         compose_peers(roster, self) + '}';
}

std::string compose_updated(const RoomName& room, std::uint64_t revision) {
  return open_message("updated", room.str(), revision) + '}';
}

std::string compose_receipt(std::string_view msg_id, std::string_view status,
                            std::optional<std::string_view> to) {
  return open_receipt(msg_id, status, to) + '}';
}

std::string compose_receipt_queued(std::string_view msg_id, std::string_view to,
                                   std::chrono::seconds expires_in) {
  return open_receipt(msg_id, "queued", to) + R"(,"expires_in":)" +
         std::to_string(expires_in.count()) + '}';
}

std::string compose_refusal(std::string_view msg_id, std::optional<std::string_view> to,
                            std::string_view code, std::string_view detail) {
  return open_receipt(msg_id, "refused", to) + R"(,"code":)" + quoted(code) + R"(,"detail":)" +
         quoted(detail) + '}';
}

std::string compose_left(const RoomName& room) { return open_message("left", room.str()) + '}'; }

}  // namespace voicechan
