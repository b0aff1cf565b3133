// A game server with 60 ticks a second that owns time: the library gets it from the game's clock,
// so that a match can be run as fast as the machine can, each time with the same outcome. Before
// the fight players hear their team, then whoever is in the same sector of the map. A player whose
// link stalls loses audio that has grown old, and no text.

#include <array>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "player.hpp"
#include "voicechan/directory.hpp"
#include "voicechan/hub.hpp"

int main() {
  constexpr int kSector = 200;  // decimeters
  GameClock clock;
  voicechan::InProcessBackplane backplane(1);
  const auto hub = voicechan::Hub::attach(backplane);
  const auto store = voicechan::make_memory_store();
  voicechan::Directory directory(*store, backplane, clock);
  const auto name = voicechan::ChannelName::parse("match");
  if (!hub || !name) return EXIT_FAILURE;
  const auto match = directory.create_channel({{1}, "a"}, *name);
  if (!match) return EXIT_FAILURE;
  const std::string prefix = voicechan::voice_room(match->id).str() + ".";

  std::array<Player, kPlayers> players;
  auto& [a, b, c, d] = players;
  a.team = b.team = "red";
  c.team = d.team = "blue";
  b.speed = 2;  // in the fight, out of a's sector into c's
  c.position = kSector;
  d.position = 5 * kSector;
  for (std::size_t i = 0; i < kPlayers; ++i) {
    players[i].letter = static_cast<char>('a' + i);
    players[i].clock = &clock;
  }

  for (; clock.tick < 6 * kTicksPerSecond; ++clock.tick) {
    const bool is_fight = clock.tick >= 2 * kTicksPerSecond;
    d.link_stalls = clock.tick / (kTicksPerSecond / 2) == 1;
    for (Player& player : players) {
      if (is_fight) player.position += player.speed;
      player.move_to(**hub,
                     prefix + (is_fight ? std::to_string(player.position / kSector) : player.team));
    }
    for (Player& player : players) {  // all speak all the time, 50 frames a second
      if (clock.tick % 6 == 5) continue;
      player.session.receive(voicechan::FrameKind::binary, player.letter + std::string("<Opus>"));
    }
    if (clock.tick == kTicksPerSecond * 3 / 4)
      c.session.receive(voicechan::FrameKind::text, "hold!");
    (*hub)->tick(clock.monotonic());
    for (Player& player : players) player.flush();
  }

  std::cout << match->name << " of " << voicechan::format_rfc3339(match->created_at) << '\n';
  for (const Player& player : players) {
    std::cout << player.letter << " heard";
    for (const int frames : player.heard) std::cout << ' ' << frames;
    std::cout << ", " << player.outbox.drops().frames << " were too old\n";
  }
  // After the two seconds of the teams b is with a for 99 ticks, with c for 100, then alone.
  const bool is_right = a.heard == std::array{0, 183, 0, 0} &&
                        b.heard == std::array{183, 0, 83, 0} &&
                        c.heard == std::array{0, 83, 0, 100} && d.heard == std::array{0, 0, 85, 0};
  const bool is_fresh =
      d.outbox.drops().frames == 15 && d.texts == std::vector<std::string>{"hold!"};
  return is_right && is_fresh ? EXIT_SUCCESS : EXIT_FAILURE;
}
