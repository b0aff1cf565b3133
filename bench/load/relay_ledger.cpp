#include "relay_ledger.hpp"

namespace voicechan::load {

RelayLedger::RelayLedger(const RelayShape& shape, std::uint32_t run)
    : shape_(shape),
      run_(run),
      sent_(std::size_t{shape.rooms} * shape.speakers),
      flows_(std::size_t{shape.all_members()} * shape.speakers) {}

Stamp RelayLedger::issue(std::uint32_t member, std::int64_t now) {
  const std::uint32_t room = shape_.room_of(member);
  ++sent_in_all_;
  expected_ += shape_.fast_receivers(room);
  return {run_, room, shape_.place_of(member), sent_[speaker_index(member)]++, now};
}

std::optional<Stamp> RelayLedger::take(std::uint32_t member, Opcode kind, std::string_view payload,
                                       Faults& faults) {
  const auto wrong = [](std::uint64_t& counter) {
    ++counter;
    return std::nullopt;
  };
  const auto stamp = find_stamp(payload);
  if (!stamp) return wrong(faults.corrupted);
  if (stamp->run != run_) return wrong(faults.foreign);
  if (kind != shape_.kind || payload.size() != shape_.frame_bytes || stamp->room >= shape_.rooms ||
      stamp->speaker >= shape_.speakers) {
    return wrong(faults.corrupted);
  }
  const std::uint32_t speaker = stamp->room * shape_.members + stamp->speaker;
  if (stamp->sequence >= sent_[speaker_index(speaker)]) return wrong(faults.corrupted);
  if (stamp->room != shape_.room_of(member)) return wrong(faults.foreign);
  if (speaker == member) return wrong(faults.echoed);
  switch (flows_[std::size_t{member} * shape_.speakers + stamp->speaker].take(stamp->sequence)) {
    case Arrival::duplicate:
      return wrong(faults.duplicated);
    case Arrival::late:
      ++faults.reordered;
      break;
    case Arrival::in_order:
    case Arrival::after_gap:
      break;
  }
  if (!shape_.is_slow(member)) ++arrived_;
  return stamp;
}

std::uint64_t RelayLedger::gaps(std::uint32_t member) const noexcept {
  std::uint64_t missing = 0;
  for (std::uint32_t i = 0; i < shape_.speakers; ++i) missing += flow(member, i).missing();
  return missing;
}

}  // namespace voicechan::load
