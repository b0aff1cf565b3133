#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "connection.hpp"
#include "histogram.hpp"
#include "relay_ledger.hpp"

namespace voicechan::load {

/// How speakers speak: at a rate, or with so many frames in flight.
struct Pace {
  double frames_per_second = 50;
  std::uint32_t window = 0;  // instead of the rate, if not 0
  bool is_in_phase = false;
};

/// Lets the speakers of all rooms send when they are due.
class Speakers {
 public:
  /// `members` are all connections, in the ledger's order; both outlive this.
  Speakers(const Pace& pace, RelayLedger& ledger, std::deque<Connection>& members);

  void start(std::int64_t now);

  /// When `speak` has something to do next.
  std::int64_t next_due() const noexcept;
  void speak(std::int64_t now);

  /// A frame has come to a member who is not slow.
  void on_delivered(const Stamp& stamp);

  /// How long after its time a frame was sent; nothing with a window.
  Histogram& lateness() noexcept { return lateness_; }
  /// Frames that were not sent because the server did not read.
  std::uint64_t held_back() const noexcept { return held_back_; }
  /// Frames that the window does not wait for any more.
  std::uint64_t given_up() const noexcept { return given_up_; }

 private:
  struct Slot {  // a frame in flight
    std::uint64_t sequence = 0;
    std::uint32_t missing = 0;  // receivers
    std::int64_t sent_at = 0;
  };
  struct Speaker {
    std::uint32_t member;
    std::uint64_t next = 0;      // sequence
    std::int64_t due_since = 0;  // of the first of those due
    std::uint32_t due = 0;
    bool is_ready = false;
    std::vector<Slot> window;
  };

  std::int64_t time_of(std::uint64_t event) const noexcept;
  void mark_ready(Speaker& speaker);
  void collect_due(std::int64_t now);
  void give_up(std::int64_t now);
  void speak_at_rate(Speaker& speaker);
  void fill_window(Speaker& speaker);
  void send(Speaker& speaker, std::int64_t now);

  Pace pace_;
  RelayLedger& ledger_;
  std::deque<Connection>& members_;
  std::vector<Speaker> speakers_;  // rooms take turns
  std::vector<Speaker*> ready_;
  std::string payload_;
  std::int64_t period_ns_ = 0;
  std::int64_t start_ = 0;
  std::uint64_t next_event_ = 0;  // counts the frames of all speakers
  std::int64_t next_check_ = 0;
  std::uint64_t held_back_ = 0;
  std::uint64_t given_up_ = 0;
  Histogram lateness_;
};

}  // namespace voicechan::load
