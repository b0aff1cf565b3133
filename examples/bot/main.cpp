// A bot embedded in the host: a member of a room like any other, with a Transport instead of a
// connection. It answers "ping" from within the call that brings it, and when somebody has fallen
// silent, it says who that was and repeats what he said.

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "echo_bot.hpp"
#include "voicechan/hub.hpp"

using namespace std::chrono_literals;
using voicechan::FrameKind;
using voicechan::MonotonicTime;

namespace {

/// A client without members: keeps what it hears, and what it reads.
struct Listener final : voicechan::Transport {
  void send(const voicechan::Frame& frame) noexcept override {
    (frame.kind() == FrameKind::text ? read : heard).push_back(frame.bytes());
  }
  std::vector<std::string> read, heard;
};

}  // namespace

int main() {
  voicechan::InProcessBackplane backplane(1);
  const auto hub = voicechan::Hub::attach(backplane);
  const auto room = voicechan::RoomName::parse("general");
  if (!hub || !room) return EXIT_FAILURE;
  MonotonicTime now;  // a real host takes that of its loop
  EchoBot bot;
  Listener alice, bob;
  auto alices = (*hub)->join_voice({{1}, "alice"}, *room, alice);
  auto bobs = (*hub)->join_voice({{2}, "bob"}, *room, bob);
  if (!alices || !bobs || !bot.join(**hub, *room, now)) return EXIT_FAILURE;
  (*hub)->tick(now);  // the bot gets the roster

  alices->receive(FrameKind::text, "ping");
  const bool has_ponged = alice.read == std::vector<std::string>{"pong, alice"};  // at once

  std::vector<std::string> said;  // by alice for a second; then bob says one thing
  for (int turn = 0; turn < 150; ++turn, now += 20ms) {
    if (turn < 50) {
      said.push_back("<Opus of alice, " + std::to_string(turn) + ">");
      alices->receive(FrameKind::binary, said.back());
    }
    if (turn == 50) bobs->receive(FrameKind::binary, "<Opus of bob>");
    bot.speak();
    (*hub)->tick(now);
  }
  for (const std::string& text : bob.read) std::cout << "bob reads: " << text << '\n';
  const std::vector<std::string> texts{"ping", "pong, alice", "alice said:", "bob said:"};
  std::vector<std::string> to_alice = said;  // it comes back to her behind bob's own voice
  to_alice.insert(to_alice.begin(), "<Opus of bob>");
  to_alice.push_back("<Opus of bob>");
  const bool has_echoed = bob.read == texts && alice.heard == to_alice;
  return has_ponged && has_echoed ? EXIT_SUCCESS : EXIT_FAILURE;
}
