#include "pending_presence.hpp"

#include <utility>

namespace voicechan {

PendingPresence::PendingById::iterator PendingPresence::find(const RoomName& room,
                                                             const PeerId& peer) {
  const auto found = pending_.find(peer);
  // A peer may be in one room while it wants to enter another one.
  const bool is_it = found != pending_.end() && found->second.room.str() == room.str();
  return is_it ? found : pending_.end();
}

PendingPresence::Admission PendingPresence::admit(const RoomName& room, const PeerId& peer,
                                                  std::uint64_t order) {
  const MutexLock lock(mutex_);
  const auto found = find(room, peer);
  if (found == pending_.end()) return Admission::gone;
  Pending pending = std::move(found->second);
  pending_.erase(found);
  pending.peer.order = order;
  const auto answer =
      hooks_->enter_pending(room, std::move(pending.peer), pending.max, pending.number);
  return answer ? Admission::entered : Admission::room_full;
}

void PendingPresence::refuse(const RoomName& room, const PeerId& peer, Errc reason) {
  const MutexLock lock(mutex_);
  const auto found = find(room, peer);
  if (found == pending_.end()) return;
  hooks_->refuse_pending(peer.address(), found->second.number, reason);
  pending_.erase(found);
}

EntryAnswer PendingPresence::enter(const RoomName& room, Peer peer, std::size_t max,
                                   std::uint64_t number) {
  const MutexLock lock(mutex_);
  const PeerId id = peer.id;
  const auto place =
      pending_.insert_or_assign(id, Pending{room, std::move(peer), max, number}).first;
  peers_->on_wants_to_enter(room, place->second.peer);
  return std::nullopt;
}

void PendingPresence::update(const RoomName& room, const PeerId& peer, std::string data) {
  const MutexLock lock(mutex_);
  peers_->on_updated(room, peer, data);
  local_->update(room, peer, std::move(data));
}

void PendingPresence::leave(const RoomName& room, const PeerId& peer) noexcept {
  const MutexLock lock(mutex_);
  const auto found = find(room, peer);
  if (found != pending_.end()) {
    pending_.erase(found);
  } else if (local_->find_since(room, peer)) {  // one that was refused is nowhere
    local_->leave(room, peer);
  }
  peers_->on_left(room, peer);
}

}  // namespace voicechan
