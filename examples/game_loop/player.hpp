#pragma once

#include <array>
#include <chrono>
#include <cstdlib>
#include <string>
#include <vector>

#include "voicechan/clock.hpp"
#include "voicechan/hub.hpp"
#include "voicechan/outbox.hpp"

inline constexpr int kTicksPerSecond = 60;
inline constexpr std::size_t kPlayers = 4;

/// Time as the game counts it. A live server would wait for the next tick, and count likewise.
struct GameClock final : voicechan::Clock {
  std::chrono::microseconds elapsed() const noexcept {
    return std::chrono::microseconds(std::chrono::seconds(tick)) / kTicksPerSecond;
  }
  voicechan::WallTime now() const noexcept override { return started_at + elapsed(); }
  voicechan::MonotonicTime monotonic() const noexcept {
    return voicechan::MonotonicTime(elapsed());
  }

  voicechan::WallTime started_at;
  int tick = 0;
};

/// A player, and the way out to him. What he says begins with the letter of his name.
struct Player final : voicechan::Transport {
  void send(const voicechan::Frame& frame) noexcept override {
    if (!outbox.push(frame, clock->monotonic())) std::abort();  // a live server disconnects him
  }

  /// At the end of a tick all that waits goes into the player's packet, unless his link stalls.
  void flush() {
    outbox.drop_stale(clock->monotonic());
    if (link_stalls) return;
    for (; !outbox.is_empty(); outbox.pop_front()) {
      const voicechan::Frame& frame = outbox.frame(0);
      if (frame.kind() == voicechan::FrameKind::text)
        texts.push_back(frame.bytes());
      else
        ++heard[static_cast<std::size_t>(frame.bytes()[0] - 'a')];
    }
  }

  /// Enters a room, and only then leaves the last one: there he stays if the new one is full.
  void move_to(voicechan::Hub& hub, const std::string& name) {
    if (name == room) return;
    const auto parsed = voicechan::RoomName::parse(name);
    auto joined = hub.join_voice({{letter - 'a' + 1}, {letter}}, parsed.value(), *this);
    if (!joined) return;
    session = *std::move(joined);
    room = name;
  }

  char letter = 0;
  const char* team = "";
  int position = 0, speed = 0;  // decimeters, and those a tick
  bool link_stalls = false;
  const GameClock* clock = nullptr;
  voicechan::OutboxLimits limits;  // audio waits for 200 ms at most
  voicechan::Outbox outbox{limits};
  std::array<int, kPlayers> heard{};  // frames, by speaker
  std::vector<std::string> texts;
  std::string room;
  voicechan::Session session;
};
