#include "voicechan/flight_recorder.hpp"

#include <algorithm>
#include <utility>

namespace voicechan {
namespace {

/// What is known of a message does not become less: its reports may overtake each other.
int rank_of(FlightEvent::Outcome outcome) {
  switch (outcome) {
    case FlightEvent::Outcome::open:
      return 0;
    case FlightEvent::Outcome::held:
      return 1;
    case FlightEvent::Outcome::queued:
      return 2;
    case FlightEvent::Outcome::waiting:
      return 3;
    case FlightEvent::Outcome::delivered:
    case FlightEvent::Outcome::gone:
    case FlightEvent::Outcome::unknown:
    case FlightEvent::Outcome::busy:
      break;
  }
  return 4;
}

}  // namespace

std::string_view to_string(FlightEvent::Kind kind) noexcept {
  switch (kind) {
    case FlightEvent::Kind::joined:
      return "joined";
    case FlightEvent::Kind::left:
      return "left";
    case FlightEvent::Kind::message:
      return "message";
    case FlightEvent::Kind::refused:
      return "refused";
    case FlightEvent::Kind::ice_servers:
      return "ice_servers";
    case FlightEvent::Kind::ice_error:
      return "ice_error";
  }
  return {};
}

std::string_view to_string(FlightEvent::Type type) noexcept {
  switch (type) {
    case FlightEvent::Type::offer:
      return "offer";
    case FlightEvent::Type::answer:
      return "answer";
    case FlightEvent::Type::candidate:
      return "candidate";
    case FlightEvent::Type::other:
      return "other";
  }
  return {};
}

std::string_view to_string(FlightEvent::Outcome outcome) noexcept {
  switch (outcome) {
    case FlightEvent::Outcome::open:
      return "open";
    case FlightEvent::Outcome::held:
      return "held";
    case FlightEvent::Outcome::queued:
      return "queued";
    case FlightEvent::Outcome::delivered:
      return "delivered";
    case FlightEvent::Outcome::waiting:
      return "waiting";
    case FlightEvent::Outcome::gone:
      return "gone";
    case FlightEvent::Outcome::unknown:
      return "unknown";
    case FlightEvent::Outcome::busy:
      return "busy";
  }
  return {};
}

std::uint64_t FlightRecorder::record(const RoomName& name, FlightEvent event) {
  const MutexLock lock(mutex_);
  event.time = clock_->now();  // under the lock, so that times are in order as numbers are
  event.number = ++last_number_;
  forget_old(event.time);
  auto room = rooms_.find(name.str());
  if (room == rooms_.end()) {
    room = rooms_.try_emplace(name.str()).first;
    room->second.place = by_use_.insert(by_use_.end(), name.str());
  } else {
    by_use_.splice(by_use_.end(), by_use_, room->second.place);
  }
  std::deque<FlightEvent>& events = room->second.events;
  events.push_back(std::move(event));
  ++size_;
  while (events.size() > limits_.events_per_room ||
         events.back().time - events.front().time > limits_.max_age) {
    pop_front(room->second);
  }
  while (size_ > limits_.events && by_use_.size() > 1) drop(rooms_.find(by_use_.front()));
  return last_number_;
}

void FlightRecorder::settle(const RoomName& name, std::uint64_t number,
                            FlightEvent::Outcome outcome) {
  const MutexLock lock(mutex_);
  const auto room = rooms_.find(name.str());
  if (room == rooms_.end()) return;
  std::deque<FlightEvent>& events = room->second.events;
  const auto event =
      std::lower_bound(events.begin(), events.end(), number,
                       [](const FlightEvent& each, std::uint64_t n) { return each.number < n; });
  if (event == events.end() || event->number != number) return;
  if (rank_of(outcome) >= rank_of(event->outcome)) event->outcome = outcome;
}

std::vector<FlightEvent> FlightRecorder::events(const RoomName& name) {
  const MutexLock lock(mutex_);
  const WallTime now = clock_->now();
  forget_old(now);
  const auto room = rooms_.find(name.str());
  if (room == rooms_.end()) return {};
  std::deque<FlightEvent>& events = room->second.events;
  while (now - events.front().time > limits_.max_age) pop_front(room->second);  // the last is young
  return {events.begin(), events.end()};
}

/// Drops the rooms in which nothing has happened for so long that nothing of it is to be shown.
void FlightRecorder::forget_old(WallTime now) {
  while (!by_use_.empty()) {
    const auto room = rooms_.find(by_use_.front());
    if (now - room->second.events.back().time <= limits_.max_age) return;
    drop(room);
  }
}

void FlightRecorder::pop_front(Room& room) {
  room.events.pop_front();
  --size_;
}

void FlightRecorder::drop(Rooms::iterator room) {
  size_ -= room->second.events.size();
  by_use_.erase(room->second.place);
  rooms_.erase(room);
}

}  // namespace voicechan
